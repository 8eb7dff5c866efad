//! When faults strike.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::to_word;
use super::words::written;
use crate::name::{Direction, HostName};
use crate::pattern::Pattern;

/// When a fault strikes. Units are counted per connection and direction, from 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// At a virtual time since the start of the run.
    At(Duration),
    /// At the nth data message that is meant (WebSocket text or binary; fragments count once; pings do not count).
    Message {
        /// From 1, of those that are meant.
        n: u32,
        /// Whose messages are counted.
        direction: Direction,
        /// Where in the message.
        edge: Edge,
        /// Which messages are meant, by their text. A message that is binary, compressed or longer than 64 KiB has none.
        content: Pattern,
    },
    /// At the nth WebSocket frame of a kind.
    Frame {
        /// Which frames are counted.
        kind: FrameKind,
        /// The number of the unit, from 1.
        n: u32,
        /// Whose frames are counted.
        direction: Direction,
        /// Where in the frame.
        edge: Edge,
    },
    /// At the nth SSE event (to the client) that is meant.
    SseEvent {
        /// From 1, of those that are meant.
        n: u32,
        /// Where in the event.
        edge: Edge,
        /// Which events are meant, by their data.
        content: Pattern,
    },
    /// At the nth chunk of the chunked bodies of a direction; the empty one that ends a body is not counted. Inside it are
    /// the bytes that it carries, not its size line.
    Chunk {
        /// The number of the unit, from 1.
        n: u32,
        /// Of requests or of responses.
        direction: Direction,
        /// Where in the chunk.
        edge: Edge,
    },
    /// At the nth line of the HTTP bodies of a direction that are no event streams and not compressed, as of
    /// newline-delimited JSON. Empty lines are not counted; one that its body's end ends is.
    Line {
        /// The number of the unit, from 1.
        n: u32,
        /// Of requests or of responses.
        direction: Direction,
        /// Where in the line; its line end belongs to it.
        edge: Edge,
    },
    /// Once n bytes have passed in a direction (0: before the first).
    Bytes {
        /// Bytes that still pass.
        n: u64,
        /// Whose bytes are counted.
        direction: Direction,
    },
    /// At the HTTP head of the nth exchange: `ToServer` the request's, `ToClient` the response's. The WebSocket handshake is exchange 1.
    HttpHead {
        /// The number of the unit, from 1.
        n: u32,
        /// Request or response.
        direction: Direction,
        /// Where in the head.
        edge: Edge,
    },
    /// When the nth tracing event that matches occurs on any host.
    Event {
        /// The event's message.
        message: String,
        /// The host that logs it, if only one is meant.
        host: Option<HostName>,
        /// Fields that must have these values.
        fields: Vec<(String, String)>,
        /// The number of the unit, from 1.
        n: u32,
        /// How long after it.
        after: Duration,
    },
    /// When the target's nth connection is attempted (the target's `connection` says which; else the first).
    Connect,
    /// Once a connection has carried nothing for so long: no byte of payload, no FIN and no keepalive probe, either way.
    /// Each connection of the target is struck, once; that none is idle for so long is no failure of the run.
    Idle(Duration),
}

/// Where in a protocol unit a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// None of the unit's bytes pass.
    Before,
    /// The first `k` bytes of the unit pass.
    Inside(u64),
    /// The whole unit passes.
    #[default]
    After,
}

/// Kinds of WebSocket frames (RFC 6455, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Opcode 0x0.
    Continuation,
    /// Opcode 0x1.
    Text,
    /// Opcode 0x2.
    Binary,
    /// Opcode 0x8.
    Close,
    /// Opcode 0x9.
    Ping,
    /// Opcode 0xA.
    Pong,
}

impl Trigger {
    /// At the nth message of a direction, whatever it says.
    pub fn message(n: u32, direction: Direction, edge: Edge) -> Self {
        Self::Message { n, direction, edge, content: Pattern::default() }
    }

    /// At the nth SSE event, whatever it says.
    pub fn sse_event(n: u32, edge: Edge) -> Self {
        Self::SseEvent { n, edge, content: Pattern::default() }
    }
}

/// The number and the edge of a trigger, for those that draw, learn and shrink one.
impl Trigger {
    /// Its number: `n`; of [`Trigger::At`] and [`Trigger::Idle`] the milliseconds; 1 for [`Trigger::Connect`], which has none.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::At(time) | Self::Idle(time) => millis(*time),
            Self::Bytes { n, .. } => *n,
            Self::Message { n, .. }
            | Self::Frame { n, .. }
            | Self::SseEvent { n, .. }
            | Self::Chunk { n, .. }
            | Self::Line { n, .. }
            | Self::HttpHead { n, .. }
            | Self::Event { n, .. } => (*n).into(),
            Self::Connect => 1,
        }
    }

    /// The same with another number, in the unit of [`number`](Self::number). A number that no unit can have is the greatest.
    #[must_use]
    pub(crate) fn with_number(mut self, number: u64) -> Self {
        match &mut self {
            Self::At(time) | Self::Idle(time) => *time = Duration::from_millis(number),
            Self::Bytes { n, .. } => *n = number,
            Self::Message { n, .. }
            | Self::Frame { n, .. }
            | Self::SseEvent { n, .. }
            | Self::Chunk { n, .. }
            | Self::Line { n, .. }
            | Self::HttpHead { n, .. }
            | Self::Event { n, .. } => *n = u32::try_from(number).unwrap_or(u32::MAX),
            Self::Connect => {}
        }
        self
    }

    /// Where in its unit it strikes; `None` for a trigger that counts no unit of the bytes.
    pub(crate) fn edge(&self) -> Option<Edge> {
        match self {
            Self::Message { edge, .. }
            | Self::Frame { edge, .. }
            | Self::SseEvent { edge, .. }
            | Self::Chunk { edge, .. }
            | Self::Line { edge, .. }
            | Self::HttpHead { edge, .. } => Some(*edge),
            Self::At(_) | Self::Bytes { .. } | Self::Event { .. } | Self::Connect | Self::Idle(_) => None,
        }
    }

    /// The same at another edge of its unit, if it counts units.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn at_edge(mut self, to: Edge) -> Self {
        match &mut self {
            Self::Message { edge, .. }
            | Self::Frame { edge, .. }
            | Self::SseEvent { edge, .. }
            | Self::Chunk { edge, .. }
            | Self::Line { edge, .. }
            | Self::HttpHead { edge, .. } => *edge = to,
            Self::At(_) | Self::Bytes { .. } | Self::Event { .. } | Self::Connect | Self::Idle(_) => {}
        }
        self
    }
}

/// When a fault strikes: `after message 3 to_client`, `before message to_client with type=result`, `7 bytes into SSE event 2`, `2s after event "job started" of scheduler`.
impl Display for Trigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::At(at) => format!("at {}", written(*at)),
            Self::Message { n, direction, edge, content } => {
                let (number, with) = named(*n, content);
                format!("{} message{number} {direction}{with}", place(*edge))
            }
            Self::Frame { kind, n, direction, edge } => {
                format!("{} {} frame {n} {direction}", place(*edge), to_word(kind))
            }
            Self::SseEvent { n, edge, content } => {
                let (number, with) = named(*n, content);
                format!("{} SSE event{number}{with}", place(*edge))
            }
            Self::Chunk { n, direction, edge } => format!("{} chunk {n} {direction}", place(*edge)),
            Self::Line { n, direction, edge } => format!("{} line {n} {direction}", place(*edge)),
            Self::Bytes { n, direction } => format!("after {n} bytes {direction}"),
            Self::HttpHead { n, direction, edge } => {
                let head = match direction {
                    Direction::ToServer => "request",
                    Direction::ToClient => "response",
                };
                format!("{} {head} head {n}", place(*edge))
            }
            Self::Event { message, host, fields, n, after } => {
                let mut text = if after.is_zero() { "at".to_owned() } else { format!("{} after", written(*after)) };
                text.push_str(&format!(" event {message:?}"));
                if *n > 1 {
                    text.push_str(&format!(" #{n}"));
                }
                if let Some(host) = host {
                    text.push_str(&format!(" of {host}"));
                }
                for (nth, (name, value)) in fields.iter().enumerate() {
                    text.push_str(&format!(" {} {name}={value}", if nth == 0 { "with" } else { "and" }));
                }
                text
            }
            Self::Connect => "at the connection attempt".to_owned(),
            Self::Idle(time) => format!("once idle for {}", written(*time)),
        })
    }
}

/// A time in whole milliseconds; files hold no time that overflows.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn place(edge: Edge) -> String {
    match edge {
        Edge::Before => "before".to_owned(),
        Edge::Inside(1) => "1 byte into".to_owned(),
        Edge::Inside(k) => format!("{k} bytes into"),
        Edge::After => "after".to_owned(),
    }
}

/// How a trigger names its unit: by its number alone, or by what it says and its number among those that say it.
fn named(n: u32, content: &Pattern) -> (String, String) {
    match (content.is_any(), n) {
        (true, n) => (format!(" {n}"), String::new()),
        (false, 1) => (String::new(), format!(" with {content}")),
        (false, n) => (format!(" #{n}"), format!(" with {content}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Wanted;

    #[test]
    fn a_unit_is_named_by_its_number_or_by_what_it_says() {
        let result = Pattern::default().with("type", Wanted::Is("result".to_owned()));
        let message = |n, edge, content| Trigger::Message { n, direction: Direction::ToClient, edge, content };
        for (trigger, words) in [
            (message(3, Edge::After, Pattern::default()), "after message 3 to_client"),
            (message(1, Edge::Before, result.clone()), "before message to_client with type=result"),
            (message(2, Edge::Inside(1), result.clone()), "1 byte into message #2 to_client with type=result"),
            (Trigger::SseEvent { n: 1, edge: Edge::After, content: result }, "after SSE event with type=result"),
            (Trigger::sse_event(2, Edge::Inside(7)), "7 bytes into SSE event 2"),
        ] {
            assert_eq!(trigger.to_string(), words);
        }
    }
}
