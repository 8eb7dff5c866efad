//! What happens next: a heap ordered by time, then by a seeded tie-break, then by sequence.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::hosts::HostId;
use crate::name::Direction;
use crate::plane::ConnectionKey;
use crate::seed::Draws;

/// A connection's place in the fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionIndex(pub(crate) u32);

/// The plane knows connections by their places here.
impl From<ConnectionIndex> for ConnectionKey {
    fn from(index: ConnectionIndex) -> Self {
        Self(index.0)
    }
}

impl From<ConnectionKey> for ConnectionIndex {
    fn from(key: ConnectionKey) -> Self {
        Self(key.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The first packet in flight on a path arrives.
    Arrival(ConnectionIndex, Direction),
    /// Acknowledged space lets a sender go on.
    Space(ConnectionIndex, Direction),
    /// An unanswered SYN is sent again.
    SynRetry(ConnectionIndex, u32),
    /// Unacknowledged data has been sent for the last time.
    RetryBudget(ConnectionIndex, Direction),
    /// Lost data is sent again.
    Retransmit(ConnectionIndex, Direction),
    /// A stopped host starts its next life.
    Start(HostId),
}

/// The heap.
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Duration, u64, u64, Due)>>,
    sequence: u64,
    ties: Draws,
}

impl Schedule {
    pub(crate) fn new(ties: Draws) -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0, ties }
    }

    pub(crate) fn push(&mut self, at: Duration, due: Due) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.ties.next_u64(), self.sequence, due)));
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<Due> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((.., due))| due)
    }
}
