//! Many runs: scenarios times seeds, on all cores, and what they say together.
//!
//! - this file: what is asked and what is answered;
//! - `played`: one run, and what is kept of it;
//! - `board`: the runs that are to be played, and what became of each;
//! - `tally`: what the runs of one scenario or specimen say together.

mod board;
mod played;
mod tally;

use std::num::NonZeroUsize;
use std::time::Duration;

use self::board::Board;
pub(crate) use self::board::{Job, Report};
pub(crate) use self::played::Player;
#[cfg(feature = "cli")]
pub(crate) use self::played::{Depth, How, Loss, Played};
use crate::catalogue::Catalogue;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::{Scenario, Specimen};
use crate::seed::Seed;
use crate::sim::SimError;
#[cfg(feature = "cli")]
use crate::workers::Crew;

/// Runs of scenarios, and of the specimens that must be convicted under the same plans.
#[derive(Debug)]
pub struct Campaign<'a> {
    catalogue: &'a Catalogue,
    series: Vec<Series>,
    seeds: Vec<Seed>,
    jobs: NonZeroUsize,
    isolate: Isolate,
}

/// What stands between a run and the rest of the campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolate {
    /// A process per core, supervised: whatever a service does to its process is told, and the campaign goes on. Only
    /// [`cli::main`](crate::cli::main) can be asked for it, because such a process is this program once more.
    #[cfg(feature = "cli")]
    Process,
    /// A thread of this process, which a service can end.
    #[default]
    Thread,
}

/// A scenario, or one of its specimens.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) scenario: Scenario,
    pub(crate) specimen: Option<Specimen>,
}

/// What the runs of one scenario or specimen say together.
#[derive(Debug)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// What it proves.
    pub proves: String,
    /// The specimen, if this is not the real thing.
    pub specimen: Option<Specimen>,
    /// Runs that were judged.
    pub runs: usize,
    /// Faults that fired, over all runs.
    pub fired: usize,
    /// Faults that were planned, over all runs.
    pub planned: usize,
    /// Virtual time, over all runs.
    pub simulated: Duration,
    /// Wall time, over all runs and cores.
    pub wall: Duration,
    /// The verdict.
    pub verdict: Judgement,
}

/// The verdict on a scenario or specimen.
#[derive(Debug)]
pub enum Judgement {
    /// Every law held in every run.
    Held,
    /// Laws were broken: the first run of each distinct signature, by seed.
    Broken(Vec<Failure>),
    /// A specimen was convicted by every law that is expected to; the first seed of each, and the run of one of them.
    Convicted {
        /// The law and the first seed under which it convicted.
        by: Vec<(String, Seed)>,
        /// The first conviction.
        example: Box<Failure>,
    },
    /// A specimen went free: these laws have not convicted it under any seed.
    WentFree {
        /// The laws' names.
        missing: Vec<String>,
    },
    /// Every law held, and no run reached these states: see [`Sometimes`](crate::check::Sometimes).
    NeverReached {
        /// The states' names.
        missing: Vec<String>,
    },
    /// Two runs of one plan differed: nothing that any run says can be trusted.
    Nondeterministic {
        /// The seed.
        seed: Seed,
        /// The first record that differs, in words.
        difference: String,
    },
    /// The harness or its input is at fault.
    Faulty(SimError),
}

/// A run that broke a law.
#[derive(Debug)]
pub struct Failure {
    /// The plan.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
}

/// A step of the campaign, for a progress bar.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Runs done.
    pub done: usize,
    /// Runs to do.
    pub total: usize,
}

impl<'a> Campaign<'a> {
    /// Runs of `scenarios` and their specimens under `seeds`, as many at a time as the machine has cores.
    pub fn new(catalogue: &'a Catalogue, scenarios: Vec<Scenario>, seeds: Vec<Seed>) -> Self {
        let mut series = Vec::new();
        for scenario in scenarios {
            let specimens: Vec<_> = scenario
                .specimens
                .iter()
                .map(|specimen| Series { scenario: scenario.with_specimen(specimen), specimen: Some(specimen.clone()) })
                .collect();
            series.push(Series { scenario, specimen: None });
            series.extend(specimens);
        }
        let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { catalogue, series, seeds, jobs, isolate: Isolate::default() }
    }

    /// With another number of runs at a time.
    #[must_use]
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }

    /// With another thing between a run and the rest.
    #[must_use]
    pub fn isolate(mut self, isolate: Isolate) -> Self {
        self.isolate = isolate;
        self
    }

    /// How many runs there are.
    pub fn total(&self) -> usize {
        self.series.len() * self.seeds.len()
    }

    /// Runs everything; the summaries are in the order of the scenarios, each followed by its specimens, and do not
    /// depend on the number of runs at a time (but for the wall times).
    ///
    /// The first seed of each scenario and specimen is played twice in a row. Where processes are between the runs, it is
    /// played once more when all is done, in a process that has played other things before.
    pub fn run(&self, progress: impl Fn(Progress) + Sync) -> Vec<Summary> {
        let board = Board::new(self.series.len(), self.seeds.len());
        let total = board.total();
        let done = |done| progress(Progress { done, total });
        let audits: Vec<Vec<Option<Report>>> = match self.isolate {
            Isolate::Thread => {
                let player = || {
                    let mut player = Player::new(self.catalogue);
                    move |job: Job| {
                        let plan = Plan::draw(&self.series[job.series].scenario, self.seeds[job.seed]);
                        player.play(&self.series[job.series], job.series, &plan, job.depth())
                    }
                };
                board.play(self.jobs, player, done);
                Vec::new()
            }
            #[cfg(feature = "cli")]
            Isolate::Process => {
                let crew = Crew::new(&self.series, &self.seeds);
                board.play(self.jobs, || crew.member(), done);
                let audits = board.audits();
                audits.play(self.jobs, || crew.member(), |_| {});
                audits.reports()
            }
        };
        let mut reports = board.reports();
        for (first, audit) in reports.iter_mut().zip(audits) {
            let (Some(Some(report)), Some(Some(audit))) = (first.first_mut(), audit.into_iter().next()) else {
                continue;
            };
            match (&mut *report, audit) {
                // A harness at fault says nothing about the service: it is told as what it is.
                (Report::Played(_), Report::Faulty(error)) => *report = Report::Faulty(error),
                (Report::Played(first), audit) => first.compare(&audit),
                (Report::Lost(_) | Report::Faulty(_), _) => {}
            }
        }
        let series = self.series.iter().zip(reports);
        series.map(|(series, reports)| tally::summary(self.catalogue, series, &self.seeds, reports)).collect()
    }
}

impl Judgement {
    /// Whether the catalogue passes with it.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::Held | Self::Convicted { .. })
    }

    /// Whether the harness or its input is at fault, and not a service.
    pub fn is_harness_fault(&self) -> bool {
        matches!(self, Self::Nondeterministic { .. } | Self::Faulty(_))
    }
}
