//! What the network tells whoever runs it.

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
    /// A packet has left, of which this number tells everything.
    Packet { connection: ConnectionIndex, direction: Direction, digest: u64 },
    /// Something that belongs into the run's records, and of which life. Boxed because it is rare.
    Record { whose: Option<LifeId>, what: Box<RecordKind> },
    /// Whoever waits on a socket looks again.
    Wake(Socket, Ready),
    /// Whoever waits for a listener's next connection looks again.
    WakeAcceptors(u32),
}
