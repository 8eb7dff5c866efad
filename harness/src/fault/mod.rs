//! The words for breaking things: a [`Fault`] is one concrete act of a plan: where, when, what.
//!
//! Each part is written in words by its `Display`: `close(1000, "idle") on alice->chat#2 after message 3 to_server`.

mod calls;
mod middlebox;
mod trigger;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::{Direction, HostName, Link, Side};

pub use calls::{IoCall, IoErrorKind, LookupError};
pub use middlebox::{Forgetting, Middlebox};
pub use trigger::{Edge, FrameKind, Trigger};
pub(crate) use words::spelling;

/// The place of a fault in its plan, from 0; how traces and reports refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultIndex(pub u32);

impl FaultIndex {
    /// Stands where a fault would, for what a middlebox of the scenario's network does: it is in no plan, and nothing that it
    /// does is told as a fault's.
    pub(crate) const MIDDLEBOX: Self = Self(u32::MAX);
}

/// One concrete fault: nothing in it is random any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What it strikes.
    pub target: Target,
    /// When it strikes.
    pub trigger: Trigger,
    /// What it does.
    pub verb: Verb,
}

/// What a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Connections of a link: the nth, or (`None`) the first on which the trigger comes true.
    Link {
        /// Who connects to whom.
        link: Link,
        /// From 1.
        connection: Option<u32>,
    },
    /// All links between two hosts, whoever connects (for `partition`).
    Between(HostName, HostName),
    /// A host.
    Host(HostName),
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// RST to one end or both; an end that gets none hears nothing more.
    Reset {
        /// Which ends get it.
        to: Ends,
    },
    /// FIN without a Close frame: the peer must conclude 1006. An end that gets none hears nothing more.
    Drop {
        /// Which ends get it.
        to: Ends,
    },
    /// A legal Close frame at a frame boundary, then FIN.
    Close {
        /// 1000 to 1014 or 3000 to 4999; a Close frame without a code (which its reader sees as 1005) without.
        code: Option<u16>,
        /// At most 123 bytes; empty without a code.
        reason: String,
        /// Which ends get it.
        to: Ends,
    },
    /// One end's FIN, while the other way goes on: as a hop that has finished sending and goes on reading. What that end
    /// still sends is acknowledged and thrown away.
    HalfClose {
        /// Who seems to have finished.
        by: Side,
    },
    /// Silence with no FIN and no RST.
    HalfOpen {
        /// How silent.
        kind: HalfOpenKind,
        /// Which directions fall silent.
        direction: Option<Direction>,
        /// When it ends; never without.
        heal_after: Option<Duration>,
    },
    /// Bytes that no WebSocket endpoint may send, between two frames; the connection goes on, if it can.
    Illegal {
        /// What is wrong with them.
        kind: IllegalKind,
        /// Which ends get them, as if the other had sent them.
        to: Ends,
    },
    /// What passed the trigger's point passes no more; then the ending.
    Cut {
        /// How each end learns of it.
        ending: Ending,
    },
    /// Ends a chunked body with a valid terminal chunk.
    TruncateClean,
    /// Holds the host's packets, both ways, until `thaw_after`.
    Freeze {
        /// When it ends; never without.
        thaw_after: Option<Duration>,
    },
    /// Holds every packet between two hosts until `heal_after`. Outliving the retry budget ends connections with `TimedOut`.
    Partition {
        /// Only packets from the target's first host to its second are held. Those include the acknowledgements of what
        /// travels the other way.
        one_way: bool,
        /// When it ends; never without.
        heal_after: Option<Duration>,
    },
    /// The connection attempt is answered by RST.
    Refuse {
        /// For how long attempts are struck; one attempt only without.
        lasting: Option<Duration>,
    },
    /// The connection attempt's SYNs vanish. One attempt hangs until its kernel gives up; of several, those go on that are
    /// still being tried when `lasting` is over.
    ConnectHang {
        /// For how long attempts are struck; one attempt only without.
        lasting: Option<Duration>,
    },
    /// The connection is established, and not a byte of it passes: neither end hears or reads anything.
    HandshakeStall {
        /// For how long attempts are struck; one attempt only without. The struck ones stay stalled.
        lasting: Option<Duration>,
    },
    /// The connection is established and reset at once.
    AcceptThenReset {
        /// For how long attempts are struck; one attempt only without.
        lasting: Option<Duration>,
    },
    /// The client's lookups of the server's name fail.
    LookupFails {
        /// How.
        kind: LookupError,
        /// For how long; one lookup only without.
        lasting: Option<Duration>,
    },
    /// The client's lookups of the server's name answer with another host's address. Who remembers an older answer is not
    /// touched.
    LookupMoves {
        /// Whose address.
        to: HostName,
        /// For how long; for good without.
        lasting: Option<Duration>,
    },
    /// A hop keeps what it is sent and passes it on in large pieces: when so many bytes are there, when the HTTP message is
    /// whole, when its sender has finished, or when nothing has been added for a while. It acknowledges at once, and keeps 1 MiB
    /// at most.
    Buffer {
        /// How many are passed on at once, at least 1.
        bytes: u32,
        /// Without anything new for so long it passes on what it has; without, it waits.
        flush_after: Option<Duration>,
        /// Which way; both without.
        direction: Option<Direction>,
        /// When it ends; never without.
        lasting: Option<Duration>,
    },
    /// Every packet takes longer.
    Delay {
        /// Added to the link's latency; whole milliseconds.
        by: Duration,
        /// When it ends; never without.
        lasting: Option<Duration>,
    },
    /// Every packet takes up to this much longer, drawn per packet from the plan's seed; order is kept.
    Jitter {
        /// The most that is added; whole milliseconds.
        up_to: Duration,
        /// When it ends; never without.
        lasting: Option<Duration>,
    },
    /// A direction carries no more than so much: a packet arrives when its last byte has been carried.
    Throttle {
        /// At least 1.
        bytes_per_second: u64,
        /// Which way; both without.
        direction: Option<Direction>,
        /// When it ends; never without.
        lasting: Option<Duration>,
    },
    /// Data arrives a few bytes at a time, each a while after those before.
    Drip {
        /// How many at a time, at least 1.
        bytes: u32,
        /// How long after those before; whole milliseconds.
        every: Duration,
        /// Which way; both without.
        direction: Option<Direction>,
        /// When it ends; never without.
        lasting: Option<Duration>,
    },
    /// What was written at once arrives in pieces, so that it takes as many reads: one millisecond apart, the least that
    /// virtual time can tell apart.
    Split {
        /// The largest piece, at least 1 byte.
        bytes: u32,
        /// Which way; both without.
        direction: Option<Direction>,
        /// When it ends; never without.
        lasting: Option<Duration>,
    },
    /// One character of the trigger's message or event arrives as another. Framing and text encoding stay legal.
    Corrupt,
    /// The trigger's message or event arrives several times.
    DuplicateMessage {
        /// How often more than once, at least 1.
        copies: u32,
    },
    /// The trigger's message or event arrives behind those that follow it.
    ReorderMessages {
        /// Behind how many, at least 1. If so many do not follow, it arrives at the end.
        by: u32,
    },
    /// The response of an upstream server is another than the server's.
    Upstream(Upstream),
    /// The local call itself fails.
    IoError {
        /// Which call.
        call: IoCall,
        /// With what.
        kind: IoErrorKind,
        /// Which such call after the trigger, from 1.
        nth: u32,
        /// On which end; for `Accept` it is the server, for `Connect` the client.
        side: Side,
        /// For how long each such call fails, from the nth on; one call only without.
        lasting: Option<Duration>,
    },
    /// The process dies: its kernel closes its sockets as it does for a dying process.
    Crash {
        /// When it starts again; never without.
        restart_after: Option<Duration>,
    },
    /// The machine dies: nothing is sent, its packets in flight vanish.
    PowerLoss {
        /// When it starts again; never without.
        restart_after: Option<Duration>,
    },
    /// The host's wall clock is set at once, as after a laptop's sleep, by a hypervisor, or by a clock that is stepped. Its
    /// monotonic clock goes on as it does, and its timers with it.
    ClockJump {
        /// By how much.
        by: Duration,
        /// Whether it is set back, and not forward.
        back: bool,
    },
    /// The host's process is told to stop (its shutdown token), then started again.
    Restart {
        /// Between the end of one and the start of the next.
        pause: Duration,
    },
}

/// What an upstream server does wrong, as HTTP and event streams tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The response of the trigger's head is another: this status, with an error in OpenAI's envelope, and the connection
    /// ends. What the server answers is thrown away.
    Status {
        /// 500 to 599, or 429.
        status: u16,
    },
    /// The response of the trigger's head begins so much later.
    SlowHead {
        /// How much later; whole milliseconds.
        by: Duration,
    },
    /// The event `[DONE]` of the trigger's response is left out; the body ends as it would have.
    MissingDone,
    /// Behind the trigger's event follows one that tells of an error, in OpenAI's envelope, and the body ends.
    ErrorEvent {
        /// The error's message.
        message: String,
    },
    /// Nothing follows the trigger's event, and the connection stays.
    Stall {
        /// When it goes on; never without.
        heal_after: Option<Duration>,
    },
}

/// What is illegal about injected bytes (RFC 6455; the section in brackets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IllegalKind {
    /// A Close frame with the code 1005, which means that there was none (7.4.1).
    #[serde(rename = "close_1005")]
    Close1005,
    /// A Close frame with the code 1006, which means that there was no Close frame (7.4.1).
    #[serde(rename = "close_1006")]
    Close1006,
    /// A Close frame whose payload is half a code (5.5.1).
    HalfCloseCode,
    /// A frame with an opcode that nobody has defined (5.2).
    ReservedOpcode,
    /// A text frame with a reserved bit set that no extension has given a meaning (5.2).
    ReservedBit,
    /// A text message that is not UTF-8 (8.1).
    InvalidUtf8,
    /// A frame that is not masked although it comes from a client, or is although it comes from a server (5.1).
    WrongMask,
    /// A Ping with more than 125 bytes (5.5).
    OversizeControl,
    /// A Ping that is not its own last fragment (5.5).
    FragmentedControl,
    /// A frame that announces 2^63 - 1 bytes (5.2): legal to write, and no receiver's to take.
    HugeLength,
}

impl IllegalKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Close1005,
        Self::Close1006,
        Self::HalfCloseCode,
        Self::ReservedOpcode,
        Self::ReservedBit,
        Self::InvalidUtf8,
        Self::WrongMask,
        Self::OversizeControl,
        Self::FragmentedControl,
        Self::HugeLength,
    ];
}

/// Which ends of a connection a fault tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// Both.
    #[default]
    Both,
    /// The end that connected; the other hears nothing.
    Client,
    /// The end that accepted; the other hears nothing.
    Server,
}

/// How a cut connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// FIN to both ends.
    #[default]
    Fin,
    /// RST to both ends.
    Rst,
    /// Nothing: the rest never arrives.
    Silence,
}

/// The three half-opens (they differ in what the sender's kernel learns).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HalfOpenKind {
    /// Nothing is acknowledged.
    Blackhole,
    /// The receiver's window stays closed: acknowledged up to its buffers, then nothing.
    Stall,
    /// Everything is acknowledged and thrown away.
    Discard,
}
