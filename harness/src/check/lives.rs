//! When each host's process lived.

use std::collections::BTreeMap;

use crate::name::HostName;
use crate::trace::{ProcessEvent, Record, What};

/// The comings and goings of every host, by place in the trace.
#[derive(Debug)]
pub(super) struct Lives<'a> {
    turns: BTreeMap<&'a HostName, Vec<(usize, Turn)>>,
}

/// What a process event does to a host's being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Started,
    /// Asked to stop: what it does from here on is its farewell.
    Leaving,
    /// Ended by itself.
    Returned,
    /// Ended by a fault.
    Killed,
}

impl<'a> Lives<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut turns: BTreeMap<&HostName, Vec<(usize, Turn)>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            let (Some(host), What::Process(event)) = (&record.host, &record.what) else { continue };
            let turn = match event {
                ProcessEvent::Started => Turn::Started,
                ProcessEvent::StopRequested => Turn::Leaving,
                ProcessEvent::Exited { .. } => Turn::Returned,
                ProcessEvent::Crashed | ProcessEvent::PowerLost => Turn::Killed,
                ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. } => continue,
            };
            turns.entry(host).or_default().push((index, turn));
        }
        Self { turns }
    }

    /// Whether the host was leaving or gone when the record at `index` was written.
    pub(super) fn is_away(&self, host: &HostName, index: usize) -> bool {
        self.before(host, index).is_some_and(|turn| turn != Turn::Started)
    }

    /// Whether the host had done its own work and ended before the record at `index`.
    pub(super) fn has_returned(&self, host: &HostName, index: usize) -> bool {
        self.before(host, index) == Some(Turn::Returned)
    }

    /// Whether a fault had ended the host's life before the record at `index`, and nothing had started it again.
    pub(super) fn was_killed(&self, host: &HostName, index: usize) -> bool {
        self.before(host, index) == Some(Turn::Killed)
    }

    /// Where faults end a life of the host.
    pub(super) fn kills(&self, host: &HostName) -> impl Iterator<Item = usize> + '_ {
        let turns = self.turns.get(host).into_iter().flatten();
        turns.filter(|(_, turn)| *turn == Turn::Killed).map(|&(place, _)| place)
    }

    /// The first record after `index` with which a life of the host begins.
    pub(super) fn starts_after(&self, host: &HostName, index: usize) -> Option<usize> {
        self.next(host, index, Turn::Started)
    }

    /// The first record after `index` with which the host is told to stop.
    pub(super) fn asked_after(&self, host: &HostName, index: usize) -> Option<usize> {
        self.next(host, index, Turn::Leaving)
    }

    /// The first record after `index` with which a life of the host is over, however it ends.
    pub(super) fn over_after(&self, host: &HostName, index: usize) -> Option<usize> {
        let ends = [Turn::Returned, Turn::Killed].map(|turn| self.next(host, index, turn));
        ends.into_iter().flatten().min()
    }

    /// The first record after `index` with which a life of the host ends by itself.
    pub(super) fn returns_after(&self, host: &HostName, index: usize) -> Option<usize> {
        self.next(host, index, Turn::Returned)
    }

    /// The first record after `index` with which a life of the host ends, or begins to.
    pub(super) fn ends_after(&self, host: &HostName, index: usize) -> Option<usize> {
        let turns = self.turns.get(host)?;
        let from = turns.partition_point(|&(place, _)| place <= index);
        turns[from..].iter().find(|(_, turn)| *turn != Turn::Started).map(|&(place, _)| place)
    }

    /// Whether the life that ends with the record at `index` ended by itself.
    pub(super) fn is_by_itself(&self, host: &HostName, index: usize) -> bool {
        self.turns(host).any(|(place, turn)| place == index && turn == Turn::Returned)
    }

    /// The comings and goings of one host, each with its place in the trace.
    pub(super) fn turns(&self, host: &HostName) -> impl Iterator<Item = (usize, Turn)> {
        self.turns.get(host).into_iter().flatten().copied()
    }

    /// Every host that had a process.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a HostName> {
        self.turns.keys().copied()
    }

    /// The last record before `index` that changes whether the host is there.
    pub(super) fn last_turn(&self, host: &HostName, index: usize) -> Option<usize> {
        let turns = self.turns.get(host)?;
        let upto = turns.partition_point(|&(place, _)| place < index);
        upto.checked_sub(1).map(|last| turns[last].0)
    }

    fn next(&self, host: &HostName, index: usize, wanted: Turn) -> Option<usize> {
        let turns = self.turns.get(host)?;
        let from = turns.partition_point(|&(place, _)| place <= index);
        turns[from..].iter().find(|(_, turn)| *turn == wanted).map(|&(place, _)| place)
    }

    fn before(&self, host: &HostName, index: usize) -> Option<Turn> {
        let turns = self.turns.get(host)?;
        let upto = turns.partition_point(|&(place, _)| place < index);
        upto.checked_sub(1).map(|last| turns[last].1)
    }
}
