//! A run's records, and a hash that also covers packets, polls and draws.

use std::cmp::Ordering;
use std::time::Duration;

use crate::name::{Direction, HostName, Incarnation};
use crate::trace::{FinalState, Record, RecordKind, TraceHash};

/// Records and hash, as they grow.
pub(crate) struct Journal {
    records: Vec<Record>,
    /// Where the records of units stand, in the order in which the network counts them.
    units: Vec<u32>,
    hash: TraceHash,
    /// Nothing is recorded any more: what runs now is the taking apart of the run, whose order is tokio's own affair.
    sealed: bool,
    /// How many records are kept.
    most: usize,
}

/// The most records that a run may have: a hundred times what a long one has, and half a gigabyte.
const MOST_RECORDS: usize = 2_000_000;

impl Journal {
    pub(crate) fn new() -> Self {
        Self { records: Vec::new(), units: Vec::new(), hash: TraceHash::default(), sealed: false, most: MOST_RECORDS }
    }

    pub(crate) fn push(&mut self, at: Duration, host: Option<(&HostName, Incarnation)>, what: RecordKind) {
        if self.sealed {
            return;
        }
        let what = match self.records.len().cmp(&self.most) {
            Ordering::Less => what,
            Ordering::Equal => {
                let detail = format!("the run has more than {} records, and no later one is kept", self.most);
                RecordKind::BrokenRule { rule: "memory".to_owned(), detail }
            }
            Ordering::Greater => return,
        };
        let (host, incarnation) = match host {
            Some((host, incarnation)) => (Some(host.clone()), incarnation),
            None => (None, Incarnation::default()),
        };
        let record = Record { at, host, incarnation, what };
        self.hash.absorb_value(&record);
        if let RecordKind::Unit { .. } = record.what {
            self.units.push(self.records.len() as u32);
        }
        self.records.push(record);
    }

    /// The nth unit is in its receiver's socket. The hash knows that by the packets.
    pub(crate) fn arrived(&mut self, nth: u32, at: Duration) {
        let record = self.units.get(nth as usize).and_then(|place| self.records.get_mut(*place as usize));
        if let (false, Some(Record { what: RecordKind::Unit { arrived, .. }, .. })) = (self.sealed, record) {
            *arrived = Some(at);
        }
    }

    /// Whether nothing more is kept, and the run may as well end.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() > self.most
    }

    /// Takes a packet into the hash: when, where, and a number that depends on its every byte.
    #[inline]
    pub(crate) fn absorb_packet(&mut self, at: Duration, connection: u32, direction: Direction, digest: u64) {
        if self.sealed {
            return;
        }
        self.hash.absorb(at.as_nanos() as u64);
        self.hash.absorb(digest ^ (u64::from(connection) << 8 | direction as u64).rotate_left(32));
    }

    /// Takes the poll of a task into the hash.
    pub(crate) fn absorb_poll(&mut self, life: u32, ordinal: u64) {
        if !self.sealed {
            self.hash.absorb(u64::from(life) << 48 | ordinal);
        }
    }

    /// Takes a number of the engine's own into the hash (draws).
    pub(crate) fn absorb(&mut self, number: u64) {
        if !self.sealed {
            self.hash.absorb(number);
        }
    }

    /// Takes the state at the run's end into the hash.
    pub(crate) fn absorb_last(&mut self, last: &FinalState) {
        if !self.sealed {
            self.hash.absorb_value(last);
        }
    }

    pub(crate) fn seal(&mut self) {
        self.sealed = true;
    }

    pub(crate) fn take(&mut self) -> (Vec<Record>, TraceHash) {
        (std::mem::take(&mut self.records), self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Fact, FactKind};
    use crate::trace::{Level, LogEvent, ProcessEvent, RunEnd};

    #[test]
    fn every_part_of_a_record_is_in_the_hash() {
        let plain = hash_of(5, Some("alice"), fact("job-1", None));
        let event = |message: &str, field: &str| {
            let fields = vec![("field".to_owned(), field.to_owned())];
            RecordKind::Event(LogEvent {
                level: Level::Info,
                target: "chat".to_owned(),
                message: message.to_owned(),
                fields,
            })
        };
        let violation = |detail: &str| RecordKind::BrokenRule { rule: "stray".to_owned(), detail: detail.to_owned() };
        let others = [
            hash_of(6, Some("alice"), fact("job-1", None)),
            hash_of(5, Some("bob"), fact("job-1", None)),
            hash_of(5, None, fact("job-1", None)),
            hash_of(5, Some("alice"), fact("job-2", None)),
            hash_of(5, Some("alice"), fact("job-1", Some(""))),
            hash_of(5, Some("alice"), fact("job-1", Some("ok"))),
            hash_of(5, Some("alice"), event("up", "1")),
            hash_of(5, Some("alice"), event("up", "2")),
            hash_of(5, Some("alice"), event("down", "1")),
            hash_of(5, Some("alice"), violation("getpid")),
            hash_of(5, Some("alice"), violation("gettid")),
            hash_of(5, Some("alice"), RecordKind::Process(ProcessEvent::Started)),
        ];
        for (n, other) in others.iter().enumerate() {
            assert!(*other != plain && !others[..n].contains(other), "record {n}");
        }
    }

    #[test]
    fn the_state_at_the_end_is_in_the_hash() {
        let ended = |ended| {
            let mut journal = Journal::new();
            let (sockets, tasks, pending) = (Vec::new(), Vec::new(), Vec::new());
            journal.absorb_last(&FinalState {
                at: Duration::ZERO,
                ended,
                sockets,
                tasks,
                pending,
                unfired: Vec::new(),
                unreached: Vec::new(),
            });
            journal.take().1
        };
        assert_ne!(ended(RunEnd::Finished), ended(RunEnd::TimeLimit));
    }

    fn hash_of(ms: u64, host: Option<&str>, what: RecordKind) -> TraceHash {
        let mut journal = Journal::new();
        let host = host.map(HostName::from);
        journal.push(Duration::from_millis(ms), host.as_ref().map(|host| (host, Incarnation(0))), what);
        journal.take().1
    }

    fn fact(key: &str, value: Option<&str>) -> RecordKind {
        let fact = Fact::new(FactKind::Gauge, key);
        RecordKind::Fact(Fact { value: value.map(str::to_owned), ..fact })
    }
}
