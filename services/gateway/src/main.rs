//! The `gateway` binary: flags, logging and signals around [`halfopen_gateway::run`].

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use halfopen_gateway::{Config, Exit, Gateway, Registry, RunError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// An OpenAI-compatible gateway that outlives its clients and its backends.
///
/// Without any option it listens on 127.0.0.1:8080 and its built-in backend `echo` answers with your own words. Flags
/// override the environment, and both override the file.
#[derive(Debug, Parser)]
#[command(name = "gateway", disable_version_flag = true, after_help = SHORT_LESSON, after_long_help = LESSON)]
struct Arguments {
    /// A TOML file: backends, time limits, size limits. Without it the echo backend is all there is.
    #[arg(long, env = "GATEWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; overrides the file. Port 0 lets the system choose.
    #[arg(long, env = "GATEWAY_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,
    /// How stderr is written: lines for people, or JSON objects for machines.
    #[arg(long, env = "GATEWAY_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Check the configuration, keys in the environment included, and exit: 0 when it is good, 2 when not.
    #[arg(long, alias = "check")]
    check_config: bool,
    /// Print a configuration file with every setting, its default and what it is for, and exit.
    #[arg(long)]
    example_config: bool,
    /// Print the version, and whether this build can be simulated.
    #[arg(long, short = 'V')]
    version: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

const SHORT_LESSON: &str = "\
Try:  gateway &
      curl -N http://127.0.0.1:8080/v1/chat/completions \\
           -d '{\"model\":\"echo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'

More: gateway --help";

const LESSON: &str = "\
Try it with nothing else:
  gateway &
  curl -N http://127.0.0.1:8080/v1/chat/completions \\
       -d '{\"model\":\"echo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'

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
  GET  /ready                 200 while some backend could answer, and the state of each

Environment:
  GATEWAY_CONFIG, GATEWAY_LISTEN, GATEWAY_LOG_FORMAT   as the flags
  RUST_LOG                    what is logged, such as `debug` or `halfopen_gateway=debug` (default: info)
  NO_COLOR                    no colours on a terminal
  and the variables that `api_key_env` names, for the backends' keys

Signals:
  SIGTERM, SIGINT (Ctrl-C)    stop accepting, end streams with an error event, finish the rest within the grace period
  either of them again        exit at once

Exit codes:
  0    told to stop, and stopped; the last line on stderr says whether requests were cut
  1    could not listen or start, or was told twice
  2    bad flags or a bad configuration; nothing was started
  101  a panic; one in a request is that request's 500 and does not end the process";

/// Bad flags or a bad configuration: nothing was started.
const EXIT_BAD_INPUT: u8 = 2;
/// A panic, as the language's own runtime reports it.
const EXIT_PANIC: u8 = 101;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.version {
        write_line(io::stdout(), &halfopen_net::version_line("gateway", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    if arguments.example_config {
        write_line(io::stdout(), include_str!("../gateway.example.toml").trim_end());
        return ExitCode::SUCCESS;
    }
    let voice = install_logging(arguments.log_format);
    let config = match load(&arguments) {
        Ok(config) => config,
        Err(problem) => {
            voice.complain(&problem);
            return ExitCode::from(EXIT_BAD_INPUT);
        }
    };
    if arguments.check_config {
        voice.say("the configuration is good");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            voice.complain(&format!("failed to start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(supervise(config, voice));
    // A name lookup that hangs must not hold up the end.
    runtime.shutdown_background();
    code
}

fn load(arguments: &Arguments) -> Result<Config, String> {
    let mut config = match &arguments.config {
        None => Config::default(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("failed to read {}: {error}", path.display()))?;
            Config::from_toml(&text).map_err(|error| format!("{}: {}", path.display(), chain(&error)))?
        }
    };
    if let Some(listen) = &arguments.listen {
        config.listen.clone_from(listen);
    }
    config.validate().map_err(|error| chain(&error))?;
    Ok(config)
}

/// Runs the gateway and says why it ended.
async fn supervise(config: Config, voice: Voice) -> ExitCode {
    // Before binding: whoever sees the port open may already send the signal.
    let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            voice.complain(&format!("failed to watch for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let shutdown = CancellationToken::new();
    let mut serving = tokio::spawn(serve(config, voice, shutdown.clone()));
    let reason = tokio::select! {
        ended = &mut serving => return report("clean", ended, voice),
        name = next_signal(&mut interrupt, &mut terminate) => name,
    };
    voice.say(&format!("{reason}: finishing open requests"));
    shutdown.cancel();
    tokio::select! {
        ended = serving => report(reason, ended, voice),
        again = next_signal(&mut interrupt, &mut terminate) => {
            voice.say(&format!("exiting: {again} again, open requests are cut"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, voice: Voice, shutdown: CancellationToken) -> Result<Exit, RunError> {
    let registry = Registry::from_config(&config)?;
    let models: Vec<&str> = config.backends.iter().flat_map(|backend| backend.models()).map(String::as_str).collect();
    let models = models.join(", ");
    let gateway = Gateway::bind(config, registry).await?;
    voice.say(&format!("serving the models {models}"));
    voice.say(&format!("listening on http://{}", gateway.local_addr()));
    Ok(gateway.serve(shutdown).await)
}

async fn next_signal(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

fn report(reason: &str, ended: Result<Result<Exit, RunError>, tokio::task::JoinError>, voice: Voice) -> ExitCode {
    match ended {
        Ok(Ok(Exit::Clean)) => {
            voice.say(&format!("exiting: {reason}, every request was finished"));
            ExitCode::SUCCESS
        }
        Ok(Ok(Exit::Cut { connections })) => {
            voice.say(&format!("exiting: {reason}, {connections} connections were cut at the end of the grace period"));
            ExitCode::SUCCESS
        }
        Ok(Err(error @ RunError::Config(_))) => {
            voice.complain(&chain(&error));
            ExitCode::from(EXIT_BAD_INPUT)
        }
        Ok(Err(error @ RunError::Bind { .. })) => {
            voice.complain(&chain(&error));
            ExitCode::FAILURE
        }
        Err(_) => {
            voice.complain("exiting: panic");
            ExitCode::from(EXIT_PANIC)
        }
    }
}

fn install_logging(format: LogFormat) -> Voice {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Why the process ends is told, whatever else is not.
    let filter = match "gateway=info".parse() {
        Ok(own) => filter.add_directive(own),
        Err(_) => filter,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Complaining about a closed stderr on that stderr would be a panic.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            builder.with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).init();
            Voice::Text
        }
        LogFormat::Json => {
            builder.json().init();
            Voice::Log
        }
    }
}

/// An error with its causes, in one line where the causes allow it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(source.to_string().trim_end());
        next = source.source();
    }
    text
}

/// How the process speaks of itself: in a log that machines read, as one of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Text,
    Log,
}

impl Voice {
    fn say(self, line: &str) {
        match self {
            Self::Text => write_line(io::stderr(), &format!("gateway: {line}")),
            Self::Log => tracing::info!(target: "gateway", "{line}"),
        }
    }

    fn complain(self, line: &str) {
        match self {
            Self::Text => self.say(line),
            Self::Log => tracing::error!(target: "gateway", "{line}"),
        }
    }
}

/// Writes a line. Nobody listening is no reason to stop serving.
fn write_line(mut to: impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}
