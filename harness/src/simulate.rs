//! From a plan to its outcome in the simulation, and scenarios as tests.

use crate::campaign::{Campaign, Judgement};
use crate::catalogue::Catalogue;
use crate::causes::chain;
use crate::check::Evidence;
use crate::mapping;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::sim::{self, SimError};
use crate::trace::Trace;

impl Catalogue {
    /// Runs a plan in the simulation and judges it.
    ///
    /// # Errors
    /// If the harness or the catalogue is at fault; a broken law is an outcome.
    pub fn run(&self, plan: &Plan) -> Result<Outcome, SimError> {
        let raw = sim::execute(self, plan)?;
        let records = mapping::apply(raw.records, &plan.scenario.facts);
        let verdicts =
            plan.scenario.checks.judge(&Evidence { records: &records, faults: &plan.faults, last: &raw.last });
        Ok(Outcome {
            scenario: plan.scenario.name.clone(),
            seed: plan.seed.to_string(),
            faults: plan.faults.clone(),
            trace: Trace { records },
            hash: raw.hash,
            last: raw.last,
            verdicts,
            simulated: raw.simulated,
            polls: raw.polls,
        })
    }

    /// Plays one scenario, as a test does: under 64 seeds, or as `HALFOPEN_TEST_SEED` and `HALFOPEN_TEST_NUM` say.
    /// Its specimens are played, too, and must be convicted.
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

    fn try_check(&self, name: &str) -> Result<(), String> {
        let settings = Settings::from_env().map_err(|error| chain(&error))?;
        let scenarios =
            self.scenarios().map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        let known: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        let scenario = scenarios
            .into_iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| unknown_scenario(name, &known))?;
        for summary in Campaign::new(self, vec![scenario], settings.seeds()).run(|_| {}) {
            match summary.verdict {
                Judgement::Held | Judgement::Convicted { .. } => {}
                Judgement::Broken(failures) => {
                    let reports = failures.iter().map(|failure| {
                        failure.outcome.failure_report(&format!("HALFOPEN_TEST_SEED={} cargo test", failure.plan.seed))
                    });
                    return Err(reports.collect::<Vec<_>>().join("\n"));
                }
                Judgement::WentFree { missing } => {
                    let specimen = summary.specimen.map(|specimen| specimen.name).unwrap_or_default();
                    return Err(format!(
                        "{name}: the specimen `{specimen}` was not convicted by {}",
                        missing.join(", ")
                    ));
                }
                Judgement::Nondeterministic { seed, difference } => {
                    return Err(format!("{name}: two runs under seed {seed} differ: {difference}"));
                }
                Judgement::Faulty(error) => return Err(chain(&error)),
            }
        }
        Ok(())
    }
}

/// The sentence about a scenario that is not there, with the nearest that is.
pub(crate) fn unknown_scenario(name: &str, known: &[String]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness > 0.7);
    match nearest {
        Some((_, candidate)) => format!("no scenario is called `{name}`; did you mean `{candidate}`?"),
        None => format!("no scenario is called `{name}`; there are {}", known.join(", ")),
    }
}
