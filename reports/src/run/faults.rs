//! What was to break, and what became of it.

use halfopen::trace::{FaultEvent, RecordKind};

use super::Run;
use crate::text::{length, moment, visible};

/// One fault of the plan.
pub(crate) struct Planned {
    /// In words.
    pub(crate) what: String,
    /// When and where it fired, what it changed, who felt it.
    pub(crate) became: Vec<String>,
    pub(crate) fired: bool,
    /// The record in which it fired.
    pub(crate) record: Option<usize>,
}

/// Every fault of the plan.
pub(crate) fn of(run: &Run<'_>) -> Vec<Planned> {
    let places = 0..run.outcome.faults.len();
    places.map(|place| planned(run, place)).collect()
}

fn planned(run: &Run<'_>, place: usize) -> Planned {
    let (mut became, mut record, mut since) = (Vec::new(), None, None);
    for (index, at) in run.records.iter().enumerate() {
        let RecordKind::Fault { fault, event } = &at.what else { continue };
        if fault.0 as usize != place {
            continue;
        }
        let after = since.map(|since| length(at.at.saturating_sub(since))).unwrap_or_default();
        match event {
            FaultEvent::Fired { on, .. } if since.is_none() => {
                (since, record) = (Some(at.at), Some(index));
                became.push(format!("fired at {} on {on}", moment(at.at)));
            }
            FaultEvent::Fired { on, .. } => became.push(format!("again {after} later on {on}")),
            FaultEvent::FirstPacket { packet } => became.push(format!("changed {packet} after {after}")),
            FaultEvent::FirstOutcome { observer, outcome } => {
                became.push(format!("{observer} felt it after {after}: {outcome}"));
            }
            FaultEvent::Healed => became.push(format!("was over after {after}")),
        }
    }
    let unfired = run.outcome.last.unfired.iter().find(|unfired| unfired.fault.0 as usize == place);
    became.extend(unfired.map(|unfired| format!("never fired: {}", unfired.why)));
    Planned {
        what: visible(&run.outcome.faults[place].to_string()),
        became: became.iter().map(|part| visible(part)).collect(),
        fired: record.is_some(),
        record,
    }
}
