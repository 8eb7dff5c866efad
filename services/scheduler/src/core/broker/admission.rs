//! Who makes room when there is none, and how much one session may hold.
//!
//! Invariant: a session is in `idle_absent` exactly while it has no connection and nothing is owed in either direction.

use std::time::Duration;

use halfopen_machine::{Bug, OrBug};

use super::Broker;
use super::event::Event;
use super::ids::{NodeId, SessionId};
use super::sessions::Session;
use super::timers::Timer;

/// What every session may hold, in bytes, however much others do: a job and its outcome of ordinary size.
const ALWAYS_ALLOWED: usize = 64 << 10;

/// How long after the first warning of a kind there is the next.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

impl Broker {
    /// Whether there is room for another session. The one that has been absent longest, and to which nothing is owed, makes
    /// room: all that is lost with it is its name.
    pub(super) fn make_room_for_session(&mut self) -> Result<bool, Bug> {
        if self.sessions.len() < self.limits.sessions {
            return Ok(true);
        }
        self.warn("sessions");
        // Legal: every session is there or is owed something, and none makes room.
        let Some((_, oldest)) = self.idle_absent.first().cloned() else { return Ok(false) };
        self.forget_session(&oldest)?;
        Ok(true)
    }

    /// The same for nodes: one without a connection has no work.
    pub(super) fn make_room_for_node(&mut self) -> Result<bool, Bug> {
        if self.nodes.len() < self.limits.nodes {
            return Ok(true);
        }
        self.warn("nodes");
        let absent = self.nodes.iter().filter(|(_, node)| node.attached.is_none());
        let Some(oldest) = absent.min_by_key(|(_, node)| node.absent_since).map(|(id, _)| id.clone()) else {
            return Ok(false);
        };
        self.forget_node(&oldest)?;
        Ok(true)
    }

    pub(super) fn forget_node(&mut self, id: &NodeId) -> Result<(), Bug> {
        self.nodes.remove(id).or_bug("a node is forgotten once")?;
        self.timers.set(Timer::Node(id.clone()), None);
        self.timers.set(Timer::Held(id.clone()), None);
        self.report(Event::NodeForgotten { node: id.clone() });
        Ok(())
    }

    /// What one session may hold: its own bound, and no more than is left free, so that the sessions that hold most are the first
    /// to be told, and who holds little has room whatever they do.
    pub(super) fn allowance(&self) -> usize {
        let free = self.limits.total_bytes.saturating_sub(self.job_bytes + self.outbox_bytes);
        self.limits.session_bytes.min(free.max(ALWAYS_ALLOWED))
    }

    /// Tells that a bound was met: once, and again after a minute at the earliest.
    pub(super) fn warn(&mut self, bound: &'static str) {
        let again = self.warned.get(bound).is_none_or(|since| *since + WARNING_PAUSE <= self.now);
        if again {
            self.warned.insert(bound, self.now);
            self.report(Event::BoundMet { bound });
        }
    }

    /// Notes whether a session could make room, after anything about it has changed.
    pub(super) fn note_idleness(&mut self, id: &SessionId) {
        // Legal: its connection was closed on the way here, and a session that was leaving goes with its connection.
        let Some(session) = self.sessions.get(id) else { return };
        let place = (session.absent_since, id.clone());
        if session.attached.is_none() && session.is_idle() {
            self.idle_absent.insert(place);
        } else {
            self.idle_absent.remove(&place);
        }
    }
}

impl Session {
    /// Nothing is outstanding in either direction.
    pub(super) fn is_idle(&self) -> bool {
        self.open_jobs.is_empty() && self.outbox.is_empty()
    }

    /// Bytes of text in open jobs and unacknowledged outcomes.
    pub(super) fn held_bytes(&self) -> usize {
        self.job_bytes + self.outbox.bytes()
    }
}
