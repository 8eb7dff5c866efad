//! The `gateway` binary: flags, logging and signals around [`halfopen_gateway::run`].

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halfopen_gateway::{Config, Exit, Gateway, Registry, RunError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// An OpenAI-compatible gateway. Without any option it echoes on 127.0.0.1:8080.
///
/// Try: curl -N http://127.0.0.1:8080/v1/chat/completions -d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"hello"}]}'
#[derive(Debug, Parser)]
#[command(name = "gateway", disable_version_flag = true)]
struct Arguments {
    /// A TOML file; without it the echo backend is all there is.
    #[arg(long, env = "GATEWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; overrides the file.
    #[arg(long, env = "GATEWAY_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Check the configuration and exit.
    #[arg(long)]
    check: bool,
    /// Print the version, and whether this build can be simulated.
    #[arg(long, short = 'V')]
    version: bool,
}

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
    let config = match load(&arguments) {
        Ok(config) => config,
        Err(problem) => {
            say(&problem);
            return ExitCode::from(EXIT_BAD_INPUT);
        }
    };
    if arguments.check {
        say("the configuration is good");
        return ExitCode::SUCCESS;
    }
    install_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("failed to start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(supervise(config))
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
async fn supervise(config: Config) -> ExitCode {
    // Before binding: whoever sees the port open may already send the signal.
    let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            say(&format!("failed to watch for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let shutdown = CancellationToken::new();
    let mut serving = tokio::spawn(serve(config, shutdown.clone()));
    let reason = tokio::select! {
        ended = &mut serving => return report("clean", ended),
        name = next_signal(&mut interrupt, &mut terminate) => name,
    };
    say(&format!("{reason}: finishing open requests"));
    shutdown.cancel();
    tokio::select! {
        ended = serving => report(reason, ended),
        again = next_signal(&mut interrupt, &mut terminate) => {
            say(&format!("exiting: {again} again, open requests are cut"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, shutdown: CancellationToken) -> Result<Exit, RunError> {
    let registry = Registry::from_config(&config)?;
    let gateway = Gateway::bind(config, registry).await?;
    say(&format!("listening on http://{}", gateway.local_addr()));
    Ok(gateway.serve(shutdown).await)
}

async fn next_signal(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

fn report(reason: &str, ended: Result<Result<Exit, RunError>, tokio::task::JoinError>) -> ExitCode {
    match ended {
        Ok(Ok(Exit::Clean)) => {
            say(&format!("exiting: {reason}, every request was finished"));
            ExitCode::SUCCESS
        }
        Ok(Ok(Exit::Cut { connections })) => {
            say(&format!("exiting: {reason}, {connections} connections were cut at the end of the grace period"));
            ExitCode::SUCCESS
        }
        Ok(Err(error @ RunError::Config(_))) => {
            say(&chain(&error));
            ExitCode::from(EXIT_BAD_INPUT)
        }
        Ok(Err(error @ RunError::Bind { .. })) => {
            say(&chain(&error));
            ExitCode::FAILURE
        }
        Err(_) => {
            say("exiting: panic");
            ExitCode::from(EXIT_PANIC)
        }
    }
}

fn install_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        // Complaining about a closed stderr on that stderr would be a panic.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .init();
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

fn say(line: &str) {
    write_line(io::stderr(), &format!("gateway: {line}"));
}

/// Writes a line. Nobody listening is no reason to stop serving.
fn write_line(mut to: impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}
