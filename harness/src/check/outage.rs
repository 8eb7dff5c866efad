//! The times in which an observer was out of service.

use std::time::Duration;

use super::Evidence;
use super::fact_index::{Entry, facts};
use super::fault_timeline::{FaultTimeline, Moment};
use super::process_timeline::{ProcessTimeline, Transition};
use super::recover::RecoverySince;
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
    timelines: &[FaultTimeline],
    evidence: &Evidence<'a>,
    since: RecoverySince,
) -> Vec<Outage<'a>> {
    let mut watch = Watch { since, is_there: true, is_up: false, was_up: false, owes: false, open: None, struck: None };
    let mut outages = Vec::new();
    for (moment, change) in changes(observer, timelines, evidence) {
        outages.extend(watch.take(moment, change));
    }
    outages.extend(watch.open);
    outages
}

/// What moves an observer in or out of service, or its bound.
enum Change<'a> {
    /// The observer noticed a loss.
    Down,
    /// The observer is back.
    Up(Entry<'a>),
    /// A fault struck it.
    Struck(Effect),
    /// A fault on it ended.
    Healed,
    /// Its process began or ended.
    Life(Transition),
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

fn changes<'a>(observer: &HostName, timelines: &[FaultTimeline], evidence: &Evidence<'a>) -> Vec<(Moment, Change<'a>)> {
    let own = facts(evidence.records).filter(|entry| entry.host == Some(observer));
    let mut changes: Vec<_> = own
        .filter_map(|entry| {
            let moment = Moment { index: entry.index, at: entry.at };
            let down = entry.kind == FactKind::Detected;
            let up = entry.kind == FactKind::Recovered;
            if down { Some((moment, Change::Down)) } else { up.then_some((moment, Change::Up(entry))) }
        })
        .collect();
    for timeline in timelines.iter().filter(|timeline| timeline.concerns(observer, evidence.records)) {
        let Some(fired) = timeline.fired else { continue };
        let effect = if timeline.fault.act.is_final() {
            Effect::Ends
        } else if timeline.fault.act.takes_service_away() {
            Effect::TakesAway { bars: timeline.connects(observer) }
        } else if timeline.strikes_attempts_of(observer) {
            Effect::Bars
        } else {
            Effect::Hinders
        };
        changes.push((fired, Change::Struck(effect)));
        changes.extend(timeline.healed.map(|healed| (healed, Change::Healed)));
    }
    let processes = ProcessTimeline::of(evidence.records);
    changes.extend(processes.transitions(observer).map(|(index, transition)| {
        let moment = Moment { index, at: evidence.records[index].at };
        (moment, Change::Life(transition))
    }));
    // What is recorded later belongs to the stopping of the hosts.
    changes.retain(|(moment, _)| moment.at <= evidence.last.at);
    changes.sort_by_key(|(moment, _)| moment.index);
    changes
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
    fn take(&mut self, moment: Moment, change: Change<'a>) -> Option<Outage<'a>> {
        match change {
            Change::Life(transition) => self.life(moment, transition),
            Change::Healed => {
                self.struck = None;
                if let Some(outage) = &mut self.open {
                    outage.since = outage.since.max(moment.at);
                }
                None
            }
            Change::Down | Change::Up(_) | Change::Struck(_) if !self.is_there => None,
            Change::Struck(effect) => {
                self.strike(moment, effect);
                None
            }
            Change::Down => {
                self.is_up = false;
                let from = match self.since {
                    RecoverySince::Heal => self.struck.unwrap_or(moment.at),
                    RecoverySince::Detection => moment.at,
                };
                let outage = self.open.get_or_insert(Outage { began: moment, since: from, end: End::Open });
                outage.since = outage.since.max(from);
                None
            }
            Change::Up(entry) => {
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

    fn life(&mut self, moment: Moment, transition: Transition) -> Option<Outage<'a>> {
        let end = match transition {
            Transition::Started => {
                if !self.is_there && self.owes {
                    self.open = Some(Outage { began: moment, since: moment.at, end: End::Open });
                }
                self.is_there = true;
                return None;
            }
            Transition::Leaving | Transition::Killed => End::Taken(moment),
            Transition::Returned => End::Left(moment),
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
