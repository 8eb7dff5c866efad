//! The orderly end: nothing new is taken, what is open may finish and be acknowledged within the grace period, then
//! every connection is closed with 1012.

use halfopen_link::By;
use halfopen_link::close::code;

use super::ids::ConnectionId;
use super::timers::Timer;
use super::{Broker, Output, Owner};

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draining {
    /// Open jobs may finish.
    Finishing,
    /// Every connection is closed.
    Over,
}

impl Broker {
    pub(super) fn start_draining(&mut self) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(Draining::Finishing);
        self.timers.set(Timer::Grace, Some(self.now + self.timings.shutdown_grace));
        let strangers: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, owner)| matches!(owner, Owner::Stranger(_)))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in strangers {
            self.close(connection, code::RESTART, By::Us, "shutting down");
        }
    }

    /// Ends at once when nothing is left to wait for.
    pub(super) fn finish_draining(&mut self) {
        if self.draining != Some(Draining::Finishing) || !self.jobs.is_empty() {
            return;
        }
        if self.sessions.values().all(|session| session.attached.is_none() || session.outbox.is_empty()) {
            self.conclude();
        }
    }

    pub(super) fn grace_is_over(&mut self) {
        if self.draining == Some(Draining::Finishing) {
            self.conclude();
        }
    }

    /// Open jobs are dropped without an outcome: their clients meet a new epoch and submit them again.
    fn conclude(&mut self) {
        self.draining = Some(Draining::Over);
        let completely = self.jobs.is_empty() && self.sessions.values().all(|session| session.outbox.is_empty());
        for key in std::mem::take(&mut self.jobs).into_keys() {
            self.timers.set(Timer::Job(key), None);
        }
        for attempt in std::mem::take(&mut self.attempts).into_keys() {
            self.timers.set(Timer::Attempt(attempt), None);
        }
        self.queue.clear();
        self.job_bytes = 0;
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.close(connection, code::RESTART, By::Us, "shutting down");
        }
        self.outputs.push(Output::Drained { completely });
    }
}
