//! Law: a run stays within its rules.

use super::{Check, Evidence, Finding};
use crate::trace::{RecordKind, RunEnd, Seconds};

/// A run stays within its rules: no stray call to the real world, no `process::exit`, no mapped source that never
/// occurs, and no work is left when the time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunIntegrity;

impl Check for RunIntegrity {
    fn name(&self) -> &'static str {
        "integrity"
    }

    fn law(&self) -> &'static str {
        "a run stays within its rules and comes to rest"
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        for (index, record) in evidence.records.iter().enumerate() {
            if let RecordKind::BrokenRule { rule, detail } = &record.what {
                let sentence = format!("{rule}: {detail}");
                return Err(Finding::new(clause(rule), sentence).witness([index]).role(record.host.as_ref()));
            }
        }
        let at = Seconds(evidence.last.at);
        let (clause, sentence) = match evidence.last.ended {
            RunEnd::Finished => return Ok("no rule broken".to_owned()),
            RunEnd::TimeLimit => ("not at rest", format!("the run had not come to rest when its time was up at {at}.")),
            RunEnd::Livelock => ("livelock", format!("tasks were polled without end while time stood still at {at}.")),
            RunEnd::Watchdog => ("watchdog", format!("the run had used up its wall-clock budget at {at}.")),
        };
        Err(Finding::new(clause, sentence).witness(evidence.records.len().checked_sub(1)))
    }
}

/// The known rules by name; what is told of others stays in the sentence, so that a signature cannot vary with it.
fn clause(rule: &str) -> &'static str {
    const RULES: [&str; 10] =
        ["stray", "livelock", "exit", "panic", "silent source", "memory", "watchdog", "stuck", "threads", "crash"];
    RULES.into_iter().find(|known| *known == rule).unwrap_or("rule of the run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;

    #[test]
    fn a_run_without_a_violation_holds() {
        assert_eq!(TraceBuilder::new().held(&RunIntegrity), "no rule broken");
    }

    #[test]
    fn a_stray_call_is_convicted() {
        let run = TraceBuilder::new().violation(
            1000,
            "client",
            "stray",
            "`connect` to a real address; import halfopen_net::TcpStream instead",
        );
        insta::assert_snapshot!(run.failure(&RunIntegrity));
    }

    #[test]
    fn a_run_that_does_not_come_to_rest_is_convicted() {
        assert_eq!(TraceBuilder::new().ended(RunEnd::TimeLimit).broken(&RunIntegrity), "integrity: not at rest");
        assert_eq!(TraceBuilder::new().ended(RunEnd::Livelock).broken(&RunIntegrity), "integrity: livelock");
    }

    #[test]
    fn an_unknown_rule_keeps_its_words_out_of_the_signature() {
        let run = TraceBuilder::new().violation(1000, "client", "moon phase 17", "odd");
        assert_eq!(run.broken(&RunIntegrity), "integrity: rule of the run @ client");
    }
}
