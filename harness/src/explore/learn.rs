//! What a run did, as points at which a fault can strike the next one.
//!
//! A run without a fault (or with those that are to stay) is played once; its records name every attempt to connect, every
//! protocol unit of every connection in both directions, and every instant at which a host said or heard something. The
//! points are counted as triggers count, so that a fault placed at one strikes there when the same plan is played with it.
//!
//! The module reads records and nothing else: it plays no run and draws nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::fault::{Edge, FrameKind, Trigger, to_word};
use crate::name::{ConnectionId, Direction, HostName, Side};
use crate::pattern::document_of;
use crate::trace::{ConnectionEvent, LogEvent, Record, RecordKind, Unit};

#[cfg(test)]
mod tests;

/// What a run did up to the instant at which it was judged, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Course {
    /// Every attempt to connect.
    pub(crate) attempts: Vec<Attempt>,
    /// Every protocol unit that passed and that a trigger can count.
    pub(crate) units: Vec<Passed>,
    /// The instants of every host: one for each time at which it said something in its log.
    pub(crate) moments: Vec<Moment>,
    /// When the run was judged.
    pub(crate) end: Duration,
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The connection.
    pub(crate) id: ConnectionId,
    /// When the SYN was sent.
    pub(crate) at: Duration,
}

/// A protocol unit that passed, as triggers count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// On which connection.
    pub(crate) connection: ConnectionId,
    /// Which way.
    pub(crate) direction: Direction,
    /// When it had passed.
    pub(crate) at: Duration,
    /// What it was counted as.
    pub(crate) kind: Kind,
    /// Its number among those of its kind, connection and direction, from 1.
    pub(crate) n: u32,
    /// Bytes of it on the wire, as far as its record says: of a head none is said, of an event the fields that are kept.
    pub(crate) bytes: Option<u64>,
    /// What it is about, in a word: the `type` of a JSON message, the name of an event, a status; empty if it has none.
    pub(crate) says: String,
}

/// What a trigger counts a unit as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The head of a request or response.
    Head,
    /// A WebSocket control frame.
    Frame(FrameKind),
    /// A WebSocket data message.
    Message,
    /// A chunk of a chunked body, but for the empty one at its end.
    Chunk,
    /// An SSE event that is no mere comment.
    SseEvent,
}

/// An instant at which a host said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The host.
    pub(crate) host: HostName,
    /// Virtual time since the start of the run.
    pub(crate) at: Duration,
    /// What it said: of several events of one instant the one that it had said least often.
    pub(crate) message: String,
    /// The how manieth event of this host with this message it was, from 1.
    pub(crate) n: u32,
}

impl Course {
    /// What a run did whose records these are, and which was judged at `end`. What came later is the stopping of its hosts.
    pub(crate) fn of(records: &[Record], end: Duration) -> Self {
        let (mut course, mut counts) = (Self { end, ..Self::default() }, Counts::default());
        for record in records.iter().take_while(|record| record.at <= end) {
            match &record.what {
                RecordKind::Connection { id, event: ConnectionEvent::Attempted } => {
                    course.attempts.push(Attempt { id: id.clone(), at: record.at });
                }
                RecordKind::Unit { connection, direction, unit, .. } => {
                    course.units.extend(counts.unit(record.at, connection, *direction, unit));
                }
                RecordKind::Event(event) => {
                    if let Some(host) = &record.host {
                        counts.event(&mut course.moments, record.at, host, event);
                    }
                }
                RecordKind::Connection { .. }
                | RecordKind::Fault { .. }
                | RecordKind::Process(_)
                | RecordKind::Fact(_)
                | RecordKind::Observed { .. }
                | RecordKind::BrokenRule { .. } => {}
            }
        }
        course
    }

    /// The legs (one direction of one link each) on which something passed.
    pub(crate) fn legs(&self) -> usize {
        let legs: std::collections::BTreeSet<_> =
            self.units.iter().map(|unit| (&unit.connection.link, unit.direction)).collect();
        legs.len()
    }
}

/// How much of each kind has been seen.
#[derive(Default)]
struct Counts {
    units: BTreeMap<(ConnectionId, Direction, Kind), u32>,
    events: BTreeMap<(HostName, String), u32>,
    /// The place of the last moment of each host.
    last: BTreeMap<HostName, usize>,
}

impl Counts {
    fn unit(&mut self, at: Duration, connection: &ConnectionId, direction: Direction, unit: &Unit) -> Option<Passed> {
        let kind = Kind::of(unit)?;
        let n = self.units.entry((connection.clone(), direction, kind)).or_default();
        *n += 1;
        let (bytes, says) = (bytes_of(unit, direction), says(unit));
        Some(Passed { connection: connection.clone(), direction, at, kind, n: *n, bytes, says })
    }

    fn event(&mut self, moments: &mut Vec<Moment>, at: Duration, host: &HostName, event: &LogEvent) {
        let n = self.events.entry((host.clone(), event.message.clone())).or_default();
        *n += 1;
        let moment = Moment { host: host.clone(), at, message: event.message.clone(), n: *n };
        match self.last.get(host).and_then(|place| moments.get_mut(*place)).filter(|last| last.at == at) {
            Some(last) if moment.n < last.n => *last = moment,
            Some(_) => {}
            None => {
                self.last.insert(host.clone(), moments.len());
                moments.push(moment);
            }
        }
    }
}

impl Kind {
    /// What triggers count a unit as; `None` for the empty chunk that ends a body and for mere comments, which no trigger
    /// counts.
    pub(crate) fn of(unit: &Unit) -> Option<Self> {
        match unit {
            Unit::HttpRequest { .. } | Unit::HttpResponse { .. } => Some(Self::Head),
            Unit::HttpChunk { bytes } => (*bytes > 0).then_some(Self::Chunk),
            Unit::WsControl { kind, .. } => Some(Self::Frame(*kind)),
            Unit::WsMessage { .. } => Some(Self::Message),
            Unit::SseEvent { data, .. } => data.is_some().then_some(Self::SseEvent),
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Head => "head".to_owned(),
            Self::Frame(kind) => to_word(&kind),
            Self::Message => "message".to_owned(),
            Self::Chunk => "chunk".to_owned(),
            Self::SseEvent => "event".to_owned(),
        }
    }
}

impl Passed {
    /// The trigger that strikes at this unit.
    pub(crate) fn trigger(&self, edge: Edge) -> Trigger {
        let (n, direction) = (self.n, self.direction);
        match self.kind {
            Kind::Head => Trigger::HttpHead { n, direction, edge },
            Kind::Frame(kind) => Trigger::Frame { kind, n, direction, edge },
            Kind::Message => Trigger::message(n, direction, edge),
            Kind::Chunk => Trigger::Chunk { n, direction, edge },
            Kind::SseEvent => Trigger::sse_event(n, edge),
        }
    }

    /// The edges of the unit: before it, inside it at the bytes that matter, after it.
    ///
    /// Inside, a reader is left with a part of what it needs to know: one byte of a frame (its length is missing), a frame
    /// header without its payload, all but the last byte of a message or chunk; an event without the empty line that makes
    /// it one (WHATWG HTML, 9.2.6); half a line of a head.
    pub(crate) fn edges(&self) -> Vec<Edge> {
        let mut inside = vec![1];
        match self.kind {
            Kind::Head => inside.push(20),
            Kind::Frame(_) => {}
            Kind::Message => inside.extend([self.header_bytes(), self.bytes.unwrap_or(0).saturating_sub(1)]),
            Kind::Chunk | Kind::SseEvent => inside.push(self.bytes.unwrap_or(0).saturating_sub(1)),
        }
        inside.retain(|k| *k > 0 && self.bytes.is_none_or(|bytes| *k < bytes));
        inside.sort_unstable();
        inside.dedup();
        let inside = inside.into_iter().map(Edge::Inside);
        [Edge::Before].into_iter().chain(inside).chain([Edge::After]).collect()
    }

    /// The end that sent it.
    pub(crate) fn sender(&self) -> Side {
        match self.direction {
            Direction::ToServer => Side::Client,
            Direction::ToClient => Side::Server,
        }
    }

    /// Bytes of a frame's header: RFC 6455, 5.2, for a message of one frame.
    fn header_bytes(&self) -> u64 {
        let mask = if self.direction == Direction::ToServer { 4 } else { 0 };
        match self.bytes.unwrap_or(0).saturating_sub(mask) {
            ..=127 => 2 + mask,
            128..=65_539 => 4 + mask,
            _ => 10 + mask,
        }
    }
}

/// As a row of a table names it: `message 3 submit`, `ping 1`, `head 1 101`.
impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.says.is_empty() { "" } else { " " };
        f.pad(&format!("{} {}{space}{}", self.kind.word(), self.n, self.says))
    }
}

impl Moment {
    /// The trigger that strikes at this instant.
    pub(crate) fn trigger(&self) -> Trigger {
        Trigger::Event {
            message: self.message.clone(),
            host: Some(self.host.clone()),
            fields: Vec::new(),
            n: self.n,
            after: Duration::ZERO,
        }
    }
}

/// Bytes that a unit has on the wire, as far as its record tells.
fn bytes_of(unit: &Unit, direction: Direction) -> Option<u64> {
    let mask = if direction == Direction::ToServer { 4 } else { 0 };
    let framed = |payload: u64| {
        let length = match payload {
            ..=125 => 0,
            126..=65_535 => 2,
            _ => 8,
        };
        2 + length + mask + payload
    };
    let len = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() as u64);
    match unit {
        Unit::HttpRequest { .. } | Unit::HttpResponse { .. } => None,
        Unit::HttpChunk { bytes } => Some(*bytes),
        Unit::WsControl { kind: FrameKind::Close, code, reason } => Some(framed(code.map_or(0, |_| 2) + len(reason))),
        // What a ping carries is in no record.
        Unit::WsControl { .. } => None,
        Unit::WsMessage { bytes, .. } => Some(framed(*bytes)),
        Unit::SseEvent { data, name, comment } => {
            // `data: x`, its line end, and the empty line; the field's other lines each have as much.
            let lines = data.as_ref().map_or(0, |data| data.lines().count().max(1) as u64);
            let field = |text: &Option<String>, word: u64| text.as_ref().map_or(0, |text| word + text.len() as u64 + 1);
            Some(len(data) + lines * 6 + 1 + field(name, 7) + field(comment, 2) + 1)
        }
    }
}

/// What a unit is about, in a word.
fn says(unit: &Unit) -> String {
    let of_json = |text: &Option<String>| {
        let document = document_of(text.as_deref()?);
        let word = document.get("type").or_else(|| document.get("object"))?.as_str()?;
        Some(word.chars().take(24).collect())
    };
    match unit {
        Unit::HttpRequest { method, target } => format!("{method} {target}"),
        Unit::HttpResponse { status } => status.to_string(),
        Unit::HttpChunk { .. } => String::new(),
        Unit::WsControl { code, .. } => code.map_or(String::new(), |code| code.to_string()),
        Unit::WsMessage { text, .. } => of_json(text).unwrap_or_default(),
        Unit::SseEvent { name, data, .. } => match (name, data.as_deref()) {
            (Some(name), _) => name.clone(),
            (None, Some("[DONE]")) => "[DONE]".to_owned(),
            (None, _) => of_json(data).unwrap_or_default(),
        },
    }
}
