//! Files of a sweep.
//!
//! - `index`: the page that leads to the pages of its failures.
//! - `machine`: `report.json`, one object a series, for other programs.
//! - `junit`: `junit.xml`, a test case a series, as CI systems read it.
//! - `summary`: `summary.md`, for the summary of a CI job.

mod index;
mod junit;
mod machine;
mod summary;

use halfopen::report::{Artefact, SeriesReport, SweepReport};

/// The files, the page first.
pub(crate) fn of(sweep: &SweepReport) -> Vec<Artefact> {
    let file = |name: &str, text: String| Artefact { name: name.to_owned(), bytes: text.into_bytes() };
    vec![
        file("index.html", index::of(sweep)),
        file("report.json", machine::of(sweep)),
        file("junit.xml", junit::of(sweep)),
        file("summary.md", summary::of(sweep)),
    ]
}

/// What a series is called: a scenario, or a defect of one.
fn name(series: &SeriesReport) -> String {
    match &series.defect {
        None => series.scenario.clone(),
        Some(defect) => format!("{} with the {} {}", series.scenario, defect.kind, defect.name),
    }
}
