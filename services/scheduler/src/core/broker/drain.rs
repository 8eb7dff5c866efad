//! The orderly end: the scheduler takes no new job, open jobs may finish and be acknowledged within the grace period, then
//! every connection is closed with 1012.

use halfopen_link::By;
use halfopen_link::close::code;
use halfopen_machine::{Bug, ensure};

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
    pub(super) fn start_draining(&mut self) -> Result<(), Bug> {
        // Legal: a second order to stop changes nothing.
        if self.draining.is_some() {
            return Ok(());
        }
        self.draining = Some(Draining::Finishing);
        self.timers.set(Timer::Grace, Some(self.now + self.timings.shutdown_grace));
        let unauthenticated: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, owner)| matches!(owner, Owner::Unauthenticated(..)))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in unauthenticated {
            self.close(connection, code::RESTART, By::Us, "shutting down")?;
        }
        Ok(())
    }

    /// Ends at once when nothing is left to wait for.
    pub(super) fn finish_draining(&mut self) -> Result<(), Bug> {
        if self.draining != Some(Draining::Finishing) || !self.jobs.is_empty() {
            return Ok(());
        }
        if self.sessions.values().all(|session| session.attached.is_none() || session.outbox.is_empty()) {
            self.conclude()?;
        }
        Ok(())
    }

    pub(super) fn grace_is_over(&mut self) -> Result<(), Bug> {
        ensure(self.draining == Some(Draining::Finishing), "the grace period runs while open jobs may finish")?;
        self.conclude()
    }

    /// Open jobs are dropped without an outcome: their clients meet a new epoch and submit them again.
    fn conclude(&mut self) -> Result<(), Bug> {
        self.draining = Some(Draining::Over);
        self.timers.set(Timer::Grace, None);
        let completely = self.jobs.is_empty() && self.sessions.values().all(|session| session.outbox.is_empty());
        for key in std::mem::take(&mut self.jobs).into_keys() {
            self.timers.set(Timer::Job(key), None);
        }
        for attempt in std::mem::take(&mut self.attempts).into_keys() {
            self.timers.set(Timer::Attempt(attempt), None);
        }
        self.queue.clear();
        self.job_bytes = 0;
        for session in self.sessions.values_mut() {
            session.open_jobs.clear();
            session.job_bytes = 0;
        }
        for node in self.nodes.values_mut() {
            node.running.clear();
        }
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.close(connection, code::RESTART, By::Us, "shutting down")?;
        }
        self.outputs.push_back(Output::Drained { completely });
        Ok(())
    }
}
