//! Law: a lost connection is noticed in time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, struck_at_the_beginning, struck_on_the_way};
use super::fact_index::facts;
use super::fault_timeline::{FaultTimeline, Moment, timelines};
use super::process_timeline::ProcessTimeline;
use super::service::Service;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::{Seconds, told_apart};

/// Each observer notices within the bound that a fault has taken its connection, or has struck its attempt to get one.
///
/// An observer in service notices by a `detected`. One that was still connecting notices by anything that it tells of the
/// attempt's end (`detected`, `claimed_failed`, `refused`, `retried`, `recovered`, `stream_error`), by another attempt,
/// or, where the attempt hangs, by giving it up; the bound counts from the attempt's beginning, or from the fault when it
/// comes later.
///
/// A fault need not be noticed by an observer that is not at the struck link (or was not connected with the struck
/// host), that was out of service and was not connecting, that is asked to stop or is killed before the bound, or when
/// the fault ends before the bound. An observer that tells `recovered`, too, is out of service from a `detected` on to
/// the next `recovered`, unless nothing had happened that it could have noticed: a false alarm excuses nothing.
///
/// An observer that ends by itself before the bound, or a run that does, decides nothing about that fault. A run that
/// decides nothing about any fault is convicted, since it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Between the fault's firing, or the struck attempt's beginning, and the observer's notice.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// The hosts that must notice.
    pub observers: Vec<HostName>,
    /// The places in the plan of the faults to be noticed; all that take a connection away or strike an attempt, when
    /// empty.
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

    // It bounds what the faults of its scenario lead to.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let processes = ProcessTimeline::of(evidence.records);
        let timelines = timelines(evidence.records, evidence.faults);
        let mut tally = DetectionCounts::default();
        for observer in &self.observers {
            let service = Service::of(observer, &timelines, evidence);
            for timeline in timelines.iter().filter(|timeline| self.is_meant(timeline, observer, evidence)) {
                for case in cases(timeline, observer, &service, evidence) {
                    let deadline = case.began.at + self.within;
                    match case.decide(deadline, &processes, evidence) {
                        Decision::Noticed(latency) => tally.slowest = tally.slowest.max(Some(latency)),
                        Decision::NeedNot => {}
                        Decision::Undecided => tally.undecided = Some(case),
                        Decision::Missed(late) => return Err(self.missed(&case, late)),
                    }
                }
            }
        }
        tally.conclude(self.within, evidence)
    }
}

impl Detect {
    fn is_meant(&self, timeline: &FaultTimeline, observer: &HostName, evidence: &Evidence) -> bool {
        let meant = match self.faults.as_slice() {
            [] => timeline.fault.act.takes_service_away() || timeline.fault.act.at_the_beginning().is_some(),
            chosen => chosen.contains(&timeline.number.0),
        };
        meant && timeline.concerns(observer, evidence.records)
    }

    fn missed(&self, case: &Case, late: Option<Moment>) -> Finding {
        let deadline = case.began.at + self.within;
        let [began, latency, bound] = told_apart([
            case.began.at,
            late.map_or(Duration::ZERO, |late| late.at - case.began.at),
            deadline - case.began.at,
        ]);
        let how =
            if late.is_some() { format!("noticed it only after {latency}") } else { "never noticed it".to_owned() };
        let observer = case.observer;
        let sentence = match &case.attempt {
            Some(attempt) => {
                let connection = attempt.words();
                format!(
                    "the fault struck {observer}'s attempt {connection} at {began}; {observer} {how} (bound {bound})."
                )
            }
            None => format!("the fault struck at {began}; {observer} {how} (bound {bound})."),
        };
        Finding::new("not noticed in time", sentence)
            .witness([case.began.index].into_iter().chain(late.map(|late| late.index)))
            .role(Some(observer))
    }
}

/// One fault and one observer that must notice it.
struct Case<'a> {
    observer: &'a HostName,
    began: Moment,
    /// The attempt that was struck; the observer was in service, without.
    attempt: Option<Attempt<'a>>,
    /// When the fault ended by itself and gave the service back.
    mended: Option<Duration>,
}

/// What an observer must notice of a fault: nothing, when it had nothing to lose.
fn cases<'a>(
    timeline: &FaultTimeline<'a>,
    observer: &'a HostName,
    service: &Service,
    evidence: &Evidence<'a>,
) -> Vec<Case<'a>> {
    let Some(fired) = timeline.fired else { return Vec::new() };
    let healed = timeline.healed.filter(|_| !timeline.fault.act.is_final()).map(|healed| healed.at);
    let attempted =
        |attempt: Attempt<'a>, mended| Case { observer, began: attempt.began, attempt: Some(attempt), mended };
    if timeline.fault.act.at_the_beginning().is_some() {
        let struck = struck_at_the_beginning(timeline, observer, evidence).into_iter();
        return struck
            .map(|attempt| {
                let mended = attempt.goes_on_after(timeline, evidence);
                attempted(attempt, mended)
            })
            .collect();
    }
    if service.is_up(fired.index) {
        return vec![Case { observer, began: fired, attempt: None, mended: healed }];
    }
    let on_the_way = struck_on_the_way(timeline, observer, service, evidence);
    on_the_way.map(|attempt| attempted(attempt, healed)).into_iter().collect()
}

enum Decision {
    Noticed(Duration),
    NeedNot,
    Undecided,
    Missed(Option<Moment>),
}

impl Case<'_> {
    fn decide(&self, deadline: Duration, processes: &ProcessTimeline, evidence: &Evidence) -> Decision {
        if processes.is_away(self.observer, self.began.index) {
            return Decision::NeedNot;
        }
        let noticed = self.notice(processes, evidence);
        if let Some(moment) = noticed.filter(|moment| moment.at <= deadline) {
            return Decision::Noticed(moment.at - self.began.at);
        }
        let in_time = |index: usize| evidence.records[index].at < deadline;
        let end = processes.ends_after(self.observer, self.began.index).filter(|index| in_time(*index));
        if self.mended.is_some_and(|mended| mended < deadline) {
            return Decision::NeedNot;
        }
        match end {
            Some(end) if processes.is_by_itself(self.observer, end) => Decision::Undecided,
            Some(_) => Decision::NeedNot,
            None if evidence.last.at < deadline => Decision::Undecided,
            None => Decision::Missed(noticed),
        }
    }

    fn notice(&self, processes: &ProcessTimeline, evidence: &Evidence) -> Option<Moment> {
        match &self.attempt {
            Some(attempt) => attempt.sign(self.observer, processes, evidence),
            None => facts(evidence.records)
                .find(|entry| {
                    entry.index > self.began.index
                        && entry.host == Some(self.observer)
                        && entry.kind == FactKind::Detected
                })
                .map(|entry| Moment { index: entry.index, at: entry.at }),
        }
    }
}

#[derive(Default)]
struct DetectionCounts<'a> {
    slowest: Option<Duration>,
    undecided: Option<Case<'a>>,
}

impl DetectionCounts<'_> {
    fn conclude(self, within: Duration, evidence: &Evidence) -> Result<String, Finding> {
        let case = match (self.slowest, self.undecided) {
            (Some(slowest), _) => return Ok(format!("detected +{}", Seconds(slowest))),
            (None, None) => return Ok("nothing had to be noticed".to_owned()),
            (None, Some(case)) => case,
        };
        let processes = ProcessTimeline::of(evidence.records);
        let left = processes.ends_after(case.observer, case.began.index);
        let left = left.map(|index| evidence.records[index].at).filter(|at| *at <= evidence.last.at);
        let [began, until] = told_apart([case.began.at, left.unwrap_or(evidence.last.at)]);
        let how = if left.is_some() { "it ended by itself" } else { "the run ended" };
        let sentence = format!(
            "the fault struck at {began} and {} had not noticed it when {how} at {until}, before the bound of {}: the \
             run decides nothing. Let it go on for longer (`settle`, or the script).",
            case.observer,
            Seconds(within),
        );
        Err(Finding::new("undecided", sentence).witness([case.began.index]).role(Some(case.observer)))
    }
}

#[cfg(test)]
mod tests;
