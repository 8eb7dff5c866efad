//! A specimen is a service with one defect, not a caricature: without the fault that brings its defect out, it keeps every
//! law that the real service keeps.

use std::collections::BTreeSet;

use halfopen::internals::Expectations;
use halfopen::{Plan, Seed};
use halfopen_scenarios::catalogue;

/// Laws that ask for the fault itself.
const OF_FAULTS: [&str; 2] = ["took_effect", "close_code"];
/// Its claim precedes the receipt by the time that the message travels, also when all goes well.
const LIAR: &str = "send-counts-as-delivered";
/// A load drops connections by itself: what brings a defect out there is no fault of the plan.
const LOAD: &str = "crowd_dropped_abruptly";

#[test]
fn a_specimen_whose_fault_does_not_come_keeps_every_law() {
    let catalogue = catalogue();
    let mut guilty = Vec::new();
    let mut tried = 0;
    for scenario in catalogue.scenarios().expect("the catalogue is readable") {
        for specimen in &scenario.specimens {
            let mut plan = Plan::draw(&scenario.with_specimen(specimen), Seed(1));
            if plan.faults.is_empty() || scenario.name == LOAD {
                // What brings it out is no fault of the network: a minute of work, a reader who leaves, an idle server.
                continue;
            }
            plan.faults.clear();
            let outcome = catalogue.run(&plan).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
            tried += 1;
            let lies = |check| specimen.name == LIAR && check == "truthful";
            let violations =
                outcome.violations().filter(|found| !OF_FAULTS.contains(&found.check) && !lies(found.check));
            guilty.extend(violations.map(|violation| {
                format!("{} in {}: {} ({})", specimen.name, scenario.name, violation.signature, violation.sentence)
            }));
        }
    }
    assert!(tried > 10, "only {tried} specimens were tried");
    assert!(guilty.is_empty(), "{guilty:#?}");
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
