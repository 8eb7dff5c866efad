//! One deadline per thing that has one: a set ordered by time, so that the next is found without looking at all.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Instant;

use super::ids::{AttemptId, ConnectionId, JobKey, NodeId, SessionId};

/// What a deadline belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection that has not said hello.
    Hello(ConnectionId),
    /// A session: its acknowledgements, idleness, kept results or forgetting, whichever is first.
    Session(SessionId),
    /// A job: its wait in the queue or its whole life.
    Job(JobKey),
    /// An attempt: its acknowledgement or its progress.
    Attempt(AttemptId),
    /// A node: its silence, or the forgetting of its identity.
    Node(NodeId),
    /// A node that is given no work: the end of that.
    Held(NodeId),
    /// The end of the grace period.
    Grace,
}

/// The deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_owner: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Replaces the owner's deadline, or clears it.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Option<Instant>) {
        if let Some(old) = self.by_owner.remove(&timer) {
            self.by_time.remove(&(old, timer.clone()));
        }
        if let Some(deadline) = deadline {
            self.by_owner.insert(timer.clone(), deadline);
            self.by_time.insert((deadline, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the earliest deadline that has been reached.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_owner.remove(&timer);
        Some(timer)
    }
}
