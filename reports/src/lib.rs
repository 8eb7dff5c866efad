//! Pages of failed runs: one HTML file each, which opens without a network, and says what happened, where, and why.
//!
//! - [`Pages`]: the reporter that a catalogue is given.
//! - `run`: what a page shows of a run, without a word of HTML: lanes, messages, what each end believed, the ledger, the twin.
//! - `page`: the page: the verdict, the scene, the ledger, why, who waits, the records.
//! - `sweep`: the index of a sweep, and its files for other programs.
//! - `text`: times and texts for people; a hostile text stays text.
//! - `packed`: the records inside the page.
//! - `diagram`: the scene as text.
//! - `mermaid`: a failure as Markdown with a diagram; `perfetto`: a run for the viewer of that name.
//!
//! Nothing here reads a clock, a file or a random number: the same run gives the same bytes.

mod diagram;
mod mermaid;
mod packed;
mod page;
mod perfetto;
mod run;
mod sweep;
mod text;

use halfopen::report::{Artefact, FailedRun, Reporter, SweepReport};

use crate::run::Run;

/// Makes a page of each failed run.
///
/// ```
/// use halfopen::Catalogue;
///
/// let catalogue = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios").reporter(halfopen_report::Pages);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages;

impl Reporter for Pages {
    fn failure(&self, failed: &FailedRun<'_>) -> Vec<Artefact> {
        let stem = failed.stem();
        let file = |end: &str, text: String| Artefact { name: format!("{stem}.{end}"), bytes: text.into_bytes() };
        let mut run = Run::of(failed.outcome);
        vec![
            file("html", page::of(failed)),
            file("md", mermaid::markdown(failed, &mut run)),
            file("perfetto.json", perfetto::of(&mut run)),
        ]
    }

    fn diagram(&self, failed: &FailedRun<'_>) -> Option<String> {
        Some(diagram::of(&mut Run::of(failed.outcome)))
    }

    fn sweep(&self, report: &SweepReport) -> Vec<Artefact> {
        sweep::of(report)
    }
}
