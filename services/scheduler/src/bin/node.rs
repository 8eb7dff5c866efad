//! The `node` binary: its flags around [`halfopen_scheduler::node::run`].

use std::process::ExitCode;

use clap::Args;
use halfopen_process::{About, BAD_INPUT, FAILED, Failure, Kind, Process, Refusal, Service, chain};
use halfopen_scheduler::node::{self, GatewayConfig, NodeConfig, WorkerConfig};

#[derive(Debug, Args)]
struct Arguments {
    /// The scheduler [default: 127.0.0.1:5010].
    #[arg(long, value_name = "HOST:PORT", env = "HALFOPEN_NODE_SCHEDULER", value_parser = address)]
    scheduler: Option<String>,
    /// Jobs worked on at a time [default: 1].
    #[arg(long, value_name = "JOBS", env = "HALFOPEN_NODE_CAPACITY", value_parser = clap::value_parser!(u32).range(1..))]
    capacity: Option<u32>,
    /// Ask this gateway, OpenAI-compatible and plain HTTP, instead of echoing.
    #[arg(long, value_name = "URL", env = "HALFOPEN_NODE_GATEWAY", value_parser = base_url)]
    gateway: Option<String>,
    /// The environment variable that holds the key which the scheduler asks nodes for.
    #[arg(long, value_name = "VARIABLE", env = "HALFOPEN_NODE_KEY_ENV")]
    key_env: Option<String>,
    /// The model to ask the gateway for [default: echo].
    #[arg(long, env = "HALFOPEN_NODE_MODEL")]
    model: Option<String>,
}

const LESSON: &str = "\
Examples:
  node --scheduler scheduler.example:5010 --capacity 4
  node --gateway http://127.0.0.1:8080 --model llama
  node --config node.toml --log-format json

A configuration file, in part (the values are the defaults):
  scheduler = \"127.0.0.1:5010\"
  capacity = 1
  retry_interval = \"5s\"      # between attempts to reach a scheduler that refuses
  shutdown_grace = \"10s\"     # the work at hand may finish, and be acknowledged
  [worker]
  kind = \"echo\"              # or \"gateway\", with base_url and model
  work_time = \"50ms\"";

fn main() -> ExitCode {
    halfopen_process::main::<Arguments>()
}

impl Service for Arguments {
    type Config = NodeConfig;

    const ABOUT: About = About {
        name: "node",
        version: env!("CARGO_PKG_VERSION"),
        summary: "A worker: takes jobs from a scheduler, and echoes them or asks a gateway.",
        description: "\
It needs nothing but a scheduler: without --gateway it echoes. It keeps every result until the scheduler has \
acknowledged it, and tries every 5 s to reach a scheduler that is away.",
        kind: Kind::Server,
        example_config: include_str!("../../node.example.toml"),
        config_variable: "HALFOPEN_NODE_CONFIG",
        former_variables: &[],
        log_target: "halfopen_scheduler",
        try_it: "Try:  scheduler & node &\n      halfopen-client",
        lesson: LESSON,
        variables: &[],
        when_stopped: "finish the work at hand within the grace period, close the connection, exit",
        stopping: "stopping",
        cut: "the work at hand is left undone",
        exit_codes: &[
            (0, "it was told to stop, and did"),
            (FAILED, "it could not run, or a second signal cut it short"),
        ],
    };

    fn overrule(&self, config: &mut NodeConfig) {
        if let Some(scheduler) = &self.scheduler {
            config.scheduler.clone_from(scheduler);
        }
        config.key_env = self.key_env.clone().or(config.key_env.take());
        config.capacity = self.capacity.unwrap_or(config.capacity);
        // The file's timings for a gateway hold for the flag's gateway as well.
        match (&mut config.worker, &self.gateway) {
            (WorkerConfig::Gateway(known), Some(base_url)) => known.base_url.clone_from(base_url),
            (WorkerConfig::Echo { .. }, Some(base_url)) => {
                config.worker = WorkerConfig::Gateway(GatewayConfig::new(base_url));
            }
            (WorkerConfig::Gateway(_) | WorkerConfig::Echo { .. }, None) => {}
        }
        if let (WorkerConfig::Gateway(known), Some(model)) = (&mut config.worker, &self.model) {
            known.model.clone_from(model);
        }
    }

    fn check(config: &NodeConfig) -> Result<(), Refusal> {
        // Errors of this crate complete "failed to".
        config.validate().map_err(|error| Refusal::new(format!("failed to {}", chain(&error)), error.settings()))
    }

    async fn run(self, config: NodeConfig, process: Process) -> Result<Option<String>, Failure> {
        match node::run(config, process.shutdown).await {
            Ok(()) => Ok(None),
            // An unreachable scheduler is tried again; only the configuration can be wrong.
            Err(error) => Err(Failure::new(BAD_INPUT, format!("failed to {}", chain(&error)))),
        }
    }
}

fn address(text: &str) -> Result<String, String> {
    let config = NodeConfig { scheduler: text.to_owned(), ..NodeConfig::default() };
    config
        .validate()
        .map(|()| config.scheduler)
        .map_err(|_| "it must be host:port, ws://host:port or wss://host:port, such as 127.0.0.1:5010".to_owned())
}

fn base_url(text: &str) -> Result<String, String> {
    let worker = WorkerConfig::Gateway(GatewayConfig::new(text));
    let config = NodeConfig { worker, ..NodeConfig::default() };
    config
        .validate()
        .map(|()| text.to_owned())
        .map_err(|_| "it must be http://host:port or https://host:port".to_owned())
}
