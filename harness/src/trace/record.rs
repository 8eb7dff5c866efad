//! The records of a run. Nothing in them can vary between two runs of one plan: no address, no wall clock, no pointer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::fault::{FaultIndex, FrameKind};
use crate::name::{ConnectionId, Direction, HostName, Incarnation, Side};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Virtual time since the start of the run; in a trace's file whole nanoseconds, `at_ns`.
    #[serde(rename = "at_ns", with = "nanoseconds")]
    pub at: Duration,
    /// The host where it happened; `None` between hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The incarnation of that host.
    #[serde(default)]
    pub incarnation: Incarnation,
    /// The event, by its kind.
    pub what: RecordKind,
}

/// The kinds of records, with what each says.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A change of a connection, as the network saw it.
    Connection {
        /// The connection that it concerns.
        id: ConnectionId,
        /// The event itself.
        event: ConnectionEvent,
    },
    /// A protocol unit was sent and passed the fault plane whole.
    Unit {
        /// The connection that it concerns.
        connection: ConnectionId,
        /// The direction of the bytes.
        direction: Direction,
        /// The unit that passed.
        unit: Unit,
        /// When its last packet was in the receiver's socket, as virtual time since the start of the run; in a trace's file whole
        /// nanoseconds, `arrived_ns`. `None` for what was lost on its way, or was still on it when the run ended.
        #[serde(
            default,
            rename = "arrived_ns",
            with = "nanoseconds::optional",
            skip_serializing_if = "Option::is_none"
        )]
        arrived: Option<Duration>,
    },
    /// A step of a planned fault.
    Fault {
        /// The fault, by its place in the plan.
        fault: FaultIndex,
        /// The event itself.
        event: FaultEvent,
    },
    /// A change of a host's process.
    Process(ProcessEvent),
    /// A fact, told by an actor or mapped from an event or unit.
    Fact(Fact),
    /// A tracing event of a service or actor.
    Event(LogEvent),
    /// A socket call of a host that ended in an error or end of stream: what the application saw.
    Observed {
        /// The connection.
        connection: ConnectionId,
        /// The observing end.
        side: Side,
        /// The call: `connect`, `read`, `write`, `shutdown`.
        call: String,
        /// `eof`, or the `io::ErrorKind` in the words of its Debug form (`ConnectionReset`).
        outcome: String,
    },
    /// A rule of the run was broken: a stray call, a silent source, an exhausted budget.
    #[serde(rename = "violation")]
    BrokenRule {
        /// Which rule: `stray`, `livelock`, `exit`, `panic`...
        rule: String,
        /// The sentence.
        detail: String,
    },
}

impl RecordKind {
    /// The fact, if one is told.
    pub(crate) fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Fact(fact) => Some(fact),
            Self::Connection { .. }
            | Self::Unit { .. }
            | Self::Fault { .. }
            | Self::Process(_)
            | Self::Event(_)
            | Self::Observed { .. }
            | Self::BrokenRule { .. } => None,
        }
    }

    /// The connection on which it passed or happened.
    pub(crate) fn connection(&self) -> Option<&ConnectionId> {
        match self {
            Self::Unit { connection: id, .. } | Self::Connection { id, .. } => Some(id),
            Self::Fault { .. }
            | Self::Process(_)
            | Self::Fact(_)
            | Self::Event(_)
            | Self::Observed { .. }
            | Self::BrokenRule { .. } => None,
        }
    }
}

/// A change of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEvent {
    /// The SYN was sent, or would have been, had the call not failed.
    Attempted,
    /// Both ends are established.
    Established,
    /// The attempt was answered by RST.
    Refused,
    /// The attempt found no answer in time.
    TimedOut,
    /// A middlebox on the way has forgotten it: what its ends still send does not arrive.
    Forgotten,
    /// A FIN from `by` reached the other end; `forged` when the fault plane made it.
    Fin {
        /// The end that sent it.
        by: Side,
        /// Whether a fault made it.
        forged: bool,
    },
    /// An RST reached an end.
    Rst {
        /// The end that receives it.
        to: Side,
        /// Whether a fault made it.
        forged: bool,
    },
    /// An end's kernel gave up an established connection whose peer had said nothing for too long. Its process is told
    /// `TimedOut`; the peer is not told.
    GaveUp {
        /// The end that did so.
        by: Side,
        /// What it had waited for.
        why: GaveUpOn,
    },
    /// An end closed its socket.
    Closed {
        /// The end that did so.
        by: Side,
    },
}

/// What a kernel waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GaveUpOn {
    /// An acknowledgement, for as long as it sends again what it has sent (`tcp_retries2`).
    Retransmission,
    /// An acknowledgement, or room in the peer's window, for as long as `TCP_USER_TIMEOUT` says.
    UserTimeout,
    /// The answer to its keepalive probes.
    Keepalive,
}

/// A protocol unit (RFC 6455, RFC 9112, the WHATWG event-stream format).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A request's head.
    HttpRequest {
        /// `GET`...
        method: String,
        /// The request target.
        target: String,
    },
    /// A response's head.
    HttpResponse {
        /// 101, 200...
        status: u16,
    },
    /// A chunk of a chunked body; 0 bytes for the last.
    HttpChunk {
        /// Payload bytes.
        bytes: u64,
    },
    /// A WebSocket control frame. `code` is that of a Close frame which has one.
    WsControl {
        /// Close, Ping or Pong.
        kind: FrameKind,
        /// The close code.
        code: Option<u16>,
        /// The close reason.
        reason: Option<String>,
    },
    /// A whole WebSocket data message.
    WsMessage {
        /// Text or Binary.
        kind: FrameKind,
        /// The text, unmasked; `None` for binary and for what is longer than 64 KiB.
        text: Option<String>,
        /// Payload bytes.
        bytes: u64,
    },
    /// An SSE event (a comment block is one with neither name nor data, its text in `comment`).
    SseEvent {
        /// The `event` field.
        name: Option<String>,
        /// The `data` lines, joined.
        data: Option<String>,
        /// The first comment line.
        comment: Option<String>,
    },
}

/// A step of a planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEvent {
    /// Its trigger came true and it acted. `on` says where in words (`alice->scheduler#1`, `host scheduler`).
    Fired {
        /// The place, in words.
        on: String,
        /// The verb with its arguments, as a person reads it.
        verb: String,
    },
    /// The first packet that it changed.
    FirstPacket {
        /// Which, in words (`to_client data 31 bytes`).
        packet: String,
    },
    /// The first outcome that an endpoint saw because of it.
    FirstOutcome {
        /// The host that saw it.
        observer: HostName,
        /// The outcome in words (`read: ConnectionReset`).
        outcome: String,
    },
    /// It ended as planned (heal, thaw, restart, end of a delay).
    Healed,
}

/// A change of a host's process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessEvent {
    /// An incarnation began.
    Started,
    /// Its root future returned; `error` when it returned one.
    Exited {
        /// The error's text.
        error: Option<String>,
    },
    /// A task of it panicked.
    Panicked {
        /// The panic's message.
        message: String,
        /// Whether it was the root.
        root: bool,
    },
    /// A fault killed the process.
    Crashed,
    /// A fault cut the machine's power.
    PowerLost,
    /// The process was asked to stop.
    StopRequested,
    /// Tasks outlived their incarnation.
    Survivors {
        /// The number of tasks.
        tasks: u32,
    },
}

/// A tracing event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogEvent {
    /// Its level.
    pub level: Level,
    /// Its target (`halfopen_client`).
    pub target: String,
    /// Its message.
    pub message: String,
    /// Its other fields, in the order of the call.
    pub fields: Vec<(String, String)>,
}

impl LogEvent {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether a field is there with the wanted value; `!x` wants any other than `x`.
    pub fn has(&self, name: &str, wanted: &str) -> bool {
        let unwanted = wanted.strip_prefix('!');
        self.field(name).is_some_and(|value| unwanted.map_or(value == wanted, |unwanted| value != unwanted))
    }
}

/// The level of a tracing event, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `tracing::Level::ERROR`.
    Error,
    /// `tracing::Level::WARN`.
    Warn,
    /// `tracing::Level::INFO`.
    Info,
    /// `tracing::Level::DEBUG`.
    Debug,
    /// `tracing::Level::TRACE`.
    Trace,
}

/// A virtual time as one integer: it sorts, compares and greps, and no formatter can round it.
mod nanoseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        // A u64 of nanoseconds ends after 584 virtual years.
        serializer.serialize_u64(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }

    pub(super) mod optional {
        use super::{Deserialize, Deserializer, Duration, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(
            at: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_nanos))
        }
    }
}
