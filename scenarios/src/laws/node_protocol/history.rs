//! A run as the node's leg sees it: what happened on the connections between nodes and their scheduler, and what both wrote into
//! their logs.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, LogEvent, ProcessEvent, Record, RecordKind, Unit};

use super::super::leg::{Connections, Hosts, Voice, voice};
use super::message::Message;

/// The run in order, and the connections of the node's leg.
pub(super) struct History<'a> {
    pub(super) moments: Vec<Moment<'a>>,
    connections: Connections<'a>,
    hosts: Hosts<'a>,
    nodes: BTreeSet<&'a HostName>,
    /// Whether a fault makes lookups fail: an attempt may then leave no trace on the wire.
    pub(super) lookups_fail: bool,
    /// From when a character of a message, on whichever leg, may have been changed on its way.
    corrupted: Duration,
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

/// What happened. Numbers are those of connections.
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

impl<'a> History<'a> {
    pub(super) fn read(records: &'a [Record], ends_at: Duration) -> Self {
        let hosts = Hosts::find(records);
        let mut nodes = hosts.real_nodes.clone();
        nodes.extend(hosts.of_nodes.iter().map(|id| &id.link.client));
        let belongs = |id: &ConnectionId| nodes.contains(&id.link.client) && hosts.schedulers.contains(&id.link.server);
        let connections = Connections::read(records, ends_at, belongs);
        let first = |word: &str| {
            let is_it = |record: &&Record| matches!(&record.what, RecordKind::Fault { event: FaultEvent::Fired { verb, .. }, .. } if verb.starts_with(word));
            records.iter().find(is_it).map(|record| record.at)
        };
        let (lookups_fail, corrupted) = (first("lookup").is_some(), first("corrupt").unwrap_or(Duration::MAX));
        let mut history = Self { moments: Vec::new(), connections, hosts, nodes, lookups_fail, corrupted };
        for (place, record) in records.iter().enumerate().take_while(|(_, record)| record.at <= ends_at) {
            if let Some(what) = history.what(record) {
                history.moments.push(Moment { place, at: record.at, what });
            }
        }
        history
    }

    /// Whether a character of a message may have been changed on its way before: what a job is called, and says, is not known then.
    pub(super) fn is_corrupted(&self, at: Duration) -> bool {
        self.corrupted <= at
    }

    pub(super) fn is_scheduler(&self, host: &HostName) -> bool {
        self.hosts.schedulers.contains(host)
    }

    /// Whether the host is a node that logs what it does, and no actor that plays one.
    pub(super) fn is_real(&self, node: &HostName) -> bool {
        self.hosts.real_nodes.contains(node)
    }

    pub(super) fn name(&self, connection: usize) -> String {
        self.id(connection).to_string()
    }

    /// The host that connected.
    pub(super) fn node(&self, connection: usize) -> &'a HostName {
        &self.id(connection).link.client
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

    fn what(&self, record: &'a Record) -> Option<What<'a>> {
        match &record.what {
            RecordKind::Process(event) => {
                let is_of_the_leg = |host: &&HostName| self.nodes.contains(*host) || self.is_scheduler(host);
                record.host.as_ref().filter(is_of_the_leg).map(|host| What::Process(host, event))
            }
            RecordKind::Event(event) => match (voice(event), &record.host) {
                (Some(Voice::Scheduler), Some(_)) => Some(What::Scheduler(event)),
                (Some(Voice::Node), Some(host)) => Some(What::Node(host, event)),
                (Some(Voice::Client) | None, _) | (_, None) => None,
            },
            RecordKind::Connection { id, event } => {
                let connection = self.place(id)?;
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
            RecordKind::Unit { connection: id, direction, unit, .. } => match self.place(id) {
                Some(connection) => on_the_leg(connection, *direction, unit),
                None if self.hosts.of_sessions.contains(id) => {
                    text_of(unit).map(|said| What::Session(*direction, said))
                }
                None => None,
            },
            RecordKind::Fault { .. }
            | RecordKind::Fact(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => None,
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
