//! Any fault, and a scenario that has everything a scenario can have.

use std::path::Path;
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::Scenario;
use crate::fault::{
    Edge, Ending, Ends, Fault, FrameKind, HalfOpenKind, IllegalKind, IoCall, IoErrorKind, LookupError, Target, Trigger,
    Upstream, Verb,
};
use crate::name::{Direction, HostName, Link, Side};
use crate::pattern::{Pattern, Wanted};

/// A scenario with the hosts `alice`, `bob`, `chat` and `elsewhere` and all that a file can say.
pub(crate) fn scenario() -> Scenario {
    let text = r#"
name = "everything"
proves = "what is written is read"
starts_at = "2026-11-29T12:34:56Z"
time_limit = "1h 5m"
settle = "90s"

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
tells = ["offered", "received"]

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

[[specimen]]
name = "send-counts-as-delivered"
host = "chat"
run = "specimen_chat"
convicted_by = ["truthful", "integrity"]
"#;
    Scenario::from_toml(text, Path::new("everything.toml")).expect("the scenario has no mistake")
}

/// A fault that the scenario may have.
pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    let timed = || prop_oneof![duration().prop_map(Trigger::At), event()];
    let on_host = (host(), timed(), host_verb()).prop_map(|(host, trigger, verb)| Fault {
        target: Target::Host(host),
        trigger,
        verb,
    });
    let partition = (pair(), timed(), any::<bool>(), option::of(duration())).prop_map(
        |((one, other), trigger, one_way, heal_after)| Fault {
            target: Target::Between(one, other),
            trigger,
            verb: Verb::Partition { one_way, heal_after },
        },
    );
    let on_link = (pair(), option::of(1..9_u32), trigger(), link_verb()).prop_map(
        |((client, server), connection, trigger, verb)| Fault {
            target: Target::Link { link: Link { client, server }, connection },
            trigger,
            verb,
        },
    );
    let refusal = (pair(), option::of(1..9_u32), attempt_verb()).prop_map(|((client, server), connection, verb)| {
        Fault { target: Target::Link { link: Link { client, server }, connection }, trigger: Trigger::Connect, verb }
    });
    let closing = (pair(), prop_oneof![timed(), websocket_unit()], frame_verb())
        .prop_map(|(link, trigger, verb)| on(link, trigger, verb));
    let truncation = (pair(), sse_event()).prop_map(|(link, trigger)| on(link, trigger, Verb::TruncateClean));
    let editing = (pair(), whole_unit(), edit()).prop_map(|(link, trigger, verb)| on(link, trigger, verb));
    let lookup = (pair(), timed(), lookup_verb()).prop_map(|(link, trigger, verb)| on(link, trigger, verb));
    let upstream =
        (pair(), upstream()).prop_map(|(link, (trigger, upstream))| on(link, trigger, Verb::Upstream(upstream)));
    prop_oneof![on_host, partition, on_link, refusal, closing, truncation, editing, lookup, upstream]
}

fn on((client, server): (HostName, HostName), trigger: Trigger, verb: Verb) -> Fault {
    Fault { target: Target::Link { link: Link { client, server }, connection: None }, trigger, verb }
}

fn attempt_verb() -> impl Strategy<Value = Verb> {
    let kinds = select(IoErrorKind::ALL.to_vec());
    (0..5_u8, option::of(duration()), kinds, 1_u32..).prop_map(|(which, lasting, kind, nth)| match which {
        0 => Verb::Refuse { lasting },
        1 => Verb::ConnectHang { lasting },
        2 => Verb::HandshakeStall { lasting },
        3 => Verb::IoError { call: IoCall::Connect, kind, nth, side: Side::Client, lasting },
        _ => Verb::AcceptThenReset { lasting },
    })
}

/// Nobody moves to itself.
fn lookup_verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        (select(LookupError::ALL.to_vec()), option::of(duration()))
            .prop_map(|(kind, lasting)| Verb::LookupFails { kind, lasting }),
        option::of(duration()).prop_map(|lasting| Verb::LookupMoves { to: "elsewhere".into(), lasting }),
    ]
}

fn frame_verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        (code(), ".{0,30}", ends()).prop_map(|(code, reason, to)| Verb::Close { code: Some(code), reason, to }),
        ends().prop_map(|to| Verb::Close { code: None, reason: String::new(), to }),
        (select(IllegalKind::ALL.to_vec()), ends()).prop_map(|(kind, to)| Verb::Illegal { kind, to }),
    ]
}

fn whole_unit() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        (1_u32.., direction(), content())
            .prop_map(|(n, direction, content)| { Trigger::Message { n, direction, edge: Edge::After, content } }),
        (1_u32.., content()).prop_map(|(n, content)| Trigger::SseEvent { n, edge: Edge::After, content }),
    ]
}

fn edit() -> impl Strategy<Value = Verb> {
    prop_oneof![
        Just(Verb::Corrupt),
        (1_u32..).prop_map(|copies| Verb::DuplicateMessage { copies }),
        (1_u32..).prop_map(|by| Verb::ReorderMessages { by }),
    ]
}

fn upstream() -> impl Strategy<Value = (Trigger, Upstream)> {
    let of_response = prop_oneof![
        (500..600_u16).prop_map(|status| Upstream::Status { status }),
        duration().prop_map(|by| Upstream::SlowHead { by }),
        Just(Upstream::MissingDone),
    ];
    let behind_event = prop_oneof![
        ".{0,30}".prop_map(|message| Upstream::ErrorEvent { message }),
        option::of(duration()).prop_map(|heal_after| Upstream::Stall { heal_after }),
    ];
    prop_oneof![
        (1_u32.., of_response).prop_map(|(n, upstream)| {
            (Trigger::HttpHead { n, direction: Direction::ToClient, edge: Edge::After }, upstream)
        }),
        (1_u32.., content(), behind_event)
            .prop_map(|(n, content, upstream)| (Trigger::SseEvent { n, edge: Edge::After, content }, upstream)),
    ]
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

fn host_verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        option::of(duration()).prop_map(|thaw_after| Verb::Freeze { thaw_after }),
        option::of(duration()).prop_map(|restart_after| Verb::Crash { restart_after }),
        option::of(duration()).prop_map(|restart_after| Verb::PowerLoss { restart_after }),
        duration().prop_map(|pause| Verb::Restart { pause }),
        (duration(), any::<bool>()).prop_map(|(by, back)| Verb::ClockJump { by: by + Duration::from_millis(1), back }),
    ]
}

fn link_verb() -> impl Strategy<Value = Verb> {
    let kinds = select(vec![HalfOpenKind::Blackhole, HalfOpenKind::Stall, HalfOpenKind::Discard]);
    let half_open = (kinds, option::of(direction()), option::of(duration()))
        .prop_map(|(kind, direction, heal_after)| Verb::HalfOpen { kind, direction, heal_after });
    let buffer = (1_u32.., option::of(duration()), option::of(direction()), option::of(duration()))
        .prop_map(|(bytes, flush_after, direction, lasting)| Verb::Buffer { bytes, flush_after, direction, lasting });
    let shape = (0..5_u8, 1_u32.., duration(), option::of(direction()), option::of(duration())).prop_map(
        |(which, bytes, time, direction, lasting)| match which {
            0 => Verb::Delay { by: time, lasting },
            1 => Verb::Jitter { up_to: time, lasting },
            2 => Verb::Throttle { bytes_per_second: bytes.into(), direction, lasting },
            3 => Verb::Drip { bytes, every: time, direction, lasting },
            _ => Verb::Split { bytes, direction, lasting },
        },
    );
    prop_oneof![
        ends().prop_map(|to| Verb::Reset { to }),
        ends().prop_map(|to| Verb::Drop { to }),
        select(vec![Ending::Fin, Ending::Rst, Ending::Silence]).prop_map(|ending| Verb::Cut { ending }),
        half_open,
        select(vec![Side::Client, Side::Server]).prop_map(|by| Verb::HalfClose { by }),
        buffer,
        shape,
        io_error(),
    ]
}

fn io_error() -> impl Strategy<Value = Verb> {
    let calls = select(vec![
        (IoCall::Read, Side::Client),
        (IoCall::Write, Side::Server),
        (IoCall::Flush, Side::Client),
        (IoCall::Shutdown, Side::Server),
        (IoCall::Accept, Side::Server),
    ]);
    let kinds = select(IoErrorKind::ALL.to_vec());
    (calls, kinds, 1_u32.., option::of(duration())).prop_map(|((call, side), kind, nth, lasting)| Verb::IoError {
        call,
        kind,
        nth,
        side,
        lasting,
    })
}

fn host() -> impl Strategy<Value = HostName> {
    select(vec!["alice", "bob", "chat"]).prop_map(HostName::from)
}

fn pair() -> impl Strategy<Value = (HostName, HostName)> {
    let pairs = vec![("alice", "chat"), ("chat", "alice"), ("bob", "chat"), ("alice", "bob")];
    select(pairs).prop_map(|(one, other)| (one.into(), other.into()))
}

fn direction() -> impl Strategy<Value = Direction> {
    select(Direction::BOTH.to_vec())
}

fn ends() -> impl Strategy<Value = Ends> {
    select(vec![Ends::Both, Ends::Client, Ends::Server])
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Before), Just(Edge::After), (1..1_000_000_u64).prop_map(Edge::Inside)]
}

fn code() -> impl Strategy<Value = u16> {
    prop_oneof![1000..=1003_u16, 1007..=1014_u16, 3000..=4999_u16]
}

/// Up to two years.
fn duration() -> impl Strategy<Value = Duration> {
    (0..63_000_000_000_u64).prop_map(Duration::from_millis)
}
