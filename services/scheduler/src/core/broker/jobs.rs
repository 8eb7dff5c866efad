//! Open jobs and the attempts at them.
//!
//! Invariant: a job is open until [`Broker::finish`] takes it out, which happens exactly once; from then on no timer and
//! no message finds it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use halfopen_link::message::{FailureCode, Retry, Submit, ToNode, WorkFailure};
use halfopen_machine::{Bug, OrBug, ensure};

use super::event::{Event, SpentReason};
use super::ids::{AttemptId, ConnectionId, JobId, JobKey, NodeId, is_of_epoch};
use super::outbox::JobEnd;
use super::timers::Timer;
use super::{Broker, take_from};

/// A job without an outcome.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) submit: Submit,
    /// Its place among all jobs, in the order of their submits.
    pub(super) number: u64,
    /// What it weighs against its session's bound, in bytes.
    pub(super) bytes: usize,
    submitted_at: Instant,
    /// Since when it has had no current attempt; meaningful while it has none.
    waiting_since: Instant,
    /// The attempt that counts; without one the job is in the queue.
    pub(super) current: Option<AttemptId>,
    /// All attempts, the current one last.
    pub(super) attempts: Vec<AttemptId>,
    /// Nodes that had their try: the next attempt prefers another.
    pub(super) tried: BTreeSet<NodeId>,
    /// Nodes that have said that they can never do it.
    pub(super) barred: BTreeSet<NodeId>,
    /// It waits for no node before then: an attempt at it has just failed.
    pub(super) rests_until: Option<Instant>,
    /// Why a node could not be asked last.
    deferred: Option<String>,
    /// How many attempts have failed, for the length of the next rest.
    failures: usize,
}

/// One try at an open job.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) key: JobKey,
    pub(super) node: NodeId,
    pub(super) state: AttemptState,
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptState {
    /// Sent to the node.
    Assigned,
    /// The node has said that it is at work.
    Working,
    /// It counts no longer, but the node may still be at work, and its result would still be welcome.
    Spent,
    /// The node has said that it failed.
    Failed,
}

/// What a submit holds in memory, in bytes.
pub(super) fn weight(submit: &Submit) -> usize {
    let Submit { job_id, utterance_index: _, text, src_lang, tgt_lang, trace_id } = submit;
    [job_id, text, src_lang, tgt_lang, trace_id].into_iter().map(String::len).sum()
}

/// Whether the assignment made of this submit fits a message.
pub(super) fn fits(submit: &Submit, largest_message: usize) -> bool {
    serde_json::to_string(submit).is_ok_and(|json| json.len() + ENVELOPE_BYTES <= largest_message)
}

/// Whether the result made of this translation fits a message.
fn result_fits(text: &str, largest_message: usize) -> bool {
    serde_json::to_string(text).is_ok_and(|json| json.len() + ENVELOPE_BYTES <= largest_message)
}

/// What the fields around a text may take, in bytes: two ids of at most 200 bytes, names and punctuation.
const ENVELOPE_BYTES: usize = 1024;

/// How much of a node's error is kept, in characters.
const LONGEST_ERROR: usize = 200;

/// How long a node is left alone that does not say how long.
const USUAL_PAUSE: Duration = Duration::from_secs(1);

/// How many results are remembered as taken, so that a node that sends one again is told the same.
const WINNERS_KEPT: usize = 1000;

impl Broker {
    /// Takes a job in. It may end at once, when the queue is full.
    pub(super) fn open_job(&mut self, key: JobKey, submit: Submit) -> Result<(), Bug> {
        self.insert_job(key.clone(), submit)?;
        self.wait_for_a_node(&key)?;
        self.refresh_job(&key)?;
        self.dispatch()?;
        let job = self.jobs.get(&key).or_bug("a job that was just opened is open")?;
        if job.current.is_none() && self.queue.len() > self.limits.queued_jobs {
            self.waited_too_long(&key, "the queue is full")?;
        }
        Ok(())
    }

    /// Takes a job in only to give it its outcome: no node could be told of it.
    pub(super) fn refuse_job(&mut self, key: JobKey, submit: Submit) -> Result<(), Bug> {
        self.insert_job(key.clone(), submit)?;
        let message = "the job is too long to be handed to a node".to_owned();
        self.finish(&key, JobEnd::Failed { code: FailureCode::Rejected, message })
    }

    fn insert_job(&mut self, key: JobKey, submit: Submit) -> Result<(), Bug> {
        ensure(!self.jobs.contains_key(&key), "a job is opened once")?;
        let bytes = weight(&submit);
        self.job_bytes += bytes;
        self.jobs_opened += 1;
        let job = Job {
            submit,
            number: self.jobs_opened,
            bytes,
            submitted_at: self.now,
            waiting_since: self.now,
            current: None,
            attempts: Vec::new(),
            tried: BTreeSet::new(),
            barred: BTreeSet::new(),
            rests_until: None,
            deferred: None,
            failures: 0,
        };
        self.jobs.insert(key, job);
        Ok(())
    }

    /// Gives an open job its outcome, tells the losers, and posts it. The only way in which a job ends.
    pub(super) fn finish(&mut self, key: &JobKey, outcome: JobEnd) -> Result<(), Bug> {
        let job = self.jobs.remove(key).or_bug("a job ends once")?;
        take_from(&mut self.job_bytes, job.bytes)?;
        if job.current.is_none() {
            self.queue.remove(job.number, key);
        }
        self.timers.set(Timer::Job(key.clone()), None);
        let (winner, failure) = match &outcome {
            JobEnd::Translated { attempt, .. } => (Some(attempt), None),
            JobEnd::Failed { code, .. } => (None, Some(*code)),
        };
        if let Some(winner) = winner {
            self.vindicate(winner, &job)?;
        }
        for id in &job.attempts {
            self.release(id, winner == Some(id))?;
        }
        let trace = job.submit.trace_id;
        let (id, session) = (key.job.clone(), key.session.clone());
        let attempt = winner.cloned();
        self.report(Event::JobFinished { job: id, session, trace: trace.clone(), attempt, failure });
        self.post(key, job.bytes, trace, outcome)
    }

    /// Forgets an attempt at a finished job; its node, if it may be at work on it, is told to stop.
    fn release(&mut self, id: &AttemptId, won: bool) -> Result<(), Bug> {
        self.timers.set(Timer::Attempt(id.clone()), None);
        let attempt = self.attempts.remove(id).or_bug("every attempt at an open job is on record")?;
        // Legal: the attempt is spent, and its node was forgotten since.
        let Some(node) = self.nodes.get_mut(&attempt.node) else { return Ok(()) };
        node.running.remove(id);
        if !won
            && attempt.state != AttemptState::Failed
            && let Some(connection) = node.attached
        {
            let (job_id, attempt_id) = (attempt.key.job.to_string(), id.to_string());
            self.tell_node(connection, ToNode::JobCancel { job_id, attempt_id });
        }
        Ok(())
    }

    /// The node says that it is at work on an attempt. Nothing is revived by it.
    pub(super) fn at_work(&mut self, node: &NodeId, job: &str, attempt: &str) {
        let id = AttemptId::from(attempt);
        // Legal: the job has its outcome, or the attempt is another scheduler process's.
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if attempt.node != *node || attempt.key.job.as_str() != job {
            return;
        }
        match attempt.state {
            AttemptState::Assigned | AttemptState::Working => {
                attempt.state = AttemptState::Working;
                self.timers.set(Timer::Attempt(id), Some(self.now + self.timings.progress_timeout));
            }
            AttemptState::Spent | AttemptState::Failed => {}
        }
    }

    /// A result of any attempt. The first good one of an open job is its outcome, however late it comes and on whichever node's
    /// connection (a node may have had another name when it began). Every one is acknowledged, so that no node keeps one for
    /// ever. A failure is taken only from the node that has the attempt: a node cannot spend the attempts of others.
    pub(super) fn result(
        &mut self,
        connection: ConnectionId,
        node: &NodeId,
        job_id: String,
        attempt_id: String,
        good: Result<String, WorkFailure>,
    ) -> Result<(), Bug> {
        let (job, id) = (JobId::from(job_id.as_str()), AttemptId::from(attempt_id.as_str()));
        let good = match good {
            Ok(text) if !result_fits(&text, self.largest_message) => {
                Err(WorkFailure { error: "the result is too long".to_owned(), retry: Retry::Again, after: None })
            }
            other => other,
        };
        let accepted = match (self.job_of(&id, &job), good) {
            (Some(key), Ok(text)) => {
                self.winners.push_back(id.clone());
                if self.winners.len() > WINNERS_KEPT {
                    self.winners.pop_front();
                }
                self.finish(&key, JobEnd::Translated { attempt: id.clone(), text })?;
                true
            }
            (Some(_), Err(failure)) => {
                if self.attempts.get(&id).is_some_and(|attempt| attempt.node == *node) {
                    self.attempt_failed(&id, &failure)?;
                }
                false
            }
            (None, Ok(_)) => self.winners.contains(&id),
            (None, Err(_)) => false,
        };
        if !accepted {
            self.report(Event::ResultRefused { job, attempt: id, node: node.clone() });
        }
        self.tell_node(connection, ToNode::ResultAck { job_id, attempt_id, accepted });
        Ok(())
    }

    /// The open job that an attempt belongs to. An attempt of an earlier scheduler process is not on record; it belongs
    /// to the one open job of its name, if there is one only.
    fn job_of(&self, attempt: &AttemptId, job: &JobId) -> Option<JobKey> {
        if let Some(attempt) = self.attempts.get(attempt) {
            return (attempt.key.job == *job).then(|| attempt.key.clone());
        }
        if is_of_epoch(attempt, &self.epoch) {
            return None;
        }
        let first = JobKey { job: job.clone(), session: "".into() };
        let mut namesakes = self.jobs.range(first..).map(|(key, _)| key).take_while(|key| key.job == *job);
        let key = namesakes.next()?;
        namesakes.next().is_none().then(|| key.clone())
    }

    /// What becomes of a job whose node says that it failed, by whether and where it may be tried again.
    fn attempt_failed(&mut self, id: &AttemptId, failure: &WorkFailure) -> Result<(), Bug> {
        let error: String = failure.error.chars().take(LONGEST_ERROR).collect();
        if failure.retry == Retry::Later {
            return self.defer(id, error, failure.after);
        }
        let reason = SpentReason::Failed(error);
        let message = format!("every attempt was spent, the last one by this: {reason}");
        let Some(key) = self.unseat(id, reason)? else {
            // It was spent for another reason before, and its node is through with it now.
            if let Some(attempt) = self.attempts.get_mut(id) {
                attempt.state = AttemptState::Failed;
            }
            return Ok(());
        };
        let node = self.attempts.get(id).or_bug("an attempt that has just failed is on record")?.node.clone();
        let job = self.jobs.get_mut(&key).or_bug("an attempt on record is at an open job")?;
        job.failures += 1;
        match failure.retry {
            Retry::Never => {
                let message =
                    format!("it will never succeed: {}", failure.error.chars().take(LONGEST_ERROR).collect::<String>());
                return self.finish(&key, JobEnd::Failed { code: FailureCode::Rejected, message });
            }
            Retry::Elsewhere => {
                job.barred.insert(node);
                if !self.can_go_on(&key)? {
                    return self.finish(&key, JobEnd::Failed { code: FailureCode::NodeUnavailable, message });
                }
            }
            Retry::Again | Retry::Unknown | Retry::Later => {}
        }
        self.try_again(&key, message, true)
    }

    fn wait_for_a_node(&mut self, key: &JobKey) -> Result<(), Bug> {
        let number = self.jobs.get(key).or_bug("a job that waits is open")?.number;
        self.queue.insert(number, key.clone());
        Ok(())
    }

    fn can_go_on(&self, key: &JobKey) -> Result<bool, Bug> {
        let job = self.jobs.get(key).or_bug("a job that may go on is open")?;
        Ok(self.has_a_node(job))
    }

    /// A node cannot ask for the work to be done now: the attempt was none, the job waits as long as it has, and the node is
    /// left alone for a while.
    fn defer(&mut self, id: &AttemptId, error: String, after: Option<Duration>) -> Result<(), Bug> {
        let attempt = self.attempts.get(id).or_bug("an attempt that is deferred is on record")?;
        let node = attempt.node.clone();
        let job = self.jobs.get(&attempt.key).or_bug("an attempt on record is at an open job")?;
        let waiting_since = job.waiting_since;
        if let Some(key) = self.unseat(id, SpentReason::Deferred(error.clone()))? {
            self.attempts.remove(id);
            let job = self.jobs.get_mut(&key).or_bug("an attempt on record is at an open job")?;
            job.attempts.retain(|attempt| attempt != id);
            job.waiting_since = waiting_since;
            job.deferred = Some(error);
            if !self.attempts.values().any(|attempt| attempt.key == key && attempt.node == node) {
                job.tried.remove(&node);
            }
            self.wait_for_a_node(&key)?;
            self.refresh_job(&key)?;
        }
        self.pause(&node, after.unwrap_or(USUAL_PAUSE))
    }

    /// An attempt counts no longer: the job waits for another, or has had its last.
    pub(super) fn spend(&mut self, id: &AttemptId, reason: SpentReason) -> Result<(), Bug> {
        let message = format!("every attempt was spent, the last one by this: {reason}");
        let is_the_nodes_fault = match reason {
            SpentReason::NotAcknowledged | SpentReason::NoProgress => true,
            SpentReason::NodeLost | SpentReason::Failed(_) | SpentReason::Deferred(_) => false,
        };
        let Some(key) = self.unseat(id, reason)? else { return Ok(()) };
        if is_the_nodes_fault {
            let node = self.attempts.get(id).or_bug("an attempt that is spent is on record")?.node.clone();
            self.strike(&node)?;
        }
        self.try_again(&key, message, false)
    }

    /// Takes the place of the attempt that counts from it; the job, which has no attempt then. `None` if it did not count.
    fn unseat(&mut self, id: &AttemptId, reason: SpentReason) -> Result<Option<JobKey>, Bug> {
        let attempt = self.attempts.get_mut(id).or_bug("an attempt that is spent is on record")?;
        let key = attempt.key.clone();
        let job = self.jobs.get_mut(&key).or_bug("an attempt on record is at an open job")?;
        // Legal: its node says that it failed after it was spent for another reason.
        if job.current.as_ref() != Some(id) {
            return Ok(None);
        }
        attempt.state = match &reason {
            SpentReason::Failed(_) | SpentReason::Deferred(_) => AttemptState::Failed,
            SpentReason::NotAcknowledged | SpentReason::NoProgress | SpentReason::NodeLost => AttemptState::Spent,
        };
        let node_id = attempt.node.clone();
        let node = self.nodes.get_mut(&node_id).or_bug("the node of an attempt that counts is known")?;
        node.running.remove(id);
        job.current = None;
        job.waiting_since = self.now;
        let trace = job.submit.trace_id.clone();
        self.timers.set(Timer::Attempt(id.clone()), None);
        let (session, job) = (key.session.clone(), key.job.clone());
        self.report(Event::AttemptSpent { session, job, attempt: id.clone(), node: node_id, trace, reason });
        Ok(Some(key))
    }

    /// The job waits for its next attempt, after a rest if the last one failed, or has had its last.
    fn try_again(&mut self, key: &JobKey, message: String, after_a_rest: bool) -> Result<(), Bug> {
        let job = self.jobs.get(key).or_bug("a job that is tried again is open")?;
        let failures = job.failures;
        let has_had_its_last = job.attempts.len() >= self.limits.attempts as usize;
        self.wait_for_a_node(key)?;
        if has_had_its_last {
            return self.finish(key, JobEnd::Failed { code: FailureCode::NodeUnavailable, message });
        }
        if after_a_rest {
            let until = self.now + self.rest(failures);
            self.jobs.get_mut(key).or_bug("a job that rests is open")?.rests_until = Some(until);
        }
        self.refresh_job(key)
    }

    pub(super) fn attempt_timed_out(&mut self, id: &AttemptId) -> Result<(), Bug> {
        let attempt = self.attempts.get(id).or_bug("an attempt's timer ends with the attempt")?;
        match attempt.state {
            AttemptState::Assigned => self.spend(id, SpentReason::NotAcknowledged),
            AttemptState::Working => self.spend(id, SpentReason::NoProgress),
            AttemptState::Spent | AttemptState::Failed => Err(Bug::new("only an attempt that counts has a timer")),
        }
    }

    pub(super) fn job_timed_out(&mut self, key: &JobKey) -> Result<(), Bug> {
        let job = self.jobs.get(key).or_bug("a job's timer ends with the job")?;
        if job.submitted_at + self.timings.job_timeout <= self.now {
            let message = "the job took longer than any job may".to_owned();
            self.finish(key, JobEnd::Failed { code: FailureCode::JobTimeout, message })
        } else if job.current.is_none() && self.wait_deadline(job) <= self.now {
            self.waited_too_long(key, "no node had room in time")
        } else {
            // Its rest may be over: who waits is looked at after every timer.
            self.refresh_job(key)
        }
    }

    fn waited_too_long(&mut self, key: &JobKey, why: &str) -> Result<(), Bug> {
        let deferred = self.jobs.get(key).and_then(|job| job.deferred.as_ref());
        let (code, message) = match (self.live_nodes.is_empty(), deferred) {
            (true, _) => (FailureCode::NoAvailableNode, format!("{why}: no node is connected")),
            (false, None) => (FailureCode::QueueTimeout, why.to_owned()),
            (false, Some(said)) => (FailureCode::QueueTimeout, format!("{why}, and the last said: {said}")),
        };
        self.finish(key, JobEnd::Failed { code, message })
    }

    /// How long a job may wait: since it has waited, and since there have been nodes, or none.
    fn wait_deadline(&self, job: &Job) -> Instant {
        let since = job.waiting_since.max(self.liveness_changed);
        match self.live_nodes.is_empty() {
            true => since + self.timings.no_node_timeout,
            false => since + self.timings.queue_timeout,
        }
    }

    /// Sets the job's next deadline after anything about it, or about there being nodes, has changed.
    pub(super) fn refresh_job(&mut self, key: &JobKey) -> Result<(), Bug> {
        let job = self.jobs.get(key).or_bug("a job whose timer is set is open")?;
        let cap = job.submitted_at + self.timings.job_timeout;
        let deadline = match job.current {
            Some(_) => cap,
            None => cap.min(self.wait_deadline(job)),
        };
        let rest = job.rests_until.filter(|until| *until > self.now);
        let deadline = rest.map_or(deadline, |until| until.min(deadline));
        self.timers.set(Timer::Job(key.clone()), Some(deadline));
        Ok(())
    }
}
