//! Which nodes may be given work: a node that asks for a pause has it, and one that does not acknowledge, falls silent or fails
//! what others do is benched, longer each time until it has done something.
//!
//! Invariant: whatever holds a node back ends by itself, and its timer tells the broker.

use std::time::{Duration, Instant};

use halfopen_machine::{Bug, OrBug};

use super::Broker;
use super::event::Event;
use super::ids::{AttemptId, NodeId};
use super::jobs::{AttemptState, Job};
use super::nodes::Node;
use super::timers::Timer;

/// How far a node is trusted.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// How often it was benched since it last did a job.
    strikes: u32,
    benched_until: Option<Instant>,
    /// It has asked not to be asked before.
    paused_until: Option<Instant>,
}

impl Trust {
    /// When the node may be given work again, if it may not now.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        self.benched_until.max(self.paused_until).filter(|until| *until > now)
    }

    pub(super) fn is_benched(&self, now: Instant) -> bool {
        self.benched_until.is_some_and(|until| until > now)
    }

    /// Whether it has failed and not yet made up for it: then others come first, and it gets one job at a time.
    pub(super) fn is_doubted(&self) -> bool {
        self.strikes > 0
    }
}

impl Node {
    /// How many more jobs it may be given.
    pub(super) fn room(&self, now: Instant) -> usize {
        if self.trust.held_until(now).is_some() {
            return 0;
        }
        let capacity = if self.trust.is_doubted() { 1 } else { self.capacity };
        // A node that comes back may bring a smaller capacity than it has work.
        capacity.saturating_sub(self.running.len())
    }

    /// Whether nothing keeps it from work but the work that it has.
    pub(super) fn is_merely_full(&self, now: Instant) -> bool {
        self.room(now) == 0 && self.trust.held_until(now).is_none()
    }
}

impl Broker {
    /// A node has done something wrong that is its own fault. What it was given before it was benched is one fault.
    pub(super) fn strike(&mut self, id: &NodeId) -> Result<(), Bug> {
        // Legal: it was forgotten since.
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        if node.trust.is_benched(self.now) {
            return Ok(());
        }
        let pause = doubled(self.timings.bench_first, node.trust.strikes, self.timings.bench_longest);
        node.trust.strikes = node.trust.strikes.saturating_add(1);
        node.trust.benched_until = Some(self.now + pause);
        let strikes = node.trust.strikes;
        self.report(Event::NodeBenched { node: id.clone(), pause, strikes });
        self.hold(id)
    }

    /// A node has done a job: what it did wrong before is forgotten. Who failed at the same job has failed what others do.
    pub(super) fn vindicate(&mut self, winner: &AttemptId, job: &Job) -> Result<(), Bug> {
        let of = |broker: &Self, id: &AttemptId| broker.attempts.get(id).map(|it| (it.node.clone(), it.state));
        // Legal: an earlier scheduler process gave the attempt out, and no node is on record with it.
        let Some((winner, _)) = of(self, winner) else { return Ok(()) };
        if let Some(node) = self.nodes.get_mut(&winner)
            && node.trust.is_doubted()
        {
            (node.trust.strikes, node.trust.benched_until) = (0, None);
            self.report(Event::NodeTrusted { node: winner.clone() });
            self.hold(&winner)?;
        }
        for id in &job.attempts {
            if let Some((node, AttemptState::Failed)) = of(self, id)
                && node != winner
            {
                self.strike(&node)?;
            }
        }
        Ok(())
    }

    /// A node cannot ask now, for so long. A little is added, so that those who were told the same do not come back at once.
    pub(super) fn pause(&mut self, id: &NodeId, after: Duration) -> Result<(), Bug> {
        let after = after.clamp(SHORTEST_PAUSE, self.timings.pause_longest);
        let pause = after + self.ids.part_of(after / 4);
        let node = self.nodes.get_mut(id).or_bug("a node that asks for a pause is known")?;
        let until = self.now + pause;
        if node.trust.paused_until.is_none_or(|earlier| earlier < until) {
            node.trust.paused_until = Some(until);
            self.report(Event::NodePaused { node: id.clone(), pause });
        }
        self.hold(id)
    }

    /// Wakes the broker when nothing holds the node back any more.
    fn hold(&mut self, id: &NodeId) -> Result<(), Bug> {
        let node = self.nodes.get(id).or_bug("a node that is held back is known")?;
        self.timers.set(Timer::Held(id.clone()), node.trust.held_until(self.now));
        Ok(())
    }

    /// How long a job rests after this many failed attempts: longer each time, and between half of that and all of it.
    pub(super) fn rest(&mut self, failures: usize) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let most = doubled(self.timings.retry_first, doublings, self.timings.retry_longest);
        most / 2 + self.ids.part_of(most / 2)
    }
}

/// A duration doubled the given number of times, up to a longest.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    2u32.checked_pow(times).and_then(|factor| first.checked_mul(factor)).map_or(longest, |long| long.min(longest))
}

/// A node that asks to be asked again at once would be asked in a hot loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_to_its_longest_and_no_number_of_doublings_is_too_many() {
        let second = Duration::from_secs(1);
        let pauses = [0, 1, 2, 5, 6, 31, 32, u32::MAX].map(|times| doubled(second, times, 60 * second).as_secs());
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60]);
    }
}
