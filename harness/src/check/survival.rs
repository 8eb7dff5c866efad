//! Law: a fault ends what it strikes and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fact_index::facts;
use super::fault_timeline::timelines;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::fault::Act;
use crate::name::{HostName, Incarnation};
use crate::trace::{ConnectionEvent, ProcessEvent, Record, RecordKind, Seconds};

/// No task panics, no host ends with an error or (if it must stay) before it is asked to, a listener outlives a failed
/// `accept`, and the health facts are good after every fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survival {
    /// The hosts that run until they are asked to stop. Others (actors) may end when they are done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stay_up: Vec<HostName>,
    /// Parts of the messages of panics that are meant to happen (a request that panics must not take others along).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_panics: Vec<String>,
    /// The health that must be told after every fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// A gauge that says whether a host answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The gauge's key.
    pub gauge: String,
    /// Its value when all is well (`200`, `ok`).
    pub good: String,
    /// How soon after a fault's heal (its firing, when it has none) the good value is told.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
}

impl Check for Survival {
    fn name(&self) -> &'static str {
        "survival"
    }

    fn law(&self) -> &'static str {
        "a fault ends what it strikes and nothing else"
    }

    fn needs(&self) -> Vec<FactKind> {
        self.health.iter().map(|_| FactKind::Gauge).collect()
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        self.processes(evidence.records)?;
        accepts_go_on(evidence)?;
        let mut summary = if self.expected_panics.is_empty() {
            "no panic, no early end"
        } else {
            "no unexpected panic, no early end"
        }
        .to_owned();
        if let Some(health) = &self.health {
            let judged = health.after_every_fault(evidence)?;
            summary.push_str(&format!(", healthy after {judged} of {} faults", evidence.faults.len()));
        }
        Ok(summary)
    }
}

impl Survival {
    fn processes(&self, records: &[Record]) -> Result<(), Finding> {
        // Per life: whether it was asked to stop.
        let mut processes: BTreeMap<(&HostName, Incarnation), bool> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            let (Some(host), RecordKind::Process(event)) = (&record.host, &record.what) else { continue };
            let stopping = processes.entry((host, record.incarnation)).or_insert(false);
            let when = Seconds(record.at);
            let (clause, sentence) = match event {
                ProcessEvent::StopRequested => {
                    *stopping = true;
                    continue;
                }
                ProcessEvent::Panicked { message, root: false } if self.expects(message) => continue,
                ProcessEvent::Panicked { message, root } => {
                    let task = if *root { "the root task" } else { "a task" };
                    ("panic", format!("{task} of {host} panicked at {when}: {message}"))
                }
                ProcessEvent::Exited { error: Some(error) } if !*stopping => {
                    ("early end", format!("{host} ended at {when} with an error: {error}"))
                }
                ProcessEvent::Exited { error: None } if !*stopping && self.stay_up.contains(host) => {
                    ("early end", format!("{host} ended at {when} although it had not been asked to stop."))
                }
                ProcessEvent::Started
                | ProcessEvent::Exited { .. }
                | ProcessEvent::Crashed
                | ProcessEvent::PowerLost
                | ProcessEvent::Survivors { .. } => continue,
            };
            let cause = last_fault(&records[..index]);
            return Err(Finding::new(clause, sentence).witness(cause.into_iter().chain([index])).role(Some(host)));
        }
        Ok(())
    }

    fn expects(&self, panic: &str) -> bool {
        self.expected_panics.iter().any(|part| panic.contains(part.as_str()))
    }
}

fn last_fault(records: &[Record]) -> Option<usize> {
    records.iter().rposition(|record| matches!(record.what, RecordKind::Fault { .. }))
}

/// After an `accept` that a fault made fail, a later attempt is accepted.
fn accepts_go_on(evidence: &Evidence) -> Result<(), Finding> {
    for timeline in timelines(evidence.records, evidence.faults) {
        let Act::Listener { on, .. } = &timeline.fault.act else { continue };
        let Some(fired) = timeline.fired else { continue };
        let (mut attempt, mut accepted) = (None, false);
        for (index, record) in evidence.records.iter().enumerate().skip(fired.index) {
            let RecordKind::Connection { id, event } = &record.what else { continue };
            if id.link.server != on.link.server || record.at > evidence.last.at {
                continue;
            }
            accepted |= *event == ConnectionEvent::Established;
            if *event == ConnectionEvent::Attempted {
                attempt = Some(index);
            }
        }
        let Some(attempt) = attempt.filter(|_| !accepted) else { continue };
        let server = &on.link.server;
        let sentence = format!("{server} accepted no connection after its accept had failed at {}.", Seconds(fired.at));
        return Err(Finding::new("accepts no more", sentence).witness([fired.index, attempt]).role(Some(server)));
    }
    Ok(())
}

impl Health {
    fn after_every_fault(&self, evidence: &Evidence) -> Result<usize, Finding> {
        let answers: Vec<_> =
            facts(evidence.records).filter(|entry| entry.kind == FactKind::Gauge && entry.key == self.gauge).collect();
        let mut judged = 0;
        for timeline in timelines(evidence.records, evidence.faults) {
            let Some(from) = timeline.healed.or(timeline.fired) else { continue };
            let deadline = from.at + self.within;
            if evidence.last.at < deadline {
                continue;
            }
            let after = answers.partition_point(|entry| entry.index < from.index);
            let in_time = answers[after..].iter().take_while(|entry| entry.at <= deadline);
            if !in_time.clone().any(|entry| entry.value == Some(self.good.as_str())) {
                let last = in_time.last();
                let sentence = format!(
                    "after the fault of {} no host heard `{}` from {} within {}{}.",
                    Seconds(from.at),
                    self.good,
                    self.gauge,
                    Seconds(self.within),
                    last.and_then(|entry| entry.value).map_or(String::new(), |value| format!(", only `{value}`")),
                );
                return Err(Finding::new("not healthy", sentence)
                    .witness([from.index].into_iter().chain(last.map(|entry| entry.index))));
            }
            judged += 1;
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::Gauge;
    use crate::fault::{AcceptError, Ends, IoErrorKind, Reset};
    use crate::trace::ConnectionEvent::{Attempted, Established};

    #[test]
    fn a_host_that_lives_until_it_is_stopped_survives() {
        let run = TraceBuilder::new().started(0, "gateway").stopping(9000, "gateway").exited(9100, "gateway", None);
        assert_eq!(run.held(&stays("gateway")), "no panic, no early end");
    }

    #[test]
    fn a_panic_in_any_task_is_convicted() {
        let run = TraceBuilder::new().struck(1000, "app", "gateway", Reset { to: Ends::Both }).process(
            1001,
            "gateway",
            ProcessEvent::Panicked { message: "writing to a reader that left".to_owned(), root: false },
        );
        insta::assert_snapshot!(run.failure(&Survival::default()));
        let expected = Survival { expected_panics: vec!["reader that left".to_owned()], ..Survival::default() };
        assert_eq!(run.held(&expected), "no unexpected panic, no early end");
    }

    #[test]
    fn an_early_end_is_convicted_where_the_host_must_stay_or_told_an_error() {
        let quiet = TraceBuilder::new().started(0, "gateway").exited(5000, "gateway", None);
        assert_eq!(quiet.broken(&stays("gateway")), "survival: early end @ gateway");
        assert_eq!(quiet.held(&stays("other")), "no panic, no early end");
        let loud = TraceBuilder::new().started(0, "gateway").exited(5000, "gateway", Some("the loop was torn down"));
        assert_eq!(loud.broken(&stays("other")), "survival: early end @ gateway");
    }

    #[test]
    fn a_listener_that_dies_of_a_failed_accept_is_convicted() {
        let verb = AcceptError { kind: IoErrorKind::TooManyOpenFiles, nth: 1, lasting: None };
        let deaf =
            TraceBuilder::new().struck(1000, "app", "gateway", verb).connection(2000, "app", "gateway", 2, Attempted);
        assert_eq!(deaf.broken(&Survival::default()), "survival: accepts no more @ gateway");
        let well = deaf.connection(2001, "app", "gateway", 2, Established);
        assert_eq!(well.held(&Survival::default()), "no panic, no early end");
    }

    #[test]
    fn a_host_that_does_not_answer_after_a_fault_is_convicted() {
        let health = Health { gauge: "gateway".to_owned(), good: "200".to_owned(), within: Duration::from_secs(5) };
        let law = Survival { health: Some(health), ..Survival::default() };
        let run = TraceBuilder::new().struck(1000, "app", "gateway", Reset { to: Ends::Both });
        let sick = run.clone().value(3000, "app", Gauge, "gateway", "503").ending(20_000);
        assert_eq!(sick.broken(&law), "survival: not healthy");
        let well = run.value(3000, "app", Gauge, "gateway", "200").ending(20_000);
        assert_eq!(well.held(&law), "no panic, no early end, healthy after 1 of 1 faults");
    }

    fn stays(host: &str) -> Survival {
        Survival { stay_up: vec![host.into()], ..Survival::default() }
    }
}
