//! What the network tells the engine that runs it.

use super::machines::LifeId;
use super::schedule::ConnectionIndex;
use crate::name::{Direction, Side};
use crate::trace::RecordKind;

/// One end of one connection: what a stream's key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Socket {
    pub(crate) connection: ConnectionIndex,
    pub(crate) side: Side,
}

/// Which calls on a socket would not wait any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    ToRead,
    ToWrite,
    ForAll,
}

/// What has happened, in its order.
#[derive(Debug)]
pub(crate) enum Output {
    /// A packet has left; this number is a digest of it.
    Packet { connection: ConnectionIndex, direction: Direction, digest: u64 },
    /// An entry for the run's records, and the incarnation that it belongs to. Boxed because it is rare.
    Record { whose: Option<LifeId>, what: Box<RecordKind> },
    /// The unit that was recorded as the nth, from 0, is in its receiver's socket.
    Arrived(u32),
    /// The tasks that wait on a socket look again.
    Wake(Socket, Ready),
    /// The tasks that wait for a listener's next connection look again.
    WakeAcceptors(u32),
}
