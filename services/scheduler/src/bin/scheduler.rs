//! The scheduler's command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halfopen_scheduler::{Config, process};

/// Sessions, jobs and nodes: takes jobs from clients, has nodes do them, and says "delivered" only when they were.
///
/// On one port: WebSockets at /ws/session (clients) and /ws/node (workers), GET /health, GET /metrics (Prometheus).
/// Without any option it listens on 127.0.0.1:5010, and every timing is the documented one.
#[derive(Debug, Parser)]
#[command(name = "scheduler", version = process::VERSION, after_help = help())]
struct Arguments {
    /// A TOML file; every setting has a default, and flags overrule it. See --check-config.
    #[arg(long, value_name = "FILE", env = "HALFOPEN_SCHEDULER_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 lets the system choose, and the log says what it chose [default: 127.0.0.1:5010].
    #[arg(long, value_name = "ADDRESS:PORT", env = "HALFOPEN_SCHEDULER_LISTEN")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    common: process::Common,
}

fn help() -> String {
    format!(
        "Examples:
  scheduler                                     serve on 127.0.0.1:5010
  scheduler --listen 0.0.0.0:5010 --log-format json
  scheduler --check-config > scheduler.toml     write all settings down, with their values
  scheduler --config scheduler.toml
  curl http://127.0.0.1:5010/metrics

A configuration file, in part (the values are the defaults):
  listen = \"127.0.0.1:5010\"
  [timings]
  no_node_timeout = \"10s\"    # a job without any live node: NO_AVAILABLE_NODE
  queue_timeout = \"2m\"       # a job behind full nodes: QUEUE_TIMEOUT
  shutdown_grace = \"10s\"     # from the order to stop to the last Close 1012
  [limits]
  queued_jobs = 1000
  attempts = 3

{}",
        process::EXIT_CODES
    )
}

fn main() -> ExitCode {
    let Arguments { config, listen, common } = Arguments::parse();
    let config = process::load(config.as_deref(), |config: &mut Config| {
        config.listen = listen.unwrap_or(config.listen);
    });
    process::start("scheduler", common, config, |config, shutdown| async move {
        halfopen_scheduler::run(config, shutdown).await.map(drop)
    })
}
