//! The exchanges of a run, read from its records: what a gateway's readers asked and were sent, and what its upstreams were
//! asked and sent.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, LogEvent, ProcessEvent, Record, RecordKind, Unit};

use super::said::Said;

/// Where something is in the records, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) place: usize,
    pub(super) at: Duration,
}

/// One block of an event stream.
#[derive(Clone, Debug)]
pub(super) struct Event<'a> {
    pub(super) mark: Mark,
    pub(super) name: Option<&'a str>,
    /// `None` for a comment.
    pub(super) data: Option<&'a str>,
    pub(super) has_comment: bool,
    pub(super) said: Said,
}

/// One chat request on one connection, on either leg, and its answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) connection: &'a ConnectionId,
    pub(super) asked: Mark,
    /// What the reader calls it, if it is told.
    pub(super) key: Option<&'a str>,
    /// What the upstream calls the answer, if it is told.
    pub(super) id: Option<String>,
    pub(super) status: Option<(u16, Mark)>,
    pub(super) events: Vec<Event<'a>>,
    /// The last chunk of the answer's body.
    pub(super) body_end: Option<Mark>,
    /// The client's end has reached the server.
    pub(super) client_gone: Option<Mark>,
    /// The server's end has reached the client.
    pub(super) server_gone: Option<Mark>,
    /// The client closed its socket.
    pub(super) client_closed: Option<Mark>,
    /// A fault has struck the connection, its link or one of its hosts.
    pub(super) struck: Option<Mark>,
    /// The reader took nothing for a while.
    pub(super) rests: bool,
    /// Whether a stream was asked for.
    pub(super) streams: bool,
    /// The exchange is over: the next one of the connection has begun.
    pub(super) followed: Option<Mark>,
}

impl Exchange<'_> {
    /// When its `[DONE]` passed.
    pub(super) fn done(&self) -> Option<Mark> {
        self.events.iter().find(|event| event.said == Said::Done).map(|event| event.mark)
    }

    /// When its first error event passed.
    pub(super) fn error(&self) -> Option<&Event<'_>> {
        self.events.iter().find(|event| matches!(event.said, Said::Error { .. }))
    }
}

/// What a run's records tell of one gateway.
#[derive(Debug, Default)]
pub(super) struct Exchanges<'a> {
    /// What readers asked, in order.
    pub(super) asked: Vec<Exchange<'a>>,
    /// What upstreams were asked, in order.
    pub(super) calls: Vec<Exchange<'a>>,
    /// When the gateway's process was told to stop, or ended.
    pub(super) stops: Vec<Mark>,
    open: BTreeMap<&'a ConnectionId, (bool, usize)>,
    struck: Vec<(&'a str, Mark)>,
}

/// The request target of a chat.
const CHAT: &str = "/v1/chat/completions";
/// How a reader names its question in the target.
const NAME: &str = "?question=";
/// How long a model takes at most to tell what it is asked.
const TURN: Duration = Duration::from_millis(5);
/// Behind that, of an answer that is not to stream.
const WHOLE: &str = "&whole";

impl<'a> Exchanges<'a> {
    /// Those of the gateway that is called so, where a packet travels for `latency`.
    pub(super) fn of(records: &'a [Record], gateway: &str, latency: Duration) -> Self {
        let mut all = Self::default();
        for (place, record) in records.iter().enumerate() {
            let mark = Mark { place, at: record.at };
            match &record.what {
                RecordKind::Unit { connection, direction, unit, .. } => {
                    all.take_unit(gateway, connection, *direction, unit, mark);
                }
                RecordKind::Connection { id, event } => all.take_connection_event(id, event, mark),
                RecordKind::Fault { event: FaultEvent::Fired { on, .. }, .. } => all.strike(on, mark),
                RecordKind::Fault { .. } => {}
                RecordKind::Process(event) if record.host.as_ref().is_some_and(|host| host.as_str() == gateway) => {
                    all.take_process_event(event, mark);
                }
                RecordKind::Event(event) => all.take_log(latency, event, record.host.as_ref(), mark),
                RecordKind::Process(_)
                | RecordKind::Fact(_)
                | RecordKind::Observed { .. }
                | RecordKind::BrokenRule { .. } => {}
            }
        }
        all
    }

    fn take_unit(
        &mut self,
        gateway: &str,
        connection: &'a ConnectionId,
        direction: Direction,
        unit: &'a Unit,
        mark: Mark,
    ) {
        let from_reader = connection.link.server.as_str() == gateway;
        if !from_reader && connection.link.client.as_str() != gateway {
            return;
        }
        match (direction, unit) {
            (Direction::ToServer, Unit::HttpRequest { method, target }) => {
                if let Some(before) = self.exchange(connection) {
                    before.followed = Some(mark);
                }
                self.open.remove(connection);
                if method == "POST" && target.contains("/chat/completions") {
                    self.begin(connection, from_reader, target, mark);
                }
            }
            (Direction::ToClient, Unit::HttpResponse { status }) => {
                if let Some(exchange) = self.exchange(connection) {
                    exchange.status = Some((*status, mark));
                }
            }
            (Direction::ToClient, Unit::HttpChunk { bytes: 0 }) => {
                if let Some(exchange) = self.exchange(connection) {
                    exchange.body_end = Some(mark);
                }
            }
            (Direction::ToClient, Unit::SseEvent { name, data, comment }) => {
                if let Some(exchange) = self.exchange(connection) {
                    let said = Said::of(name.as_deref(), data.as_deref());
                    if exchange.id.is_none() {
                        exchange.id = data.as_deref().and_then(Said::id);
                    }
                    let (name, data, has_comment) = (name.as_deref(), data.as_deref(), comment.is_some());
                    exchange.events.push(Event { mark, name, data, has_comment, said });
                }
            }
            (
                _,
                Unit::HttpRequest { .. }
                | Unit::HttpResponse { .. }
                | Unit::HttpChunk { .. }
                | Unit::SseEvent { .. }
                | Unit::WsControl { .. }
                | Unit::WsMessage { .. },
            ) => {}
        }
    }

    fn begin(&mut self, connection: &'a ConnectionId, from_reader: bool, target: &'a str, mark: Mark) {
        let struck = self.struck.iter().find(|(on, _)| strikes(on, connection)).map(|(_, mark)| *mark);
        let exchange = Exchange {
            connection,
            asked: mark,
            key: target
                .strip_prefix(CHAT)
                .and_then(|rest| rest.strip_prefix(NAME))
                .map(|name| name.trim_end_matches(WHOLE)),
            id: None,
            status: None,
            events: Vec::new(),
            body_end: None,
            client_gone: None,
            server_gone: None,
            client_closed: None,
            struck,
            rests: false,
            streams: !target.ends_with(WHOLE),
            followed: None,
        };
        let list = if from_reader { &mut self.asked } else { &mut self.calls };
        list.push(exchange);
        self.open.insert(connection, (from_reader, list.len() - 1));
    }

    fn exchange(&mut self, connection: &ConnectionId) -> Option<&mut Exchange<'a>> {
        let (from_reader, place) = *self.open.get(connection)?;
        if from_reader { self.asked.get_mut(place) } else { self.calls.get_mut(place) }
    }

    fn take_connection_event(&mut self, connection: &ConnectionId, event: &ConnectionEvent, mark: Mark) {
        let Some(exchange) = self.exchange(connection) else { return };
        let ended = match event {
            ConnectionEvent::Fin { by: Side::Client, .. } | ConnectionEvent::Rst { to: Side::Server, .. } => {
                &mut exchange.client_gone
            }
            ConnectionEvent::Fin { by: Side::Server, .. }
            | ConnectionEvent::Rst { to: Side::Client, .. }
            | ConnectionEvent::GaveUp { by: Side::Client, .. } => &mut exchange.server_gone,
            ConnectionEvent::Closed { by: Side::Client } => &mut exchange.client_closed,
            ConnectionEvent::Attempted
            | ConnectionEvent::Established
            | ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::Forgotten
            | ConnectionEvent::GaveUp { by: Side::Server, .. }
            | ConnectionEvent::Closed { by: Side::Server } => return,
        };
        ended.get_or_insert(mark);
    }

    fn strike(&mut self, on: &'a str, mark: Mark) {
        self.struck.push((on, mark));
        for exchange in self.asked.iter_mut().chain(&mut self.calls) {
            if exchange.struck.is_none() && strikes(on, exchange.connection) {
                exchange.struck = Some(mark);
            }
        }
    }

    fn take_process_event(&mut self, event: &ProcessEvent, mark: Mark) {
        match event {
            ProcessEvent::Exited { .. }
            | ProcessEvent::Crashed
            | ProcessEvent::PowerLost
            | ProcessEvent::StopRequested => self.stops.push(mark),
            ProcessEvent::Started | ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. } => {}
        }
    }

    /// A model tells which question it was asked, a reader that it rests.
    fn take_log(&mut self, latency: Duration, event: &'a LogEvent, host: Option<&HostName>, mark: Mark) {
        match (event.target.as_str(), event.message.as_str()) {
            ("halfopen_scenarios::model", "asked") => {
                // Of several that were asked in one instant it cannot be told which is meant.
                let asked = |call: &&mut Exchange| {
                    let travelled = mark.at.saturating_sub(call.asked.at);
                    Some(&call.connection.link.server) == host && (latency..latency + TURN).contains(&travelled)
                };
                let mut candidates = self.calls.iter_mut().filter(asked);
                if let (Some(call), None) = (candidates.next(), candidates.next()) {
                    call.key = event.field("key");
                }
            }
            ("halfopen_scenarios::reader", "rests") => {
                let asked = |exchange: &&mut Exchange| {
                    exchange.key == event.field("key") && Some(&exchange.connection.link.client) == host
                };
                if let Some(exchange) = self.asked.iter_mut().rev().find(asked) {
                    exchange.rests = true;
                }
            }
            (_, _) => {}
        }
    }

    /// The upstream call of an exchange. The answer's name says which; where no event has come, the question's, which the
    /// model tells in the order in which it is asked.
    pub(super) fn call_of(&self, exchange: &Exchange) -> Option<&Exchange<'a>> {
        if let Some(id) = &exchange.id {
            return self.calls.iter().find(|call| call.id.as_ref() == Some(id));
        }
        let key = exchange.key?;
        let next = self.asked.iter().find(|next| next.key == Some(key) && next.asked.place > exchange.asked.place);
        let between = |call: &&Exchange| {
            call.key == Some(key)
                && call.id.as_ref().is_none_or(|id| id.starts_with(&format!("chatcmpl-{key}-")))
                && call.asked.place > exchange.asked.place
                && next.is_none_or(|next| call.asked.place < next.asked.place)
        };
        self.calls.iter().find(between)
    }
}

/// Whether a fault that is said to strike there strikes a connection: it, its link, or one of its hosts.
fn strikes(on: &str, connection: &ConnectionId) -> bool {
    if on.contains("->") {
        let link = connection.link.to_string();
        return on.strip_prefix(&link).is_some_and(|rest| rest.is_empty() || on == connection.to_string());
    }
    let names = [connection.link.client.as_str(), connection.link.server.as_str()];
    on.split_whitespace().any(|word| names.contains(&word))
}
