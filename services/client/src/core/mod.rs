//! What the client does and when: a machine that is told what happened and the time, and answers with what to do.
//! It opens no socket, reads no clock, writes no log and draws only from its seed.
//!
//! - `messages`: what the scheduler's messages do.
//! - `jobs`: the jobs without an outcome: order, resending, suspicion.
//! - `backoff`: delays and the number of attempts.
//! - [`closing`]: what follows after each close code.
//! - [`monitor`]: the second line of detection, a machine inside this one.
//! - [`config`], [`event`], [`outcome`]: what the application says, and is told.
//!
//! Invariant: a job settles once. Invariant: an `ack` never goes beyond the outcomes settled, and follows them in the
//! order of the outputs, so the handle has resolved before the scheduler is told. (With utterance order an outcome may be
//! held back for an earlier one; it is acknowledged when it is recorded, because the scheduler gives up a connection on
//! which nothing is acknowledged for 20 s, and what is recorded here is safe while the process lives.)

mod backoff;
pub mod closing;
pub mod config;
pub mod event;
mod jobs;
mod messages;
pub mod monitor;
pub mod outcome;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use halfopen_link::ConnectionEnd;
use halfopen_link::close::code;
use halfopen_link::message::{FromSession, Resume, ToSession};
use halfopen_machine::{Bug, Machine};

use self::backoff::Backoff;
use self::closing::{CloseAction, close_action, may_change};
use self::config::Config;
use self::event::{Event, State};
use self::jobs::{Jobs, Loss};
pub use self::jobs::{NewJob, Settled};
use self::monitor::{Liveness, Monitor};
use self::outcome::JobOutcome;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The application hands a job in.
    Submit(NewJob),
    /// The connection that was asked for is open and upgraded.
    Connected,
    /// The connection that was asked for could not be had.
    ConnectFailed(String),
    /// The scheduler answered the handshake with this status, and did not upgrade.
    NotUpgraded(u16),
    /// A message of the scheduler.
    Message(ToSession),
    /// A text that is no message.
    Malformed(String),
    /// A message of a type that this client does not know; gives the type.
    UnknownType(String),
    /// The connection has ended. One that was abandoned has no say.
    Ended(ConnectionEnd),
    /// The answer to [`Output::Look`].
    Seen(Liveness),
    /// The application closes the client.
    Close,
}

/// Something to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection.
    Connect,
    /// Drop the attempt, or close the connection with this code, after what has been sent; nothing about it is to be reported any more.
    Abandon {
        /// A code that may be sent.
        close_code: u16,
        /// For the Close frame.
        reason: &'static str,
    },
    /// Send a message on the connection in use.
    Send(FromSession),
    /// Look at the connection in use, and answer with [`Input::Seen`].
    Look,
    /// The connection in use has ended although it did not say so: report what it still has to say, and that it has ended.
    Collect,
    /// The scheduler has acknowledged a submit.
    Accepted {
        /// The job.
        job_id: String,
        /// The job's trace.
        trace_id: String,
    },
    /// The scheduler disliked something of ours; for the log.
    Complaint {
        /// The scheduler's code for it.
        code: String,
        /// The scheduler's words.
        message: String,
    },
    /// Resolve a handle.
    Settle(Settled),
    /// Tell the application.
    Tell(Event),
}

#[derive(Debug)]
enum Phase {
    Connecting {
        until: Instant,
    },
    Handshaking {
        until: Instant,
    },
    Ready {
        session_id: String,
        stable_at: Instant,
    },
    Reconnecting {
        attempt: u32,
        at: Instant,
    },
    /// The client has said that it closes the session; the scheduler may still tell what becomes of the open jobs.
    Leaving {
        session_id: String,
        until: Instant,
    },
    Closed,
}

impl Phase {
    /// Whether there is an upgraded connection.
    fn is_connected(&self) -> bool {
        match self {
            Self::Handshaking { .. } | Self::Ready { .. } | Self::Leaving { .. } => true,
            Self::Connecting { .. } | Self::Reconnecting { .. } | Self::Closed => false,
        }
    }
}

/// What a session is resumed with.
#[derive(Clone, Debug)]
struct Session {
    id: String,
    token: String,
    epoch: String,
}

/// The client without its sockets. It connects at once: [`Output::Connect`] waits from the start.
#[derive(Debug)]
pub struct Core {
    connect_timeout: Duration,
    hello_timeout: Duration,
    stable_after: Duration,
    leave_timeout: Duration,
    phase: Phase,
    session: Option<Session>,
    /// Every outcome up to this `seq` is recorded.
    last_seq: u64,
    /// How the latest connection ended; `None` while one is established.
    ending: Option<ConnectionEnd>,
    jobs: Jobs,
    backoff: Backoff,
    monitor: Monitor,
    outputs: VecDeque<Output>,
}

impl Machine for Core {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Bug> {
        match input {
            Input::Submit(job) => self.submit(job)?,
            Input::Connected => self.greet(now)?,
            Input::ConnectFailed(detail) => self.connect_failed(ConnectionEnd::by_network(detail), now)?,
            Input::NotUpgraded(status) => self.not_upgraded(status, now)?,
            Input::Message(message) => self.message(message, now)?,
            Input::Malformed(detail) => {
                self.abandon(ConnectionEnd::by_us(code::INVALID, detail), "malformed message", now)?
            }
            Input::UnknownType(name) => self.unknown_type(&name),
            Input::Ended(ending) => self.lost(ending, now)?,
            Input::Seen(liveness) => self.monitor.handle(monitor::Input::Seen(liveness), now)?,
            Input::Close => self.close(now)?,
        }
        match self.phase {
            Phase::Ready { .. } => {
                let submits = self.jobs.take_unsent().into_iter().map(FromSession::Submit);
                self.outputs.extend(submits.map(Output::Send));
            }
            Phase::Leaving { .. } if self.jobs.is_empty() => self.leave()?,
            Phase::Leaving { .. }
            | Phase::Connecting { .. }
            | Phase::Handshaking { .. }
            | Phase::Reconnecting { .. }
            | Phase::Closed => {}
        }
        self.watch(now)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        if self.phase_timeout().is_some_and(|due| due <= now) {
            self.phase_timed_out(now)?;
            self.watch(now)?;
        }
        self.monitor.handle_timeout(now)?;
        self.watch(now)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.phase_timeout().into_iter().chain(self.monitor.next_timeout()).min()
    }
}

impl Core {
    /// A client that connects at once.
    #[must_use]
    pub fn new(config: &Config, seed: u64, now: Instant) -> Self {
        let mut core = Self {
            connect_timeout: config.connect_timeout,
            hello_timeout: config.hello_timeout,
            stable_after: config.reconnect.stable_after,
            leave_timeout: config.link.close_timeout,
            phase: Phase::Closed,
            session: None,
            last_seq: 0,
            ending: None,
            jobs: Jobs::new(config.order),
            backoff: Backoff::new(config.reconnect.clone(), seed),
            // However long a close may take: a connection that takes no messages is of no use to the session.
            monitor: Monitor::new(config.monitor_interval, config.link.close_timeout.min(config.monitor_interval)),
            outputs: VecDeque::new(),
        };
        core.connect(now);
        core
    }

    /// Jobs whose handle has not resolved.
    #[must_use]
    pub fn unsettled_jobs(&self) -> usize {
        self.jobs.len()
    }

    /// How the latest connection ended, 1006 if none could be had; `None` while one is established and before the first
    /// attempt has ended. Always there once the client is closed.
    #[must_use]
    pub fn ending(&self) -> Option<&ConnectionEnd> {
        self.ending.as_ref()
    }

    /// Where the client stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Connecting { .. } => State::Connecting,
            Phase::Handshaking { .. } => State::Handshaking,
            Phase::Ready { .. } => State::Ready,
            Phase::Reconnecting { attempt, .. } => State::Reconnecting(attempt),
            Phase::Leaving { .. } => State::Closing,
            Phase::Closed => State::Closed,
        }
    }

    fn phase_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting { until } | Phase::Handshaking { until } => Some(until),
            Phase::Reconnecting { at, .. } => Some(at),
            Phase::Leaving { until, .. } => Some(until),
            Phase::Ready { stable_at, .. } if self.backoff.spent() > 0 => Some(stable_at),
            Phase::Ready { .. } | Phase::Closed => None,
        }
    }

    fn phase_timed_out(&mut self, now: Instant) -> Result<(), Bug> {
        match self.phase {
            Phase::Connecting { .. } => {
                self.outputs.push_back(Output::Abandon { close_code: code::AWAY, reason: "connecting took too long" });
                let detail = format!("no connection within {:?}", self.connect_timeout);
                self.connect_failed(ConnectionEnd::by_timeout(detail), now)
            }
            Phase::Handshaking { .. } => {
                let detail = format!("no hello within {:?}", self.hello_timeout);
                self.abandon_with(ConnectionEnd::by_timeout(detail), code::NO_HELLO, "no hello", now)
            }
            Phase::Ready { .. } => {
                self.backoff.reset();
                Ok(())
            }
            Phase::Reconnecting { .. } => {
                self.connect(now);
                Ok(())
            }
            Phase::Leaving { .. } => self.leave(),
            Phase::Closed => Err(Bug::new("nothing is due once the client is closed")),
        }
    }

    /// Has the monitor watch the connection in use, and only that; passes on what it asks for.
    fn watch(&mut self, now: Instant) -> Result<(), Bug> {
        if !self.phase.is_connected() {
            self.monitor.handle(monitor::Input::Disconnected, now)?;
        }
        while let Some(output) = self.monitor.poll_output() {
            self.outputs.push_back(match output {
                monitor::Output::Look => Output::Look,
                monitor::Output::Lost => Output::Collect,
            });
        }
        Ok(())
    }

    fn submit(&mut self, job: NewJob) -> Result<(), Bug> {
        self.jobs.add(job)?;
        if matches!(self.phase, Phase::Closed) {
            let settled = self.jobs.give_up()?;
            self.settle(settled);
        }
        Ok(())
    }

    fn connect(&mut self, now: Instant) {
        self.phase = Phase::Connecting { until: now + self.connect_timeout };
        self.outputs.push_back(Output::Connect);
    }

    fn connect_failed(&mut self, ending: ConnectionEnd, now: Instant) -> Result<(), Bug> {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            // Legal: the attempt had been abandoned.
            return Ok(());
        }
        self.outputs.push_back(Output::Tell(Event::ConnectFailed { detail: ending.detail.clone() }));
        self.ending = Some(ending);
        self.retry(now)
    }

    fn not_upgraded(&mut self, status: u16, now: Instant) -> Result<(), Bug> {
        let ending = ConnectionEnd::by_network(format!("the handshake was answered with {status}"));
        if may_change(status) || !matches!(self.phase, Phase::Connecting { .. }) {
            return self.connect_failed(ending, now);
        }
        self.ending = Some(ending);
        self.finish(Event::Refused { status })
    }

    fn greet(&mut self, now: Instant) -> Result<(), Bug> {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            // Legal: the attempt had been abandoned.
            return Ok(());
        }
        self.phase = Phase::Handshaking { until: now + self.hello_timeout };
        self.ending = None;
        let resume = self.session.clone().map(|session| Resume {
            session_id: session.id,
            token: session.token,
            epoch: session.epoch,
            last_seq: self.last_seq,
        });
        let client_version = concat!("halfopen-client/", env!("CARGO_PKG_VERSION")).to_owned();
        self.outputs.push_back(Output::Send(FromSession::SessionInit { client_version, resume }));
        self.monitor.handle(monitor::Input::Connected, now)
    }

    /// Gives the connection up over something the peer did.
    fn abandon(&mut self, ending: ConnectionEnd, reason: &'static str, now: Instant) -> Result<(), Bug> {
        let close_code = ending.close_code;
        self.abandon_with(ending, close_code, reason, now)
    }

    fn abandon_with(
        &mut self,
        ending: ConnectionEnd,
        close_code: u16,
        reason: &'static str,
        now: Instant,
    ) -> Result<(), Bug> {
        if !self.phase.is_connected() {
            // Legal: what a connection still had to say after it was given up has no say.
            return Ok(());
        }
        self.outputs.push_back(Output::Abandon { close_code, reason });
        self.lost(ending, now)
    }

    /// The one handler of losses, for every way to notice one.
    fn lost(&mut self, ending: ConnectionEnd, now: Instant) -> Result<(), Bug> {
        let action = close_action(&ending);
        let (session_id, loss) = match &self.phase {
            Phase::Handshaking { .. } => (self.session.as_ref().map(|session| session.id.clone()), Loss::BeforeReady),
            Phase::Ready { session_id, stable_at } => {
                if now >= *stable_at {
                    self.backoff.reset();
                }
                let loss = match action {
                    CloseAction::ResumeSuspectingInFlight => Loss::Blamed(ending.close_code),
                    CloseAction::Resume | CloseAction::NewSession | CloseAction::Stop => Loss::Ordinary,
                };
                (Some(session_id.clone()), loss)
            }
            Phase::Leaving { session_id, .. } => {
                let session_id = Some(session_id.clone());
                self.tell_lost(session_id, ending);
                return self.finish(Event::Closed);
            }
            // Legal: the second to notice a loss, or an end of a connection that was given up.
            Phase::Connecting { .. } | Phase::Reconnecting { .. } | Phase::Closed => return Ok(()),
        };
        self.tell_lost(session_id, ending);
        let rejected = self.jobs.connection_lost(loss)?;
        self.settle(rejected);
        match action {
            CloseAction::Resume | CloseAction::ResumeSuspectingInFlight => self.retry(now),
            CloseAction::NewSession => {
                self.session = None;
                self.retry(now)
            }
            CloseAction::Stop => self.finish(Event::Replaced),
        }
    }

    fn tell_lost(&mut self, session_id: Option<String>, ending: ConnectionEnd) {
        self.ending = Some(ending.clone());
        self.outputs.push_back(Output::Tell(Event::Lost { session_id, ending }));
    }

    fn retry(&mut self, now: Instant) -> Result<(), Bug> {
        match self.backoff.next() {
            Some((attempt, delay)) => {
                self.phase = Phase::Reconnecting { attempt, at: now + delay };
                self.outputs.push_back(Output::Tell(Event::Reconnecting { attempt, delay }));
                Ok(())
            }
            None => self.finish(Event::GaveUp { attempts: self.backoff.spent() }),
        }
    }

    /// Closes the session; with jobs open, gives the scheduler a moment to say what becomes of them.
    fn close(&mut self, now: Instant) -> Result<(), Bug> {
        match &self.phase {
            Phase::Ready { session_id, .. } => {
                self.phase = Phase::Leaving { session_id: session_id.clone(), until: now + self.leave_timeout };
                self.outputs.push_back(Output::Send(FromSession::SessionClose));
                Ok(())
            }
            Phase::Connecting { .. } | Phase::Handshaking { .. } => {
                self.outputs.push_back(Output::Abandon { close_code: code::NORMAL, reason: "bye" });
                self.ending = Some(ConnectionEnd::by_us(code::NORMAL, "closed by its owner"));
                self.finish(Event::Closed)
            }
            Phase::Leaving { .. } => self.leave(),
            Phase::Reconnecting { .. } => self.finish(Event::Closed),
            // Legal: an owner may close as often as it likes.
            Phase::Closed => Ok(()),
        }
    }

    fn leave(&mut self) -> Result<(), Bug> {
        let Phase::Leaving { session_id, .. } = &self.phase else {
            return Err(Bug::new("a client that leaves has closed its session"));
        };
        let session_id = Some(session_id.clone());
        self.outputs.push_back(Output::Abandon { close_code: code::NORMAL, reason: "bye" });
        self.tell_lost(session_id, ConnectionEnd::by_us(code::NORMAL, "closed by its owner"));
        self.finish(Event::Closed)
    }

    /// For good: every open handle resolves.
    fn finish(&mut self, last: Event) -> Result<(), Bug> {
        self.phase = Phase::Closed;
        let settled = self.jobs.give_up()?;
        self.settle(settled);
        self.outputs.push_back(Output::Tell(last));
        Ok(())
    }

    fn settle(&mut self, settled: Vec<Settled>) {
        self.outputs.extend(settled.into_iter().map(Output::Settle));
    }
}
