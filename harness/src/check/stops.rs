//! Law: who is told to stop does stop.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Check, Evidence, Finding};
use crate::name::{HostName, Incarnation};
use crate::trace::{ProcessEvent, RecordKind, RunEnd, Seconds};

/// A host that is told to stop, by a `restart` or because the run is over, stops within its time.
///
/// Every scenario is held to this with its defaults. An actor is held to it only where `hosts` names it: a script need
/// not watch for its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stops {
    /// How long it may take.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// The hosts that have another time.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<HostName, StopTime>,
}

/// How long one host may take to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopTime(#[serde(with = "humantime_serde")] pub Duration);

impl Stops {
    /// What an orchestrator gives a process before it kills it, unless it is configured otherwise (Kubernetes'
    /// `terminationGracePeriodSeconds`).
    pub const WITHIN: Duration = Duration::from_secs(30);

    /// The longest that any host may take.
    pub fn longest(&self) -> Duration {
        self.hosts.values().map(|time| time.0).fold(self.within, Duration::max)
    }

    /// How long a host may take, if it is held to anything.
    fn time_of(&self, host: &HostName, evidence: &Evidence) -> Option<Duration> {
        let usual = || (!evidence.actors.contains(host)).then_some(self.within);
        self.hosts.get(host).map(|time| time.0).or_else(usual)
    }
}

impl Default for Stops {
    fn default() -> Self {
        Self { within: Self::WITHIN, hosts: BTreeMap::new() }
    }
}

impl Check for Stops {
    fn name(&self) -> &'static str {
        "stops"
    }

    fn law(&self) -> &'static str {
        "who is told to stop does stop, in its time"
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let mut told = 0;
        for stop in stops(evidence) {
            let Some(time) = self.time_of(stop.host, evidence) else { continue };
            told += 1;
            let asked = evidence.records[stop.asked].at;
            let start = format!("{} was told to stop at {}", stop.host, Seconds(asked));
            let finding = match stop.ended {
                Some(ended) if evidence.records[ended].at <= asked + time => continue,
                Some(ended) => {
                    let took = evidence.records[ended].at - asked;
                    let sentence = format!("{start} and took {} for it (at most {}).", Seconds(took), Seconds(time));
                    Finding::new("stopped too late", sentence).witness([stop.asked, ended])
                }
                None if gave_time(evidence, asked, time) => {
                    let sentence = format!("{start} and had not stopped {} later.", Seconds(time));
                    Finding::new("never stopped", sentence).witness([stop.asked])
                }
                None => continue,
            };
            return Err(finding.role(Some(stop.host)));
        }
        Ok(match told {
            0 => "no host was told to stop".to_owned(),
            told => format!("{told} told to stop, each in time"),
        })
    }
}

/// Whether a run went on for this long after a host was told to stop. A run that was broken off gave no host time; any
/// other waits for its hosts.
fn gave_time(evidence: &Evidence, asked: Duration, time: Duration) -> bool {
    match evidence.last.ended {
        RunEnd::Finished | RunEnd::TimeLimit => true,
        RunEnd::Livelock | RunEnd::Watchdog => evidence.last.at > asked + time,
    }
}

/// One life's order to stop, and its end, by place in the trace.
struct Stop<'a> {
    host: &'a HostName,
    asked: usize,
    ended: Option<usize>,
}

fn stops<'a>(evidence: &Evidence<'a>) -> Vec<Stop<'a>> {
    let mut stops: Vec<Stop> = Vec::new();
    let mut open: BTreeMap<(&HostName, Incarnation), usize> = BTreeMap::new();
    for (index, record) in evidence.records.iter().enumerate() {
        let (Some(host), RecordKind::Process(event)) = (&record.host, &record.what) else { continue };
        let life = (host, record.incarnation);
        match event {
            ProcessEvent::StopRequested => {
                open.insert(life, stops.len());
                stops.push(Stop { host, asked: index, ended: None });
            }
            ProcessEvent::Exited { .. } | ProcessEvent::Crashed | ProcessEvent::PowerLost => {
                if let Some(place) = open.remove(&life) {
                    stops[place].ended = Some(index);
                }
            }
            ProcessEvent::Started | ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. } => {}
        }
    }
    stops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;

    #[test]
    fn who_stops_in_its_time_holds() {
        let run = TraceBuilder::new().started(0, "chat").stopping(1000, "chat").exited(31_000, "chat", None);
        assert_eq!(run.held(&Stops::default()), "1 told to stop, each in time");
        assert_eq!(TraceBuilder::new().started(0, "chat").held(&Stops::default()), "no host was told to stop");
    }

    #[test]
    fn who_stops_too_late_is_convicted() {
        let run = TraceBuilder::new().started(0, "chat").stopping(25_000, "chat").exited(1_200_000, "chat", None);
        insta::assert_snapshot!(run.failure(&Stops::default()));
        assert_eq!(run.broken(&Stops::default()), "stops: stopped too late @ chat");
        let patient =
            Stops { hosts: [("chat".into(), StopTime(Duration::from_secs(1200)))].into(), ..Stops::default() };
        assert_eq!(run.held(&patient), "1 told to stop, each in time");
        let other = Stops { hosts: [("bob".into(), StopTime(Duration::from_secs(1200)))].into(), ..Stops::default() };
        assert_eq!(run.broken(&other), "stops: stopped too late @ chat");
    }

    #[test]
    fn who_never_stops_is_convicted_wherever_there_was_time_to_see_it() {
        let run = TraceBuilder::new().started(0, "chat").stopping(25_000, "chat").ending(24_000);
        assert_eq!(run.broken(&Stops::default()), "stops: never stopped @ chat");
        assert_eq!(run.clone().ended(RunEnd::TimeLimit).broken(&Stops::default()), "stops: never stopped @ chat");
        let broken_off = run.ended(RunEnd::Livelock);
        assert_eq!(broken_off.clone().ending(54_000).held(&Stops::default()), "1 told to stop, each in time");
        assert_eq!(broken_off.ending(56_000).broken(&Stops::default()), "stops: never stopped @ chat");
    }

    #[test]
    fn each_life_has_its_own_order() {
        let first = TraceBuilder::new().started(0, "chat").stopping(1000, "chat").exited(2000, "chat", None);
        let second = first.started(3000, "chat").stopping(10_000, "chat");
        assert_eq!(second.broken(&Stops::default()), "stops: never stopped @ chat");
        let killed = second.crashed(11_000, "chat");
        assert_eq!(killed.held(&Stops::default()), "2 told to stop, each in time");
    }

    #[test]
    fn a_script_need_not_watch_for_its_end_unless_it_is_named() {
        let run = TraceBuilder::new().acting("alice").started(0, "alice").stopping(1000, "alice");
        assert_eq!(run.held(&Stops::default()), "no host was told to stop");
        let named = Stops { hosts: [("alice".into(), StopTime(Duration::from_secs(1)))].into(), ..Stops::default() };
        assert_eq!(run.broken(&named), "stops: never stopped @ alice");
    }
}
