//! The scheduler's command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halfopen_scheduler::{Config, process};

/// Sessions, jobs and nodes: takes jobs from clients, has nodes do them, and says "delivered" only when they were.
#[derive(Debug, Parser)]
#[command(name = "scheduler", version = process::VERSION)]
struct Arguments {
    /// A TOML file with settings; every setting has a default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:5010].
    #[arg(long, value_name = "ADDRESS", env = "HALFOPEN_SCHEDULER_LISTEN")]
    listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::start(
        "scheduler",
        || configure(arguments),
        |config, shutdown| async move { halfopen_scheduler::run(config, shutdown).await.map(drop) },
    )
}

fn configure(arguments: Arguments) -> Result<Config, process::BadConfig> {
    let mut config = match &arguments.config {
        Some(path) => process::read(path, Config::from_toml)?,
        None => Config::default(),
    };
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    Ok(config)
}
