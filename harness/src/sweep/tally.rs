//! Sums up the runs of one scenario or defect.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::board::{DEFECT_SEEDS, Report};
use super::played::Played;
use super::{Defect, Failure, Series, SeriesResult, Summary};
use crate::catalogue::{Catalogue, Misfit};
use crate::check::{Figure, Signature};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::sim::SimError;

#[derive(Default)]
struct SeriesCounts {
    runs: usize,
    fired: usize,
    planned: usize,
    simulated: Duration,
    wall: Duration,
    failures: BTreeMap<Signature, Failure>,
    convictions: BTreeMap<String, Seed>,
    reached: BTreeSet<String>,
    figures: Vec<Figure>,
    /// What no run so far has told; `None` before the first.
    untold: Option<BTreeSet<String>>,
    difference: Option<(Seed, String)>,
    error: Option<SimError>,
}

/// Sums up the reports of a series, which are one for each seed and in their order.
pub(super) fn summary(catalogue: &Catalogue, series: &Series, seeds: &[Seed], reports: Vec<Option<Report>>) -> Summary {
    let mut tally = SeriesCounts::default();
    for (seed, report) in seeds.iter().zip(reports) {
        match report {
            Some(Report::Faulty(error)) => tally.error = Some(located(error, &series.scenario)),
            Some(Report::Lost(loss)) => {
                tally.runs += 1;
                let plan = Plan::without_placed(&series.scenario, *seed);
                let outcome = loss.outcome(&plan);
                let broken = outcome.violations().map(|violation| violation.check.to_owned()).collect();
                tally.planned += plan.faults.len();
                tally.simulated += loss.at;
                let signature = outcome.signature().cloned();
                tally.judge(series.defect.as_ref(), *seed, broken, signature, || Some((plan, outcome)));
            }
            Some(Report::Played(played)) => {
                let Played {
                    fired,
                    planned,
                    simulated,
                    wall,
                    broken,
                    signature,
                    reached,
                    figures,
                    difference,
                    untold,
                    whole,
                    placed,
                    ..
                } = *played;
                tally.runs += 1;
                tally.fired += fired;
                tally.planned += planned;
                tally.simulated += simulated;
                tally.wall += wall;
                tally.reached.extend(reached);
                Figure::add(&mut tally.figures, figures);
                match &mut tally.untold {
                    Some(never) => never.retain(|kind| untold.contains(kind)),
                    None => tally.untold = Some(untold),
                }
                if let Some(difference) = difference {
                    tally.difference.get_or_insert((*seed, difference));
                }
                tally.judge(series.defect.as_ref(), *seed, broken, signature, || {
                    let plan = match placed {
                        Some(tables) => Plan::placed(&series.scenario, *seed, &tables, catalogue.faults()).ok()?,
                        None => Plan::draw(&series.scenario, *seed),
                    };
                    let outcome = catalogue.judged(&plan, whole?);
                    Some((plan, outcome))
                });
            }
            None => {}
        }
    }
    series.summary(tally, series.seeds(seeds.len()) < series.seeds(DEFECT_SEEDS))
}

/// A mistake in a configuration is one in the scenario's file.
pub(crate) fn located(error: SimError, scenario: &Scenario) -> SimError {
    match error {
        SimError::Config { host, path, sentence, suggestion } => {
            let mistake = scenario.misfit(&host, &Misfit { path, sentence, suggestion });
            SimError::Mistake { sentence: mistake.with_excerpt() }
        }
        other => other,
    }
}

impl SeriesCounts {
    /// Counts the broken laws of a run. Runs come in the order of their seeds. Of those with one signature the player told
    /// the first in full: `failure` is that run.
    fn judge(
        &mut self,
        defect: Option<&Defect>,
        seed: Seed,
        broken: Vec<String>,
        signature: Option<Signature>,
        failure: impl FnOnce() -> Option<(Plan, Outcome)>,
    ) {
        let Some(defect) = defect else {
            match signature.map(|signature| self.failures.entry(signature)) {
                Some(Entry::Occupied(mut known)) => known.get_mut().seeds.push(seed),
                Some(Entry::Vacant(place)) => {
                    if let Some((plan, outcome)) = failure() {
                        place.insert(Failure { plan, outcome, seeds: vec![seed] });
                    }
                }
                None => {}
            }
            return;
        };
        let convicted = broken.into_iter().filter(|check| defect.convicted_by.contains(check));
        convicted.for_each(|check| {
            self.convictions.entry(check).or_insert(seed);
        });
    }
}

impl Series {
    /// The states that none of the runs has reached.
    fn unreached(&self, reached: &BTreeSet<String>) -> Vec<String> {
        let sometimes = self.scenario.checks.sometimes.iter();
        sometimes.flat_map(|states| states.missing(reached)).map(str::to_owned).collect()
    }

    fn summary(&self, tally: SeriesCounts, is_sample: bool) -> Summary {
        let result = match (tally.error, tally.difference) {
            (Some(error), _) => SeriesResult::Faulty(error),
            (None, Some((seed, difference))) => SeriesResult::Nondeterministic { seed, difference },
            (None, None) => match &self.defect {
                None if tally.failures.is_empty() => match self.unreached(&tally.reached) {
                    missing if missing.is_empty() => SeriesResult::Held,
                    missing => SeriesResult::NeverReached { missing },
                },
                None => SeriesResult::Broken(tally.failures.into_values().collect()),
                Some(defect) => {
                    let missing: Vec<_> = defect
                        .convicted_by
                        .iter()
                        .filter(|check| !tally.convictions.contains_key(*check))
                        .cloned()
                        .collect();
                    if missing.is_empty() {
                        SeriesResult::Convicted { by: tally.convictions.into_iter().collect() }
                    } else {
                        SeriesResult::WentFree { missing }
                    }
                }
            },
        };
        Summary {
            scenario: self.scenario.name.clone(),
            proves: self.scenario.proves.clone(),
            defect: self.defect.clone(),
            runs: tally.runs,
            is_sample,
            fired: tally.fired,
            planned: tally.planned,
            simulated: tally.simulated,
            wall: tally.wall,
            figures: tally.figures,
            untold: tally.untold.unwrap_or_default().into_iter().collect(),
            result,
        }
    }
}
