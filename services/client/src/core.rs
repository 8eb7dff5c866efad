//! What the client does and when: a state machine that is told what happened and the time, and answers with what to do.
//! It opens no socket, reads no clock and draws only from its seed.
//!
//! - `jobs`: the jobs without an outcome: order, resending, suspicion.
//! - `backoff`: delays and the number of attempts.
//!
//! Invariant: a job settles once. Invariant: an `ack` never goes beyond the outcomes settled, and follows them in the
//! list of outputs, so the handle has resolved before the scheduler is told. (With utterance order an outcome may be
//! held back for an earlier one; it is acknowledged when it is recorded, because the scheduler gives up a connection on
//! which nothing is acknowledged for 20 s, and what is recorded here is safe while the process lives.)

mod backoff;
mod jobs;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod played;
#[cfg(test)]
mod rules;

use std::time::Duration;

use halfopen_link::Ending;
use halfopen_link::close::code;
use halfopen_link::message::{FromSession, Resume, ToSession};
use tokio::time::Instant;

use self::backoff::Backoff;
use self::jobs::{Jobs, Loss};
pub use self::jobs::{NewJob, Settled};
use crate::closing::{Aftermath, aftermath};
use crate::config::Config;
use crate::event::{Event, State};
use crate::outcome::Outcome;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The application hands a job in.
    Submit(NewJob),
    /// The connection that was asked for is open and upgraded.
    Connected,
    /// It could not be had.
    ConnectFailed(String),
    /// A message of the scheduler.
    Message(ToSession),
    /// A text that is no message.
    Malformed(String),
    /// A message of a type that this client does not know; gives the type.
    UnknownType(String),
    /// The connection has ended. Only for the connection that is in use: one that was abandoned has no say.
    Ended(Ending),
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
    /// The scheduler has acknowledged a submit.
    Accepted {
        /// The job.
        job_id: String,
        /// Its trace.
        trace_id: String,
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
    /// The goodbye is said; the scheduler may still tell what becomes of the open jobs.
    Leaving {
        session_id: String,
        until: Instant,
    },
    Closed,
}

/// What a session is resumed with.
#[derive(Clone, Debug)]
struct Session {
    id: String,
    token: String,
    epoch: String,
}

/// The client without its sockets.
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
    ending: Option<Ending>,
    jobs: Jobs,
    backoff: Backoff,
    outputs: Vec<Output>,
}

impl Core {
    /// A client that connects at once: the first outputs wait in [`take_outputs`](Self::take_outputs).
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
            outputs: Vec::new(),
        };
        core.connect(now);
        core
    }

    /// Takes an input in.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Submit(job) => self.submit(job),
            Input::Connected => self.greet(now),
            Input::ConnectFailed(detail) => self.connect_failed(Ending::by_network(detail), now),
            Input::Message(message) => self.message(message, now),
            Input::Malformed(detail) => self.abandon(Ending::by_us(code::INVALID, detail), "malformed message", now),
            Input::UnknownType(name) => self.unknown_type(&name),
            Input::Ended(ending) => self.lost(ending, now),
            Input::Close => self.close(now),
        }
        match self.phase {
            Phase::Ready { .. } => {
                let submits = self.jobs.take_unsent().into_iter().map(FromSession::Submit);
                self.outputs.extend(submits.map(Output::Send));
            }
            Phase::Leaving { .. } if self.jobs.is_empty() => self.leave(),
            Phase::Leaving { .. }
            | Phase::Connecting { .. }
            | Phase::Handshaking { .. }
            | Phase::Reconnecting { .. }
            | Phase::Closed => {}
        }
    }

    /// The instant at which [`handle_timeout`](Self::handle_timeout) is wanted, if any.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting { until } | Phase::Handshaking { until } => Some(until),
            Phase::Reconnecting { at, .. } => Some(at),
            Phase::Leaving { until, .. } => Some(until),
            Phase::Ready { stable_at, .. } if self.backoff.spent() > 0 => Some(stable_at),
            Phase::Ready { .. } | Phase::Closed => None,
        }
    }

    /// The time is `now`. Harmless when nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Connecting { .. } => {
                self.outputs.push(Output::Abandon { close_code: code::AWAY, reason: "connecting took too long" });
                let detail = format!("no connection within {:?}", self.connect_timeout);
                self.connect_failed(Ending::by_timeout(detail), now);
            }
            Phase::Handshaking { .. } => {
                let detail = format!("no hello within {:?}", self.hello_timeout);
                self.abandon_with(Ending::by_timeout(detail), code::NO_HELLO, "no hello", now);
            }
            Phase::Ready { .. } => self.backoff.reset(),
            Phase::Reconnecting { .. } => self.connect(now),
            Phase::Leaving { .. } => self.leave(),
            Phase::Closed => {}
        }
    }

    /// What is to be done, oldest first.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// How the latest connection ended, 1006 if none could be had; `None` while one is established and before the first
    /// attempt has ended. Always there once the client is closed.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
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

    fn submit(&mut self, job: NewJob) {
        self.jobs.add(job);
        if matches!(self.phase, Phase::Closed) {
            let settled = self.jobs.give_up();
            self.settle(settled);
        }
    }

    fn connect(&mut self, now: Instant) {
        self.phase = Phase::Connecting { until: now + self.connect_timeout };
        self.outputs.push(Output::Connect);
    }

    fn connect_failed(&mut self, ending: Ending, now: Instant) {
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.outputs.push(Output::Tell(Event::ConnectFailed { detail: ending.detail.clone() }));
            self.ending = Some(ending);
            self.retry(now);
        }
    }

    fn greet(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
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
        self.outputs.push(Output::Send(FromSession::SessionInit { client_version, resume }));
    }

    fn message(&mut self, message: ToSession, now: Instant) {
        match (&self.phase, message) {
            (Phase::Handshaking { .. }, ToSession::SessionInitAck { session_id, token, epoch, resumed, next_seq }) => {
                self.ready(Session { id: session_id, token, epoch }, resumed, next_seq, now);
            }
            (
                Phase::Handshaking { .. } | Phase::Ready { .. } | Phase::Leaving { .. },
                ToSession::Error { code, message },
            ) => {
                tracing::warn!(code, message, "the scheduler reports an error");
            }
            (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::SubmitAck { job_id }) => {
                if let Some(trace_id) = self.jobs.acknowledge(&job_id) {
                    self.outputs.push(Output::Accepted { job_id, trace_id });
                }
            }
            (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::Result { seq, job_id, text, redelivered, .. }) => {
                self.outcome(seq, &job_id, Outcome::Result { text }, redelivered, now);
            }
            (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::JobFailed { seq, job_id, code, message }) => {
                self.outcome(seq, &job_id, Outcome::Failed { code, message }, false, now);
            }
            // The session is over, its connection soon; what it left without an outcome goes to the next one.
            (Phase::Ready { .. }, ToSession::SessionClose) => self.session = None,
            (Phase::Leaving { .. }, ToSession::SessionClose) => self.leave(),
            (Phase::Handshaking { .. } | Phase::Ready { .. } | Phase::Leaving { .. }, _) => {
                self.abandon(Ending::by_us(code::POLICY, "message out of turn"), "message out of turn", now);
            }
            (Phase::Connecting { .. } | Phase::Reconnecting { .. } | Phase::Closed, _) => {}
        }
    }

    /// It may come from a newer scheduler: it is answered with an `error`, and the connection stays.
    fn unknown_type(&mut self, name: &str) {
        if matches!(self.phase, Phase::Handshaking { .. } | Phase::Ready { .. } | Phase::Leaving { .. }) {
            // The name is as long as the sender likes; the answer is not.
            let message = format!("unknown type {:?}", name.chars().take(40).collect::<String>());
            self.outputs.push(Output::Send(FromSession::Error { code: "unknown_type".into(), message }));
        }
    }

    fn ready(&mut self, session: Session, resumed: bool, next_seq: u64, now: Instant) {
        let asked = self.session.as_ref().is_some_and(|asked| asked.id == session.id);
        // A lower number is an ack that was lost: those outcomes come again.
        if resumed && !(asked && next_seq <= self.last_seq + 1) {
            // What such a session holds is nothing to go on with; a new one gets every job without an outcome.
            self.session = None;
            let detail = format!("session {} cannot go on at {next_seq} after {}", session.id, self.last_seq);
            self.abandon(Ending::by_us(code::POLICY, detail), "not the session that was asked for", now);
            return;
        }
        if !resumed {
            self.last_seq = next_seq.saturating_sub(1);
        }
        self.jobs.session_ready(resumed);
        let session_id = session.id.clone();
        self.session = Some(session);
        self.phase = Phase::Ready { session_id: session_id.clone(), stable_at: now + self.stable_after };
        self.outputs.push(Output::Tell(Event::Ready { session_id, resumed }));
    }

    /// An outcome, at its place in the session. What was recorded before is acknowledged again and changes nothing.
    fn outcome(&mut self, seq: u64, job_id: &str, outcome: Outcome, redelivered: bool, now: Instant) {
        if seq > self.last_seq + 1 {
            let detail = format!("outcome {seq} came after {}", self.last_seq);
            self.abandon(Ending::by_us(code::POLICY, detail), "gap in the sequence", now);
            return;
        }
        if seq == self.last_seq + 1 {
            self.last_seq = seq;
            let settled = self.jobs.settle(job_id, outcome, seq, redelivered);
            self.settle(settled);
        }
        self.outputs.push(Output::Send(FromSession::Ack { upto_seq: self.last_seq }));
    }

    /// Gives the connection up over something the peer did.
    fn abandon(&mut self, ending: Ending, reason: &'static str, now: Instant) {
        let close_code = ending.close_code;
        self.abandon_with(ending, close_code, reason, now);
    }

    fn abandon_with(&mut self, ending: Ending, close_code: u16, reason: &'static str, now: Instant) {
        if matches!(self.phase, Phase::Handshaking { .. } | Phase::Ready { .. } | Phase::Leaving { .. }) {
            self.outputs.push(Output::Abandon { close_code, reason });
            self.lost(ending, now);
        }
    }

    /// The one handler of losses, whoever noticed.
    fn lost(&mut self, ending: Ending, now: Instant) {
        let aftermath = aftermath(&ending);
        let (session_id, loss) = match &self.phase {
            Phase::Handshaking { .. } => (self.session.as_ref().map(|session| session.id.clone()), Loss::BeforeReady),
            Phase::Ready { session_id, stable_at } => {
                if now >= *stable_at {
                    self.backoff.reset();
                }
                let loss = match aftermath {
                    Aftermath::Suspect => Loss::Blamed(ending.close_code),
                    Aftermath::Resume | Aftermath::Renew | Aftermath::Stop => Loss::Ordinary,
                };
                (Some(session_id.clone()), loss)
            }
            Phase::Leaving { session_id, .. } => {
                let session_id = Some(session_id.clone());
                self.tell_lost(session_id, ending);
                self.finish(Event::Closed);
                return;
            }
            Phase::Connecting { .. } | Phase::Reconnecting { .. } | Phase::Closed => return,
        };
        self.tell_lost(session_id, ending);
        let rejected = self.jobs.connection_lost(loss);
        self.settle(rejected);
        match aftermath {
            Aftermath::Resume | Aftermath::Suspect => self.retry(now),
            Aftermath::Renew => {
                self.session = None;
                self.retry(now);
            }
            Aftermath::Stop => self.finish(Event::Replaced),
        }
    }

    fn tell_lost(&mut self, session_id: Option<String>, ending: Ending) {
        self.ending = Some(ending.clone());
        self.outputs.push(Output::Tell(Event::Lost { session_id, ending }));
    }

    fn retry(&mut self, now: Instant) {
        match self.backoff.next() {
            Some((attempt, delay)) => {
                self.phase = Phase::Reconnecting { attempt, at: now + delay };
                self.outputs.push(Output::Tell(Event::Reconnecting { attempt, delay }));
            }
            None => self.finish(Event::GaveUp { attempts: self.backoff.spent() }),
        }
    }

    /// Says goodbye; with jobs open, gives the scheduler a moment to say what becomes of them.
    fn close(&mut self, now: Instant) {
        match &self.phase {
            Phase::Ready { session_id, .. } => {
                self.phase = Phase::Leaving { session_id: session_id.clone(), until: now + self.leave_timeout };
                self.outputs.push(Output::Send(FromSession::SessionClose));
            }
            Phase::Connecting { .. } | Phase::Handshaking { .. } => {
                self.outputs.push(Output::Abandon { close_code: code::NORMAL, reason: "bye" });
                self.ending = Some(Ending::by_us(code::NORMAL, "closed by its owner"));
                self.finish(Event::Closed);
            }
            Phase::Leaving { .. } => self.leave(),
            Phase::Reconnecting { .. } => self.finish(Event::Closed),
            Phase::Closed => {}
        }
    }

    fn leave(&mut self) {
        self.outputs.push(Output::Abandon { close_code: code::NORMAL, reason: "bye" });
        if let Phase::Leaving { session_id, .. } = &self.phase {
            let session_id = Some(session_id.clone());
            self.tell_lost(session_id, Ending::by_us(code::NORMAL, "closed by its owner"));
        }
        self.finish(Event::Closed);
    }

    /// For good: every open handle resolves.
    fn finish(&mut self, last: Event) {
        self.phase = Phase::Closed;
        let settled = self.jobs.give_up();
        self.settle(settled);
        self.outputs.push(Output::Tell(last));
    }

    fn settle(&mut self, settled: Vec<Settled>) {
        self.outputs.extend(settled.into_iter().map(Output::Settle));
    }
}
