//! A specimen is a service with one defect, not a caricature: without what brings its defect out, it keeps every law that
//! the real service keeps, in every scenario that convicts it.

use std::collections::BTreeSet;
use std::time::Duration;

use halfopen::check::Violation;
use halfopen::internals::{Expectations, HostSpec};
use halfopen::{Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;

/// Laws that ask for the fault itself.
const OF_FAULTS: [&str; 5] = ["took_effect", "close_code", "timing", "answers", "load"];
/// The clause of `hygiene` that asks for the fault itself.
const NOT_LOGGED: &str = "unexpected, not logged";
/// The model of the session's leg reads lines of the services' logs that a specimen does not write.
const OF_LOGS: &str = "session_protocol";
/// What cannot be shown: the defect comes out in every run of the scenario, whatever is left out of it.
const ALWAYS: [(&str, &str); 3] = [
    // Its timer runs on behind each result.
    ("timer-outlives-result", "silent_success_timeline_capacity_1"),
    ("timer-outlives-result", "silent_success_timeline_capacity_3"),
    // A seed of an interleaved scenario splits reads.
    ("a-read-is-an-event", "model_manners"),
];
/// Its claim precedes the receipt by the time that the message travels, also when all goes well.
const LIAR: &str = "send-counts-as-delivered";
/// Under how many seeds a specimen is shown without its cause.
const SEEDS: u64 = 4;

/// What brings a defect out where nothing breaks, and the scenario without it: the host, when it starts (in milliseconds)
/// and what its configuration says instead.
struct Cause {
    scenario: &'static str,
    name: &'static str,
    without: &'static [(&'static str, u64, &'static str)],
}

const CAUSES: [Cause; 20] = [
    Cause { scenario: "second_owner", name: "bob, who is somebody else", without: &[("bob", 0, "steps = []")] },
    Cause { scenario: "local_close_prober", name: LATE_ENGINE, without: PUNCTUAL_ENGINE },
    Cause { scenario: "local_errors_prober", name: LATE_ENGINE, without: PUNCTUAL_ENGINE },
    Cause { scenario: "probe_engine_crashes", name: LATE_ENGINE, without: PUNCTUAL_ENGINE },
    Cause {
        scenario: "probe_gateway_starts",
        name: "a gateway that starts late",
        without: &[("gateway", 0, ""), ("core", 1_000, "")],
    },
    Cause {
        scenario: "idle_close_1000",
        name: "ten idle minutes",
        without: &[("alice", 0, "sentences = [{ at = '9min', text = 'are you still there' }]")],
    },
    Cause {
        scenario: "probe_engine_starts",
        name: "an engine that is not there yet, and a page that is longer than the kernel's buffers",
        without: &[("engine", 0, "loads_for = '0s'\npage_bytes = 300"), ("core", 1_000, "")],
    },
    Cause {
        scenario: "probe_engine_up",
        name: "a page that is longer than the kernel's buffers",
        without: &[("engine", 0, "page_bytes = 300")],
    },
    Cause {
        scenario: "probe_two_engines",
        name: "engines that are not ready at the same time",
        without: &[
            ("engine", 0, "loads_for = '0s'\npage_bytes = 300"),
            ("second_engine", 0, "loads_for = '0s'"),
            ("core", 1_000, ""),
        ],
    },
    Cause {
        scenario: "crowd_dropped_abruptly",
        name: "a share of the load that drops, and a train in a tunnel",
        without: &[("crowd", 0, "dropped_percent = 0")],
    },
    Cause {
        scenario: "silent_success_timeline_capacity_1",
        name: "a job of more than thirty seconds",
        without: &[("model", 0, "word_delay = '100ms'")],
    },
    Cause {
        scenario: "silent_success_timeline_capacity_3",
        name: "a job of more than thirty seconds",
        without: &[("model", 0, "word_delay = '100ms'")],
    },
    Cause {
        scenario: "model_speaks_gibberish",
        name: "a model whose framework speaks between two words",
        without: &[("model", 0, "manners = {}")],
    },
    Cause {
        scenario: "sse_client_leaves",
        name: "a reader who leaves",
        without: &[(
            "reader",
            0,
            "questions = [{ at = '1s', text = 'first a b c' }, { at = '4s', text = 'second d e' }]",
        )],
    },
    Cause { scenario: "model_ends_too_soon", name: "the model's manners", without: &[("model", 0, WITHOUT_MANNERS)] },
    Cause { scenario: "model_manners", name: "the model's manners", without: &[("model", 0, WITHOUT_MANNERS)] },
    Cause { scenario: "model_refuses", name: "the model's manners", without: &[("gpu-7", 0, WITHOUT_MANNERS)] },
    Cause { scenario: "model_reports_errors", name: "the model's manners", without: &[("gpu-7", 0, WITHOUT_MANNERS)] },
    Cause {
        scenario: "silent_success_client_gives_up",
        name: "a user without patience",
        without: &[("alice", 0, "patience = '5min'")],
    },
    Cause {
        scenario: "several_readers",
        name: "readers who leave, and the model's manners",
        without: &[
            ("model", 0, WITHOUT_MANNERS),
            ("leaver", 10, "questions = [{ at = '1s', text = 'leaves at the end' }]"),
            ("impatient", 20, "questions = [{ at = '1s', text = 'impatient as it is' }]"),
        ],
    },
];

const LATE_ENGINE: &str = "an engine that is not there yet";
const PUNCTUAL_ENGINE: &[(&str, u64, &str)] =
    &[("engine", 0, "loads_for = '0s'\npage_bytes = 300"), ("core", 1_000, "")];

/// A model that answers every question whole.
const WITHOUT_MANNERS: &str = "manners = {}";

#[test]
fn a_specimen_without_what_brings_its_defect_out_keeps_every_law() {
    let catalogue = catalogue();
    let mut guilty = Vec::new();
    let mut tried = 0;
    for scenario in catalogue.scenarios().expect("the catalogue is readable") {
        let cause = CAUSES.iter().find(|cause| cause.scenario == scenario.name);
        let shown = |name: &str| !ALWAYS.contains(&(name, scenario.name.as_str()));
        for specimen in scenario.specimens.iter().filter(|specimen| shown(&specimen.name)) {
            let calm = cause.map_or_else(|| scenario.clone(), |cause| without(&scenario, cause));
            for seed in 1..=SEEDS {
                let mut plan = Plan::draw(&calm.with_specimen(specimen), Seed(seed));
                assert!(
                    cause.is_some() || !plan.faults.is_empty(),
                    "{} has no fault: say in `CAUSES` what brings {} out there",
                    scenario.name,
                    specimen.name
                );
                plan.faults.clear();
                let outcome = catalogue.run(&plan).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
                tried += 1;
                let lies = |check| specimen.name == LIAR && check == "truthful";
                let asks_for_the_fault = |found: &&Violation| {
                    OF_FAULTS.contains(&found.check)
                        || found.signature.to_string().contains(NOT_LOGGED)
                        || found.check == OF_LOGS
                };
                let violations = outcome.violations().filter(|found| !asks_for_the_fault(found) && !lies(found.check));
                guilty.extend(violations.map(|violation| {
                    let without = cause.map_or("its faults", |cause| cause.name);
                    format!(
                        "{} in {} without {without}, seed {seed}: {} ({})",
                        specimen.name, scenario.name, violation.signature, violation.sentence
                    )
                }));
            }
        }
    }
    assert!(tried > 100, "only {tried} runs were tried");
    assert!(guilty.is_empty(), "{guilty:#?}");
}

/// The scenario in which nothing brings the defect out.
fn without(scenario: &Scenario, cause: &Cause) -> Scenario {
    let mut scenario = scenario.clone();
    for (name, start, config) in cause.without {
        let of_name = |host: &&mut HostSpec| host.name.as_str() == *name;
        let host = scenario.hosts.iter_mut().find(of_name).unwrap_or_else(|| panic!("there is a host {name}"));
        host.start = Duration::from_millis(*start);
        host.config.extend(config.parse::<toml::Table>().expect("TOML"));
    }
    scenario
}

/// An opposite is convicted for what it changes. One whose host does not even start, because it refuses its
/// configuration, would be convicted by any law.
#[test]
fn no_opposite_is_convicted_because_a_host_does_not_run() {
    let catalogue = catalogue();
    let mut guilty = Vec::new();
    for scenario in catalogue.scenarios().expect("the catalogue is readable") {
        for opposite in &scenario.opposites {
            let plan = Plan::draw(&opposite.scenario, Seed(1));
            let outcome = catalogue.run(&plan).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
            let meant = |check: &str| opposite.convicted_by.iter().any(|by| by == check);
            // A script that hears something else than it expects ends as well, but later.
            let ended = outcome.violations().filter(|found| {
                ["survival", "integrity"].contains(&found.check) && found.sentence.contains(" ended at 0s")
            });
            guilty.extend(
                ended
                    .filter(|found| !meant(found.check))
                    .map(|violation| format!("{} in {}: {}", opposite.name, scenario.name, violation.sentence)),
            );
        }
    }
    assert!(guilty.is_empty(), "{guilty:#?}");
}

/// What a scenario proves, it proves by what it would convict.
#[test]
fn every_scenario_convicts_what_makes_its_sentence_false() {
    let scenarios = catalogue().scenarios().expect("the catalogue is readable");
    let idle = scenarios.iter().filter(|scenario| convicting(scenario).is_empty());
    let idle: Vec<_> = idle.map(|scenario| scenario.name.as_str()).collect();
    assert!(
        idle.is_empty(),
        "{idle:?} convict nothing: describe an [opposite.NAME] under which the sentence is false (a changed number, one more \
         fault), or plant a defect in `scenarios/src/specimens`, and name it in [convicts] with the law"
    );
}

/// A model whose own tests convict, and no scenario names a defect for it.
const MODELS: [&str; 1] = ["relayed"];

/// A guarantee is held by a check of its row in a scenario of its row that convicts by that check; a scenario with a star is
/// such a one.
#[test]
fn every_guarantee_is_convicted_in_a_scenario_of_its_row() {
    let scenarios = catalogue().scenarios().expect("the catalogue is readable");
    let architecture = include_str!("../ARCHITECTURE.md");
    let (_, table) =
        architecture.split_once("\n| guarantee | check | scenarios |\n|---|---|---|\n").expect("the table");
    let mut found = Vec::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let [guarantee, checks, named] = row.trim_matches('|').split(" | ").collect::<Vec<_>>()[..] else {
            panic!("a row has three columns: {row}");
        };
        let checks: BTreeSet<_> = quoted(checks).into_iter().map(|(check, _)| check).collect();
        let convicts = |scenario: &Scenario| convicting(scenario).iter().any(|by| checks.contains(by.as_str()));
        let mut of_row = 0;
        let mut convicted = false;
        for (name, is_starred) in quoted(named) {
            let is_meant = |scenario: &&Scenario| match name.strip_suffix('*') {
                Some(family) => scenario.name.starts_with(family),
                None => scenario.name == name,
            };
            let meant: Vec<_> = scenarios.iter().filter(is_meant).collect();
            of_row += meant.len();
            let is_convicted = meant.iter().any(|scenario| convicts(scenario));
            convicted |= is_convicted;
            if is_starred && !is_convicted {
                found.push(format!("{name} convicts nothing by {checks:?}: {guarantee}"));
            }
        }
        let of_a_model = MODELS.iter().any(|model| checks.contains(model));
        if of_row > 0 && !convicted && !of_a_model {
            found.push(format!("no scenario of the row convicts by {checks:?}: {guarantee}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The checks by which a scenario convicts something.
fn convicting(scenario: &Scenario) -> BTreeSet<String> {
    let of_specimens = scenario.specimens.iter().flat_map(|specimen| &specimen.convicted_by);
    of_specimens.chain(scenario.opposites.iter().flat_map(|opposite| &opposite.convicted_by)).cloned().collect()
}

/// What stands between backticks, and whether a star follows.
fn quoted(text: &str) -> Vec<(&str, bool)> {
    let parts: Vec<_> = text.split('`').collect();
    parts.windows(2).skip(1).step_by(2).map(|pair| (pair[0], pair[1].starts_with('*'))).collect()
}

/// A law that no defective service has ever broken may be one that cannot be broken. That each specimen is convicted by
/// the laws that it names is what playing the catalogue proves.
#[test]
fn every_law_convicts_a_specimen_of_the_catalogue() {
    let scenarios = catalogue().scenarios().expect("the catalogue is readable");
    let convicting: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| &scenario.specimens).flat_map(|specimen| &specimen.convicted_by).collect();
    let idle: Vec<_> = Expectations::LAWS.iter().filter(|law| !convicting.contains(&law.to_string())).collect();
    assert!(
        idle.is_empty(),
        "no specimen is convicted by {idle:?}: plant a defect in a copy of a service, in `scenarios/src/specimens`"
    );
}
