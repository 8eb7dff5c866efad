//! When each host's process lived.

use std::collections::BTreeMap;

use crate::name::HostName;
use crate::trace::{ProcessEvent, Record, RecordKind};

/// The comings and goings of every host, by place in the trace.
#[derive(Debug)]
pub(super) struct ProcessTimeline<'a> {
    transitions: BTreeMap<&'a HostName, Vec<(usize, Transition)>>,
}

/// What a process event does to a host's being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Started,
    /// Asked to stop: what it does from here on is its farewell.
    Leaving,
    /// Ended by itself.
    Returned,
    /// Ended by a fault.
    Killed,
}

impl<'a> ProcessTimeline<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut transitions: BTreeMap<&HostName, Vec<(usize, Transition)>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            let (Some(host), RecordKind::Process(event)) = (&record.host, &record.what) else { continue };
            let transition = match event {
                ProcessEvent::Started => Transition::Started,
                ProcessEvent::StopRequested => Transition::Leaving,
                ProcessEvent::Exited { .. } => Transition::Returned,
                ProcessEvent::Crashed | ProcessEvent::PowerLost => Transition::Killed,
                ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. } => continue,
            };
            transitions.entry(host).or_default().push((index, transition));
        }
        Self { transitions }
    }

    /// Whether the host was leaving or gone when the record at `index` was written.
    pub(super) fn is_away(&self, host: &HostName, index: usize) -> bool {
        self.before(host, index).is_some_and(|transition| transition != Transition::Started)
    }

    /// Whether the host had done its own work and ended before the record at `index`.
    pub(super) fn has_returned(&self, host: &HostName, index: usize) -> bool {
        self.before(host, index) == Some(Transition::Returned)
    }

    /// Whether a fault had ended the host's life before the record at `index`, and nothing had started it again.
    pub(super) fn was_killed(&self, host: &HostName, index: usize) -> bool {
        self.before(host, index) == Some(Transition::Killed)
    }

    /// Where faults end a life of the host.
    pub(super) fn kills(&self, host: &HostName) -> impl Iterator<Item = usize> + '_ {
        let transitions = self.transitions.get(host).into_iter().flatten();
        transitions.filter(|(_, transition)| *transition == Transition::Killed).map(|&(place, _)| place)
    }

    /// The first record after `index` with which a life of the host begins.
    pub(super) fn starts_after(&self, host: &HostName, index: usize) -> Option<usize> {
        self.next(host, index, Transition::Started)
    }

    /// The first record after `index` with which the host is told to stop.
    pub(super) fn asked_after(&self, host: &HostName, index: usize) -> Option<usize> {
        self.next(host, index, Transition::Leaving)
    }

    /// The first record after `index` with which a life of the host is over, however it ends.
    pub(super) fn over_after(&self, host: &HostName, index: usize) -> Option<usize> {
        let ends = [Transition::Returned, Transition::Killed].map(|transition| self.next(host, index, transition));
        ends.into_iter().flatten().min()
    }

    /// The first record after `index` with which a life of the host ends by itself.
    pub(super) fn returns_after(&self, host: &HostName, index: usize) -> Option<usize> {
        self.next(host, index, Transition::Returned)
    }

    /// The first record after `index` with which a life of the host ends, or begins to.
    pub(super) fn ends_after(&self, host: &HostName, index: usize) -> Option<usize> {
        let transitions = self.transitions.get(host)?;
        let from = transitions.partition_point(|&(place, _)| place <= index);
        transitions[from..].iter().find(|(_, transition)| *transition != Transition::Started).map(|&(place, _)| place)
    }

    /// Whether the life that ends with the record at `index` ended by itself.
    pub(super) fn is_by_itself(&self, host: &HostName, index: usize) -> bool {
        self.transitions(host).any(|(place, transition)| place == index && transition == Transition::Returned)
    }

    /// The comings and goings of one host, each with its place in the trace.
    pub(super) fn transitions(&self, host: &HostName) -> impl Iterator<Item = (usize, Transition)> {
        self.transitions.get(host).into_iter().flatten().copied()
    }

    /// Every host that had a process.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a HostName> {
        self.transitions.keys().copied()
    }

    /// The last record before `index` that changes whether the host is there.
    pub(super) fn last_transition(&self, host: &HostName, index: usize) -> Option<usize> {
        let transitions = self.transitions.get(host)?;
        let upto = transitions.partition_point(|&(place, _)| place < index);
        upto.checked_sub(1).map(|last| transitions[last].0)
    }

    fn next(&self, host: &HostName, index: usize, wanted: Transition) -> Option<usize> {
        let transitions = self.transitions.get(host)?;
        let from = transitions.partition_point(|&(place, _)| place <= index);
        transitions[from..].iter().find(|(_, transition)| *transition == wanted).map(|&(place, _)| place)
    }

    fn before(&self, host: &HostName, index: usize) -> Option<Transition> {
        let transitions = self.transitions.get(host)?;
        let upto = transitions.partition_point(|&(place, _)| place < index);
        upto.checked_sub(1).map(|last| transitions[last].1)
    }
}
