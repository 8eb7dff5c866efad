//! Law: time advances, and retries are bounded.

use serde::{Deserialize, Serialize};

use super::fact_index::FactIndex;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::trace::RunEnd;

/// Time advances, and no host retries one thing more often than is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Livelock {
    /// The most `retried` facts with one key; any number, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries_at_most: Option<u32>,
}

impl Check for Livelock {
    fn name(&self) -> &'static str {
        "livelock"
    }

    fn law(&self) -> &'static str {
        "time advances, and retries are bounded"
    }

    fn needs(&self) -> Vec<FactKind> {
        self.retries_at_most.iter().map(|_| FactKind::Retried).collect()
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        match evidence.last.ended {
            RunEnd::Livelock | RunEnd::Watchdog => {
                return Err(Finding::new("time stood still", "time did not advance."));
            }
            RunEnd::Finished | RunEnd::TimeLimit => {}
        }
        if evidence.last.at.is_zero() && !evidence.records.is_empty() {
            return Err(Finding::new("time stood still", "the run ended at the instant at which it began."));
        }
        let mut most = 0;
        for history in FactIndex::of(evidence.records, &[FactKind::Retried]).histories() {
            let retries = history.entries().len();
            most = most.max(retries);
            let Some(bound) = self.retries_at_most.map(|bound| usize::try_from(bound).unwrap_or(usize::MAX)) else {
                continue;
            };
            let Some(excess) = history.entries().get(bound) else { continue };
            let sentence = format!("{} retried {} {retries} times (at most {bound}).", excess.by(), history.key);
            let first = history.entries().first().map(|entry| entry.index);
            return Err(Finding::new("too many retries", sentence)
                .witness(first.into_iter().chain([excess.index]))
                .role(excess.host));
        }
        Ok(format!("retries: {most} at most"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::Retried;

    #[test]
    fn retries_within_the_bound_hold() {
        let law = Livelock { retries_at_most: Some(2) };
        let run = TraceBuilder::new().fact(1000, "alice", Retried, "chat").fact(2000, "alice", Retried, "chat");
        assert_eq!(run.held(&law), "retries: 2 at most");
    }

    #[test]
    fn a_client_that_retries_for_ever_is_convicted() {
        let law = Livelock { retries_at_most: Some(2) };
        let run = (1..=5).fold(TraceBuilder::new(), |run, n| run.fact(1000 * n, "alice", Retried, "chat"));
        insta::assert_snapshot!(run.failure(&law));
        assert_eq!(run.held(&Livelock::default()), "retries: 5 at most");
    }

    #[test]
    fn a_run_whose_time_stands_still_is_convicted() {
        let run = TraceBuilder::new().ended(RunEnd::Livelock);
        assert_eq!(run.broken(&Livelock::default()), "livelock: time stood still");
        let instant = TraceBuilder::new().started(0, "alice").ending(0);
        assert_eq!(instant.broken(&Livelock::default()), "livelock: time stood still");
    }
}
