//! The command line over a catalogue.
//!
//! - `arguments`: its grammar.
//! - `choose`: which scenarios a command is about.
//! - `run`: plays scenarios and prints a line for each.
//! - `replay`: one run again, as a story.
//! - `probe`: a scenario whose faults are replaced; `exhaust`: every single one; `sweep`: several at a time, drawn;
//!   `exhausted`: what is printed of them; `shrink`: a plan made smaller; `promote`: a capsule kept.
//! - `regressions`: the capsules that are played first.
//! - `report`: pages and files of failed runs.
//! - `table`: the lines and the table that `run` prints.
//! - `failures`: what failed, told once for each reason.
//! - `artefacts`: the files of a failure.
//! - `new`: writes a scenario to begin with.

mod arguments;
#[cfg(feature = "sim")]
mod artefacts;
mod choose;
#[cfg(feature = "sim")]
mod exhaust;
#[cfg(feature = "sim")]
mod exhausted;
#[cfg(feature = "sim")]
mod failures;
mod new;
#[cfg(feature = "sim")]
mod probe;
#[cfg(feature = "sim")]
mod promote;
#[cfg(feature = "sim")]
mod regressions;
#[cfg(feature = "sim")]
mod replay;
#[cfg(feature = "sim")]
mod report;
#[cfg(feature = "sim")]
mod run;
#[cfg(feature = "sim")]
mod shrink;
#[cfg(feature = "sim")]
mod sweep;
#[cfg(feature = "sim")]
mod table;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

#[cfg(feature = "sim")]
use self::arguments::Place;
use self::arguments::{Arguments, Chosen, Colour, Command};
use crate::catalogue::Catalogue;
use crate::error::chain;
#[cfg(feature = "sim")]
use crate::outcome::Outcome;
#[cfg(feature = "sim")]
use crate::plan::Plan;
use crate::scenario::Folder;
#[cfg(feature = "sim")]
use crate::scenario::Scenario;
use crate::scenario::ScenarioError;
#[cfg(feature = "sim")]
use crate::sim::SimError;
#[cfg(feature = "sim")]
use crate::sweep::{Depth, Player, Report, Series, located};

/// The command's exit codes: everything held.
const HELD: u8 = 0;
/// A law was broken, or a specimen or opposite went free.
#[cfg(feature = "sim")]
const BROKEN: u8 = 1;
/// The harness or its input is at fault.
const FAULTY: u8 = 2;

/// Why the command failed, in a sentence that it prints before it exits with 2.
#[derive(Debug)]
struct CommandError(String);

impl<E: std::error::Error + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self(chain(&error))
    }
}

/// Runs the command line of a catalogue: `run`, `list`, `replay`, `exhaust`, `sweep`, `shrink`, `promote`, `check-scenarios`, `new` and
/// `completions`.
///
/// Runs are played in worker processes (`--isolate process`, the default), which are this program once more: call this
/// before anything that the program should do only once.
///
/// The exit code is 0 when every law held and every specimen and opposite was convicted, 1 when not, 2 when the harness or the input
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
    apply(arguments.color);
    let done = match arguments.command {
        Command::List(chosen) => list(&catalogue, &chosen),
        Command::CheckScenarios(chosen) => check_scenarios(&catalogue, &chosen),
        Command::New(arguments) => new::new(&catalogue, &arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "halfopen", &mut std::io::stdout());
            Ok(HELD)
        }
        #[cfg(feature = "sim")]
        Command::Run(arguments) => run::run(&catalogue, &arguments),
        #[cfg(feature = "sim")]
        Command::Replay(arguments) => replay::replay(&catalogue, &arguments),
        #[cfg(feature = "sim")]
        Command::Exhaust(arguments) => exhaust::exhaust(&catalogue, &arguments),
        #[cfg(feature = "sim")]
        Command::Sweep(arguments) => sweep::sweep(&catalogue, &arguments),
        #[cfg(feature = "sim")]
        Command::Shrink(arguments) => shrink::shrink(&catalogue, &arguments),
        #[cfg(feature = "sim")]
        Command::Promote(arguments) => promote::promote(&catalogue, &arguments),
        #[cfg(not(feature = "sim"))]
        Command::Run(_)
        | Command::Replay(_)
        | Command::Exhaust(_)
        | Command::Sweep(_)
        | Command::Shrink(_)
        | Command::Promote(_) => {
            Err(CommandError("this build has no simulation: build it with the feature `sim`".to_owned()))
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(CommandError(sentence)) => {
            complain(&sentence);
            ExitCode::from(FAULTY)
        }
    }
}

/// Plays a plan where the arguments say. A run that ends its process, or that does not end, is an outcome in which a law
/// was broken.
#[cfg(feature = "sim")]
fn play(catalogue: &Catalogue, plan: &Plan, isolate: Place) -> Result<Outcome, SimError> {
    let report = match isolate {
        Place::Process => crate::workers::play(plan)?,
        Place::Thread => {
            let series = Series { scenario: plan.scenario.clone(), defect: None };
            Player::new(catalogue).play(&series, 0, plan, Depth::Whole)
        }
    };
    match report {
        Report::Played(played) => match played.whole {
            Some(raw) => Ok(catalogue.judged(plan, raw)),
            None => Err(SimError::Worker { sentence: "a worker kept what it was asked for".to_owned() }),
        },
        Report::Lost(loss) => Ok(loss.outcome(plan)),
        Report::Faulty(error) => Err(located(error, &plan.scenario)),
    }
}

/// Decides whether lines have colours.
fn apply(colour: Colour) {
    match colour {
        Colour::Auto => {
            // Any value but an empty one: https://no-color.org.
            let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            console::set_colors_enabled(!is_unwanted && console::user_attended());
        }
        Colour::Always => console::set_colors_enabled(true),
        Colour::Never => console::set_colors_enabled(false),
    }
}

/// Reads every scenario, tells every mistake, and returns the exit code.
fn check_scenarios(catalogue: &Catalogue, chosen: &Chosen) -> Result<u8, CommandError> {
    let folder = catalogue.read_folder()?;
    let scenarios = chosen.of(catalogue, &folder)?;
    let code = if chosen.is_all() { tell_mistakes(&folder) } else { HELD };
    let mistakes = folder.mistakes().len();
    match (chosen.is_all(), mistakes) {
        (true, 1..) => say(&format!(
            "{} scenarios can be played, {mistakes} mistakes in {} files",
            scenarios.len(),
            folder.faulty.len()
        )),
        _ => say(&format!("{} scenarios, no mistake", scenarios.len())),
    }
    Ok(code)
}

fn list(catalogue: &Catalogue, chosen: &Chosen) -> Result<u8, CommandError> {
    let folder = catalogue.read_folder()?;
    let scenarios = &chosen.of(catalogue, &folder)?;
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for scenario in scenarios {
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
        for opposite in &scenario.opposites {
            let by = opposite.convicted_by.join(", ");
            say(&format!("{:width$}    opposite {}, convicted by {by}", "", opposite.name));
        }
    }
    Ok(if chosen.is_all() { tell_mistakes(&folder) } else { HELD })
}

/// Prints every mistake in a folder, and returns the exit code.
fn tell_mistakes(folder: &Folder) -> u8 {
    let mistakes = folder.mistakes();
    for mistake in &mistakes {
        complain(&mistake.with_excerpt());
    }
    if mistakes.is_empty() { HELD } else { FAULTY }
}

/// The scenario of a name, or the sentence that says which there are, or what is wrong with its file.
#[cfg(feature = "sim")]
fn find(catalogue: &Catalogue, folder: &Folder, name: &str) -> Result<Scenario, CommandError> {
    catalogue.find(folder, name).map_err(|mistakes| every(&mistakes))
}

/// All mistakes of a file, one a line.
fn every(mistakes: &[ScenarioError]) -> CommandError {
    CommandError(mistakes.iter().map(ScenarioError::with_excerpt).collect::<Vec<_>>().join("\nhalfopen: "))
}

/// Warns of mistakes in files that the command was not asked to play.
#[cfg(feature = "sim")]
fn warn_of_mistakes(folder: &Folder) {
    let files = match folder.faulty.len() {
        0 => return,
        1 => "1 other file has a mistake".to_owned(),
        n => format!("{n} other files have mistakes"),
    };
    complain(&format!("{files}: `list` tells them"));
}

/// Prints a line on stdout. If the reader has gone, the line is lost, and the command goes on.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line on stderr, in the same way.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "halfopen: {line}");
}
