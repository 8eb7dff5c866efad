//! Sessions, jobs and the node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen_link::codec::{Protocol, encode};
use halfopen_link::id;
use halfopen_link::message::{FailureCode, FromNode, FromSession, Resume, Submit, ToNode, ToSession};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tracing::{debug, info};

use super::{Defect, TARGET};

/// From a submit to its failure when there is no node (docs/failures.md, silent success).
const NO_NODE: Duration = Duration::from_secs(10);
/// From a dispatch, or the last progress, to giving the job up (docs/failures.md, silent success).
const NO_PROGRESS: Duration = Duration::from_secs(30);

/// A connection's number, in the order of their being accepted: an entry's generation.
pub(super) type Generation = u64;

/// A job: its name and its trace, which stay when it is submitted in another session.
type JobKey = (String, String);

pub(super) struct Tables {
    pub(super) defect: Defect,
    epoch: String,
    sessions: BTreeMap<String, Session>,
    node: Option<Node>,
    jobs: BTreeMap<JobKey, Job>,
    finished: BTreeSet<JobKey>,
    /// The job of each attempt.
    attempted: BTreeMap<String, JobKey>,
    /// Results that were looked at.
    seen: BTreeSet<String>,
    attempts: u64,
    /// Connections that are not closed yet.
    pub(super) open: BTreeSet<Generation>,
}

struct Session {
    token: String,
    connection: Option<(Generation, UnboundedSender<Message>)>,
    next_seq: u64,
    /// What its client has not acknowledged.
    outbox: BTreeMap<u64, Kept>,
}

/// An outcome that is not acknowledged.
struct Kept {
    job_id: String,
    message: ToSession,
    was_sent: bool,
}

struct Node {
    id: String,
    generation: Generation,
    outgoing: UnboundedSender<Message>,
    capacity: usize,
}

struct Job {
    session: String,
    submit: Submit,
    order: u64,
    submitted: Instant,
    /// Since when a node has it, without a word.
    dispatched: Option<Instant>,
    /// Its latest attempt.
    attempt_id: String,
    /// Whether it may still be given to a node.
    waits: bool,
}

impl Node {
    fn is_lost(&self, close_code: u16, by: &str) {
        info!(target: TARGET, node_id = %self.id, generation = self.generation, close_code, by, "node lost");
    }
}

impl Job {
    /// Its attempt counts no longer, if it has one.
    fn spend(&mut self, reason: &str) {
        if self.dispatched.take().is_some() {
            let Self { submit: Submit { job_id, trace_id, .. }, attempt_id, session, .. } = &*self;
            info!(target: TARGET, job_id, %attempt_id, %trace_id, session_id = session, reason, "attempt spent");
        }
    }
}

impl Tables {
    pub(super) fn new(defect: Defect) -> Self {
        Self {
            defect,
            epoch: id::epoch(),
            sessions: BTreeMap::new(),
            node: None,
            jobs: BTreeMap::new(),
            finished: BTreeSet::new(),
            attempted: BTreeMap::new(),
            seen: BTreeSet::new(),
            attempts: 0,
            open: BTreeSet::new(),
        }
    }

    /// The session that a hello begins or takes up again; none if it is refused.
    pub(super) fn hello(
        &mut self,
        generation: Generation,
        outgoing: &UnboundedSender<Message>,
        resume: Option<Resume>,
    ) -> Option<String> {
        let any = |defect| self.defect == defect;
        let known = resume.filter(|resume| any(Defect::TakesAnyEpoch) || resume.epoch == self.epoch);
        let session = known.as_ref().and_then(|resume| self.sessions.get(&resume.session_id));
        let is_its_own = session.zip(known.as_ref()).is_some_and(|(session, resume)| session.token == resume.token);
        let is_owner = is_its_own || session.is_some() && any(Defect::TakesAnyToken);
        let refused = match (session, &known) {
            (Some(session), Some(resume)) if is_owner => (resume.last_seq >= session.next_seq).then_some(1008),
            (Some(session), _) => session.connection.is_some().then_some(4003),
            (None, _) => None,
        };
        if let Some(code) = refused {
            close(outgoing, code);
            return None;
        }
        let known = known.filter(|_| is_owner);
        let (id, last_seq) = match &known {
            Some(resume) => (resume.session_id.clone(), resume.last_seq),
            None => (id::session(), 0),
        };
        self.acknowledged(&id, last_seq);
        let session = self.sessions.entry(id.clone()).or_insert_with(|| Session {
            token: id::token(),
            connection: None,
            next_seq: 1,
            outbox: BTreeMap::new(),
        });
        let old = session.connection.replace((generation, outgoing.clone()));
        if let Some((_, old)) = old.filter(|_| self.defect != Defect::KeepsTheFirstOwner) {
            close(&old, 4001);
        }
        info!(target: TARGET, session_id = %id, generation, resumed = known.is_some(), "session connected");
        let ack = ToSession::SessionInitAck {
            session_id: id.clone(),
            token: session.token.clone(),
            epoch: self.epoch.clone(),
            resumed: known.is_some(),
            next_seq: session.next_seq,
        };
        tell(outgoing, &ack);
        for kept in session.outbox.values_mut() {
            if let ToSession::Result { redelivered, .. } = &mut kept.message {
                *redelivered = kept.was_sent;
            }
            kept.was_sent = true;
            tell(outgoing, &kept.message);
        }
        self.gauges();
        Some(id)
    }

    pub(super) fn session_says(&mut self, id: &str, message: FromSession) {
        match message {
            FromSession::Submit(submit) => self.submit(id, submit),
            FromSession::Ack { upto_seq } => self.acknowledged(id, upto_seq),
            FromSession::SessionClose => {
                self.sessions.remove(id);
                self.jobs.retain(|_, job| job.session != id);
            }
            FromSession::SessionInit { .. } | FromSession::Error { .. } => {}
        }
        self.gauges();
    }

    fn submit(&mut self, session: &str, submit: Submit) {
        let job_id = submit.job_id.clone();
        if let Some((_, outgoing)) = self.sessions.get(session).and_then(|session| session.connection.as_ref()) {
            tell(outgoing, &ToSession::SubmitAck { job_id: job_id.clone() });
        }
        let key = (job_id.clone(), submit.trace_id.clone());
        if self.jobs.contains_key(&key) || self.finished.contains(&key) {
            return;
        }
        info!(target: TARGET, session_id = session, %job_id, trace_id = %submit.trace_id, "submit accepted");
        let waits = self.defect != Defect::NodeAtSubmit || self.node.is_some();
        let order = self.attempts + self.jobs.len() as u64;
        let session = session.to_owned();
        let job = Job {
            session,
            submit,
            order,
            submitted: Instant::now(),
            dispatched: None,
            attempt_id: String::new(),
            waits,
        };
        self.jobs.insert(key, job);
        self.assign();
    }

    /// The job that a node speaks of. An attempt of an earlier life is known by its job's name.
    fn meant(&self, job_id: &str, attempt_id: &str) -> Option<JobKey> {
        let known = self.attempted.get(attempt_id);
        known.or_else(|| self.jobs.keys().find(|(name, _)| name == job_id)).cloned()
    }

    fn acknowledged(&mut self, id: &str, upto_seq: u64) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let later = session.outbox.split_off(&(upto_seq + 1));
        for (seq, Kept { job_id, message, .. }) in std::mem::replace(&mut session.outbox, later) {
            if let ToSession::Result { .. } = message {
                info!(target: TARGET, session_id = id, %job_id, seq, "result delivered");
            }
        }
    }

    /// Gives waiting jobs to the node, the oldest first, as many as it takes.
    fn assign(&mut self) {
        let Some(node) = &self.node else { return };
        let busy = self.jobs.values().filter(|job| job.waits && job.dispatched.is_some()).count();
        let mut waiting: Vec<_> =
            self.jobs.iter_mut().filter(|(_, job)| job.waits && job.dispatched.is_none()).collect();
        waiting.sort_by_key(|(_, job)| job.order);
        for (key, job) in waiting.into_iter().take(node.capacity.saturating_sub(busy)) {
            self.attempts += 1;
            job.dispatched = Some(Instant::now());
            let attempt_id = format!("{}-{}", self.epoch, self.attempts);
            let Submit { job_id, trace_id, .. } = &job.submit;
            let session = &job.session;
            info!(target: TARGET, %job_id, %attempt_id, node_id = %node.id, %trace_id, session_id = session, "job assigned");
            job.attempt_id = attempt_id.clone();
            self.attempted.insert(attempt_id.clone(), key.clone());
            let assignment = ToNode::JobAssign {
                job_id: job.submit.job_id.clone(),
                attempt_id: attempt_id.clone(),
                text: job.submit.text.clone(),
                src_lang: job.submit.src_lang.clone(),
                tgt_lang: job.submit.tgt_lang.clone(),
                trace_id: job.submit.trace_id.clone(),
            };
            tell(&node.outgoing, &assignment);
        }
    }

    pub(super) fn node_says(&mut self, generation: Generation, outgoing: &UnboundedSender<Message>, message: FromNode) {
        match message {
            FromNode::NodeRegister { node_id, token, capacity } => {
                if let Some(old) = self.node.take() {
                    old.is_lost(4001, "us");
                }
                self.requeue();
                let (node_id, token) = (node_id.unwrap_or_else(id::node), token.unwrap_or_else(id::token));
                let (outgoing, capacity) = (outgoing.clone(), capacity as usize);
                info!(target: TARGET, %node_id, generation, "node registered");
                self.node = Some(Node { id: node_id.clone(), generation, outgoing: outgoing.clone(), capacity });
                tell(&outgoing, &ToNode::NodeRegisterAck { node_id, token, epoch: self.epoch.clone() });
            }
            FromNode::JobAck { job_id, attempt_id } | FromNode::JobProgress { job_id, attempt_id } => {
                let key = self.meant(&job_id, &attempt_id);
                let job = key.and_then(|key| self.jobs.get_mut(&key));
                if let Some(job) = job.filter(|job| job.dispatched.is_some()) {
                    job.dispatched = Some(Instant::now());
                }
            }
            FromNode::JobResult { job_id, attempt_id, ok: true, text, .. } => {
                if let Some(accepted) = self.result(&job_id, &attempt_id, text) {
                    tell(outgoing, &ToNode::ResultAck { job_id, attempt_id, accepted });
                }
            }
            FromNode::JobResult { job_id, attempt_id, ok: false, text, .. } => {
                if let Some(job) = self.meant(&job_id, &attempt_id).and_then(|key| self.jobs.get_mut(&key)) {
                    job.spend(&format!("failed: {text}"));
                }
                tell(outgoing, &ToNode::ResultAck { job_id: job_id.clone(), attempt_id, accepted: false });
            }
            FromNode::NodeHeartbeat => {}
        }
        self.assign();
        self.gauges();
    }

    /// Takes a result in; whether it is the job's outcome, or nothing if that could not be settled.
    fn result(&mut self, job_id: &str, attempt_id: &str, text: String) -> Option<bool> {
        if self.defect == Defect::SeenBeforeProcessed {
            if !self.seen.insert(attempt_id.to_owned()) {
                return Some(false);
            }
            let job = self.meant(job_id, attempt_id).and_then(|key| self.jobs.get(&key))?;
            let away = self.sessions.get(&job.session).is_none_or(|session| session.connection.is_none());
            if away {
                debug!(target: TARGET, job_id, "its session is away; the node will have to send it again");
                return None;
            }
        }
        let Some(key) = self.meant(job_id, attempt_id) else { return Some(false) };
        let Some(job) = self.jobs.get_mut(&key) else { return Some(false) };
        let (session, trace_id) = (job.session.clone(), job.submit.trace_id.clone());
        if self.defect == Defect::TimerOutlivesResult {
            job.waits = false;
        } else {
            self.jobs.remove(&key);
        }
        let fresh = self.finished.insert(key);
        if fresh {
            info!(target: TARGET, job_id, session_id = %session, %trace_id, outcome = "result", "job finished");
            let (job_id, attempt_id) = (job_id.to_owned(), attempt_id.to_owned());
            self.deliver(&session, job_id.clone(), |seq| ToSession::Result {
                seq,
                job_id,
                attempt_id,
                text,
                redelivered: false,
            });
        }
        Some(fresh)
    }

    fn fail(&mut self, key: JobKey, code: FailureCode) {
        let Some(job) = self.jobs.remove(&key) else { return };
        let job_id = job.submit.job_id.as_str();
        self.finished.insert(key);
        let trace_id = &job.submit.trace_id;
        info!(target: TARGET, job_id, session_id = %job.session, %trace_id, outcome = code.name(), "job finished");
        let id = job_id.to_owned();
        let message = "the job took too long".to_owned();
        self.deliver(&job.session, id.clone(), |seq| ToSession::JobFailed { seq, job_id: id, code, message });
    }

    /// Puts an outcome into a session's outbox, and sends it if the session is connected.
    fn deliver(&mut self, session: &str, job_id: String, outcome: impl FnOnce(u64) -> ToSession) {
        let Some(session) = self.sessions.get_mut(session) else { return };
        let message = outcome(session.next_seq);
        if let Some((_, outgoing)) = &session.connection {
            tell(outgoing, &message);
            if self.defect == Defect::SendCountsAsDelivered {
                info!(target: TARGET, %job_id, seq = session.next_seq, "result delivered");
                session.next_seq += 1;
                return;
            }
        }
        let was_sent = session.connection.is_some();
        session.outbox.insert(session.next_seq, Kept { job_id, message, was_sent });
        session.next_seq += 1;
    }

    /// Ends what has waited too long.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        let homeless = self.node.is_none() || self.defect == Defect::NodeAtSubmit;
        let late = self.jobs.iter().filter_map(|(key, job)| match job.dispatched {
            Some(since) => (now - since >= NO_PROGRESS).then(|| (key.clone(), FailureCode::JobTimeout)),
            None if homeless => (now - job.submitted >= NO_NODE).then(|| (key.clone(), FailureCode::NoAvailableNode)),
            None => None,
        });
        for (key, code) in late.collect::<Vec<_>>() {
            self.fail(key, code);
        }
        self.assign();
        self.gauges();
    }

    /// A session's connection has ended.
    pub(super) fn session_lost(&mut self, id: &str, generation: Generation) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let is_its_own = session.connection.as_ref().is_some_and(|(current, _)| *current == generation);
        if is_its_own || self.defect == Defect::CleanupById {
            session.connection = None;
        }
        self.gauges();
    }

    /// A node's connection has ended.
    pub(super) fn node_lost(&mut self, generation: Generation) {
        if let Some(node) = self.node.take_if(|node| node.generation == generation) {
            node.is_lost(1006, "peer");
            self.requeue();
        }
        self.gauges();
    }

    fn requeue(&mut self) {
        self.jobs.values_mut().for_each(|job| job.spend("node lost"));
    }

    fn gauges(&self) {
        let connected = self.sessions.values().filter(|session| session.connection.is_some()).count();
        let undelivered: usize = self.sessions.values().map(|session| session.outbox.len()).sum();
        let gauges = [
            ("connected_sessions", connected),
            ("connected_nodes", usize::from(self.node.is_some())),
            ("open_jobs", self.jobs.len()),
            ("undelivered_outcomes", undelivered),
        ];
        for (name, value) in gauges {
            debug!(target: TARGET, name, value, "gauge");
        }
    }
}

/// Closes a connection, behind what is queued.
fn close(outgoing: &UnboundedSender<Message>, code: u16) {
    let frame = CloseFrame { code: code.into(), reason: "".into() };
    // A connection that is gone needs no goodbye.
    let _ = outgoing.send(Message::Close(Some(frame)));
}

/// Puts a message into a connection's queue; a queue that is no longer emptied takes it as well.
fn tell<M: Protocol>(outgoing: &UnboundedSender<Message>, message: &M) {
    // The connection's tasks notice a client that is gone.
    let _ = outgoing.send(Message::text(encode(message)));
}
