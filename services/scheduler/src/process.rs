//! What both binaries are as processes: version, configuration file, log, signals and exit codes.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// What `--version` says after the name: the version, and whether this build can be simulated.
pub const VERSION: &str = if halfopen_net::SIM {
    concat!(env!("CARGO_PKG_VERSION"), " (sim: on)")
} else {
    concat!(env!("CARGO_PKG_VERSION"), " (sim: off)")
};

/// A configuration that is refused, in a sentence.
#[derive(Debug)]
pub struct BadConfig(String);

impl BadConfig {
    /// Takes an error that completes "failed to ...", with its causes.
    #[must_use]
    pub fn new(error: impl Error) -> Self {
        Self(sentence(&error))
    }
}

impl fmt::Display for BadConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads a configuration file.
///
/// # Errors
/// When it cannot be read, or `parse` refuses it; the sentence names the file.
pub fn read<C, E: Error>(path: &Path, parse: impl FnOnce(&str) -> Result<C, E>) -> Result<C, BadConfig> {
    let named = |why: String| BadConfig(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    parse(&text).map_err(|error| named(sentence(&error)))
}

/// Runs a service to its end: exit code 0 when it was told to stop and did, 1 when it failed, 2 when it refused its
/// configuration. Logs go to stderr, as `RUST_LOG` says, or from info up.
pub fn start<C, F, E>(
    name: &str,
    configure: impl FnOnce() -> Result<C, BadConfig>,
    run: impl FnOnce(C, CancellationToken) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Error,
{
    let config = match configure() {
        Ok(config) => config,
        Err(error) => {
            complain(name, &error.to_string());
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(name, &format!("failed to start a runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let service = run(config, shutdown.clone());
        tokio::pin!(service);
        tokio::select! {
            ended = &mut service => return ended,
            signal = stop_signal() => tracing::info!(signal, "stopping"),
        }
        shutdown.cancel();
        service.await
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(name, &sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// The first signal that asks the process to stop.
async fn stop_signal() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = tokio::signal::ctrl_c() => "SIGINT",
            };
        }
    }
    let _heard = tokio::signal::ctrl_c().await;
    "SIGINT"
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
fn complain(name: &str, sentence: &str) {
    let _closed = writeln!(std::io::stderr(), "{name}: {sentence}");
}
