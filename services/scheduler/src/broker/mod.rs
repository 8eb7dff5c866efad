//! The pure core: what the scheduler knows and decides. It owns no socket and no clock; whoever owns it hands in what
//! came and the time, and carries out what it answers.
//!
//! - [`Broker`] (here): inputs, outputs, and which part answers what.
//! - `sessions`: hello, resume, submits, acknowledgements, loss and forgetting of sessions.
//! - `outbox`: the ordered, unacknowledged outcomes of one session.
//! - `jobs`: open jobs, their attempts, and how each ends exactly once.
//! - `dispatch`: the queue, the choice of a node, and the waits that end in a failure.
//! - `nodes`: registration, liveness and traffic of the workers.
//! - `timers`: one deadline per thing that has one.
//! - `drain`: the orderly end.
//! - `ids`, `happening`: names, and what is worth saying.
//!
//! Invariant: a connection that the core has closed or lost is not in `connections`, so nothing that it still sends
//! changes anything.

mod dispatch;
mod drain;
mod happening;
mod ids;
mod jobs;
mod nodes;
mod outbox;
mod sessions;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use halfopen_link::close::code;
use halfopen_link::message::{FromNode, FromSession, ToNode, ToSession};
use halfopen_link::{By, Ending};
use tokio::time::Instant;

pub use happening::{Gauges, Happening, SpentReason, outcome_name};
pub use ids::{AttemptId, ConnectionId, Epoch, Generation, JobId, NodeId, SessionId, Token};

use crate::config::{Limits, Timings};
use ids::{JobKey, Mint};
use jobs::{Attempt, Job};
use nodes::Node;
use sessions::Session;
use timers::{Timer, Timers};

/// Which protocol a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// `/ws/session`.
    Session,
    /// `/ws/node`.
    Node,
}

/// Something that came.
#[derive(Clone, Debug)]
pub enum Input {
    /// A WebSocket is open; its number was never used before.
    Opened(ConnectionId, Leg),
    /// A message on a connection of the session leg.
    FromSession(ConnectionId, FromSession),
    /// A message on a connection of the node leg.
    FromNode(ConnectionId, FromNode),
    /// The connection is over, whatever ended it.
    Lost(ConnectionId, Ending),
    /// The connection's queue has no room: its peer reads too slowly.
    Overflowed(ConnectionId),
    /// The deadline has been reached.
    Timeout,
    /// Stop: take nothing new, finish within the grace period.
    Shutdown,
}

/// Something to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Queue a message.
    ToSession(ConnectionId, ToSession),
    /// Queue a message.
    ToNode(ConnectionId, ToNode),
    /// Close the connection once its queued messages are out; the core has forgotten it already.
    Close(ConnectionId, u16, &'static str),
    /// Say that this has happened.
    Happened(Happening),
    /// Everything is closed after a [`Input::Shutdown`]; the flag tells whether nothing was left undone.
    Drained {
        /// No open job, and no outcome that a present session had not acknowledged.
        completely: bool,
    },
}

/// Whose connection it is, and which generation of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// Nobody's yet.
    Stranger(Leg),
    Session(SessionId, Generation),
    Node(NodeId, Generation),
}

/// The scheduler's state.
///
/// ```
/// use halfopen_link::LinkConfig;
/// use halfopen_link::message::{FromSession, ToSession};
/// use halfopen_scheduler::broker::{Broker, ConnectionId, Input, Leg, Output};
/// use halfopen_scheduler::config::{Limits, Timings};
/// use tokio::time::Instant;
///
/// let now = Instant::now();
/// let largest = LinkConfig::default().largest_message;
/// let mut broker = Broker::new(Timings::default(), Limits::default(), largest, [0; 32], now);
/// let connection = ConnectionId(1);
/// broker.handle(Input::Opened(connection, Leg::Session), now);
/// let hello = FromSession::SessionInit { client_version: "1.0".into(), resume: None };
/// let outputs = broker.handle(Input::FromSession(connection, hello), now);
/// assert!(outputs.iter().any(|output| {
///     matches!(output, Output::ToSession(to, ToSession::SessionInitAck { next_seq: 1, .. }) if *to == connection)
/// }));
/// ```
#[derive(Debug)]
pub struct Broker {
    timings: Timings,
    limits: Limits,
    largest_message: usize,
    now: Instant,
    mint: Mint,
    epoch: Epoch,
    connections: BTreeMap<ConnectionId, Owner>,
    sessions: BTreeMap<SessionId, Session>,
    nodes: BTreeMap<NodeId, Node>,
    /// Open jobs; a job that has its outcome is not here.
    jobs: BTreeMap<JobKey, Job>,
    /// Every attempt at an open job, spent ones included.
    attempts: BTreeMap<AttemptId, Attempt>,
    /// Open jobs without a current attempt, in the order in which they will be assigned.
    queue: VecDeque<JobKey>,
    /// Attempts whose result was taken, so that a node that asks again hears the same; bounded.
    winners: VecDeque<AttemptId>,
    /// Nodes with a connection, and since when there has been one at all, or none.
    live_nodes: BTreeSet<NodeId>,
    liveness_changed: Instant,
    /// Sessions with a connection, and outcomes in all outboxes: counted, because they are asked for all the time.
    present_sessions: usize,
    undelivered: usize,
    /// Bytes of text in open jobs, and in all outboxes; counted as well.
    job_bytes: usize,
    outbox_bytes: usize,
    timers: Timers,
    draining: Option<drain::Draining>,
    outputs: Vec<Output>,
}

impl Broker {
    /// A core that knows nobody. Ids and secrets come from `seed`; `largest_message` is the link's, in bytes.
    #[must_use]
    pub fn new(timings: Timings, limits: Limits, largest_message: usize, seed: [u8; 32], now: Instant) -> Self {
        let mut mint = Mint::new(seed);
        let epoch = mint.epoch();
        Self {
            timings,
            limits,
            largest_message,
            now,
            mint,
            epoch,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            nodes: BTreeMap::new(),
            jobs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            queue: VecDeque::new(),
            winners: VecDeque::new(),
            live_nodes: BTreeSet::new(),
            liveness_changed: now,
            present_sessions: 0,
            undelivered: 0,
            job_bytes: 0,
            outbox_bytes: 0,
            timers: Timers::default(),
            draining: None,
            outputs: Vec::new(),
        }
    }

    /// This scheduler process.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// When to call with [`Input::Timeout`] if nothing comes before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes one input at `now`, which never goes back. The input counts before any deadline that `now` has reached:
    /// a result that has come is never beaten by its own timeout, nor a node by the wait for one.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Output> {
        self.now = self.now.max(now);
        match input {
            Input::Opened(connection, leg) => self.opened(connection, leg),
            Input::FromSession(connection, message) => self.session_says(connection, message),
            Input::FromNode(connection, message) => self.node_says(connection, message),
            Input::Lost(connection, ending) => self.lost(connection, ending),
            Input::Overflowed(connection) => self.close(connection, code::TRY_LATER, By::Us, "not reading"),
            Input::Timeout => {}
            Input::Shutdown => self.start_draining(),
        }
        self.dispatch();
        while let Some(timer) = self.timers.take_due(self.now) {
            self.timed_out(timer);
            self.dispatch();
        }
        self.finish_draining();
        std::mem::take(&mut self.outputs)
    }

    /// How many there are of what must come back to nothing.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            connected_sessions: self.present_sessions,
            connected_nodes: self.live_nodes.len(),
            open_jobs: self.jobs.len(),
            queued_jobs: self.queue.len(),
            undelivered_outcomes: self.undelivered,
            buffered_bytes: self.job_bytes + self.outbox_bytes,
        }
    }

    fn opened(&mut self, connection: ConnectionId, leg: Leg) {
        self.connections.insert(connection, Owner::Stranger(leg));
        if self.draining.is_some() {
            self.close(connection, code::RESTART, By::Us, "shutting down");
            return;
        }
        self.timers.set(Timer::Hello(connection), Some(self.now + self.timings.hello_timeout));
    }

    fn timed_out(&mut self, timer: Timer) {
        match timer {
            Timer::Hello(connection) => self.close(connection, code::NO_HELLO, By::Timeout, "no hello"),
            Timer::Session(session) => self.session_timed_out(&session),
            Timer::Job(key) => self.job_timed_out(&key),
            Timer::Attempt(attempt) => self.attempt_timed_out(&attempt),
            Timer::Node(node) => self.node_timed_out(&node),
            Timer::Grace => self.grace_is_over(),
        }
    }

    /// Ends a connection from our side: it is forgotten at once, and whatever still comes from it is ignored.
    fn close(&mut self, connection: ConnectionId, close_code: u16, by: By, reason: &'static str) {
        if self.connections.contains_key(&connection) {
            self.outputs.push(Output::Close(connection, close_code, reason));
            self.lost(connection, Ending { close_code, by, detail: reason.to_owned() });
        }
    }

    /// Forgets a connection. Only the generation that it carried may be ended by it.
    fn lost(&mut self, connection: ConnectionId, ending: Ending) {
        match self.connections.remove(&connection) {
            None => {}
            Some(Owner::Stranger(_)) => self.timers.set(Timer::Hello(connection), None),
            Some(Owner::Session(session, generation)) => self.session_lost(&session, generation, ending),
            Some(Owner::Node(node, generation)) => self.node_lost(&node, generation, ending),
        }
    }

    /// The connection has said who it is.
    fn introduce(&mut self, connection: ConnectionId, owner: Owner) {
        self.timers.set(Timer::Hello(connection), None);
        self.connections.insert(connection, owner);
    }

    fn happened(&mut self, happening: Happening) {
        self.outputs.push(Output::Happened(happening));
    }

    fn tell_session(&mut self, connection: ConnectionId, message: ToSession) {
        self.outputs.push(Output::ToSession(connection, message));
    }

    fn tell_node(&mut self, connection: ConnectionId, message: ToNode) {
        self.outputs.push(Output::ToNode(connection, message));
    }
}

#[cfg(test)]
mod tests;
