//! The program: parses its arguments, installs logging, and calls [`halfopen_client::run`].

use std::future::pending;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::Parser;
use halfopen_client::run::RunError;
use halfopen_client::{Config, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Translates sentences from standard input, one a line, through a scheduler.
#[derive(Debug, Parser)]
#[command(name = "halfopen-client", disable_version_flag = true)]
struct Arguments {
    /// Configuration file (TOML); without it, the defaults.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// The scheduler's session endpoint; overrides the file.
    #[arg(long)]
    url: Option<String>,
    /// Language of the sentences; overrides the file.
    #[arg(long)]
    from: Option<String>,
    /// Language of the translations; overrides the file.
    #[arg(long)]
    to: Option<String>,
    /// Print the version and whether this build can be simulated.
    #[arg(long, short = 'V')]
    version: bool,
}

const FAILED: u8 = 1;
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.version {
        say(&halfopen_net::version_line("halfopen-client", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let config = match configuration(&arguments) {
        Ok(config) => config,
        Err(problem) => {
            complain(&problem);
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("failed to start the runtime: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let ended = runtime.block_on(run_until_signal(config));
    // A read of standard input cannot be interrupted, and must not be waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(RunError::Config(error)) => {
            complain(&error.to_string());
            ExitCode::from(BAD_CONFIGURATION)
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(FAILED)
        }
    }
}

async fn run_until_signal(config: Config) -> Result<(), RunError> {
    let shutdown = CancellationToken::new();
    let mut running = pin!(run(config, shutdown.clone()));
    tokio::select! {
        ended = &mut running => ended,
        () = stop_signal() => {
            shutdown.cancel();
            running.await
        }
    }
}

/// Ctrl-C or a request to terminate.
async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn configuration(arguments: &Arguments) -> Result<Config, String> {
    let mut config = match &arguments.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Config::default(),
    };
    for (given, setting) in [
        (&arguments.url, &mut config.url),
        (&arguments.from, &mut config.src_lang),
        (&arguments.to, &mut config.tgt_lang),
    ] {
        if let Some(value) = given {
            setting.clone_from(value);
        }
    }
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}

#[expect(clippy::print_stdout, reason = "the version is what the program was asked for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a program that fails says why")]
fn complain(problem: &str) {
    eprintln!("halfopen-client: {}", problem.trim_end());
}
