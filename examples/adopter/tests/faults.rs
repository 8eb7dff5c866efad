//! The service and the client under faults, and the client's old defect under the same.

mod catalogue;

use catalogue::catalogue;
use halfopen::{Outcome, Plan, Scenario, Seed};

#[test]
fn the_sloppy_client_claims_a_note_that_nobody_received() {
    let outcome = play(&sloppy(&scenario("reset_in_flight")));
    assert_eq!(broken(&outcome), ["delivery: silent loss @ alice", "truthful: claimed, not received @ alice"]);
    insta::assert_snapshot!(outcome.story());
}

#[test]
fn without_the_fault_the_sloppy_client_loses_nothing_and_is_only_too_early() {
    let plan = Plan { faults: Vec::new(), ..Plan::draw(&sloppy(&scenario("reset_in_flight")), SEED) };
    let outcome = catalogue().run(&plan).expect("the harness is in order");
    assert_eq!(broken(&outcome), ["truthful: claimed, not received @ alice"]);
}

#[test]
fn the_client_is_acquitted_under_the_plan_and_seed_that_convict_the_sloppy_one() {
    let scenario = scenario("reset_in_flight");
    assert_eq!(Plan::draw(&scenario, SEED).faults, Plan::draw(&sloppy(&scenario), SEED).faults);
    let outcome = play(&scenario);
    assert!(outcome.passed(), "{}", outcome.story());
    insta::assert_snapshot!(outcome.story());
}

#[test]
fn a_replay_from_the_seed_is_the_same_run() {
    for scenario in [scenario("reset_in_flight"), sloppy(&scenario("reset_in_flight")), scenario("anywhere")] {
        let (one, again) = (play(&scenario), play(&scenario));
        assert_eq!(one.hash, again.hash);
        assert_eq!(one.story(), again.story());
        assert_eq!(one.difference(&again), None);
    }
}

/// Any would do: the faults of `reset_in_flight` leave nothing to a seed.
const SEED: Seed = Seed(7);

fn play(scenario: &Scenario) -> Outcome {
    catalogue().run(&Plan::draw(scenario, SEED)).expect("the harness is in order")
}

/// The broken laws, by name.
fn broken(outcome: &Outcome) -> Vec<&str> {
    outcome.violations().map(|violation| violation.signature.as_str()).collect()
}

fn scenario(name: &str) -> Scenario {
    catalogue().scenario(name).expect("the scenarios are in order")
}

fn sloppy(scenario: &Scenario) -> Scenario {
    scenario.with_specimen(&scenario.specimens[0])
}
