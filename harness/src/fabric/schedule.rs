//! What happens next, ordered by time, then by a seeded tie-break, then by sequence.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::machines::HostId;
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
pub(crate) enum Deadline {
    /// The first packet in flight on a path arrives.
    Arrival(ConnectionIndex, Direction),
    /// Acknowledged space lets a sender go on.
    Space(ConnectionIndex, Direction),
    /// Bytes that the plane keeps would have arrived.
    Custody(ConnectionIndex, Direction),
    /// An unanswered SYN is sent again.
    SynRetry(ConnectionIndex, u32),
    /// Unacknowledged data has been sent for the last time.
    RetryBudget(ConnectionIndex, Direction),
    /// A closed window has kept data from being sent for so long.
    UserTimeout(ConnectionIndex, Direction),
    /// A connection may have been idle for so long that its peer is asked whether it is there.
    KeepAlive(ConnectionIndex, Direction),
    /// Lost data is sent again.
    Retransmit(ConnectionIndex, Direction),
    /// A stopped host starts its next life.
    Start(HostId),
}

/// When, and in which order within an instant: a seeded tie-break, then the order of the pushes.
type Place = (Duration, u64, u64);

/// What is due, in its order.
///
/// Packets mostly come due in the order in which they were sent, so they wait in a sorted lane. Timers, and packets that
/// belong far before the lane's end, wait in a heap.
pub(crate) struct Schedule {
    lane: VecDeque<(Place, Deadline)>,
    heap: BinaryHeap<Reverse<(Place, Deadline)>>,
    sequence: u64,
    ties: Draws,
}

/// How far before its end the lane takes something in.
const LANE_STEPS: usize = 8;

impl Schedule {
    pub(crate) fn new(ties: Draws) -> Self {
        Self { lane: VecDeque::new(), heap: BinaryHeap::new(), sequence: 0, ties }
    }

    pub(crate) fn push(&mut self, at: Duration, due: Deadline) {
        self.sequence += 1;
        let place = (at, self.ties.next_u64(), self.sequence);
        if !matches!(due, Deadline::Arrival(..) | Deadline::Space(..)) {
            self.heap.push(Reverse((place, due)));
            return;
        }
        let mut later = 0;
        while later <= LANE_STEPS
            && let Some((other, _)) = self.lane.len().checked_sub(later + 1).and_then(|n| self.lane.get(n))
            && *other > place
        {
            later += 1;
        }
        match later {
            0 => self.lane.push_back((place, due)),
            1..=LANE_STEPS => self.lane.insert(self.lane.len() - later, (place, due)),
            _ => self.heap.push(Reverse((place, due))),
        }
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        let lane = self.lane.front().map(|((at, ..), _)| *at);
        match self.heap.peek() {
            Some(Reverse(((at, ..), _))) => Some(lane.map_or(*at, |lane| lane.min(*at))),
            None => lane,
        }
    }

    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<Deadline> {
        let heap_first = match (self.lane.front(), self.heap.peek()) {
            (Some((lane, _)), Some(Reverse((heap, _)))) => heap < lane,
            (lane, _) => lane.is_none(),
        };
        let due = |place: &Place| place.0 <= now;
        if heap_first {
            self.heap
                .peek()
                .is_some_and(|Reverse((place, _))| due(place))
                .then(|| self.heap.pop())?
                .map(|Reverse((_, due))| due)
        } else {
            self.lane.pop_front_if(|(place, _)| due(place)).map(|(_, due)| due)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, SeedTree};

    #[test]
    fn everything_comes_in_the_order_of_its_place_wherever_it_waits() {
        let mut draws = SeedTree::new(Seed(7)).draws();
        for spread in [1, 10, 1000] {
            let mut schedule = Schedule::new(SeedTree::new(Seed(1)).draws());
            let mut ties = SeedTree::new(Seed(1)).draws();
            let mut wanted = Vec::new();
            for n in 0..500_u32 {
                let at = Duration::from_millis(draws.below(spread) + u64::from(n) / 10);
                let due = match n % 7 {
                    0 => Deadline::Start(HostId(n)),
                    _ => Deadline::Arrival(ConnectionIndex(n), Direction::ToServer),
                };
                schedule.push(at, due);
                wanted.push((at, ties.next_u64(), due));
            }
            wanted.sort();
            let mut came = Vec::new();
            while let Some(at) = schedule.next_at() {
                assert_eq!(at.checked_sub(Duration::from_nanos(1)).and_then(|before| schedule.pop_due(before)), None);
                came.extend(schedule.pop_due(at));
            }
            assert_eq!(came, wanted.into_iter().map(|(.., due)| due).collect::<Vec<_>>());
        }
    }
}
