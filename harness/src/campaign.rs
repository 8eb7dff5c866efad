//! Many runs: scenarios times seeds, on all cores, and what they say together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::catalogue::Catalogue;
use crate::check::Signature;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::{Scenario, Specimen};
use crate::seed::Seed;
use crate::sim::SimError;
use crate::trace::What;

/// Runs of scenarios, and of the specimens that must be convicted under the same plans.
#[derive(Debug)]
pub struct Campaign<'a> {
    catalogue: &'a Catalogue,
    series: Vec<Series>,
    seeds: Vec<Seed>,
    jobs: NonZeroUsize,
}

/// A scenario, or one of its specimens.
#[derive(Clone, Debug)]
struct Series {
    scenario: Scenario,
    specimen: Option<Specimen>,
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

#[derive(Default)]
struct Tally {
    runs: usize,
    fired: usize,
    planned: usize,
    simulated: Duration,
    wall: Duration,
    failures: BTreeMap<Signature, Failure>,
    convictions: BTreeMap<String, Seed>,
    example: Option<Failure>,
    reached: BTreeSet<String>,
    difference: Option<(Seed, String)>,
    error: Option<SimError>,
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
        Self { catalogue, series, seeds, jobs }
    }

    /// With another number of runs at a time.
    #[must_use]
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }

    /// How many runs there are.
    pub fn total(&self) -> usize {
        self.series.len() * self.seeds.len()
    }

    /// Runs everything; the summaries are in the order of the scenarios, each followed by its specimens, and do not
    /// depend on the number of runs at a time (but for the wall times).
    pub fn run(&self, progress: impl Fn(Progress) + Sync) -> Vec<Summary> {
        let work: VecDeque<(usize, Seed)> =
            (0..self.series.len()).flat_map(|n| self.seeds.iter().map(move |seed| (n, *seed))).collect();
        let total = work.len();
        let work = Mutex::new((work, 0_usize));
        let tallies: Vec<Mutex<Tally>> = self.series.iter().map(|_| Mutex::default()).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.get().min(total.max(1)) {
                scope.spawn(|| {
                    loop {
                        let Some((n, seed)) = lock(&work).0.pop_front() else { return };
                        self.run_one(&self.series[n], seed, &tallies[n]);
                        let done = {
                            let mut work = lock(&work);
                            work.1 += 1;
                            work.1
                        };
                        progress(Progress { done, total });
                    }
                });
            }
        });
        self.series
            .iter()
            .zip(tallies)
            .map(|(series, tally)| series.summary(tally.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())))
            .collect()
    }

    fn run_one(&self, series: &Series, seed: Seed, tally: &Mutex<Tally>) {
        if lock(tally).error.is_some() {
            return;
        }
        let started = Instant::now();
        let plan = Plan::draw(&series.scenario, seed);
        let outcome = self.catalogue.run(&plan);
        let again = (seed == self.seeds[0]).then(|| self.catalogue.run(&plan));
        let wall = started.elapsed();
        let mut tally = lock(tally);
        tally.wall += wall;
        match outcome {
            Err(error) => tally.error = Some(error),
            Ok(outcome) => {
                if let Some(Ok(again)) = again
                    && !strayed(&outcome)
                    && let Some(difference) = outcome.difference(&again)
                {
                    tally.difference.get_or_insert((seed, difference));
                }
                if let Some(sometimes) = &series.scenario.checks.sometimes {
                    tally.reached.extend(sometimes.reached(&outcome.evidence()));
                }
                tally.take(plan, outcome, series.specimen.as_ref());
            }
        }
    }
}

impl Tally {
    fn take(&mut self, plan: Plan, outcome: Outcome, specimen: Option<&Specimen>) {
        self.runs += 1;
        self.planned += outcome.faults.len();
        self.fired += outcome.fired();
        self.simulated += outcome.simulated;
        let seed = plan.seed;
        if let Some(specimen) = specimen {
            let expected: Vec<_> = outcome
                .violations()
                .map(|violation| violation.check.to_owned())
                .filter(|check| specimen.convicted_by.contains(check))
                .collect();
            for check in &expected {
                let first = self.convictions.entry(check.clone()).or_insert(seed);
                *first = (*first).min(seed);
            }
            if !expected.is_empty() && self.example.as_ref().is_none_or(|example| example.plan.seed > seed) {
                self.example = Some(Failure { plan, outcome });
            }
        } else if let Some(signature) = outcome.signature().cloned()
            && self.failures.get(&signature).is_none_or(|failure| failure.plan.seed > seed)
        {
            self.failures.insert(signature, Failure { plan, outcome });
        }
    }
}

impl Series {
    /// The states that none of the runs has reached.
    fn unreached(&self, reached: &BTreeSet<String>) -> Vec<String> {
        let sometimes = self.scenario.checks.sometimes.iter();
        sometimes.flat_map(|states| states.missing(reached)).map(str::to_owned).collect()
    }

    fn summary(&self, tally: Tally) -> Summary {
        let verdict = match (tally.error, tally.difference) {
            (Some(error), _) => Judgement::Faulty(error),
            (None, Some((seed, difference))) => Judgement::Nondeterministic { seed, difference },
            (None, None) => match &self.specimen {
                None if tally.failures.is_empty() => match self.unreached(&tally.reached) {
                    missing if missing.is_empty() => Judgement::Held,
                    missing => Judgement::NeverReached { missing },
                },
                None => Judgement::Broken(tally.failures.into_values().collect()),
                Some(specimen) => {
                    let missing: Vec<_> = specimen
                        .convicted_by
                        .iter()
                        .filter(|check| !tally.convictions.contains_key(*check))
                        .cloned()
                        .collect();
                    match tally.example {
                        Some(example) if missing.is_empty() => Judgement::Convicted {
                            by: tally.convictions.into_iter().collect(),
                            example: Box::new(example),
                        },
                        _ => Judgement::WentFree { missing },
                    }
                }
            },
        };
        Summary {
            scenario: self.scenario.name.clone(),
            proves: self.scenario.proves.clone(),
            specimen: self.specimen.clone(),
            runs: tally.runs,
            fired: tally.fired,
            planned: tally.planned,
            simulated: tally.simulated,
            wall: tally.wall,
            verdict,
        }
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

/// Whether a run called the real world. Two such runs differ, and it is the call that must be told, not the difference.
fn strayed(outcome: &Outcome) -> bool {
    outcome.trace.records.iter().any(|record| matches!(&record.what, What::Violation { rule, .. } if rule == "stray"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
