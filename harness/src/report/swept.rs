//! A sweep, summed up, as a reporter is told of it.

use std::time::Duration;

/// Runs of scenarios under seeds, and of the defects that they must convict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// One for each scenario, each followed by its defects.
    pub series: Vec<SeriesReport>,
}

/// The runs of one scenario or defect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesReport {
    /// The scenario's name.
    pub scenario: String,
    /// The sentence that it proves.
    pub proves: String,
    /// The defect, if this is not the real thing.
    pub defect: Option<DefectReport>,
    /// What the runs come to, in the words of the command: `held`, `LAW BROKEN`, `convicted (expected)`.
    pub verdict: String,
    /// Whether the command has nothing to complain of.
    pub passed: bool,
    /// What it complains of, in a sentence, where that is no broken law.
    pub complaint: Option<String>,
    /// Runs that were judged.
    pub runs: usize,
    /// Faults that fired, over all runs.
    pub fired: usize,
    /// Faults that were planned, over all runs.
    pub planned: usize,
    /// Virtual time, over all runs.
    pub simulated: Duration,
    /// Wall time, over all runs and cores: the one thing here that two equal sweeps do not have in common.
    pub wall: Duration,
    /// What its laws counted over all runs: `sent 285`.
    pub figures: Vec<String>,
    /// The legs on which its faults strike, in the words of plans (`alice->chat`, `host chat`), with their verbs.
    pub faults: Vec<(String, String)>,
    /// Each law that convicted the defect, with the first seed.
    pub convictions: Vec<(String, String)>,
    /// The distinct signatures of its failures.
    pub signatures: Vec<SignatureReport>,
    /// The page of the run that stands for a convicted defect, below the folder of the reports.
    pub page: Option<String>,
}

/// A defect that the laws of a scenario must convict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefectReport {
    /// `specimen` or `opposite`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The laws that must convict it.
    pub convicted_by: Vec<String>,
}

/// Failures that have a signature in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureReport {
    /// The signature.
    pub signature: String,
    /// The law that was broken.
    pub check: String,
    /// How it was broken in the first of the runs, in a sentence.
    pub sentence: String,
    /// The seed of that run.
    pub seed: String,
    /// The page of that run, below the folder of the reports.
    pub page: Option<String>,
}
