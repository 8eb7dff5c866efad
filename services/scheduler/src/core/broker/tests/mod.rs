//! The broker under test: no socket, no sleep; the test says what time it is.

mod admission;
mod jobs;
mod model;
mod nodes;
mod owed;
mod sessions;
mod shutdown;
mod silent_success;
mod trust;

use std::time::{Duration, Instant};

use super::*;
use halfopen_link::message::{FailureCode, FromNode, FromSession, Resume, Retry, Submit, ToNode, ToSession};
use halfopen_link::{ConnectionEnd, LinkConfig};
use halfopen_machine::testing::{Strict, start};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A core, its time, and everything that it has said since the last look.
struct Fixture {
    core: Strict<Broker>,
    start: Instant,
    now: Instant,
    connections: u64,
    /// Processes so far; each has a seed of its own.
    processes: u64,
    said: Vec<Output>,
}

/// A broker whose contract as a machine is asserted at every call.
fn strict(broker: Broker) -> Strict<Broker> {
    let mut broker = Strict::new(broker);
    assert_eq!(broker.take_outputs(), []);
    broker
}

/// A session's client: one connection, and what it needs for the next.
#[derive(Clone, Debug)]
struct Client {
    connection: ConnectionId,
    session: String,
    token: String,
    epoch: String,
    resumed: bool,
    next_seq: u64,
}

/// A submit as the fixture's clients send it: 10 bytes and its job id twice beside its text.
fn submit(job: &str, text: String) -> Submit {
    Submit {
        job_id: job.to_owned(),
        utterance_index: 0,
        text,
        src_lang: "en".to_owned(),
        tgt_lang: "de".to_owned(),
        trace_id: format!("trace-{job}"),
    }
}

/// A registered node: one connection, and what it needs for the next.
#[derive(Clone, Debug)]
struct Worker {
    connection: ConnectionId,
    node: String,
    token: String,
}

/// An assignment as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assigned {
    job: String,
    attempt: String,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let now = start();
        let largest = LinkConfig::default().largest_message;
        let core = strict(Broker::new(Timings::default(), limits, largest, 7, now));
        Self { core, start: now, now, connections: 0, processes: 0, said: Vec::new() }
    }

    /// Another scheduler process takes the place of this one, which is killed.
    fn restart(&mut self) {
        self.processes += 1;
        let (timings, limits) = (self.core.timings.clone(), self.core.limits.clone());
        let seed = 7 + self.processes;
        self.core = strict(Broker::new(timings, limits, self.core.largest_message, seed, self.now));
    }

    /// An input, and then, as the shell does it, the deadlines that have been reached.
    fn handle(&mut self, input: Input) {
        self.core.handle(input, self.now).expect("no bug");
        self.said.extend(self.core.take_outputs());
        self.time_out();
    }

    /// Tells the broker the time; it does what is due, if something is.
    fn time_out(&mut self) {
        self.core.handle_timeout(self.now).expect("no bug");
        self.said.extend(self.core.take_outputs());
    }

    /// Lets time pass, stopping at every deadline on the way.
    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(deadline) = self.core.next_timeout().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.time_out();
        }
        self.now = until;
    }

    /// Lets time pass until the given one since the start.
    fn pass_until(&mut self, since_start: Duration) {
        self.pass((self.start + since_start).duration_since(self.now));
    }

    /// Keeps nodes alive while time passes: heartbeats, and progress of the attempts given.
    fn pass_alive(&mut self, duration: Duration, workers: &[&Worker], at_work: &[(&Worker, &Assigned)]) {
        let until = self.now + duration;
        while self.now < until {
            self.pass((5 * SECOND).min(until.duration_since(self.now)));
            for worker in workers {
                self.handle(Input::FromNode(worker.connection, FromNode::NodeHeartbeat));
            }
            for (worker, assigned) in at_work {
                self.progress(worker, assigned);
            }
        }
    }

    fn open(&mut self, leg: Leg) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let token = Token::from(format!("{:032x}", self.connections));
        self.handle(Input::Opened(connection, leg, token));
        connection
    }

    fn client(&mut self) -> Client {
        let connection = self.open(Leg::Session);
        self.greet(connection, None).expect("a new session")
    }

    fn resume(&mut self, client: &Client, last_seq: u64) -> Client {
        let connection = self.open(Leg::Session);
        let (session_id, token, epoch) = (client.session.clone(), client.token.clone(), client.epoch.clone());
        self.greet(connection, Some(Resume { session_id, token, epoch, last_seq })).expect("an answer to the hello")
    }

    fn greet(&mut self, connection: ConnectionId, resume: Option<Resume>) -> Option<Client> {
        self.handle(Input::FromSession(connection, FromSession::SessionInit { client_version: String::new(), resume }));
        let answers = self.drain(|output| match output {
            Output::ToSession(to, ToSession::SessionInitAck { session_id, token, epoch, resumed, next_seq })
                if *to == connection =>
            {
                let (session, token, epoch) = (session_id.clone(), token.clone(), epoch.clone());
                Some(Client { connection, session, token, epoch, resumed: *resumed, next_seq: *next_seq })
            }
            _ => None,
        });
        answers.into_iter().next()
    }

    fn worker(&mut self, capacity: u32) -> Worker {
        self.register(None, capacity).expect("a new node")
    }

    fn register(&mut self, identity: Option<(&str, &str)>, capacity: u32) -> Option<Worker> {
        let connection = self.open(Leg::Node);
        let (node_id, token) = identity.map(|(id, token)| (id.to_owned(), token.to_owned())).unzip();
        self.handle(Input::FromNode(connection, FromNode::NodeRegister { node_id, token, capacity }));
        let answers = self.drain(|output| match output {
            Output::ToNode(to, ToNode::NodeRegisterAck { node_id, token, .. }) if *to == connection => {
                Some(Worker { connection, node: node_id.clone(), token: token.clone() })
            }
            _ => None,
        });
        answers.into_iter().next()
    }

    fn submit(&mut self, client: &Client, job: &str) {
        self.submit_text(client, job, "hello".to_owned());
    }

    fn submit_text(&mut self, client: &Client, job: &str, text: String) {
        self.handle(Input::FromSession(client.connection, FromSession::Submit(submit(job, text))));
    }

    fn ack(&mut self, client: &Client, upto_seq: u64) {
        self.handle(Input::FromSession(client.connection, FromSession::Ack { upto_seq }));
    }

    fn lose(&mut self, connection: ConnectionId) {
        self.handle(Input::Lost(connection, ConnectionEnd::by_network("connection reset")));
    }

    fn take_job(&mut self, worker: &Worker, assigned: &Assigned) {
        let (job_id, attempt_id) = (assigned.job.clone(), assigned.attempt.clone());
        self.handle(Input::FromNode(worker.connection, FromNode::JobAck { job_id, attempt_id }));
    }

    fn progress(&mut self, worker: &Worker, assigned: &Assigned) {
        let (job_id, attempt_id) = (assigned.job.clone(), assigned.attempt.clone());
        self.handle(Input::FromNode(worker.connection, FromNode::JobProgress { job_id, attempt_id }));
    }

    fn answer(&mut self, worker: &Worker, assigned: &Assigned, ok: bool, text: &str) {
        let (job_id, attempt_id) = (assigned.job.clone(), assigned.attempt.clone());
        let text = text.to_owned();
        let (retry, retry_after_ms) = (None, None);
        let said = FromNode::JobResult { job_id, attempt_id, ok, text, retry, retry_after_ms };
        self.handle(Input::FromNode(worker.connection, said));
    }

    /// The node has no result, and says what is to become of the job.
    fn refuse(&mut self, worker: &Worker, assigned: &Assigned, retry: Retry, retry_after_ms: Option<u64>) {
        let (job_id, attempt_id) = (assigned.job.clone(), assigned.attempt.clone());
        let (text, retry) = ("no".to_owned(), Some(retry));
        let said = FromNode::JobResult { job_id, attempt_id, ok: false, text, retry, retry_after_ms };
        self.handle(Input::FromNode(worker.connection, said));
    }

    /// What a session's connection has been told since the last look.
    fn told_session(&mut self, connection: ConnectionId) -> Vec<ToSession> {
        self.drain(|output| match output {
            Output::ToSession(to, message) if *to == connection => Some(message.clone()),
            _ => None,
        })
    }

    /// What a node's connection has been told since the last look.
    fn told_node(&mut self, connection: ConnectionId) -> Vec<ToNode> {
        self.drain(|output| match output {
            Output::ToNode(to, message) if *to == connection => Some(message.clone()),
            _ => None,
        })
    }

    fn assigned(&mut self, worker: &Worker) -> Vec<Assigned> {
        let connection = worker.connection;
        self.drain(|output| match output {
            Output::ToNode(to, ToNode::JobAssign { job_id, attempt_id, .. }) if *to == connection => {
                Some(Assigned { job: job_id.clone(), attempt: attempt_id.clone() })
            }
            _ => None,
        })
    }

    fn only_assigned(&mut self, worker: &Worker) -> Assigned {
        let assigned = self.assigned(worker);
        assert_eq!(assigned.len(), 1, "one assignment: {assigned:?}");
        assigned[0].clone()
    }

    /// Outcomes sent on a client's connection since the last look.
    fn outcomes(&mut self, client: &Client) -> Vec<(u64, String, Option<FailureCode>)> {
        let connection = client.connection;
        self.drain(|output| match output {
            Output::ToSession(to, ToSession::Result { seq, job_id, .. }) if *to == connection => {
                Some((*seq, job_id.clone(), None))
            }
            Output::ToSession(to, ToSession::JobFailed { seq, job_id, code, .. }) if *to == connection => {
                Some((*seq, job_id.clone(), Some(*code)))
            }
            _ => None,
        })
    }

    /// Connections closed since the last look, with their codes.
    fn closed(&mut self) -> Vec<(ConnectionId, u16)> {
        self.drain(|output| match output {
            Output::Close(connection, frame) => Some((*connection, frame.code)),
            _ => None,
        })
    }

    fn events(&mut self) -> Vec<Event> {
        self.drain(|output| match output {
            Output::Event(event) => Some(event.clone()),
            _ => None,
        })
    }

    /// Jobs whose delivery has been said since the last look.
    fn delivered(&mut self) -> Vec<String> {
        self.drain(|output| match output {
            Output::Event(Event::Delivered { job, .. }) => Some(job.to_string()),
            _ => None,
        })
    }

    /// Why attempts were spent since the last look.
    fn spent(&mut self) -> Vec<SpentReason> {
        self.drain(|output| match output {
            Output::Event(Event::AttemptSpent { reason, .. }) => Some(reason.clone()),
            _ => None,
        })
    }

    fn drain<T>(&mut self, mut look: impl FnMut(&Output) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        self.said.retain(|output| match look(output) {
            Some(value) => {
                found.push(value);
                false
            }
            None => true,
        });
        found
    }
}
