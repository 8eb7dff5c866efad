//! The times in which an observer was out of service.

use std::time::Duration;

use super::Evidence;
use super::ledger::{Entry, facts};
use super::lives::{Lives, Turn as LifeTurn};
use super::recover::RecoverySince;
use super::strike::{Moment, Strike};
use crate::fact::FactKind;
use crate::name::HostName;

/// A time out of service.
#[derive(Debug)]
pub(super) struct Outage<'a> {
    /// With what it began.
    pub(super) began: Moment,
    /// From when the bound of its end counts.
    pub(super) since: Duration,
    pub(super) end: End<'a>,
}

/// How a time out of service ended.
#[derive(Debug)]
pub(super) enum End<'a> {
    /// The observer was back.
    Back(Entry<'a>),
    /// The observer was asked to stop, or a fault killed it.
    Taken(Moment),
    /// The observer ended by itself.
    Left(Moment),
    /// The run ended first.
    Open,
}

impl End<'_> {
    pub(super) fn moment(&self) -> Option<Moment> {
        match self {
            Self::Back(entry) => Some(Moment { index: entry.index, at: entry.at }),
            Self::Taken(moment) | Self::Left(moment) => Some(*moment),
            Self::Open => None,
        }
    }
}

impl Outage<'_> {
    /// The records that prove it.
    pub(super) fn witness(&self) -> impl Iterator<Item = usize> {
        [self.began].into_iter().chain(self.end.moment()).map(|moment| moment.index)
    }
}

/// Every time in which an observer was out of service, in order.
pub(super) fn outages<'a>(
    observer: &HostName,
    strikes: &[Strike],
    evidence: &Evidence<'a>,
    since: RecoverySince,
) -> Vec<Outage<'a>> {
    let mut watch = Watch { since, is_there: true, is_up: false, was_up: false, owes: false, open: None, struck: None };
    let mut outages = Vec::new();
    for (moment, turn) in turns(observer, strikes, evidence) {
        outages.extend(watch.take(moment, turn));
    }
    outages.extend(watch.open);
    outages
}

/// What moves an observer in or out of service, or its bound.
enum Turn<'a> {
    /// The observer noticed a loss.
    Down,
    /// The observer is back.
    Up(Entry<'a>),
    /// A fault struck it.
    Struck(Effect),
    /// A fault on it ended.
    Healed,
    /// Its process began or ended.
    Life(LifeTurn),
}

/// What a fault does to an observer's service.
#[derive(Clone, Copy)]
enum Effect {
    /// It ends the connection for good.
    Ends,
    /// It takes the service away, unless it heals before anybody notices; `bars` one who was still connecting from it.
    TakesAway {
        /// Whether the observer is the end that connects.
        bars: bool,
    },
    /// It keeps one who is not in service from coming into it.
    Bars,
    /// It makes coming back slower.
    Hinders,
}

fn turns<'a>(observer: &HostName, strikes: &[Strike], evidence: &Evidence<'a>) -> Vec<(Moment, Turn<'a>)> {
    let own = facts(evidence.records).filter(|entry| entry.host == Some(observer));
    let mut turns: Vec<_> = own
        .filter_map(|entry| {
            let moment = Moment { index: entry.index, at: entry.at };
            let down = entry.kind == FactKind::Detected;
            let up = entry.kind == FactKind::Recovered;
            if down { Some((moment, Turn::Down)) } else { up.then_some((moment, Turn::Up(entry))) }
        })
        .collect();
    for strike in strikes.iter().filter(|strike| strike.concerns(observer, evidence.records)) {
        let Some(fired) = strike.fired else { continue };
        let effect = if strike.is_final() {
            Effect::Ends
        } else if strike.takes_away() {
            Effect::TakesAway { bars: strike.connects(observer) }
        } else if strike.strikes_attempts_of(observer) {
            Effect::Bars
        } else {
            Effect::Hinders
        };
        turns.push((fired, Turn::Struck(effect)));
        turns.extend(strike.healed.map(|healed| (healed, Turn::Healed)));
    }
    let lives = Lives::of(evidence.records);
    turns.extend(lives.turns(observer).map(|(index, turn)| {
        let moment = Moment { index, at: evidence.records[index].at };
        (moment, Turn::Life(turn))
    }));
    // What is recorded later belongs to the stopping of the hosts.
    turns.retain(|(moment, _)| moment.at <= evidence.last.at);
    turns.sort_by_key(|(moment, _)| moment.index);
    turns
}

/// An observer while the trace is read.
struct Watch<'a> {
    since: RecoverySince,
    /// Whether its process lives and has not been asked to stop.
    is_there: bool,
    is_up: bool,
    /// Whether it has ever been in service.
    was_up: bool,
    /// Whether the next life of its process must come into service.
    owes: bool,
    open: Option<Outage<'a>>,
    /// Since when a fault has kept its service away.
    struck: Option<Duration>,
}

impl<'a> Watch<'a> {
    /// Takes what happens next, and gives the outage that ends with it.
    fn take(&mut self, moment: Moment, turn: Turn<'a>) -> Option<Outage<'a>> {
        match turn {
            Turn::Life(turn) => self.life(moment, turn),
            Turn::Healed => {
                self.struck = None;
                if let Some(outage) = &mut self.open {
                    outage.since = outage.since.max(moment.at);
                }
                None
            }
            Turn::Down | Turn::Up(_) | Turn::Struck(_) if !self.is_there => None,
            Turn::Struck(effect) => {
                self.strike(moment, effect);
                None
            }
            Turn::Down => {
                self.is_up = false;
                let from = match self.since {
                    RecoverySince::Heal => self.struck.unwrap_or(moment.at),
                    RecoverySince::Detection => moment.at,
                };
                let outage = self.open.get_or_insert(Outage { began: moment, since: from, end: End::Open });
                outage.since = outage.since.max(from);
                None
            }
            Turn::Up(entry) => {
                self.struck = None;
                (self.is_up, self.was_up) = (true, true);
                self.ended(End::Back(entry))
            }
        }
    }

    fn strike(&mut self, moment: Moment, effect: Effect) {
        let opens = match effect {
            Effect::Ends => {
                self.struck = Some(moment.at);
                true
            }
            Effect::TakesAway { bars } => {
                self.struck = Some(moment.at);
                bars && !self.is_up
            }
            Effect::Bars => !self.is_up,
            Effect::Hinders => false,
        };
        if opens {
            self.is_up = false;
            self.open.get_or_insert(Outage { began: moment, since: moment.at, end: End::Open });
        }
        if let Some(outage) = &mut self.open {
            outage.since = moment.at;
        }
    }

    fn life(&mut self, moment: Moment, turn: LifeTurn) -> Option<Outage<'a>> {
        let end = match turn {
            LifeTurn::Started => {
                if !self.is_there && self.owes {
                    self.open = Some(Outage { began: moment, since: moment.at, end: End::Open });
                }
                self.is_there = true;
                return None;
            }
            LifeTurn::Leaving | LifeTurn::Killed => End::Taken(moment),
            LifeTurn::Returned => End::Left(moment),
        };
        if self.is_there {
            self.owes = self.was_up || self.open.is_some();
        }
        (self.is_there, self.is_up, self.struck) = (false, false, None);
        self.ended(end)
    }

    fn ended(&mut self, end: End<'a>) -> Option<Outage<'a>> {
        self.open.take().map(|outage| Outage { end, ..outage })
    }
}
