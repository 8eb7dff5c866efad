//! A run as the node's leg sees it: what happened on the connections between nodes and their scheduler, what both wrote into
//! their logs, and from when a fault hides the one from the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, LogEvent, ProcessEvent, Record, RecordKind, Unit};

use super::message::Message;

/// The target of the scheduler's own log lines, and of the node's.
const SCHEDULER: &str = "halfopen_scheduler";
const NODE: &str = "halfopen_scheduler::node";

/// What changes, repeats or keeps what passes: a unit's record does not tell when the unit arrives.
const HOLDING: [&str; 11] = [
    "delay",
    "jitter",
    "throttle",
    "drip",
    "split",
    "buffer",
    "corrupt",
    "duplicate_message",
    "reorder_messages",
    "freeze",
    "partition",
];

/// What touches no connection that is open.
const ELSEWHERE: [&str; 7] =
    ["refuse", "connect_hang", "handshake_stall", "accept_then_reset", "lookup_fails", "lookup_moves", "clock_jump"];

/// How long what a fault has held may still be on its way after the fault's end.
const AFTERMATH: Duration = Duration::from_secs(5);

/// The run in order, and the connections of the node's leg.
pub(super) struct History<'a> {
    pub(super) moments: Vec<Moment<'a>>,
    pub(super) connections: Vec<Connection<'a>>,
    by_id: BTreeMap<&'a ConnectionId, usize>,
    scheduler: Option<&'a HostName>,
    /// The hosts that log as a node does: the others are actors that play one.
    real: BTreeSet<&'a HostName>,
    /// Whether a fault makes lookups fail: an attempt may then leave no trace on the wire.
    pub(super) lookups_fail: bool,
    /// The moment of judgement; what is later belongs to the stopping of the hosts.
    pub(super) ends_at: Duration,
}

/// One thing that happened.
pub(super) struct Moment<'a> {
    pub(super) place: usize,
    pub(super) at: Duration,
    pub(super) what: What<'a>,
}

/// What happened. Numbers are places in [`History::connections`].
pub(super) enum What<'a> {
    /// A change of the process of a scheduler or a node.
    Process(&'a HostName, &'a ProcessEvent),
    /// A line of the scheduler's log.
    Scheduler(&'a LogEvent),
    /// A line of a node's log.
    Node(&'a HostName, &'a LogEvent),
    /// A node tries to connect.
    Attempted(usize),
    /// The scheduler has answered the upgrade.
    Upgraded(usize),
    /// The node's end is over for the scheduler: FIN, RST or a Close frame of the node has reached it.
    Left(usize),
    /// A message on the node's leg.
    Message(usize, Direction, Message),
    /// A Close frame on the node's leg, with its code.
    Close(usize, Direction, Option<u16>),
    /// A ping on the node's leg.
    Ping(usize, Direction),
    /// A pong on the node's leg.
    Pong(usize, Direction),
    /// A message on the session's leg.
    Session(Direction, Message),
}

/// A connection between a node and the scheduler.
pub(super) struct Connection<'a> {
    pub(super) id: &'a ConnectionId,
    /// From when it is not whole: an end has left, or a fault has cut or silenced it.
    over: Option<Duration>,
    /// When a fault keeps or changes what passes.
    disturbed: Vec<(Duration, Duration)>,
}

impl<'a> History<'a> {
    pub(super) fn read(records: &'a [Record], ends_at: Duration) -> Self {
        let leg = Leg::find(records);
        let connections = leg.connections(records);
        let (scheduler, real) = (leg.scheduler, leg.real.clone());
        let by_id = connections.iter().enumerate().map(|(place, connection)| (connection.id, place)).collect();
        let mut history =
            Self { by_id, moments: Vec::new(), connections, scheduler, real, lookups_fail: false, ends_at };
        for (place, record) in records.iter().enumerate().take_while(|(_, record)| record.at <= ends_at) {
            history.note_hindrance(record, records);
            if let Some(what) = history.what(record, &leg) {
                history.moments.push(Moment { place, at: record.at, what });
            }
        }
        history
    }

    /// Whether a connection is whole and undisturbed all the time, so that what one end sends the other has soon after.
    pub(super) fn is_clear(&self, connection: usize, from: Duration, to: Duration) -> bool {
        let Connection { over, disturbed, .. } = &self.connections[connection];
        to <= self.ends_at
            && over.is_none_or(|over| over > to)
            && disturbed.iter().all(|(begin, end)| *end < from || *begin > to)
    }

    /// Whether a fault keeps or changes what passes at some time in between.
    pub(super) fn is_disturbed(&self, connection: usize, from: Duration, to: Duration) -> bool {
        self.connections[connection].disturbed.iter().any(|(begin, end)| *end >= from && *begin <= to)
    }

    pub(super) fn is_scheduler(&self, host: &HostName) -> bool {
        self.scheduler == Some(host)
    }

    /// Whether the host is a node that logs what it does, and no actor that plays one.
    pub(super) fn is_real(&self, node: &HostName) -> bool {
        self.real.contains(node)
    }

    pub(super) fn name(&self, connection: usize) -> String {
        self.connections[connection].id.to_string()
    }

    /// The host that connected.
    pub(super) fn node(&self, connection: usize) -> &'a HostName {
        &self.connections[connection].id.link.client
    }

    /// The connection of the latest answer to a node's registration.
    pub(super) fn latest_answer(&self, node: &HostName, before: usize) -> Option<usize> {
        self.moments.iter().rev().skip_while(|moment| moment.place > before).find_map(|moment| match &moment.what {
            What::Message(on, Direction::ToClient, said)
                if said.kind == "node_register_ack" && self.node(*on) == node =>
            {
                Some(*on)
            }
            _ => None,
        })
    }

    /// The answer to the registration of a node that is logged at this moment: its connection and token. None, where the link is
    /// cut or silent.
    pub(super) fn answer_to(&self, registered: &Moment<'_>, id: &str) -> Option<(usize, String)> {
        let later = self.moments.iter().skip_while(|moment| moment.place <= registered.place);
        later.take_while(|moment| moment.at == registered.at).find_map(|moment| match &moment.what {
            What::Message(on, Direction::ToClient, said)
                if said.kind == "node_register_ack" && said.node_id.as_deref() == Some(id) =>
            {
                Some((*on, said.token.clone().unwrap_or_default()))
            }
            _ => None,
        })
    }

    fn end(&mut self, at: Duration, is_over: impl Fn(&ConnectionId) -> bool) {
        self.connections
            .iter_mut()
            .filter(|connection| is_over(connection.id))
            .for_each(|connection| connection.end(at));
    }

    fn find(&self, id: &ConnectionId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    fn what(&self, record: &'a Record, leg: &Leg<'a>) -> Option<What<'a>> {
        match &record.what {
            RecordKind::Process(event) => {
                record.host.as_ref().filter(|host| leg.has(host)).map(|host| What::Process(host, event))
            }
            RecordKind::Event(event) => match (event.target.as_str(), &record.host) {
                (SCHEDULER, Some(_)) => Some(What::Scheduler(event)),
                (NODE, Some(host)) => Some(What::Node(host, event)),
                _ => None,
            },
            RecordKind::Connection { id, event } => {
                let connection = self.find(id)?;
                match event {
                    ConnectionEvent::Attempted => Some(What::Attempted(connection)),
                    ConnectionEvent::Fin { by: Side::Client, .. } | ConnectionEvent::Rst { to: Side::Server, .. } => {
                        Some(What::Left(connection))
                    }
                    ConnectionEvent::Established
                    | ConnectionEvent::Refused
                    | ConnectionEvent::TimedOut
                    | ConnectionEvent::Forgotten
                    | ConnectionEvent::Fin { .. }
                    | ConnectionEvent::Rst { .. }
                    | ConnectionEvent::GaveUp { .. }
                    | ConnectionEvent::Closed { .. } => None,
                }
            }
            RecordKind::Unit { connection: id, direction, unit } => match self.find(id) {
                Some(connection) => on_the_leg(connection, *direction, unit),
                None if leg.sessions.contains(&id) => text_of(unit).map(|said| What::Session(*direction, said)),
                None => None,
            },
            RecordKind::Fault { .. }
            | RecordKind::Fact(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => None,
        }
    }

    /// Notes from when connections are over, or disturbed.
    fn note_hindrance(&mut self, record: &Record, records: &[Record]) {
        let at = record.at;
        match &record.what {
            RecordKind::Connection { id, event } => {
                if !matches!(event, ConnectionEvent::Attempted | ConnectionEvent::Established) {
                    self.end(at, |connection| connection == id);
                }
            }
            RecordKind::Unit { connection, unit: Unit::WsControl { kind: FrameKind::Close, .. }, .. } => {
                self.end(at, |id| id == connection);
            }
            RecordKind::Process(ProcessEvent::Crashed | ProcessEvent::PowerLost | ProcessEvent::Exited { .. }) => {
                let host = record.host.as_ref();
                self.end(at, |id| host.is_some_and(|host| *host == id.link.client || *host == id.link.server));
            }
            RecordKind::Fault { fault, event: FaultEvent::Fired { on, verb } } => {
                let word = verb.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                self.lookups_fail |= word.starts_with("lookup");
                if HOLDING.contains(&word) {
                    let healed = records.iter().find(|other| {
                        other.at >= at
                            && matches!(&other.what, RecordKind::Fault { fault: same, event: FaultEvent::Healed } if same == fault)
                    });
                    let until = healed.map_or(Duration::MAX, |healed| healed.at + AFTERMATH);
                    for connection in self.connections.iter_mut().filter(|connection| concerns(on, connection.id)) {
                        connection.disturbed.push((at, until));
                    }
                } else if !ELSEWHERE.contains(&word) && !on.starts_with("host ") {
                    self.end(at, |id| concerns(on, id));
                }
            }
            RecordKind::Process(_)
            | RecordKind::Unit { .. }
            | RecordKind::Fault { .. }
            | RecordKind::Event(_)
            | RecordKind::Fact(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => {}
        }
    }
}

fn on_the_leg<'a>(connection: usize, direction: Direction, unit: &Unit) -> Option<What<'a>> {
    match unit {
        Unit::HttpResponse { status: 101 } => Some(What::Upgraded(connection)),
        Unit::WsMessage { .. } => text_of(unit).map(|said| What::Message(connection, direction, said)),
        Unit::WsControl { kind: FrameKind::Close, code, .. } => Some(What::Close(connection, direction, *code)),
        Unit::WsControl { kind: FrameKind::Ping, .. } => Some(What::Ping(connection, direction)),
        Unit::WsControl { kind: FrameKind::Pong, .. } => Some(What::Pong(connection, direction)),
        Unit::WsControl { .. }
        | Unit::HttpRequest { .. }
        | Unit::HttpResponse { .. }
        | Unit::HttpChunk { .. }
        | Unit::SseEvent { .. } => None,
    }
}

/// What a text message says; `None` if it is none of the protocol's.
fn text_of(unit: &Unit) -> Option<Message> {
    match unit {
        Unit::WsMessage { text: Some(text), .. } => Message::read(text),
        Unit::WsMessage { .. }
        | Unit::WsControl { .. }
        | Unit::HttpRequest { .. }
        | Unit::HttpResponse { .. }
        | Unit::HttpChunk { .. }
        | Unit::SseEvent { .. } => None,
    }
}

/// Whether a fault that fired there touches the connection. A fault names a connection, a link, a host, or two hosts.
fn concerns(on: &str, id: &ConnectionId) -> bool {
    let (client, server) = (id.link.client.as_str(), id.link.server.as_str());
    if on.contains("->") {
        return on == id.to_string() || on == id.link.to_string();
    }
    let mut words = on.split_whitespace();
    match words.next() {
        Some("host") => words.next().is_some_and(|host| host == client || host == server),
        Some("between" | "from") => {
            let named: Vec<_> = words.collect();
            named.contains(&client) && named.contains(&server)
        }
        Some(_) | None => false,
    }
}

/// The hosts of the leg.
struct Leg<'a> {
    scheduler: Option<&'a HostName>,
    nodes: BTreeSet<&'a HostName>,
    real: BTreeSet<&'a HostName>,
    /// The connections on which sessions speak with the scheduler.
    sessions: BTreeSet<&'a ConnectionId>,
}

impl<'a> Leg<'a> {
    fn find(records: &'a [Record]) -> Self {
        let mut leg =
            Self { scheduler: None, nodes: BTreeSet::new(), real: BTreeSet::new(), sessions: BTreeSet::new() };
        for record in records {
            match (&record.what, &record.host) {
                (RecordKind::Event(event), Some(host)) if event.target == NODE => {
                    leg.nodes.insert(host);
                    leg.real.insert(host);
                }
                (RecordKind::Event(event), Some(host)) if event.target == SCHEDULER => leg.scheduler = Some(host),
                (RecordKind::Unit { connection, unit: Unit::HttpRequest { target, .. }, .. }, _) => {
                    match target.as_str() {
                        "/ws/node" => {
                            leg.nodes.insert(&connection.link.client);
                        }
                        "/ws/session" => {
                            leg.sessions.insert(connection);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        leg
    }

    fn has(&self, host: &HostName) -> bool {
        self.nodes.contains(host) || self.scheduler == Some(host)
    }

    fn connections(&self, records: &'a [Record]) -> Vec<Connection<'a>> {
        let attempted = records.iter().filter_map(|record| match &record.what {
            RecordKind::Connection { id, event: ConnectionEvent::Attempted } => Some(id),
            _ => None,
        });
        let of_the_leg =
            attempted.filter(|id| self.nodes.contains(&id.link.client) && self.scheduler == Some(&id.link.server));
        of_the_leg.map(|id| Connection { id, over: None, disturbed: Vec::new() }).collect()
    }
}

impl Connection<'_> {
    fn end(&mut self, at: Duration) {
        self.over.get_or_insert(at);
    }
}
