//! The model of the scheduler: its nodes, jobs and attempts, as its own log tells them, with what it was told on the wire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName};
use halfopen::trace::{LogEvent, ProcessEvent};

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::message::Message;
use super::{NodeProtocol, Rule, begins_or_ends_a_life, broken};

/// A job: its name, its trace, and its session.
pub(super) type JobKey = (String, String, String);

pub(super) struct Broker<'a> {
    pub(super) numbers: &'a NodeProtocol,
    /// How many attempts there were in all lives.
    pub(super) assigned: usize,
    pub(super) nodes: BTreeMap<String, Worker>,
    pub(super) jobs: BTreeMap<JobKey, Job>,
    /// Jobs that wait, in the order of their submits.
    pub(super) queue: VecDeque<JobKey>,
    /// How far the turn of each session that waits is, and whose turn was last.
    pub(super) turns: BTreeMap<String, u64>,
    pub(super) served: u64,
    /// For how long nodes asked last to be left alone.
    pub(super) asked: BTreeMap<String, Duration>,
    /// A node that has to be benched in the next line, for how long, and for what.
    pub(super) owed_bench: Option<(String, Duration, usize)>,
    pub(super) attempts: BTreeMap<String, Attempt>,
    /// Jobs that had their outcome in this life.
    finished: BTreeSet<JobKey>,
    /// Attempts of all lives: an id is given once.
    pub(super) ever: BTreeSet<String>,
    /// Attempts of earlier lives, with their jobs.
    pub(super) of_earlier_lives: BTreeMap<String, String>,
    /// Attempts of this life, with their jobs.
    pub(super) jobs_of: BTreeMap<String, String>,
    /// Attempts at jobs that are over, whose nodes may be told to stop.
    pub(super) cancellable: BTreeSet<String>,
    /// What sessions have submitted, by job.
    pub(super) submits: BTreeMap<String, Vec<Message>>,
    /// Good and bad results on the wire, by attempt.
    pub(super) good: BTreeMap<String, String>,
    pub(super) bad: BTreeMap<String, String>,
    /// Whether what failed may be tried again, as its node says it, by attempt.
    pub(super) retries: BTreeMap<String, String>,
    /// Since when there have been nodes, or none.
    pub(super) liveness_changed: Duration,
    /// What the scheduler has logged, and what has to follow from it on the wire.
    pub(super) debts: Debts,
    /// The latest line of the scheduler: what it decides, it decides within it.
    pub(super) spoke_at: Duration,
    /// Whether the scheduler lives, and is not through with its drain.
    pub(super) is_up: bool,
    pub(super) stopping: bool,
    /// The capacity that a node has registered with, by connection.
    hellos: BTreeMap<usize, usize>,
}

/// A node of this life.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) live: bool,
    /// Its connection and its capacity, once the answer to its registration shows them.
    pub(super) connection: Option<usize>,
    pub(super) capacity: Option<usize>,
    /// The attempts that it came back with; they may be more than it has room for now.
    pub(super) brought: usize,
    /// Attempts that count: the slots in use.
    pub(super) running: BTreeSet<String>,
    /// How often it was benched since it last did something, and until when it is.
    pub(super) strikes: u32,
    pub(super) benched_until: Duration,
    /// Until when it is left alone at its own request.
    pub(super) paused_until: Duration,
}

/// An open job.
pub(super) struct Job {
    pub(super) submitted_at: Duration,
    pub(super) waiting_since: Duration,
    pub(super) current: Option<String>,
    pub(super) attempts: Vec<String>,
    pub(super) tried: BTreeSet<String>,
    /// Nodes that can never do it.
    pub(super) barred: BTreeSet<String>,
    pub(super) failures: u32,
    /// Its rest after a failure is over at some time from the one to the other.
    pub(super) rests_from: Duration,
    pub(super) rests_until: Duration,
    pub(super) place: usize,
}

/// An attempt at an open job.
pub(super) struct Attempt {
    pub(super) key: JobKey,
    pub(super) node: String,
    pub(super) assigned_at: Duration,
    /// The `job_ack` and `job_progress` of it on the connection of its node.
    pub(super) signs: Vec<Sign>,
    pub(super) failed: bool,
    /// Since when its job had waited for it.
    pub(super) waited_since: Duration,
    pub(super) place: usize,
}

/// A sign that an attempt is at work.
pub(super) struct Sign {
    pub(super) at: Duration,
    pub(super) on: usize,
}

impl<'a> Broker<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        Self {
            numbers,
            assigned: 0,
            nodes: BTreeMap::new(),
            jobs: BTreeMap::new(),
            queue: VecDeque::new(),
            turns: BTreeMap::new(),
            served: 0,
            asked: BTreeMap::new(),
            owed_bench: None,
            attempts: BTreeMap::new(),
            finished: BTreeSet::new(),
            ever: BTreeSet::new(),
            of_earlier_lives: BTreeMap::new(),
            jobs_of: BTreeMap::new(),
            cancellable: BTreeSet::new(),
            submits: BTreeMap::new(),
            good: BTreeMap::new(),
            bad: BTreeMap::new(),
            retries: BTreeMap::new(),
            liveness_changed: Duration::ZERO,
            debts: Debts::default(),
            spoke_at: Duration::ZERO,
            is_up: false,
            stopping: false,
            hellos: BTreeMap::new(),
        }
    }

    fn process(&mut self, moment: &Moment<'_>, host: &HostName, event: &ProcessEvent, history: &History<'_>) {
        if !history.is_scheduler(host) {
            return;
        }
        if *event == ProcessEvent::StopRequested {
            self.stopping = true;
        }
        if begins_or_ends_a_life(event) {
            self.forget(moment.at);
            self.is_up = *event == ProcessEvent::Started;
        }
    }

    fn forget(&mut self, now: Duration) {
        self.of_earlier_lives.append(&mut self.jobs_of);
        self.nodes.clear();
        self.jobs.clear();
        self.queue.clear();
        self.turns.clear();
        self.asked.clear();
        (self.served, self.owed_bench) = (0, None);
        self.attempts.clear();
        self.finished.clear();
        (self.liveness_changed, self.stopping, self.is_up) = (now, false, false);
    }

    fn logged(&mut self, moment: &Moment<'_>, event: &LogEvent, history: &History<'_>) -> Result<(), Finding> {
        self.spoke_at = moment.at;
        self.benches_at_once(event)?;
        match event.message.as_str() {
            "submit accepted" => self.submitted(moment, event, history),
            "node registered" => {
                self.node_registered(moment, event, history);
                Ok(())
            }
            "node lost" => {
                self.node_lost(moment, event);
                Ok(())
            }
            "job assigned" => self.job_assigned(moment, event),
            "attempt spent" => self.attempt_spent(moment, event, history),
            "job finished" => self.job_finished(moment, event, history),
            "node benched" => self.node_benched(moment, event),
            "node trusted again" => self.node_trusted(moment, event),
            "node paused" => self.node_paused(moment, event),
            "node forgotten" => {
                self.nodes.remove(event.field("node_id").unwrap_or_default());
                Ok(())
            }
            "drained" => {
                self.forget(moment.at);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn submitted(&mut self, moment: &Moment<'_>, event: &LogEvent, history: &History<'_>) -> Result<(), Finding> {
        let key = key_of(event);
        if self.jobs.contains_key(&key) || self.finished.contains(&key) {
            return Err(broken(
                "opens a known job again",
                moment,
                format!("{} was accepted twice as a new job.", key.0),
            ));
        }
        if self.stopping {
            return Err(broken(
                "takes a job while it stops",
                moment,
                format!("{} was accepted after the order to stop.", key.0),
            ));
        }
        let is_known = self.submits.get(&key.0).is_some_and(|said| said.iter().any(|submit| submit.trace_id == key.1));
        if !is_known && !history.is_corrupted(moment.at) {
            return Err(broken(
                "takes a job that was not submitted",
                moment,
                format!("no session has submitted {}.", key.0),
            ));
        }
        let job = Job {
            submitted_at: moment.at,
            waiting_since: moment.at,
            current: None,
            attempts: Vec::new(),
            tried: BTreeSet::new(),
            barred: BTreeSet::new(),
            failures: 0,
            rests_from: Duration::ZERO,
            rests_until: Duration::ZERO,
            place: moment.place,
        };
        self.jobs.insert(key.clone(), job);
        self.waits(key);
        Ok(())
    }

    fn node_registered(&mut self, moment: &Moment<'_>, event: &LogEvent, history: &History<'_>) {
        if !self.nodes.values().any(|node| node.live) {
            self.liveness_changed = moment.at;
        }
        let id = event.field("node_id").unwrap_or_default();
        let connection = history.answer_to(moment, id).map(|(on, _)| on);
        let node = self.nodes.entry(id.to_owned()).or_default();
        node.live = true;
        node.connection = connection;
        node.capacity = connection.and_then(|on| self.hellos.get(&on)).copied();
        node.brought = node.running.len();
    }

    fn node_lost(&mut self, moment: &Moment<'_>, event: &LogEvent) {
        let id = event.field("node_id").unwrap_or_default();
        if let Some(node) = self.nodes.get_mut(id) {
            (node.live, node.connection, node.capacity) = (false, None, None);
        }
        if !self.nodes.values().any(|node| node.live) {
            self.liveness_changed = moment.at;
        }
    }

    /// A job is over: takes it, and what it holds, out.
    pub(super) fn close_job(&mut self, key: &JobKey) -> Option<(Job, Vec<(String, Attempt)>)> {
        self.waits_no_longer(key, false);
        let job = self.jobs.remove(key)?;
        self.finished.insert(key.clone());
        let mut attempts = Vec::new();
        for id in &job.attempts {
            let Some(attempt) = self.attempts.remove(id) else { continue };
            if let Some(node) = self.nodes.get_mut(&attempt.node) {
                node.running.remove(id);
            }
            attempts.push((id.clone(), attempt));
        }
        Some((job, attempts))
    }

    fn node_says(&mut self, moment: &Moment<'_>, on: usize, said: &Message) {
        match said.kind.as_str() {
            "node_register" => {
                self.hellos.insert(on, said.capacity.unwrap_or_default());
            }
            "job_ack" | "job_progress" => {
                if let Some(attempt) = self.attempts.get_mut(&said.attempt_id)
                    && self.nodes.get(&attempt.node).is_some_and(|node| node.connection == Some(on))
                {
                    attempt.signs.push(Sign { at: moment.at, on });
                }
            }
            "job_result" => {
                let text = said.text.clone().unwrap_or_default();
                match said.ok {
                    Some(true) => self.good.insert(said.attempt_id.clone(), text),
                    Some(false) | None => {
                        // It may be on its way while the job ends: then its node is told to stop, or is not.
                        if let Some(attempt) = self.attempts.get_mut(&said.attempt_id) {
                            attempt.failed = true;
                            if said.retry.as_deref() == Some("later") {
                                let asked = Duration::from_millis(said.retry_after_ms.unwrap_or(USUAL_PAUSE_MS));
                                self.asked.insert(attempt.node.clone(), asked);
                            }
                        }
                        self.retries.insert(said.attempt_id.clone(), said.retry.clone().unwrap_or_default());
                        self.bad.insert(said.attempt_id.clone(), text)
                    }
                };
            }
            _ => {}
        }
    }

    fn scheduler_says(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        match said.kind.as_str() {
            "job_assign" => self.assignment_sent(moment, on, said, history),
            "job_cancel" => self.cancel_sent(moment, on, said, history),
            _ => Ok(()),
        }
    }
}

/// How long a node is left alone that does not say how long.
const USUAL_PAUSE_MS: u64 = 1000;

/// The job that a line of the scheduler is about.
pub(super) fn key_of(event: &LogEvent) -> JobKey {
    let field = |name| event.field(name).unwrap_or_default().to_owned();
    (field("job_id"), field("trace_id"), field("session_id"))
}

impl Rule for Broker<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) => {
                self.process(moment, host, event, history);
                Ok(())
            }
            What::Scheduler(event) => self.logged(moment, event, history),
            What::Message(on, Direction::ToServer, said) => {
                self.node_says(moment, *on, said);
                Ok(())
            }
            What::Message(on, Direction::ToClient, said) => self.scheduler_says(moment, *on, said, history),
            What::Session(Direction::ToServer, said) if said.kind == "submit" => {
                self.submits.entry(said.job_id.clone()).or_default().push(said.clone());
                Ok(())
            }
            What::Node(..)
            | What::Attempted(_)
            | What::Upgraded(_)
            | What::Left(_)
            | What::Close(..)
            | What::Ping(..)
            | What::Pong(..)
            | What::Session(..) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        if self.is_up {
            self.at_rest(now)?;
            self.overdue(now, history)?;
        }
        self.debts.collect(history, now)
    }
}
