//! What the scheduler keeps for whom, and for how long: sessions, as its own log tells them, and what clients have said on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName};
use halfopen::trace::{LogEvent, ProcessEvent};

use super::debts::{CLOSE, Debts};
use super::history::{History, Moment, What};
use super::message::{Message, Resume};
use super::{Rule, SessionProtocol, TICK, begins_or_ends_a_life, broken};

/// The model of the scheduler's sessions.
pub(super) struct Sessions<'a> {
    pub(super) numbers: &'a SessionProtocol,
    pub(super) sessions: BTreeMap<String, Session>,
    /// What clients have asked for, by connection.
    pub(super) resumes: BTreeMap<usize, Option<Resume>>,
    /// The session that each connection carries.
    pub(super) carried: BTreeMap<usize, String>,
    /// The process's epoch, and those of earlier ones.
    pub(super) epoch: Option<String>,
    pub(super) epochs: BTreeSet<String>,
    pub(super) tokens: BTreeSet<String>,
    /// A session whose connection was told 4001: its newer connection follows in the same instant.
    pub(super) replaced: Option<(String, Duration, usize)>,
    /// Which job each attempt is at, by name and trace, and what nodes have made of it.
    pub(super) attempts: BTreeMap<String, (String, String)>,
    pub(super) results: BTreeMap<String, String>,
    pub(super) debts: Debts,
    /// Submits that have no `submit_ack` yet, by connection and job.
    unanswered: BTreeMap<(usize, String), u32>,
    /// When it was looked last whether something is overdue.
    looked: Duration,
    /// How many outcomes were on the wire.
    pub(super) said: usize,
    stopping: bool,
}

/// A session of this process.
pub(super) struct Session {
    pub(super) token: Option<String>,
    generation: u64,
    pub(super) present: bool,
    pub(super) connection: Option<usize>,
    /// The connection was touched by a fault: what was said on it is not all known.
    pub(super) uncertain: bool,
    /// A message of it was too long to be recorded.
    pub(super) opaque: bool,
    pub(super) changed: Duration,
    pub(super) leaving: bool,
    /// The latest greeting, submit or outcome.
    pub(super) last_data: Duration,
    /// Since when an acknowledgement has been owed without progress.
    pub(super) owed_since: Option<Duration>,
    /// Everything up to here was taken as acknowledged.
    pub(super) acked: u64,
    /// Everything up to here was acknowledged on the wire.
    pub(super) claimed: u64,
    /// The next `seq` on the present connection.
    pub(super) cursor: u64,
    pub(super) open: BTreeSet<String>,
    pub(super) submits: BTreeMap<String, Message>,
    /// Every outcome, in the order of their `seq` from 1.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) place: usize,
}

/// An outcome of a session.
pub(super) struct Outcome {
    pub(super) job: String,
    pub(super) trace: String,
    pub(super) name: String,
    pub(super) at: Duration,
    pub(super) place: usize,
    pub(super) expired: bool,
    /// As it was said first.
    pub(super) said: Option<Message>,
    /// A connection of this session ended after the outcome had been there: it may have been given to it.
    pub(super) maybe_said: bool,
}

/// How often it is looked whether something is overdue.
const LOOK: Duration = Duration::from_millis(250);

pub(super) const OUTCOME: &str = "an outcome is late";
const TAKEN: &str = "an acknowledgement is not taken in";
pub(super) const SUBMIT_ACK: &str = "a submit is not acknowledged";

impl<'a> Sessions<'a> {
    pub(super) fn new(numbers: &'a SessionProtocol) -> Self {
        Self {
            numbers,
            sessions: BTreeMap::new(),
            resumes: BTreeMap::new(),
            carried: BTreeMap::new(),
            epoch: None,
            epochs: BTreeSet::new(),
            tokens: BTreeSet::new(),
            replaced: None,
            attempts: BTreeMap::new(),
            results: BTreeMap::new(),
            debts: Debts::default(),
            unanswered: BTreeMap::new(),
            looked: Duration::ZERO,
            said: 0,
            stopping: false,
        }
    }

    fn process(&mut self, host: &HostName, event: &ProcessEvent, history: &History<'_>) {
        if !history.is_scheduler(host) {
            return;
        }
        self.stopping |= *event == ProcessEvent::StopRequested;
        if begins_or_ends_a_life(event) {
            self.sessions.clear();
            self.carried.clear();
            self.epochs.extend(self.epoch.take());
            (self.replaced, self.stopping) = (None, false);
        }
    }

    fn logged(&mut self, moment: &Moment<'_>, event: &LogEvent, history: &History<'_>) -> Result<(), Finding> {
        let id = event.field("session_id").unwrap_or_default().to_owned();
        match event.message.as_str() {
            "session connected" => self.connected(moment, id, event, history),
            "session lost" => self.lost(moment, &id, event, history),
            "session forgotten" => self.forgotten(moment, &id),
            "submit accepted" => {
                let job = event.field("job_id").unwrap_or_default().to_owned();
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.open.insert(job.clone());
                    session.last_data = moment.at;
                }
                self.owe_submit_ack(moment, &id, job, history);
                Ok(())
            }
            "submit repeated" => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.last_data = moment.at;
                }
                self.owe_submit_ack(moment, &id, event.field("job_id").unwrap_or_default().to_owned(), history);
                Ok(())
            }
            "job assigned" => {
                let field = |name| event.field(name).unwrap_or_default().to_owned();
                self.attempts.insert(field("attempt_id"), (field("job_id"), field("trace_id")));
                Ok(())
            }
            "job finished" => self.finished(moment, &id, event, history),
            "result delivered" | "failure delivered" => self.delivered(moment, &id, event, history),
            "result expired" => self.expired(moment, &id, event),
            "gauge" => self.gauge(moment, event),
            _ => Ok(()),
        }
    }

    /// What the scheduler says of itself agrees with what it has logged.
    fn gauge(&self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        let sessions = || self.sessions.values();
        let expected = match event.field("name") {
            Some("connected_sessions") => sessions().filter(|session| session.present).count(),
            Some("undelivered_outcomes") => {
                sessions().map(|session| session.outcomes.len() - session.acked as usize).sum()
            }
            Some(_) | None => return Ok(()),
        };
        if event.field("value") == Some(expected.to_string().as_str()) {
            return Ok(());
        }
        let (name, value) = (event.field("name").unwrap_or_default(), event.field("value").unwrap_or_default());
        let sentence = format!("{name} was told as {value}, and by its own log it is {expected}.");
        Err(broken("a gauge that is wrong", moment, None, sentence))
    }

    fn owe_submit_ack(&mut self, moment: &Moment<'_>, id: &str, job: String, history: &History<'_>) {
        let on = self.sessions.get(id).and_then(|session| session.connection);
        if let Some(on) = on.filter(|on| history.is_real(*on, Direction::ToServer)) {
            self.debts.decided(moment, self.numbers.at_once, (on, Direction::ToClient), (SUBMIT_ACK, job));
        }
    }

    fn connected(
        &mut self,
        moment: &Moment<'_>,
        id: String,
        event: &LogEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let resumed = event.field("resumed") == Some("true");
        let generation = event.field("generation").and_then(|number| number.parse().ok()).unwrap_or_default();
        if self.replaced.as_ref().is_some_and(|(replaced, _, _)| *replaced == id) {
            self.replaced = None;
        }
        if self.sessions.contains_key(&id) != resumed {
            let sentence =
                format!("{id} was {}known, and its client is told {resumed}.", if resumed { "not " } else { "" });
            return Err(broken("a session is taken for another", moment, None, sentence));
        }
        let now = moment.at;
        let session = self.sessions.entry(id).or_insert_with(|| Session::new(moment));
        if session.present || session.leaving || generation != session.generation + 1 {
            let sentence = format!("generation {generation} of a session follows {}.", session.generation);
            return Err(broken("two connections of one session", moment, None, sentence).witness([session.place]));
        }
        (session.generation, session.present, session.connection) = (generation, true, None);
        (session.changed, session.last_data, session.owed_since) = (now, now, None);
        session.cursor = session.acked + 1;
        session.place = moment.place;
        // The oldest greeting without an answer; of two that wait it is not known whose it is.
        let mut waiting = self.resumes.keys().filter(|on| !self.carried.contains_key(*on) && history.over(**on) > now);
        if let (Some(on), None) = (waiting.next(), waiting.next()) {
            let what = ("the answer to a greeting is late", String::new());
            self.debts.decided(moment, self.numbers.at_once, (*on, Direction::ToClient), what);
        }
        Ok(())
    }

    fn lost(&mut self, moment: &Moment<'_>, id: &str, event: &LogEvent, history: &History<'_>) -> Result<(), Finding> {
        let numbers = self.numbers;
        let code: u16 = event.field("close_code").and_then(|code| code.parse().ok()).unwrap_or_default();
        let by_us = matches!(event.field("by"), Some("us" | "timeout"));
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.present) else {
            return Err(broken("a session is lost twice", moment, None, format!("{id} had no connection to lose.")));
        };
        let idles = session.is_idle() && moment.at + TICK >= session.last_data + numbers.idle;
        let owes = session.owed_since.is_some_and(|since| moment.at + TICK >= since + numbers.ack);
        let is_touched =
            session.connection.is_none_or(|on| history.is_touched(on, moment.at) || history.over(on) < moment.at);
        let has_reason = match (code, event.field("by")) {
            (1000, Some("us")) => idles || is_touched || (session.leaving && session.is_idle()),
            (1011, Some("timeout")) => owes || is_touched,
            (1012, Some("us")) => self.stopping,
            _ => true,
        };
        (session.present, session.changed, session.owed_since) = (false, moment.at, None);
        session.uncertain |= is_touched;
        session.outcomes.iter_mut().skip(session.acked as usize).for_each(|outcome| outcome.maybe_said = true);
        if let Some(on) =
            session.connection.take().filter(|_| by_us && matches!(code, 1000..=1003 | 1007..=1013 | 4001))
        {
            self.debts.decided(moment, numbers.at_once, (on, Direction::ToClient), (CLOSE, code.to_string()));
        }
        if (code, event.field("by")) == (4001, Some("us")) {
            self.replaced = Some((id.to_owned(), moment.at, moment.place));
        }
        if has_reason {
            return Ok(());
        }
        let sentence = format!("{id} was closed with {code}, and the time for it had not come.");
        Err(broken("a session is closed without reason", moment, None, sentence).witness([session.place]))
    }

    fn forgotten(&mut self, moment: &Moment<'_>, id: &str) -> Result<(), Finding> {
        let Some(session) = self.sessions.remove(id) else {
            return Err(broken("an unknown session is forgotten", moment, None, format!("{id} was not known.")));
        };
        let is_due = session.leaving || moment.at + TICK >= session.changed + self.numbers.forget;
        if session.present || !is_due {
            let sentence = format!("{id} was forgotten {:?} after it was seen last.", moment.at - session.changed);
            return Err(broken("a session is forgotten early", moment, None, sentence).witness([session.place]));
        }
        Ok(())
    }

    fn client_says(&mut self, moment: &Moment<'_>, on: usize, said: &Message, history: &History<'_>) {
        if said.kind == "session_init" {
            self.resumes.entry(on).or_insert_with(|| said.resume.clone());
            let asked = said.resume.as_ref().and_then(|resume| self.sessions.get_mut(&resume.session_id));
            if let (Some(session), Some(resume)) = (asked, &said.resume)
                && session.token.as_ref().is_none_or(|token| *token == resume.token)
            {
                session.claimed = session.claimed.max(resume.last_seq);
            }
            return;
        }
        let Some(id) = self.carried.get(&on) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.uncertain |= history.is_edited(on, moment.at);
        let (numbers, scheduler) = (self.numbers, (on, Direction::ToClient));
        // Who is no real client may not read, and is not read then.
        let is_real = history.is_real(on, Direction::ToServer);
        match said.kind.as_str() {
            "submit" => {
                session.submits.entry(said.job_id.clone()).or_insert_with(|| said.clone());
                *self.unanswered.entry((on, said.job_id.clone())).or_default() += 1;
                let what = ("a submit has no answer", said.job_id.clone());
                if is_real {
                    self.debts.told(moment, numbers.on_the_way, scheduler, what);
                }
            }
            "ack" => {
                let is_news = said.upto_seq > session.claimed;
                session.claimed = session.claimed.max(said.upto_seq);
                if is_real && is_news && session.connection == Some(on) && said.upto_seq < session.cursor {
                    self.debts.told(moment, numbers.on_the_way, scheduler, (TAKEN, said.upto_seq.to_string()));
                }
            }
            "session_close" => session.leaving = true,
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
            "session_init_ack" => self.greeted(moment, on, said, history),
            "submit_ack" => {
                self.debts.pay(on, SUBMIT_ACK, &said.job_id);
                self.debts.pay(on, "a submit has no answer", &said.job_id);
                let unanswered = self.unanswered.get_mut(&(on, said.job_id.clone())).filter(|times| **times > 0);
                if let Some(times) = unanswered {
                    *times -= 1;
                    return Ok(());
                }
                if history.is_edited(on, moment.at) {
                    return Ok(());
                }
                let sentence = format!("{} was acknowledged more often than it was submitted.", said.job_id);
                Err(broken("a submit is acknowledged that was not sent", moment, None, sentence))
            }
            "error" => {
                self.debts.pay_all(on, "a submit has no answer", |_| true);
                Ok(())
            }
            _ if said.is_outcome() => self.outcome_said(moment, on, said, history),
            _ => Ok(()),
        }
    }
}

impl Session {
    fn new(moment: &Moment<'_>) -> Self {
        Self {
            token: None,
            generation: 0,
            present: false,
            connection: None,
            uncertain: false,
            opaque: false,
            changed: moment.at,
            leaving: false,
            last_data: moment.at,
            owed_since: None,
            acked: 0,
            claimed: 0,
            cursor: 1,
            open: BTreeSet::new(),
            submits: BTreeMap::new(),
            outcomes: Vec::new(),
            place: moment.place,
        }
    }

    /// Nothing is outstanding.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.acked == self.outcomes.len() as u64
    }

    /// Whether its client has said that it leaves.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Something of it was acknowledged, or all of it.
    pub(super) fn progress(&mut self, now: Duration) {
        self.cursor = self.cursor.max(self.acked + 1);
        self.owed_since = (self.present && self.cursor > self.acked + 1).then_some(now);
    }
}

impl Sessions<'_> {
    /// An acknowledgement of the client's has reached the scheduler.
    pub(super) fn taken(&mut self, on: usize, upto: u64) {
        self.debts.pay_all(on, TAKEN, |seq| seq.parse::<u64>().is_ok_and(|seq| seq <= upto));
    }
}

impl Rule for Sessions<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) => {
                self.process(host, event, history);
                Ok(())
            }
            What::Scheduler(event) => self.logged(moment, event, history),
            What::Said(on, Direction::ToServer, said) => {
                self.client_says(moment, *on, said, history);
                Ok(())
            }
            What::Said(on, Direction::ToClient, said) => self.scheduler_says(moment, *on, said, history),
            What::Unread(on, _) => {
                if let Some(session) = self.carried.get(on).and_then(|id| self.sessions.get_mut(id)) {
                    (session.uncertain, session.opaque) = (true, true);
                }
                Ok(())
            }
            What::Close(on, Direction::ToClient, Some(4003), _) => self.token_refused(moment, *on, history),
            What::Close(on, Direction::ToClient, code, _) => {
                self.debts.pay(*on, CLOSE, &code.unwrap_or_default().to_string());
                self.debts.goodbye(moment, *on, Direction::ToClient, history)
            }
            What::Result(said) => {
                if said.ok == Some(true) {
                    self.results.insert(said.attempt_id.clone(), said.text.clone());
                }
                Ok(())
            }
            What::Client(..)
            | What::User(..)
            | What::Attempted(_)
            | What::Upgraded(_)
            | What::Close(..)
            | What::Ping(..)
            | What::Pong(..)
            | What::Closed(..) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        if !self.stopping && (now >= self.looked + LOOK || now >= history.ends_at) {
            self.looked = now;
            self.overdue(now)?;
        }
        self.debts.collect(history, now)
    }
}
