//! A run as the session's leg sees it: what passed on its connections, and what both ends logged.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::{ConnectionEvent, LogEvent, ProcessEvent, Record, RecordKind, Unit};

use super::super::leg::{Connections, Hosts, Voice, voice};
use super::message::Message;

const USER: &str = "halfopen_user";

/// The run in order, and the connections of the leg.
pub(super) struct History<'a> {
    pub(super) moments: Vec<Moment<'a>>,
    connections: Connections<'a>,
    hosts: Hosts<'a>,
    /// When the run is judged; what is later belongs to the stopping of the hosts.
    pub(super) ends_at: Duration,
}

impl<'a> Deref for History<'a> {
    type Target = Connections<'a>;

    fn deref(&self) -> &Connections<'a> {
        &self.connections
    }
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

impl<'a> History<'a> {
    pub(super) fn read(records: &'a [Record], ends_at: Duration) -> Self {
        let hosts = Hosts::find(records);
        // An attempt that came to nothing belongs to the leg as well.
        let links: BTreeSet<_> = hosts.of_sessions.iter().map(|id| &id.link).collect();
        let belongs = |id: &ConnectionId| links.contains(&id.link) && !hosts.of_nodes.contains(id);
        let connections = Connections::read(records, ends_at, belongs);
        let mut history = Self { moments: Vec::new(), connections, hosts, ends_at };
        for (place, record) in records.iter().enumerate().take_while(|(_, record)| record.at <= ends_at) {
            if let Some(what) = history.what(record) {
                history.moments.push(Moment { place, at: record.at, what });
            }
        }
        history
    }

    pub(super) fn name(&self, connection: usize) -> String {
        self.id(connection).to_string()
    }

    /// The host that connected.
    pub(super) fn client(&self, connection: usize) -> &'a HostName {
        &self.id(connection).link.client
    }

    /// The host that speaks in a direction.
    pub(super) fn speaker(&self, connection: usize, direction: Direction) -> &'a HostName {
        match direction {
            Direction::ToServer => self.client(connection),
            Direction::ToClient => &self.id(connection).link.server,
        }
    }

    /// Whether who speaks in this direction is the real service.
    pub(super) fn is_real(&self, connection: usize, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.hosts.real_clients.contains(self.client(connection)),
            Direction::ToClient => true,
        }
    }

    pub(super) fn is_scheduler(&self, host: &HostName) -> bool {
        self.hosts.schedulers.contains(host)
    }

    fn what(&self, record: &'a Record) -> Option<What<'a>> {
        match &record.what {
            RecordKind::Process(event) => record.host.as_ref().map(|host| What::Process(host, event)),
            RecordKind::Event(event) => match (voice(event), &record.host) {
                (Some(Voice::Scheduler), Some(_)) => Some(What::Scheduler(event)),
                (Some(Voice::Client), Some(host)) => Some(What::Client(host, event)),
                (None, Some(host)) if event.target == USER => Some(What::User(host, event)),
                (Some(Voice::Node) | None, _) | (_, None) => None,
            },
            RecordKind::Connection { id, event } => {
                let connection = self.place(id)?;
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
            RecordKind::Unit { connection, direction, unit, .. } => match self.place(connection) {
                Some(connection) => passed(connection, *direction, unit),
                None if self.hosts.of_nodes.contains(connection) => handed_in(unit),
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
