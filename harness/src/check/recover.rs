//! Law: a host that loses its connection recovers within the bound.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault_timeline::timelines;
use super::outage::{End, Outage, outages};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::{Seconds, told_apart};

/// Each observer is back in service (`recovered`) within the bound when it has noticed a loss (`detected`), when a fault
/// has ended its connection for good, when a fault has struck it while it was still coming into service, and when its process
/// begins again after it had been in service.
///
/// The bound counts from the last of: the moment that `since` names, and the ends of the faults that struck the
/// observer meanwhile. An observer that is out of service at the end of the bound is convicted, whatever ends the
/// outage later. Before the bound an observer need not come back that was asked to stop or that a fault has killed. One
/// that ends by itself before the bound, or that the run ends before the bound, decides nothing; a run in which no
/// observer's return is decided is convicted, since it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// Between the moment that `since` names and the observer's `recovered`.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// The hosts that must recover.
    pub observers: Vec<HostName>,
    /// From when the bound counts.
    #[serde(default)]
    pub since: RecoverySince,
}

/// From when a recovery's bound counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoverySince {
    /// From the fault's heal, or from its firing when it has none.
    #[default]
    Heal,
    /// From the moment when the observer noticed, or from the fault's heal when that is later.
    Detection,
}

impl Check for Recover {
    fn name(&self) -> &'static str {
        "recover"
    }

    fn law(&self) -> &'static str {
        "a host that loses its connection recovers within the bound"
    }

    fn needs(&self) -> Vec<FactKind> {
        match self.since {
            RecoverySince::Heal => vec![FactKind::Recovered],
            RecoverySince::Detection => vec![FactKind::Detected, FactKind::Recovered],
        }
    }

    // It bounds what the faults of its scenario lead to.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let timelines = timelines(evidence.records, evidence.faults);
        let (mut slowest, mut excused, mut undecided) = (None, 0, Vec::new());
        for observer in &self.observers {
            for outage in outages(observer, &timelines, evidence, self.since) {
                let deadline = outage.since + self.within;
                match &outage.end {
                    End::Back(entry) if entry.at <= deadline => {
                        slowest = slowest.max(Some(entry.at.saturating_sub(outage.since)));
                    }
                    End::Taken(moment) if moment.at <= deadline => excused += 1,
                    End::Left(moment) if moment.at < deadline => undecided.push((observer, outage)),
                    End::Open if evidence.last.at < deadline => undecided.push((observer, outage)),
                    End::Back(_) | End::Taken(_) | End::Left(_) | End::Open => {
                        return Err(self.too_late(observer, &outage, evidence));
                    }
                }
            }
        }
        match (slowest, undecided.as_slice()) {
            (None, [(observer, outage), ..]) if excused == 0 => Err(self.decides_nothing(observer, outage, evidence)),
            (None, _) => Ok("no host had to come back".to_owned()),
            (Some(slowest), []) => Ok(format!("recovered +{}", Seconds(slowest))),
            (Some(slowest), open) => Ok(format!("recovered +{}, {} undecided", Seconds(slowest), open.len())),
        }
    }
}

impl Recover {
    fn too_late(&self, observer: &HostName, outage: &Outage, evidence: &Evidence) -> Finding {
        let until = outage.end.moment().map_or(evidence.last.at, |moment| moment.at);
        let [start, since, until] = told_apart([outage.began.at, outage.since, until]);
        let how = match &outage.end {
            End::Back(_) => format!("was back only at {until}"),
            End::Taken(_) => format!("was not back when its life was ended at {until}"),
            End::Left(_) => format!("was not back when it ended by itself at {until}"),
            End::Open => format!("was not back when the run ended at {until}"),
        };
        let bound = Seconds(self.within);
        let sentence = format!("{observer} was out of service from {start} and {how} (bound {bound} from {since}).");
        Finding::new("not back in time", sentence).witness(outage.witness()).role(Some(observer))
    }

    fn decides_nothing(&self, observer: &HostName, outage: &Outage, evidence: &Evidence) -> Finding {
        let until = outage.end.moment().map_or(evidence.last.at, |moment| moment.at);
        let [start, since, until] = told_apart([outage.began.at, outage.since, until]);
        let how = match &outage.end {
            End::Left(_) => format!("ended by itself at {until}"),
            End::Back(_) | End::Taken(_) | End::Open => format!("had not come back when the run ended at {until}"),
        };
        let bound = Seconds(self.within);
        let sentence = format!(
            "{observer} was out of service from {start} and {how}, before the bound of {bound} from {since}: the run \
             decides nothing. Let it go on for longer (`settle`, or the script)."
        );
        Finding::new("undecided", sentence).witness(outage.witness()).role(Some(observer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::{Detected, Recovered};
    use crate::fault::{ConnectHang, Drop, Ends, HalfOpen, Partition, Refuse, Reset};

    #[test]
    fn who_is_back_in_time_after_a_reset_holds() {
        let run = reset().value(5040, "alice", Detected, "s-1", "1006").fact(6100, "alice", Recovered, "s-1");
        assert_eq!(run.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.1s");
    }

    #[test]
    fn who_is_still_away_at_the_end_is_convicted() {
        let run = reset().value(5040, "alice", Detected, "s-1", "1006").pending("alice", "recovered").ending(60_000);
        insta::assert_snapshot!(run.failure(&alice_within(2, RecoverySince::Heal)));
    }

    #[test]
    fn who_never_noticed_a_final_loss_is_convicted_too() {
        let run = reset().ending(60_000);
        assert_eq!(run.broken(&alice_within(2, RecoverySince::Heal)), "recover: not back in time @ alice");
    }

    #[test]
    fn the_bound_counts_from_the_heal() {
        let verb = Partition { one_way: false, heal_after: Some(Duration::from_secs(30)) };
        let run = TraceBuilder::new()
            .struck(5000, "alice", "chat", verb)
            .value(25_000, "alice", Detected, "s-1", "1006")
            .healed(35_000, 0)
            .fact(36_500, "alice", Recovered, "s-1");
        assert_eq!(run.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.5s");
        assert_eq!(run.broken(&alice_within(1, RecoverySince::Detection)), "recover: not back in time @ alice");
    }

    #[test]
    fn who_is_refused_has_its_time_from_the_end_of_the_refusals() {
        let run = reset()
            .struck(6000, "alice", "chat", Refuse { lasting: Some(Duration::from_secs(10)) })
            .healed(16_000, 1)
            .fact(17_000, "alice", Recovered, "s-1");
        assert_eq!(run.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.0s");
    }

    #[test]
    fn the_bound_may_count_from_the_detection() {
        let verb = HalfOpen { kind: crate::fault::HalfOpenKind::Blackhole, direction: None, heal_after: None };
        let run = TraceBuilder::new()
            .struck(5000, "alice", "chat", verb)
            .value(45_000, "alice", Detected, "s-1", "1006")
            .fact(46_000, "alice", Recovered, "s-1");
        assert_eq!(run.held(&alice_within(2, RecoverySince::Detection)), "recovered +1.0s");
        assert_eq!(run.broken(&alice_within(2, RecoverySince::Heal)), "recover: not back in time @ alice");
    }

    #[test]
    fn who_is_leaving_need_not_recover() {
        let run = reset().value(5040, "alice", Detected, "s-1", "1006").stopping(5100, "alice").ending(60_000);
        assert_eq!(run.held(&alice_within(2, RecoverySince::Heal)), "no host had to come back");
    }

    #[test]
    fn whoever_is_asked_to_stop_after_the_bound_had_to_be_back() {
        let run = reset().value(5040, "alice", Detected, "s-1", "1006").stopping(7100, "alice").ending(60_000);
        assert_eq!(run.broken(&alice_within(2, RecoverySince::Heal)), "recover: not back in time @ alice");
    }

    #[test]
    fn a_script_that_ends_out_of_service_after_the_bound_is_convicted() {
        let run = reset().value(5040, "alice", Detected, "s-1", "1006").exited(605_000, "alice", None).ending(606_000);
        insta::assert_snapshot!(run.failure(&alice_within(5, RecoverySince::Heal)));
        assert_eq!(run.broken(&alice_within(5, RecoverySince::Detection)), "recover: not back in time @ alice");
    }

    #[test]
    fn a_script_that_ends_out_of_service_before_the_bound_decides_nothing() {
        let short = reset().value(5040, "alice", Detected, "s-1", "1006").exited(8000, "alice", None).ending(60_000);
        insta::assert_snapshot!(short.failure(&alice_within(10, RecoverySince::Heal)));
        let unnoticed = reset().exited(8000, "alice", None).ending(60_000);
        assert_eq!(unnoticed.broken(&alice_within(10, RecoverySince::Heal)), "recover: undecided @ alice");
        let by_the_run = reset().value(5040, "alice", Detected, "s-1", "1006").ending(8000);
        assert_eq!(by_the_run.broken(&alice_within(10, RecoverySince::Heal)), "recover: undecided @ alice");
    }

    #[test]
    fn one_return_that_is_decided_is_enough() {
        let run = reset()
            .value(5040, "alice", Detected, "s-1", "1006")
            .fact(6000, "alice", Recovered, "s-1")
            .struck(9000, "alice", "chat", Drop { to: Ends::Both })
            .exited(9500, "alice", None)
            .ending(60_000);
        assert_eq!(run.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.0s, 1 undecided");
    }

    #[test]
    fn a_crash_excuses_the_life_that_it_ends_and_the_next_one_owes_its_return() {
        let crashed = || {
            let run = TraceBuilder::new().started(0, "alice").fact(100, "alice", Recovered, "s-1");
            run.struck(5000, "alice", "chat", Reset { to: Ends::Both }).crashed(6000, "alice")
        };
        let law = alice_within(2, RecoverySince::Heal);
        assert_eq!(crashed().ending(60_000).held(&law), "no host had to come back");
        let back = crashed().started(8000, "alice").fact(9000, "alice", Recovered, "s-2").ending(60_000);
        assert_eq!(back.held(&law), "recovered +1.0s");
        let away = crashed().started(8000, "alice").ending(60_000);
        assert_eq!(away.broken(&law), "recover: not back in time @ alice");
        let ends = crashed().started(8000, "alice").exited(20_000, "alice", None).ending(60_000);
        assert_eq!(ends.broken(&law), "recover: not back in time @ alice");
        let healthy =
            TraceBuilder::new().started(0, "alice").fact(100, "alice", Recovered, "s-1").stopping(6000, "alice");
        let healthy = healthy.exited(6100, "alice", None).started(8000, "alice").ending(60_000);
        assert_eq!(healthy.broken(&law), "recover: not back in time @ alice");
    }

    #[test]
    fn who_is_kept_from_ever_coming_into_service_is_convicted() {
        let struck = || TraceBuilder::new().struck(1000, "alice", "chat", ConnectHang { lasting: None });
        let law = alice_within(10, RecoverySince::Heal);
        let sleeper = struck().exited(600_000, "alice", None).ending(660_000);
        assert_eq!(sleeper.broken(&law), "recover: not back in time @ alice");
        assert_eq!(struck().fact(9000, "alice", Recovered, "s-1").held(&law), "recovered +8.0s");
        let second = TraceBuilder::new()
            .fact(500, "alice", Recovered, "s-1")
            .struck(1000, "alice", "chat", ConnectHang { lasting: None })
            .ending(60_000);
        assert_eq!(second.held(&law), "no host had to come back");
        let server = Recover { observers: vec!["chat".into()], ..law.clone() };
        assert_eq!(struck().ending(60_000).held(&server), "no host had to come back");
        let kind = crate::fault::HalfOpenKind::Blackhole;
        let silence = || HalfOpen { kind, direction: None, heal_after: None };
        let unanswered = TraceBuilder::new().struck(1000, "alice", "chat", silence());
        assert_eq!(unanswered.clone().ending(60_000).broken(&law), "recover: not back in time @ alice");
        assert_eq!(unanswered.ending(60_000).held(&server), "no host had to come back");
        let served = TraceBuilder::new().fact(500, "alice", Recovered, "s-1").struck(1000, "alice", "chat", silence());
        assert_eq!(served.ending(60_000).held(&law), "no host had to come back");
    }

    fn alice_within(seconds: u64, since: RecoverySince) -> Recover {
        Recover { within: Duration::from_secs(seconds), observers: vec!["alice".into()], since }
    }

    fn reset() -> TraceBuilder {
        TraceBuilder::new().struck(5000, "alice", "chat", Reset { to: Ends::Both })
    }
}
