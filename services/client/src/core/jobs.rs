//! The jobs without an outcome, in the order in which they were submitted.

use std::collections::BTreeMap;

use halfopen_link::message::Submit;
use halfopen_machine::{Bug, OrBug, ensure};

use super::config::Order;
use super::outcome::JobOutcome;

/// Times that a job may be in flight at a close that blames a message, one right after the other.
const STRIKES: u8 = 2;

/// The rule of the two maps.
const EACH_ID_HAS_ITS_JOB: &str = "an open job has one id and one place";

/// A job as the application hands it in. Its place among the utterances is the client's to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// `job-` and 128 bits in hex.
    pub job_id: String,
    /// In every log line about the job.
    pub trace_id: String,
    /// The sentence to be translated.
    pub text: String,
    /// The language of the sentence, a BCP 47 tag.
    pub src_lang: String,
    /// The language of the translation, a BCP 47 tag.
    pub tgt_lang: String,
}

/// A handle that is to resolve now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The job whose handle it is.
    pub job_id: String,
    /// The job's trace.
    pub trace_id: String,
    /// Its one outcome.
    pub outcome: JobOutcome,
    /// The scheduler's place for it; 0 for an outcome that the client reached by itself.
    pub seq: u64,
    /// Whether the scheduler says that it had sent it before.
    pub redelivered: bool,
}

/// How a connection was lost, from the point of view of the jobs that were on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No session was up, so nothing was sent.
    BeforeReady,
    /// The peer blamed a message, with this code.
    Blamed(u16),
    /// For any other reason.
    Ordinary,
}

#[derive(Debug)]
struct Job {
    submit: Submit,
    /// Sent on the present connection.
    sent: bool,
    /// The scheduler has said that it knows the job.
    acknowledged: bool,
    /// Closes in a row that may have been this job's fault.
    strikes: u8,
    /// The outcome, while earlier utterances still hold it back.
    held: Option<(JobOutcome, u64, bool)>,
}

/// Every job without a resolved handle, by its place.
#[derive(Debug)]
pub(crate) struct Jobs {
    order: Order,
    by_place: BTreeMap<u64, Job>,
    places: BTreeMap<String, u64>,
    next_place: u64,
}

impl Jobs {
    pub(crate) fn new(order: Order) -> Self {
        Self { order, by_place: BTreeMap::new(), places: BTreeMap::new(), next_place: 0 }
    }

    /// Takes a job in.
    pub(crate) fn add(&mut self, job: NewJob) -> Result<(), Bug> {
        ensure(!self.places.contains_key(&job.job_id), "a job's id is its own")?;
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert(job.job_id.clone(), place);
        let NewJob { job_id, trace_id, text, src_lang, tgt_lang } = job;
        let submit = Submit { job_id, utterance_index: place, text, src_lang, tgt_lang, trace_id };
        self.by_place.insert(place, Job { submit, sent: false, acknowledged: false, strikes: 0, held: None });
        Ok(())
    }

    /// The job with an id; `None` if its handle has resolved, or if it was never one of ours.
    fn find(&mut self, job_id: &str) -> Result<Option<&mut Job>, Bug> {
        let Some(place) = self.places.get(job_id) else { return Ok(None) };
        self.by_place.get_mut(place).or_bug(EACH_ID_HAS_ITS_JOB).map(Some)
    }

    /// A session is up. In the old one, what was acknowledged is known; in a new one, nothing is.
    pub(crate) fn session_ready(&mut self, resumed: bool) {
        for job in self.by_place.values_mut() {
            job.sent = false;
            job.acknowledged &= resumed;
        }
    }

    /// The submits that are to go out now, in order. While a job is under suspicion, submits go one at a time, so that a
    /// close that blames a message blames one job.
    pub(crate) fn take_unsent(&mut self) -> Vec<Submit> {
        let mut in_flight = self.by_place.values().any(Job::is_in_flight);
        let careful = self.by_place.values().any(|job| job.strikes > 0 && job.is_open());
        let mut submits = Vec::new();
        for job in self.by_place.values_mut().filter(|job| job.is_open() && !job.acknowledged && !job.sent) {
            if careful && in_flight {
                break;
            }
            job.sent = true;
            in_flight = true;
            submits.push(job.submit.clone());
        }
        submits
    }

    /// The scheduler knows the job. Gives its trace if that is news; what has its outcome already is none.
    pub(crate) fn acknowledge(&mut self, job_id: &str) -> Result<Option<String>, Bug> {
        let is_news = |job: &&mut Job| !job.acknowledged && job.is_open();
        Ok(self.find(job_id)?.filter(is_news).map(|job| {
            job.acknowledged = true;
            job.strikes = 0;
            job.submit.trace_id.clone()
        }))
    }

    /// An outcome has come; gives the handles that resolve by it. One for a job that has its outcome changes nothing.
    pub(crate) fn settle(
        &mut self,
        job_id: &str,
        outcome: JobOutcome,
        seq: u64,
        redelivered: bool,
    ) -> Result<Vec<Settled>, Bug> {
        match self.find(job_id)?.filter(|job| job.is_open()) {
            Some(job) => {
                job.held = Some((outcome, seq, redelivered));
                self.release()
            }
            // Legal: the job was rejected here, or its outcome came in an earlier session.
            None => Ok(Vec::new()),
        }
    }

    /// The connection is gone. Gives the handles of jobs that were in flight at two closes in a row over a message.
    pub(crate) fn connection_lost(&mut self, loss: Loss) -> Result<Vec<Settled>, Bug> {
        let close_code = match loss {
            Loss::BeforeReady => return Ok(Vec::new()),
            Loss::Blamed(close_code) => Some(close_code),
            Loss::Ordinary => None,
        };
        for job in self.by_place.values_mut() {
            job.strikes = if close_code.is_some() && job.is_in_flight() { job.strikes + 1 } else { 0 };
            job.sent = false;
            if let Some(close_code) = close_code
                && job.strikes >= STRIKES
            {
                job.held = Some((JobOutcome::Rejected { close_code }, 0, false));
            }
        }
        self.release()
    }

    /// The handles that have not resolved.
    pub(crate) fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Whether every handle has resolved.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Nothing more will come: every handle resolves, with its outcome if one was held back.
    pub(crate) fn give_up(&mut self) -> Result<Vec<Settled>, Bug> {
        for job in self.by_place.values_mut().filter(|job| job.is_open()) {
            job.held = Some((JobOutcome::Unknown, 0, false));
        }
        self.release()
    }

    /// Takes out what has an outcome and is not held back by an earlier utterance.
    fn release(&mut self) -> Result<Vec<Settled>, Bug> {
        let places: Vec<u64> = match self.order {
            Order::Completion => {
                self.by_place.iter().filter(|(_, job)| !job.is_open()).map(|(place, _)| *place).collect()
            }
            Order::Utterance => {
                self.by_place.iter().take_while(|(_, job)| !job.is_open()).map(|(place, _)| *place).collect()
            }
        };
        places.into_iter().map(|place| self.take_out(place)).collect()
    }

    fn take_out(&mut self, place: u64) -> Result<Settled, Bug> {
        let Job { submit, held, .. } = self.by_place.remove(&place).or_bug(EACH_ID_HAS_ITS_JOB)?;
        let (outcome, seq, redelivered) = held.or_bug("a job is released with its outcome")?;
        let Submit { job_id, trace_id, .. } = submit;
        self.places.remove(&job_id).or_bug(EACH_ID_HAS_ITS_JOB)?;
        Ok(Settled { job_id, trace_id, outcome, seq, redelivered })
    }
}

impl Job {
    fn is_open(&self) -> bool {
        self.held.is_none()
    }

    /// Sent on the present connection, and the scheduler has not said that it took it.
    fn is_in_flight(&self) -> bool {
        self.is_open() && self.sent && !self.acknowledged
    }
}
