//! Where a fault that strikes anywhere can strike: a run without it shows the places, and the seed draws one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Catalogue;
use crate::check::{Check as _, Evidence, TookEffect};
use crate::fault::{Act, Edge, Fault, Target, Trigger};
use crate::name::{ConnectionId, Direction, HostName, Link};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::seed::{Draws, Seed};
use crate::sim::{self, RunOutput, SimError};
use crate::trace::{ConnectionEvent, FaultEvent, FinalState, Record, RecordKind, Unit};

impl Catalogue {
    /// Decides what a scenario leaves open, as [`Plan::draw`] does, and plays it where a fault strikes anywhere: the run
    /// without that fault shows which messages, events and heads pass, and one of them and its edge are drawn. A place at
    /// which the fault takes no effect is not kept: another is drawn, a few times. What is drawn stands in the plan, so that
    /// a replay learns nothing again.
    ///
    /// Of several such faults each is placed in a run with the ones before it, and strikes after they have.
    ///
    /// # Errors
    /// If the harness or the catalogue is at fault.
    pub fn draw(&self, scenario: &Scenario, seed: Seed) -> Result<Plan, SimError> {
        if !scenario.strikes_anywhere() {
            return Ok(Plan::draw(scenario, seed));
        }
        let rules = scenario.rules.iter().enumerate();
        let mut drawn: BTreeMap<usize, Fault> = rules
            .clone()
            .filter(|(_, rule)| !rule.anywhere)
            .map(|(place, rule)| (place, rule.draw(&Plan::seeds_of(seed, place))))
            .collect();
        let planned =
            |drawn: &BTreeMap<usize, Fault>| Plan::with_drawn(scenario, seed, drawn.values().cloned().collect());
        let mut shown = sim::execute(self, &planned(&drawn))?;
        for (place, rule) in rules.filter(|(_, rule)| rule.anywhere) {
            let seeds = Plan::seeds_of(seed, place);
            let (act, mut draws) = (rule.draw_act(&seeds), seeds.child("anywhere").draws());
            let mut places = Shown { records: &shown.records, last: &shown.last }.places(&act, scenario, &mut draws);
            for tried in 1.. {
                let fault = match pick(&mut places, &mut draws) {
                    Some(fault) if tried <= TRIED => fault,
                    Some(_) | None if tried > 1 => break,
                    Some(_) | None => nowhere(act.clone(), scenario),
                };
                drawn.insert(place, fault);
                let plan = planned(&drawn);
                shown = sim::execute(self, &plan)?;
                let number = drawn.keys().take_while(|earlier| **earlier < place).count() + 1;
                if takes_effect(&plan, &shown, number) {
                    break;
                }
            }
        }
        Ok(planned(&drawn))
    }
}

/// Places that are tried for one fault: most take effect at the first.
const TRIED: usize = 8;

/// Whether the fault of a number in a plan, from 1, changes something.
fn takes_effect(plan: &Plan, run: &RunOutput, number: usize) -> bool {
    let actors = plan.scenario.actors();
    let evidence = Evidence {
        records: &run.records,
        faults: &plan.faults,
        actors: &actors,
        last: &run.last,
        sources: &plan.scenario.facts,
    };
    match TookEffect.judge(&evidence).violation() {
        Some(violation) => !violation.sentence.starts_with(&format!("fault {number} ")),
        None => true,
    }
}

/// Draws one of the places and takes it away: first the unit, then its edge, so that a unit with more edges is no likelier.
fn pick(places: &mut Vec<(usize, Fault)>, draws: &mut Draws) -> Option<Fault> {
    let mut units: Vec<usize> = places.iter().map(|(index, _)| *index).collect();
    units.dedup();
    if units.is_empty() {
        return None;
    }
    let unit = *draws.pick(&units);
    let edges: Vec<usize> = (0..places.len()).filter(|place| places[*place].0 == unit).collect();
    Some(places.remove(*draws.pick(&edges)).1)
}

/// A run in which the fault is not.
struct Shown<'a> {
    records: &'a [Record],
    last: &'a FinalState,
}

/// A unit that passed, and how often its kind had passed there by then.
#[derive(Clone, Copy)]
struct Passed<'a> {
    index: usize,
    connection: &'a ConnectionId,
    direction: Direction,
    unit: &'a Unit,
    n: u32,
}

impl Shown<'_> {
    /// Where the faults that are placed have struck last.
    fn struck_last(&self) -> usize {
        let fired = |record: &Record| matches!(record.what, RecordKind::Fault { event: FaultEvent::Fired { .. }, .. });
        self.records.iter().rposition(fired).unwrap_or(0)
    }

    /// Every place at which the act can strike, in the order of the run; if there are such, those after the faults that are
    /// there already.
    fn places(&self, act: &Act, scenario: &Scenario, draws: &mut Draws) -> Vec<(usize, Fault)> {
        let since = self.struck_last();
        let all = self.all_places(act, scenario, draws);
        let later: Vec<_> = all.iter().filter(|(index, _)| *index > since).cloned().collect();
        if later.is_empty() { all } else { later }
    }

    fn all_places(&self, act: &Act, scenario: &Scenario, draws: &mut Draws) -> Vec<(usize, Fault)> {
        let places = match act.target() {
            Target::Link { link, connection } => {
                let here = |id: &ConnectionId| id.link == *link && connection.is_none_or(|nth| id.nth == nth);
                let mut places = self.units(here, act, draws);
                places.retain(|(_, fault)| scenario.takes(fault));
                if places.is_empty() {
                    places = self.attempts(here, act);
                    places.retain(|(_, fault)| scenario.takes(fault));
                }
                if places.is_empty() { self.times(|record| is_on(record, link), act) } else { places }
            }
            Target::Between(one, other) => self.times(|record| is_between(record, one, other), act),
            Target::Host(host) => self.times(|record| is_at(record, host), act),
        };
        places.into_iter().filter(|(_, fault)| scenario.takes(fault)).collect()
    }

    /// At the edges of the units of a link: data messages, events of streams, heads of HTTP, and chunks of other bodies.
    fn units(&self, here: impl Fn(&ConnectionId) -> bool, act: &Act, draws: &mut Draws) -> Vec<(usize, Fault)> {
        if let Act::Attempt { .. } | Act::Listener { .. } | Act::Lookup { .. } = act {
            // They strike what comes before any unit.
            return Vec::new();
        }
        let passed = self.passed(here);
        let ends = self.ends();
        let mut places = Vec::new();
        for unit in &passed {
            let is_last = !passed.iter().any(|other| other.index > unit.index && other.connection == unit.connection);
            // After the last unit of a connection that is then closed there may be no host left to see it.
            let is_seen = !is_last || !ends.contains_key(unit.connection);
            let mut edges = vec![Edge::Before];
            edges.extend(inside(unit.unit, draws));
            edges.extend(is_seen.then_some(Edge::After));
            let triggers = edges.into_iter().filter_map(|edge| unit.trigger(edge));
            let on = act.clone().on_connection(unit.connection.nth);
            places.extend(triggers.map(|trigger| (unit.index, Fault { trigger, act: on.clone() })));
        }
        places
    }

    /// The units that passed before the run was judged.
    fn passed(&self, here: impl Fn(&ConnectionId) -> bool) -> Vec<Passed<'_>> {
        let mut counts: BTreeMap<(&ConnectionId, Direction, u8), u32> = BTreeMap::new();
        let mut passed: Vec<Passed<'_>> = Vec::new();
        for (index, record) in self.judged() {
            let RecordKind::Unit { connection, direction, unit, .. } = &record.what else { continue };
            let Some(kind) = kind(unit).filter(|_| here(connection)) else { continue };
            let count = counts.entry((connection, *direction, kind)).or_default();
            *count += 1;
            passed.push(Passed { index, connection, direction: *direction, unit, n: *count });
        }
        let streams: Vec<_> = passed.iter().filter(|unit| is_event(unit.unit)).map(|unit| unit.connection).collect();
        passed.retain(|unit| !matches!(unit.unit, Unit::HttpChunk { .. }) || !streams.contains(&unit.connection));
        passed
    }

    /// At the attempts to connect.
    fn attempts(&self, here: impl Fn(&ConnectionId) -> bool, act: &Act) -> Vec<(usize, Fault)> {
        let attempts = self.judged().filter_map(|(index, record)| match &record.what {
            RecordKind::Connection { id, event: ConnectionEvent::Attempted } if here(id) => Some((index, id.nth)),
            _ => None,
        });
        attempts
            .map(|(index, nth)| (index, Fault { trigger: Trigger::Connect, act: act.clone().on_connection(nth) }))
            .collect()
    }

    /// At the times of records.
    fn times(&self, meant: impl Fn(&Record) -> bool, act: &Act) -> Vec<(usize, Fault)> {
        let mut times: Vec<(usize, Duration)> = Vec::new();
        for (index, record) in self.judged().filter(|(_, record)| meant(record)) {
            let at = Duration::from_millis(u64::try_from(record.at.as_millis()).unwrap_or(u64::MAX));
            if times.last().is_none_or(|(_, last)| *last != at) && !at.is_zero() {
                times.push((index, at));
            }
        }
        // When the last thing happens everything is over.
        times.pop();
        times.into_iter().map(|(index, at)| (index, Fault { trigger: Trigger::At(at), act: act.clone() })).collect()
    }

    /// Where connections are closed by an end of their own.
    fn ends(&self) -> BTreeMap<&ConnectionId, usize> {
        let closed = self.judged().filter_map(|(index, record)| match &record.what {
            RecordKind::Connection { id, event: ConnectionEvent::Closed { .. } } => Some((id, index)),
            _ => None,
        });
        closed.collect()
    }

    /// The records up to the judgement.
    fn judged(&self) -> impl Iterator<Item = (usize, &Record)> {
        self.records.iter().enumerate().take_while(|(_, record)| record.at <= self.last.at)
    }
}

impl Passed<'_> {
    /// The trigger at an edge of this unit.
    fn trigger(&self, edge: Edge) -> Option<Trigger> {
        let (n, direction) = (self.n, self.direction);
        match self.unit {
            Unit::WsMessage { .. } => Some(Trigger::message(n, direction, edge)),
            Unit::SseEvent { .. } => Some(Trigger::sse_event(n, edge)),
            Unit::HttpRequest { .. } | Unit::HttpResponse { .. } => Some(Trigger::HttpHead { n, direction, edge }),
            Unit::HttpChunk { .. } => Some(Trigger::Chunk { n, direction, edge }),
            Unit::WsControl { .. } => None,
        }
    }
}

/// What is counted together; `None` for what is not counted here.
fn kind(unit: &Unit) -> Option<u8> {
    match unit {
        Unit::WsMessage { .. } => Some(0),
        // A block of comments is no event.
        Unit::SseEvent { data: None, .. } => None,
        Unit::SseEvent { .. } => Some(1),
        Unit::HttpRequest { .. } | Unit::HttpResponse { .. } => Some(2),
        // The empty one that ends a body is not counted.
        Unit::HttpChunk { bytes: 0 } | Unit::WsControl { .. } => None,
        Unit::HttpChunk { .. } => Some(3),
    }
}

fn is_event(unit: &Unit) -> bool {
    matches!(unit, Unit::SseEvent { data: Some(_), .. })
}

/// The shortest status line is longer, and so is the shortest request line.
const LEAST_HEAD_BYTES: u64 = 14;

/// An edge inside of a unit that has bytes to be cut between.
fn inside(unit: &Unit, draws: &mut Draws) -> Option<Edge> {
    let most = match unit {
        Unit::WsMessage { bytes, .. } | Unit::HttpChunk { bytes } => bytes.saturating_sub(1),
        Unit::SseEvent { data, .. } => {
            let longest = data.as_ref().map_or(0, String::len);
            u64::try_from(longest).unwrap_or(0)
        }
        Unit::HttpRequest { .. } | Unit::HttpResponse { .. } => LEAST_HEAD_BYTES,
        Unit::WsControl { .. } => 0,
    };
    (most > 0).then(|| Edge::Inside(draws.range(1..=most)))
}

/// A fault whose place does not come: the law that faults take effect then tells what there was instead.
fn nowhere(act: Act, scenario: &Scenario) -> Fault {
    let triggers = [
        Trigger::message(1, Direction::ToServer, Edge::After),
        Trigger::HttpHead { n: 1, direction: Direction::ToClient, edge: Edge::Before },
        Trigger::Connect,
    ];
    let faults = triggers.into_iter().map(|trigger| Fault { trigger, act: act.clone() });
    let taken = faults.into_iter().find(|fault| scenario.takes(fault));
    taken.unwrap_or(Fault { trigger: Trigger::At(Duration::from_millis(1)), act })
}

fn is_on(record: &Record, on: &Link) -> bool {
    link(record).is_some_and(|link| link == on)
}

fn is_between(record: &Record, one: &HostName, other: &HostName) -> bool {
    link(record).is_some_and(|link| {
        let ends = (&link.client, &link.server);
        ends == (one, other) || ends == (other, one)
    })
}

fn is_at(record: &Record, host: &HostName) -> bool {
    let speaks = record.host.as_ref() == Some(host);
    speaks || link(record).is_some_and(|link| link.client == *host || link.server == *host)
}

/// The link on which something passed or happened.
fn link(record: &Record) -> Option<&Link> {
    record.what.connection().map(|id| &id.link)
}
