//! What both binaries are as processes: version, configuration, log, signals and exit codes.
//!
//! - [`start`] (here): a service from its flags to its exit code.
//! - `configuration`: defaults, file, flags; and how a mistake is told.

mod configuration;

use std::error::Error;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub use configuration::{BadConfig, Configuration, load, to_toml};

/// What `--version` says after the name: the version, and whether this build can be simulated.
pub const VERSION: &str = if halfopen_net::SIM {
    concat!(env!("CARGO_PKG_VERSION"), " (sim: on)")
} else {
    concat!(env!("CARGO_PKG_VERSION"), " (sim: off)")
};

/// What `--help` says of the end.
pub const EXIT_CODES: &str = "\
Signals:
  SIGTERM, SIGINT (Ctrl-C)  finish within the grace period, say goodbye, exit; the second one exits at once

Exit codes:
  0    it was told to stop, and did; or --check-config found nothing wrong
  1    it could not run (the address is taken, ...), or a second signal cut it short
  2    bad flags or a bad configuration: nothing was started
  101  a panic: a bug of ours";

const FAILED: u8 = 1;
const BAD_INPUT: u8 = 2;

/// Flags that every service has.
#[derive(Clone, Copy, Debug, Args)]
pub struct Common {
    /// Print the effective configuration as a configuration file, or what is wrong with it, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// How log lines on stderr are written. Which are written is up to RUST_LOG [default: info].
    #[arg(long, value_name = "FORMAT", env = "HALFOPEN_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Runs a service to its end, or checks its configuration; the exit codes are those of [`EXIT_CODES`].
pub fn start<C, F, E>(
    name: &str,
    common: Common,
    config: Result<C, BadConfig>,
    run: impl FnOnce(C, CancellationToken) -> F,
) -> ExitCode
where
    C: Configuration,
    F: Future<Output = Result<(), E>>,
    E: Error,
{
    let config = match config {
        Ok(config) => config,
        Err(error) => return complain(name, &error.to_string(), BAD_INPUT),
    };
    if common.check_config {
        return match to_toml(&config) {
            Ok(text) => {
                // Whoever asked may have gone.
                let _closed = io::stdout().write_all(text.as_bytes());
                ExitCode::SUCCESS
            }
            Err(error) => complain(name, &error.to_string(), FAILED),
        };
    }
    if let Err(error) = install_log(common.log_format) {
        return complain(name, &error, BAD_INPUT);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(name, &format!("failed to start a runtime: {error}"), FAILED),
    };
    let ended = runtime.block_on(async {
        // Before the service binds: whoever sees the port open may already send a signal.
        let mut signals = Signals::watch().map_err(|error| format!("failed to watch for signals: {error}"))?;
        let shutdown = CancellationToken::new();
        let service = run(config, shutdown.clone());
        tokio::pin!(service);
        let signal = tokio::select! {
            ended = &mut service => return ended.map_err(|error| sentence(&error)),
            signal = signals.next() => signal,
        };
        tracing::info!(signal, "stopping");
        shutdown.cancel();
        tokio::select! {
            ended = service => {
                tracing::info!(signal, "exiting");
                ended.map_err(|error| sentence(&error))
            }
            again = signals.next() => Err(format!("failed to stop in an orderly way: {again} came again")),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => complain(name, &why, FAILED),
    }
}

fn install_log(format: LogFormat) -> Result<(), String> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(&directives).map_err(|error| {
            format!("failed to understand RUST_LOG={directives:?}: {error}; right would be \"info\" or \"halfopen_scheduler=debug\"")
        })?,
        Ok(_) | Err(_) => EnvFilter::new("info"),
    };
    // Complaining of a closed stderr on that stderr would be a panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    match format {
        LogFormat::Text => {
            log.with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).init();
        }
        LogFormat::Json => log.json().with_ansi(false).init(),
    }
    Ok(())
}

/// The signals that ask a process to stop.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn watch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// The signals that ask a process to stop.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

/// An error and its causes in one sentence.
fn sentence(error: &dyn Error) -> String {
    let mut sentence = format!("failed to {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(&format!(": {error}"));
        cause = error.source();
    }
    sentence
}

/// A closed stderr must not end the process.
fn complain(name: &str, sentence: &str, exit_code: u8) -> ExitCode {
    let _closed = writeln!(io::stderr(), "{name}: {sentence}");
    ExitCode::from(exit_code)
}
