//! The node as a machine: its connection to the scheduler, its timers, and what it works on.
//!
//! - [`Node`] (here): connecting, registering, heartbeats, leaving.
//! - `state`: the work that runs, and the results that the scheduler has not acknowledged.
//! - `refusal`: what a gateway that does not do the work means by it.

mod refusal;
mod state;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use halfopen_link::ConnectionEnd;
use halfopen_link::close::code;
use halfopen_link::message::{FromNode, ToNode, WorkFailure};
use halfopen_machine::{Bug, Machine};

#[cfg(feature = "shell")]
pub(crate) use refusal::Refusal;
use state::NodeState;
pub(crate) use state::{Assignment, WorkId};

/// The numbers that the machine lives by.
#[derive(Clone, Debug)]
pub(crate) struct NodeSettings {
    /// Jobs worked on at a time.
    pub(crate) capacity: u32,
    /// Results kept for a scheduler that is away.
    pub(crate) results_kept: usize,
    /// From one heartbeat to the next.
    pub(crate) heartbeat_interval: Duration,
    /// From one `job_progress` to the next, for each job.
    pub(crate) progress_interval: Duration,
    /// From an attempt to reach the scheduler that came to nothing to the next one.
    pub(crate) retry_interval: Duration,
    /// From the open WebSocket to the scheduler's `node_register_ack`.
    pub(crate) hello_timeout: Duration,
    /// How long the work at hand may go on after the order to stop.
    pub(crate) shutdown_grace: Duration,
    /// How long the shell takes at most to close a WebSocket.
    pub(crate) close_timeout: Duration,
}

/// What can happen to a node.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The WebSocket that [`Output::Connect`] asked for is open.
    Connected,
    /// No connection came of [`Output::Connect`], for this reason.
    NotConnected(String),
    /// The scheduler has sent a message.
    Received(ToNode),
    /// The scheduler has sent text that is not a message; what is wrong with it.
    Malformed(String),
    /// The queue to the scheduler is full: it does not read.
    Overflowed,
    /// The connection has ended, and its socket is closed.
    Lost(ConnectionEnd),
    /// A piece of work has come to its end.
    Finished(WorkId, Result<String, WorkFailure>),
    /// The service is told to stop.
    Shutdown,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Open a WebSocket to the scheduler.
    Connect,
    /// Queue a message on the open connection.
    Send(FromNode),
    /// Close the open connection with this code and reason, after what is queued.
    Close(u16, String),
    /// Begin a piece of work.
    Start(WorkId, Assignment),
    /// Stop a piece of work: its result is not wanted any more.
    Stop(WorkId),
    /// Log an event.
    Event(Event),
    /// The node has stopped. The last output.
    Stopped,
}

/// An event for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The scheduler has taken the registration.
    /// `again` tells whether under the identity that the node had before.
    Registered { node_id: String, epoch: String, again: bool },
    /// The scheduler was not reached, and is tried again: the attempt is the number of those that failed since the last registration.
    Retrying { attempt: u32, delay: Duration, reason: String },
    /// The scheduler disliked something.
    Complaint { code: String, message: String },
    /// The connection has ended.
    Lost(ConnectionEnd),
    /// The node has acknowledged an assignment.
    JobTaken { job_id: String, attempt_id: String, trace_id: String },
    /// A piece of work has come to its end.
    JobDone { job_id: String, attempt_id: String, trace_id: String, ok: bool },
    /// A result that the scheduler has not acknowledged is kept no longer: there are too many.
    ResultForgotten { job_id: String, attempt_id: String, trace_id: String },
    /// The scheduler has acknowledged a result.
    ResultAcknowledged { job_id: String, attempt_id: String, trace_id: String, accepted: bool },
    /// The node is stopping, and leaves an assignment to other nodes.
    JobLeftAlone { job_id: String, attempt_id: String, trace_id: String },
    /// The scheduler does not want a result any more.
    JobCancelled { job_id: String, attempt_id: String, trace_id: String },
}

/// What a node holds; all return to zero when it is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeGauges {
    /// Pieces of work that run.
    pub(crate) running_jobs: usize,
    /// Results that the scheduler has not acknowledged.
    pub(crate) unacknowledged_results: usize,
}

/// What the scheduler gave this node to be recognised by.
#[derive(Clone, Debug)]
struct Identity {
    node_id: String,
    token: String,
}

/// How far the connection to the scheduler has come.
#[derive(Clone, Debug)]
enum Connection {
    /// The shell has been asked for one.
    Connecting,
    /// The next attempt is at this time.
    Waiting { until: Instant },
    /// The registration has been sent, and is answered by this time.
    Registering { opened_at: Instant, answer_by: Instant },
    /// The scheduler has taken the registration.
    Registered { opened_at: Instant, next_heartbeat: Instant, next_progress: Instant },
    /// The shell has been asked to close it. `end` is how it ended, if that is known already.
    Closing { opened_at: Instant, end: Option<ConnectionEnd> },
    /// The node has stopped.
    Stopped,
}

/// The order to stop.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    /// The work at hand has until then.
    grace_until: Instant,
    /// The node stops at this time, whatever the connection does.
    stop_at: Instant,
}

/// A worker: it registers with the scheduler, takes jobs up to its capacity, and keeps every result until the scheduler has
/// acknowledged it, over as many connections and scheduler processes as that takes.
#[derive(Debug)]
pub(crate) struct Node {
    settings: NodeSettings,
    state: NodeState,
    identity: Option<Identity>,
    connection: Connection,
    /// Attempts that did not reach the scheduler since the last registration.
    failures: u32,
    leaving: Option<Leaving>,
    outputs: VecDeque<Output>,
}

impl Node {
    /// A node that connects at once.
    pub(crate) fn new(settings: NodeSettings) -> Self {
        Self {
            state: NodeState::new(settings.capacity, settings.results_kept),
            settings,
            identity: None,
            connection: Connection::Connecting,
            failures: 0,
            leaving: None,
            outputs: VecDeque::from([Output::Connect]),
        }
    }

    /// What the node holds.
    pub(crate) fn gauges(&self) -> NodeGauges {
        self.state.gauges()
    }

    fn connected(&mut self, now: Instant) -> Result<(), Bug> {
        match self.connection {
            Connection::Connecting => {}
            Connection::Waiting { .. }
            | Connection::Registering { .. }
            | Connection::Registered { .. }
            | Connection::Closing { .. }
            | Connection::Stopped => return Err(Bug::new("a WebSocket opens only when the node asked for one")),
        }
        self.connection = Connection::Registering { opened_at: now, answer_by: now + self.settings.hello_timeout };
        let (node_id, token) = self.identity.clone().map(|identity| (identity.node_id, identity.token)).unzip();
        self.outputs.push_back(Output::Send(FromNode::NodeRegister {
            node_id,
            token,
            capacity: self.settings.capacity,
        }));
        Ok(())
    }

    fn not_connected(&mut self, reason: String, now: Instant) -> Result<(), Bug> {
        match self.connection {
            Connection::Connecting => {}
            Connection::Waiting { .. }
            | Connection::Registering { .. }
            | Connection::Registered { .. }
            | Connection::Closing { .. }
            | Connection::Stopped => return Err(Bug::new("a connection fails only when the node asked for one")),
        }
        let delay = self.settings.retry_interval;
        self.failures += 1;
        self.outputs.push_back(Output::Event(Event::Retrying { attempt: self.failures, delay, reason }));
        self.connection = Connection::Waiting { until: now + delay };
        Ok(())
    }

    fn received(&mut self, message: ToNode, now: Instant) -> Result<(), Bug> {
        match (&self.connection, message) {
            (Connection::Registering { opened_at, .. }, ToNode::NodeRegisterAck { node_id, token, epoch }) => {
                self.connection = Connection::Registered {
                    opened_at: *opened_at,
                    next_heartbeat: now + self.settings.heartbeat_interval,
                    next_progress: now + self.settings.progress_interval,
                };
                self.failures = 0;
                let again = self.identity.as_ref().is_some_and(|identity| identity.node_id == node_id);
                self.outputs.push_back(Output::Event(Event::Registered { node_id: node_id.clone(), epoch, again }));
                self.identity = Some(Identity { node_id, token });
                let reports = self.state.registered();
                self.outputs.extend(reports);
                Ok(())
            }
            (Connection::Registered { .. }, ToNode::Error { code, message }) => {
                self.outputs.push_back(Output::Event(Event::Complaint { code, message }));
                Ok(())
            }
            (Connection::Registered { .. }, message) => {
                let outputs = self.state.received(message);
                self.outputs.extend(outputs);
                Ok(())
            }
            // Before the registration nothing is assigned, and a connection that is being closed takes nothing any more:
            // what comes on it comes again on the next.
            (Connection::Registering { .. } | Connection::Closing { .. }, _) => Ok(()),
            (Connection::Connecting | Connection::Waiting { .. } | Connection::Stopped, _) => {
                Err(Bug::new("a message comes only on an open connection"))
            }
        }
    }

    /// Closes the open connection; nothing, if it is being closed already. `end` is how it ended, where the code on the wire
    /// does not say it.
    fn close(&mut self, close_code: u16, reason: &str, end: Option<ConnectionEnd>) -> Result<(), Bug> {
        match self.connection {
            Connection::Registering { opened_at, .. } | Connection::Registered { opened_at, .. } => {
                self.outputs.push_back(Output::Close(close_code, reason.to_owned()));
                self.connection = Connection::Closing { opened_at, end };
                Ok(())
            }
            Connection::Closing { .. } => Ok(()),
            Connection::Connecting | Connection::Waiting { .. } | Connection::Stopped => {
                Err(Bug::new("only an open connection is closed"))
            }
        }
    }

    fn lost(&mut self, seen: ConnectionEnd, now: Instant) -> Result<(), Bug> {
        let (opened_at, end) = match &mut self.connection {
            Connection::Registering { opened_at, .. } | Connection::Registered { opened_at, .. } => (*opened_at, seen),
            Connection::Closing { opened_at, end } => (*opened_at, end.take().unwrap_or(seen)),
            Connection::Connecting | Connection::Waiting { .. } | Connection::Stopped => {
                return Err(Bug::new("only an open connection is lost"));
            }
        };
        if matches!(end.close_code, code::REPLACED | code::WRONG_TOKEN) {
            // Another node goes by this identity: two that insist on it would close each other for ever.
            self.identity = None;
        }
        self.outputs.push_back(Output::Event(Event::Lost(end)));
        if self.leaving.is_some() {
            self.stop();
        } else if now.saturating_duration_since(opened_at) < self.settings.retry_interval {
            // A scheduler that accepts and drops is not to be tried in a hot loop.
            self.connection = Connection::Waiting { until: now + self.settings.retry_interval };
        } else {
            self.connect();
        }
        Ok(())
    }

    fn finished(&mut self, work: WorkId, result: Result<String, WorkFailure>, now: Instant) {
        let outputs = self.state.finished(work, result, now);
        match self.connection {
            Connection::Registered { .. } => self.outputs.extend(outputs),
            // The result is kept, and sent with the next registration.
            Connection::Connecting
            | Connection::Waiting { .. }
            | Connection::Registering { .. }
            | Connection::Closing { .. }
            | Connection::Stopped => {
                self.outputs.extend(outputs.into_iter().filter(|output| !matches!(output, Output::Send(_))));
            }
        }
    }

    fn shut_down(&mut self, now: Instant) -> Result<(), Bug> {
        if self.leaving.is_some() {
            return Ok(());
        }
        self.state.leave();
        let grace_until = now + self.settings.shutdown_grace;
        self.leaving = Some(Leaving { grace_until, stop_at: grace_until + 2 * self.settings.close_timeout });
        match self.connection {
            // Without a connection the scheduler could not hear of any result.
            Connection::Connecting | Connection::Waiting { .. } => self.stop(),
            Connection::Registering { .. } => self.close(code::AWAY, STOPPING, None)?,
            // The work at hand may finish; a connection that is being closed is waited for.
            Connection::Registered { .. } | Connection::Closing { .. } | Connection::Stopped => {}
        }
        Ok(())
    }

    /// Says goodbye once everything is finished and acknowledged, or the grace period is over.
    fn leave_if_done(&mut self, now: Instant) -> Result<(), Bug> {
        let Some(leaving) = self.leaving else { return Ok(()) };
        let is_registered = matches!(self.connection, Connection::Registered { .. });
        if is_registered && (leaving.grace_until <= now || self.state.is_idle()) {
            self.close(code::AWAY, STOPPING, None)?;
        }
        Ok(())
    }

    fn connect(&mut self) {
        self.connection = Connection::Connecting;
        self.outputs.push_back(Output::Connect);
    }

    fn stop(&mut self) {
        self.connection = Connection::Stopped;
        self.outputs.push_back(Output::Stopped);
    }
}

impl Machine for Node {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Bug> {
        if matches!(self.connection, Connection::Stopped) {
            // What was on its way when the node stopped.
            return Ok(());
        }
        match input {
            Input::Connected => self.connected(now)?,
            Input::NotConnected(reason) => self.not_connected(reason, now)?,
            Input::Received(message) => self.received(message, now)?,
            Input::Malformed(detail) => self.close(code::INVALID, &detail, None)?,
            Input::Overflowed => self.close(code::TRY_LATER, "the scheduler does not read", None)?,
            Input::Lost(end) => self.lost(end, now)?,
            Input::Finished(work, result) => self.finished(work, result, now),
            Input::Shutdown => self.shut_down(now)?,
        }
        self.leave_if_done(now)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        if self.leaving.is_some_and(|leaving| leaving.stop_at <= now) {
            if !matches!(self.connection, Connection::Stopped) {
                self.stop();
            }
            return Ok(());
        }
        match &mut self.connection {
            Connection::Waiting { until } if *until <= now => self.connect(),
            Connection::Registering { answer_by, .. } if *answer_by <= now => {
                let end = ConnectionEnd::by_timeout("no answer to the registration");
                self.close(code::NORMAL, "no answer to the registration", Some(end))?;
            }
            Connection::Registered { next_heartbeat, next_progress, .. } => {
                if *next_heartbeat <= now {
                    *next_heartbeat = now + self.settings.heartbeat_interval;
                    self.outputs.push_back(Output::Send(FromNode::NodeHeartbeat));
                }
                if *next_progress <= now {
                    *next_progress = now + self.settings.progress_interval;
                    let reports = self.state.progress();
                    self.outputs.extend(reports);
                }
            }
            Connection::Waiting { .. }
            | Connection::Registering { .. }
            | Connection::Connecting
            | Connection::Closing { .. }
            | Connection::Stopped => {}
        }
        self.leave_if_done(now)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        let of_connection = match self.connection {
            Connection::Waiting { until } => Some(until),
            Connection::Registering { answer_by, .. } => Some(answer_by),
            Connection::Registered { next_heartbeat, next_progress, .. } => {
                let grace = self.leaving.map(|leaving| leaving.grace_until);
                [Some(next_heartbeat), Some(next_progress), grace].into_iter().flatten().min()
            }
            Connection::Connecting | Connection::Closing { .. } => None,
            Connection::Stopped => return None,
        };
        let stop_at = self.leaving.map(|leaving| leaving.stop_at);
        of_connection.into_iter().chain(stop_at).min()
    }
}

const STOPPING: &str = "the node stops";

#[cfg(test)]
mod tests;
