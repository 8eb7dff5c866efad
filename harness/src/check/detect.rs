//! Law: a lost connection is noticed in time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ledger::{Entry, facts};
use super::lives::Lives;
use super::strike::{Moment, Strike, strikes};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::Seconds;

/// Each observer notices within the bound that a fault has taken its connection.
///
/// A fault need not be noticed by an observer that is not at the struck link (or was not connected with the struck
/// host), that is out of service anyway (by its `detected` and `recovered` facts, when it tells both), that is leaving before the bound, or
/// when the fault ends before the bound. A run that ends before the bound decides nothing about that fault; a run that
/// decides nothing about any fault is convicted, since it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Between the fault's firing and the observer's `detected`.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// Who must notice.
    pub observers: Vec<HostName>,
    /// The places in the plan of the faults to be noticed; all that take a connection away, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<u32>,
}

impl Check for Detect {
    fn name(&self) -> &'static str {
        "detect"
    }

    fn law(&self) -> &'static str {
        "a lost connection is noticed in time"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Detected]
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let lives = Lives::of(evidence.records);
        let strikes = strikes(evidence.records, evidence.faults);
        let mut tally = Tally::default();
        for observer in &self.observers {
            let told: Vec<Entry> = facts(evidence.records)
                .filter(|entry| entry.host == Some(observer))
                .filter(|entry| matches!(entry.kind, FactKind::Detected | FactKind::Recovered))
                .collect();
            for strike in strikes.iter().filter(|strike| self.is_meant(strike, observer, evidence)) {
                let Some(fired) = strike.fired else { continue };
                let case = Case { observer, fired, deadline: fired.at + self.within, told: &told };
                match case.decide(strike, &lives, evidence) {
                    Decision::Noticed(latency) => tally.noticed(latency),
                    Decision::NeedNot => tally.excused += 1,
                    Decision::Undecided => tally.undecided = Some((fired, observer)),
                    Decision::Missed(late) => return Err(self.missed(&case, late)),
                }
            }
        }
        tally.conclude(self.within, evidence)
    }
}

impl Detect {
    fn is_meant(&self, strike: &Strike, observer: &HostName, evidence: &Evidence) -> bool {
        let meant = if self.faults.is_empty() { strike.takes_away() } else { self.faults.contains(&strike.number.0) };
        meant && strike.concerns(observer, evidence.records)
    }

    fn missed(&self, case: &Case, late: Option<&Entry>) -> Finding {
        let how = match late {
            Some(late) => format!("noticed it only after {}", Seconds(late.at - case.fired.at)),
            None => "never noticed it".to_owned(),
        };
        let sentence = format!(
            "the fault struck at {}; {} {how} (bound {}).",
            Seconds(case.fired.at),
            case.observer,
            Seconds(self.within),
        );
        Finding::new("not noticed in time", sentence)
            .witness([case.fired.index].into_iter().chain(late.map(|late| late.index)))
            .role(Some(case.observer))
    }
}

/// One fault and one observer.
struct Case<'a> {
    observer: &'a HostName,
    fired: Moment,
    deadline: Duration,
    /// What the observer told of its connections.
    told: &'a [Entry<'a>],
}

enum Decision<'a> {
    Noticed(Duration),
    NeedNot,
    Undecided,
    Missed(Option<&'a Entry<'a>>),
}

impl<'a> Case<'a> {
    fn decide(&self, strike: &Strike, lives: &Lives, evidence: &Evidence) -> Decision<'a> {
        let earlier = self.told.partition_point(|entry| entry.index < self.fired.index);
        if is_out_of_service(self.told, earlier) || lives.is_away(self.observer, self.fired.index) {
            return Decision::NeedNot;
        }
        let noticed = self.told[earlier..].iter().find(|entry| entry.kind == FactKind::Detected);
        if let Some(entry) = noticed.filter(|entry| entry.at <= self.deadline) {
            return Decision::Noticed(entry.at - self.fired.at);
        }
        let in_time = |index: usize| evidence.records[index].at < self.deadline;
        let left = lives.ends_after(self.observer, self.fired.index).is_some_and(in_time);
        let healed = !strike.is_final() && strike.healed.is_some_and(|healed| healed.at < self.deadline);
        if left || healed {
            Decision::NeedNot
        } else if evidence.last.at < self.deadline {
            Decision::Undecided
        } else {
            Decision::Missed(noticed)
        }
    }
}

/// Whether an observer had nothing left to lose after the first `upto` of its facts.
///
/// Only an observer that tells of its recoveries can be known to be out of service; one that begins with a recovery tells
/// of its first connection, too, and has none before.
fn is_out_of_service(told: &[Entry], upto: usize) -> bool {
    if told.iter().all(|entry| entry.kind != FactKind::Recovered) {
        return false;
    }
    if upto == 0 {
        return told[0].kind == FactKind::Recovered;
    }
    let latest: BTreeMap<_, _> = told[..upto].iter().map(|entry| (entry.key, entry.kind)).collect();
    latest.values().all(|kind| *kind == FactKind::Detected)
}

#[derive(Default)]
struct Tally<'a> {
    slowest: Option<Duration>,
    excused: u32,
    undecided: Option<(Moment, &'a HostName)>,
}

impl Tally<'_> {
    fn noticed(&mut self, latency: Duration) {
        self.slowest = self.slowest.max(Some(latency));
    }

    fn conclude(self, within: Duration, evidence: &Evidence) -> Result<String, Finding> {
        match (self.slowest, self.undecided) {
            (Some(slowest), _) => Ok(format!("detected +{}", Seconds(slowest))),
            (None, Some((fired, observer))) if self.excused == 0 => {
                let sentence = format!(
                    "the fault struck at {} and {observer} had not noticed it when the run ended at {}, before the \
                     bound of {}: the run decides nothing.",
                    Seconds(fired.at),
                    Seconds(evidence.last.at),
                    Seconds(within),
                );
                Err(Finding::new("undecided", sentence).witness([fired.index]).role(Some(observer)))
            }
            (None, _) => Ok("nothing had to be noticed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tale::Tale;
    use crate::fact::FactKind::{Detected, Recovered};
    use crate::fault::{Ends, HalfOpenKind, Verb};
    use crate::trace::ConnectionEvent::Established;

    #[test]
    fn a_reset_that_is_noticed_in_time_holds() {
        let tale = reset().value(5042, "alice", Detected, "s-1", "1006");
        assert_eq!(tale.held(&alice_within(40)), "detected +0.042s");
    }

    #[test]
    fn a_half_open_that_is_noticed_too_late_is_convicted() {
        let tale = half_open(None).value(65_000, "alice", Detected, "s-1", "1006");
        insta::assert_snapshot!(tale.failure(&alice_within(40)));
    }

    #[test]
    fn a_loss_that_is_never_noticed_is_convicted() {
        assert_eq!(reset().ending(120_000).broken(&alice_within(40)), "detect: not noticed in time @ alice");
    }

    #[test]
    fn a_silence_that_heals_within_the_bound_need_not_be_noticed() {
        let tale = half_open(Some(Duration::from_secs(10))).healed(15_000, 0).ending(120_000);
        assert_eq!(tale.held(&alice_within(40)), "nothing had to be noticed");
    }

    #[test]
    fn an_observer_that_is_already_down_need_not_notice_again() {
        let tale = Tale::new()
            .value(4000, "alice", Detected, "s-1", "1000")
            .struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both })
            .fact(6000, "alice", Recovered, "s-1")
            .ending(120_000);
        assert_eq!(tale.held(&alice_within(40)), "nothing had to be noticed");
    }

    #[test]
    fn a_host_with_many_sessions_must_notice_each_loss() {
        let tale = Tale::new()
            .fact(1000, "chat", Recovered, "s-1")
            .fact(1000, "chat", Recovered, "s-2")
            .value(4000, "chat", Detected, "s-1", "1000")
            .struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both })
            .ending(120_000);
        let chat = Detect { observers: vec!["chat".into()], ..alice_within(40) };
        assert_eq!(tale.broken(&chat), "detect: not noticed in time @ chat");
    }

    #[test]
    fn an_observer_that_was_never_in_service_has_nothing_to_lose() {
        let tale = reset().fact(7000, "alice", Recovered, "s-1").ending(120_000);
        assert_eq!(tale.held(&alice_within(40)), "nothing had to be noticed");
    }

    #[test]
    fn a_crash_concerns_those_who_were_connected() {
        let crash = |tale: Tale| tale.struck_host(5000, "chat", Verb::Crash { restart_after: None }).ending(120_000);
        let connected = crash(Tale::new().connection(1000, "alice", "chat", 1, Established));
        assert_eq!(connected.broken(&alice_within(40)), "detect: not noticed in time @ alice");
        assert_eq!(crash(Tale::new()).held(&alice_within(40)), "nothing had to be noticed");
    }

    #[test]
    fn a_run_that_ends_before_the_bound_decides_nothing() {
        assert_eq!(half_open(None).ending(20_000).broken(&alice_within(40)), "detect: undecided @ alice");
    }

    #[test]
    fn an_observer_elsewhere_need_not_notice() {
        let bob = Detect { observers: vec!["bob".into()], ..alice_within(40) };
        assert_eq!(reset().ending(120_000).held(&bob), "nothing had to be noticed");
    }

    fn alice_within(seconds: u64) -> Detect {
        Detect { within: Duration::from_secs(seconds), observers: vec!["alice".into()], faults: Vec::new() }
    }

    fn reset() -> Tale {
        Tale::new().struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both })
    }

    fn half_open(heal_after: Option<Duration>) -> Tale {
        let verb = Verb::HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after };
        Tale::new().struck(5000, "alice", "chat", verb)
    }
}
