//! What the fault plane answers: everything that an actuator has to do, in order.

use std::time::Duration;

use bytes::Bytes;

use crate::fault::{FaultIndex, HalfOpenKind, IoCall, IoErrorKind, LookupError};
use crate::name::{Direction, HostName, Link, Side};
use crate::trace::Unit;

/// What an actuator calls a connection when it speaks to the plane: a number of its own choice, small, and never used for
/// another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub u32);

/// Whether a connection attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectVerdict {
    /// As if there were no plane.
    Proceed,
    /// Answer with RST.
    Refuse(FaultIndex),
    /// The SYN vanishes. If it is sent again, [`Plane::retry`](super::Plane::retry) says what becomes of that one.
    Hang(FaultIndex),
    /// No SYN leaves: the call itself fails with this.
    Fail(FaultIndex, IoErrorKind),
}

/// What becomes of bytes that were shown to the plane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "bytes that come back have not passed"]
pub enum Passage {
    /// No fault is interested: they pass as they are, before the effects that the call has added.
    Whole(Bytes),
    /// The added effects say what passes. These bytes are neither forwarded nor discarded, because their direction has
    /// fallen silent; they stay with the actuator, to be shown again after the heal.
    Decided(Bytes),
}

/// One thing to do. Effects on one direction of one connection are applied in the order in which they are given.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Pass these bytes, which the sender sent.
    Forward {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way.
        direction: Direction,
        /// The bytes.
        bytes: Bytes,
    },
    /// Acknowledge these bytes to their sender and pass nothing.
    Discard {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way they were going.
        direction: Direction,
        /// How many.
        bytes: usize,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Pass bytes that the sender never sent.
    Inject {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way.
        direction: Direction,
        /// The bytes.
        bytes: Bytes,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Pass the sender's own FIN.
    ForwardFin {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way.
        direction: Direction,
    },
    /// Tell an end that the other has finished sending, after everything already passed to it.
    Fin {
        /// On which connection.
        connection: ConnectionKey,
        /// Who is told.
        to: Side,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Tell an end that the connection was reset, after everything already passed to it.
    Rst {
        /// On which connection.
        connection: ConnectionKey,
        /// Who is told.
        to: Side,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// From now on a direction is treated so.
    Mode {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way.
        direction: Direction,
        /// The treatment.
        mode: Mode,
    },
    /// A whole protocol unit has passed.
    Unit {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way.
        direction: Direction,
        /// What it was.
        unit: Unit,
    },
    /// Hold every packet of a group of hosts until `Release` of the same fault.
    Hold {
        /// Between which.
        between: Hold,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Let go what the fault held, and let the calls and lookups succeed again that it made fail.
    Release {
        /// The fault.
        fault: FaultIndex,
    },
    /// A hop keeps bytes that it was sent, and will pass them later.
    Kept {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way they were going.
        direction: Direction,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// The middlebox of a connection has forgotten it.
    Forgotten {
        /// The connection.
        connection: ConnectionKey,
    },
    /// The client's lookups of the server's name are answered so until `Release` of the same fault.
    Lookup {
        /// Who asks, and for whom.
        link: Link,
        /// What they are told.
        answer: Answer,
        /// Only the next lookup.
        once: bool,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Packets of a direction travel otherwise until `Unshape` of the same fault.
    Shape {
        /// On which connection.
        connection: ConnectionKey,
        /// Which way.
        direction: Direction,
        /// How they travel.
        shaping: Shaping,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Packets travel as usual again, both ways.
    Unshape {
        /// Which connection.
        connection: ConnectionKey,
        /// Which fault ends.
        fault: FaultIndex,
    },
    /// Let the nth such call from now on fail on one end.
    IoError {
        /// Which connection.
        connection: ConnectionKey,
        /// Which end.
        side: Side,
        /// Which call; never `Accept`.
        call: IoCall,
        /// With what.
        kind: IoErrorKind,
        /// The number of the call, from 1.
        nth: u32,
        /// Those after it as well, until `Release` of the same fault.
        lasting: bool,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Let the nth `accept` from now on fail on a link's server.
    AcceptError {
        /// Whose listener.
        link: Link,
        /// With what.
        kind: IoErrorKind,
        /// The number of the call, from 1.
        nth: u32,
        /// Those after it as well, until `Release` of the same fault.
        lasting: bool,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// Do something to a host.
    Host {
        /// The host.
        host: HostName,
        /// What happens to it.
        act: HostAct,
        /// The fault that does it.
        fault: FaultIndex,
    },
    /// A fault's trigger has come true; `on` and `verb` are for people.
    Fired {
        /// The fault.
        fault: FaultIndex,
        /// `alice->scheduler#1`, `host scheduler`, `between a and b`.
        on: String,
        /// `close(1000, "idle")`, `half_open(blackhole)`.
        verb: String,
    },
    /// A fault has ended as planned.
    Healed {
        /// The fault.
        fault: FaultIndex,
    },
}

/// How one direction of a connection is treated. While it is not `Pass` the actuator does not show the plane that
/// direction's bytes (they stay with the actuator, for after the heal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes are shown to the plane and passed as it says.
    Pass,
    /// As the kind says: `Blackhole` loses packets (both data and acknowledgements for it), `Stall` closes the window.
    /// A middlebox that has forgotten the connection stands for the fault where there is none.
    /// `Discard` is never announced as a mode: the plane answers [`Effect::Discard`] for each piece.
    Silent(HalfOpenKind, FaultIndex),
    /// The connection is over for its sender: whatever it still sends draws RST.
    Severed(FaultIndex),
}

/// How packets travel on a shaped path. Their order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shaping {
    /// Each takes so much longer.
    Delay(Duration),
    /// Each takes longer by a time that is drawn, at most so much.
    Jitter(Duration),
    /// Data arrives when so fast a line has carried its last byte.
    Throttle {
        /// At least 1.
        bytes_per_second: u64,
    },
    /// Data arrives in pieces, each so long after the one before.
    Pieces {
        /// The largest, at least 1 byte.
        bytes: u32,
        /// Between pieces.
        every: Duration,
    },
}

/// What a lookup is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// That there is no address.
    Failure(LookupError),
    /// Another host's address.
    AddressOf(HostName),
}

/// Whose packets are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All from and to a host.
    Host(HostName),
    /// All between two hosts.
    Between(HostName, HostName),
    /// All from one host to another, acknowledgements of what travels the other way included.
    OneWay {
        /// Who sends them.
        from: HostName,
        /// To whom.
        to: HostName,
    },
}

/// What happens to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAct {
    /// The process dies.
    Crash,
    /// The machine dies.
    PowerLoss,
    /// The process is asked to stop; the actuator starts it again `pause` after it has stopped.
    Restart {
        /// How long it stays away.
        pause: Duration,
    },
    /// The machine's wall clock is set.
    JumpClock {
        /// By how much.
        by: Duration,
        /// Back, and not forward.
        back: bool,
    },
    /// A dead host starts its next incarnation.
    Start,
}
