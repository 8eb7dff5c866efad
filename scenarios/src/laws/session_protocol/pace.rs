//! Pings at a fixed rate, a pong for each, and the end of a connection that has fallen silent.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, Side};

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::{Rule, SessionProtocol, TICK, broken};

/// The pings of both ends of all connections.
pub(super) struct Pace<'a> {
    numbers: &'a SessionProtocol,
    ends: BTreeMap<(usize, bool), End>,
    debts: Debts,
}

/// One end of a connection, as one that pings.
struct End {
    since: Duration,
    place: usize,
    pings: u32,
    /// When pings without a pong were said.
    unanswered: Vec<Duration>,
}

const PONG: &str = "a ping is not answered";
const PINGS: &str = "a ping is late";

/// Whether who speaks in this direction is the client.
fn is_client(direction: Direction) -> bool {
    direction == Direction::ToServer
}

/// Which end's beat a debt is about.
fn beat(direction: Direction) -> &'static str {
    if is_client(direction) { "of the client" } else { "of the scheduler" }
}

impl<'a> Pace<'a> {
    pub(super) fn new(numbers: &'a SessionProtocol) -> Self {
        Self { numbers, ends: BTreeMap::new(), debts: Debts::default() }
    }

    fn interval(&self, direction: Direction) -> Duration {
        let of_client = self.numbers.client_ping.filter(|_| is_client(direction));
        of_client.unwrap_or(self.numbers.ping)
    }

    fn upgraded(&mut self, moment: &Moment<'_>, on: usize, history: &History<'_>) {
        // Who is no real client may not read: what is written to it waits.
        for direction in Direction::BOTH.into_iter().filter(|_| history.is_real(on, Direction::ToServer)) {
            let (since, place) = (moment.at, moment.place);
            let end = End { since, place, pings: 0, unanswered: Vec::new() };
            self.ends.insert((on, is_client(direction)), end);
            self.next(moment, on, direction);
        }
    }

    /// Expects the next ping. The upgrade reaches the client a little later than it is recorded.
    fn next(&mut self, moment: &Moment<'_>, on: usize, direction: Direction) {
        let Some(end) = self.ends.get(&(on, is_client(direction))) else { return };
        let due = end.since + self.interval(direction) * (end.pings + 1) + self.numbers.on_the_way;
        self.debts.told(moment, due.saturating_sub(moment.at), (on, direction), (PINGS, beat(direction).to_owned()));
    }

    fn ping(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        direction: Direction,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let answer = (PONG, beat(direction.reverse()).to_owned());
        if history.is_real(on, direction.reverse()) {
            self.debts.told(moment, self.numbers.on_the_way, (on, direction.reverse()), answer);
        }
        let interval = self.interval(direction);
        let Some(end) = self.ends.get_mut(&(on, is_client(direction))) else { return Ok(()) };
        self.debts.pay_all(on, PINGS, |key| key == beat(direction));
        end.unanswered.push(moment.at);
        // Pings that a silence has swallowed count as well: the rate is fixed.
        let since = (moment.at + TICK).saturating_sub(end.since).as_millis();
        let beats = since / interval.as_millis();
        let is_on_beat = since - beats * interval.as_millis() <= (self.numbers.on_the_way + TICK).as_millis();
        end.pings = end.pings.max(u32::try_from(beats).unwrap_or(u32::MAX));
        if (beats == 0 || !is_on_beat) && !history.is_touched(on, moment.at) {
            let sentence = format!("a ping on {} came out of its time.", history.name(on));
            let speaker = history.speaker(on, direction);
            return Err(broken("a ping is off its beat", moment, Some(speaker), sentence).witness([end.place]));
        }
        self.next(moment, on, direction);
        Ok(())
    }

    fn pong(&mut self, moment: &Moment<'_>, on: usize, direction: Direction) {
        // A pong answers earlier pings as well.
        self.debts.pay_all(on, PONG, |key| key == beat(direction));
        if let Some(end) = self.ends.get_mut(&(on, !is_client(direction))) {
            end.unanswered.retain(|said| *said >= moment.at);
        }
    }

    /// An end calls the other silent.
    fn silent(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        direction: Direction,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let Some(end) = self.ends.get(&(on, is_client(direction))) else { return Ok(()) };
        let owed = end.unanswered.first().is_some_and(|said| *said + self.numbers.pong <= moment.at + TICK);
        if owed || history.is_touched(on, moment.at) {
            return Ok(());
        }
        let sentence = format!("every ping on {} was answered, and it was given up for silence.", history.name(on));
        Err(broken("calls a peer silent that is not", moment, Some(history.speaker(on, direction)), sentence))
    }
}

impl Rule for Pace<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Upgraded(on) => {
                self.upgraded(moment, *on, history);
                Ok(())
            }
            What::Ping(on, direction) => self.ping(moment, *on, *direction, history),
            What::Pong(on, direction) => {
                self.pong(moment, *on, *direction);
                Ok(())
            }
            What::Close(on, direction, Some(1011), reason) if reason.starts_with("no pong") => {
                self.silent(moment, *on, *direction, history)
            }
            What::Closed(on, side) => {
                self.ends.remove(&(*on, *side == Side::Client));
                Ok(())
            }
            What::Process(host, event) if super::begins_or_ends_a_life(event) => {
                self.ends.retain(|(on, is_client), _| {
                    let direction = if *is_client { Direction::ToServer } else { Direction::ToClient };
                    history.speaker(*on, direction) != *host
                });
                Ok(())
            }
            What::Process(..)
            | What::Scheduler(_)
            | What::Client(..)
            | What::User(..)
            | What::Attempted(_)
            | What::Said(..)
            | What::Unread(..)
            | What::Close(..)
            | What::Result(_) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        self.debts.collect(history, now)?;
        for ((on, is_client), end) in &self.ends {
            let Some(first) = end.unanswered.first() else { continue };
            let bound = self.numbers.pong + self.numbers.close + self.numbers.on_the_way;
            if *first + bound < now {
                let direction = if *is_client { Direction::ToServer } else { Direction::ToClient };
                let sentence = format!(
                    "a ping on {} had no pong, and {bound:?} later its sender still held on.",
                    history.name(*on)
                );
                let speaker = Some(history.speaker(*on, direction));
                return Err(Finding::new("silence is not noticed", sentence).witness([end.place]).role(speaker));
            }
        }
        Ok(())
    }
}
