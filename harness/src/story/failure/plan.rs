//! What was to break, what was struck, and who felt it.

use super::lines::wrapped;
use crate::check::Evidence;
use crate::trace::{FaultEvent, RecordKind, Seconds};

/// As many faults as fit a screen beside the rest.
const SHOWN: usize = 6;

/// Each fault of the plan, and what became of it.
pub(super) fn told(evidence: &Evidence) -> String {
    if evidence.faults.is_empty() {
        return "plan\n  no fault\n".to_owned();
    }
    let mut text = "plan\n".to_owned();
    for (place, fault) in evidence.faults.iter().enumerate().take(SHOWN) {
        text.push_str(&wrapped(&format!("  {}. ", place + 1), "     ", &fault.to_string()));
        text.push_str(&wrapped("     ", "     ", &became(place, evidence)));
    }
    if evidence.faults.len() > SHOWN {
        text.push_str(&format!("  ... {} more\n", evidence.faults.len() - SHOWN));
    }
    text
}

/// When and where a fault fired, what it changed and who felt it.
fn became(place: usize, evidence: &Evidence) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut fired_at = None;
    for record in evidence.records {
        let RecordKind::Fault { fault, event } = &record.what else { continue };
        if fault.0 as usize != place {
            continue;
        }
        let after = fired_at.map(|at| format!("+{}", Seconds(record.at.saturating_sub(at)))).unwrap_or_default();
        match event {
            FaultEvent::Fired { on, .. } if fired_at.is_none() => {
                fired_at = Some(record.at);
                parts.push(format!("FIRED at {} on {on}", Seconds(record.at)));
            }
            FaultEvent::Fired { on, .. } => parts.push(format!("again {after} on {on}")),
            FaultEvent::FirstPacket { packet } => parts.push(format!("changed {packet} {after}")),
            FaultEvent::FirstOutcome { observer, outcome } => {
                parts.push(format!("felt by {observer} {after}: {outcome}"))
            }
            FaultEvent::Healed => parts.push(format!("healed {after}")),
        }
    }
    let unfired = evidence.last.unfired.iter().find(|unfired| unfired.fault.0 as usize == place);
    parts.extend(unfired.map(|unfired| format!("never fired: {}", unfired.why)));
    if parts.is_empty() { "never fired".to_owned() } else { parts.join("; ") }
}
