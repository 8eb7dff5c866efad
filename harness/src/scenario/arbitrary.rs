//! Any fault, and a scenario that has everything a scenario can have.

use std::path::Path;
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::document::LocatedValue;
use super::duration::written;
use super::names::Names;
use super::{FaultRule, Scenario, validate};
use crate::fault::{Act, Edge, Fault, FrameKind, Holds, Registry, Trigger, Without};
use crate::name::{Direction, HostName};
use crate::pattern::{Pattern, Wanted};
use crate::seed::{Draws, Seed, SeedTree};

/// A scenario with the hosts `alice`, `bob`, `chat` and `elsewhere` and all that a file can say.
pub(crate) fn scenario() -> Scenario {
    let text = r#"
name = "everything"
proves = "what is written is read"
starts_at = "2026-11-29T12:34:56Z"
time_limit = "1h 5m"
settle = "90s"
seeds = 16

[network]
latency = "35ms"
interleaved = false

[host.chat]
run = "chat"
start = "1s"
config = { port = 80, keepalive = { every = "20s" }, names = ["a", "b"] }

[host.elsewhere]
run = "chat"

[actor.alice]
run = "talker"
tells = ["offered", "received", "recovered"]

[actor.bob]
run = "talker"
start = "50ms"

[[link]]
between = ["alice", "chat"]
latency = "80ms"
idle_timeout = "1m"
forgets = "reset"

[[fault]]
link = "alice -> chat"
connection = 2
when = { message = { from = 2, to = 9 }, direction = "to_client", edge = [{ inside = 5 }, "before"] }
do = "half_open"
kind = ["blackhole", "stall"]
heal_after = "30s"

[[fault]]
host = "chat"
when = { one_of = [
    { at = { from = "1s", to = "20s" } },
    { event = "submit accepted", host = "chat", where = { job_id = "1" }, n = 2, after = "5ms" },
] }
do = { one_of = [{ do = "crash", restart_after = "2s" }, { do = ["power_loss", "freeze"] }] }

[[facts]]
fact = "retried"
event = "reconnecting"
as = "line"
numbered = true

[[facts]]
fact = "retried"
connection = "attempted"
link = "alice -> chat"
at = "client"

[[facts]]
fact = "claimed_delivered"
event = "result delivered"
host = "chat"
target = "chat::outbox"
where = { kind = "result" }
key = ["job_id", "attempt"]
value = "outcome"
optional = true

[[facts]]
fact = "received"
unit = "ws_text"
link = "alice -> chat"
direction = "to_client"
at = "client"
where = { "/type" = "result" }
key = "/job_id"
value = "/seq"

[checks.delivery]
law = "exactly_once"
allowed_losses = [{ reason = "host_died", host = "chat" }]

[checks.truthful]

[checks.timing.ping_every_20s]
after = { unit = "ws_ping", link = "alice -> chat", direction = "to_server" }
follows = [{ unit = "ws_ping", link = "alice -> chat" }, { connection = "closed", at = "client" }]
same = "connection"
at_least = "19s"
within = "21s"
unless = { event = "session lost", host = "alice", where = { by = "!us" } }

[checks.backoff.alice]
link = "alice -> chat"
first = "1s"
longest = "30s"
jitter_percent = 10
attempts = 10

[[specimen]]
name = "send-counts-as-delivered"
host = "chat"
run = "specimen_chat"
convicted_by = ["truthful", "integrity"]
"#;
    Scenario::from_toml(text, Path::new("everything.toml")).expect("the scenario has no mistake")
}

/// A fault that the scenario may have: any verb that fits a trigger, with any values that its keys may have.
pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    let trigger = prop_oneof![4 => trigger(), 1 => whole_unit(), 1 => response()];
    let scenario = scenario();
    (trigger, any::<u64>()).prop_map(move |(trigger, seed)| {
        let mut draws = SeedTree::new(Seed(seed)).draws();
        let fits = |rule: &FaultRule| validate::rule(rule, "fault", &scenario).is_ok();
        let rules = std::iter::repeat_with(|| {
            let act = act(&mut draws)?;
            Some(FaultRule::from(Fault { trigger: trigger.clone(), act })).filter(fits)
        });
        let rule = rules.take(10_000).flatten().next().expect("some verb fits every trigger");
        rule.fixed().expect("nothing is left open")
    })
}

/// A verb as a file might write it, with a target; `None` if that has a mistake.
fn act(draws: &mut Draws) -> Option<Act> {
    let registry = Registry::default();
    let entry = draws.pick(registry.entries());
    let (client, server) = draws.pick(&[("alice", "chat"), ("chat", "alice"), ("bob", "chat"), ("alice", "bob")]);
    let mut text = match entry.place() {
        "link" => format!("link = '{client} -> {server}'\n"),
        "between" => format!("between = ['{client}', '{server}']\n"),
        _ => format!("host = '{client}'\n"),
    };
    if entry.place() == "link" && draws.below(3) == 0 {
        text.push_str(&format!("connection = {}\n", draws.range(1..=9)));
    }
    for key in entry.keys() {
        if key.without != Without::Mistake && draws.below(2) == 0 {
            continue;
        }
        text.push_str(&format!("{} = {}\n", key.name, value(key.holds, draws)));
    }
    let table = format!("{text}when = {{ at = '1s' }}\ndo = '{}'\n", entry.word());
    let node = LocatedValue::parse(&table, Path::new("arbitrary.toml")).expect("it is TOML");
    let rules = super::rule::read(&node, &Names::of(&registry)).ok()?;
    rules.into_iter().flat_map(|rule| rule.acts).next()
}

fn value(holds: Holds, draws: &mut Draws) -> toml::Value {
    let text = |text: String| toml::Value::String(text);
    match holds {
        // Up to two years.
        Holds::Time => written(Duration::from_millis(draws.below(63_000_000_000))),
        Holds::Whole { least, most } => toml::Value::Integer(i64::try_from(draws.range(least..=most)).unwrap_or(1)),
        Holds::Text => {
            let letters = ['a', ' ', '"', '\'', '\\', '\n', '\u{e9}', '\u{1f50c}'];
            let length = draws.below(30);
            text((0..length).map(|_| *draws.pick(&letters)).collect())
        }
        Holds::Flag => toml::Value::Boolean(draws.below(2) == 0),
        Holds::Host => text((*draws.pick(&["alice", "bob", "chat", "elsewhere"])).to_owned()),
        Holds::Word(words) => text((*draws.pick(words)).to_owned()),
    }
}

fn whole_unit() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        (1_u32.., direction(), content())
            .prop_map(|(n, direction, content)| { Trigger::Message { n, direction, edge: Edge::After, content } }),
        (1_u32.., content()).prop_map(|(n, content)| Trigger::SseEvent { n, edge: Edge::After, content }),
    ]
}

/// The head of a response, which names the response.
fn response() -> impl Strategy<Value = Trigger> {
    (1_u32..).prop_map(|n| Trigger::HttpHead { n, direction: Direction::ToClient, edge: Edge::After })
}

fn trigger() -> impl Strategy<Value = Trigger> {
    let bytes = (0..=u64::from(u32::MAX) * 2, direction()).prop_map(|(n, direction)| Trigger::Bytes { n, direction });
    let head = (1_u32.., direction(), edge()).prop_map(|(n, direction, edge)| Trigger::HttpHead { n, direction, edge });
    let at = duration().prop_map(Trigger::At);
    let part = (any::<bool>(), 1_u32.., direction(), edge()).prop_map(|(chunk, n, direction, edge)| match chunk {
        true => Trigger::Chunk { n, direction, edge },
        false => Trigger::Line { n, direction, edge },
    });
    let idle = duration().prop_map(|time| Trigger::Idle(time + Duration::from_millis(1)));
    prop_oneof![at, event(), bytes, head, part, idle, websocket_unit(), sse_event(), Just(Trigger::Connect)]
}

fn websocket_unit() -> impl Strategy<Value = Trigger> {
    let message = (1_u32.., direction(), edge()).prop_map(|(n, direction, edge)| Trigger::message(n, direction, edge));
    let kinds = select(vec![
        FrameKind::Continuation,
        FrameKind::Text,
        FrameKind::Binary,
        FrameKind::Close,
        FrameKind::Ping,
        FrameKind::Pong,
    ]);
    let frame = (kinds, 1_u32.., direction(), edge()).prop_map(|(kind, n, direction, edge)| Trigger::Frame {
        kind,
        n,
        direction,
        edge,
    });
    prop_oneof![message, frame]
}

fn sse_event() -> impl Strategy<Value = Trigger> {
    (1_u32.., edge(), content()).prop_map(|(n, edge, content)| Trigger::SseEvent { n, edge, content })
}

/// Half of them mean every message.
fn content() -> impl Strategy<Value = Pattern> {
    let text = || proptest::string::string_regex("(?s)[^!]{0,8}").expect("a regular expression");
    let place = prop_oneof![Just("type".to_owned()), Just("/from".to_owned()), text()];
    let wanted = prop_oneof![
        text().prop_map(Wanted::Is),
        text().prop_map(Wanted::IsNot),
        Just(Wanted::Present),
        Just(Wanted::Absent),
    ];
    let conditions = proptest::collection::vec((place, wanted), 1..3);
    let pattern = conditions.prop_map(|conditions| {
        conditions.into_iter().fold(Pattern::default(), |pattern, (place, wanted)| pattern.with(&place, wanted))
    });
    prop_oneof![Just(Pattern::default()), pattern]
}

fn event() -> impl Strategy<Value = Trigger> {
    let text = || proptest::string::string_regex("(?s).{0,12}").expect("a regular expression");
    let fields = proptest::collection::btree_map(text(), text(), 0..3);
    (text(), option::of(host()), fields, 1_u32.., duration()).prop_map(|(message, host, fields, n, after)| {
        Trigger::Event { message, host, fields: fields.into_iter().collect(), n, after }
    })
}

fn host() -> impl Strategy<Value = HostName> {
    select(vec!["alice", "bob", "chat"]).prop_map(HostName::from)
}

fn direction() -> impl Strategy<Value = Direction> {
    select(Direction::BOTH.to_vec())
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Before), Just(Edge::After), (1..1_000_000_u64).prop_map(Edge::Inside)]
}

/// Up to two years.
fn duration() -> impl Strategy<Value = Duration> {
    (0..63_000_000_000_u64).prop_map(Duration::from_millis)
}
