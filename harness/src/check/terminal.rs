//! Law: every accepted thing reaches exactly one outcome, and nothing times out after its result.

use serde::{Deserialize, Serialize};

use super::ledger::{Account, Entry, Ledger};
use super::lives::Lives;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::Seconds;

/// Every accepted thing reaches exactly one outcome, and nothing times out after its result.
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
        let lives = Lives::of(evidence.records);
        let (mut accepted, mut settled) = (0, 0);
        for account in Ledger::of(evidence.records, &kinds).accounts() {
            self.no_timeout_after_a_result(account)?;
            self.one_outcome_at_most(account)?;
            let Some(acceptance) = account.first(FactKind::Accepted) else { continue };
            accepted += 1;
            if self.outcomes(account).next().is_some() {
                settled += 1;
            } else if !self.is_excused(acceptance, &lives) {
                let sentence = format!(
                    "{}, accepted by {} at {}, had reached no outcome when the run ended at {}.",
                    account.key,
                    acceptance.by(),
                    Seconds(acceptance.at),
                    Seconds(evidence.last.at),
                );
                return Err(Finding::new("no outcome", sentence).witness([acceptance.index]).role(acceptance.host));
            }
        }
        Ok(format!("{settled} of {accepted} accepted reached their outcome"))
    }
}

impl Terminal {
    fn outcomes<'a, 'e>(&'a self, account: &'a Account<'e>) -> impl Iterator<Item = &'a Entry<'e>> {
        account.all(FactKind::Outcome).filter(|entry| self.at.is_none() || entry.host == self.at.as_ref())
    }

    fn is_timeout(&self, entry: &Entry) -> bool {
        let value = entry.value.unwrap_or_default().to_ascii_lowercase();
        match self.timeouts.as_slice() {
            [] => value.contains("timeout"),
            words => words.iter().any(|word| value.contains(&word.to_ascii_lowercase())),
        }
    }

    fn is_excused(&self, acceptance: &Entry, lives: &Lives) -> bool {
        self.while_alive.as_ref().is_some_and(|host| lives.ends_after(host, acceptance.index).is_some())
    }

    fn no_timeout_after_a_result(&self, account: &Account) -> Result<(), Finding> {
        let mut result = None;
        for entry in account.entries() {
            let timeout = self.is_timeout(entry);
            match result {
                None if !timeout && entry.kind != FactKind::Accepted => result = Some(entry),
                Some(result) if timeout && entry.kind == FactKind::Outcome => {
                    let sentence = format!(
                        "{} timed out at {} by {}'s word, although its result was there at {}.",
                        account.key,
                        Seconds(entry.at),
                        entry.by(),
                        Seconds(result.at),
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

    fn one_outcome_at_most(&self, account: &Account) -> Result<(), Finding> {
        let mut outcomes = self.outcomes(account);
        let (Some(first), Some(second)) = (outcomes.next(), outcomes.next()) else { return Ok(()) };
        let word = |entry: &Entry| entry.value.map_or("an outcome".to_owned(), |value| format!("`{value}`"));
        let sentence = format!(
            "{} reached {} outcomes: {} at {}, then {} at {}.",
            account.key,
            2 + outcomes.count(),
            word(first),
            Seconds(first.at),
            word(second),
            Seconds(second.at),
        );
        Err(Finding::new("two outcomes", sentence).witness([first.index, second.index]).role(second.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tale::Tale;
    use crate::fact::FactKind::{Accepted, Outcome, Received};

    #[test]
    fn one_outcome_for_each_accepted_job_is_enough() {
        let tale =
            Tale::new().fact(1000, "scheduler", Accepted, "job-1").value(9000, "scheduler", Outcome, "job-1", "result");
        assert_eq!(tale.held(&Terminal::default()), "1 of 1 accepted reached their outcome");
    }

    #[test]
    fn a_timeout_after_the_result_is_convicted() {
        let tale = Tale::new()
            .fact(1000, "scheduler", Accepted, "job-1")
            .fact(29_000, "alice", Received, "job-1")
            .value(31_000, "scheduler", Outcome, "job-1", "JOB_TIMEOUT");
        insta::assert_snapshot!(tale.failure(&Terminal::default()));
    }

    #[test]
    fn a_timeout_that_reaches_its_owner_is_no_result() {
        let tale = Tale::new()
            .fact(1000, "scheduler", Accepted, "job-1")
            .value(31_000, "alice", Received, "job-1", "JOB_TIMEOUT")
            .value(31_000, "scheduler", Outcome, "job-1", "JOB_TIMEOUT");
        assert_eq!(tale.held(&Terminal::default()), "1 of 1 accepted reached their outcome");
    }

    #[test]
    fn a_job_with_two_outcomes_is_convicted() {
        let tale = Tale::new()
            .fact(1000, "scheduler", Accepted, "job-1")
            .value(2000, "scheduler", Outcome, "job-1", "failed")
            .value(3000, "scheduler", Outcome, "job-1", "result");
        assert_eq!(tale.broken(&Terminal::default()), "terminal: two outcomes @ scheduler");
        let elsewhere = Terminal { at: Some("alice".into()), ..Terminal::default() };
        assert_eq!(tale.broken(&elsewhere), "terminal: no outcome @ scheduler");
    }

    #[test]
    fn a_job_without_an_outcome_is_convicted_unless_its_owner_died() {
        let tale = Tale::new().fact(1000, "scheduler", Accepted, "job-1").crashed(2000, "alice");
        assert_eq!(tale.broken(&Terminal::default()), "terminal: no outcome @ scheduler");
        let while_alive = Terminal { while_alive: Some("alice".into()), ..Terminal::default() };
        assert_eq!(tale.held(&while_alive), "0 of 1 accepted reached their outcome");
    }
}
