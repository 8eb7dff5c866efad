//! What a check is shown: the records of a run, its plan, and the state in which it ended.

use super::Finding;
use crate::fact::FactKind;
use crate::fault::{Fault, to_word};
use crate::mapping::FactSource;
use crate::name::HostName;
use crate::trace::{FinalState, Record, RecordKind};

/// Everything that a check may look at.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Every record, in order, with the mapped facts in it.
    pub records: &'a [Record],
    /// The plan; a record's `FaultIndex` is a place in it.
    pub faults: &'a [Fault],
    /// Whose scripts' ends end the run; the others serve until they are told to stop.
    pub actors: &'a [HostName],
    /// How the run ended.
    pub last: &'a FinalState,
    /// Where the scenario says that facts are read from, beside what hosts tell themselves.
    pub(crate) sources: &'a [FactSource],
}

impl Evidence<'_> {
    /// Refuses a run in which no fact of these kinds was told: a law about them would hold whatever the service does. A
    /// scenario that has an `optional` source of one of them says that such a run is in order.
    ///
    /// # Errors
    ///
    /// If there is no such fact and no such source.
    pub fn must_tell(&self, kinds: &[FactKind]) -> Result<(), Finding> {
        let told = |record: &Record| matches!(&record.what, RecordKind::Fact(fact) if kinds.contains(&fact.kind));
        if self.may_lack(kinds) || self.records.iter().any(told) {
            return Ok(());
        }
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{}`", to_word(kind))).collect();
        let sentence = format!(
            "no {} fact was told in this run, so the law says nothing: the services did not do what it is about, or \
             the host that should tell of it does not.",
            kinds.join(" or "),
        );
        Err(Finding::new("says nothing", sentence))
    }

    /// Whether the scenario says that a run without a fact of these kinds is in order.
    pub(super) fn may_lack(&self, kinds: &[FactKind]) -> bool {
        self.sources.iter().any(|source| source.optional && kinds.contains(&source.kind))
    }
}
