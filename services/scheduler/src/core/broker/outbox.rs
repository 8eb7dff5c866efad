//! A session's outbox: the only path by which an outcome reaches its session. A connection is no more than a cursor in
//! it, so a lost connection loses nothing.
//!
//! Invariant: entries carry consecutive `seq`s, and an entry leaves only by an acknowledgement.

use std::collections::VecDeque;
use std::time::Duration;

use halfopen_link::message::{FailureCode, ToSession};
use std::time::Instant;

use super::ids::{AttemptId, JobId};

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobEnd {
    Translated { attempt: AttemptId, text: String },
    Failed { code: FailureCode, message: String },
}

/// An outcome in its place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) job: JobId,
    /// The job's, for the log.
    pub(crate) trace: String,
    pub(crate) outcome: JobEnd,
    /// When the job ended.
    ready_at: Instant,
    /// Whether any connection was ever given it.
    sent: bool,
}

impl Entry {
    /// The failure that will be delivered, unless it is a result.
    pub(crate) fn failure(&self) -> Option<FailureCode> {
        match &self.outcome {
            JobEnd::Translated { .. } => None,
            JobEnd::Failed { code, .. } => Some(*code),
        }
    }

    /// What it weighs against the window.
    pub(crate) fn text_bytes(&self) -> usize {
        match &self.outcome {
            JobEnd::Translated { text, .. } => text.len(),
            JobEnd::Failed { message, .. } => message.len(),
        }
    }

    fn to_message(&self) -> ToSession {
        let job_id = self.job.to_string();
        match &self.outcome {
            JobEnd::Translated { attempt, text } => ToSession::Result {
                seq: self.seq,
                job_id,
                attempt_id: attempt.to_string(),
                text: text.clone(),
                redelivered: self.sent,
            },
            JobEnd::Failed { code, message } => {
                ToSession::JobFailed { seq: self.seq, job_id, code: *code, message: message.clone() }
            }
        }
    }
}

/// A result that expired and was replaced by `RESULT_EXPIRED`.
#[derive(Debug)]
pub(crate) struct Expired {
    pub(crate) seq: u64,
    pub(crate) job: JobId,
    pub(crate) trace: String,
}

/// An acknowledgement of something never sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AckBeyondSent;

/// The outcomes that the session has not acknowledged, in order.
#[derive(Debug)]
pub(crate) struct Outbox {
    entries: VecDeque<Entry>,
    next_seq: u64,
    sent_upto: u64,
    results: usize,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { entries: VecDeque::new(), next_seq: 1, sent_upto: 0, results: 0, bytes: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of text in all entries.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The `seq` of the first outcome that is not acknowledged, present or to come.
    pub(crate) fn first_unacknowledged(&self) -> u64 {
        self.next_seq - self.entries.len() as u64
    }

    pub(crate) fn push(&mut self, job: JobId, trace: String, outcome: JobEnd, now: Instant) {
        self.results += usize::from(matches!(outcome, JobEnd::Translated { .. }));
        let entry = Entry { seq: self.next_seq, job, trace, outcome, ready_at: now, sent: false };
        self.bytes += entry.text_bytes();
        self.entries.push_back(entry);
        self.next_seq += 1;
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        let index = seq.checked_sub(self.first_unacknowledged())?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The message for the entry, which counts as sent from now on.
    pub(crate) fn send(&mut self, seq: u64) -> Option<ToSession> {
        let index = usize::try_from(seq.checked_sub(self.first_unacknowledged())?).ok()?;
        let entry = self.entries.get_mut(index)?;
        let message = entry.to_message();
        entry.sent = true;
        self.sent_upto = self.sent_upto.max(seq);
        Some(message)
    }

    /// Takes out everything up to `upto`, in order. Repeating an old acknowledgement takes nothing.
    pub(crate) fn acknowledge(&mut self, upto: u64) -> Result<Vec<Entry>, AckBeyondSent> {
        if upto > self.sent_upto {
            return Err(AckBeyondSent);
        }
        let mut settled = Vec::new();
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.seq <= upto) {
            self.results -= usize::from(matches!(entry.outcome, JobEnd::Translated { .. }));
            self.bytes -= entry.text_bytes();
            settled.push(entry);
        }
        Ok(settled)
    }

    /// When the oldest result was ready, if there is one.
    pub(crate) fn oldest_result(&self) -> Option<Instant> {
        if self.results == 0 {
            return None;
        }
        self.entries.iter().find(|entry| matches!(entry.outcome, JobEnd::Translated { .. })).map(|entry| entry.ready_at)
    }

    /// Replaces, each in its place, the results that have been ready for `kept` or longer.
    pub(crate) fn expire_older_than(&mut self, kept: Duration, now: Instant) -> Vec<Expired> {
        let old = self.entries.iter().take_while(|entry| entry.ready_at + kept <= now).count();
        (0..old).filter_map(|index| self.expire(index)).collect()
    }

    /// Replaces, each in its place, the oldest results until at most `results` are left, and `bytes` of text in all.
    pub(crate) fn expire_beyond(&mut self, results: usize, bytes: usize) -> Vec<Expired> {
        let mut expired = Vec::new();
        for index in 0..self.entries.len() {
            if self.results <= results && self.bytes <= bytes {
                break;
            }
            expired.extend(self.expire(index));
        }
        expired
    }

    /// Replaces the result at `index`, if it is one.
    fn expire(&mut self, index: usize) -> Option<Expired> {
        let entry = self.entries.get_mut(index)?;
        if matches!(entry.outcome, JobEnd::Failed { .. }) {
            return None;
        }
        self.bytes -= entry.text_bytes();
        let message = "the result waited for its session longer than results are kept".to_owned();
        entry.outcome = JobEnd::Failed { code: FailureCode::ResultExpired, message };
        self.bytes += entry.text_bytes();
        self.results -= 1;
        Some(Expired { seq: entry.seq, job: entry.job.clone(), trace: entry.trace.clone() })
    }
}
