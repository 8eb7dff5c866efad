//! The `gateway` binary: its flags around [`halfopen_gateway::run`].

use std::process::ExitCode;

use clap::Args;
use halfopen_gateway::{Config, Exit, Gateway, Registry, RunError};
use halfopen_process::{About, BAD_INPUT, FAILED, Failure, Kind, Process, Refusal, Service, chain};

#[derive(Debug, Args)]
struct Arguments {
    /// Where to listen; port 0 lets the system choose [default: 127.0.0.1:8080].
    #[arg(long, value_name = "HOST:PORT", env = "HALFOPEN_GATEWAY_LISTEN")]
    listen: Option<String>,
    /// Serve without keys on an address that others can reach.
    #[arg(long, env = "HALFOPEN_GATEWAY_OPEN")]
    open: bool,
}

const TRY_IT: &str = "\
Try:  gateway &
      curl -N http://127.0.0.1:8080/v1/chat/completions \\
           -H 'content-type: application/json' \\
           -d '{\"model\":\"echo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'";

const LESSON: &str = "\
Put it before a model server, in a file of your own:
  gateway --example-config > gateway.toml      # change it, then
  gateway --config gateway.toml --check-config
  LOCAL_API_KEY=... gateway --config gateway.toml

Use it with an SDK:
  OpenAI(base_url=\"http://127.0.0.1:8080/v1\", api_key=\"unused\")

What it serves:
  POST /v1/chat/completions   streaming and not
  GET  /v1/models             the models of all backends
  GET  /health                200 while this process serves
  GET  /ready                 200 while some backend could answer, and the state of each";

fn main() -> ExitCode {
    halfopen_process::main::<Arguments>()
}

impl Service for Arguments {
    type Config = Config;

    const ABOUT: About = About {
        name: "gateway",
        version: env!("CARGO_PKG_VERSION"),
        summary: "An OpenAI-compatible gateway that outlives its clients and its backends.",
        description: "\
Without any option it listens on 127.0.0.1:8080 and its built-in backend `echo` answers with your own words. Backends, \
time limits and size limits are the configuration file's.",
        kind: Kind::Server,
        example_config: include_str!("../gateway.example.toml"),
        config_variable: "HALFOPEN_GATEWAY_CONFIG",
        former_variables: &[
            ("config", "GATEWAY_CONFIG"),
            ("listen", "GATEWAY_LISTEN"),
            ("log_format", "GATEWAY_LOG_FORMAT"),
        ],
        log_target: "halfopen_gateway",
        try_it: TRY_IT,
        lesson: LESSON,
        variables: &[("what `api_key_env` names", "the keys of the backends")],
        when_stopped: "stop accepting, end streams with an error event, finish the rest within the grace period, exit",
        stopping: "finishing open requests",
        cut: "open requests are cut",
        exit_codes: &[
            (0, "told to stop, and stopped; the last line on stderr says whether requests were cut"),
            (FAILED, "could not listen or start, or was told twice"),
            (101, "a panic: a bug of ours; one in a request is that request's 500 and does not end the process"),
        ],
    };

    fn overrule(&self, config: &mut Config) {
        if let Some(listen) = &self.listen {
            config.listen.clone_from(listen);
        }
        config.access.open |= self.open;
    }

    fn check(config: &Config) -> Result<(), Refusal> {
        config
            .validate()
            .and_then(|()| config.guarded())
            .map_err(|error| Refusal::new(failed_to(&error), error.settings(config)))?;
        let keys = config.access.client_keys.read().map_err(RunError::Keys);
        keys.map(drop).map_err(|error| Refusal::new(failed_to(&error), ["access.client_keys"]))
    }

    async fn run(self, config: Config, process: Process) -> Result<Option<String>, Failure> {
        let ended = serve(config, process).await.map_err(|error| Failure::new(exit_code(&error), failed_to(&error)))?;
        Ok(Some(match ended {
            Exit::Clean => "every request was finished".to_owned(),
            Exit::Cut { connections } => format!("{connections} connections were cut at the end of the grace period"),
        }))
    }
}

/// As [`halfopen_gateway::run`], and prints the models and the address.
async fn serve(
    mut config: Config,
    Process { shutdown, hangups, voice, descriptors }: Process,
) -> Result<Exit, RunError> {
    config.limits = descriptors.map_or(config.limits.clone(), |descriptors| config.limits.within(descriptors));
    let registry = Registry::from_config(&config)?;
    let models: Vec<&str> = config.backends.iter().flat_map(|backend| backend.models()).map(String::as_str).collect();
    let models = models.join(", ");
    let is_tls = config.tls.is_some();
    let gateway = Gateway::bind(config, registry).await?;
    voice.say(&format!("serving the models {models}"));
    let scheme = if is_tls { "https" } else { "http" };
    voice.say(&format!("listening on {scheme}://{}", gateway.local_addr()));
    let reloadable = gateway.reloadable();
    tokio::select! {
        exit = gateway.serve(shutdown) => Ok(exit),
        never = hangups.at_each(|| reloadable.reload()) => match never {},
    }
}

/// Errors of this crate complete "failed to".
fn failed_to(error: &dyn std::error::Error) -> String {
    format!("failed to {}", chain(error))
}

fn exit_code(error: &RunError) -> u8 {
    match error {
        RunError::Config(_) | RunError::Keys(_) => BAD_INPUT,
        RunError::Bind { .. } => FAILED,
    }
}
