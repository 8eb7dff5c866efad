//! Whether an observer was in service, by what it told and by what the network did.

use std::collections::BTreeMap;

use super::Evidence;
use super::fact_index::{Entry, facts};
use super::fault_timeline::FaultTimeline;
use crate::fact::FactKind;
use crate::fault::FrameKind;
use crate::name::{ConnectionId, HostName};
use crate::trace::{ConnectionEvent, Record, RecordKind, Unit};

/// What an observer told of its connections (`detected`, `recovered`), without its false alarms.
#[derive(Debug)]
pub(super) struct Service<'a> {
    told: Vec<Entry<'a>>,
    tells_recoveries: bool,
}

impl<'a> Service<'a> {
    pub(super) fn of(observer: &HostName, timelines: &[FaultTimeline], evidence: &Evidence<'a>) -> Self {
        let mut recovered: BTreeMap<&str, usize> = BTreeMap::new();
        let mut told = Vec::new();
        let own = facts(evidence.records).filter(|entry| entry.host == Some(observer));
        for entry in own.filter(|entry| matches!(entry.kind, FactKind::Detected | FactKind::Recovered)) {
            if entry.kind == FactKind::Recovered {
                recovered.insert(entry.key, entry.index);
                told.push(entry);
            } else if has_cause(observer, recovered.get(entry.key).copied(), entry.index, timelines, evidence) {
                told.push(entry);
            }
        }
        let tells_recoveries = !recovered.is_empty();
        Self { told, tells_recoveries }
    }

    /// Whether the observer was in service when the record at `index` was written.
    ///
    /// Only an observer that tells of its recoveries can be known to be out of service; one that begins with a recovery
    /// tells of its first connection, too, and has none before.
    pub(super) fn is_up(&self, index: usize) -> bool {
        if !self.tells_recoveries {
            return true;
        }
        let upto = self.told.partition_point(|entry| entry.index < index);
        if upto == 0 {
            return self.told[0].kind != FactKind::Recovered;
        }
        let latest: BTreeMap<_, _> = self.told[..upto].iter().map(|entry| (entry.key, entry.kind)).collect();
        latest.values().any(|kind| *kind != FactKind::Detected)
    }

    /// The observer's last `detected` before the record at `index`.
    pub(super) fn last_loss(&self, index: usize) -> Option<usize> {
        let before = self.told.iter().take_while(|entry| entry.index < index);
        before.filter(|entry| entry.kind == FactKind::Detected).last().map(|entry| entry.index)
    }
}

/// Whether anything had happened, since the observer was last in service, that it could have noticed: a fault on it, or
/// the end of a connection of it. Without that a `detected` is a false alarm, and takes nothing away from the observer.
fn has_cause(
    observer: &HostName,
    recovered: Option<usize>,
    told: usize,
    timelines: &[FaultTimeline],
    evidence: &Evidence,
) -> bool {
    let since = recovered.unwrap_or(0);
    let struck = timelines.iter().filter(|timeline| timeline.concerns(observer, evidence.records)).any(|timeline| {
        let lasts = !timeline.fault.act.is_final() && timeline.healed.is_none_or(|healed| healed.index > since);
        timeline.fired.is_some_and(|fired| fired.index < told && (fired.index >= since || lasts))
    });
    struck || evidence.records[since..told].iter().any(|record| is_an_end(record, observer))
}

fn is_an_end(record: &Record, observer: &HostName) -> bool {
    let is_own = |id: &ConnectionId| id.link.client == *observer || id.link.server == *observer;
    match &record.what {
        RecordKind::Connection { id, event } => match event {
            ConnectionEvent::Attempted | ConnectionEvent::Established => false,
            ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::Forgotten
            | ConnectionEvent::GaveUp { .. }
            | ConnectionEvent::Fin { .. }
            | ConnectionEvent::Rst { .. }
            | ConnectionEvent::Closed { .. } => is_own(id),
        },
        RecordKind::Unit { connection, unit: Unit::WsControl { kind: FrameKind::Close, .. }, .. } => is_own(connection),
        RecordKind::Unit { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Event(_)
        | RecordKind::Fact(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => false,
    }
}
