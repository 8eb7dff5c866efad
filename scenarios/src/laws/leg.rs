//! What the models of the scheduler's two legs share: who is who in a run, the connections of a leg, and from when a fault hides the
//! one end from the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::fault::{FaultIndex, FrameKind};
use halfopen::name::{ConnectionId, HostName};
use halfopen::trace::{ConnectionEvent, FaultEvent, LogEvent, ProcessEvent, Record, RecordKind, Unit};

/// The target of the scheduler's own log lines, of a node's and of a client's.
const SCHEDULER: &str = "halfopen_scheduler";
const NODE: &str = "halfopen_scheduler::node";
const CLIENT: &str = "halfopen_client";

/// Verbs that change, repeat or forge what passes.
const EDITING: [&str; 5] = ["corrupt", "duplicate_message", "reorder_messages", "illegal", "close"];

/// Verbs that keep what passes: what an end answers meanwhile is not held against it.
const HOLDING: [&str; 8] = ["delay", "jitter", "throttle", "drip", "split", "buffer", "freeze", "partition"];

/// The verb that lets nothing pass, and tells neither end.
const SILENCING: &str = "half_open";

/// Verbs that touch no connection that is open.
const ELSEWHERE: [&str; 7] =
    ["refuse", "connect_hang", "handshake_stall", "accept_then_reset", "lookup_fails", "lookup_moves", "clock_jump"];

/// How long what a fault has held may still be on its way when the fault has ended.
const AFTERMATH: Duration = Duration::from_secs(5);

/// A token is at least this long; what is shorter may stand in a line by chance.
const SECRET_CHARS: usize = 16;

/// Who logs a line.
pub(super) enum Voice {
    Scheduler,
    Node,
    Client,
}

/// Whose line it is; `None` for a line of another service.
pub(super) fn voice(event: &LogEvent) -> Option<Voice> {
    match event.target.as_str() {
        SCHEDULER => Some(Voice::Scheduler),
        NODE => Some(Voice::Node),
        CLIENT => Some(Voice::Client),
        _ => None,
    }
}

/// Whether a process knows nothing of what was before.
pub(super) fn begins_or_ends_a_life(event: &ProcessEvent) -> bool {
    match event {
        ProcessEvent::Started | ProcessEvent::Exited { .. } | ProcessEvent::Crashed | ProcessEvent::PowerLost => true,
        ProcessEvent::Panicked { .. } | ProcessEvent::StopRequested | ProcessEvent::Survivors { .. } => false,
    }
}

/// Looks for the tokens of sessions and nodes in what the services log: who reads a log must not become the owner of a session.
///
/// # Errors
/// When a line tells one.
pub(super) fn secret_in_a_log(records: &[Record]) -> Result<(), Finding> {
    let secrets: BTreeSet<String> = records.iter().filter_map(secret).collect();
    for (place, record) in records.iter().enumerate() {
        let RecordKind::Event(event) = &record.what else { continue };
        let mut texts = event.fields.iter().map(|(_, value)| value).chain([&event.message]);
        if voice(event).is_some() && texts.any(|text| secrets.iter().any(|secret| text.contains(secret.as_str()))) {
            let sentence = format!("a token stands in the log line {:?}.", event.message);
            return Err(Finding::new("logs a token", sentence).witness([place]).role(record.host.as_ref()));
        }
    }
    Ok(())
}

/// The token in a scheduler's answer to a greeting.
fn secret(record: &Record) -> Option<String> {
    let RecordKind::Unit { unit: Unit::WsMessage { text: Some(text), .. }, .. } = &record.what else { return None };
    if !text.contains("_ack\"") || !text.contains("\"token\"") {
        return None;
    }
    let said: serde_json::Value = serde_json::from_str(text).ok()?;
    said["token"].as_str().filter(|token| token.len() >= SECRET_CHARS).map(str::to_owned)
}

/// Who is who in a run.
#[derive(Default)]
pub(super) struct Hosts<'a> {
    pub(super) schedulers: BTreeSet<&'a HostName>,
    /// The hosts that log as a client or a node does. The others are actors that play one.
    pub(super) real_clients: BTreeSet<&'a HostName>,
    pub(super) real_nodes: BTreeSet<&'a HostName>,
    /// The connections on which a session, or a node, was asked for.
    pub(super) of_sessions: BTreeSet<&'a ConnectionId>,
    pub(super) of_nodes: BTreeSet<&'a ConnectionId>,
}

impl<'a> Hosts<'a> {
    pub(super) fn find(records: &'a [Record]) -> Self {
        let mut hosts = Self::default();
        for record in records {
            match (&record.what, &record.host) {
                (RecordKind::Event(event), Some(host)) => {
                    match voice(event) {
                        Some(Voice::Scheduler) => hosts.schedulers.insert(host),
                        Some(Voice::Node) => hosts.real_nodes.insert(host),
                        Some(Voice::Client) => hosts.real_clients.insert(host),
                        None => false,
                    };
                }
                (RecordKind::Unit { connection, unit: Unit::HttpRequest { target, .. }, .. }, _) => {
                    match target.as_str() {
                        "/ws/session" => hosts.of_sessions.insert(connection),
                        "/ws/node" => hosts.of_nodes.insert(connection),
                        _ => false,
                    };
                }
                _ => {}
            }
        }
        hosts
    }
}

/// The connections of a leg, in the order in which they were attempted.
pub(super) struct Connections<'a> {
    all: Vec<Connection<'a>>,
    places: BTreeMap<&'a ConnectionId, usize>,
    ends_at: Duration,
}

struct Connection<'a> {
    id: &'a ConnectionId,
    attempted: Duration,
    /// From when it is not whole: an end has left, or a fault has cut it.
    over: Duration,
    /// From when what arrives is not what was sent.
    edited: Duration,
    /// When a fault keeps what passes.
    held: Vec<(Duration, Duration)>,
    /// When nothing passes, or not in one direction.
    silent: Vec<(Duration, Duration)>,
}

impl<'a> Connections<'a> {
    /// Those that belong to a leg, of a run that is judged at `ends_at`.
    pub(super) fn read(records: &'a [Record], ends_at: Duration, belongs: impl Fn(&ConnectionId) -> bool) -> Self {
        let mut connections = Self { all: Vec::new(), places: BTreeMap::new(), ends_at };
        for record in records {
            let RecordKind::Connection { id, event: ConnectionEvent::Attempted } = &record.what else { continue };
            if belongs(id) {
                connections.places.insert(id, connections.all.len());
                connections.all.push(Connection {
                    id,
                    attempted: record.at,
                    over: Duration::MAX,
                    edited: Duration::MAX,
                    held: Vec::new(),
                    silent: Vec::new(),
                });
            }
        }
        for record in records.iter().take_while(|record| record.at <= ends_at) {
            connections.note_hindrance(record, records);
        }
        connections
    }

    pub(super) fn place(&self, id: &ConnectionId) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(super) fn id(&self, connection: usize) -> &'a ConnectionId {
        self.all[connection].id
    }

    /// From when the connection is not whole.
    pub(super) fn over(&self, connection: usize) -> Duration {
        self.all[connection].over
    }

    /// Whether it is whole in all of this time, and nothing that passes is kept, lost or changed: what one end sends the other has
    /// soon after.
    pub(super) fn is_clear(&self, connection: usize, from: Duration, to: Duration) -> bool {
        let Connection { over, edited, held, silent, .. } = &self.all[connection];
        let hindered = held.iter().chain(silent).any(|(begin, end)| *end >= from && *begin <= to);
        to <= self.ends_at && *over > to && *edited > to && !hindered
    }

    /// Whether a fault has changed what passes.
    pub(super) fn is_edited(&self, connection: usize, by: Duration) -> bool {
        self.all[connection].edited <= by
    }

    /// Whether what passed was kept, lost or changed by a fault at any time before.
    pub(super) fn is_touched(&self, connection: usize, by: Duration) -> bool {
        let Connection { edited, held, silent, .. } = &self.all[connection];
        *edited <= by || held.iter().chain(silent).any(|(begin, _)| *begin <= by)
    }

    /// Whether a fault keeps or changes what passes at some time in between: what arrives is late, or is not what was sent.
    pub(super) fn is_disturbed(&self, connection: usize, from: Duration, to: Duration) -> bool {
        let Connection { edited, held, .. } = &self.all[connection];
        *edited <= to || held.iter().any(|(begin, end)| *end >= from && *begin <= to)
    }

    fn end(&mut self, at: Duration, is_it: impl Fn(&ConnectionId) -> bool) {
        let begun = self.all.iter_mut().filter(|connection| connection.attempted <= at);
        for connection in begun.filter(|connection| is_it(connection.id)) {
            connection.over = connection.over.min(at);
        }
    }

    /// Notes from when connections are over, or touched.
    fn note_hindrance(&mut self, record: &Record, records: &[Record]) {
        let at = record.at;
        match &record.what {
            RecordKind::Connection { id, event } => {
                let lives = matches!(event, ConnectionEvent::Attempted | ConnectionEvent::Established);
                if !lives && let Some(place) = self.place(id) {
                    self.all[place].over = self.all[place].over.min(at);
                }
            }
            RecordKind::Unit { connection, unit: Unit::WsControl { kind: FrameKind::Close, .. }, .. } => {
                if let Some(place) = self.place(connection) {
                    self.all[place].over = self.all[place].over.min(at);
                }
            }
            RecordKind::Process(ProcessEvent::Crashed | ProcessEvent::PowerLost | ProcessEvent::Exited { .. }) => {
                let host = record.host.as_ref();
                self.end(at, |id| host.is_some_and(|host| *host == id.link.client || *host == id.link.server));
            }
            RecordKind::Fault { fault, event: FaultEvent::Fired { on, verb } } => {
                self.fired(at, on, verb, || until(at, *fault, records));
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

    fn fired(&mut self, at: Duration, on: &str, verb: &str, until: impl Fn() -> Duration) {
        let word = verb.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
        let (holds, silences) = (HOLDING.contains(&word), word == SILENCING);
        if holds || silences {
            // Connections that are attempted meanwhile are held as well.
            for connection in self.all.iter_mut().filter(|connection| concerns(on, connection.id)) {
                let times = if holds { &mut connection.held } else { &mut connection.silent };
                times.push((at, until()));
            }
        } else if EDITING.contains(&word) {
            let begun = self.all.iter_mut().filter(|connection| connection.attempted <= at);
            for connection in begun.filter(|connection| concerns(on, connection.id)) {
                connection.edited = connection.edited.min(at);
            }
        } else if !ELSEWHERE.contains(&word) && !on.starts_with("host ") {
            self.end(at, |id| concerns(on, id));
        }
    }
}

/// Until when a fault that fired then has its effect.
fn until(at: Duration, fault: FaultIndex, records: &[Record]) -> Duration {
    let is_healed = |other: &&Record| {
        other.at >= at
            && matches!(&other.what, RecordKind::Fault { fault: same, event: FaultEvent::Healed } if *same == fault)
    };
    records.iter().find(is_healed).map_or(Duration::MAX, |healed| healed.at + AFTERMATH)
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
        Some(_) => {
            let named: Vec<_> = words.collect();
            named.contains(&client) && named.contains(&server)
        }
        None => false,
    }
}
