//! What time alone ends: an attempt that says nothing, a job that waits, and every job after ten minutes.

use std::time::Duration;

use halfopen::check::Finding;

use super::broker::{Attempt, Broker, Job, JobKey};
use super::history::History;

impl Broker<'_> {
    pub(super) fn overdue(&self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        for (key, job) in &self.jobs {
            self.job_is_in_time(now, key, job)?;
            let Some((id, attempt)) = job.current.as_ref().and_then(|id| Some((id, self.attempts.get(id)?))) else {
                continue;
            };
            self.attempt_is_in_time(now, id, attempt, history)?;
        }
        Ok(())
    }

    fn job_is_in_time(&self, now: Duration, key: &JobKey, job: &Job) -> Result<(), Finding> {
        let late = |due: Duration| now > due + self.numbers.on_the_way;
        let overdue = |clause, what: &str| {
            Err(Finding::new(clause, format!("{} {what}, and did not fail.", key.0)).witness([job.place]))
        };
        if late(job.submitted_at + self.numbers.job) {
            return overdue("keeps a job too long", "is older than a job may be");
        }
        if job.current.is_some() {
            return Ok(());
        }
        let since = job.waiting_since.max(self.liveness_changed);
        match self.nodes.values().any(|node| node.live) {
            false if late(since + self.numbers.no_node) => {
                overdue("waits too long for a node", "has waited too long for a node")
            }
            true if late(since + self.numbers.queue) => {
                overdue("waits too long for room", "has waited too long for room")
            }
            true | false => Ok(()),
        }
    }

    fn attempt_is_in_time(
        &self,
        now: Duration,
        id: &str,
        attempt: &Attempt,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let (clause, since, patience) = match attempt.signs.last() {
            None => ("waits too long for job_ack", attempt.assigned_at, self.numbers.job_ack),
            Some(sign) => ("waits too long for progress", sign.at, self.numbers.progress_timeout),
        };
        let due = since + patience + self.numbers.on_the_way;
        let connection = self.nodes.get(&attempt.node).and_then(|node| node.connection);
        // What a fault holds or changes may count for the scheduler later than it was sent.
        let known = connection.is_some_and(|on| !history.is_disturbed(on, Duration::ZERO, now));
        if now <= due || !known {
            return Ok(());
        }
        let sentence = format!("{id} of {} has said nothing since {since:?}, and still counts.", attempt.key.0);
        Err(Finding::new(clause, sentence).witness([attempt.place]))
    }
}
