//! Every result has one answer on its connection; the first good one of an open job is its outcome, and what a session is sent is
//! what the node has said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::Direction;
use halfopen::trace::LogEvent;

use super::broker::{JobKey, key_of};
use super::debts::Debts;
use super::history::{History, Moment, What};
use super::message::Message;
use super::spending::winner;
use super::{NodeProtocol, Rule, TICK, begins_or_ends_a_life, broken};

pub(super) struct Results<'a> {
    numbers: &'a NodeProtocol,
    debts: Debts,
    /// Open jobs of this life.
    open: BTreeSet<JobKey>,
    /// The job of each attempt, of all lives.
    jobs: BTreeMap<String, JobKey>,
    /// Attempts of earlier lives of the scheduler.
    earlier: BTreeSet<String>,
    /// Good results, with what they say.
    good: BTreeMap<String, String>,
    /// Which attempt was answered to have won, by job.
    won: BTreeMap<JobKey, String>,
    /// Jobs whose outcome is a result, with the only attempt that it can be of, if there is one only.
    decided: BTreeMap<JobKey, Option<String>>,
    submits: BTreeMap<String, Vec<Message>>,
    /// Good results of open jobs, which must be taken by then.
    due: Vec<Due>,
}

/// A good result that must be taken.
struct Due {
    by: Duration,
    since: Duration,
    key: JobKey,
    attempt: String,
    on: usize,
    place: usize,
}

impl<'a> Results<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        Self {
            numbers,
            debts: Debts::default(),
            open: BTreeSet::new(),
            jobs: BTreeMap::new(),
            earlier: BTreeSet::new(),
            good: BTreeMap::new(),
            won: BTreeMap::new(),
            decided: BTreeMap::new(),
            submits: BTreeMap::new(),
            due: Vec::new(),
        }
    }

    fn forget(&mut self) {
        self.earlier.extend(self.jobs.keys().cloned());
        self.open.clear();
        self.due.clear();
        self.won.clear();
        self.decided.clear();
    }

    fn logged(&mut self, event: &LogEvent) {
        match event.message.as_str() {
            "submit accepted" => {
                self.open.insert(key_of(event));
            }
            "job assigned" => {
                self.jobs.insert(event.field("attempt_id").unwrap_or_default().to_owned(), key_of(event));
            }
            "job finished" => {
                let key = key_of(event);
                self.open.remove(&key);
                self.due.retain(|due| due.key != key);
                if event.has("outcome", "result") {
                    let mut good = self.good.keys().filter(|id| self.jobs.get(*id) == Some(&key));
                    let only = good.next().filter(|_| good.next().is_none()).cloned();
                    let winner = winner(event).map(str::to_owned).or(only);
                    if let Some(winner) = &winner {
                        // An attempt of an earlier life was at a job of a session of that life.
                        self.jobs.insert(winner.clone(), key.clone());
                    }
                    self.decided.insert(key, winner);
                }
            }
            "drained" => self.forget(),
            _ => {}
        }
    }

    fn result(&mut self, moment: &Moment<'_>, on: usize, said: &Message) {
        self.debts.owe(moment, self.numbers.on_the_way, on, "result_ack", &said.attempt_id);
        if said.ok != Some(true) {
            return;
        }
        self.good.insert(said.attempt_id.clone(), said.text.clone().unwrap_or_default());
        let Some(key) = self.open_job(&said.attempt_id) else { return };
        let by = moment.at + self.numbers.on_the_way;
        let attempt = said.attempt_id.clone();
        self.due.push(Due { by, since: moment.at, key, attempt, on, place: moment.place });
    }

    /// The open job of an attempt. One of an earlier life is at the only open job of its name, if there is one only.
    fn open_job(&self, attempt: &str) -> Option<JobKey> {
        let key = self.jobs.get(attempt)?;
        if !self.earlier.contains(attempt) {
            return self.open.get(key).cloned();
        }
        let mut namesakes = self.open.iter().filter(|open| open.0 == key.0);
        namesakes.next().filter(|_| namesakes.next().is_none()).cloned()
    }

    fn answered(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let id = &said.attempt_id;
        let was_owed = self.debts.pay(on, "result_ack", id);
        if history.is_disturbed(on, Duration::ZERO, moment.at) || history.is_corrupted(moment.at) {
            return Ok(());
        }
        if !was_owed {
            let sentence = format!("result_ack of {id} came on {}, which owed no answer.", history.name(on));
            return Err(broken("answers a result twice", moment, sentence));
        }
        let Some(key) = self.jobs.get(id) else { return Ok(()) };
        let winner = self.won.get(key).or_else(|| self.decided.get(key)?.as_ref());
        match (said.accepted, winner) {
            (Some(true), _) if !self.decided.contains_key(key) || !self.good.contains_key(id) => {
                let sentence = format!("{id} was told that its result was taken, and it was not.");
                Err(broken("says that a result was taken", moment, sentence))
            }
            (Some(true), Some(other)) if other != id => {
                let sentence = format!("{id} was told that its result was taken, and {other} before it.");
                Err(broken("takes two results", moment, sentence))
            }
            (Some(false), Some(winner)) if winner == id => {
                let sentence = format!("{id} was told that its result was not taken, and it was.");
                Err(broken("says that a result was not taken", moment, sentence))
            }
            (None, _) => {
                Err(broken("says that a result was taken", moment, format!("result_ack of {id} does not say whether.")))
            }
            (Some(true), _) => {
                self.won.insert(key.clone(), id.clone());
                Ok(())
            }
            (Some(false), _) => Ok(()),
        }
    }

    /// A Close frame follows what the scheduler had to say before it.
    fn closed(&mut self, moment: &Moment<'_>, on: usize, history: &History<'_>) -> Result<(), Finding> {
        let taken = self.decided.values().flatten().find(|attempt| self.debts.owes(on, "result_ack", attempt));
        match taken.filter(|_| history.is_clear(on, Duration::ZERO, moment.at.saturating_sub(TICK))) {
            None => Ok(()),
            Some(attempt) => {
                let sentence = format!(
                    "{} was closed, and the result of {attempt} was taken and not acknowledged.",
                    history.name(on)
                );
                Err(broken("closes before it has said what it had to", moment, sentence))
            }
        }
    }

    /// What a session is sent.
    fn delivered(&self, moment: &Moment<'_>, said: &Message, history: &History<'_>) -> Result<(), Finding> {
        if history.is_corrupted(moment.at) {
            return Ok(());
        }
        let text = said.text.as_deref().unwrap_or_default();
        if self.good.get(&said.attempt_id).is_none_or(|good| good != text) {
            let sentence =
                format!("the result of {} is not what the node of {} has said.", said.job_id, said.attempt_id);
            return Err(broken("changes a result", moment, sentence));
        }
        if self.jobs.get(&said.attempt_id).is_some_and(|key| key.0 != said.job_id) {
            let sentence = format!("the result of {} was sent as that of {}.", said.attempt_id, said.job_id);
            return Err(broken("changes a result", moment, sentence));
        }
        let asked = self.submits.get(&said.job_id).into_iter().flatten().filter_map(|submit| submit.text.as_deref());
        if self.numbers.whole_answers && !asked.clone().any(|asked| text.ends_with(asked)) {
            let sentence =
                format!("the result of {} is `{text}`, which is not the whole of what was asked.", said.job_id);
            return Err(broken("takes a part for the whole", moment, sentence));
        }
        Ok(())
    }
}

impl Rule for Results<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) if history.is_scheduler(host) && begins_or_ends_a_life(event) => {
                self.forget();
                Ok(())
            }
            What::Scheduler(event) => {
                self.logged(event);
                Ok(())
            }
            What::Message(on, Direction::ToServer, said) if said.kind == "job_result" => {
                self.result(moment, *on, said);
                Ok(())
            }
            What::Message(on, Direction::ToClient, said) if said.kind == "result_ack" => {
                self.answered(moment, *on, said, history)
            }
            What::Close(on, Direction::ToClient, _) => self.closed(moment, *on, history),
            What::Session(Direction::ToServer, said) if said.kind == "submit" => {
                self.submits.entry(said.job_id.clone()).or_default().push(said.clone());
                Ok(())
            }
            What::Session(Direction::ToClient, said) if said.kind == "result" => self.delivered(moment, said, history),
            What::Process(..)
            | What::Node(..)
            | What::Attempted(_)
            | What::Upgraded(_)
            | What::Left(_)
            | What::Message(..)
            | What::Close(..)
            | What::Ping(..)
            | What::Pong(..)
            | What::Session(..) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        let (late, open) = std::mem::take(&mut self.due).into_iter().partition(|due: &Due| due.by < now);
        self.due = open;
        let late: Vec<Due> = late;
        if let Some(due) = late.iter().find(|due| history.is_clear(due.on, due.since, due.by)) {
            let sentence = format!("{} came for {}, which is still open.", due.attempt, due.key.0);
            return Err(Finding::new("refuses a good result", sentence).witness([due.place]));
        }
        self.debts.collect(history, now)
    }
}
