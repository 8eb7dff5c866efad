//! Law: every planned fault bites.

use std::collections::{BTreeMap, BTreeSet};

use super::lives::Lives;
use super::strike::{Moment, Strike, strikes};
use super::{Check, Evidence, Finding};
use crate::fault::{Target, Trigger, Verb};
use crate::name::{ConnectionId, HostName, Side};
use crate::trace::{ConnectionEvent, FaultEvent, Record, Seconds, What};

/// Every planned fault fires, before its target has finished, and changes a packet or an outcome. A fault that does
/// not bite proves nothing, whatever the other laws say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bite;

impl Check for Bite {
    fn name(&self) -> &'static str {
        "bite"
    }

    fn law(&self) -> &'static str {
        "every planned fault fires in time and changes something"
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let lives = Lives::of(evidence.records);
        let strikes = strikes(evidence.records, evidence.faults);
        for strike in &strikes {
            let number = strike.number.0 + 1;
            if let Trigger::Idle(_) = strike.fault.trigger {
                // It waits for connections that nobody keeps alive: that there is none, or that nothing more was to pass on
                // it, is what it asks for.
                continue;
            }
            let Some(fired) = strike.fired else {
                return Err(Finding::new("never fired", format!("fault {number} never fired.")).role(role(strike)));
            };
            if is_over(strike, fired.index, &lives, evidence.records) {
                let sentence = format!("fault {number} fired at {}, after its target had finished.", Seconds(fired.at));
                return Err(Finding::new("fired too late", sentence).witness([fired.index]).role(role(strike)));
            }
            if strike.bit.is_none() {
                let sentence = format!(
                    "fault {number} fired at {} and changed neither a packet nor an outcome.",
                    Seconds(fired.at)
                );
                return Err(Finding::new("changed nothing", sentence).witness([fired.index]).role(role(strike)));
            }
            restarted(strike, fired, &lives, evidence)?;
        }
        Ok(match strikes.len() {
            0 => "no fault planned".to_owned(),
            all => format!("fired {all} of {all} faults, each bit"),
        })
    }
}

/// A restart is one when the host has stopped and has started again before the run is judged.
fn restarted(strike: &Strike, fired: Moment, lives: &Lives, evidence: &Evidence) -> Result<(), Finding> {
    let (Verb::Restart { .. }, Target::Host(host)) = (&strike.fault.verb, &strike.fault.target) else { return Ok(()) };
    let judged = |place: &usize| evidence.records[*place].at <= evidence.last.at;
    let told = lives.asked_after(host, fired.index).filter(judged);
    let ended = told.and_then(|told| lives.over_after(host, told)).filter(judged);
    let started = ended.and_then(|ended| lives.starts_after(host, ended)).filter(judged);
    let end = Seconds(evidence.last.at);
    let start = format!("fault {} told {host} to stop at {}", strike.number.0 + 1, Seconds(fired.at));
    let sentence = match (told, ended, started) {
        (Some(_), Some(_), Some(_)) => return Ok(()),
        (Some(_), Some(ended), None) => {
            let at = Seconds(evidence.records[ended].at);
            format!("{start}. It was gone at {at}, and had not started again when the run was judged at {end}.")
        }
        (Some(_), None, _) => format!("{start}. It still ran when the run was judged at {end}: nothing was restarted."),
        (None, ..) => format!("{start}, and it was stopping or gone already: nothing was restarted."),
    };
    let witness = [Some(fired.index), told, ended].into_iter().flatten();
    Err(Finding::new("not restarted", sentence).witness(witness).role(Some(host)))
}

fn role<'a>(strike: &Strike<'a>) -> Option<&'a HostName> {
    match &strike.fault.target {
        Target::Link { link, .. } => Some(&link.client),
        Target::Between(host, _) | Target::Host(host) => Some(host),
    }
}

/// Whether what the fault strikes had come to its own end before it fired.
fn is_over(strike: &Strike, fired: usize, lives: &Lives, records: &[Record]) -> bool {
    match &strike.fault.target {
        Target::Link { link, .. } => {
            lives.has_returned(&link.client, fired)
                || lives.has_returned(&link.server, fired)
                || is_closed(&records[..fired], &records[fired])
        }
        Target::Between(one, other) => lives.has_returned(one, fired) || lives.has_returned(other, fired),
        Target::Host(host) => lives.has_returned(host, fired),
    }
}

/// Whether both ends had closed the connection that the firing names.
fn is_closed(before: &[Record], firing: &Record) -> bool {
    let What::Fault { event: FaultEvent::Fired { on, .. }, .. } = &firing.what else { return false };
    let mut closed: BTreeMap<&ConnectionId, BTreeSet<Side>> = BTreeMap::new();
    for record in before {
        if let What::Connection { id, event: ConnectionEvent::Closed { by } } = &record.what {
            closed.entry(id).or_default().insert(*by);
        }
    }
    closed.iter().any(|(id, sides)| sides.len() == 2 && id.to_string() == *on)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::tale::Tale;
    use crate::fault::Ends;

    #[test]
    fn a_fault_that_fires_and_changes_a_packet_bites() {
        assert_eq!(
            reset().felt(5001, 0, "alice", "read: ConnectionReset").held(&Bite),
            "fired 1 of 1 faults, each bit"
        );
    }

    #[test]
    fn a_fault_that_never_fires_is_convicted() {
        let tale = Tale::new().planned("alice", "chat", Verb::Reset { to: Ends::Both });
        insta::assert_snapshot!(tale.failure(&Bite));
    }

    #[test]
    fn a_fault_that_changes_nothing_is_convicted() {
        assert_eq!(reset().broken(&Bite), "bite: changed nothing @ alice");
    }

    #[test]
    fn a_fault_on_a_finished_target_is_convicted() {
        let over = Tale::new().started(0, "alice").exited(4000, "alice", None);
        let tale = over.struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both });
        assert_eq!(tale.broken(&Bite), "bite: fired too late @ alice");
        let closed = Tale::new()
            .connection(4000, "alice", "chat", 1, ConnectionEvent::Closed { by: Side::Client })
            .connection(4001, "alice", "chat", 1, ConnectionEvent::Closed { by: Side::Server })
            .struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both });
        assert_eq!(closed.broken(&Bite), "bite: fired too late @ alice");
    }

    #[test]
    fn a_restart_that_restarts_nothing_is_convicted() {
        let pause = Duration::from_secs(1);
        let told = || {
            let tale = Tale::new().started(0, "chat").struck_host(25_000, "chat", Verb::Restart { pause });
            tale.stopping(25_000, "chat").felt(25_100, 0, "alice", "read: eof")
        };
        insta::assert_snapshot!(told().ending(60_000).failure(&Bite));
        assert_eq!(told().ending(60_000).broken(&Bite), "bite: not restarted @ chat");
        let late = told().exited(1_200_000, "chat", None).started(1_201_000, "chat");
        assert_eq!(late.clone().held(&Bite), "fired 1 of 1 faults, each bit");
        assert_eq!(late.clone().ending(1_200_500).broken(&Bite), "bite: not restarted @ chat");
        assert_eq!(late.ending(1_000_000).broken(&Bite), "bite: not restarted @ chat");
        let gone = Tale::new().started(0, "chat").crashed(20_000, "chat");
        let gone =
            gone.struck_host(25_000, "chat", Verb::Restart { pause }).felt(25_100, 0, "alice", "connect: refused");
        assert_eq!(gone.ending(60_000).broken(&Bite), "bite: not restarted @ chat");
    }

    fn reset() -> Tale {
        Tale::new().struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both })
    }
}
