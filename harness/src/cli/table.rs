//! The lines and the table that `run` prints.

use std::time::Duration;

use crate::sweep::{Defect, DefectKind, SeriesResult, Summary};

/// One scenario or defect as a line.
pub(super) fn line(summary: &Summary, width: usize) -> String {
    let what = match &summary.defect {
        None => summary.proves.clone(),
        Some(Defect { breaks: None, .. }) => convicted_by(&summary.result),
        Some(Defect { breaks: Some(part), .. }) => format!("{}: {part}", convicted_by(&summary.result)),
    };
    format!(
        "{:width$}  {:<21}  {:>4} runs  {:>9} faults  {:>9} simulated  {:>7} wall  {what}",
        name(summary),
        word(&summary.result),
        summary.runs,
        format!("{}/{}", summary.fired, summary.planned),
        simulated(summary.simulated),
        wall(summary.wall),
    )
}

/// What the laws of a scenario counted over all its runs, as the line below its own.
pub(super) fn figures(summary: &Summary) -> Option<String> {
    let figures: Vec<_> = summary.figures.iter().map(ToString::to_string).collect();
    (summary.defect.is_none() && !figures.is_empty()).then(|| format!("  in all: {}", figures.join(", ")))
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
            | SeriesResult::Faulty(_) => (specimen.convicted_by.join(", "), word(&summary.result).to_owned()),
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

/// The width of the widest name.
pub(super) fn width(summaries: &[Summary]) -> usize {
    summaries.iter().map(|summary| name(summary).len()).max().unwrap_or(0)
}

fn name(summary: &Summary) -> String {
    match &summary.defect {
        None => summary.scenario.clone(),
        Some(defect) => format!("  {} {}", defect.kind.word(), defect.name),
    }
}

pub(super) fn word(result: &SeriesResult) -> &'static str {
    match result {
        SeriesResult::Held => "held",
        SeriesResult::Broken(_) => "LAW BROKEN",
        SeriesResult::Convicted { .. } => "convicted (expected)",
        SeriesResult::WentFree { .. } => "WENT FREE",
        SeriesResult::NeverReached { .. } => "NEVER REACHED",
        SeriesResult::Nondeterministic { .. } => "NONDETERMINISTIC",
        SeriesResult::Faulty(_) => "HARNESS AT FAULT",
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
}
