//! A sweep: the runs of scenarios under seeds, on all cores, and what they come to together.
//!
//! - this file: a sweep, and what it returns: a summary of each series (the runs of one scenario or defect);
//! - `played`: one run, and what is kept of it;
//! - `board`: the runs that are to be played, and what became of each;
//! - `tally`: sums up the runs of one series.

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
use crate::check::Figure;
use crate::error::chain;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::{Opposite, Scenario, Specimen};
use crate::seed::Seed;
use crate::sim::SimError;
#[cfg(feature = "cli")]
use crate::workers::Crew;

/// Runs of scenarios under every seed, and of what must be convicted under the same plans.
#[derive(Debug)]
pub(crate) struct Sweep<'a> {
    catalogue: &'a Catalogue,
    series: Vec<Series>,
    seeds: Vec<Seed>,
    jobs: NonZeroUsize,
    isolate: Isolate,
}

/// Where the runs of a sweep are played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Isolate {
    /// In supervised processes, one per core: whatever a service does to its process is told, and the sweep goes on. Only
    /// [`cli::main`](crate::cli::main) offers it, because such a process is this program, started again.
    #[cfg(feature = "cli")]
    Process,
    /// In threads of this process, which a service can end.
    #[default]
    Thread,
}

/// A scenario, or the same with a defect that its laws must convict.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) scenario: Scenario,
    pub(crate) defect: Option<Defect>,
}

/// What the laws of a scenario must convict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defect {
    pub(crate) kind: DefectKind,
    pub(crate) name: String,
    /// The part of the scenario's sentence that it breaks, if the scenario says so.
    pub(crate) breaks: Option<String>,
    /// The checks that must find it.
    pub(crate) convicted_by: Vec<String>,
}

/// Where a defect lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefectKind {
    /// In a service.
    Specimen,
    /// In what is around the services, or in their configuration.
    Opposite,
}

impl DefectKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Specimen => "specimen",
            Self::Opposite => "opposite",
        }
    }
}

impl Series {
    /// A scenario, and one series for each defect that it must convict.
    fn of(scenario: Scenario) -> Vec<Self> {
        let specimens = scenario.specimens.iter().map(|specimen| {
            let Specimen { name, breaks, convicted_by, .. } = specimen.clone();
            let defect = Defect { kind: DefectKind::Specimen, name, breaks, convicted_by };
            Self { scenario: scenario.with_specimen(specimen), defect: Some(defect) }
        });
        let opposites = scenario.opposites.iter().map(|opposite| {
            let Opposite { name, breaks, convicted_by, scenario } = opposite.clone();
            let defect = Defect { kind: DefectKind::Opposite, name, breaks, convicted_by };
            Self { scenario, defect: Some(defect) }
        });
        let defects: Vec<_> = specimens.chain(opposites).collect();
        [Self { scenario, defect: None }].into_iter().chain(defects).collect()
    }

    /// Under how many seeds it is played where this many are asked for.
    fn seeds(&self, asked: usize) -> usize {
        let most = self.scenario.seeds.and_then(|seeds| usize::try_from(seeds).ok());
        most.map_or(asked, |most| most.min(asked))
    }
}

/// The runs of one series, summed up.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The sentence that the scenario proves.
    pub(crate) proves: String,
    /// The defect, if this is not the real thing.
    pub(crate) defect: Option<Defect>,
    /// Runs that were judged.
    pub(crate) runs: usize,
    /// Faults that fired, over all runs.
    pub(crate) fired: usize,
    /// Faults that were planned, over all runs.
    pub(crate) planned: usize,
    /// Virtual time, over all runs.
    pub(crate) simulated: Duration,
    /// Wall time, over all runs and cores.
    pub(crate) wall: Duration,
    /// What its laws counted, over all runs.
    pub(crate) figures: Vec<Figure>,
    /// What they come to.
    pub(crate) result: SeriesResult,
}

/// What the runs of a series come to.
#[derive(Debug)]
pub(crate) enum SeriesResult {
    /// Every law held in every run.
    Held,
    /// Laws were broken: the first run of each distinct signature, by seed.
    Broken(Vec<Failure>),
    /// A defect was convicted by every law that is expected to convict it.
    Convicted {
        /// Each law, and the first seed under which it convicted.
        by: Vec<(String, Seed)>,
    },
    /// A defect went free: a law that is expected to convict it did so under no seed.
    WentFree {
        /// The names of those laws.
        missing: Vec<String>,
    },
    /// Every law held, and no run reached these states: see [`Sometimes`](crate::check::Sometimes).
    NeverReached {
        /// The states' names.
        missing: Vec<String>,
    },
    /// Two runs of one plan differed, so no run of this series can be trusted.
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
pub(crate) struct Failure {
    /// The plan.
    pub(crate) plan: Plan,
    /// Its outcome.
    pub(crate) outcome: Outcome,
}

impl<'a> Sweep<'a> {
    /// Runs of `scenarios` and their defects under `seeds`, as many at a time as the machine has cores.
    ///
    /// # Panics
    /// If a scenario that did not come from the catalogue names a specimen that the catalogue does not register.
    pub(crate) fn new(catalogue: &'a Catalogue, scenarios: Vec<Scenario>, seeds: Vec<Seed>) -> Self {
        let registered =
            |scenario| catalogue.with_specimens(&scenario).unwrap_or_else(|mistakes| panic!("{}", mistakes[0]));
        let series = scenarios.into_iter().map(registered).flat_map(Series::of).collect();
        let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { catalogue, series, seeds, jobs, isolate: Isolate::default() }
    }

    /// Sets how many runs are played at a time.
    #[must_use]
    pub(crate) fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }

    /// Sets where the runs are played.
    #[must_use]
    pub(crate) fn isolate(mut self, isolate: Isolate) -> Self {
        self.isolate = isolate;
        self
    }

    /// How many runs there are.
    pub(crate) fn total(&self) -> usize {
        self.series.iter().map(|series| series.seeds(self.seeds.len())).sum()
    }

    /// Plays every run, and tells `progress` after each how many are done. The summaries are in the order of the scenarios,
    /// each followed by its defects, and do not depend on the number of runs at a time (but for the wall times).
    ///
    /// The first seed of each scenario and defect is played twice in a row. Where processes are between the runs, it is
    /// played once more when all is done, in a process that has played other things before.
    pub(crate) fn run(&self, progress: impl Fn(usize) + Sync) -> Vec<Summary> {
        let board = Board::new(&self.series, self.seeds.len());
        let audits: Vec<Vec<Option<Report>>> = match self.isolate {
            Isolate::Thread => {
                let player = || {
                    let mut player = Player::new(self.catalogue);
                    move |job: Job| {
                        let plan = Plan::draw(&self.series[job.series].scenario, self.seeds[job.seed]);
                        player.play(&self.series[job.series], job.series, &plan, job.depth())
                    }
                };
                board.play(self.jobs, player, &progress);
                Vec::new()
            }
            #[cfg(feature = "cli")]
            Isolate::Process => {
                let crew = Crew::new(&self.series, &self.seeds);
                board.play(self.jobs, || crew.member(), &progress);
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

/// Why a series does not pass.
#[derive(Debug)]
pub(crate) enum Complaint<'a> {
    /// Laws were broken: the first run of each distinct signature.
    Broken(&'a [Failure]),
    /// The scenario shows less than it promises: a defect went free, or a state was never reached.
    ProvesNothing(String),
    /// The harness or its input is at fault, and not a service.
    HarnessAtFault(String),
}

impl Summary {
    /// What the command and a test complain of, `None` if the series passes. If `one_seed` was asked for, it need not be
    /// a seed that convicts a defect or reaches a state.
    pub(crate) fn complaint(&self, one_seed: bool) -> Option<Complaint<'_>> {
        let name = &self.scenario;
        match &self.result {
            SeriesResult::Held | SeriesResult::Convicted { .. } => None,
            SeriesResult::Broken(failures) => Some(Complaint::Broken(failures)),
            SeriesResult::WentFree { .. } | SeriesResult::NeverReached { .. } if one_seed => None,
            SeriesResult::WentFree { missing } => {
                let defect = self.defect.as_ref();
                let defect = defect.map(|defect| format!("the {} `{}`", defect.kind.word(), defect.name));
                Some(Complaint::ProvesNothing(format!(
                    "{name}: {} was not convicted by {} under any of {} seeds: the check cannot see this defect",
                    defect.unwrap_or_default(),
                    missing.join(", "),
                    self.runs,
                )))
            }
            SeriesResult::NeverReached { missing } => Some(Complaint::ProvesNothing(format!(
                "{name}: no run reached {}: play more seeds, or a scenario that leads there",
                missing.join(", ")
            ))),
            SeriesResult::Nondeterministic { seed, difference } => {
                let suspects = crate::suspects::of(difference);
                Some(Complaint::HarnessAtFault(format!(
                    "{name}: two runs under seed {seed} differ: {difference}. {suspects}"
                )))
            }
            SeriesResult::Faulty(error) => Some(Complaint::HarnessAtFault(format!("{name}: {}", chain(error)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specimen_that_goes_free_is_an_error_unless_one_seed_was_asked_for() {
        let free = summary(SeriesResult::WentFree { missing: vec!["delivery".to_owned()] });
        let Some(Complaint::ProvesNothing(sentence)) = free.complaint(false) else { panic!("no complaint") };
        assert!(
            sentence.contains("the specimen `deaf` was not convicted by delivery under any of 4 seeds"),
            "{sentence}"
        );
        assert!(free.complaint(true).is_none());
        let unreached = summary(SeriesResult::NeverReached { missing: vec!["cut_off".to_owned()] });
        assert!(matches!(unreached.complaint(false), Some(Complaint::ProvesNothing(_))));
        assert!(unreached.complaint(true).is_none());
    }

    #[test]
    fn a_run_that_differs_from_itself_is_an_error_also_under_one_seed() {
        let result = SeriesResult::Nondeterministic { seed: Seed(1), difference: "a draw".to_owned() };
        let Some(Complaint::HarnessAtFault(sentence)) = summary(result).complaint(true) else { panic!("no complaint") };
        assert!(sentence.starts_with("idle: two runs under seed 0x1 differ: a draw. "), "{sentence}");
    }

    fn summary(result: SeriesResult) -> Summary {
        let defect = Defect {
            kind: DefectKind::Specimen,
            name: "deaf".to_owned(),
            breaks: None,
            convicted_by: vec!["delivery".to_owned()],
        };
        Summary {
            scenario: "idle".to_owned(),
            proves: String::new(),
            defect: Some(defect),
            runs: 4,
            fired: 0,
            planned: 0,
            simulated: Duration::ZERO,
            wall: Duration::ZERO,
            figures: Vec::new(),
            result,
        }
    }
}
