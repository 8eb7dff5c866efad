//! Plays the catalogue as a user has it, one run after the other, until a law is broken: the judge of one mutant.
//!
//! `judge SEEDS [SCENARIO...]`: the scenarios that are named are played first under each seed. A line on standard output says
//! what is played (`play SCENARIO SEED`), the next one what came of it (`held HASH` or `broken LAW,LAW`); the last one of all is
//! `acquitted`. What a mutant does to this process besides, or that it falls silent, is for the command to tell.

use std::process::ExitCode;

use halfopen::{Outcome, Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(seeds) = arguments.next().and_then(|seeds| seeds.parse().ok()) else {
        say("the first argument is the number of seeds");
        return ExitCode::from(2);
    };
    let first: Vec<String> = arguments.collect();
    let catalogue = catalogue();
    let mut scenarios = match catalogue.scenarios() {
        Ok(scenarios) => scenarios,
        Err(mistakes) => {
            say(&format!("the catalogue has mistakes: {mistakes:?}"));
            return ExitCode::from(2);
        }
    };
    let place = |scenario: &Scenario| first.iter().position(|name| *name == scenario.name).unwrap_or(first.len());
    scenarios.sort_by_key(place);
    for seed in (1..=seeds).map(Seed) {
        for scenario in &scenarios {
            say(&format!("play {} {}", scenario.name, seed.0));
            let outcome = match catalogue.run(&Plan::draw(scenario, seed)) {
                Ok(outcome) => outcome,
                Err(error) => {
                    say(&format!("broken {error}"));
                    return ExitCode::FAILURE;
                }
            };
            if !outcome.passed() {
                say(&format!("broken {}", laws(&outcome)));
                return ExitCode::FAILURE;
            }
            say(&format!("held {}", outcome.hash));
        }
    }
    say("acquitted");
    ExitCode::SUCCESS
}

fn laws(outcome: &Outcome) -> String {
    outcome.violations().map(|violation| violation.check).collect::<Vec<_>>().join(",")
}

#[expect(clippy::print_stdout, reason = "the command reads it")]
fn say(line: &str) {
    println!("{line}");
}
