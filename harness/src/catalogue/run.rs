//! One plan as an outcome, and one scenario as a test.

use std::ops::ControlFlow;

use super::regressions::{Fate, Regression, fate};
use super::{Catalogue, replay};
use crate::capsule::Capsule;
use crate::check::Evidence;
use crate::error::chain;
use crate::mapping;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::report::{self, Artefact, Failed};
use crate::scenario::{Scenario, ScenarioError, excerpts};
use crate::seed::Seed;
use crate::settings::Settings;
use crate::sim::{self, RunOutput, SimError};
use crate::sweep::{Complaint, Sweep};
use crate::trace::Trace;

impl Catalogue {
    /// Runs a plan in the simulation and judges it.
    ///
    /// # Errors
    /// If the harness or the catalogue is at fault; a broken law is an outcome.
    pub fn run(&self, plan: &Plan) -> Result<Outcome, SimError> {
        let raw = sim::execute(self, plan)?;
        let records = mapping::apply(raw.records, &plan.scenario.facts);
        Ok(self.judged(plan, RunOutput { records, ..raw }))
    }

    /// Judges a run whose records already contain the mapped facts.
    pub(crate) fn judged(&self, plan: &Plan, raw: RunOutput) -> Outcome {
        let actors = plan.scenario.actors();
        let sources = &plan.scenario.facts;
        let evidence =
            Evidence { records: &raw.records, faults: &plan.faults, actors: &actors, last: &raw.last, sources };
        let verdicts = plan.scenario.checks.judge_with(&evidence, self.own_checks());
        Outcome {
            scenario: plan.scenario.name.clone(),
            seed: plan.seed.to_string(),
            arrivals: plan.scenario.network.arrivals.unwrap_or_default(),
            faults: plan.faults.clone(),
            actors,
            trace: Trace { records: raw.records },
            hash: raw.hash,
            last: raw.last,
            verdicts,
            simulated: raw.simulated,
            polls: raw.polls,
        }
    }

    /// Plays one scenario, as a test does: its regressions (the capsules in the folder `regressions` beside that of the
    /// scenarios), then it under 64 seeds, or as `HALFOPEN_TEST_SEED` and `HALFOPEN_TEST_NUM` say.
    /// Its specimens are played, too, and must be convicted, where at least 16 seeds are played: fewer need not convict.
    ///
    /// ```no_run
    /// # fn catalogue() -> halfopen::Catalogue { halfopen::Catalogue::new("", "") }
    /// #[test]
    /// fn an_idle_close_is_noticed_and_the_next_message_arrives() {
    ///     catalogue().check("idle_close");
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    /// If a law is broken, with the failure's report; if the scenario cannot be loaded, with what is wrong and where.
    #[track_caller]
    pub fn check(&self, name: &str) {
        if let Err(report) = self.try_check(name) {
            panic!("{report}");
        }
    }

    /// Plays the regressions of a scenario. One that no longer applies is told, and is a failure where `HALFOPEN_TEST_STALE` is
    /// `deny`.
    #[expect(clippy::print_stderr, reason = "a test's output is where one looks for what it passes over")]
    fn try_regressions(&self, name: &str, settings: &Settings) -> Result<(), String> {
        let mistakes =
            |errors: Vec<ScenarioError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for Regression { path, plan } in self.regressions(|scenario| scenario == name).map_err(mistakes)? {
            let path = path.display().to_string();
            let outcome = self.run(&plan).map_err(|error| format!("{path}: {}", chain(&error)))?;
            match fate(&outcome) {
                Fate::Held => {}
                Fate::Broken => return Err(outcome.failure_report(&format!("the capsule {path}"))),
                Fate::Stale(step) if settings.denies_stale => {
                    return Err(format!("the regression {path} no longer applies: {step}"));
                }
                Fate::Stale(step) => eprintln!("the regression {path} no longer applies: {step}"),
            }
        }
        Ok(())
    }

    /// Leaves the capsule and, if the catalogue has a reporter, the page of a failed run, and says where they are, or why they
    /// are not there.
    fn left_of(&self, plan: &Plan, outcome: &Outcome, replay_line: &str) -> String {
        let folder = report::test_folder();
        let capsule = Capsule::new(plan.clone(), outcome.signature().cloned()).to_toml();
        let name = format!("{}/{}.toml", outcome.scenario, outcome.seed);
        let mut text = match report::write(&folder, &[Artefact { name, bytes: capsule.into_bytes() }]) {
            Ok(paths) => paths.iter().map(|path| format!("capsule: {}\n", path.display())).collect(),
            Err(error) => format!("the capsule could not be written: {error}\n"),
        };
        let Some(reporter) = self.reporter_of() else { return text };
        let failed = Failed { plan, outcome, defect: None, replay_line };
        match failed.keep(reporter, &folder, &|plan| self.run(plan).ok()) {
            Ok(paths) => paths.first().iter().for_each(|page| text.push_str(&format!("page: {}\n", page.display()))),
            Err(error) => text.push_str(&format!("the page could not be written: {error}\n")),
        }
        text
    }

    /// Plays the scenario of a name.
    pub(crate) fn try_check(&self, name: &str) -> Result<(), String> {
        let scenario = self.scenario(name).map_err(|errors| excerpts(&errors))?;
        self.try_scenario(scenario, None, &replay::test_line, &|_| String::new())
    }

    /// Plays a scenario as a test does, under as many seeds as the environment says, else `seeds`. `replay` is the line that
    /// plays a seed again, and `advice` ends the report of a failure.
    pub(crate) fn try_scenario(
        &self,
        scenario: Scenario,
        seeds: Option<u32>,
        replay: &dyn Fn(Seed) -> String,
        advice: &dyn Fn(&Plan) -> String,
    ) -> Result<(), String> {
        let mut settings = Settings::from_env().map_err(|error| chain(&error))?;
        settings.apply();
        self.try_regressions(&scenario.name, &settings)?;
        settings.seeds = settings.seeds.or(seeds);
        for summary in Sweep::new(self, vec![scenario], settings.seeds()).run(|_| ControlFlow::Continue(())) {
            match summary.complaint() {
                None => {}
                Some(Complaint::Broken(failures)) => {
                    let reports = failures.iter().map(|failure| {
                        let line = replay(failure.plan.seed);
                        let left = self.left_of(&failure.plan, &failure.outcome, &line);
                        failure.outcome.failure_report(&line) + &left + &advice(&failure.plan)
                    });
                    return Err(reports.collect::<Vec<_>>().join("\n"));
                }
                Some(Complaint::ProvesNothing(sentence) | Complaint::HarnessAtFault(sentence)) => return Err(sentence),
            }
        }
        Ok(())
    }
}
