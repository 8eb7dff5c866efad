//! The node's command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halfopen_scheduler::node::{self, GatewayConfig, NodeConfig, WorkerConfig};
use halfopen_scheduler::process;

/// A worker: takes jobs from a scheduler, and echoes them or asks a gateway.
#[derive(Debug, Parser)]
#[command(name = "node", version = process::VERSION)]
struct Arguments {
    /// A TOML file with settings; every setting has a default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The scheduler [default: 127.0.0.1:5010].
    #[arg(long, value_name = "HOST:PORT", env = "HALFOPEN_NODE_SCHEDULER")]
    scheduler: Option<String>,
    /// Jobs worked on at a time [default: 1].
    #[arg(long)]
    capacity: Option<u32>,
    /// Ask this gateway instead of echoing.
    #[arg(long, value_name = "URL", env = "HALFOPEN_NODE_GATEWAY")]
    gateway: Option<String>,
    /// The model to ask the gateway for [default: echo].
    #[arg(long, requires = "gateway")]
    model: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::start("node", || configure(arguments), node::run)
}

fn configure(arguments: Arguments) -> Result<NodeConfig, process::BadConfig> {
    let mut config = match &arguments.config {
        Some(path) => process::read(path, NodeConfig::from_toml)?,
        None => NodeConfig::default(),
    };
    if let Some(scheduler) = arguments.scheduler {
        config.scheduler = scheduler;
    }
    if let Some(capacity) = arguments.capacity {
        config.capacity = capacity;
    }
    if let Some(base_url) = arguments.gateway {
        let mut gateway = GatewayConfig::new(base_url);
        gateway.model = arguments.model.unwrap_or(gateway.model);
        config.worker = WorkerConfig::Gateway(gateway);
    }
    config.validate().map_err(process::BadConfig::new)?;
    Ok(config)
}
