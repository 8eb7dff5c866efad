//! Which records make the scene: what proves the broken law, the life of its key, the faults, and what stands around them.

use std::collections::{BTreeMap, BTreeSet};

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, HostName};
use halfopen::trace::{FaultEvent, Level, RecordKind, Unit};

use halfopen::report::Said;

use super::connections::Connections;
use super::{Run, lost};

/// As many rows as a reader follows.
const ROWS: usize = 56;
/// Of the proofs of the first law, from its beginning and from its end; and of the others.
const FIRST_PROOFS: usize = 5;
const OTHER_PROOFS: usize = 2;
/// Of the life of the key, from its beginning and from its end.
const LIFE: usize = 14;
/// Faults whose firing is shown whatever else is.
const FAULTS: usize = 5;
/// How far around a proof what happens is of interest.
const AROUND: usize = 3;
/// A message that is said more often than this is one of many.
const OFTEN: usize = 4;

/// The places of the records that the scene shows, in their order.
pub(crate) fn of(run: &mut Run<'_>, connections: &Connections) -> Vec<usize> {
    let shown: Vec<usize> = (0..run.records.len()).filter(|index| is_shown(run, *index)).collect();
    let mut chosen = Chosen::default();
    chosen.add(both_ends(&run.first_proofs, FIRST_PROOFS));
    chosen.add(faults(run));
    let life: Vec<usize> = shown.iter().copied().filter(|index| run.speaks_of_key(*index)).collect();
    chosen.add(both_ends(&life, LIFE));
    for violation in run.broken().into_iter().skip(1) {
        chosen.add(both_ends(&violation.witness, OTHER_PROOFS));
    }
    chosen.add(connections.ends_of_mistakes());
    let said = often(run, &shown);
    let telling: Vec<usize> = shown.iter().copied().filter(|index| !said.contains(index)).collect();
    let centres: Vec<usize> = run.first_proofs.iter().copied().chain(faults(run)).collect();
    for distance in 1..=AROUND {
        for centre in &centres {
            let next = telling.partition_point(|index| index <= centre) + distance - 1;
            let before = telling.partition_point(|index| index < centre).checked_sub(distance);
            chosen.add([before, Some(next)].into_iter().flatten().filter_map(|place| telling.get(place)).copied());
        }
    }
    let turns = turning_points(run, &chosen.places, &shown);
    chosen.add(turns);
    chosen.places.into_iter().collect()
}

/// The records that were chosen, up to as many as a reader follows.
#[derive(Default)]
struct Chosen {
    places: BTreeSet<usize>,
}

impl Chosen {
    fn add(&mut self, places: impl IntoIterator<Item = usize>) {
        for place in places {
            if self.places.len() < ROWS {
                self.places.insert(place);
            }
        }
    }
}

/// Messages that are said again and again (heartbeats), which tell nothing of the moments around which they stand.
fn often(run: &mut Run<'_>, shown: &[usize]) -> BTreeSet<usize> {
    let mut said: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for index in shown {
        if let RecordKind::Unit { .. } = &run.records[*index].what {
            let Said { who, text } = run.brief(*index);
            said.entry((who, text)).or_default().push(*index);
        }
    }
    said.into_values().filter(|places| places.len() > OFTEN).flatten().collect()
}

/// The first and the last of a list.
fn both_ends(places: &[usize], many: usize) -> Vec<usize> {
    let first = places.iter().copied().take(many);
    first.chain(places.iter().copied().rev().take(many)).collect()
}

/// What the faults did, nearest to the first proof.
fn faults(run: &Run<'_>) -> Vec<usize> {
    let is_fault =
        |index: &usize| matches!(run.records[*index].what, RecordKind::Fault { .. }) && is_shown(run, *index);
    let mut places: Vec<usize> = (0..run.records.len()).filter(is_fault).collect();
    let proof = run.first_proofs.last().copied().unwrap_or(0);
    places.sort_by_key(|place| (place.abs_diff(proof), *place));
    places.truncate(FAULTS);
    places
}

/// Where connections between the hosts of the chosen records begin and end, between the first and the last of these.
fn turning_points(run: &Run<'_>, chosen: &BTreeSet<usize>, shown: &[usize]) -> Vec<usize> {
    let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else { return Vec::new() };
    let mut hosts: BTreeSet<&HostName> = BTreeSet::new();
    for index in run.first_proofs.iter().chain(chosen.iter().filter(|index| run.speaks_of_key(**index))) {
        let Some(record) = run.records.get(*index) else { continue };
        hosts.extend(&record.host);
    }
    let between = |id: &ConnectionId| hosts.contains(&id.link.client) && hosts.contains(&id.link.server);
    let turns = |index: &usize| match &run.records[*index].what {
        RecordKind::Connection { id, .. } => between(id),
        RecordKind::Observed { connection, .. } => between(connection),
        RecordKind::Process(_) => true,
        RecordKind::Unit { connection, unit: Unit::WsControl { kind, .. }, .. } => {
            *kind == FrameKind::Close && between(connection)
        }
        RecordKind::Unit { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Fact(_)
        | RecordKind::Event(_)
        | RecordKind::BrokenRule { .. } => false,
    };
    shown.iter().copied().filter(|index| (first..=last).contains(&index)).filter(turns).collect()
}

/// Whether a record has a shape in the scene. Log lines below a warning have none: the facts that are read from them do.
pub(super) fn is_shown(run: &Run<'_>, index: usize) -> bool {
    if !run.is_worth_a_line(index) {
        return false;
    }
    match &run.records[index].what {
        RecordKind::Event(event) => matches!(event.level, Level::Error | Level::Warn),
        RecordKind::Unit { unit: Unit::WsControl { kind, .. }, .. } => *kind == FrameKind::Close,
        RecordKind::Fault { fault, event } => match event {
            FaultEvent::Fired { .. } | FaultEvent::Healed => true,
            FaultEvent::FirstPacket { packet } => lost::of(run.records, *fault, packet).is_some(),
            FaultEvent::FirstOutcome { .. } => false,
        },
        RecordKind::Connection { .. }
        | RecordKind::Unit { .. }
        | RecordKind::Process(_)
        | RecordKind::Fact(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => true,
    }
}
