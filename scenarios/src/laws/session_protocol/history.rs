//! A run as the session's leg sees it: what passed on its connections, what both ends logged, and from when a fault hides the one
//! from the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, LogEvent, ProcessEvent, Record, RecordKind, Unit};

use super::message::Message;

const SCHEDULER: &str = "halfopen_scheduler";
const CLIENT: &str = "halfopen_client";
const USER: &str = "halfopen_user";

/// Verbs that change, repeat or forge what passes.
const EDITING: [&str; 5] = ["corrupt", "duplicate_message", "reorder_messages", "illegal", "close"];

/// Verbs that keep what passes: the record of a unit does not tell when it arrives.
const HOLDING: [&str; 9] =
    ["delay", "jitter", "throttle", "drip", "split", "buffer", "freeze", "partition", "half_open"];

/// Verbs that touch no connection that is open.
const ELSEWHERE: [&str; 7] =
    ["refuse", "connect_hang", "handshake_stall", "accept_then_reset", "lookup_fails", "lookup_moves", "clock_jump"];

/// How long what a fault has held may still be on its way when the fault has ended.
const AFTERMATH: Duration = Duration::from_secs(5);

/// The run in order, and the connections of the leg.
pub(super) struct History<'a> {
    pub(super) moments: Vec<Moment<'a>>,
    connections: Vec<Connection<'a>>,
    places: BTreeMap<&'a ConnectionId, usize>,
    /// The hosts on which the real client runs: the others speak the protocol as they like.
    real: BTreeSet<&'a HostName>,
    schedulers: BTreeSet<&'a HostName>,
    /// When the run is judged; what is later belongs to the stopping of the hosts.
    pub(super) ends_at: Duration,
}

/// One thing that happened.
pub(super) struct Moment<'a> {
    pub(super) place: usize,
    pub(super) at: Duration,
    pub(super) what: What<'a>,
}

/// What happened; numbers are those of connections.
pub(super) enum What<'a> {
    /// A change of a process.
    Process(&'a HostName, &'a ProcessEvent),
    /// A line of the scheduler's log.
    Scheduler(&'a LogEvent),
    /// A line of a client's log.
    Client(&'a HostName, &'a LogEvent),
    /// What a user has heard.
    User(&'a HostName, &'a LogEvent),
    /// A client tries to connect.
    Attempted(usize),
    /// The scheduler has answered the upgrade.
    Upgraded(usize),
    /// A message of the protocol.
    Said(usize, Direction, Message),
    /// A data message that is none of the protocol's, or too long to be recorded.
    Unread(usize, Direction),
    /// A Close frame, with its code and reason.
    Close(usize, Direction, Option<u16>, &'a str),
    /// A ping.
    Ping(usize, Direction),
    /// A pong.
    Pong(usize, Direction),
    /// An end has closed its socket.
    Closed(usize, Side),
    /// A node has handed in a result.
    Result(Message),
}

struct Connection<'a> {
    id: &'a ConnectionId,
    /// From when it is not whole: an end has left, or a fault has cut it.
    over: Duration,
    /// From when what arrives is not what was sent.
    edited: Duration,
    /// When a fault keeps what passes.
    held: Vec<(Duration, Duration)>,
}

impl<'a> History<'a> {
    pub(super) fn read(records: &'a [Record], ends_at: Duration) -> Self {
        let mut history = Self {
            moments: Vec::new(),
            connections: Vec::new(),
            places: BTreeMap::new(),
            real: BTreeSet::new(),
            schedulers: BTreeSet::new(),
            ends_at,
        };
        let nodes = history.find(records);
        let upto = || records.iter().enumerate().take_while(|(_, record)| record.at <= ends_at);
        for (_, record) in upto() {
            history.note_hindrance(record, records);
        }
        for (place, record) in upto() {
            if let Some(what) = history.what(record, &nodes) {
                history.moments.push(Moment { place, at: record.at, what });
            }
        }
        history
    }

    /// Finds the hosts and connections of the leg; gives the connections of nodes.
    fn find(&mut self, records: &'a [Record]) -> BTreeSet<&'a ConnectionId> {
        let mut nodes = BTreeSet::new();
        let mut clients = BTreeSet::new();
        for record in records {
            match (&record.what, &record.host) {
                (RecordKind::Event(event), Some(host)) if event.target == CLIENT => {
                    self.real.insert(host);
                }
                (RecordKind::Event(event), Some(host)) if event.target == SCHEDULER => {
                    self.schedulers.insert(host);
                }
                (RecordKind::Unit { connection, unit: Unit::HttpRequest { target, .. }, .. }, _) => {
                    match target.as_str() {
                        "/ws/session" => {
                            clients.insert((&connection.link.client, &connection.link.server));
                        }
                        "/ws/node" => {
                            nodes.insert(connection);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        for record in records {
            let RecordKind::Connection { id, event: ConnectionEvent::Attempted } = &record.what else { continue };
            if clients.contains(&(&id.link.client, &id.link.server)) && !nodes.contains(id) {
                self.places.insert(id, self.connections.len());
                let (over, edited) = (Duration::MAX, Duration::MAX);
                self.connections.push(Connection { id, over, edited, held: Vec::new() });
            }
        }
        nodes
    }

    /// Whether a connection is whole, and nothing that passes is kept or changed, in all of this time.
    pub(super) fn is_clear(&self, connection: usize, from: Duration, to: Duration) -> bool {
        let Connection { over, edited, held, .. } = &self.connections[connection];
        let is_held = held.iter().any(|(begin, end)| *end >= from && *begin <= to);
        to <= self.ends_at && *over > to && *edited > to && !is_held
    }

    /// Whether what passed was kept or changed by a fault at any time before.
    pub(super) fn is_touched(&self, connection: usize, by: Duration) -> bool {
        let Connection { edited, held, .. } = &self.connections[connection];
        *edited <= by || held.iter().any(|(begin, _)| *begin <= by)
    }

    /// Whether a fault has changed what passes.
    pub(super) fn is_edited(&self, connection: usize, by: Duration) -> bool {
        self.connections[connection].edited <= by
    }

    /// From when the connection is not whole.
    pub(super) fn over(&self, connection: usize) -> Duration {
        self.connections[connection].over
    }

    pub(super) fn name(&self, connection: usize) -> String {
        self.connections[connection].id.to_string()
    }

    /// The host that connected.
    pub(super) fn client(&self, connection: usize) -> &'a HostName {
        &self.connections[connection].id.link.client
    }

    /// The host that speaks in a direction.
    pub(super) fn speaker(&self, connection: usize, direction: Direction) -> &'a HostName {
        match direction {
            Direction::ToServer => &self.connections[connection].id.link.client,
            Direction::ToClient => &self.connections[connection].id.link.server,
        }
    }

    /// Whether who speaks in this direction is the real service.
    pub(super) fn is_real(&self, connection: usize, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.real.contains(self.client(connection)),
            Direction::ToClient => true,
        }
    }

    pub(super) fn is_scheduler(&self, host: &HostName) -> bool {
        self.schedulers.contains(host)
    }

    fn end(&mut self, at: Duration, is_it: impl Fn(&ConnectionId) -> bool) {
        for connection in self.connections.iter_mut().filter(|connection| is_it(connection.id)) {
            connection.over = connection.over.min(at);
        }
    }

    /// Notes from when connections are over, or touched.
    fn note_hindrance(&mut self, record: &Record, records: &[Record]) {
        let at = record.at;
        match &record.what {
            RecordKind::Connection { id, event } => {
                let lives = matches!(event, ConnectionEvent::Attempted | ConnectionEvent::Established);
                self.end(at, |other| !lives && other == id);
            }
            RecordKind::Unit { connection, unit: Unit::WsControl { kind: FrameKind::Close, .. }, .. } => {
                self.end(at, |other| other == connection);
            }
            RecordKind::Process(ProcessEvent::Crashed | ProcessEvent::PowerLost | ProcessEvent::Exited { .. }) => {
                let host = record.host.as_ref();
                self.end(at, |id| host.is_some_and(|host| *host == id.link.client || *host == id.link.server));
            }
            RecordKind::Fault { fault, event: FaultEvent::Fired { on, verb } } => {
                let word = verb.split(['(', ' ']).next().unwrap_or_default();
                let is_healed = |other: &&Record| {
                    other.at >= at
                        && matches!(&other.what, RecordKind::Fault { fault: same, event: FaultEvent::Healed } if same == fault)
                };
                let until = || records.iter().find(is_healed).map_or(Duration::MAX, |healed| healed.at + AFTERMATH);
                for connection in self.connections.iter_mut().filter(|connection| concerns(on, connection.id)) {
                    if EDITING.contains(&word) {
                        connection.edited = connection.edited.min(at);
                    } else if HOLDING.contains(&word) {
                        connection.held.push((at, until()));
                    } else if !ELSEWHERE.contains(&word) && !on.starts_with("host ") {
                        connection.over = connection.over.min(at);
                    }
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

    fn what(&self, record: &'a Record, nodes: &BTreeSet<&'a ConnectionId>) -> Option<What<'a>> {
        match &record.what {
            RecordKind::Process(event) => record.host.as_ref().map(|host| What::Process(host, event)),
            RecordKind::Event(event) => match (event.target.as_str(), &record.host) {
                (SCHEDULER, Some(_)) => Some(What::Scheduler(event)),
                (CLIENT, Some(host)) => Some(What::Client(host, event)),
                (USER, Some(host)) => Some(What::User(host, event)),
                _ => None,
            },
            RecordKind::Connection { id, event } => {
                let connection = *self.places.get(id)?;
                match event {
                    ConnectionEvent::Attempted => Some(What::Attempted(connection)),
                    ConnectionEvent::Closed { by } => Some(What::Closed(connection, *by)),
                    ConnectionEvent::Established
                    | ConnectionEvent::Refused
                    | ConnectionEvent::TimedOut
                    | ConnectionEvent::Forgotten
                    | ConnectionEvent::Fin { .. }
                    | ConnectionEvent::Rst { .. }
                    | ConnectionEvent::GaveUp { .. } => None,
                }
            }
            RecordKind::Unit { connection, direction, unit } => match self.places.get(connection) {
                Some(connection) => passed(*connection, *direction, unit),
                None if nodes.contains(connection) => handed_in(unit),
                None => None,
            },
            RecordKind::Fault { .. }
            | RecordKind::Fact(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => None,
        }
    }
}

fn passed(connection: usize, direction: Direction, unit: &Unit) -> Option<What<'_>> {
    match unit {
        Unit::HttpResponse { status: 101 } => Some(What::Upgraded(connection)),
        Unit::WsMessage { text, .. } => match text.as_deref().and_then(Message::read) {
            Some(message) => Some(What::Said(connection, direction, message)),
            None => Some(What::Unread(connection, direction)),
        },
        Unit::WsControl { kind: FrameKind::Close, code, reason } => {
            Some(What::Close(connection, direction, *code, reason.as_deref().unwrap_or_default()))
        }
        Unit::WsControl { kind: FrameKind::Ping, .. } => Some(What::Ping(connection, direction)),
        Unit::WsControl { kind: FrameKind::Pong, .. } => Some(What::Pong(connection, direction)),
        Unit::WsControl { .. }
        | Unit::HttpRequest { .. }
        | Unit::HttpResponse { .. }
        | Unit::HttpChunk { .. }
        | Unit::SseEvent { .. } => None,
    }
}

fn handed_in<'a>(unit: &Unit) -> Option<What<'a>> {
    let Unit::WsMessage { text: Some(text), .. } = unit else { return None };
    Message::read(text).filter(|message| message.kind == "job_result").map(What::Result)
}

/// Whether a fault that fired there touches the connection. A fault names a connection, a link, a host, or two hosts.
fn concerns(on: &str, id: &ConnectionId) -> bool {
    let (client, server) = (id.link.client.as_str(), id.link.server.as_str());
    if on.contains("->") {
        return on == id.to_string() || on == id.link.to_string();
    }
    let named: Vec<_> = on.split_whitespace().collect();
    match named.first() {
        Some(&"host") => named.contains(&client) || named.contains(&server),
        Some(_) => named.contains(&client) && named.contains(&server),
        None => false,
    }
}
