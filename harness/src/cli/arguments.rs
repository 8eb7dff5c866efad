//! The grammar of the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::seed::Seed;

/// Breaks long connections on purpose and says what was delivered and who survived.
#[derive(Debug, Parser)]
#[command(name = "halfopen", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// Colour in what is printed; `auto` is where a terminal is and NO_COLOR is not set
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(super) color: Colour,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Play scenarios under many seeds and print a line for each
    Run(Run),
    /// Say which scenarios there are and what each proves
    List(Chosen),
    /// Play one run again and print its story
    Replay(Replay),
    /// Play every single fault at every point of a scenario, one a run
    Exhaust(Exhaust),
    /// Play random plans of several faults each, anywhere in a scenario
    Sweep(Sweep),
    /// Make the plan of a failed run smaller, as long as it fails for the same reason
    Shrink(Shrink),
    /// Keep a capsule as a regression, which `run` and tests play first
    Promote(Promote),
    /// Read every scenario and tell every mistake, without playing any
    CheckScenarios(Chosen),
    /// Write a scenario to begin with
    New(New),
    /// Print a script that completes this command in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Which scenarios a command is about.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// Names, patterns (`idle_*`), folders or files of scenarios; all of the catalogue without
    #[arg(value_name = "SCENARIO")]
    pub(super) names: Vec<String>,
    /// Only scenarios with this tag; given more than once, with one of them
    #[arg(long = "tag", value_name = "TAG")]
    pub(super) tags: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Play this one seed (decimal, 0x hex or a 40-digit commit hash)
    #[arg(long, conflicts_with = "seeds")]
    pub(super) seed: Option<Seed>,
    /// Play this many seeds, from 1 [default: 128]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) seeds: Option<u32>,
    /// Runs at a time [default: the number of cores]
    #[arg(long)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Begin no other run once a law was broken
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Print what failed and the last line, and nothing of what held
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) isolation: Isolate,
    /// Write the pages of failed runs to this folder [default: target/halfopen]
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Write every record of the run to this file as JSON lines; needs one scenario and one seed
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub(super) trace: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Exhaust {
    #[command(flatten)]
    pub(super) probe: Probe,
    /// Play this many pairs of faults as well, which the seed draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) pairs: usize,
    /// Keep what becomes of each fault in this folder, a file of JSON lines for each scenario, and go on where it ends
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
    /// Print the matrix of each scenario; without, that of a single one is printed
    #[arg(long)]
    pub(super) matrix: bool,
}

#[derive(Debug, Args)]
pub(super) struct Sweep {
    #[command(flatten)]
    pub(super) probe: Probe,
    /// Plans of each scenario [default: 1000, or as many as the time of `--for` allows]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) runs: Option<u32>,
    /// The most faults of a plan
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) faults: u32,
}

/// What faults are added to, and what judges them.
#[derive(Debug, Args)]
pub(super) struct Probe {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// The seed of the network in every run, and of what is drawn (decimal, 0x hex or a 40-digit commit hash)
    #[arg(long, default_value = "1")]
    pub(super) seed: Seed,
    /// Begin no other run after so much wall time (`60s`, `5min`), shared among the scenarios
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) lasting: Option<Duration>,
    /// Runs at a time [default: the number of cores]
    #[arg(long)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Keep the scenario's own faults, and add to them
    #[arg(long)]
    pub(super) keep_faults: bool,
    /// Judge by every law that a run without a fault keeps, also by those that bound what other faults may stretch
    #[arg(long)]
    pub(super) strict: bool,
    /// Virtual time for coming to rest, beyond what the scenario gives: for a fault at its end that lasts, and what is kept then
    #[arg(long, value_name = "TIME", default_value = "12min", value_parser = humantime::parse_duration)]
    pub(super) settle: Duration,
    /// Leave out this law (`hygiene`) or rule (`timing.close_is_noticed_at_once`); may be given more than once
    #[arg(long, value_name = "LAW")]
    pub(super) without: Vec<String>,
    /// Play this specimen or opposite of the scenario instead of the real thing
    #[arg(long, value_name = "NAME")]
    pub(super) specimen: Option<String>,
    /// Wall time for making each failure smaller
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) shrink_for: Duration,
    #[command(flatten)]
    pub(super) isolation: Isolate,
}

#[derive(Debug, Args)]
pub(super) struct Shrink {
    /// The path of a capsule
    pub(super) capsule: PathBuf,
    /// Where the smaller capsule is written [default: beside the capsule, with `-shrunk` behind its name]
    #[arg(long, value_name = "FILE")]
    pub(super) to: Option<PathBuf>,
    /// Wall time for it
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(super) lasting: Duration,
    #[command(flatten)]
    pub(super) isolation: Isolate,
}

#[derive(Debug, Args)]
pub(super) struct Promote {
    /// The path of a capsule
    pub(super) capsule: PathBuf,
    /// The regression's name [default: the scenario and the law that was broken]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A scenario's name, or the path of a capsule
    pub(super) what: String,
    /// The seed (with a scenario's name)
    #[arg(long)]
    pub(super) seed: Option<Seed>,
    /// Print the whole story of a run that broke a law, behind its report
    #[arg(long)]
    pub(super) full: bool,
    /// Draw who said what to whom, around what proves that a law was broken
    #[arg(long)]
    pub(super) diagram: bool,
    /// Tell the life of this key (`job-2`): every record about it
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Play this specimen or opposite of the scenario instead of the real thing
    #[arg(long, value_name = "NAME")]
    pub(super) specimen: Option<String>,
    #[command(flatten)]
    pub(super) isolation: Isolate,
    /// Write the page of the run, if it broke a law, to this folder
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Write every record of the run to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
}

/// What a new scenario is to say. What is left out is asked where a terminal is, and taken from the catalogue elsewhere.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The scenario's name, which is also that of its file: letters, digits, `_` and `-`
    pub(super) name: String,
    /// What a run of it proves, in a sentence
    #[arg(long, value_name = "SENTENCE")]
    pub(super) proves: Option<String>,
    /// A registered service that takes part; may be given more than once
    #[arg(long = "host", value_name = "NAME")]
    pub(super) hosts: Vec<String>,
    /// A registered actor that takes part; may be given more than once
    #[arg(long = "actor", value_name = "NAME")]
    pub(super) actors: Vec<String>,
    /// The fault's verb
    #[arg(long = "do", value_name = "VERB", default_value = "reset")]
    pub(super) verb: String,
}

/// Where runs are played, and for how long.
#[derive(Debug, Args)]
pub(super) struct Isolate {
    /// Play each run in a worker process, which a service may end, or in a thread of this process
    #[arg(long, value_enum, default_value_t = Place::Process)]
    pub(super) isolate: Place,
    /// Seconds of wall time after which a run is given up [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(super) watchdog: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Place {
    Process,
    Thread,
}
