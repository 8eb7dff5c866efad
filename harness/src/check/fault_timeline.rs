//! The faults that struck: when, on whom, and when they ended.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fault::{Fault, FaultIndex, Target};
use crate::name::HostName;
use crate::trace::{ConnectionEvent, FaultEvent, Record, RecordKind};

/// A place in the trace with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) index: usize,
    pub(super) at: Duration,
}

/// When one planned fault fired, took effect and healed.
#[derive(Debug)]
pub(super) struct FaultTimeline<'a> {
    pub(super) number: FaultIndex,
    pub(super) fault: &'a Fault,
    pub(super) fired: Option<Moment>,
    /// The first packet that it changed, or the first outcome that an endpoint saw because of it.
    pub(super) took_effect: Option<Moment>,
    pub(super) healed: Option<Moment>,
}

/// Every planned fault, in the order of the plan.
pub(super) fn timelines<'a>(records: &[Record], faults: &'a [Fault]) -> Vec<FaultTimeline<'a>> {
    let mut timelines: Vec<_> = (0..)
        .zip(faults)
        .map(|(number, fault)| FaultTimeline {
            number: FaultIndex(number),
            fault,
            fired: None,
            took_effect: None,
            healed: None,
        })
        .collect();
    for (index, record) in records.iter().enumerate() {
        let RecordKind::Fault { fault, event } = &record.what else { continue };
        let Some(timeline) = usize::try_from(fault.0).ok().and_then(|place| timelines.get_mut(place)) else { continue };
        let slot = match event {
            FaultEvent::Fired { .. } => &mut timeline.fired,
            FaultEvent::FirstPacket { .. } | FaultEvent::FirstOutcome { .. } => &mut timeline.took_effect,
            FaultEvent::Healed => &mut timeline.healed,
        };
        slot.get_or_insert(Moment { index, at: record.at });
    }
    timelines
}

impl FaultTimeline<'_> {
    /// Whether it strikes the attempts that this observer makes.
    pub(super) fn strikes_attempts_of(&self, observer: &HostName) -> bool {
        self.fault.act.at_the_beginning().is_some() && self.connects(observer)
    }

    /// Whether this observer is the end of the struck link that connects.
    pub(super) fn connects(&self, observer: &HostName) -> bool {
        self.fault.act.target().link().is_some_and(|link| *observer == link.client)
    }

    /// Whether an observer stands at the struck link, or had a connection with the struck host when it was struck.
    pub(super) fn concerns(&self, observer: &HostName, records: &[Record]) -> bool {
        match self.fault.act.target() {
            Target::Link { link, .. } => *observer == link.client || *observer == link.server,
            Target::Between(one, other) => observer == one || observer == other,
            Target::Host(host) => {
                let upto = self.fired.map_or(0, |fired| fired.index);
                observer != host && are_connected(observer, host, &records[..upto])
            }
        }
    }
}

/// Whether a connection between two hosts was established and has not been closed.
fn are_connected(observer: &HostName, host: &HostName, records: &[Record]) -> bool {
    let mut open = BTreeSet::new();
    for record in records {
        let RecordKind::Connection { id, event } = &record.what else { continue };
        let (client, server) = (&id.link.client, &id.link.server);
        if !((client == observer && server == host) || (client == host && server == observer)) {
            continue;
        }
        match event {
            ConnectionEvent::Established => {
                open.insert(id);
            }
            ConnectionEvent::Closed { .. } => {
                open.remove(id);
            }
            ConnectionEvent::Attempted
            | ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::GaveUp { .. }
            | ConnectionEvent::Forgotten
            | ConnectionEvent::Fin { .. }
            | ConnectionEvent::Rst { .. } => {}
        }
    }
    !open.is_empty()
}
