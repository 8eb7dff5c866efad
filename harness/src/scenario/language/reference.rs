//! The reference of the language, in Markdown: `docs/scenarios.md`.

use super::key::{Form, Key, Presence, Shape, Table};
use super::tables::{ACTOR, CONVICTION, HOST, LINK, NETWORK, OPPOSITE, SCENARIO, SPECIMEN};
use super::triggers::{NUMBERS, TRIGGERS};
use super::verbs::{self, FAULT};
use super::{checks, facts, timing};

const BEGINNING: &str = "\
# The language of scenarios

A scenario is a TOML file. This page lists every table and key that the parser reads; it is made from the tables that the
parser itself uses, and a test fails when it is stale (`INSTA_UPDATE=always cargo test -p halfopen --lib language` writes it).
The same tables give [scenario.schema.json](scenario.schema.json) and [base.schema.json](base.schema.json), JSON schemas for
editors: put `#:schema ../docs/scenario.schema.json` (with your path) in the first line of a scenario and an editor with
taplo completes and checks it.

Durations are strings with a unit, in whole milliseconds of virtual time: `\"20ms\"`, `\"5s\"`, `\"1h 30min\"`. Names are made of
letters, digits, `_` and `-`. A link is written `\"alice -> scheduler\"`: the client, then the server. Unknown keys are mistakes,
and all mistakes of a file are told, each with its line.

```toml
proves = \"an idle close is noticed and the client comes back\"

[host.chat]
run = \"chat\"

[actor.alice]
run = \"talker\"
tells = [\"detected\", \"recovered\"]

[[fault]]
link = \"alice -> chat\"
when = { at = { from = \"5min\", to = \"11min\" } }
do = \"close\"
code = [1000, 1001]

[checks.recover]
within = \"2s\"
observers = [\"alice\"]
```

A **base** is a file in a folder `_base` (or `base`) beside or above a scenario, and may have a `base` itself. It has no `proves`,
`name`, `fault`, `specimen` or `convicts`. Keys in the scenario override the base; lists are replaced, except `[[facts]]` and `[[link]]`, which
are appended. A `[[link]]` for the same two hosts replaces the base's. `checks.NAME = false` drops a check of the base.

What a seed **draws** is written as a list (`code = [1000, 1001]`: one of these) or as a range (`{ from = 1, to = 9 }`: in what a
trigger counts). `when = { one_of = [...] }` and `do = { one_of = [...] }` draw one of several whole tables. Of several lists each
combination is as likely as any other.
";

const TRIGGERS_SAY: &str = "\
A trigger is a table with the key that names it and the keys beside that. `to` names the host that receives, in place of
`direction`. `[moment.NAME]` holds a trigger, perhaps with the `link` on which it counts: `when = \"first_result\"` is the moment
of that name, and `when = { moment = \"first_result\", edge = \"before\" }` the moment with other keys. A fault that names no `link`
strikes its moment's.

What a message says (`wanted`) is a table of JSON pointers or of fields of the whole, each with a value, with `\"!x\"` (any value
but `x`), or with `{ present = true }` or `{ present = false }`. A table with `from` and `to` is a range of numbers, so fields of these
names are written `/from` and `/to`.";

const ANYWHERE_SAYS: &str = "\
`when = \"anywhere\"` strikes at a place that no range has to guess. The run under the same seed without the fault shows which
messages, events and heads pass on the link, in each direction, and one of them and one of its edges is drawn. On a host, and
between two hosts, it is a time at which something happens there. A place at which the fault takes no effect is not kept. Of
several such faults each strikes after those before it. The plan and its capsule hold the trigger that was drawn.";

const ACTORS_SAY: &str = "\
`run` names a script of the catalogue, or one of these, which every catalogue has. What they tell need not be listed under
`tells`, and what is wrong with their `config` is told with its line.

| `run` | `config` | what it tells |
|---|---|---|
| `ws_client` | `url`; `says` (how many texts, 0), `every` (`\"1s\"`), `text` (`\"{key}\"`), `hears` (`false`), `echoes` (its own texts as well, `false`), `reconnects` (`true`), `ping_every` (`\"10s\"`), `silence` (after which a connection is lost, `\"30s\"`) | `offered`, `received`; `detected`, `recovered` |
| `sse_reader` | `url`; `post` (a body; a GET without), `until` (the data of the last event; for ever without), `reconnects` (`true`, with `Last-Event-ID`) | `offered` where the body has a key, `received`; `detected`, `recovered`, `stream_opened`, `stream_event`, `stream_terminator`, `stream_error`, `stream_ended` |
| `http_client` | `url`; `requests` (1), `every` (`\"1s\"`), `post` (a body; GETs without), `hears` (`false`), `patience` (`\"30s\"`) | `offered`, `received`; `accepted` (2xx), `refused` (another answer), `claimed_failed` (none) |

`{key}` in `text`, `post` and the `url` of `http_client` becomes `alice-1`, `alice-2` and so on for the actor `alice`. An actor
that hears tells `received` of each key that somebody has offered and that stands as a word of its own in what it is told. Who
only hears stays until everybody else is done and all has settled.

```toml
[actor.alice]
run = \"ws_client\"
config = { url = \"ws://chat:8080/\", says = 5, text = '{\"say\":\"{key}\"}' }

[actor.bob]
run = \"ws_client\"
config = { url = \"ws://chat:8080/\", hears = true }
```";

const OPPOSITE_SAYS: &str = "\
Changes under which the sentence of a scenario is false: another number in a service's configuration, one more fault, another
link. They are laid over the scenario as a scenario is laid over its base, so `fault` and `link` follow the scenario's own
(`fault = []` takes them away), and a law is never changed. A base describes what its family shares. An opposite is played by
the scenarios whose `[convicts]` names it, and the checks named there must convict it.

```toml
proves = \"a client whose link falls silent notices within 42 s\"

[opposite.pings_every_two_minutes]
actor.alice.config.ping_interval = \"2min\"

[convicts]
pings_every_two_minutes = { by = \"detect\", breaks = \"notices within 42 s\" }
```";

const CONVICTS_SAYS: &str = "\
What a scenario must convict, so that its sentence says no more than its laws hold: `NAME = \"CHECK\"`, `NAME = [\"CHECK\", \"CHECK\"]`, or
a table. A name is that of an `[opposite.NAME]` of the file or its base, or of a specimen that the catalogue registers with
`Catalogue::specimen`. Each is played until all of its checks have convicted it, under 16 seeds at least and at most under as
many as the scenario.";

const SOMETIMES_SAY: &str = "\
States that some run of a sweep must reach, by name. No single run is judged by them. `sometimes = \"each verb of each fault\"`
stands for a state of each verb that a fault may draw, on what it strikes.";

const TIMING_SAYS: &str = "\
Rules about time, by name: what `after` names opens an obligation, what `follows` names closes the oldest open one, and the
time between the two is bounded. The verdict says how often each rule was kept, and the shortest and the longest time.

An obligation is void when its time is not over at the end of the run, and when the host that owes it is away, or ends or is told
to stop before its time is over. A rule by which no obligation was kept or broken convicts the run, unless it is `optional`.
`checks.timing.NAME = false` drops a rule of the base. Latency counts: a unit is at the receiver later than it was sent.

```toml
[checks.timing.ping_every_20s]
after = { unit = \"ws_ping\", link = \"alice -> chat\", direction = \"to_server\" }
follows = { unit = \"ws_ping\", link = \"alice -> chat\", direction = \"to_server\" }
same = \"connection\"
at_least = \"19s\"
within = \"21s\"
```";

const BACKOFF_SAYS: &str = "\
Rules about reconnecting, by name. The client of a link that has lost its connection, or has failed to get one, tries again: after
`first`, then after twice the pause before, up to `longest`. An attempt that comes sooner or later, that never comes, or that is one
too many breaks the rule. A jitter must show: of three pauses or more not all are the bare ones.

The pause begins when the host says (`detected`, `retried`) that the connection or attempt before is over; when it says nothing, as
soon as it could know: at the FIN, RST, refusal or timeout, or when it closes its socket. `checks.backoff.NAME = false` drops a rule
of the base.";

/// The reference of the language of scenarios, in Markdown, made from the tables that the parser uses.
pub fn reference() -> String {
    let mut page = Page(BEGINNING.to_owned());
    page.table("The file", "The keys outside of any table, and the tables.", &SCENARIO);
    page.table("`[network]`", "What the network between the hosts is like.", &NETWORK);
    page.table("`[host.NAME]`", "A service: it runs until it is stopped.", &HOST);
    page.table("`[actor.NAME]`", "A script: when all actors have ended, the run ends.", &ACTOR);
    page.push(&format!("\n{ACTORS_SAY}\n"));
    page.table(
        "`[[link]]`",
        "Overrides the network's parameters between two hosts. It sets at least one of them.",
        &LINK,
    );
    let says = "What breaks. A fault has one of `link`, `between` and `host`; which one, its verb says.";
    page.table("`[[fault]]`", says, &FAULT);
    page.section("Triggers: `when`", TRIGGERS_SAY);
    page.push(&format!("\n{ANYWHERE_SAYS}\n"));
    TRIGGERS.iter().for_each(|trigger| page.form(trigger, ""));
    page.section("Verbs: `do`", "A verb is a word under `do`; its parameters stand beside it in the `[[fault]]`.");
    for verb in verbs::forms() {
        page.push(&format!(
            "\n### `{}`\n\n{} Strikes what `{}` names.\n",
            verb.word,
            sentence(verb.says),
            verb.strikes
        ));
        page.keys(verb.keys.iter());
    }
    page.section(
        "`[[facts]]`",
        "Where facts come from that no actor tells: from one of `event`, `unit` and `connection`.",
    );
    facts::ORIGINS.iter().for_each(|origin| page.form(origin, ""));
    let says = "The laws that must hold. A name that is none of these is a check of the catalogue's own.";
    page.section("`[checks.NAME]`", says);
    checks::LAWS.iter().for_each(|law| page.form(law, ""));
    page.section("`[checks.timing.NAME]`", TIMING_SAYS);
    page.keys(timing::RULE.keys());
    page.section("`[checks.backoff.NAME]`", BACKOFF_SAYS);
    page.keys(timing::BACKOFF.keys());
    page.section(
        "Occurrences: `after`, `follows`, `unless`",
        "What can occur: one of these tables, or a list of them.",
    );
    timing::OCCURRENCES.iter().for_each(|occurrence| page.form(occurrence, ""));
    page.section("`[checks.sometimes]`", SOMETIMES_SAY);
    page.keys(checks::SIGN.keys());
    page.table("`[opposite.NAME]`", OPPOSITE_SAYS, &OPPOSITE);
    page.section("`[convicts]`", CONVICTS_SAYS);
    page.keys(CONVICTION.keys());
    page.table(
        "`[[specimen]]`",
        "A defective service, which the checks must convict under the same plan and seed. One that several scenarios play is \
         registered once, with `Catalogue::specimen`, and named in `[convicts]`.",
        &SPECIMEN,
    );
    page.section("Tables inside values", "What the pages above call by these names.");
    for table in [&checks::ALLOWED_LOSS, &checks::HEALTH, &checks::BOUNDS, &checks::SOCKETS, &NUMBERS] {
        page.push(&format!("\n### {}\n", capital(table.what)));
        page.keys(table.keys());
    }
    page.0
}

struct Page(String);

impl Page {
    fn push(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn section(&mut self, title: &str, says: &str) {
        self.push(&format!("\n## {title}\n\n{says}\n"));
    }

    fn table(&mut self, title: &str, says: &str, table: &Table) {
        self.section(title, says);
        self.keys(table.keys());
    }

    fn form(&mut self, form: &Form, more: &str) {
        self.push(&format!("\n### `{}`\n\n{}{more}\n", form.word, form.says));
        self.keys(form.keys.iter());
    }

    fn keys<'k>(&mut self, keys: impl Iterator<Item = &'k Key> + Clone) {
        if keys.clone().next().is_none() {
            return;
        }
        self.push("\n| key | holds | without it | | example |\n|---|---|---|---|---|\n");
        for key in keys {
            let without = match key.presence {
                Presence::Required => "required".to_owned(),
                Presence::Default(default) => format!("`{default}`"),
                Presence::Without(holds) => holds.to_owned(),
            };
            let holds = holds(&key.shape);
            self.push(&format!(
                "| `{}` | {holds} | {without} | {} | `{}` |\n",
                key.name,
                sentence(key.says),
                key.example
            ));
        }
    }
}

/// What a value is, in words.
fn holds(shape: &Shape) -> String {
    match shape {
        Shape::Text => "string".to_owned(),
        Shape::Host => "name".to_owned(),
        Shape::Link => "link".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Whole(i64::MIN, _) => "whole number".to_owned(),
        Shape::Whole(least, most) if *most >= u64::from(u32::MAX) => format!("whole number from {least}"),
        Shape::Whole(least, most) => format!("whole number from {least} to {most}"),
        Shape::Duration => "duration".to_owned(),
        Shape::Date => "date in UTC".to_owned(),
        Shape::WordsOf(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Shape::Words(words) => words().iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Shape::Scalar => "string, whole number, true or false".to_owned(),
        Shape::Range => "range (`\"2..=7\"`)".to_owned(),
        Shape::List(item) => format!("list: {}", holds(item)),
        Shape::Named(value) => format!("table of names: {}", holds(value)),
        Shape::Table(table) => format!("table ({})", table.what),
        Shape::Free => "table".to_owned(),
        Shape::Either(shapes) => shapes.iter().map(holds).collect::<Vec<_>>().join(", or "),
        Shape::Section(name) => format!("see {name}"),
    }
}

/// What is said, with a capital letter and a full stop.
pub(super) fn sentence(says: &str) -> String {
    let end = if says.ends_with('.') { "" } else { "." };
    format!("{}{end}", capital(says))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
