//! The `scheduler` binary: its flags around [`halfopen_scheduler::run`].

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;

use clap::Args;
use halfopen_process::{About, BAD_INPUT, FAILED, Failure, Kind, Process, Refusal, Service, chain};
use halfopen_scheduler::{Config, Exit, RunError, Server};
use halfopen_tls::Acceptor;

#[derive(Debug, Args)]
struct Arguments {
    /// Where to listen; port 0 lets the system choose, and the log says what it chose [default: 127.0.0.1:5010].
    #[arg(long, value_name = "HOST:PORT", env = "HALFOPEN_SCHEDULER_LISTEN", value_parser = listen)]
    listen: Option<SocketAddr>,
    /// Serve nodes without keys on an address that others can reach.
    #[arg(long, env = "HALFOPEN_SCHEDULER_OPEN")]
    open: bool,
}

const LESSON: &str = "\
Examples:
  scheduler --listen 0.0.0.0:5010 --open --log-format json
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
  attempts = 3";

fn main() -> ExitCode {
    halfopen_process::main::<Arguments>()
}

impl Service for Arguments {
    type Config = Config;

    const ABOUT: About = About {
        name: "scheduler",
        version: env!("CARGO_PKG_VERSION"),
        summary: "\
Sessions, jobs and nodes: takes jobs from clients, has nodes do them, and says \"delivered\" only when they were.",
        description: "\
On one port: WebSockets at /ws/session (clients) and /ws/node (workers), GET /health, GET /metrics (Prometheus). Without \
any option it listens on 127.0.0.1:5010, and every timing is the documented one.",
        kind: Kind::Server,
        example_config: include_str!("../../scheduler.example.toml"),
        config_variable: "HALFOPEN_SCHEDULER_CONFIG",
        former_variables: &[],
        log_target: "halfopen_scheduler",
        try_it: "Try:  scheduler & node &\n      halfopen-client",
        lesson: LESSON,
        variables: &[],
        when_stopped: "finish within the grace period, close every session with 1012, exit",
        stopping: "stopping",
        cut: "open jobs are left undone",
        exit_codes: &[
            (0, "it was told to stop, and did"),
            (FAILED, "it could not run (the address is taken, ...), or a second signal cut it short"),
        ],
    };

    fn overrule(&self, config: &mut Config) {
        config.listen = self.listen.unwrap_or(config.listen);
        config.access.open |= self.open;
    }

    fn check(config: &Config) -> Result<(), Refusal> {
        // Errors of this crate complete "failed to".
        config
            .validate()
            .and_then(|()| config.guarded())
            .map_err(|error| Refusal::new(format!("failed to {}", chain(&error)), error.settings()))?;
        let unread = |error: &RunError, setting| Refusal::new(format!("failed to {}", chain(error)), [setting]);
        let keys =
            [("access.node_keys", &config.access.node_keys), ("access.session_keys", &config.access.session_keys)];
        for (setting, keys) in keys {
            keys.read().map_err(|error| unread(&error.into(), setting))?;
        }
        let identity = Acceptor::new(config.tls.as_ref()).map(drop);
        identity.map_err(|error| {
            let setting = if error.setting() == "key" { "tls.key" } else { "tls.certificate" };
            unread(&error.into(), setting)
        })
    }

    async fn run(self, config: Config, process: Process) -> Result<Option<String>, Failure> {
        let limits = config.limits.clone();
        let limits = process.descriptors.map_or(limits.clone(), |descriptors| limits.within(descriptors));
        let serving = async {
            let server = Server::bind(Config { limits, ..config }).await?;
            let reloadable = server.reloadable();
            tokio::select! {
                exit = server.serve(process.shutdown) => exit,
                never = process.hangups.at_each(|| reloadable.reload()) => match never {},
            }
        };
        match serving.await {
            Ok(Exit::Drained) => Ok(None),
            Ok(Exit::LeftUndone) => Ok(Some("jobs or their outcomes were left undone".to_owned())),
            Err(error) => Err(Failure::new(exit_code(&error), format!("failed to {}", chain(&error)))),
        }
    }
}

/// An address, or a name that stands for one, such as `localhost`.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("it must be host:port: {error}"))?;
    addresses.next().ok_or_else(|| "the name stands for no address".to_owned())
}

fn exit_code(error: &RunError) -> u8 {
    match error {
        RunError::Config(_) | RunError::Keys(_) | RunError::Identity(_) => BAD_INPUT,
        RunError::Bind { .. } | RunError::Seed(_) | RunError::Core => FAILED,
    }
}
