//! Law: every planned fault takes effect.

use std::collections::{BTreeMap, BTreeSet};

use super::fault_timeline::{FaultTimeline, Moment, timelines};
use super::inert::Diagnosis;
use super::process_timeline::ProcessTimeline;
use super::{Check, Evidence, Finding};
use crate::fault::{Target, Trigger};
use crate::name::{ConnectionId, HostName, Side};
use crate::trace::{ConnectionEvent, FaultEvent, Record, RecordKind, Seconds};

/// Every planned fault fires, before its target has finished, and changes a packet or an outcome. A fault
/// without effect proves nothing, whatever the other laws say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TookEffect;

impl Check for TookEffect {
    fn name(&self) -> &'static str {
        "took_effect"
    }

    fn law(&self) -> &'static str {
        "every planned fault fires in time and changes something"
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let processes = ProcessTimeline::of(evidence.records);
        let timelines = timelines(evidence.records, evidence.faults);
        let diagnosis = Diagnosis { evidence, processes: &processes, timelines: &timelines };
        for timeline in &timelines {
            let number = format!("fault {} ({})", timeline.number.0 + 1, timeline.fault);
            if let Trigger::Idle(_) = timeline.fault.trigger {
                // The fault waits for connections without keepalive. A run without such a connection, or without
                // further traffic on it, is a good one.
                continue;
            }
            let Some(fired) = timeline.fired else {
                let sentence = format!("{number} never fired: {}.", diagnosis.why_never(timeline));
                return Err(Finding::new("never fired", sentence).role(role(timeline)));
            };
            if is_over(timeline, fired.index, &processes, evidence.records) {
                let why = diagnosis.who_was_over(timeline, fired.index);
                let why = why.unwrap_or_else(|| "both ends had closed the connection".to_owned());
                let at = Seconds(fired.at);
                let sentence = format!("{number} fired at {at}, after its target had finished: {why}.");
                return Err(Finding::new("fired too late", sentence).witness([fired.index]).role(role(timeline)));
            }
            if timeline.took_effect.is_none() {
                let sentence = format!(
                    "{number} fired at {} and changed neither a packet nor an outcome: {}.",
                    Seconds(fired.at),
                    diagnosis.why_nothing(timeline, fired),
                );
                return Err(Finding::new("changed nothing", sentence).witness([fired.index]).role(role(timeline)));
            }
            restarted(timeline, fired, &processes, evidence)?;
        }
        Ok(match timelines.len() {
            0 => "no fault planned".to_owned(),
            all => {
                let fired = timelines.iter().filter(|timeline| timeline.fired.is_some()).count();
                format!(
                    "fired {fired} of {all} faults, each took effect{}{}",
                    unneeded(&timelines),
                    diagnosis.overlaps()
                )
            }
        })
    }
}

/// The faults that waited for idle connections and found none, or none on which anything more was to pass.
fn unneeded(timelines: &[FaultTimeline]) -> String {
    let waiting = timelines.iter().filter(|timeline| matches!(timeline.fault.trigger, Trigger::Idle(_)));
    let told = waiting.filter_map(|timeline| {
        let number = timeline.number.0 + 1;
        match (timeline.fired, timeline.took_effect) {
            (None, _) => Some(format!("; no connection was idle for so long that fault {number} struck it")),
            (Some(_), None) => Some(format!("; nothing more was to pass where fault {number} struck")),
            (Some(_), Some(_)) => None,
        }
    });
    told.collect()
}

/// A restart is one when the host has stopped and has started again before the run is judged.
fn restarted(
    timeline: &FaultTimeline,
    fired: Moment,
    processes: &ProcessTimeline,
    evidence: &Evidence,
) -> Result<(), Finding> {
    let Some(host) = timeline.fault.act.restarts() else { return Ok(()) };
    let judged = |place: &usize| evidence.records[*place].at <= evidence.last.at;
    let told = processes.asked_after(host, fired.index).filter(judged);
    let ended = told.and_then(|told| processes.over_after(host, told)).filter(judged);
    let started = ended.and_then(|ended| processes.starts_after(host, ended)).filter(judged);
    let end = Seconds(evidence.last.at);
    let start = format!("fault {} told {host} to stop at {}", timeline.number.0 + 1, Seconds(fired.at));
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

fn role<'a>(timeline: &FaultTimeline<'a>) -> Option<&'a HostName> {
    match timeline.fault.act.target() {
        Target::Link { link, .. } => Some(&link.client),
        Target::Between(host, _) | Target::Host(host) => Some(host),
    }
}

/// Whether what the fault strikes had come to its own end before it fired.
fn is_over(timeline: &FaultTimeline, fired: usize, processes: &ProcessTimeline, records: &[Record]) -> bool {
    match timeline.fault.act.target() {
        Target::Link { link, .. } => {
            processes.has_returned(&link.client, fired)
                || processes.has_returned(&link.server, fired)
                || is_closed(&records[..fired], &records[fired])
        }
        Target::Between(one, other) => processes.has_returned(one, fired) || processes.has_returned(other, fired),
        Target::Host(host) => processes.has_returned(host, fired),
    }
}

/// Whether both ends had closed the connection that the firing names.
fn is_closed(before: &[Record], firing: &Record) -> bool {
    let RecordKind::Fault { event: FaultEvent::Fired { on, .. }, .. } = &firing.what else { return false };
    let mut closed: BTreeMap<&ConnectionId, BTreeSet<Side>> = BTreeMap::new();
    for record in before {
        if let RecordKind::Connection { id, event: ConnectionEvent::Closed { by } } = &record.what {
            closed.entry(id).or_default().insert(*by);
        }
    }
    closed.iter().any(|(id, sides)| sides.len() == 2 && id.to_string() == *on)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::trace_builder::{TraceBuilder, connection};
    use crate::fault::{Crash, Ends, Fault, Partition, Reset, Restart, Trigger};

    #[test]
    fn a_fault_that_fires_and_changes_a_packet_takes_effect() {
        assert_eq!(
            reset().felt(5001, 0, "alice", "read: ConnectionReset").held(&TookEffect),
            "fired 1 of 1 faults, each took effect"
        );
    }

    #[test]
    fn a_fault_that_never_fires_is_convicted() {
        let run = TraceBuilder::new().planned("alice", "chat", Reset { to: Ends::Both });
        insta::assert_snapshot!(run.unfired(0, "no such connection was attempted").failure(&TookEffect));
    }

    #[test]
    fn a_fault_that_changes_nothing_is_convicted() {
        assert_eq!(reset().broken(&TookEffect), "took_effect: changed nothing @ alice");
    }

    #[test]
    fn a_fault_that_waits_for_idle_connections_need_not_strike_and_need_not_change_anything() {
        let reset = Reset { to: Ends::Both };
        let none = TraceBuilder::new().planned("alice", "chat", reset.clone()).when_idle();
        let sentence =
            "fired 0 of 1 faults, each took effect; no connection was idle for so long that fault 1 struck it";
        assert_eq!(none.held(&TookEffect), sentence);
        let unused = TraceBuilder::new().struck(5000, "alice", "chat", reset).when_idle();
        assert_eq!(
            unused.held(&TookEffect),
            "fired 1 of 1 faults, each took effect; nothing more was to pass where fault 1 struck"
        );
    }

    #[test]
    fn a_fault_on_a_finished_target_is_convicted() {
        let over = TraceBuilder::new().started(0, "alice").exited(4000, "alice", None);
        let run = over.struck(5000, "alice", "chat", Reset { to: Ends::Both });
        assert_eq!(run.broken(&TookEffect), "took_effect: fired too late @ alice");
        let closed = TraceBuilder::new()
            .connection(4000, "alice", "chat", 1, ConnectionEvent::Closed { by: Side::Client })
            .connection(4001, "alice", "chat", 1, ConnectionEvent::Closed { by: Side::Server })
            .struck(5000, "alice", "chat", Reset { to: Ends::Both });
        assert_eq!(closed.broken(&TookEffect), "took_effect: fired too late @ alice");
    }

    #[test]
    fn a_restart_that_restarts_nothing_is_convicted() {
        let pause = Duration::from_secs(1);
        let told = || {
            let run = TraceBuilder::new().started(0, "chat").struck_host(25_000, "chat", Restart { pause });
            run.stopping(25_000, "chat").felt(25_100, 0, "alice", "read: eof")
        };
        insta::assert_snapshot!(told().ending(60_000).failure(&TookEffect));
        assert_eq!(told().ending(60_000).broken(&TookEffect), "took_effect: not restarted @ chat");
        let late = told().exited(1_200_000, "chat", None).started(1_201_000, "chat");
        assert_eq!(late.clone().held(&TookEffect), "fired 1 of 1 faults, each took effect");
        assert_eq!(late.clone().ending(1_200_500).broken(&TookEffect), "took_effect: not restarted @ chat");
        assert_eq!(late.ending(1_000_000).broken(&TookEffect), "took_effect: not restarted @ chat");
        let gone = TraceBuilder::new().started(0, "chat").crashed(20_000, "chat");
        let gone = gone.struck_host(25_000, "chat", Restart { pause }).felt(25_100, 0, "alice", "connect: refused");
        assert_eq!(gone.ending(60_000).broken(&TookEffect), "took_effect: not restarted @ chat");
    }

    #[test]
    fn a_fault_without_effect_says_what_kept_it_from_having_one() {
        let silence = |heal_after| Partition { one_way: false, heal_after };
        let quiet = |run: TraceBuilder| run.struck(10_100, "alice", "chat", silence(Some(Duration::from_millis(20))));
        let told = |run: TraceBuilder| {
            let verdict = TookEffect.judge(&run.evidence());
            verdict.violation().map(|violation| violation.sentence.clone()).unwrap_or_default()
        };
        let alone = told(quiet(TraceBuilder::new()).healed(10_120, 0));
        assert!(
            alone.ends_with("nothing was sent on alice->chat#1 while it lasted, from 10s 100ms to 10s 120ms."),
            "{alone}"
        );
        let held =
            TraceBuilder::new().struck(5000, "alice", "chat", silence(None)).felt(5500, 0, "alice", "read: TimedOut");
        let covered = told(quiet(held));
        assert!(covered.ends_with("fault 1 (partition) already kept everything there from passing."), "{covered}");
        let crash = || Crash { restart_after: None };
        let twice = TraceBuilder::new()
            .started(0, "chat")
            .struck_host(10_000, "chat", crash())
            .crashed(10_000, "chat")
            .felt(10_020, 0, "alice", "read: eof")
            .struck_host(12_000, "chat", crash());
        let twice = told(twice);
        assert!(twice.ends_with("chat was down: fault 1 (crash) had struck it at 10s."), "{twice}");
        let early = told(TraceBuilder::new().struck_host(1000, "chat", crash()).started(2000, "chat"));
        assert!(early.ends_with("chat had not started."), "{early}");
    }

    #[test]
    fn a_fault_that_never_fires_says_who_was_not_there() {
        let told = |run: TraceBuilder| {
            let planned = Fault::new(
                connection("alice", "chat", 1).link,
                Trigger::At(Duration::from_secs(10)),
                Reset { to: Ends::Both },
            );
            let number = u32::try_from(run.faults.len()).expect("a handful of faults");
            let mut run = run.unfired(number, "no connection was open");
            run.faults.push(planned);
            let verdict = TookEffect.judge(&run.evidence());
            verdict.violation().map(|violation| violation.sentence.clone()).unwrap_or_default()
        };
        let both = || TraceBuilder::new().acting("alice").started(0, "alice");
        assert_eq!(
            told(both().exited(5000, "alice", None).ending(6000)),
            "fault 1 (reset on alice->chat at 10s) never fired: its time, 10s, is later than the judgement at 6s, and the \
             last script ended at 5.0s."
        );
        let late = told(both().started(40_000, "chat"));
        assert!(late.ends_with("no connection was open; chat started at 40s only."), "{late}");
        let gone = told(both().started(0, "chat").exited(7000, "alice", None).ending(20_000));
        assert!(gone.ends_with("no connection was open; alice had ended at 7.0s."), "{gone}");
        let down = told(both().started(0, "chat").crashed(8000, "chat").ending(20_000));
        assert!(down.ends_with("no connection was open; chat was down since 8.0s."), "{down}");
        let ended = both().started(0, "chat").struck(10_000, "alice", "chat", Reset { to: Ends::Both });
        let ended = told(ended.felt(10_020, 0, "alice", "read: ConnectionReset").ending(20_000));
        assert!(ended.ends_with("fault 1 (reset) had ended what was there on alice->chat#1 at 10s."), "{ended}");
    }

    fn reset() -> TraceBuilder {
        TraceBuilder::new().struck(5000, "alice", "chat", Reset { to: Ends::Both })
    }
}
