//! The same plan gives the same run, to the last packet, poll and draw: again, beside other runs, and for specimens.
//!
//! That another process gives the same hashes is tested beside the command (`scenarios/tests/command.rs`).

use std::thread;

use halfopen::{Catalogue, Outcome, Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;

const SEED: Seed = Seed(1);

#[test]
fn every_scenario_and_specimen_plays_twice_the_same() {
    let catalogue = catalogue();
    for plan in plans(&catalogue) {
        let (one, other) = (run(&catalogue, &plan), run(&catalogue, &plan));
        assert_eq!(one.difference(&other), None, "{}", plan.scenario.name);
        assert_eq!(one.hash, other.hash, "{}", plan.scenario.name);
    }
}

#[test]
fn runs_side_by_side_and_in_another_order_do_not_disturb_each_other() {
    let catalogue = &catalogue();
    let plans = &plans(catalogue);
    let hashes = |plans: Vec<&Plan>| -> Vec<_> { plans.iter().map(|plan| run(catalogue, plan).hash).collect() };
    let (forwards, mut backwards) = thread::scope(|scope| {
        let forwards = scope.spawn(move || hashes(plans.iter().collect()));
        let backwards = scope.spawn(move || hashes(plans.iter().rev().collect()));
        (forwards.join().expect("the runs do not panic"), backwards.join().expect("the runs do not panic"))
    });
    backwards.reverse();
    for ((plan, one), other) in plans.iter().zip(forwards).zip(backwards) {
        assert_eq!(one, other, "{}", plan.scenario.name);
    }
}

#[test]
fn another_seed_is_another_run() {
    let catalogue = catalogue();
    for scenario in scenarios(&catalogue) {
        let (one, other) = (Plan::draw(&scenario, SEED), Plan::draw(&scenario, Seed(2)));
        assert_ne!(run(&catalogue, &one).hash, run(&catalogue, &other).hash, "{}", scenario.name);
    }
}

/// Every scenario, and every specimen of it, under the first seed.
fn plans(catalogue: &Catalogue) -> Vec<Plan> {
    let mut plans = Vec::new();
    for scenario in scenarios(catalogue) {
        plans.extend(scenario.specimens.iter().map(|specimen| Plan::draw(&scenario.with_specimen(specimen), SEED)));
        plans.push(Plan::draw(&scenario, SEED));
    }
    plans
}

fn scenarios(catalogue: &Catalogue) -> Vec<Scenario> {
    catalogue.scenarios().unwrap_or_else(|errors| panic!("the catalogue has mistakes: {errors:?}"))
}

fn run(catalogue: &Catalogue, plan: &Plan) -> Outcome {
    catalogue.run(plan).unwrap_or_else(|error| panic!("{}: {error}", plan.scenario.name))
}
