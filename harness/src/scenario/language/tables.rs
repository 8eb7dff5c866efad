//! The tables of a scenario, but for what `when`, `do`, `[[facts]]` and `[checks.NAME]` hold.

use super::key::{Key, Presence, Shape, Table};
use crate::fact::FactKind;
use crate::fault::Forgetting;
use crate::name::HostName;
use crate::scenario::Arrivals;
use crate::scenario::date::Date;
use crate::scenario::duration::Millis;

/// A whole file.
pub(crate) const SCENARIO: Table =
    Table { what: "a scenario", groups: &[&OWN, &BEGINNING, &WORLD, &NAMED, &FAULTS, &OWN_TABLES] };

/// A file that scenarios name as their `base`.
pub(crate) const BASE: Table = Table { what: "a base", groups: &[&BEGINNING, &WORLD, &NAMED] };

/// `[opposite.NAME]`: what it lays over its scenario.
pub(crate) const OPPOSITE: Table = Table { what: "an opposite", groups: &[&WORLD, &FAULTS] };

const OWN: [Key; 3] = [
    Key::required::<String>(
        "proves",
        "The sentence that a run of the scenario proves.",
        "\"an idle close is noticed at once\"",
    ),
    Key::optional::<HostName>("name", "the file's name without `.toml`", "The scenario's name.", "\"idle_close\""),
    Key::optional::<u32>(
        "seeds",
        "as many as are asked for",
        "The most seeds under which it is played, at least 1: for a run that costs much and leaves little to draw.",
        "16",
    ),
];

/// What a base may hold, too. A scenario's own name, sentence, faults and defects are its own.
const BEGINNING: [Key; 3] = [
    Key::optional::<HostName>(
        "base",
        "the file says everything itself",
        "A file in a folder `_base` (or `base`) beside or above this one, by its name without `.toml`.",
        "\"translation\"",
    ),
    Key::default::<Date>(
        "starts_at",
        "\"2027-01-01T00:00:00Z\"",
        "What the wall clock says at the start of a run.",
        "\"2026-11-29T12:34:56Z\"",
    ),
    Key::default::<Vec<String>>(
        "tags",
        "[]",
        "Words by which the command's `--tag` chooses scenarios.",
        "[\"slow\", \"release\"]",
    ),
];

/// Who takes part, and what is between them.
const WORLD: [Key; 6] = [
    Key::default::<Millis>("time_limit", "\"30min\"", "The virtual time at which a run is ended.", "\"20min\""),
    Key::default::<Millis>(
        "settle",
        "\"1min\"",
        "The virtual time between the end of the last actor and the judgement.",
        "\"60s\"",
    ),
    Key::read_elsewhere(
        "network",
        Shape::Table(&NETWORK),
        Presence::Without("the defaults of its keys"),
        "What the network between the hosts is like.",
        "{ latency = \"5ms\" }",
    ),
    Key::read_elsewhere(
        "host",
        Shape::Named(&Shape::Table(&HOST)),
        Presence::Without("none"),
        "The services, by name: each runs until it is stopped.",
        "{ chat = { run = \"chat\" } }",
    ),
    Key::read_elsewhere(
        "actor",
        Shape::Named(&Shape::Table(&ACTOR)),
        Presence::Without("no scenario is without one"),
        "The scripts, by name: when all of them have ended, the run ends.",
        "{ alice = { run = \"talker\" } }",
    ),
    Key::read_elsewhere(
        "link",
        Shape::List(&Shape::Table(&LINK)),
        Presence::Without("none"),
        "Overrides the network's parameters between two hosts.",
        "[{ between = [\"alice\", \"chat\"], latency = \"80ms\" }]",
    ),
];

const NAMED: [Key; 5] = [
    Key::read_elsewhere(
        "moment",
        Shape::Named(&Shape::Section("moment")),
        Presence::Without("none"),
        "Triggers by name, for `when`. A moment may name the `link` on which it counts.",
        "{ first_result = { link = \"alice -> chat\", message = { type = \"result\" }, to = \"alice\" } }",
    ),
    Key::read_elsewhere(
        "verbs",
        Shape::Named(&Shape::Section("verbs")),
        Presence::Without("none"),
        "Lists of verbs by name, for `do = { one_of = \"NAME\" }`.",
        "{ breaks = [{ do = \"reset\" }, { do = \"drop\" }] }",
    ),
    Key::read_elsewhere(
        "facts",
        Shape::List(&Shape::Section("facts")),
        Presence::Without("actors tell all facts"),
        "Where facts come from that no actor tells.",
        "[{ fact = \"accepted\", event = \"submit accepted\", key = \"job_id\" }]",
    ),
    Key::read_elsewhere(
        "checks",
        Shape::Section("checks"),
        Presence::Without("`survival` and `stops` by their defaults"),
        "The laws that must hold.",
        "{ delivery = { law = \"exactly_once\" } }",
    ),
    Key::read_elsewhere(
        "opposite",
        Shape::Named(&Shape::Table(&OPPOSITE)),
        Presence::Without("none"),
        "Changes, by name, under which the sentence of a scenario is false. A scenario plays those that its `convicts` names.",
        "{ late_pings = { actor = { alice = { config = { ping = \"1min\" } } } } }",
    ),
];

const FAULTS: [Key; 1] = [Key::read_elsewhere(
    "fault",
    Shape::List(&Shape::Section("fault")),
    Presence::Without("nothing breaks"),
    "What breaks.",
    "[{ link = \"alice -> chat\", when = { at = \"5s\" }, do = \"reset\" }]",
)];

const OWN_TABLES: [Key; 2] = [
    Key::read_elsewhere(
        "specimen",
        Shape::List(&Shape::Table(&SPECIMEN)),
        Presence::Without("none"),
        "Defective services, one defect each, which the checks must convict under the same plan and seed.",
        "[{ name = \"deaf\", host = \"chat\", run = \"specimen_deaf\", convicted_by = [\"delivery\"] }]",
    ),
    Key::read_elsewhere(
        "convicts",
        Shape::Named(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Text), Shape::Table(&CONVICTION)])),
        Presence::Without("none"),
        "Opposites, and specimens that the catalogue registers, each with the checks that must find it.",
        "{ deaf = \"delivery\", late_pings = { by = \"detect\", breaks = \"at once\" } }",
    ),
];

/// `[network]`.
pub(crate) const NETWORK: Table =
    Table { what: "the network", groups: &[&LINK_PARAMETERS, &MIDDLEBOX, &NETWORK_ALONE] };

const LINK_PARAMETERS: [Key; 4] = [
    Key::default::<Millis>("latency", "\"20ms\"", "How long a packet takes one way.", "\"5ms\""),
    Key::default::<u32>(
        "send_buffer_bytes",
        "3800000",
        "Bytes that a process can write before any of them is acknowledged. A socket's `SO_SNDBUF` overrides it.",
        "65536",
    ),
    Key::default::<u32>(
        "receive_buffer_bytes",
        "131072",
        "Bytes that a kernel takes in for a process that does not read. A socket's `SO_RCVBUF` overrides it.",
        "65536",
    ),
    Key::default::<u32>(
        "tcp_syn_linear_timeouts",
        "4",
        "The SYNs that are sent again one second apart before the waits double: Linux's sysctl of this name, at most 127.",
        "0",
    ),
];

/// Of a hop on the way that forgets idle connections.
const MIDDLEBOX: [Key; 2] = [
    Key::optional::<Millis>(
        "idle_timeout",
        "no hop forgets a connection",
        "A hop on the way forgets connections that carry nothing for this time.",
        "\"350s\"",
    ),
    Key::default::<Forgetting>(
        "forgets",
        "\"blackhole\"",
        "What the hop does with packets of a forgotten connection; it needs an `idle_timeout`.",
        "\"reset\"",
    ),
];

const NETWORK_ALONE: [Key; 2] = [
    Key::default::<bool>(
        "interleaved",
        "true",
        "Whether the seed also decides when tasks yield, how much a read returns and how much a write takes.",
        "false",
    ),
    Key::optional::<Arrivals>(
        "arrivals",
        "`between_polls`; of an interleaved scenario the plan draws it",
        "When packets arrive that are due while tasks run.",
        "\"between_calls\"",
    ),
];

/// `[[link]]`: the network's parameters, and between whom they hold.
pub(crate) const LINK: Table = Table { what: "a link", groups: &[&BETWEEN, &OF_A_LINK] };

const BETWEEN: [Key; 1] =
    [Key::required::<Vec<HostName>>("between", "The two hosts, in any order.", "[\"alice\", \"chat\"]")];

/// A `[[link]]` sets at least one of these keys.
pub(crate) const OF_A_LINK: [Key; 6] = [
    of_a_link(LINK_PARAMETERS[0]),
    of_a_link(LINK_PARAMETERS[1]),
    of_a_link(LINK_PARAMETERS[2]),
    of_a_link(LINK_PARAMETERS[3]),
    of_a_link(MIDDLEBOX[0]),
    MIDDLEBOX[1],
];

/// What a `[[link]]` leaves out is as in `[network]`.
const fn of_a_link(key: Key) -> Key {
    key.without("as in `[network]`")
}

/// `[host.NAME]`.
pub(crate) const HOST: Table = Table { what: "a host", groups: &[&PROCESS] };

/// `[actor.NAME]`.
pub(crate) const ACTOR: Table = Table { what: "an actor", groups: &[&PROCESS] };

const PROCESS: [Key; 4] = [
    Key::required::<String>("run", "What it runs: a name that the catalogue registers.", "\"talker\""),
    Key::default::<Millis>("start", "\"0s\"", "The virtual time at which it starts.", "\"5s\""),
    Key::default::<Vec<FactKind>>(
        "tells",
        "[]",
        "The kinds of facts that its own code tells.",
        "[\"offered\", \"received\"]",
    ),
    Key::read_elsewhere(
        "config",
        Shape::Free,
        Presence::Default("{}"),
        "What is handed to the code that it runs. The harness does not look into it.",
        "{ port = 80 }",
    ),
];

/// `[[specimen]]`.
pub(crate) const SPECIMEN: Table = Table { what: "a specimen", groups: &[&SPECIMEN_KEYS] };

const SPECIMEN_KEYS: [Key; 5] = [
    Key::required::<HostName>("name", "Its name.", "\"deaf\""),
    Key::required::<HostName>("host", "The host or actor that it replaces.", "\"chat\""),
    Key::required::<String>("run", "What that host runs then.", "\"specimen_deaf\""),
    Key::required::<Vec<String>>("convicted_by", "The checks that must find the defect.", "[\"delivery\"]"),
    BREAKS,
];

/// A table in `[convicts]`.
pub(crate) const CONVICTION: Table = Table { what: "a conviction", groups: &[&CONVICTION_KEYS] };

const CONVICTION_KEYS: [Key; 2] = [
    Key::read_elsewhere(
        "by",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        Presence::Required,
        "The check, or the checks, that must find the defect.",
        "\"detect\"",
    ),
    BREAKS,
];

const BREAKS: Key = Key::optional::<String>(
    "breaks",
    "the whole sentence",
    "The part of the scenario's sentence that the defect makes false, as it stands there.",
    "\"at once\"",
);
