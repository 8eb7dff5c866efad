//! `summary.md`: what failed, in a few lines, for the summary of a CI job.

use halfopen::report::SweepReport;

use super::name;
use crate::text::{clipped, visible};

/// As many failures as a summary tells.
const SHOWN: usize = 20;
/// As much of a sentence as a line holds, in characters.
const LONGEST: usize = 300;

pub(super) fn of(sweep: &SweepReport) -> String {
    let broken: Vec<_> = sweep.series.iter().filter(|series| !series.passed).collect();
    let runs: usize = sweep.series.iter().map(|series| series.runs).sum();
    let held = sweep.series.len() - broken.len();
    let mut text =
        format!("### halfopen: {held} of {} scenarios and defects as expected, {runs} runs\n\n", sweep.series.len());
    if broken.is_empty() {
        return text;
    }
    text.push_str("| what | verdict | why |\n|---|---|---|\n");
    for series in broken.iter().take(SHOWN) {
        let first = series.signatures.first().map(|one| format!("{} (seed {})", one.sentence, one.seed));
        let why = first.or_else(|| series.complaint.clone()).unwrap_or_default();
        text.push_str(&format!("| {} | {} | {} |\n", cell(&name(series)), cell(&series.verdict), cell(&why)));
    }
    if broken.len() > SHOWN {
        text.push_str(&format!("\n{} more are in index.html.\n", broken.len() - SHOWN));
    }
    text
}

/// A text in a cell of a table: no markup in it is read.
fn cell(text: &str) -> String {
    let text = clipped(&visible(text), LONGEST);
    text.chars().fold(String::new(), |mut cell, c| {
        if "|<>`*_[]\\&#".contains(c) {
            cell.push('\\');
        }
        cell.push(c);
        cell
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_sentence_is_not_read() {
        assert_eq!(cell("a | <b> `c`"), "a \\| \\<b\\> \\`c\\`");
    }
}
