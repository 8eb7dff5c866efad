//! The command line over a catalogue.
//!
//! - `arguments`: what can be typed.
//! - `run`: plays scenarios and prints a line for each.
//! - `replay`: one run again, as a story.
//! - `table`: how the lines are set.
//! - `artefacts`: what a failure leaves on disk.

mod arguments;
#[cfg(feature = "sim")]
mod artefacts;
#[cfg(feature = "sim")]
mod replay;
#[cfg(feature = "sim")]
mod run;
#[cfg(feature = "sim")]
mod table;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

#[cfg(feature = "sim")]
use self::arguments::Isolation;
use self::arguments::{Arguments, Command};
#[cfg(feature = "sim")]
use crate::campaign::{Depth, Player, Report, Series};
use crate::catalogue::Catalogue;
use crate::causes::chain;
#[cfg(feature = "sim")]
use crate::outcome::Outcome;
#[cfg(feature = "sim")]
use crate::plan::Plan;
use crate::scenario::Scenario;
#[cfg(feature = "sim")]
use crate::sim::SimError;

/// The command's exit codes: everything held.
const HELD: u8 = 0;
/// A law was broken, or a specimen went free.
#[cfg(feature = "sim")]
const BROKEN: u8 = 1;
/// The harness or its input is at fault.
const FAULTY: u8 = 2;

/// Why the command could not do what it was asked: printed, and exit code 2.
#[derive(Debug)]
struct Refusal(String);

impl<E: std::error::Error + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(chain(&error))
    }
}

/// Runs the command line of a catalogue: `run`, `list` and `replay`.
///
/// Runs are played in worker processes (`--isolate process`, the default), which are this program once more: call this
/// before anything that the program should do only once.
///
/// The exit code is 0 when every law held and every specimen was convicted, 1 when not, 2 when the harness or the input
/// is at fault.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     halfopen::cli::main(halfopen::Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios"))
/// }
/// ```
pub fn main(catalogue: Catalogue) -> ExitCode {
    #[cfg(feature = "sim")]
    if crate::workers::is_worker() {
        return crate::workers::serve(&catalogue);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help to stdout and errors to stderr; nothing is left to say if that fails.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAULTY } else { HELD });
        }
    };
    let done = match arguments.command {
        Command::List => list(&catalogue),
        #[cfg(feature = "sim")]
        Command::Run(arguments) => run::run(&catalogue, &arguments),
        #[cfg(feature = "sim")]
        Command::Replay(arguments) => replay::replay(&catalogue, &arguments),
        #[cfg(not(feature = "sim"))]
        Command::Run(_) | Command::Replay(_) => {
            Err(Refusal("this build has no simulation: build it with the feature `sim`".to_owned()))
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Refusal(sentence)) => {
            complain(&sentence);
            ExitCode::from(FAULTY)
        }
    }
}

/// Plays a plan where the arguments say. A run that took its process with it, or did not end, is an outcome: a law was
/// broken.
#[cfg(feature = "sim")]
fn play(catalogue: &Catalogue, plan: &Plan, isolate: Isolation) -> Result<Outcome, SimError> {
    let report = match isolate {
        Isolation::Process => crate::workers::play(plan)?,
        Isolation::Thread => {
            let series = Series { scenario: plan.scenario.clone(), specimen: None };
            Player::new(catalogue).play(&series, 0, plan, Depth::Whole)
        }
    };
    match report {
        Report::Played(played) => match played.whole {
            Some(raw) => Ok(catalogue.judged(plan, raw)),
            None => Err(SimError::Worker { sentence: "a worker kept what it was asked for".to_owned() }),
        },
        Report::Lost(loss) => Ok(loss.outcome(plan)),
        Report::Faulty(error) => Err(error),
    }
}

fn list(catalogue: &Catalogue) -> Result<u8, Refusal> {
    let scenarios = scenarios(catalogue)?;
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for scenario in &scenarios {
        say(&format!("{:width$}  {}", scenario.name, scenario.proves));
        for check in scenario.checks.own.keys() {
            say(&format!("{:width$}    judged by the catalogue's own check {check}", ""));
        }
        for specimen in &scenario.specimens {
            say(&format!(
                "{:width$}    specimen {}, convicted by {}",
                "",
                specimen.name,
                specimen.convicted_by.join(", ")
            ));
        }
    }
    Ok(HELD)
}

/// Every scenario, or one sentence per mistake.
fn scenarios(catalogue: &Catalogue) -> Result<Vec<Scenario>, Refusal> {
    catalogue
        .scenarios()
        .map_err(|errors| Refusal(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// The scenario of a name, or the sentence that says which there are.
#[cfg(feature = "sim")]
fn find(scenarios: &[Scenario], name: &str) -> Result<Scenario, Refusal> {
    scenarios.iter().find(|scenario| scenario.name == name).cloned().ok_or_else(|| {
        let known: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        Refusal(crate::catalogue::unknown_scenario(name, &known))
    })
}

/// A line on stdout. Whoever has stopped reading is told nothing more, and that is no failure of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on stderr; likewise.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "halfopen: {line}");
}
