//! The faults that struck: when, on whom, and when they ended.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fault::{Ending, Ends, Fault, FaultIndex, IoCall, Target, Upstream, Verb};
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

/// How a fault strikes a connection's beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtTheBeginning {
    /// Whether the attempt hangs until the host that made it gives it up.
    pub(super) hangs: bool,
    /// Whether it strikes every attempt in its time; the first one only, without.
    pub(super) lasts: bool,
    /// How many attempts it lets pass before.
    pub(super) spared: u32,
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
    /// Whether the fault, if nothing ends it in time, takes a service away from a host that must then notice.
    pub(super) fn takes_away(&self) -> bool {
        match &self.fault.verb {
            Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfOpen { .. }
            | Verb::Illegal { .. }
            | Verb::Cut { .. }
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::Restart { .. } => true,
            Verb::TruncateClean
            | Verb::ClockJump { .. }
            | Verb::HalfClose { .. }
            | Verb::LookupFails { .. }
            | Verb::LookupMoves { .. }
            | Verb::Buffer { .. }
            | Verb::Refuse { .. }
            | Verb::ConnectHang { .. }
            | Verb::HandshakeStall { .. }
            | Verb::AcceptThenReset { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Upstream(_)
            | Verb::IoError { .. } => false,
        }
    }

    /// Whether the fault strikes connections at their beginning, and how.
    pub(super) fn at_the_beginning(&self) -> Option<AtTheBeginning> {
        let (hangs, lasting, nth) = match &self.fault.verb {
            Verb::ConnectHang { lasting } | Verb::HandshakeStall { lasting } => (true, lasting, 1),
            Verb::Refuse { lasting } | Verb::AcceptThenReset { lasting } => (false, lasting, 1),
            Verb::IoError { call: IoCall::Connect, nth, lasting, .. } => (false, lasting, *nth),
            Verb::LookupFails { lasting, .. } => (false, lasting, 1),
            Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfClose { .. }
            | Verb::HalfOpen { .. }
            | Verb::Illegal { .. }
            | Verb::Cut { .. }
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::ClockJump { .. }
            | Verb::Restart { .. }
            | Verb::TruncateClean
            | Verb::LookupMoves { .. }
            | Verb::Buffer { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Upstream(_)
            | Verb::IoError { .. } => return None,
        };
        Some(AtTheBeginning { hangs, lasts: lasting.is_some(), spared: nth.saturating_sub(1) })
    }

    /// Whether it strikes the attempts that this observer makes.
    pub(super) fn strikes_attempts_of(&self, observer: &HostName) -> bool {
        self.at_the_beginning().is_some() && self.connects(observer)
    }

    /// Whether this observer is the end of the struck link that connects.
    pub(super) fn connects(&self, observer: &HostName) -> bool {
        match &self.fault.target {
            Target::Link { link, .. } => *observer == link.client,
            Target::Between(..) | Target::Host(_) => false,
        }
    }

    /// Whether the fault ends what it strikes at once, so that no wait can make it harmless.
    pub(super) fn is_final(&self) -> bool {
        match &self.fault.verb {
            Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::Restart { .. } => true,
            Verb::Cut { ending } => match ending {
                Ending::Fin | Ending::Rst => true,
                Ending::Silence => false,
            },
            Verb::HalfOpen { .. }
            | Verb::Illegal { .. }
            | Verb::TruncateClean
            | Verb::ClockJump { .. }
            | Verb::HalfClose { .. }
            | Verb::LookupFails { .. }
            | Verb::LookupMoves { .. }
            | Verb::Buffer { .. }
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Refuse { .. }
            | Verb::ConnectHang { .. }
            | Verb::HandshakeStall { .. }
            | Verb::AcceptThenReset { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Upstream(_)
            | Verb::IoError { .. } => false,
        }
    }

    /// Whether the fault lets nothing through, one way or both, as long as it lasts, and says nothing of it.
    pub(super) fn silences(&self) -> bool {
        match &self.fault.verb {
            // What the end that seems to have finished still sends goes nowhere.
            Verb::HalfClose { .. }
            | Verb::HalfOpen { .. }
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::HandshakeStall { .. }
            | Verb::Cut { ending: Ending::Silence }
            | Verb::Upstream(Upstream::Stall { .. }) => true,
            // An end that is not told hears nothing more.
            Verb::Reset { to } | Verb::Drop { to } | Verb::Close { to, .. } => *to != Ends::Both,
            Verb::Cut { ending: Ending::Fin | Ending::Rst }
            | Verb::Upstream(
                Upstream::Status { .. }
                | Upstream::SlowHead { .. }
                | Upstream::MissingDone
                | Upstream::ErrorEvent { .. },
            )
            | Verb::Illegal { .. }
            | Verb::TruncateClean
            | Verb::Refuse { .. }
            | Verb::ConnectHang { .. }
            | Verb::AcceptThenReset { .. }
            | Verb::LookupFails { .. }
            | Verb::LookupMoves { .. }
            | Verb::Buffer { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::IoError { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::ClockJump { .. }
            | Verb::Restart { .. } => false,
        }
    }

    /// Whether an observer stands at the struck link, or had a connection with the struck host when it was struck.
    pub(super) fn concerns(&self, observer: &HostName, records: &[Record]) -> bool {
        match &self.fault.target {
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
