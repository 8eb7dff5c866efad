//! A random case: who talks when, who works how fast, how far apart they are, and what breaks.

use std::fmt::{self, Write as _};
use std::path::Path;

use halfopen::fault::Fault;
use halfopen::internals::Specimen;
use halfopen::{Plan, Scenario, Seed};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::faults::{self, Shape};

/// The talkers' names; a case has the first few.
const TALKERS: [&str; 3] = ["alice", "bob", "carol"];
/// The nodes' names; a case has the first few.
const NODES: [&str; 2] = ["elm", "oak"];
/// A sentence is said within the first minute, in milliseconds.
const LATEST_SENTENCE_MS: u64 = 60_000;

/// One case. Shrinking makes it smaller and its numbers rounder.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    seed: u64,
    latency_ms: u64,
    /// For each talker when each sentence is said, in milliseconds from its start.
    talkers: Vec<Vec<u64>>,
    nodes: Vec<Node>,
    pub(crate) faults: Vec<Fault>,
}

#[derive(Clone, Debug)]
struct Node {
    capacity: u32,
    work_ms: u64,
}

/// Draws any case.
pub(crate) fn any_case() -> impl Strategy<Value = Case> {
    let sentences = vec(prop_oneof![3 => 0..5_000_u64, 1 => 0..LATEST_SENTENCE_MS], 1..6);
    let node = (1..=3_u32, prop_oneof![0..200_u64, 200..8_000_u64]);
    let all = (any::<u64>(), 1..=80_u64, vec(sentences, 1..=TALKERS.len()), vec(node, 1..=NODES.len())).prop_flat_map(
        |(seed, latency_ms, mut talkers, nodes)| {
            talkers.iter_mut().for_each(|times| times.sort_unstable());
            let nodes: Vec<_> = nodes.into_iter().map(|(capacity, work_ms)| Node { capacity, work_ms }).collect();
            let shape = Shape { talkers: &TALKERS[..talkers.len()], nodes: &NODES[..nodes.len()] };
            vec(faults::any(shape), 0..=3).prop_map(move |faults| Case {
                seed,
                latency_ms,
                talkers: talkers.clone(),
                nodes: nodes.clone(),
                faults,
            })
        },
    );
    all.prop_filter("two faults of a file may not contradict each other", |case| case.scenario().is_ok())
}

impl Case {
    /// Whether a fault strikes the scheduler's own process.
    pub(crate) fn strikes_scheduler(&self) -> bool {
        self.faults.iter().any(faults::is_on_scheduler)
    }

    /// Whether every fault strikes a talker's leg, briefly, and no Close frame in it blames anybody: nothing that
    /// excuses a failure.
    pub(crate) fn excuses_nothing(&self) -> bool {
        self.faults.iter().all(|fault| TALKERS.iter().any(|talker| faults::is_brief_on(fault, talker)))
    }

    /// The case as a plan of the real services.
    pub(crate) fn plan(&self) -> Plan {
        self.plan_of("scheduler")
    }

    /// The case as a plan in which the scheduler runs something else.
    pub(crate) fn plan_of(&self, scheduler: &str) -> Plan {
        let scenario = self.scenario().unwrap_or_else(|error| panic!("a case is a valid scenario: {error}\n{self}"));
        let specimen = Specimen {
            name: "stand-in".to_owned(),
            host: "scheduler".into(),
            run: scheduler.to_owned(),
            convicted_by: Vec::new(),
            breaks: None,
        };
        Plan::draw(&scenario.with_specimen(&specimen), Seed(self.seed))
    }

    fn scenario(&self) -> Result<Scenario, halfopen::ScenarioError> {
        let mut scenario = Scenario::from_toml(&self.steady(), Path::new("case.toml"))?;
        for fault in &self.faults {
            scenario = scenario.with_rule(fault.clone());
        }
        scenario.checked()
    }

    /// The case without its faults.
    fn steady(&self) -> String {
        let mut text = PREAMBLE.replace("LATENCY", &format!("{}ms", self.latency_ms));
        for (name, node) in NODES.iter().zip(&self.nodes) {
            let Node { capacity, work_ms } = node;
            let config = format!("scheduler = \"scheduler:5010\"\ncapacity = {capacity}");
            let worker = format!("worker = {{ kind = \"echo\", work_time = \"{work_ms}ms\" }}");
            let _ = writeln!(text, "[host.{name}]\nrun = \"node\"\n[host.{name}.config]\n{config}\n{worker}\n");
        }
        for (name, times) in TALKERS.iter().zip(&self.talkers) {
            let sentences: Vec<_> = (1..)
                .zip(times)
                .map(|(n, at)| format!("{{ at = \"{at}ms\", text = \"sentence {n} of {name}\" }}"))
                .collect();
            let talker = TALKER.replace("NAME", name).replace("SENTENCES", &sentences.join(", "));
            text.push_str(&talker);
        }
        text
    }
}

/// The counterexample as a scenario's file.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scenario() {
            Ok(scenario) => write!(f, "# seed {}\n{}", Seed(self.seed), scenario.to_toml()),
            Err(_) => write!(f, "{self:#?}"),
        }
    }
}

/// What every case has. It settles for longer than the scheduler remembers a session or a node (10 minutes).
const PREAMBLE: &str = r#"
proves = "whatever breaks, nothing is doubled, nothing is claimed that is not true, and everything has an outcome"
time_limit = "2h"
settle = "11min"

[network]
latency = "LATENCY"

[host.scheduler]
run = "scheduler"
[host.scheduler.config]
listen = "0.0.0.0:5010"

[[facts]]
fact = "claimed_delivered"
event = "result delivered"
host = "scheduler"
key = "job_id"
optional = true

[[facts]]
fact = "gauge"
event = "gauge"
host = "scheduler"
key = "name"
value = "value"

[checks.delivery]
law = "at_most_once"
[checks.truthful]
[checks.terminal]

"#;

/// A talker whose patience outlasts every outcome: ten minutes is the scheduler's cap on a job, and two of its lives
/// may start counting again.
const TALKER: &str = r#"
[actor.NAME]
run = "talker"
tells = ["offered", "received", "claimed_failed", "refused"]
[actor.NAME.config]
patience = "35min"
sentences = [SENTENCES]
client = { url = "ws://scheduler:5010/ws/session" }

[[facts]]
fact = "accepted"
event = "submit acknowledged"
host = "NAME"
key = "job_id"
optional = true

[[facts]]
fact = "outcome"
event = "outcome received"
host = "NAME"
key = "job_id"
value = "outcome"
optional = true

"#;
