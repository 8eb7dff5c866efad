//! What a reporter is told of runs, and what it makes of them: pages for people, files for other programs.
//!
//! A catalogue may be given a [`Reporter`] ([`Catalogue::reporter`](crate::Catalogue::reporter)). The command and
//! [`Catalogue::check`](crate::Catalogue::check) call it with each [`FailedRun`] and write the [`Artefact`]s that it answers with.
//! A reporter renders and does nothing else: it opens no file and reads no clock, so equal runs give equal bytes.
//!
//! - [`FailedRun`]: a run that broke a law, with the run that differs from it by one thing ([`Twin`]).
//! - [`SweepReport`]: many runs, summed up.
//! - [`Telling`]: the words in which stories tell records and facts, so that a page says what the terminal says.

#[cfg(feature = "sim")]
mod kept;
mod swept;

use std::fmt;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::plan::Plan;

#[cfg(all(feature = "sim", feature = "cli"))]
pub(crate) use self::kept::folder;
#[cfg(feature = "sim")]
pub(crate) use self::kept::{Failed, test_folder, write};
pub use self::swept::{DefectReport, SeriesReport, SignatureReport, SweepReport};
pub use crate::story::{Said, Telling};

/// Makes files of runs.
///
/// ```
/// use halfopen::report::{Artefact, FailedRun, Reporter};
///
/// /// One line a failure.
/// struct Lines;
///
/// impl Reporter for Lines {
///     fn failure(&self, run: &FailedRun<'_>) -> Vec<Artefact> {
///         let line = format!("{}: {}\n", run.stem(), run.replay_line);
///         vec![Artefact { name: format!("{}.txt", run.stem()), bytes: line.into_bytes() }]
///     }
/// }
///
/// let catalogue = halfopen::Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios").reporter(Lines);
/// ```
pub trait Reporter: Send + Sync {
    /// The files of a run that broke a law, the one that a person opens first. A file that ends in `.md` is its text for issues. Their names are relative to the folder of the
    /// reports, and are the same for the same run.
    fn failure(&self, run: &FailedRun<'_>) -> Vec<Artefact>;

    /// The run as a diagram for a terminal of 100 columns, if the reporter draws one.
    fn diagram(&self, run: &FailedRun<'_>) -> Option<String> {
        let _ = run;
        None
    }

    /// The files of a sweep that is over, the one that a person opens first. What is in a file `summary.md` is added to the
    /// summary of a job of GitHub Actions, where there is one.
    fn sweep(&self, sweep: &SweepReport) -> Vec<Artefact> {
        let _ = sweep;
        Vec::new()
    }
}

impl fmt::Debug for dyn Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

/// A file that a reporter has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its path below the folder of the reports, with `/` between folders.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A run that broke a law.
#[derive(Clone, Copy, Debug)]
pub struct FailedRun<'a> {
    /// What was to happen.
    pub plan: &'a Plan,
    /// What happened.
    pub outcome: &'a Outcome,
    /// The specimen or opposite that was played instead of the real thing.
    pub defect: Option<&'a str>,
    /// The run that shows why, where there is one.
    pub twin: Option<&'a Twin>,
    /// The command that plays it again.
    pub replay_line: &'a str,
}

/// A run that differs from a failed one by one thing, and broke fewer laws.
#[derive(Clone, Debug)]
pub struct Twin {
    /// What differs, as the rest of a sentence that begins "the same plan ": `without fault 1`.
    pub differs_by: String,
    /// What happened.
    pub outcome: Outcome,
}

impl<'a> FailedRun<'a> {
    /// The run's scenario, seed and specimen, as a name for files: `calm-0x1`, `calm-deaf-0x1`.
    pub fn stem(&self) -> String {
        let parts = [Some(self.outcome.scenario.as_str()), self.defect, Some(self.outcome.seed.as_str())];
        parts.into_iter().flatten().collect::<Vec<_>>().join("-")
    }

    /// The plan as a capsule's file, which `replay` reads.
    pub fn capsule(&self) -> String {
        crate::capsule::Capsule::new(self.plan.clone(), self.outcome.signature().cloned()).to_toml()
    }

    /// The plan's faults as `[[fault]]` tables, which can be pasted into a scenario.
    pub fn faults_toml(&self) -> String {
        self.plan.to_toml()
    }

    /// What the scenario proves, in a sentence.
    pub fn proves(&self) -> &str {
        &self.plan.scenario.proves
    }

    /// The hosts in the order in which the scenario names them.
    pub fn hosts(&self) -> Vec<&str> {
        self.plan.scenario.hosts.iter().map(|host| host.name.as_str()).collect()
    }

    /// The bound of `detect`, if the scenario has one.
    pub fn detect_within(&self) -> Option<Duration> {
        self.plan.scenario.checks.detect.as_ref().map(|detect| detect.within)
    }

    /// The bound of `recover`, if the scenario has one.
    pub fn recover_within(&self) -> Option<Duration> {
        self.plan.scenario.checks.recover.as_ref().map(|recover| recover.within)
    }
}
