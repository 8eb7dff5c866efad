//! A failure as Markdown: the broken laws, the plan, and a diagram in Mermaid's words, which GitHub and GitLab draw.

use halfopen::report::FailedRun;

use crate::run::connections::Connections;
use crate::run::rows::{self, Row, Shape};
use crate::run::{Run, faults, window};
use crate::text::{clipped, moment, visible};

/// As many arrows as a diagram in a comment can have and still be read.
const ARROWS: usize = 30;
/// As much of a label as stands on an arrow, in characters.
const LABEL: usize = 40;
/// As much of a sentence as a line of Markdown holds, in characters.
const SENTENCE: usize = 400;

/// The text of an issue or of a job's summary.
pub(crate) fn markdown(failed: &FailedRun<'_>, run: &mut Run<'_>) -> String {
    let broken = run.broken();
    let mut text =
        format!("### {}: {}\n\n", plain(&run.outcome.scenario), broken.first().map_or("", |first| first.check));
    for violation in &broken {
        let sentence = clipped(&run.shorten(&violation.sentence), SENTENCE);
        text.push_str(&format!("- **{}**: {}\n", violation.check, plain(&sentence)));
    }
    text.push_str("\nPlan:\n\n");
    for fault in faults::of(run) {
        text.push_str(&format!("- {}: {}\n", plain(&fault.what), plain(&fault.became.join("; "))));
    }
    let specimen = failed.defect.map(|defect| format!(", specimen {}", plain(defect))).unwrap_or_default();
    text.push_str(&format!("\nSeed {}{specimen}.\n\n    {}\n\n", run.outcome.seed, visible(failed.replay_line)));
    text.push_str(&format!("```mermaid\n{}```\n", diagram(run)));
    text
}

/// The scene as a sequence diagram: the rows around the proofs.
fn diagram(run: &mut Run<'_>) -> String {
    let connections = Connections::of(run.records);
    let records = window::of(run, &connections);
    let rows = rows::of(run, &connections, &records);
    let first = rows.iter().position(|row| row.proves).unwrap_or(0).saturating_sub(2);
    let mut text = String::from("sequenceDiagram\n");
    for row in rows.iter().skip(first).take(ARROWS) {
        text.push_str(&format!("  {}\n", line(row)));
    }
    text
}

fn line(row: &Row) -> String {
    let mark = if row.proves { "❗ " } else { "" };
    let label = format!("{mark}{} {}", moment(row.at), word(&clipped(&row.label, LABEL)));
    match &row.shape {
        Shape::Arrow { from, to, dashed, .. } => {
            let arrow = if *dashed { "-->>" } else { "->>" };
            format!("{}{arrow}{}: {label}", word(from.as_str()), word(to.as_str()))
        }
        Shape::Both { one, other } => format!("{}->{}: {label}", word(one.as_str()), word(other.as_str())),
        Shape::InVain { from, to } => format!("{}-x{}: {label}", word(from.as_str()), word(to.as_str())),
        Shape::Dot { on } => format!("Note over {}: {label}", word(on.as_str())),
        Shape::Band { hosts } => match hosts.as_slice() {
            [one, .., other] => format!("Note over {},{}: {label}", word(one.as_str()), word(other.as_str())),
            [one] => format!("Note over {}: {label}", word(one.as_str())),
            [] => format!("%% {label}"),
        },
    }
}

/// A text in which Mermaid reads no entity, no end of a statement and no markup.
fn word(text: &str) -> String {
    text.chars()
        .filter(|c| !"`\"".contains(*c))
        .map(|c| if ";#<>:%{}".contains(c) { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A text in which Markdown reads no markup.
fn plain(text: &str) -> String {
    visible(text).chars().fold(String::new(), |mut plain, c| {
        if "|<>`*_[]\\&#!".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_no_statement_and_is_no_markup() {
        assert_eq!(word("a;b #35; \"c\" <d>"), "a b  35  c  d");
        assert_eq!(plain("a *b* <c> `d`"), "a \\*b\\* \\<c\\> \\`d\\`");
    }
}
