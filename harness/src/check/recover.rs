//! Law: who has lost its connection is back in service in time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ledger::{Entry, facts};
use super::lives::Lives;
use super::strike::{Strike, strikes};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::Seconds;

/// Each observer that has noticed a loss (`detected`), or whose connection a fault has ended for good, is back in
/// service (`recovered`) within the bound, unless it is leaving.
///
/// The bound counts from the last of: the moment that `since` names, and the ends of the faults that struck the
/// observer meanwhile. Whoever is still out of service when the run ends, after the bound, is convicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// Between the moment that `since` names and the observer's `recovered`.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// Who must recover.
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
        "who has lost its connection is back in service in time"
    }

    fn needs(&self) -> Vec<FactKind> {
        match self.since {
            RecoverySince::Heal => vec![FactKind::Recovered],
            RecoverySince::Detection => vec![FactKind::Detected, FactKind::Recovered],
        }
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let lives = Lives::of(evidence.records);
        let strikes = strikes(evidence.records, evidence.faults);
        let (mut slowest, mut undecided) = (None, 0);
        for observer in &self.observers {
            let turns = turns(observer, &strikes, evidence);
            for outage in outages(&turns, self.since) {
                let excused = |index| lives.is_away(observer, index);
                let left = lives.ends_after(observer, outage.began).is_some_and(|index| {
                    outage.ended.is_none_or(|ended| index < ended.index)
                        && evidence.records[index].at <= evidence.last.at
                });
                let deadline = outage.since + self.within;
                match outage.ended {
                    _ if excused(outage.began) || left => {}
                    Some(ended) if ended.at <= deadline => {
                        slowest = slowest.max(Some(ended.at.saturating_sub(outage.since)));
                    }
                    None if evidence.last.at < deadline => undecided += 1,
                    late => return Err(self.too_late(observer, &outage, late, evidence)),
                }
            }
        }
        Ok(match (slowest, undecided) {
            (Some(slowest), 0) => format!("recovered +{}", Seconds(slowest)),
            (Some(slowest), open) => format!("recovered +{}, {open} undecided", Seconds(slowest)),
            (None, 0) => "nobody was out of service".to_owned(),
            (None, open) => format!("{open} undecided when the run ended"),
        })
    }
}

impl Recover {
    fn too_late(&self, observer: &HostName, outage: &Outage, late: Option<&Entry>, evidence: &Evidence) -> Finding {
        let start = evidence.records.get(outage.began).map_or(outage.since, |record| record.at);
        let how = match late {
            Some(late) => format!("was back only at {}", Seconds(late.at)),
            None => format!("was not back when the run ended at {}", Seconds(evidence.last.at)),
        };
        let sentence = format!(
            "{observer} was out of service from {} and {how} (bound {} from {}).",
            Seconds(start),
            Seconds(self.within),
            Seconds(outage.since),
        );
        Finding::new("not back in time", sentence)
            .witness([outage.began].into_iter().chain(late.map(|late| late.index)))
            .role(Some(observer))
    }
}

/// What moves an observer in or out of service, or its bound.
enum Turn<'a> {
    /// The observer noticed a loss.
    Down(Entry<'a>),
    /// The observer is back.
    Up(Entry<'a>),
    /// A fault struck it.
    Struck { index: usize, at: Duration, effect: Effect },
    /// A fault on it ended.
    Healed { index: usize, at: Duration },
}

/// What a fault does to an observer's service.
enum Effect {
    /// It ends the connection for good.
    Ends,
    /// It takes the service away, unless it heals before anybody notices.
    TakesAway,
    /// It keeps one who is away from coming back.
    Hinders,
}

impl Turn<'_> {
    fn index(&self) -> usize {
        match self {
            Self::Down(entry) | Self::Up(entry) => entry.index,
            Self::Struck { index, .. } | Self::Healed { index, .. } => *index,
        }
    }
}

fn turns<'a>(observer: &HostName, strikes: &[Strike], evidence: &Evidence<'a>) -> Vec<Turn<'a>> {
    let own = facts(evidence.records).filter(|entry| entry.host == Some(observer) && entry.at <= evidence.last.at);
    let mut turns: Vec<Turn> = own
        .filter_map(|entry| {
            let down = entry.kind == FactKind::Detected;
            let up = entry.kind == FactKind::Recovered;
            if down { Some(Turn::Down(entry)) } else { up.then_some(Turn::Up(entry)) }
        })
        .collect();
    for strike in strikes.iter().filter(|strike| strike.concerns(observer, evidence.records)) {
        let Some(fired) = strike.fired else { continue };
        let effect = match (strike.is_final(), strike.takes_away()) {
            (true, _) => Effect::Ends,
            (false, true) => Effect::TakesAway,
            (false, false) => Effect::Hinders,
        };
        turns.push(Turn::Struck { index: fired.index, at: fired.at, effect });
        turns.extend(strike.healed.map(|healed| Turn::Healed { index: healed.index, at: healed.at }));
    }
    turns.sort_by_key(Turn::index);
    turns
}

/// A time out of service.
struct Outage<'a> {
    /// The record with which it began.
    began: usize,
    /// From when the bound counts.
    since: Duration,
    ended: Option<&'a Entry<'a>>,
}

fn outages<'a>(turns: &'a [Turn<'a>], since: RecoverySince) -> Vec<Outage<'a>> {
    let mut outages = Vec::new();
    let mut open: Option<Outage> = None;
    let mut struck = None;
    for turn in turns {
        match turn {
            Turn::Struck { index, at, effect } => {
                match effect {
                    Effect::Ends => {
                        struck = Some(*at);
                        open.get_or_insert(Outage { began: *index, since: *at, ended: None });
                    }
                    Effect::TakesAway => struck = Some(*at),
                    Effect::Hinders => {}
                }
                if let Some(outage) = &mut open {
                    outage.since = *at;
                }
            }
            Turn::Down(entry) => {
                let from = match since {
                    RecoverySince::Heal => struck.unwrap_or(entry.at),
                    RecoverySince::Detection => entry.at,
                };
                let outage = open.get_or_insert(Outage { began: entry.index, since: from, ended: None });
                outage.since = outage.since.max(from);
            }
            Turn::Healed { at, .. } => {
                struck = None;
                if let Some(outage) = &mut open {
                    outage.since = outage.since.max(*at);
                }
            }
            Turn::Up(entry) => {
                struck = None;
                outages.extend(open.take().map(|outage| Outage { ended: Some(entry), ..outage }));
            }
        }
    }
    outages.extend(open);
    outages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tale::Tale;
    use crate::fact::FactKind::{Detected, Recovered};
    use crate::fault::{Ends, Verb};

    #[test]
    fn who_is_back_in_time_after_a_reset_holds() {
        let tale = reset().value(5040, "alice", Detected, "s-1", "1006").fact(6100, "alice", Recovered, "s-1");
        assert_eq!(tale.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.1s");
    }

    #[test]
    fn who_is_still_away_at_the_end_is_convicted() {
        let tale = reset().value(5040, "alice", Detected, "s-1", "1006").pending("alice", "recovered").ending(60_000);
        insta::assert_snapshot!(tale.failure(&alice_within(2, RecoverySince::Heal)));
    }

    #[test]
    fn who_never_noticed_a_final_loss_is_convicted_too() {
        let tale = reset().ending(60_000);
        assert_eq!(tale.broken(&alice_within(2, RecoverySince::Heal)), "recover: not back in time @ alice");
    }

    #[test]
    fn the_bound_counts_from_the_heal() {
        let verb = Verb::Partition { one_way: false, heal_after: Some(Duration::from_secs(30)) };
        let tale = Tale::new()
            .struck(5000, "alice", "chat", verb)
            .value(25_000, "alice", Detected, "s-1", "1006")
            .healed(35_000, 0)
            .fact(36_500, "alice", Recovered, "s-1");
        assert_eq!(tale.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.5s");
        assert_eq!(tale.broken(&alice_within(1, RecoverySince::Detection)), "recover: not back in time @ alice");
    }

    #[test]
    fn who_is_refused_has_its_time_from_the_end_of_the_refusals() {
        let tale = reset()
            .struck(6000, "alice", "chat", Verb::Refuse { lasting: Some(Duration::from_secs(10)) })
            .healed(16_000, 1)
            .fact(17_000, "alice", Recovered, "s-1");
        assert_eq!(tale.held(&alice_within(2, RecoverySince::Heal)), "recovered +1.0s");
    }

    #[test]
    fn the_bound_may_count_from_the_detection() {
        let verb = Verb::HalfOpen { kind: crate::fault::HalfOpenKind::Blackhole, direction: None, heal_after: None };
        let tale = Tale::new()
            .struck(5000, "alice", "chat", verb)
            .value(45_000, "alice", Detected, "s-1", "1006")
            .fact(46_000, "alice", Recovered, "s-1");
        assert_eq!(tale.held(&alice_within(2, RecoverySince::Detection)), "recovered +1.0s");
        assert_eq!(tale.broken(&alice_within(2, RecoverySince::Heal)), "recover: not back in time @ alice");
    }

    #[test]
    fn who_is_leaving_need_not_recover() {
        let tale = reset().value(5040, "alice", Detected, "s-1", "1006").stopping(5100, "alice").ending(60_000);
        assert_eq!(tale.held(&alice_within(2, RecoverySince::Heal)), "nobody was out of service");
    }

    fn alice_within(seconds: u64, since: RecoverySince) -> Recover {
        Recover { within: Duration::from_secs(seconds), observers: vec!["alice".into()], since }
    }

    fn reset() -> Tale {
        Tale::new().struck(5000, "alice", "chat", Verb::Reset { to: Ends::Both })
    }
}
