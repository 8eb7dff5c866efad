//! Plans: a scenario in which nothing is left to chance.

use std::path::Path;

use crate::fault::{Fault, Registry};
use crate::scenario::{self, Arrivals, LocatedValue, Scenario, ScenarioError};
use crate::seed::{Seed, SeedTree};

/// A scenario with every choice made. The same plan gives the same run, whatever becomes of the way in which plans are
/// drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Who takes part, and what is expected.
    pub scenario: Scenario,
    /// Decides what the network and the scheduler leave open. The faults no longer depend on it.
    pub seed: Seed,
    /// What breaks. The place of a fault here is its [`FaultIndex`](crate::fault::FaultIndex).
    pub faults: Vec<Fault>,
}

/// In how many plans of an interleaved scenario packets arrive between calls: one in this many. The rest show what happens
/// when they do not.
const BETWEEN_CALLS_ODDS: u64 = 4;

impl Plan {
    /// Decides what a checked scenario leaves open. Each rule has a generator of its own: `plan`, then `fault 0` and so
    /// on; `arrivals` decides whether packets arrive between calls, where the scenario leaves that open.
    ///
    /// # Panics
    ///
    /// If a rule has nothing to draw from. Of the rules of a [checked](Scenario::checked) scenario those have none that
    /// strike anywhere: [`Catalogue::draw`](crate::Catalogue::draw) learns from a run where they can.
    ///
    /// ```
    /// use std::time::Duration;
    /// use halfopen::fault::{Fault, Freeze, Trigger};
    /// use halfopen::internals::HostSpec;
    /// use halfopen::{Plan, Scenario, Seed};
    ///
    /// let freeze = Fault::new("chat", Trigger::At(Duration::from_secs(1)), Freeze { thaw_after: None });
    /// let scenario = Scenario::new("freeze", "a frozen host is noticed")
    ///     .with_host(HostSpec::host("chat", "chat"))
    ///     .with_host(HostSpec::actor("alice", "talker"))
    ///     .with_rule(freeze.clone())
    ///     .checked()
    ///     .unwrap();
    /// assert_eq!(Plan::draw(&scenario, Seed(1)).faults, [freeze]);
    /// ```
    pub fn draw(scenario: &Scenario, seed: Seed) -> Self {
        let rules = scenario.rules.iter().enumerate();
        let faults = rules.map(|(place, rule)| rule.draw(&Self::seeds_of(seed, place))).collect();
        Self::with_drawn(scenario, seed, faults)
    }

    /// A plan of these faults, in which everything else is drawn.
    pub(crate) fn with_drawn(scenario: &Scenario, seed: Seed, faults: Vec<Fault>) -> Self {
        let mut scenario = scenario.clone();
        if scenario.network.interleaved && scenario.network.arrivals.is_none() {
            let seeds = SeedTree::new(seed).child("plan");
            let between_calls = seeds.child("arrivals").draws().below(BETWEEN_CALLS_ODDS) == 0;
            scenario.network.arrivals = between_calls.then_some(Arrivals::BetweenCalls);
        }
        Self { scenario, seed, faults }
    }

    /// The plan without the faults that strike anywhere: a run must show first where they can.
    #[cfg(feature = "sim")]
    pub(crate) fn without_placed(scenario: &Scenario, seed: Seed) -> Self {
        let rules = scenario.rules.iter().enumerate().filter(|(_, rule)| !rule.anywhere);
        let faults = rules.map(|(place, rule)| rule.draw(&Self::seeds_of(seed, place))).collect();
        Self::with_drawn(scenario, seed, faults)
    }

    /// The plan whose faults are these `[[fault]]` tables.
    #[cfg(feature = "sim")]
    pub(crate) fn placed(
        scenario: &Scenario,
        seed: Seed,
        tables: &str,
        registry: &Registry,
    ) -> Result<Self, ScenarioError> {
        let file = Path::new("a plan");
        let document = LocatedValue::parse(tables, file).map_err(|mistakes| mistakes.first(file))?;
        let faults = scenario::faults(&document, scenario, registry)?;
        Ok(Self::with_drawn(scenario, seed, faults))
    }

    /// What decides what the rule at a place of the scenario leaves open.
    pub(crate) fn seeds_of(seed: Seed, place: usize) -> SeedTree {
        SeedTree::new(seed).child("plan").child(&format!("fault {place}"))
    }

    /// What the hosts run, in words: equal for two plans that play the same code.
    pub fn variant(&self) -> String {
        let runs: Vec<_> = self.scenario.hosts.iter().map(|host| format!("{}={}", host.name, host.run)).collect();
        runs.join(",")
    }

    /// The same plan with other faults, which are `[[fault]]` tables that leave nothing open.
    ///
    /// # Errors
    /// The first mistake in them, in `file`.
    pub(crate) fn with_faults(&self, tables: &str, file: &Path, registry: &Registry) -> Result<Self, ScenarioError> {
        let document = LocatedValue::parse(tables, file).map_err(|mistakes| mistakes.first(file))?;
        let faults = scenario::faults(&document, &self.scenario, registry)?;
        Ok(Self { faults, ..self.clone() })
    }

    /// The faults as `[[fault]]` tables, in the syntax of scenarios, with every default written out.
    pub fn to_toml(&self) -> String {
        scenario::fault_tables(&self.faults)
    }
}

#[cfg(test)]
mod tests;
