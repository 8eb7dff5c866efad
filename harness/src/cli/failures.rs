//! What failed, told once for each reason.
//!
//! Failures with one signature have one reason: the first is told with its story, the others with the line that replays
//! them. The list of what failed comes last, where one looks.

use super::{BROKEN, CommandError, FAULTY, HELD, artefacts, complain, say, table};
use crate::catalogue::Catalogue;
use crate::check::Signature;
use crate::seed::Seed;
use crate::sweep::{Complaint, Failure, SeriesResult, Summary};

/// How many other failures of one reason are told with a line to paste.
const OTHERS: usize = 8;
/// How many seeds of one failure are named.
const SEEDS: usize = 3;

/// The failures that have one signature, in the order of the scenarios.
struct Reason<'a> {
    signature: &'a Signature,
    failures: Vec<(&'a Summary, &'a Failure)>,
}

/// Prints why each series that does not pass does not, and returns the exit code.
pub(super) fn tell(catalogue: &Catalogue, summaries: &[Summary]) -> Result<u8, CommandError> {
    for reason in reasons(summaries) {
        reason.tell(catalogue)?;
    }
    let mut code = HELD;
    for summary in summaries {
        code = code.max(match summary.complaint() {
            None => HELD,
            Some(Complaint::Broken(_)) => BROKEN,
            Some(Complaint::ProvesNothing(sentence)) => {
                complain(&sentence);
                BROKEN
            }
            Some(Complaint::HarnessAtFault(sentence)) => {
                complain(&sentence);
                FAULTY
            }
        });
    }
    let failed: Vec<_> = summaries.iter().filter(|summary| summary.complaint().is_some()).collect();
    if failed.len() > 1 {
        say("\nfailed");
        failed.into_iter().flat_map(lines).for_each(|line| say(&line));
    }
    Ok(code)
}

/// The reasons, in the order of the scenarios in which they come first.
fn reasons(summaries: &[Summary]) -> Vec<Reason<'_>> {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for summary in summaries {
        let SeriesResult::Broken(failures) = &summary.result else { continue };
        for failure in failures {
            let Some(signature) = failure.outcome.signature() else { continue };
            match reasons.iter_mut().find(|reason| reason.signature == signature) {
                Some(reason) => reason.failures.push((summary, failure)),
                None => reasons.push(Reason { signature, failures: vec![(summary, failure)] }),
            }
        }
    }
    reasons
}

impl Reason<'_> {
    fn tell(&self, catalogue: &Catalogue) -> Result<(), CommandError> {
        let line = |summary: &Summary, failure: &Failure| {
            catalogue.replay_line(&summary.scenario, Some(failure.plan.seed), None)
        };
        for (place, (summary, failure)) in self.failures.iter().enumerate() {
            let capsule = artefacts::keep(failure)?.display().to_string();
            if place == 0 {
                say(&format!("\n{}", failure.outcome.failure_report(&line(summary, failure))));
                say(&format!("capsule: {capsule} ({})", catalogue.replay_line(&capsule, None, None)));
            }
        }
        if let Some(counted) = self.counted() {
            say(&counted);
        }
        let others = &self.failures[1..];
        let lines: Vec<_> = others.iter().map(|(summary, failure)| line(summary, failure)).take(OTHERS).collect();
        let width = lines.iter().map(String::len).max().unwrap_or(0);
        for (line, (summary, failure)) in lines.iter().zip(others) {
            say(&format!("  {line:width$}  {} of {} seeds", failure.seeds.len(), summary.runs));
        }
        if others.len() > OTHERS {
            say(&format!("  and {} more, which the list below names", others.len() - OTHERS));
        }
        Ok(())
    }

    /// How often this reason was met, if more than once.
    fn counted(&self) -> Option<String> {
        let met: usize = self.failures.iter().map(|(_, failure)| failure.seeds.len()).sum();
        let runs: usize = self.failures.iter().map(|(summary, _)| summary.runs).sum();
        match self.failures.as_slice() {
            [] => None,
            [_] if met == 1 => None,
            [(_, failure)] => {
                Some(format!("the same in {met} of {runs} seeds: {} ({})", seeds(&failure.seeds), self.signature))
            }
            failures => {
                Some(format!("the same in {} scenarios, {met} of {runs} seeds ({})", failures.len(), self.signature))
            }
        }
    }
}

/// What the list of what failed says of a series: a line, or one for each signature.
fn lines(summary: &Summary) -> Vec<String> {
    let name = match &summary.defect {
        None => summary.scenario.clone(),
        Some(defect) => format!("{}, {} {}", summary.scenario, defect.kind.word(), defect.name),
    };
    let begin = format!("  {name}  {}", table::style(&summary.result).apply_to(table::word(summary)));
    match &summary.result {
        SeriesResult::Broken(failures) => {
            let line = |failure: &Failure| {
                let signature = failure.outcome.signature().map(ToString::to_string).unwrap_or_default();
                let (met, runs) = (failure.seeds.len(), summary.runs);
                format!("{begin}  {signature}  {met} of {runs} seeds: {}", seeds(&failure.seeds))
            };
            failures.iter().map(line).collect()
        }
        SeriesResult::Held
        | SeriesResult::Convicted { .. }
        | SeriesResult::WentFree { .. }
        | SeriesResult::NeverReached { .. }
        | SeriesResult::Nondeterministic { .. }
        | SeriesResult::Faulty(_) => vec![begin],
    }
}

/// The first seeds of a list, and how many more there are.
fn seeds(all: &[Seed]) -> String {
    let named: Vec<_> = all.iter().take(SEEDS).map(ToString::to_string).collect();
    match all.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
