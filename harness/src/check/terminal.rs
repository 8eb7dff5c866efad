//! Law: every accepted thing reaches exactly one outcome, and nothing times out after its result.

use serde::{Deserialize, Serialize};

use super::fact_index::{Entry, FactIndex, KeyHistory};
use super::process_timeline::ProcessTimeline;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::{Seconds, told_apart};

/// Every accepted thing reaches exactly one outcome, none before it was accepted, and nothing times out after its result. A
/// run in which nothing was accepted is convicted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// The host whose `outcome` facts are counted; every host's, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<HostName>,
    /// The host that must live to see the outcome: what was accepted before its process ended needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_alive: Option<HostName>,
    /// The words by which an outcome's value is known as a timeout, whatever their case; `timeout`, without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeouts: Vec<String>,
}

impl Check for Terminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn law(&self) -> &'static str {
        "every accepted thing reaches exactly one outcome, and nothing times out after its result"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Accepted, FactKind::Outcome]
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let kinds = [FactKind::Accepted, FactKind::Outcome, FactKind::Received, FactKind::ClaimedDelivered];
        let processes = ProcessTimeline::of(evidence.records);
        let (mut accepted, mut settled) = (0, 0);
        for history in FactIndex::of_things(evidence.records, &kinds)?.histories() {
            self.no_timeout_after_a_result(history)?;
            self.one_outcome_at_most(history)?;
            let Some(acceptance) = history.first(FactKind::Accepted) else { continue };
            accepted += 1;
            self.no_outcome_before(acceptance, history)?;
            if self.outcomes(history).next().is_some() {
                settled += 1;
            } else if !self.is_excused(acceptance, &processes) {
                let sentence = format!(
                    "{}, accepted by {} at {}, had reached no outcome when the run ended at {}.",
                    history.key,
                    acceptance.by(),
                    Seconds(acceptance.at),
                    Seconds(evidence.last.at),
                );
                return Err(Finding::new("no outcome", sentence).witness([acceptance.index]).role(acceptance.host));
            }
        }
        if accepted == 0 {
            evidence.must_tell(&[FactKind::Accepted])?;
        }
        Ok(format!("{settled} of {accepted} accepted reached their outcome"))
    }
}

impl Terminal {
    fn outcomes<'a, 'e>(&'a self, history: &'a KeyHistory<'e>) -> impl Iterator<Item = &'a Entry<'e>> {
        history.all(FactKind::Outcome).filter(|entry| self.at.is_none() || entry.host == self.at.as_ref())
    }

    fn is_timeout(&self, entry: &Entry) -> bool {
        let value = entry.value.unwrap_or_default().to_ascii_lowercase();
        match self.timeouts.as_slice() {
            [] => value.contains("timeout"),
            words => words.iter().any(|word| value.contains(&word.to_ascii_lowercase())),
        }
    }

    fn is_excused(&self, acceptance: &Entry, processes: &ProcessTimeline) -> bool {
        self.while_alive.as_ref().is_some_and(|host| processes.ends_after(host, acceptance.index).is_some())
    }

    fn no_timeout_after_a_result(&self, history: &KeyHistory) -> Result<(), Finding> {
        let mut result = None;
        for entry in history.entries() {
            let timeout = self.is_timeout(entry);
            match result {
                None if !timeout && !matches!(entry.kind, FactKind::Accepted | FactKind::Offered) => {
                    result = Some(entry)
                }
                Some(result) if timeout && entry.kind == FactKind::Outcome => {
                    let [timeout, arrived] = told_apart([entry.at, result.at]);
                    let sentence = format!(
                        "{} timed out at {timeout} by {}'s word, although its result was there at {arrived}.",
                        history.key,
                        entry.by(),
                    );
                    return Err(Finding::new("timeout after a result", sentence)
                        .witness([result.index, entry.index])
                        .role(entry.host));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// By virtual time, and on one host by the order in which it tells. The host that offered a thing hears of its
    /// acceptance only on its way back, when another host may know the outcome.
    fn no_outcome_before(&self, acceptance: &Entry, history: &KeyHistory) -> Result<(), Finding> {
        let Some(outcome) = self.outcomes(history).next() else { return Ok(()) };
        let by_one = acceptance.host == outcome.host;
        let is_heard_later = !by_one && acceptance.host == history.sender && history.sender.is_some();
        let is_before = if by_one { outcome.index < acceptance.index } else { outcome.at < acceptance.at };
        if !is_before || is_heard_later {
            return Ok(());
        }
        let [early, late] = told_apart([outcome.at, acceptance.at]);
        let sentence = format!(
            "{} reached an outcome at {early}, {} says, before it was accepted at {late}, as {} says.",
            history.key,
            outcome.by(),
            acceptance.by(),
        );
        Err(Finding::new("outcome before acceptance", sentence)
            .witness([outcome.index, acceptance.index])
            .role(outcome.host))
    }

    fn one_outcome_at_most(&self, history: &KeyHistory) -> Result<(), Finding> {
        let mut outcomes = self.outcomes(history);
        let (Some(first), Some(second)) = (outcomes.next(), outcomes.next()) else { return Ok(()) };
        let word = |entry: &Entry| entry.value.map_or("an outcome".to_owned(), |value| format!("`{value}`"));
        let [earlier, later] = told_apart([first.at, second.at]);
        let sentence = format!(
            "{} reached {} outcomes: {} at {earlier}, then {} at {later}.",
            history.key,
            2 + outcomes.count(),
            word(first),
            word(second),
        );
        Err(Finding::new("two outcomes", sentence).witness([first.index, second.index]).role(second.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::Fact;
    use crate::fact::FactKind::{Accepted, Offered, Outcome, Received};

    #[test]
    fn one_outcome_for_each_accepted_job_is_enough() {
        let run = TraceBuilder::new().fact(1000, "scheduler", Accepted, "job-1").value(
            9000,
            "scheduler",
            Outcome,
            "job-1",
            "result",
        );
        assert_eq!(run.held(&Terminal::default()), "1 of 1 accepted reached their outcome");
    }

    #[test]
    fn a_timeout_after_the_result_is_convicted() {
        let run = TraceBuilder::new()
            .fact(1000, "scheduler", Accepted, "job-1")
            .fact(29_000, "alice", Received, "job-1")
            .value(31_000, "scheduler", Outcome, "job-1", "JOB_TIMEOUT");
        insta::assert_snapshot!(run.failure(&Terminal::default()));
    }

    #[test]
    fn a_timeout_that_reaches_its_owner_is_no_result() {
        let run = TraceBuilder::new()
            .fact(1000, "scheduler", Accepted, "job-1")
            .value(31_000, "alice", Received, "job-1", "JOB_TIMEOUT")
            .value(31_000, "scheduler", Outcome, "job-1", "JOB_TIMEOUT");
        assert_eq!(run.held(&Terminal::default()), "1 of 1 accepted reached their outcome");
    }

    #[test]
    fn a_job_with_two_outcomes_is_convicted() {
        let run = TraceBuilder::new()
            .fact(1000, "scheduler", Accepted, "job-1")
            .value(2000, "scheduler", Outcome, "job-1", "failed")
            .value(3000, "scheduler", Outcome, "job-1", "result");
        assert_eq!(run.broken(&Terminal::default()), "terminal: two outcomes @ scheduler");
        let elsewhere = Terminal { at: Some("alice".into()), ..Terminal::default() };
        assert_eq!(run.broken(&elsewhere), "terminal: no outcome @ scheduler");
    }

    #[test]
    fn an_outcome_before_the_acceptance_is_convicted_unless_the_acceptance_was_heard_on_its_way_back() {
        let run = TraceBuilder::new().value(1000, "chat", Outcome, "job-1", "ok").fact(2000, "chat", Accepted, "job-1");
        insta::assert_snapshot!(run.failure(&Terminal::default()));
        let instant =
            TraceBuilder::new().value(2000, "chat", Outcome, "job-1", "ok").fact(2000, "chat", Accepted, "job-1");
        assert_eq!(instant.broken(&Terminal::default()), "terminal: outcome before acceptance @ chat");
        let elsewhere =
            TraceBuilder::new().value(1000, "alice", Outcome, "job-1", "ok").fact(2000, "chat", Accepted, "job-1");
        assert_eq!(elsewhere.broken(&Terminal::default()), "terminal: outcome before acceptance @ alice");
        let heard = TraceBuilder::new()
            .fact(1000, "alice", Offered, "job-1")
            .value(1020, "chat", Outcome, "job-1", "ok")
            .fact(1040, "alice", Accepted, "job-1");
        assert_eq!(heard.held(&Terminal::default()), "1 of 1 accepted reached their outcome");
        let own = heard.value(1030, "alice", Outcome, "job-1", "ok");
        let at_alice = Terminal { at: Some("alice".into()), ..Terminal::default() };
        assert_eq!(own.held(&at_alice), "1 of 1 accepted reached their outcome");
    }

    #[test]
    fn jobs_of_two_owners_with_one_name_are_two_jobs() {
        let both = || {
            let run = TraceBuilder::new().fact(1000, "alice", Offered, "job-1").fact(1000, "bob", Offered, "job-1");
            let accepted = |from: &str| Fact::new(Accepted, "job-1").from(from);
            run.told(1020, "chat", accepted("alice")).told(1020, "chat", accepted("bob"))
        };
        let one = both().told(2000, "chat", Fact::new(Outcome, "job-1").value("ok").from("alice"));
        assert_eq!(one.broken(&Terminal::default()), "terminal: no outcome @ chat");
        let unnamed = both().value(2000, "chat", Outcome, "job-1", "ok");
        assert_eq!(unnamed.broken(&Terminal::default()), "terminal: one key, two senders @ chat");
    }

    #[test]
    fn a_run_in_which_nothing_is_accepted_says_nothing() {
        assert_eq!(TraceBuilder::new().broken(&Terminal::default()), "terminal: says nothing");
        let optional = TraceBuilder::new().optional(Accepted);
        assert_eq!(optional.held(&Terminal::default()), "0 of 0 accepted reached their outcome");
    }

    #[test]
    fn a_job_without_an_outcome_is_convicted_unless_its_owner_died() {
        let run = TraceBuilder::new().fact(1000, "scheduler", Accepted, "job-1").crashed(2000, "alice");
        assert_eq!(run.broken(&Terminal::default()), "terminal: no outcome @ scheduler");
        let while_alive = Terminal { while_alive: Some("alice".into()), ..Terminal::default() };
        assert_eq!(run.held(&while_alive), "0 of 1 accepted reached their outcome");
    }
}
