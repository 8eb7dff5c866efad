//! Sessions: they outlive their connections. A session has at most one connection at a time, of the latest generation.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use halfopen_link::close::code;
use halfopen_link::message::{FailureCode, FromSession, Resume, Submit, ToSession};
use halfopen_link::{By, ConnectionEnd};
use halfopen_machine::{Bug, OrBug, ensure};

use super::event::Event;
use super::ids::{ConnectionId, Generation, JobId, JobKey, SessionId, Token};
use super::jobs::{fits, weight};
use super::outbox::{AckBeyondSent, Entry, Expired, JobEnd, Outbox};
use super::timers::Timer;
use super::{Broker, Leg, Output, Owner, take_from};

/// A user's session.
#[derive(Debug)]
pub(super) struct Session {
    token: Token,
    generation: Generation,
    pub(super) attached: Option<Attached>,
    /// When the last connection ended; meaningful while `attached` is `None`.
    pub(super) absent_since: Instant,
    /// The client has said goodbye: once everything is acknowledged, or the connection gone, the session is forgotten.
    leaving: bool,
    pub(super) outbox: Outbox,
    pub(super) open_jobs: BTreeSet<JobId>,
    /// Bytes of text in the open jobs.
    pub(super) job_bytes: usize,
    /// Jobs with an outcome: those in the outbox, and the latest of those that were acknowledged.
    finished: BTreeSet<JobId>,
    settled: VecDeque<JobId>,
}

/// A session's connection: a cursor in the outbox.
#[derive(Debug)]
pub(super) struct Attached {
    connection: ConnectionId,
    /// The next `seq` to send on this connection.
    cursor: u64,
    /// Bytes of text sent and not acknowledged.
    window_bytes: usize,
    /// Since when an acknowledgement has been owed without any progress.
    ack_owed_since: Option<Instant>,
    /// The latest submit, result or failure.
    last_data: Instant,
}

impl Session {
    fn new(token: Token, now: Instant) -> Self {
        Self {
            token,
            generation: Generation(0),
            attached: None,
            absent_since: now,
            leaving: false,
            outbox: Outbox::new(),
            open_jobs: BTreeSet::new(),
            job_bytes: 0,
            finished: BTreeSet::new(),
            settled: VecDeque::new(),
        }
    }

    fn connection(&self) -> Option<ConnectionId> {
        self.attached.as_ref().map(|attached| attached.connection)
    }

    fn knows(&self, job: &JobId) -> bool {
        self.open_jobs.contains(job) || self.finished.contains(job)
    }
}

impl Broker {
    pub(super) fn session_says(&mut self, connection: ConnectionId, message: FromSession) -> Result<(), Bug> {
        match self.connections.get(&connection) {
            Some(Owner::Unauthenticated(Leg::Session, _)) => match message {
                FromSession::SessionInit { resume, .. } => self.greet(connection, resume),
                FromSession::Submit(_)
                | FromSession::Ack { .. }
                | FromSession::SessionClose
                | FromSession::Error { .. } => self.close(connection, code::PROTOCOL, By::Us, "expected session_init"),
            },
            Some(Owner::Session(session, _)) => {
                let session = session.clone();
                match message {
                    FromSession::SessionInit { .. } => {
                        self.complain(connection, "already_initialised", "the session is open already");
                        Ok(())
                    }
                    FromSession::Submit(submit) => self.submit(connection, &session, submit),
                    FromSession::Ack { upto_seq } => self.acknowledge(connection, &session, upto_seq),
                    FromSession::SessionClose => self.leave(&session),
                    FromSession::Error { .. } => Ok(()),
                }
            }
            Some(Owner::Unauthenticated(Leg::Node, _) | Owner::Node(..)) => {
                Err(Bug::new("a connection speaks the protocol of its leg"))
            }
            // Legal: the connection was closed from this side, and this was on its way.
            None => Ok(()),
        }
    }

    /// A hello. A client that is not recognised gets a new session; one that claims a session that is present, with the wrong
    /// token, is closed.
    fn greet(&mut self, connection: ConnectionId, resume: Option<Resume>) -> Result<(), Bug> {
        let Some(resume) = resume.filter(|resume| resume.epoch == self.epoch.as_str()) else {
            return self.create_session(connection);
        };
        let id = SessionId::from(resume.session_id.as_str());
        let Some(session) = self.sessions.get_mut(&id) else {
            return self.create_session(connection);
        };
        if session.token.as_str() != resume.token {
            return match session.attached {
                Some(_) => self.close(connection, code::WRONG_TOKEN, By::Us, "wrong token"),
                None => self.create_session(connection),
            };
        }
        match session.outbox.acknowledge(resume.last_seq) {
            Err(AckBeyondSent) => self.close(connection, code::POLICY, By::Us, "last_seq was never sent"),
            Ok(settled) => {
                let old = session.connection();
                self.delivered(&id, settled)?;
                if let Some(old) = old {
                    self.close(old, code::REPLACED, By::Us, "replaced by a newer connection")?;
                }
                // A session that was taking its leave ends with its connection.
                match self.sessions.contains_key(&id) {
                    true => self.attach(connection, &id, true),
                    false => self.create_session(connection),
                }
            }
        }
    }

    fn create_session(&mut self, connection: ConnectionId) -> Result<(), Bug> {
        if !self.make_room_for_session()? {
            return self.close(connection, code::TRY_LATER, By::Us, "too many sessions");
        }
        let mut id = self.ids.session();
        while self.sessions.contains_key(&id) {
            id = self.ids.session();
        }
        let token = self.token_of(connection)?;
        self.sessions.insert(id.clone(), Session::new(token, self.now));
        self.attach(connection, &id, false)
    }

    fn attach(&mut self, connection: ConnectionId, id: &SessionId, resumed: bool) -> Result<(), Bug> {
        let session = self.sessions.get_mut(id).or_bug("a session that gets a connection is known")?;
        ensure(session.attached.is_none(), "a session has one connection at a time")?;
        session.generation.0 += 1;
        let generation = session.generation;
        let next_seq = session.outbox.first_unacknowledged();
        take_from(&mut self.undelivered_to_absent, session.outbox.len())?;
        session.attached =
            Some(Attached { connection, cursor: next_seq, window_bytes: 0, ack_owed_since: None, last_data: self.now });
        let token = session.token.to_string();
        self.present_sessions += 1;
        self.authenticate(connection, Owner::Session(id.clone(), generation));
        self.report(Event::SessionConnected { session: id.clone(), generation, resumed });
        let (session_id, epoch) = (id.to_string(), self.epoch.to_string());
        self.tell_session(connection, ToSession::SessionInitAck { session_id, token, epoch, resumed, next_seq });
        self.pump(id)
    }

    fn submit(&mut self, connection: ConnectionId, id: &SessionId, submit: Submit) -> Result<(), Bug> {
        let job = JobId::from(submit.job_id.as_str());
        let session = self.sessions.get_mut(id).or_bug(KNOWN)?;
        session.attached.as_mut().or_bug(PRESENT)?.last_data = self.now;
        if session.knows(&job) {
            self.report(Event::SubmitRepeated { session: id.clone(), job, trace: submit.trace_id });
            self.tell_session(connection, ToSession::SubmitAck { job_id: submit.job_id });
            self.refresh_session(id);
            return Ok(());
        }
        if !(1..=LONGEST_ID).contains(&submit.job_id.len()) || submit.trace_id.len() > LONGEST_ID {
            return self.close(connection, code::INVALID, By::Us, "job_id or trace_id is empty or too long");
        }
        if session.leaving || self.draining.is_some() {
            self.complain(connection, "not_accepting", "no new job is accepted");
            self.refresh_session(id);
            return Ok(());
        }
        if session.open_jobs.len() + session.outbox.len() >= self.limits.unsettled_jobs {
            return self.close(connection, code::TRY_LATER, By::Us, "too many unsettled jobs");
        }
        let bytes = weight(&submit);
        let held = session.held_bytes() + bytes;
        if held > self.allowance() {
            if held <= self.limits.session_bytes {
                self.warn("total_bytes");
            }
            return self.close(connection, code::TRY_LATER, By::Us, "too many unsettled bytes");
        }
        let session = self.sessions.get_mut(id).or_bug(KNOWN)?;
        session.open_jobs.insert(job.clone());
        session.job_bytes += bytes;
        let trace = submit.trace_id.clone();
        self.tell_session(connection, ToSession::SubmitAck { job_id: submit.job_id.clone() });
        self.report(Event::SubmitAccepted { session: id.clone(), job: job.clone(), trace });
        let fits = fits(&submit, self.largest_message);
        let key = JobKey { job, session: id.clone() };
        if fits {
            self.open_job(key, submit)?;
        } else {
            self.refuse_job(key, submit)?;
        }
        self.refresh_session(id);
        Ok(())
    }

    fn acknowledge(&mut self, connection: ConnectionId, id: &SessionId, upto: u64) -> Result<(), Bug> {
        let session = self.sessions.get_mut(id).or_bug(KNOWN)?;
        let Ok(settled) = session.outbox.acknowledge(upto) else {
            return self.close(connection, code::POLICY, By::Us, "acknowledged what was never sent");
        };
        if !settled.is_empty() {
            let attached = session.attached.as_mut().or_bug(PRESENT)?;
            let bytes: usize = settled.iter().map(Entry::text_bytes).sum();
            // What an earlier connection was sent may be acknowledged here before this one has sent it.
            attached.window_bytes = attached.window_bytes.saturating_sub(bytes);
            // The cursor is never behind what is acknowledged, on this connection or an earlier one.
            attached.cursor = attached.cursor.max(session.outbox.first_unacknowledged());
            let owed = attached.cursor > session.outbox.first_unacknowledged();
            attached.ack_owed_since = owed.then_some(self.now);
        }
        self.delivered(id, settled)?;
        self.pump(id)
    }

    /// The only place that says "delivered": the session itself has acknowledged.
    fn delivered(&mut self, id: &SessionId, settled: Vec<Entry>) -> Result<(), Bug> {
        take_from(&mut self.undelivered, settled.len())?;
        let session = self.sessions.get(id).or_bug("only a session that is known acknowledges")?;
        if session.attached.is_none() {
            take_from(&mut self.undelivered_to_absent, settled.len())?;
        }
        for entry in settled {
            let failure = entry.failure();
            let session = self.sessions.get_mut(id).or_bug("only a session that is known acknowledges")?;
            session.settled.push_back(entry.job.clone());
            if session.settled.len() > self.limits.settled_kept
                && let Some(forgotten) = session.settled.pop_front()
            {
                session.finished.remove(&forgotten);
            }
            take_from(&mut self.outbox_bytes, entry.text_bytes())?;
            let Entry { seq, job, trace, .. } = entry;
            self.report(Event::Delivered { session: id.clone(), job, seq, trace, failure });
        }
        Ok(())
    }

    /// Puts a finished job's outcome into its session's outbox.
    pub(super) fn post(&mut self, key: &JobKey, job_bytes: usize, trace: String, outcome: JobEnd) -> Result<(), Bug> {
        let session = self.sessions.get_mut(&key.session).or_bug("the session of an open job is known")?;
        ensure(session.open_jobs.remove(&key.job), "an open job is on its session's list")?;
        take_from(&mut session.job_bytes, job_bytes)?;
        session.finished.insert(key.job.clone());
        let before = session.outbox.bytes();
        session.outbox.push(key.job.clone(), trace, outcome, self.now);
        self.outbox_bytes += session.outbox.bytes() - before;
        self.undelivered += 1;
        let (held, connection) = (session.outbox.bytes(), session.connection());
        let is_beyond = held > self.allowance();
        match connection {
            None => {
                self.undelivered_to_absent += 1;
                self.expire_beyond(&key.session)?;
            }
            // What it has not acknowledged is kept for it, within the same bound.
            Some(connection) if is_beyond => {
                self.close(connection, code::TRY_LATER, By::Us, "not reading")?;
            }
            Some(_) => {}
        }
        self.pump(&key.session)
    }

    /// Keeps no more for an absent session than the bounds allow.
    fn expire_beyond(&mut self, id: &SessionId) -> Result<(), Bug> {
        let (results_kept, allowance) = (self.limits.results_kept, self.allowance());
        self.expire(id, |outbox| outbox.expire_beyond(results_kept, allowance))
    }

    fn expire(&mut self, id: &SessionId, expire: impl FnOnce(&mut Outbox) -> Vec<Expired>) -> Result<(), Bug> {
        let session = self.sessions.get_mut(id).or_bug("a session whose results expire is known")?;
        take_from(&mut self.outbox_bytes, session.outbox.bytes())?;
        let expired = expire(&mut session.outbox);
        self.outbox_bytes += session.outbox.bytes();
        for Expired { seq, job, trace } in expired {
            self.report(Event::ResultExpired { session: id.clone(), job, seq, trace });
        }
        Ok(())
    }

    /// Sends what the window has room for, from the cursor on.
    fn pump(&mut self, id: &SessionId) -> Result<(), Bug> {
        // Legal: its connection was closed on the way here, and a session that was leaving goes with its connection.
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        if let Some(attached) = &mut session.attached {
            while let Some(entry) = session.outbox.get(attached.cursor) {
                let in_flight = attached.cursor - session.outbox.first_unacknowledged();
                let bytes = attached.window_bytes + entry.text_bytes();
                let full = in_flight >= self.limits.window_outcomes as u64 || bytes > self.limits.window_bytes;
                if full && in_flight > 0 {
                    break;
                }
                let message =
                    session.outbox.send(attached.cursor).or_bug("an outcome that is in the outbox can be sent")?;
                self.outputs.push_back(Output::ToSession(attached.connection, message));
                attached.window_bytes = bytes;
                attached.cursor += 1;
                attached.last_data = self.now;
                attached.ack_owed_since.get_or_insert(self.now);
            }
        }
        if session.leaving && session.outbox.is_empty() {
            return self.say_goodbye(id);
        }
        self.refresh_session(id);
        Ok(())
    }

    /// The client leaves for good. Its open jobs end; what it has not acknowledged is still offered to it.
    fn leave(&mut self, id: &SessionId) -> Result<(), Bug> {
        self.sessions.get_mut(id).or_bug(KNOWN)?.leaving = true;
        self.end_open_jobs(id, "the session was closed")?;
        self.pump(id)
    }

    /// Fails all open jobs of a session, which may be forgotten on the way: so the next one is looked up each time.
    fn end_open_jobs(&mut self, id: &SessionId, message: &str) -> Result<(), Bug> {
        while let Some(job) = self.sessions.get(id).and_then(|session| session.open_jobs.first().cloned()) {
            let key = JobKey { job, session: id.clone() };
            let message = message.to_owned();
            self.finish(&key, JobEnd::Failed { code: FailureCode::SessionClosed, message })?;
        }
        Ok(())
    }

    fn say_goodbye(&mut self, id: &SessionId) -> Result<(), Bug> {
        let connection = self.sessions.get(id).and_then(Session::connection);
        let connection = connection.or_bug("a session that is leaving is forgotten with its connection")?;
        self.tell_session(connection, ToSession::SessionClose);
        self.close(connection, code::NORMAL, By::Us, "session closed")
    }

    pub(super) fn session_lost(
        &mut self,
        id: &SessionId,
        generation: Generation,
        end: ConnectionEnd,
    ) -> Result<(), Bug> {
        let session = self.sessions.get_mut(id).or_bug(KNOWN)?;
        ensure(session.generation == generation, "a connection on record is the latest of its session")?;
        session.attached.take().or_bug(PRESENT)?;
        take_from(&mut self.present_sessions, 1)?;
        session.absent_since = self.now;
        self.undelivered_to_absent += session.outbox.len();
        let leaving = session.leaving;
        self.report(Event::SessionLost { session: id.clone(), generation, end });
        self.expire_beyond(id)?;
        if leaving {
            return self.forget_session(id);
        }
        self.refresh_session(id);
        Ok(())
    }

    pub(super) fn forget_session(&mut self, id: &SessionId) -> Result<(), Bug> {
        self.end_open_jobs(id, "the session was forgotten")?;
        self.timers.set(Timer::Session(id.clone()), None);
        let session = self.sessions.remove(id).or_bug("a session is forgotten once")?;
        self.idle_absent.remove(&(session.absent_since, id.clone()));
        take_from(&mut self.undelivered, session.outbox.len())?;
        take_from(&mut self.undelivered_to_absent, session.outbox.len())?;
        take_from(&mut self.outbox_bytes, session.outbox.bytes())?;
        self.report(Event::SessionForgotten { session: id.clone() });
        Ok(())
    }

    pub(super) fn session_timed_out(&mut self, id: &SessionId) -> Result<(), Bug> {
        let session = self.sessions.get_mut(id).or_bug("a session's timer ends with the session")?;
        match &session.attached {
            Some(attached) => {
                let connection = attached.connection;
                let owed = attached.ack_owed_since.is_some_and(|since| since + self.timings.ack_timeout <= self.now);
                if owed {
                    self.close(connection, code::INTERNAL, By::Timeout, "no acknowledgement")?;
                } else if session.is_idle() && attached.last_data + self.timings.idle_timeout <= self.now {
                    self.close(connection, code::NORMAL, By::Us, "idle")?;
                }
            }
            None if session.absent_since + self.timings.forget_after <= self.now => return self.forget_session(id),
            None => {
                let kept = self.timings.result_kept;
                if session.absent_since + kept <= self.now {
                    let now = self.now;
                    self.expire(id, |outbox| outbox.expire_older_than(kept, now))?;
                }
            }
        }
        self.refresh_session(id);
        Ok(())
    }

    /// Sets the session's next deadline after anything about it has changed.
    fn refresh_session(&mut self, id: &SessionId) {
        self.note_idleness(id);
        // Legal: its connection was closed on the way here, and a session that was leaving goes with its connection.
        let Some(session) = self.sessions.get(id) else { return };
        let deadline = match &session.attached {
            Some(attached) => {
                let ack = attached.ack_owed_since.map(|since| since + self.timings.ack_timeout);
                let idle = session.is_idle().then(|| attached.last_data + self.timings.idle_timeout);
                ack.into_iter().chain(idle).min()
            }
            None => {
                let kept = |ready: Instant| ready.max(session.absent_since) + self.timings.result_kept;
                let expiry = session.outbox.oldest_result().map(kept);
                let forgetting = session.absent_since + self.timings.forget_after;
                Some(expiry.map_or(forgetting, |expiry| expiry.min(forgetting)))
            }
        };
        self.timers.set(Timer::Session(id.clone()), deadline);
    }

    fn complain(&mut self, connection: ConnectionId, short: &str, sentence: &str) {
        self.tell_session(connection, ToSession::Error { code: short.to_owned(), message: sentence.to_owned() });
    }
}

/// Rules that hold for every connection on record.
const KNOWN: &str = "a connection on record is of a session that is known";
const PRESENT: &str = "a session whose connection is on record is present";

/// The longest id that is remembered, in bytes. The protocol's own have 36.
const LONGEST_ID: usize = 200;
