//! The scheduler's orderly end: what is open may finish and be acknowledged within the grace period, then every connection is
//! closed with 1012, and not before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::Direction;
use halfopen::trace::{LogEvent, ProcessEvent};

use super::history::{History, Moment, What};
use super::{NodeProtocol, Rule, TICK, begins_or_ends_a_life, broken};

const RESTART: u16 = 1012;

pub(super) struct Drain<'a> {
    numbers: &'a NodeProtocol,
    /// Since when the scheduler has been told to stop.
    stopping: Option<Duration>,
    /// Since when nothing has been left to wait for.
    idle_since: Duration,
    drained: Option<Duration>,
    /// Jobs without an outcome, with their sessions.
    open: BTreeSet<(String, String)>,
    sessions: BTreeMap<String, Owed>,
    upgraded: BTreeSet<usize>,
    goodbyes: BTreeSet<usize>,
}

/// What a session has not acknowledged.
#[derive(Default)]
struct Owed {
    present: bool,
    outcomes: usize,
}

impl<'a> Drain<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        Self {
            numbers,
            stopping: None,
            idle_since: Duration::ZERO,
            drained: None,
            open: BTreeSet::new(),
            sessions: BTreeMap::new(),
            upgraded: BTreeSet::new(),
            goodbyes: BTreeSet::new(),
        }
    }

    fn process(&mut self, moment: &Moment<'_>, event: &ProcessEvent, history: &History<'_>) -> Result<(), Finding> {
        if *event == ProcessEvent::StopRequested {
            self.stopping = Some(moment.at);
            self.idle_since = moment.at;
        }
        if !begins_or_ends_a_life(event) {
            return Ok(());
        }
        let unsaid = self.drained.and_then(|at| {
            let is_whole = |on: &&usize| history.is_clear(**on, at.saturating_sub(TICK), at.saturating_sub(TICK / 2));
            self.upgraded.iter().filter(is_whole).find(|on| !self.goodbyes.contains(on)).copied()
        });
        if let Some(on) = unsaid {
            let sentence = format!("{} was not closed with 1012 when the scheduler stopped.", history.name(on));
            return Err(broken("leaves without 1012", moment, sentence));
        }
        *self = Self::new(self.numbers);
        Ok(())
    }

    fn logged(&mut self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        let was_idle = self.is_idle();
        let session = event.field("session_id").unwrap_or_default().to_owned();
        let job = event.field("job_id").unwrap_or_default().to_owned();
        match event.message.as_str() {
            "submit accepted" => {
                self.open.insert((session, job));
            }
            "job finished" => {
                self.open.remove(&(session.clone(), job));
                self.sessions.entry(session).or_default().outcomes += 1;
            }
            "result delivered" | "failure delivered" => {
                let owed = self.sessions.entry(session).or_default();
                owed.outcomes = owed.outcomes.saturating_sub(1);
            }
            "session connected" => self.sessions.entry(session).or_default().present = true,
            "session lost" => self.sessions.entry(session).or_default().present = false,
            "session forgotten" => {
                self.sessions.remove(&session);
            }
            "drained" => return self.drained(moment, event),
            _ => {}
        }
        if self.is_idle() && !was_idle {
            self.idle_since = moment.at;
        }
        Ok(())
    }

    fn drained(&mut self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        self.drained = Some(moment.at);
        let Some(stop) = self.stopping else {
            return Err(broken(
                "stops unasked",
                moment,
                "the scheduler has drained, and was not told to stop.".to_owned(),
            ));
        };
        // Sessions are taken leave of before this is logged; what they had not acknowledged is still counted.
        let undone =
            !self.open.is_empty() || self.sessions.values().any(|owed| owed.outcomes > 0 && owed.was_present());
        if undone && moment.at + TICK < stop + self.numbers.scheduler_grace {
            let sentence = format!(
                "the scheduler stopped {:?} after the order, with {} jobs open.",
                moment.at - stop,
                self.open.len()
            );
            return Err(broken("stops before its work is done", moment, sentence));
        }
        let nothing_left = self.open.is_empty() && self.sessions.values().all(|owed| owed.outcomes == 0);
        if event.has("exit", "Drained") != nothing_left {
            let sentence = format!("the scheduler calls its end {}.", event.field("exit").unwrap_or_default());
            return Err(broken("says how it ended", moment, sentence));
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.sessions.values().all(|owed| !owed.present || owed.outcomes == 0)
    }
}

impl Owed {
    fn was_present(&self) -> bool {
        self.present
    }
}

impl Rule for Drain<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) if history.is_scheduler(host) => self.process(moment, event, history),
            What::Scheduler(event) => self.logged(moment, event),
            What::Upgraded(on) => {
                self.upgraded.insert(*on);
                Ok(())
            }
            What::Close(on, Direction::ToClient, code) => {
                if self.drained.is_some() && *code != Some(RESTART) {
                    let sentence = format!("{} was closed with {code:?} at the scheduler's end.", history.name(*on));
                    return Err(broken("leaves without 1012", moment, sentence));
                }
                self.goodbyes.insert(*on);
                Ok(())
            }
            What::Close(on, Direction::ToServer, _) | What::Left(on) => {
                self.upgraded.remove(on);
                Ok(())
            }
            What::Process(..)
            | What::Node(..)
            | What::Attempted(_)
            | What::Message(..)
            | What::Ping(..)
            | What::Pong(..)
            | What::Session(..) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, _: &History<'_>) -> Result<(), Finding> {
        let Some(stop) = self.stopping.filter(|_| self.drained.is_none()) else { return Ok(()) };
        let way = self.numbers.on_the_way;
        if now > stop + self.numbers.scheduler_grace + way {
            let sentence = format!("the scheduler was told to stop at {stop:?}, and has not.");
            return Err(Finding::new("stops too late", sentence));
        }
        if self.is_idle() && now > self.idle_since.max(stop) + way {
            let sentence =
                format!("the scheduler has had nothing to wait for since {:?}, and has not stopped.", self.idle_since);
            return Err(Finding::new("stops too late", sentence));
        }
        Ok(())
    }
}
