//! How an attempt comes to count no longer, and how a job ends: each for a reason that was there, and not before its time.

use std::time::Duration;

use halfopen::check::Finding;
use halfopen::trace::LogEvent;

use super::broker::{Attempt, Broker, Job, JobKey, key_of};
use super::history::{History, Moment};
use super::message::Message;
use super::{TICK, broken};

/// How much of a node's error the scheduler repeats, in characters.
const LONGEST_ERROR: usize = 200;

/// The attempt whose result is a job's outcome, where the scheduler says it.
pub(super) fn winner(event: &LogEvent) -> Option<&str> {
    event.field("attempt_id").filter(|id| *id != "none")
}

impl Broker<'_> {
    pub(super) fn attempt_spent(
        &mut self,
        moment: &Moment<'_>,
        event: &LogEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let (key, id) = (key_of(event), event.field("attempt_id").unwrap_or_default());
        let current = self.jobs.get(&key).and_then(|job| job.current.as_deref());
        if current != Some(id) {
            let sentence = format!("{id} was spent, and {} counted.", current.unwrap_or("none"));
            return Err(broken("spends an attempt that does not count", moment, sentence));
        }
        let reason = event.field("reason").unwrap_or_default();
        if let Some(attempt) = self.attempts.get(id) {
            self.is_reason(moment, id, attempt, reason, history)?;
        }
        if let Some(attempt) = self.attempts.get_mut(id)
            && let Some(node) = self.nodes.get_mut(&attempt.node)
        {
            node.running.remove(id);
        }
        self.is_over_for(moment, key, id, reason);
        Ok(())
    }

    /// What becomes of a job, and of a node, when an attempt is spent.
    fn is_over_for(&mut self, moment: &Moment<'_>, key: JobKey, id: &str, reason: &str) {
        let of = |attempt: &Attempt| (attempt.node.clone(), attempt.waited_since);
        let Some((node, waited_since)) = self.attempts.get(id).map(of) else { return };
        let retry = self.retries.get(id).map(String::as_str).unwrap_or_default();
        let failures = self.jobs.get(&key).map_or(0, |job| job.failures) + 1;
        let (least, most) = self.rest(failures);
        let is_deferred = reason.starts_with("deferred");
        let tries = self.attempts.values().filter(|attempt| attempt.key == key && attempt.node == node).count();
        if let Some(job) = self.jobs.get_mut(&key) {
            (job.current, job.waiting_since) = (None, moment.at);
            if is_deferred {
                job.waiting_since = waited_since;
                job.attempts.retain(|attempt| attempt != id);
                if tries == 1 {
                    job.tried.remove(&node);
                }
            } else if reason.starts_with("failed") {
                job.failures = failures;
                (job.rests_from, job.rests_until) = (moment.at + least, moment.at + most);
                if retry == "elsewhere" {
                    job.barred.insert(node.clone());
                }
            }
        }
        if is_deferred {
            self.attempts.remove(id);
        }
        self.waits(key);
        if matches!(reason, "not acknowledged" | "no progress") {
            self.has_done_wrong(moment, &node);
        }
    }

    /// Whether what is said of an attempt has happened, and long enough ago.
    fn is_reason(
        &self,
        moment: &Moment<'_>,
        id: &str,
        attempt: &Attempt,
        reason: &str,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let unfounded = |sentence: String| {
            Err(broken("spends an attempt without a reason", moment, sentence).witness([attempt.place]))
        };
        let heard = self.last_certain_sign(attempt, moment.at, history);
        match reason {
            "not acknowledged" => {
                if heard.is_some() {
                    return unfounded(format!("{id} was acknowledged, and spent for want of an acknowledgement."));
                }
                self.not_before(moment, id, attempt.assigned_at + self.numbers.job_ack)
            }
            "no progress" => match attempt.signs.first() {
                None => unfounded(format!("{id} was never acknowledged, and spent for want of progress.")),
                Some(first) => self.not_before(moment, id, heard.unwrap_or(first.at) + self.numbers.progress_timeout),
            },
            "node lost" => match self.nodes.get(&attempt.node) {
                Some(node) if node.live => {
                    unfounded(format!("{id} was spent for the loss of {}, which is there.", attempt.node))
                }
                Some(_) | None => Ok(()),
            },
            _ => {
                let error: String =
                    self.bad.get(id).into_iter().flat_map(|text| text.chars()).take(LONGEST_ERROR).collect();
                let is_later = self.retries.get(id).is_some_and(|retry| retry == "later");
                let word = if is_later { "deferred" } else { "failed" };
                match self.bad.contains_key(id) && reason == format!("{word}: {error}") {
                    true => Ok(()),
                    false => unfounded(format!("{id} was spent as `{reason}`, and its node did not say so.")),
                }
            }
        }
    }

    fn not_before(&self, moment: &Moment<'_>, id: &str, due: Duration) -> Result<(), Finding> {
        if moment.at + TICK >= due {
            return Ok(());
        }
        let sentence = format!("{id} was spent {:?} before its time.", due - moment.at);
        Err(broken("spends an attempt too early", moment, sentence))
    }

    /// The latest `job_ack` or `job_progress` that the scheduler must have had by then.
    fn last_certain_sign(&self, attempt: &Attempt, now: Duration, history: &History<'_>) -> Option<Duration> {
        let way = self.numbers.on_the_way;
        let certain = attempt
            .signs
            .iter()
            .filter(|sign| sign.at + way < now && history.is_clear(sign.on, sign.at, sign.at + way));
        certain.map(|sign| sign.at).next_back()
    }

    pub(super) fn job_finished(
        &mut self,
        moment: &Moment<'_>,
        event: &LogEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let (key, outcome) = (key_of(event), event.field("outcome").unwrap_or_default());
        let Some(job) = self.jobs.get(&key) else {
            return Err(broken(
                "ends a job that is not open",
                moment,
                format!("{} ended as {outcome}, and was not open.", key.0),
            ));
        };
        let winner = winner(event);
        // Which attempt a result was of, and what it said, is not known when a character of it may have been changed.
        let is_certain = outcome != "result" || !history.is_corrupted(moment.at);
        if is_certain {
            self.is_outcome(moment, &key, job, outcome)?;
        }
        if let Some(winner) = winner.filter(|_| is_certain) {
            self.may_win(moment, &key, job, winner)?;
        }
        if let Some(winner) = winner {
            self.is_judged(moment, job, winner)?;
        }
        let Some((job, attempts)) = self.close_job(&key) else { return Ok(()) };
        let good: Vec<&String> = job.attempts.iter().filter(|id| self.good.contains_key(*id)).collect();
        for (id, attempt) in &attempts {
            let (may_have_lost, has_lost) = match winner {
                Some(winner) => (id != winner, id != winner),
                // Of several good results the law cannot see which came first: the node of none of them has to be told.
                None if outcome == "result" => (!good.contains(&id) || good.len() > 1, !good.contains(&id)),
                None => (true, true),
            };
            if may_have_lost {
                self.cancellable.insert(id.clone());
            }
            let connection = self.nodes.get(&attempt.node).and_then(|node| node.connection);
            if let Some(on) = connection.filter(|_| has_lost && !attempt.failed) {
                self.debts.owe(moment, self.numbers.on_the_way, on, "job_cancel", id);
            }
        }
        Ok(())
    }

    /// Who has done a job is trusted, and who failed at it is benched.
    fn is_judged(&self, moment: &Moment<'_>, job: &Job, winner: &str) -> Result<(), Finding> {
        let Some(by) = self.attempts.get(winner).map(|attempt| &attempt.node) else { return Ok(()) };
        if self.nodes.get(by).is_some_and(|node| node.strikes > 0) {
            let sentence = format!("{by} has done a job, and is not trusted for it.");
            return Err(broken("does not trust a node again", moment, sentence));
        }
        let failed = job.attempts.iter().filter_map(|id| Some((id, self.attempts.get(id)?)));
        let spent = failed.filter(|(id, of)| {
            of.failed && of.node != *by && self.bad.contains_key(*id) && job.current.as_ref() != Some(id)
        });
        for (id, of) in spent {
            if self.nodes.get(&of.node).is_some_and(|node| node.benched_until <= moment.at) {
                let sentence = format!("{} failed at {id}, which {by} has done, and is not benched.", of.node);
                return Err(broken("does not bench a node", moment, sentence));
            }
        }
        Ok(())
    }

    /// The result that is taken was sent, and is of this job.
    fn may_win(&self, moment: &Moment<'_>, key: &JobKey, job: &Job, winner: &str) -> Result<(), Finding> {
        let of_this_life = job.attempts.iter().any(|id| id == winner);
        let of_an_earlier = self.of_earlier_lives.get(winner) == Some(&key.0);
        if self.good.contains_key(winner) && (of_this_life || of_an_earlier) {
            return Ok(());
        }
        let sentence = format!("{} has the result of {winner}, which no node has sent for it.", key.0);
        Err(broken("takes another job's result", moment, sentence).witness([job.place]))
    }

    /// Whether a job may end so, and now.
    fn is_outcome(&self, moment: &Moment<'_>, key: &JobKey, job: &Job, outcome: &str) -> Result<(), Finding> {
        let wrong =
            |sentence: String| Err(broken("ends a job without a reason", moment, sentence).witness([job.place]));
        let too_early = |due: Duration| moment.at + TICK < due;
        let waiting = job.waiting_since.max(self.liveness_changed);
        let any_live = self.nodes.values().any(|node| node.live);
        match outcome {
            "result" if job.attempts.iter().any(|id| self.good.contains_key(id)) || self.has_earlier_result(&key.0) => {
                Ok(())
            }
            "result" => wrong(format!("{} has a result, and no node has sent one.", key.0)),
            "NODE_UNAVAILABLE" if job.current.is_none() && self.has_no_node(job) => Ok(()),
            "REJECTED" if job.attempts.is_empty() || job.attempts.iter().any(|id| self.will_never(id)) => Ok(()),
            "REJECTED" => wrong(format!("{} was rejected, and no node has said that it will never succeed.", key.0)),
            "NODE_UNAVAILABLE" if job.current.is_some() || job.attempts.len() != self.numbers.attempts => {
                wrong(format!("{} has failed after {} attempts.", key.0, job.attempts.len()))
            }
            "NO_AVAILABLE_NODE" if any_live || job.current.is_some() => {
                wrong(format!("{} has failed for want of a node, and there is one.", key.0))
            }
            "NO_AVAILABLE_NODE" if too_early(waiting + self.numbers.no_node) => {
                wrong(format!("{} has waited {:?} for a node.", key.0, moment.at - waiting))
            }
            "QUEUE_TIMEOUT" if !any_live || job.current.is_some() => {
                wrong(format!("{} has failed in the queue, and was not in it.", key.0))
            }
            "QUEUE_TIMEOUT" if too_early(waiting + self.numbers.queue) => {
                wrong(format!("{} has waited {:?} for room.", key.0, moment.at - waiting))
            }
            "JOB_TIMEOUT" if too_early(job.submitted_at + self.numbers.job) => {
                wrong(format!("{} has had {:?} of its time.", key.0, moment.at - job.submitted_at))
            }
            "NODE_UNAVAILABLE" | "NO_AVAILABLE_NODE" | "QUEUE_TIMEOUT" | "JOB_TIMEOUT" | "SESSION_CLOSED" => Ok(()),
            other => wrong(format!("{} ended as `{other}`.", key.0)),
        }
    }

    /// Whether every node that is there has said that it can never do this.
    fn has_no_node(&self, job: &Job) -> bool {
        !job.barred.is_empty() && self.nodes.iter().filter(|(_, node)| node.live).all(|(id, _)| job.barred.contains(id))
    }

    fn will_never(&self, attempt: &str) -> bool {
        self.retries.get(attempt).is_some_and(|retry| retry == "never")
    }

    /// Whether a good result of an attempt of an earlier life of the scheduler has been sent.
    fn has_earlier_result(&self, job: &str) -> bool {
        self.of_earlier_lives.iter().any(|(id, of)| of == job && self.good.contains_key(id))
    }

    /// A node is told to stop only what is over.
    pub(super) fn cancel_sent(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        self.debts.pay(on, "job_cancel", &said.attempt_id);
        let disturbed = history.is_disturbed(on, Duration::ZERO, moment.at);
        if !self.cancellable.remove(&said.attempt_id) && !disturbed {
            let sentence =
                format!("{} was cancelled on {}, and its job is not over.", said.attempt_id, history.name(on));
            return Err(broken("cancels what is not over", moment, sentence));
        }
        Ok(())
    }
}
