//! Random faults, and what they excuse.

use std::time::Duration;

use halfopen::fault::{
    AcceptThenReset, Act, AnyVerb, Buffer, Close, ConnectError, ConnectHang, Connections, Crash, Cut, CutEnding, Delay,
    Drip, Drop, DuplicateMessage, Edge, Ends, Fault, FrameKind, Freeze, HalfClose, HalfOpen, HalfOpenKind,
    HandshakeStall, Illegal, IllegalKind, IoError, IoErrorKind, Jitter, Partition, Pattern, PowerLoss, Refuse,
    ReorderMessages, Reset, Restart, Split, StreamCall, Target, Throttle, Trigger, Verb, Wanted,
};
use halfopen::name::{Direction, HostName, Side};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const SCHEDULER: &str = "scheduler";
/// Faults strike in the first minute and a half, in milliseconds: while sentences are said, and a while after.
const LATEST_FAULT_MS: u64 = 90_000;
/// Nothing lasts longer, in milliseconds, but what befalls a single connection or ends a node.
const LONGEST_MS: u64 = 60_000;
/// What lasts no longer, in milliseconds, takes no session beyond the two minutes for which its results are kept.
const BRIEF_MS: u128 = 10_000;

/// Who there is to strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) talkers: &'static [&'static str],
    pub(crate) nodes: &'static [&'static str],
}

/// Any fault that leaves the scheduler reachable in the end.
pub(crate) fn any(shape: Shape) -> impl Strategy<Value = Fault> {
    let dialers: Vec<_> = shape.talkers.iter().chain(shape.nodes).copied().collect();
    let on_link = (select(dialers.clone()), option::of(1..=3_u32), act_and_trigger())
        .prop_map(|(client, nth, (act, trigger))| Fault { trigger, act: on(act, client, nth) })
        .boxed();
    let pair = (select(dialers.clone()), proptest::bool::ANY);
    let pair = pair.prop_map(|(one, from)| if from { (one, SCHEDULER) } else { (SCHEDULER, one) });
    let between =
        (pair, moment(), proptest::bool::ANY, lasting()).prop_map(|((one, other), at, one_way, heal_after)| {
            Fault::new((one.into(), other.into()), at, Partition { one_way, heal_after: Some(heal_after) })
        });
    let frozen = (select([&dialers[..], &[SCHEDULER]].concat()), moment(), lasting())
        .prop_map(|(host, at, thaw_after)| Fault::new(host, at, Freeze { thaw_after: Some(thaw_after) }));
    let scheduler = death(Just(SCHEDULER).boxed(), lasting().prop_map(Some).boxed());
    let node = death(select(shape.nodes).boxed(), option::of(lasting()).boxed());
    prop_oneof![8 => on_link, 1 => between, 1 => frozen, 2 => scheduler, 2 => node]
}

/// Whether the fault strikes the scheduler's own process.
pub(crate) fn is_on_scheduler(fault: &Fault) -> bool {
    matches!(&fault.act, Act::Host { host, .. } if host.as_str() == SCHEDULER)
}

/// Whether the fault strikes a talker's leg and nothing else, briefly, and without blaming it for anything.
pub(crate) fn is_brief_on(fault: &Fault, talker: &str) -> bool {
    let named = |host: &HostName| host.as_str() == talker;
    let brief = fault.act.lasts().is_none_or(|lasting| lasting.as_millis() <= BRIEF_MS);
    match &fault.act {
        Act::Connection { on, verb } => named(&on.link.client) && !blames(&**verb),
        Act::Path { on, .. } | Act::Attempt { on, .. } => named(&on.link.client) && brief,
        Act::Pair { one, .. } => named(one) && brief,
        Act::Lookup { .. } | Act::Listener { .. } | Act::Host { .. } => false,
    }
}

/// Whether what is done to a connection looks like a mistake of its ends, or takes something from them for long.
fn blames(verb: &dyn AnyVerb) -> bool {
    let usual = |close: &Close| matches!(close.code, None | Some(1000 | 1001 | 1011 | 1012 | 1013));
    let is_long = verb.duration().is_some_and(|lasting| lasting.as_millis() > BRIEF_MS);
    match verb.word() {
        "close" => !verb.downcast_ref::<Close>().is_some_and(usual),
        "buffer" => is_long,
        "io_error" => verb.downcast_ref::<IoError>().is_none_or(|error| error.call == StreamCall::Shutdown),
        word => matches!(word, "illegal" | "corrupt" | "upstream" | "truncate_clean"),
    }
}

/// The same act, on connections of this client.
fn on(act: Act, client: &str, nth: Option<u32>) -> Act {
    let on = Connections { nth, ..Connections::of(client, SCHEDULER) };
    match act {
        Act::Connection { verb, .. } => Act::Connection { on, verb },
        Act::Path { verb, .. } => Act::Path { on, verb },
        Act::Attempt { verb, .. } => Act::Attempt { on, verb },
        Act::Listener { verb, .. } => Act::Listener { on, verb },
        Act::Lookup { .. } | Act::Pair { .. } | Act::Host { .. } => act,
    }
}

/// A verb of links, before it has a link.
fn act(verb: impl Verb) -> Act {
    let nobody = Connections::of("nobody", SCHEDULER).link;
    Act::at(Target::Link { link: &nobody, connection: None }, verb).expect("a verb of links")
}

fn act_and_trigger() -> BoxedStrategy<(Act, Trigger)> {
    prop_oneof![
        6 => (anywhere_verb(), prop_oneof![moment(), on_the_wire()]),
        2 => (close(), prop_oneof![moment(), on_the_wire()]),
        1 => (lasting_verb(), prop_oneof![moment(), on_the_wire()]),
        2 => (attempt_verb(), prop_oneof![moment(), Just(Trigger::Connect)]),
        1 => (message_verb(), whole_message()),
        1 => (illegal(), prop_oneof![moment(), on_the_wire()]),
    ]
    .boxed()
}

fn anywhere_verb() -> BoxedStrategy<Act> {
    let half_open = (
        select(vec![HalfOpenKind::Blackhole, HalfOpenKind::Stall, HalfOpenKind::Discard]),
        option::of(direction()),
        option::of(lasting()),
    );
    prop_oneof![
        ends().prop_map(|to| act(Reset { to })),
        ends().prop_map(|to| act(Drop { to })),
        half_open.prop_map(|(kind, direction, heal_after)| act(HalfOpen { kind, direction, heal_after })),
        select(vec![Side::Client, Side::Server]).prop_map(|by| act(HalfClose { by })),
        select(vec![CutEnding::Fin, CutEnding::Rst, CutEnding::Silence]).prop_map(|ending| act(Cut { ending })),
        io_error(),
    ]
    .boxed()
}

fn attempt_verb() -> BoxedStrategy<Act> {
    let kinds = select(vec![IoErrorKind::NetworkUnreachable, IoErrorKind::HostUnreachable, IoErrorKind::TimedOut]);
    (option::of(lasting()), 0..5, kinds)
        .prop_map(|(lasting, which, kind)| match which {
            0 => act(Refuse { lasting }),
            1 => act(ConnectHang { lasting }),
            2 => act(HandshakeStall { lasting }),
            3 => act(ConnectError { kind, nth: 1, lasting }),
            _ => act(AcceptThenReset { lasting }),
        })
        .boxed()
}

/// What changes the order and number of messages and not what they say.
fn message_verb() -> BoxedStrategy<Act> {
    prop_oneof![
        (1..4_u32).prop_map(|copies| act(DuplicateMessage { copies })),
        (1..4_u32).prop_map(|by| act(ReorderMessages { by })),
    ]
    .boxed()
}

fn illegal() -> impl Strategy<Value = Act> {
    (select(IllegalKind::ALL.to_vec()), ends()).prop_map(|(kind, to)| act(Illegal { kind, to }))
}

fn lasting_verb() -> BoxedStrategy<Act> {
    let drip = (1..100_u32, 1..50_u64, option::of(direction()), lasting());
    let split = (1..20_u32, option::of(direction()), lasting());
    let buffer = (1..5_000_u32, option::of(1..5_000_u64), option::of(direction()), lasting());
    prop_oneof![
        (50..5_000_u64, option::of(direction()), lasting()).prop_map(|(bytes_per_second, direction, lasting)| {
            act(Throttle { bytes_per_second, direction, lasting: Some(lasting) })
        }),
        drip.prop_map(|(bytes, every, direction, lasting)| {
            act(Drip { bytes, every: millis(every), direction, lasting: Some(lasting) })
        }),
        buffer.prop_map(|(bytes, flush, direction, lasting)| act(Buffer {
            bytes,
            flush_after: flush.map(millis),
            direction,
            lasting: Some(lasting),
        })),
        split.prop_map(|(bytes, direction, lasting)| act(Split { bytes, direction, lasting: Some(lasting) })),
        (1..20_000_u64, lasting()).prop_map(|(by, lasting)| act(Delay { by: millis(by), lasting: Some(lasting) })),
        (1..3_000_u64, lasting())
            .prop_map(|(up_to, lasting)| act(Jitter { up_to: millis(up_to), lasting: Some(lasting) })),
    ]
    .boxed()
}

/// The usual codes, those that blame a message, and the application's own, which the network has no business sending.
fn close() -> impl Strategy<Value = Act> {
    let code = prop_oneof![
        4 => select(vec![1000, 1001, 1011, 1012, 1013]),
        1 => select(vec![1002, 1003, 1007, 1008, 1009, 3000, 4001, 4003, 4008, 4999]),
    ];
    (code, ends()).prop_map(|(code, to)| act(Close { code: Some(code), reason: "forged".to_owned(), to }))
}

fn io_error() -> impl Strategy<Value = Act> {
    let call = select(vec![StreamCall::Read, StreamCall::Write, StreamCall::Flush, StreamCall::Shutdown]);
    let kind = select(vec![
        IoErrorKind::ConnectionReset,
        IoErrorKind::ConnectionAborted,
        IoErrorKind::NotConnected,
        IoErrorKind::BrokenPipe,
        IoErrorKind::TimedOut,
    ]);
    (call, kind, 1..4_u32, select(vec![Side::Client, Side::Server]))
        .prop_map(|(call, kind, nth, side)| act(IoError { call, kind, nth, side, lasting: None }))
}

fn death(host: BoxedStrategy<&'static str>, restart_after: BoxedStrategy<Option<Duration>>) -> BoxedStrategy<Fault> {
    let at = (host, moment());
    prop_oneof![
        (at.clone(), restart_after.clone()).prop_map(|((host, at), restart_after)| Fault::new(
            host,
            at,
            Crash { restart_after }
        )),
        (at.clone(), restart_after).prop_map(|((host, at), restart_after)| Fault::new(
            host,
            at,
            PowerLoss { restart_after }
        )),
        (at, lasting()).prop_map(|((host, at), pause)| Fault::new(host, at, Restart { pause })),
    ]
    .boxed()
}

/// A moment of virtual time, or one that a service's own log marks.
fn moment() -> BoxedStrategy<Trigger> {
    let events = vec![
        "submit acknowledged",
        "submit accepted",
        "job assigned",
        "job done",
        "job finished",
        "outcome received",
        "result delivered",
        "session connected",
        "node registered",
        "session lost",
        "attempt spent",
    ];
    let event = (select(events), 1..4_u32, prop_oneof![0..200_u64, 0..12_000_u64]).prop_map(|(message, n, after)| {
        Trigger::Event { message: message.to_owned(), host: None, fields: Vec::new(), n, after: millis(after) }
    });
    prop_oneof![
        1 => (0..5_000_u64).prop_map(|at| Trigger::At(millis(at))),
        1 => (0..LATEST_FAULT_MS).prop_map(|at| Trigger::At(millis(at))),
        2 => event,
    ]
    .boxed()
}

/// A point in what travels.
fn on_the_wire() -> BoxedStrategy<Trigger> {
    let kind = select(vec![FrameKind::Text, FrameKind::Close, FrameKind::Ping, FrameKind::Pong]);
    prop_oneof![
        2 => (1..9_u32, direction(), edge()).prop_map(|(n, direction, edge)| Trigger::message(n, direction, edge)),
        2 => (said(), 1..4_u32, edge())
            .prop_map(|((direction, content), n, edge)| Trigger::Message { n, direction, edge, content }),
        1 => (kind, 1..3_u32, direction(), edge())
            .prop_map(|(kind, n, direction, edge)| Trigger::Frame { kind, n, direction, edge }),
        1 => (0..2_000_u64, direction()).prop_map(|(n, direction)| Trigger::Bytes { n, direction }),
        1 => (direction(), edge()).prop_map(|(direction, edge)| Trigger::HttpHead { n: 1, direction, edge }),
    ]
    .boxed()
}

fn whole_message() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        (1..9_u32, direction()).prop_map(|(n, direction)| Trigger::message(n, direction, Edge::After)),
        (said(), 1..4_u32)
            .prop_map(|((direction, content), n)| { Trigger::Message { n, direction, edge: Edge::After, content } }),
    ]
}

/// A kind of message of a user's or of a node's, and which way it goes.
fn said() -> impl Strategy<Value = (Direction, Pattern)> {
    let to_server = ["session_init", "submit", "ack", "node_register", "job_ack", "job_result"];
    let to_client = ["session_init_ack", "submit_ack", "result", "node_register_ack", "job_assign", "result_ack"];
    let of = |direction, kinds: [&'static str; 6]| {
        select(kinds.to_vec())
            .prop_map(move |kind| (direction, Pattern::default().with("type", Wanted::Is(kind.to_owned()))))
    };
    prop_oneof![of(Direction::ToServer, to_server), of(Direction::ToClient, to_client)]
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Before), Just(Edge::After), (1..60_u64).prop_map(Edge::Inside)]
}

fn ends() -> impl Strategy<Value = Ends> {
    select(vec![Ends::Both, Ends::Client, Ends::Server])
}

fn direction() -> impl Strategy<Value = Direction> {
    select(Direction::BOTH.to_vec())
}

fn lasting() -> impl Strategy<Value = Duration> {
    prop_oneof![1..3_000_u64, 1..LONGEST_MS].prop_map(millis)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
