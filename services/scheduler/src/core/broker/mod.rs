//! The scheduler as a machine: what it knows and decides.
//!
//! - [`Broker`] (here): inputs, outputs, and which part answers what.
//! - `admission`: who makes room when there is none, and how much one session may hold.
//! - `sessions`: hello, resume, submits, acknowledgements, loss and forgetting of sessions.
//! - `outbox`: the ordered, unacknowledged outcomes of one session.
//! - `jobs`: open jobs, their attempts, and how each ends exactly once.
//! - `dispatch`: the queue meets the nodes. `queue`: who waits, and whose turn it is. `trust`: who may be given work.
//! - `nodes`: registration, liveness and traffic of the workers.
//! - `timers`: one deadline per thing that has one.
//! - `drain`: the orderly end.
//! - `ids`, `event`: names, and what the shell logs.
//!
//! Invariant: a connection that the core has closed or lost is not in `connections`, so nothing that it still sends
//! changes anything.

mod admission;
mod dispatch;
mod drain;
mod event;
mod ids;
mod jobs;
mod nodes;
mod outbox;
mod queue;
mod sessions;
mod timers;
mod trust;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use halfopen_link::close::code;
use halfopen_link::message::{FromNode, FromSession, ToNode, ToSession};
use halfopen_link::{By, ConnectionEnd};
use halfopen_machine::{Bug, Machine, OrBug, ensure};

pub use event::{Event, Gauges, SpentReason, outcome_name};
pub(crate) use trust::doubled;

pub use ids::{AttemptId, ConnectionId, Epoch, Generation, JobId, NodeId, SessionId, Token};

use crate::core::config::{Limits, Timings};
use ids::{IdGenerator, JobKey};
use jobs::{Attempt, Job};
use nodes::Node;
use queue::Queue;
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
    /// A WebSocket is open; its number was never used before. If its peer turns out to be new, the token becomes the peer's
    /// secret: the shell draws it from the operating system, because a machine has no generator that is fit for secrets.
    Opened(ConnectionId, Leg, Token),
    /// A message on a connection of the session leg.
    FromSession(ConnectionId, FromSession),
    /// A message on a connection of the node leg.
    FromNode(ConnectionId, FromNode),
    /// The connection is over, whatever ended it.
    Lost(ConnectionId, ConnectionEnd),
    /// The connection's queue has no room: its peer reads too slowly.
    Overflowed(ConnectionId),
    /// A bug of ours was met in the service of this connection, which is closed for it.
    Failed(ConnectionId),
    /// Stop: take nothing new, finish within the grace period.
    Shutdown,
}

impl Input {
    /// The connection that it came on.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Opened(connection, ..)
            | Self::FromSession(connection, _)
            | Self::FromNode(connection, _)
            | Self::Lost(connection, _)
            | Self::Overflowed(connection)
            | Self::Failed(connection) => Some(*connection),
            Self::Shutdown => None,
        }
    }
}

/// Something to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Queue a message.
    ToSession(ConnectionId, ToSession),
    /// Queue a message.
    ToNode(ConnectionId, ToNode),
    /// Close the connection once its queued messages are out; the core has forgotten it already.
    Close(ConnectionId, CloseFrame),
    /// Log an event, and count it.
    Event(Event),
    /// Everything is closed after a [`Input::Shutdown`]; the flag tells whether nothing was left undone.
    Drained {
        /// No open job, and no outcome that a present session had not acknowledged.
        completely: bool,
    },
}

/// What the last frame on a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The close code; one that may be sent.
    pub code: u16,
    /// A sentence for people.
    pub reason: &'static str,
}

/// Whose connection it is, and which generation of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// The peer has not said who it is; the token is for it if it is new.
    Unauthenticated(Leg, Token),
    Session(SessionId, Generation),
    Node(NodeId, Generation),
}

/// The scheduler's state.
///
/// ```
/// use std::time::Instant;
/// use halfopen_link::LinkConfig;
/// use halfopen_link::message::{FromSession, ToSession};
/// use halfopen_machine::Machine;
/// use halfopen_scheduler::broker::{Broker, ConnectionId, Input, Leg, Output};
/// use halfopen_scheduler::config::{Limits, Timings};
///
/// let now = Instant::now();
/// let largest = LinkConfig::default().largest_message;
/// let mut broker = Broker::new(Timings::default(), Limits::default(), largest, 7, now);
/// let connection = ConnectionId(1);
/// broker.handle(Input::Opened(connection, Leg::Session, "a secret".into()), now)?;
/// let hello = FromSession::SessionInit { client_version: "1.0".into(), resume: None };
/// broker.handle(Input::FromSession(connection, hello), now)?;
/// let mut outputs = std::iter::from_fn(|| broker.poll_output());
/// assert!(outputs.any(|output| {
///     matches!(output, Output::ToSession(to, ToSession::SessionInitAck { next_seq: 1, .. }) if to == connection)
/// }));
/// # Ok::<(), halfopen_machine::Bug>(())
/// ```
#[derive(Debug)]
pub struct Broker {
    timings: Timings,
    limits: Limits,
    largest_message: usize,
    now: Instant,
    ids: IdGenerator,
    epoch: Epoch,
    connections: BTreeMap<ConnectionId, Owner>,
    sessions: BTreeMap<SessionId, Session>,
    /// Sessions that could make room for another, the longest absent first.
    idle_absent: BTreeSet<(Instant, SessionId)>,
    /// When a bound was last told of.
    warned: BTreeMap<&'static str, Instant>,
    nodes: BTreeMap<NodeId, Node>,
    /// Open jobs; a job that has its outcome is not here.
    jobs: BTreeMap<JobKey, Job>,
    jobs_opened: u64,
    /// Every attempt at an open job, spent ones included.
    attempts: BTreeMap<AttemptId, Attempt>,
    /// Open jobs without a current attempt.
    queue: Queue,
    /// Attempts whose result was taken, so that a node that asks again hears the same; bounded.
    winners: VecDeque<AttemptId>,
    /// Nodes with a connection, and since when there has been one at all, or none.
    live_nodes: BTreeSet<NodeId>,
    liveness_changed: Instant,
    /// Sessions with a connection, and outcomes in all outboxes and in those of absent sessions: counted, because they are asked for all the time.
    present_sessions: usize,
    undelivered: usize,
    undelivered_to_absent: usize,
    /// Bytes of text in open jobs, and in all outboxes; counted as well.
    job_bytes: usize,
    outbox_bytes: usize,
    timers: Timers,
    draining: Option<drain::Draining>,
    outputs: VecDeque<Output>,
}

impl Broker {
    /// A scheduler without sessions and nodes. Ids come from `seed`; `largest_message` is the link's, in bytes.
    #[must_use]
    pub fn new(timings: Timings, limits: Limits, largest_message: usize, seed: u64, now: Instant) -> Self {
        let mut ids = IdGenerator::new(seed);
        let epoch = ids.epoch();
        Self {
            timings,
            limits,
            largest_message,
            now,
            ids,
            epoch,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            idle_absent: BTreeSet::new(),
            warned: BTreeMap::new(),
            nodes: BTreeMap::new(),
            jobs: BTreeMap::new(),
            jobs_opened: 0,
            attempts: BTreeMap::new(),
            queue: Queue::default(),
            winners: VecDeque::new(),
            live_nodes: BTreeSet::new(),
            liveness_changed: now,
            present_sessions: 0,
            undelivered: 0,
            undelivered_to_absent: 0,
            job_bytes: 0,
            outbox_bytes: 0,
            timers: Timers::default(),
            draining: None,
            outputs: VecDeque::new(),
        }
    }

    /// This scheduler process.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// What the scheduler holds.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            connected_sessions: self.present_sessions,
            connected_nodes: self.live_nodes.len(),
            open_connections: self.connections.len(),
            known_sessions: self.sessions.len(),
            benched_nodes: self.live_nodes.iter().filter(|id| self.is_benched(id)).count(),
            known_nodes: self.nodes.len(),
            open_jobs: self.jobs.len(),
            queued_jobs: self.queue.len(),
            busy_slots: self.nodes.values().map(|node| node.running.len()).sum(),
            open_attempts: self.attempts.len(),
            undelivered_outcomes: self.undelivered,
            outcomes_of_absent_sessions: self.undelivered_to_absent,
            outbox_bytes: self.outbox_bytes,
            buffered_bytes: self.job_bytes + self.outbox_bytes,
        }
    }

    fn is_benched(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(|node| node.trust.is_benched(self.now))
    }

    fn opened(&mut self, connection: ConnectionId, leg: Leg, token: Token) -> Result<(), Bug> {
        ensure(!self.connections.contains_key(&connection), "the number of a connection is never used again")?;
        self.connections.insert(connection, Owner::Unauthenticated(leg, token));
        if self.draining.is_some() {
            return self.close(connection, code::RESTART, By::Us, "shutting down");
        }
        self.timers.set(Timer::Hello(connection), Some(self.now + self.timings.hello_timeout));
        Ok(())
    }

    fn timed_out(&mut self, timer: Timer) -> Result<(), Bug> {
        match timer {
            Timer::Hello(connection) => self.close(connection, code::NO_HELLO, By::Timeout, "no hello"),
            Timer::Session(session) => self.session_timed_out(&session),
            Timer::Job(key) => self.job_timed_out(&key),
            Timer::Attempt(attempt) => self.attempt_timed_out(&attempt),
            Timer::Node(node) => self.node_timed_out(&node),
            // Every job that waits is looked at after every timer.
            Timer::Held(_) => Ok(()),
            Timer::Grace => self.grace_is_over(),
        }
    }

    /// Closes a connection from our side: it is forgotten at once, and what still comes from it changes nothing.
    fn close(&mut self, connection: ConnectionId, close_code: u16, by: By, reason: &'static str) -> Result<(), Bug> {
        // Legal: it was closed or lost while the shell found its queue full.
        if !self.connections.contains_key(&connection) {
            return Ok(());
        }
        self.outputs.push_back(Output::Close(connection, CloseFrame { code: close_code, reason }));
        self.lost(connection, ConnectionEnd { close_code, by, detail: reason.to_owned() })
    }

    /// Forgets a connection.
    fn lost(&mut self, connection: ConnectionId, end: ConnectionEnd) -> Result<(), Bug> {
        match self.connections.remove(&connection) {
            // Legal: it was closed from this side, and its end is told all the same.
            None => Ok(()),
            Some(Owner::Unauthenticated(..)) => {
                self.timers.set(Timer::Hello(connection), None);
                Ok(())
            }
            Some(Owner::Session(session, generation)) => self.session_lost(&session, generation, end),
            Some(Owner::Node(node, generation)) => self.node_lost(&node, generation, end),
        }
    }

    /// The connection has said who it is.
    fn authenticate(&mut self, connection: ConnectionId, owner: Owner) {
        self.timers.set(Timer::Hello(connection), None);
        self.connections.insert(connection, owner);
    }

    /// The token that the shell has drawn for a connection.
    fn token_of(&self, connection: ConnectionId) -> Result<Token, Bug> {
        match self.connections.get(&connection) {
            Some(Owner::Unauthenticated(_, token)) => Ok(token.clone()),
            Some(Owner::Session(..) | Owner::Node(..)) | None => {
                Err(Bug::new("an identity is made for a connection that has none"))
            }
        }
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn tell_session(&mut self, connection: ConnectionId, message: ToSession) {
        self.outputs.push_back(Output::ToSession(connection, message));
    }

    fn tell_node(&mut self, connection: ConnectionId, message: ToNode) {
        self.outputs.push_back(Output::ToNode(connection, message));
    }
}

impl Machine for Broker {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    /// An input counts before any deadline that `now` has reached: a result that has come is never beaten by its own timeout, nor
    /// a node by the wait for one.
    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Bug> {
        self.now = now;
        let handled = match input {
            Input::Opened(connection, leg, token) => self.opened(connection, leg, token),
            Input::FromSession(connection, message) => self.session_says(connection, message),
            Input::FromNode(connection, message) => self.node_says(connection, message),
            Input::Lost(connection, end) => self.lost(connection, end),
            Input::Overflowed(connection) => self.close(connection, code::TRY_LATER, By::Us, "not reading"),
            Input::Failed(connection) => self.close(connection, code::INTERNAL, By::Us, "internal error"),
            Input::Shutdown => self.start_draining(),
        };
        let dispatched = self.dispatch();
        let drained = self.finish_draining();
        handled.and(dispatched).and(drained)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        self.now = now;
        let mut result = Ok(());
        while let Some(timer) = self.timers.take_due(now) {
            let handled = self.timed_out(timer);
            let dispatched = self.dispatch();
            result = result.and(handled).and(dispatched);
        }
        let drained = self.finish_draining();
        result.and(drained)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

/// Takes from a count.
///
/// # Errors
/// If the count does not cover it.
fn take_from(count: &mut usize, amount: usize) -> Result<(), Bug> {
    *count = count.checked_sub(amount).or_bug("a count covers what is taken from it")?;
    Ok(())
}

#[cfg(test)]
mod tests;
