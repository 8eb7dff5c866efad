//! Which connections were lost: ended by the network or by a fault, and not because a process wanted it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Evidence;
use super::fault_timeline::{Moment, timelines};
use super::process_timeline::ProcessTimeline;
use super::ways::Pair;
use crate::fault::Target;
use crate::name::{ConnectionId, HostName, Side};
use crate::trace::{ConnectionEvent, FaultEvent, Record, RecordKind};

/// A connection that was lost, as one of its ends learnt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death<'a> {
    pub(super) id: &'a ConnectionId,
    /// When the end learnt of it.
    pub(super) index: usize,
    /// The end that it concerns.
    pub(super) told: Side,
}

/// When a connection was there, by place in the trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) attempted: Moment,
    pub(super) established: Option<Moment>,
    /// The first place from which on nothing more gets through.
    pub(super) over: Option<usize>,
}

/// Every connection of a run, and those that were lost, up to the judgement: how hosts part when they are stopped is
/// no loss.
#[derive(Debug)]
pub(super) struct Connections<'a> {
    courses: BTreeMap<&'a ConnectionId, Course>,
    pub(super) deaths: Vec<Death<'a>>,
}

/// Why an end closed its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// Its process wanted it.
    Own,
    /// Its process had done its work, or was told to stop.
    Exit,
    /// A fault killed its process.
    Killed,
}

impl<'a> Connections<'a> {
    pub(super) fn of(evidence: &Evidence<'a>, processes: &ProcessTimeline) -> Self {
        let silences = silences(evidence);
        let mut closed: BTreeMap<(&ConnectionId, Side), Closing> = BTreeMap::new();
        // By a middlebox: what is sent on them does not arrive.
        let mut forgotten = BTreeSet::new();
        let mut connections = Self { courses: BTreeMap::new(), deaths: Vec::new() };
        for (index, record) in evidence.records.iter().enumerate() {
            if record.at > evidence.last.at {
                break;
            }
            let RecordKind::Connection { id, event } = &record.what else { continue };
            connections.note(id, event, Moment { index, at: record.at });
            let open = |side: Side| !closed.contains_key(&(id, side));
            let told = match event {
                ConnectionEvent::Closed { by } => {
                    let how = closing(host(id, *by), index, evidence.records, processes);
                    let silent = forgotten.contains(id) || silences.iter().any(|silence| silence.holds(id, index));
                    let lost = how == Closing::Own && silent;
                    closed.entry((id, *by)).or_insert(how);
                    lost.then_some(*by)
                }
                // The kernel of a process that was killed says what the process would not have said.
                ConnectionEvent::Fin { by, forged } => {
                    let killed = closed.get(&(id, *by)) == Some(&Closing::Killed);
                    ((*forged || killed) && open(by.peer())).then_some(by.peer())
                }
                ConnectionEvent::Rst { to, forged } => {
                    let leaves = closed.get(&(id, to.peer())) == Some(&Closing::Exit);
                    ((*forged || !leaves) && open(*to)).then_some(*to)
                }
                ConnectionEvent::GaveUp { by, .. } => open(*by).then_some(*by),
                ConnectionEvent::TimedOut => Some(Side::Client),
                // A middlebox that forgets a connection tells neither end.
                ConnectionEvent::Forgotten => {
                    forgotten.insert(id);
                    None
                }
                ConnectionEvent::Attempted | ConnectionEvent::Established | ConnectionEvent::Refused => None,
            };
            connections.deaths.extend(told.map(|told| Death { id, index, told }));
        }
        connections
    }

    fn note(&mut self, id: &'a ConnectionId, event: &ConnectionEvent, moment: Moment) {
        let course = self.courses.entry(id).or_insert(Course { attempted: moment, established: None, over: None });
        match event {
            ConnectionEvent::Attempted | ConnectionEvent::Forgotten => {}
            ConnectionEvent::Established => course.established = Some(moment),
            ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::GaveUp { .. }
            | ConnectionEvent::Fin { .. }
            | ConnectionEvent::Rst { .. }
            | ConnectionEvent::Closed { .. } => {
                course.over.get_or_insert(moment.index);
            }
        }
    }

    /// The connections of a pair.
    pub(super) fn of_pair(&self, pair: Pair<'a>) -> impl Iterator<Item = (&'a ConnectionId, Course)> + '_ {
        self.courses.iter().map(|(id, course)| (*id, *course)).filter(move |(id, _)| pair_of(id) == pair)
    }

    /// The place from which on things may have waited for a connection: where the one before it was over.
    pub(super) fn awaited_since(&self, id: &'a ConnectionId) -> usize {
        let Some(own) = self.courses.get(id) else { return 0 };
        let start = own.attempted.index;
        let earlier = self.of_pair(pair_of(id)).filter(|(_, other)| other.established.is_some());
        let earlier = earlier.filter(|(_, other)| other.attempted.index < start);
        earlier.map(|(_, other)| other.over.map_or(start, |over| over.min(start))).max().unwrap_or(0)
    }

    /// Whether a connection was the only one of its pair between two places.
    pub(super) fn is_alone(&self, id: &'a ConnectionId, from: usize, to: usize) -> bool {
        let mut others = self.of_pair(pair_of(id)).filter(|(other, _)| *other != id);
        !others.any(|(_, other)| other.attempted.index < to && other.over.is_none_or(|over| over > from))
    }

    /// When a pair was connected again after a place, and how long its hosts then take to be in touch: the least round
    /// trip that was seen between them, once for each of the questions that usually come first (TLS, an upgrade, a
    /// subscription, and its answer).
    pub(super) fn connected_again(&self, pair: Pair<'a>, after: usize) -> Option<(Moment, Duration)> {
        const ROUND_TRIPS: u32 = 4;
        let took = |course: Course| Some(course.established?.at.saturating_sub(course.attempted.at));
        let round_trip = self.of_pair(pair).filter_map(|(_, course)| took(course)).min()?;
        let again = self.of_pair(pair).filter_map(|(_, course)| course.established);
        let again =
            again.filter(|established| established.index > after).min_by_key(|established| established.index)?;
        Some((again, round_trip * ROUND_TRIPS))
    }
}

/// The hosts of a connection.
pub(super) fn pair_of(id: &ConnectionId) -> Pair<'_> {
    Pair::of(&id.link.client, &id.link.server)
}

/// The host at an end.
pub(super) fn host(id: &ConnectionId, side: Side) -> &HostName {
    match side {
        Side::Client => &id.link.client,
        Side::Server => &id.link.server,
    }
}

fn closing(host: &HostName, index: usize, records: &[Record], processes: &ProcessTimeline) -> Closing {
    if processes.was_killed(host, index) {
        return Closing::Killed;
    }
    let at = records[index].at;
    // Who returns lets go of its sockets in the same instant, before or after it is recorded.
    let returns = processes.returns_after(host, index).is_some_and(|place| records[place].at == at);
    if returns || processes.is_away(host, index) { Closing::Exit } else { Closing::Own }
}

/// A fault under which nothing is heard on some connections, with the time for which that lasts.
struct Silence<'a> {
    target: Target<'a>,
    /// The connections that the fault names, in words.
    on: BTreeSet<&'a str>,
    from: usize,
    to: Option<usize>,
}

impl Silence<'_> {
    fn holds(&self, id: &ConnectionId, index: usize) -> bool {
        let lasts = self.from < index && self.to.is_none_or(|to| index < to);
        lasts
            && match self.target {
                Target::Link { .. } => self.on.contains(id.to_string().as_str()),
                Target::Between(one, other) => pair_of(id) == Pair::of(one, other),
                Target::Host(host) => pair_of(id).has(host),
            }
    }
}

fn silences<'a>(evidence: &Evidence<'a>) -> Vec<Silence<'a>> {
    let timelines = timelines(evidence.records, evidence.faults);
    let silent = timelines.into_iter().filter(|timeline| timeline.fault.act.silences());
    let silences = silent.filter_map(|timeline| {
        let from = timeline.fired?.index;
        let RecordKind::Fault { event: FaultEvent::Fired { on, .. }, .. } = &evidence.records[from].what else {
            return None;
        };
        let on = on.split(", ").collect();
        let to = timeline.healed.map(|healed| healed.index);
        Some(Silence { target: timeline.fault.act.target(), on, from, to })
    });
    silences.collect()
}
