//! Plans: a scenario in which nothing is left to chance.

use std::path::Path;

use crate::fault::{Fault, Target, Verb};
use crate::name::HostName;
use crate::scenario::{self, Arrivals, Node, Scenario, ScenarioError, Section};
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
    /// If a rule has nothing to draw from, which no [checked](Scenario::checked) scenario has.
    ///
    /// ```
    /// use std::time::Duration;
    /// use halfopen::fault::{Fault, Target, Trigger, Verb};
    /// use halfopen::plan::Plan;
    /// use halfopen::scenario::{HostSpec, Scenario};
    /// use halfopen::seed::Seed;
    ///
    /// let freeze = Fault {
    ///     target: Target::Host("chat".into()),
    ///     trigger: Trigger::At(Duration::from_secs(1)),
    ///     verb: Verb::Freeze { thaw_after: None },
    /// };
    /// let scenario = Scenario::new("freeze", "a frozen host is noticed")
    ///     .with_host(HostSpec::host("chat", "chat"))
    ///     .with_host(HostSpec::actor("alice", "talker"))
    ///     .with_rule(freeze.clone())
    ///     .checked()
    ///     .unwrap();
    /// assert_eq!(Plan::draw(&scenario, Seed(1)).faults, [freeze]);
    /// ```
    pub fn draw(scenario: &Scenario, seed: Seed) -> Self {
        let seeds = SeedTree::new(seed).child("plan");
        let rules = scenario.rules.iter().enumerate();
        let faults = rules.map(|(place, rule)| rule.draw(&seeds.child(&format!("fault {place}")))).collect();
        let mut scenario = scenario.clone();
        if scenario.network.interleaved && scenario.network.arrivals.is_none() {
            let between_calls = seeds.child("arrivals").draws().below(BETWEEN_CALLS_ODDS) == 0;
            scenario.network.arrivals = between_calls.then_some(Arrivals::BetweenCalls);
        }
        Self { scenario, seed, faults }
    }

    /// How many lives a host needs at most: one, and one for each fault that starts it again.
    pub fn incarnations(&self, host: &HostName) -> u32 {
        let restarts = self.faults.iter().filter(|fault| match &fault.target {
            Target::Host(struck) => struck == host && starts_again(&fault.verb),
            Target::Link { .. } | Target::Between(..) => false,
        });
        restarts.fold(1, |lives, _| lives + 1)
    }

    /// What the hosts run, in words: equal for two plans that play the same code.
    pub fn variant(&self) -> String {
        let runs: Vec<_> = self.scenario.hosts.iter().map(|host| format!("{}={}", host.name, host.run)).collect();
        runs.join(",")
    }

    /// The faults as `[[fault]]` tables, in the syntax of scenarios, with every default written out.
    pub fn to_toml(&self) -> String {
        scenario::fault_tables(&self.faults)
    }

    /// The plan with the faults of `[[fault]]` tables instead of its own.
    ///
    /// # Errors
    ///
    /// The first mistake in the text, which a fault that is still to be drawn is as well. `file` stands for the text in
    /// the error.
    pub fn with_faults(self, text: &str, file: &Path) -> Result<Self, ScenarioError> {
        let document = Node::parse(text, file)?;
        Section::open(&document, "a plan", &["fault"])?;
        let faults = scenario::faults(&document, &self.scenario)?;
        Ok(Self { faults, ..self })
    }
}

fn starts_again(verb: &Verb) -> bool {
    match verb {
        Verb::Crash { restart_after } | Verb::PowerLoss { restart_after } => restart_after.is_some(),
        Verb::Restart { .. } => true,
        Verb::Reset { .. }
        | Verb::Drop { .. }
        | Verb::Close { .. }
        | Verb::HalfClose { .. }
        | Verb::LookupFails { .. }
        | Verb::LookupMoves { .. }
        | Verb::Buffer { .. }
        | Verb::HalfOpen { .. }
        | Verb::Illegal { .. }
        | Verb::Cut { .. }
        | Verb::TruncateClean
        | Verb::Freeze { .. }
        | Verb::ClockJump { .. }
        | Verb::Partition { .. }
        | Verb::Refuse { .. }
        | Verb::ConnectHang { .. }
        | Verb::HandshakeStall { .. }
        | Verb::AcceptThenReset { .. }
        | Verb::Delay { .. }
        | Verb::Jitter { .. }
        | Verb::Throttle { .. }
        | Verb::Drip { .. }
        | Verb::Split { .. }
        | Verb::Corrupt
        | Verb::DuplicateMessage { .. }
        | Verb::ReorderMessages { .. }
        | Verb::Upstream(_)
        | Verb::IoError { .. } => false,
    }
}

#[cfg(test)]
mod tests;
