//! The node's command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halfopen_scheduler::node::{self, GatewayConfig, NodeConfig, WorkerConfig};
use halfopen_scheduler::process;

/// A worker: takes jobs from a scheduler, and echoes them or asks a gateway.
///
/// It needs nothing but a scheduler: without --gateway it echoes. It keeps every result until the scheduler has
/// acknowledged it, and tries every 5 s to reach a scheduler that is away.
#[derive(Debug, Parser)]
#[command(name = "node", version = process::VERSION, after_help = help())]
struct Arguments {
    /// A TOML file; every setting has a default, and flags overrule it. See --check-config.
    #[arg(long, value_name = "FILE", env = "HALFOPEN_NODE_CONFIG")]
    config: Option<PathBuf>,
    /// The scheduler [default: 127.0.0.1:5010].
    #[arg(long, value_name = "HOST:PORT", env = "HALFOPEN_NODE_SCHEDULER", value_parser = address)]
    scheduler: Option<String>,
    /// Jobs worked on at a time [default: 1].
    #[arg(long, value_name = "JOBS", env = "HALFOPEN_NODE_CAPACITY", value_parser = clap::value_parser!(u32).range(1..))]
    capacity: Option<u32>,
    /// Ask this gateway, OpenAI-compatible and plain HTTP, instead of echoing.
    #[arg(long, value_name = "URL", env = "HALFOPEN_NODE_GATEWAY", value_parser = base_url)]
    gateway: Option<String>,
    /// The model to ask the gateway for [default: echo].
    #[arg(long, env = "HALFOPEN_NODE_MODEL")]
    model: Option<String>,
    #[command(flatten)]
    common: process::Common,
}

fn help() -> String {
    format!(
        "Examples:
  node                                          echo for the scheduler on 127.0.0.1:5010
  node --scheduler scheduler.example:5010 --capacity 4
  node --gateway http://127.0.0.1:8080 --model llama
  node --check-config > node.toml               write all settings down, with their values
  node --config node.toml --log-format json

A configuration file, in part (the values are the defaults):
  scheduler = \"127.0.0.1:5010\"
  capacity = 1
  retry_interval = \"5s\"      # between attempts to reach a scheduler that refuses
  shutdown_grace = \"10s\"     # what is at work may finish, and be acknowledged
  [worker]
  kind = \"echo\"              # or \"gateway\", with base_url and model
  work_time = \"50ms\"

{}",
        process::EXIT_CODES
    )
}

fn main() -> ExitCode {
    let Arguments { config, scheduler, capacity, gateway, model, common } = Arguments::parse();
    let config = process::load(config.as_deref(), |config: &mut NodeConfig| {
        config.scheduler = scheduler.unwrap_or_else(|| std::mem::take(&mut config.scheduler));
        config.capacity = capacity.unwrap_or(config.capacity);
        // The file's timings for a gateway hold for the flag's gateway as well.
        match (&mut config.worker, gateway) {
            (WorkerConfig::Gateway(known), Some(base_url)) => known.base_url = base_url,
            (WorkerConfig::Echo { .. }, Some(base_url)) => {
                config.worker = WorkerConfig::Gateway(GatewayConfig::new(base_url));
            }
            (WorkerConfig::Gateway(_) | WorkerConfig::Echo { .. }, None) => {}
        }
        if let (WorkerConfig::Gateway(known), Some(model)) = (&mut config.worker, model) {
            known.model = model;
        }
    });
    process::start("node", common, config, node::run)
}

fn address(text: &str) -> Result<String, String> {
    let config = NodeConfig { scheduler: text.to_owned(), ..NodeConfig::default() };
    config.validate().map(|()| config.scheduler).map_err(|_| "it must be host:port, such as 127.0.0.1:5010".to_owned())
}

fn base_url(text: &str) -> Result<String, String> {
    let worker = WorkerConfig::Gateway(GatewayConfig::new(text));
    let config = NodeConfig { worker, ..NodeConfig::default() };
    config.validate().map(|()| text.to_owned()).map_err(|_| "it must be http://host:port".to_owned())
}
