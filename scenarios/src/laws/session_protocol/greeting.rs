//! The first words on a connection: `session_init`, soon after the upgrade, and its one answer.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::Direction;

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::message::Message;
use super::{Rule, SessionProtocol, broken};

/// The greetings of all connections.
pub(super) struct Greeting<'a> {
    numbers: &'a SessionProtocol,
    upgraded: BTreeMap<usize, Duration>,
    /// When each was greeted first.
    hellos: BTreeMap<usize, Duration>,
    answered: BTreeMap<usize, Duration>,
    pub(super) greeted: usize,
    debts: Debts,
}

const HELLO: &str = "the greeting is late";
const ANSWER: &str = "the answer to the greeting is late";
const NO_HELLO: &str = "a connection without a greeting is not closed";

impl<'a> Greeting<'a> {
    pub(super) fn new(numbers: &'a SessionProtocol) -> Self {
        let (upgraded, hellos, answered) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { numbers, upgraded, hellos, answered, greeted: 0, debts: Debts::default() }
    }

    fn upgraded(&mut self, moment: &Moment<'_>, on: usize, history: &History<'_>) {
        self.upgraded.insert(on, moment.at);
        if history.is_real(on, Direction::ToServer) {
            let hello = (HELLO, String::new());
            self.debts.told(moment, self.numbers.on_the_way, (on, Direction::ToServer), hello);
        }
        let within = self.numbers.hello + self.numbers.on_the_way;
        self.debts.told(moment, within, (on, Direction::ToClient), (NO_HELLO, String::new()));
    }

    fn said(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        direction: Direction,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let is_hello = match direction {
            Direction::ToServer => said.kind == "session_init",
            Direction::ToClient => said.kind == "session_init_ack",
        };
        let is_touched = history.is_touched(on, moment.at);
        let spoken = match direction {
            Direction::ToServer => &mut self.hellos,
            Direction::ToClient => &mut self.answered,
        };
        let is_first = !spoken.contains_key(&on);
        let answers_nothing = direction == Direction::ToClient && !self.hellos.contains_key(&on);
        let speaker = Some(history.speaker(on, direction));
        if !is_touched
            && history.is_real(on, direction)
            && said.kind != "error"
            && (is_first != is_hello || answers_nothing)
        {
            let sentence = format!("`{}` on {} is out of turn.", said.kind, history.name(on));
            return Err(broken("a greeting out of turn", moment, speaker, sentence));
        }
        if !is_hello {
            return Ok(());
        }
        if direction == Direction::ToServer {
            self.hellos.entry(on).or_insert(moment.at);
            self.debts.pay(on, HELLO, "");
            self.debts.pay(on, NO_HELLO, "");
            if is_first {
                self.debts.told(moment, self.numbers.on_the_way, (on, Direction::ToClient), (ANSWER, String::new()));
            }
        } else {
            self.greeted += 1;
            self.answered.entry(on).or_insert(moment.at);
            self.debts.pay(on, ANSWER, "");
        }
        Ok(())
    }

    /// 4008 says that a greeting or its answer did not come in time.
    fn no_hello(
        &self,
        moment: &Moment<'_>,
        on: usize,
        direction: Direction,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let (since, heard) = match direction {
            Direction::ToClient => (self.upgraded.get(&on), self.hellos.get(&on)),
            Direction::ToServer => (self.hellos.get(&on), self.answered.get(&on)),
        };
        let waited = since.is_none_or(|since| moment.at + super::TICK >= *since + self.numbers.hello);
        let is_heard = heard.is_some_and(|heard| *heard + self.numbers.on_the_way < moment.at);
        if (waited && !is_heard) || history.is_touched(on, moment.at) {
            return Ok(());
        }
        let sentence = format!("{} was closed for want of a greeting, which was not overdue.", history.name(on));
        Err(broken("misses a greeting that is not overdue", moment, Some(history.speaker(on, direction)), sentence))
    }
}

impl Rule for Greeting<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Upgraded(on) => {
                self.upgraded(moment, *on, history);
                Ok(())
            }
            What::Said(on, direction, said) => self.said(moment, *on, *direction, said, history),
            What::Close(on, direction, Some(4008), _) if history.is_real(*on, *direction) => {
                self.no_hello(moment, *on, *direction, history)
            }
            What::Process(..)
            | What::Scheduler(_)
            | What::Client(..)
            | What::User(..)
            | What::Attempted(_)
            | What::Unread(..)
            | What::Close(..)
            | What::Ping(..)
            | What::Pong(..)
            | What::Closed(..)
            | What::Result(_) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        self.debts.collect(history, now)
    }
}
