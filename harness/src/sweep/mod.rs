//! A sweep: the runs of scenarios under seeds, on all cores, and what they come to together.
//!
//! - this file: a sweep, and what it returns: a summary of each series (the runs of one scenario or defect);
//! - `played`: one run, and what is kept of it;
//! - `board`: the runs that are to be played, and what became of each;
//! - `tally`: sums up the runs of one series;
//! - `trials`: one plan with other faults, again and again.

mod board;
mod played;
mod tally;
#[cfg(feature = "cli")]
mod trials;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use self::board::{Board, Told};
pub(crate) use self::board::{Job, Report};
pub(crate) use self::played::Player;
#[cfg(feature = "cli")]
pub(crate) use self::played::{Depth, FirstRun, How, Loss, Played};
#[cfg(feature = "cli")]
pub(crate) use self::tally::located;
#[cfg(feature = "cli")]
pub(crate) use self::trials::Trials;
use crate::catalogue::Catalogue;
use crate::check::Figure;
use crate::error::chain;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::{Opposite, Scenario, Specimen};
use crate::seed::Seed;
use crate::sim::SimError;
use crate::sim::lock;
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
    pub(crate) fn seeds(&self, asked: usize) -> usize {
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
    /// Whether so few seeds were asked for that no verdict is given on what some seed must show.
    pub(crate) is_sample: bool,
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
    /// The hosts that told none of the facts that they say they tell, in no run, with these facts: ``alice's `offered` ``.
    pub(crate) untold: Vec<String>,
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
    /// Every seed whose run has this signature, this one first.
    pub(crate) seeds: Vec<Seed>,
}

/// What a sweep tells while it is played.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress<'a> {
    /// A run is done, or need not be played.
    Run {
        /// How many are done.
        done: usize,
        /// The scenario's name.
        scenario: &'a str,
        /// Whether the run broke a law that it should have kept.
        has_failed: bool,
    },
    /// All runs of a series, and of those before it, are done.
    Series(&'a Summary),
}

/// The series that are done, and how many of them have been told: they are told in their order.
#[derive(Debug, Default)]
struct Finished {
    series: Vec<Option<Summary>>,
    #[cfg(feature = "cli")]
    first_runs: Vec<Option<FirstRun>>,
    told: usize,
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

    /// The name of each scenario, and the defect that it has, in the order of the summaries.
    #[cfg(feature = "cli")]
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, Option<&Defect>)> {
        self.series.iter().map(|series| (series.scenario.name.as_str(), series.defect.as_ref()))
    }

    /// How many runs there are.
    pub(crate) fn total(&self) -> usize {
        self.series.iter().map(|series| series.seeds(self.seeds.len())).sum()
    }

    /// Plays every run, and tells `progress` what is done; when `progress` breaks, no other run is begun. The summaries are in
    /// the order of the scenarios, each followed by its defects, and do not depend on the number of runs at a time (but
    /// for the wall times). Of a series that was begun and not ended there is a summary only if it has failed.
    ///
    /// The first seed of each scenario and defect is played twice in a row. Where processes are between the runs, it is
    /// played once more when all is done, in a process that has played other things before.
    pub(crate) fn run(&self, progress: impl Fn(Progress<'_>) -> ControlFlow<()> + Sync) -> Vec<Summary> {
        let board = Board::new(&self.series, self.seeds.len());
        let finished = Mutex::new(Finished::of(self.series.len()));
        let told = |news| match news {
            Told::Run { done, series, is_broken } => {
                let Series { scenario, defect } = &self.series[series];
                let has_failed = is_broken && defect.is_none();
                progress(Progress::Run { done, scenario: &scenario.name, has_failed })
            }
            Told::Series { series, reports } => self.finish(series, reports, &finished, &progress),
        };
        match self.isolate {
            Isolate::Thread => {
                let player = || {
                    let mut player = Player::new(self.catalogue);
                    move |job: Job| {
                        player.play_seed(&self.series[job.series], job.series, self.seeds[job.seed], job.depth())
                    }
                };
                board.play(self.jobs, player, told);
            }
            #[cfg(feature = "cli")]
            Isolate::Process => {
                let crew = Crew::new(&self.series, &self.seeds);
                board.play(self.jobs, || crew.member(), told);
                self.audit(&crew, &finished);
            }
        }
        let mut summaries = lock(&finished).take();
        for (series, reports) in board.begun() {
            let summary = self.summary(series, reports);
            summaries[series] = summary.has_failed().then_some(summary);
        }
        summaries.into_iter().flatten().collect()
    }

    fn summary(&self, series: usize, reports: Vec<Option<Report>>) -> Summary {
        tally::summary(self.catalogue, &self.series[series], &self.seeds, reports)
    }

    /// Sums up a series, and tells those whose turn it is.
    fn finish(
        &self,
        series: usize,
        reports: Vec<Option<Report>>,
        finished: &Mutex<Finished>,
        progress: &impl Fn(Progress<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        #[cfg(feature = "cli")]
        let first_run = reports.first().and_then(Option::as_ref).and_then(FirstRun::of);
        let summary = self.summary(series, reports);
        let mut finished = lock(finished);
        #[cfg(feature = "cli")]
        {
            finished.first_runs[series] = first_run;
        }
        finished.series[series] = Some(summary);
        let Finished { series, told, .. } = &mut *finished;
        let mut goes_on = ControlFlow::Continue(());
        while let Some(Some(summary)) = series.get(*told) {
            *told += 1;
            if progress(Progress::Series(summary)).is_break() {
                goes_on = ControlFlow::Break(());
            }
        }
        goes_on
    }

    /// Plays the first run of each series once more, in a process with another past, and says where the two part.
    #[cfg(feature = "cli")]
    fn audit(&self, crew: &Crew<'_>, finished: &Mutex<Finished>) {
        let audits = Board::audits(self.series.len(), |series| lock(finished).first_runs[series].is_some());
        audits.play(
            self.jobs,
            || crew.member(),
            |news| {
                if let Told::Series { series, mut reports } = news
                    && let Some(report) = reports.pop().flatten()
                {
                    lock(finished).compare(series, self.seeds[0], report);
                }
                ControlFlow::Continue(())
            },
        );
    }
}

impl Finished {
    fn of(series: usize) -> Self {
        Self {
            series: (0..series).map(|_| None).collect(),
            #[cfg(feature = "cli")]
            first_runs: (0..series).map(|_| None).collect(),
            told: 0,
        }
    }

    /// Compares the first run of a series, under `seed`, with the same one of another process.
    #[cfg(feature = "cli")]
    fn compare(&mut self, series: usize, seed: Seed, report: Report) {
        let (Some(first_run), Some(summary)) = (&self.first_runs[series], &mut self.series[series]) else { return };
        if matches!(summary.result, SeriesResult::Faulty(_) | SeriesResult::Nondeterministic { .. }) {
            return;
        }
        match (first_run.difference(&report), report) {
            (Some(difference), _) => summary.result = SeriesResult::Nondeterministic { seed, difference },
            // A harness at fault says nothing about the service: it is told as what it is.
            (None, Report::Faulty(error)) => summary.result = SeriesResult::Faulty(error),
            (None, Report::Played(_) | Report::Lost(_)) => {}
        }
    }

    fn take(&mut self) -> Vec<Option<Summary>> {
        std::mem::take(&mut self.series)
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
    /// Whether a run broke a law that it should have kept, or none can be trusted.
    fn has_failed(&self) -> bool {
        match self.result {
            SeriesResult::Broken(_) | SeriesResult::Nondeterministic { .. } | SeriesResult::Faulty(_) => true,
            SeriesResult::Held
            | SeriesResult::Convicted { .. }
            | SeriesResult::WentFree { .. }
            | SeriesResult::NeverReached { .. } => false,
        }
    }

    /// What the command and a test complain of, `None` if the series passes.
    pub(crate) fn complaint(&self) -> Option<Complaint<'_>> {
        let name = &self.scenario;
        match &self.result {
            SeriesResult::Held | SeriesResult::Convicted { .. } => None,
            SeriesResult::Broken(failures) => Some(Complaint::Broken(failures)),
            SeriesResult::WentFree { .. } | SeriesResult::NeverReached { .. } if self.is_sample => None,
            SeriesResult::WentFree { missing } => {
                let defect = self.defect.as_ref();
                let defect = defect.map(|defect| format!("the {} `{}`", defect.kind.word(), defect.name));
                Some(Complaint::ProvesNothing(format!(
                    "{name}: {} was not convicted by {} under the {} seeds that were played",
                    defect.unwrap_or_default(),
                    missing.join(", "),
                    self.runs,
                )))
            }
            SeriesResult::NeverReached { missing } => Some(Complaint::ProvesNothing(format!(
                "{name}: none of the {} runs that were played reached {}: play more seeds, or a scenario that leads there",
                self.runs,
                missing.join(", ")
            ))),
            SeriesResult::Nondeterministic { seed, difference } => {
                let suspects = crate::suspects::of(difference);
                Some(Complaint::HarnessAtFault(format!(
                    "{name}: two runs under seed {seed} differ: {difference}. {suspects}"
                )))
            }
            SeriesResult::Faulty(SimError::Mistake { sentence }) => Some(Complaint::HarnessAtFault(sentence.clone())),
            SeriesResult::Faulty(error) => Some(Complaint::HarnessAtFault(format!("{name}: {}", chain(error)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_seed_must_show_is_not_judged_by_a_sample() {
        let free = |is_sample| summary(is_sample, SeriesResult::WentFree { missing: vec!["delivery".to_owned()] });
        let judged = free(false);
        let Some(Complaint::ProvesNothing(sentence)) = judged.complaint() else { panic!("no complaint") };
        let expected = "idle: the specimen `deaf` was not convicted by delivery under the 16 seeds that were played";
        assert_eq!(sentence, expected);
        assert!(free(true).complaint().is_none());
        let unreached =
            |is_sample| summary(is_sample, SeriesResult::NeverReached { missing: vec!["cut_off".to_owned()] });
        assert!(matches!(unreached(false).complaint(), Some(Complaint::ProvesNothing(_))));
        assert!(unreached(true).complaint().is_none());
    }

    #[test]
    fn a_run_that_differs_from_itself_is_an_error_also_under_one_seed() {
        let result = SeriesResult::Nondeterministic { seed: Seed(1), difference: "a draw".to_owned() };
        let judged = summary(true, result);
        let Some(Complaint::HarnessAtFault(sentence)) = judged.complaint() else { panic!("no complaint") };
        assert!(sentence.starts_with("idle: two runs under seed 0x1 differ: a draw. "), "{sentence}");
    }

    fn summary(is_sample: bool, result: SeriesResult) -> Summary {
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
            runs: 16,
            is_sample,
            fired: 0,
            planned: 0,
            simulated: Duration::ZERO,
            wall: Duration::ZERO,
            figures: Vec::new(),
            untold: Vec::new(),
            result,
        }
    }
}
