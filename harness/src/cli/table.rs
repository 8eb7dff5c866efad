//! The lines and the table that `run` prints.

use std::time::Duration;

use console::{Style, truncate_str};

use crate::sim::SimError;
use crate::sweep::{Defect, DefectKind, SeriesResult, Summary};

/// How wide the column of verdicts is: `convicted (expected)`, and a space.
const VERDICT: usize = 21;
/// The least room for the sentence of a scenario, in columns; with less it is left out.
const SENTENCE: usize = 22;

/// How the lines of `run` fill the terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// How wide the column of names is.
    names: usize,
    /// How many columns the terminal has; `None` where there is none: then nothing is left out.
    room: Option<usize>,
}

impl Layout {
    /// Of lines that begin with these names.
    pub(super) fn of<'a>(names: impl Iterator<Item = (&'a str, Option<&'a Defect>)>, room: Option<usize>) -> Self {
        let widest = names.map(|(scenario, defect)| name(scenario, defect).len()).max().unwrap_or(0);
        // A name that leaves no room for its verdict pushes it aside on its own line only.
        let names = room.map_or(widest, |room| widest.min(room.saturating_sub(2 + VERDICT)));
        Self { names, room }
    }

    /// One scenario or defect as a line. What the terminal has no room for is left out, the sentence first.
    pub(super) fn line(&self, summary: &Summary) -> String {
        let names = self.names;
        let verdict = style(&summary.result).apply_to(format!("{:<VERDICT$}", word(summary)));
        let mut line = format!("{:names$}  {verdict}", name(&summary.scenario, summary.defect.as_ref()));
        let mut left = self.room.map_or(usize::MAX, |room| room.saturating_sub(names + 2 + VERDICT));
        let columns = [
            format!("  {:>4} runs", summary.runs),
            format!("  {:>9} faults", format!("{}/{}", summary.fired, summary.planned)),
            format!("  {:>9} simulated", simulated(summary.simulated)),
            format!("  {:>7} wall", wall(summary.wall)),
        ];
        for column in columns {
            if column.len() > left {
                return line.trim_end().to_owned();
            }
            left -= column.len();
            line.push_str(&column);
        }
        let what = match &summary.defect {
            None => summary.proves.clone(),
            Some(Defect { breaks: None, .. }) => convicted_by(&summary.result),
            Some(Defect { breaks: Some(part), .. }) => format!("{}: {part}", convicted_by(&summary.result)),
        };
        if left >= 2 + SENTENCE {
            line.push_str(&format!("  {}", truncate_str(&what, left - 2, "…")));
        }
        line.trim_end().to_owned()
    }
}

/// What the laws of a scenario counted over all its runs, as the line below its own.
pub(super) fn figures(summary: &Summary) -> Option<String> {
    let figures: Vec<_> = summary.figures.iter().map(ToString::to_string).collect();
    (summary.defect.is_none() && !figures.is_empty()).then(|| format!("  in all: {}", figures.join(", ")))
}

/// The hosts that told nothing of what they say they tell, in none of its runs, as the line below its own.
pub(super) fn untold(summary: &Summary) -> Option<String> {
    let is_told = summary.defect.is_some() || summary.untold.is_empty();
    (!is_told).then(|| format!("  NEVER TOLD: {}, though `tells` lists them", summary.untold.join(", ")))
}

/// Each defective service, the scenario that tries it, the laws that must convict it, where they did and how many runs it
/// took; empty without specimens.
pub(super) fn defects(summaries: &[Summary]) -> String {
    let rows = summaries.iter().filter_map(|summary| {
        let specimen = summary.defect.as_ref().filter(|defect| defect.kind == DefectKind::Specimen)?;
        let (laws, seeds) = match &summary.result {
            SeriesResult::Convicted { by } => {
                let laws: Vec<_> = by.iter().map(|(law, _)| law.as_str()).collect();
                let seeds: Vec<_> = by.iter().map(|(_, seed)| format!("seed {seed}")).collect();
                (laws.join(", "), seeds.join(", "))
            }
            SeriesResult::WentFree { .. } => (specimen.convicted_by.join(", "), "nowhere".to_owned()),
            SeriesResult::Held
            | SeriesResult::Broken(_)
            | SeriesResult::NeverReached { .. }
            | SeriesResult::Nondeterministic { .. }
            | SeriesResult::Faulty(_) => (specimen.convicted_by.join(", "), word(summary).to_owned()),
        };
        Some([specimen.name.clone(), summary.scenario.clone(), laws, summary.runs.to_string(), seeds])
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["defect", "scenario", "law", "runs", "convicted at"].map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&head]).map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |[defect, scenario, law, runs, seeds]: &[String; 5]| {
        let [first, second, third, fourth] = widths;
        format!("{defect:first$}  {scenario:second$}  {law:third$}  {runs:>fourth$}  {seeds}\n")
    };
    [&head].into_iter().chain(&rows).map(line).collect()
}

/// How the lines of a scenario, or of a defect of it, begin.
pub(super) fn name(scenario: &str, defect: Option<&Defect>) -> String {
    match defect {
        None => scenario.to_owned(),
        Some(defect) => format!("  {} {}", defect.kind.word(), defect.name),
    }
}

/// What a series came to, in a word or two.
pub(super) fn word(summary: &Summary) -> &'static str {
    match &summary.result {
        SeriesResult::Held => "held",
        SeriesResult::Broken(_) => "LAW BROKEN",
        SeriesResult::Convicted { .. } => "convicted (expected)",
        SeriesResult::WentFree { .. } if summary.is_sample => "not convicted yet",
        SeriesResult::WentFree { .. } => "WENT FREE",
        SeriesResult::NeverReached { .. } if summary.is_sample => "held, not all seen",
        SeriesResult::NeverReached { .. } => "NEVER REACHED",
        SeriesResult::Nondeterministic { .. } => "NONDETERMINISTIC",
        SeriesResult::Faulty(SimError::Mistake { .. }) => "MISTAKE IN FILE",
        SeriesResult::Faulty(_) => "HARNESS AT FAULT",
    }
}

/// The colour of a verdict.
pub(super) fn style(result: &SeriesResult) -> Style {
    match result {
        SeriesResult::Held => Style::new().green(),
        SeriesResult::Convicted { .. } => Style::new().green().dim(),
        SeriesResult::WentFree { .. } | SeriesResult::NeverReached { .. } => Style::new().yellow().bold(),
        SeriesResult::Broken(_) => Style::new().red().bold(),
        SeriesResult::Nondeterministic { .. } | SeriesResult::Faulty(_) => Style::new().magenta().bold(),
    }
}

fn convicted_by(result: &SeriesResult) -> String {
    match result {
        SeriesResult::Convicted { by } => {
            by.iter().map(|(check, seed)| format!("{check} at seed {seed}")).collect::<Vec<_>>().join(", ")
        }
        SeriesResult::WentFree { missing } => format!("not convicted by {}", missing.join(", ")),
        SeriesResult::Held
        | SeriesResult::Broken(_)
        | SeriesResult::NeverReached { .. }
        | SeriesResult::Nondeterministic { .. }
        | SeriesResult::Faulty(_) => String::new(),
    }
}

/// Virtual time, in the largest unit that leaves a digit.
pub(super) fn simulated(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min", seconds / 60),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// Wall time.
pub(super) fn wall(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_is_told_in_the_unit_that_fits() {
        let told: Vec<_> = [59, 61, 7_200].map(|seconds| simulated(Duration::from_secs(seconds))).into();
        assert_eq!(told, ["59 s", "1 min", "2.0 h"]);
    }

    #[test]
    fn a_line_leaves_out_what_the_terminal_has_no_room_for() {
        let summary = summary();
        let line = |room| Layout::of([("a_scenario", None)].into_iter(), room).line(&summary);
        assert_eq!(line(Some(40)), "a_scenario  held");
        assert!(line(Some(80)).ends_with("  128 runs    128/128 faults"), "{}", line(Some(80)));
        assert!(line(Some(100)).ends_with("  0.50 s wall"), "{}", line(Some(100)));
        assert!(
            line(Some(130)).contains("0.50 s wall  an idle close") && line(Some(130)).ends_with('…'),
            "{}",
            line(Some(130))
        );
        assert!(line(None).ends_with("an idle close is noticed at once, and the next message arrives"));
        for room in 40..200 {
            assert!(line(Some(room)).chars().count() <= room, "{room}: {}", line(Some(room)));
        }
    }

    #[test]
    fn a_name_that_is_wider_than_the_terminal_is_whole() {
        let line = Layout::of([("a_scenario", None)].into_iter(), Some(20)).line(&summary());
        assert_eq!(line, "a_scenario  held");
    }

    fn summary() -> Summary {
        Summary {
            scenario: "a_scenario".to_owned(),
            proves: "an idle close is noticed at once, and the next message arrives".to_owned(),
            defect: None,
            runs: 128,
            is_sample: false,
            fired: 128,
            planned: 128,
            simulated: Duration::from_secs(7_200),
            wall: Duration::from_millis(500),
            figures: Vec::new(),
            untold: Vec::new(),
            result: SeriesResult::Held,
        }
    }
}
