//! What every binary is as a process: flags, configuration, log, signals, exit codes and last words.
//!
//! A binary implements [`Service`] for its own flags, and its `main` is [`main`]. This crate knows no service.
//!
//! | module | what it is |
//! |---|---|
//! | [`Service`], [`main`] (here) | a process from its flags to its exit code |
//! | [`about`] | what a binary says of itself, and `--help` made of it |
//! | `flags` | the flags that all of them have |
//! | `configuration` | defaults, then file, then variables and flags; and how a mistake is told |
//! | [`log`] | which lines are logged, as text or JSON, and how a process speaks of itself |
//! | `lines` | the queue of lines to standard error; who logs does not wait for who reads |
//! | `signals` | the first signal asks the service to stop, the second one does not wait for it |
//!
//! # Exit codes
//!
//! | code | when |
//! |---|---|
//! | 0 | the service ended well, whether or not it was told to; or what was asked for was printed |
//! | 1 ([`FAILED`]) | it could not run, or a second signal cut it short |
//! | 2 ([`BAD_INPUT`]) | bad flags, a bad log filter or a bad configuration: nothing was started |
//! | 101 ([`PANICKED`]) | a panic |
//!
//! A service may have further ones, see [`Failure`].

pub mod about;
mod configuration;
mod flags;
mod lines;
pub mod log;
mod signals;

use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

pub use about::{About, Kind};
pub use configuration::Refusal;
pub use log::Voice;
pub use signals::Hangups;

use flags::Common;
use log::Log;
use signals::{Ended, Signals};

/// Exit code: it could not run, or a second signal cut it short.
pub const FAILED: u8 = 1;
/// Exit code: bad flags, a bad log filter or a bad configuration. Nothing was started.
pub const BAD_INPUT: u8 = 2;
/// Exit code: a panic. It is the one that Rust's own runtime has for it.
pub const PANICKED: u8 = 101;

/// A binary's own flags, and the service behind them.
pub trait Service: Args {
    /// What a configuration file holds.
    type Config: Default + Serialize + DeserializeOwned;

    /// What the binary says of itself.
    const ABOUT: About;

    /// Puts what flags and variables say in the place of what the file says.
    fn overrule(&self, config: &mut Self::Config);

    /// Checks the outcome of file, variables and flags.
    ///
    /// # Errors
    /// The first setting that is wrong.
    fn check(config: &Self::Config) -> Result<(), Refusal>;

    /// Runs until the service ends, which it has to do once [`Process::shutdown`] is cancelled. What it returns says how
    /// it ended, for the last line of a server ("every request was finished"); `None` where there is nothing to say.
    ///
    /// # Errors
    /// What is complained of, and the exit code.
    fn run(self, config: Self::Config, process: Process) -> impl Future<Output = Result<Option<String>, Failure>>;
}

/// What a running service has of its process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Cancelled by the first signal.
    pub shutdown: CancellationToken,
    /// Asked to read its files again.
    pub hangups: Hangups,
    /// For what the process says of itself.
    pub voice: Voice,
    /// How many descriptors it may have open at a time, where the system says so.
    pub descriptors: Option<usize>,
}

/// Why a service ended other than well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    exit_code: u8,
    why: String,
}

impl Failure {
    /// An exit code that [`About::exit_codes`] has, or [`FAILED`] or [`BAD_INPUT`], and the sentence that is complained
    /// of.
    pub fn new(exit_code: u8, why: impl Into<String>) -> Self {
        Self { exit_code, why: why.into() }
    }
}

/// An error and its causes in one sentence.
///
/// ```
/// let error = std::io::Error::other("the disk is full");
/// assert_eq!(halfopen_process::chain(&error), "the disk is full");
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(error.to_string().trim_end());
        cause = error.source();
    }
    sentence
}

/// A process from its flags to its exit code. It reads the command line and the environment, installs the log, and does
/// not return on `--help`, `--version` and flags that cannot be read (exit code 2).
pub fn main<S: Service>() -> ExitCode {
    let about = &S::ABOUT;
    let (service, common) = flags::parse::<S>();
    if common.example_config {
        return ExitCode::from(print(&Voice::plain(about), about.example_config));
    }
    let Log { voice, refused, farewell } = log::install(about, common.log.as_deref(), common.log_format);
    let of_panics = voice.clone();
    // The hook of the standard library writes to standard error itself, and waits for who reads it.
    std::panic::set_hook(Box::new(move |panic| of_panics.panicked(panic)));
    let code = match refused {
        Some(why) => voice.complain(&why, BAD_INPUT),
        None => configured(service, &common, &voice),
    };
    farewell.wait();
    ExitCode::from(code)
}

fn configured<S: Service>(service: S, common: &Common, voice: &Voice) -> u8 {
    let config = match configuration::load(common.config.as_deref(), |config| service.overrule(config), S::check) {
        Ok(config) => config,
        Err(error) => return voice.complain(&error.to_string(), BAD_INPUT),
    };
    if !common.check_config {
        return supervised(service, config, voice);
    }
    match configuration::to_toml(&config) {
        Ok(text) => {
            let code = print(voice, &text);
            if code == 0 {
                voice.say("the configuration is good");
            }
            code
        }
        Err(error) => voice.complain(&error.to_string(), FAILED),
    }
}

fn supervised<S: Service>(service: S, config: S::Config, voice: &Voice) -> u8 {
    let mut builder = match S::ABOUT.kind {
        Kind::Server => Builder::new_multi_thread(),
        Kind::Tool => Builder::new_current_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return voice.complain(&format!("failed to start a runtime: {error}"), FAILED),
    };
    // Before the service binds: a supervisor that sees the port open may already send a signal.
    let hangups = Hangups::default();
    let mut signals = match Signals::watch(FAILED, S::ABOUT.kind, hangups.clone()) {
        Ok(signals) => signals,
        Err(error) => return voice.complain(&format!("failed to watch for signals: {error}"), FAILED),
    };
    // As many as the system allows: each connection is one.
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).ok().and_then(|most| usize::try_from(most).ok());
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let process = Process { shutdown: shutdown.clone(), hangups, voice: voice.clone(), descriptors };
        let running = service.run(config, process);
        let next = async || signals.next().await;
        signals::supervise(running, shutdown, next, |signal| voice.stopping(signal)).await
    });
    // Neither a name lookup that hangs nor a read of standard input can be interrupted, and none is to be waited for.
    runtime.shutdown_background();
    last_words(&ended, voice, S::ABOUT.cut)
}

fn last_words(ended: &Ended, voice: &Voice, cut: &str) -> u8 {
    match ended {
        Ended::Well { signal, how } => voice.exiting(*signal, how.as_deref()),
        Ended::Failed(Failure { exit_code, why }) => voice.complain(why, *exit_code),
        Ended::CutShort { again } => voice.complain(&format!("exiting: {again} again, {cut}"), FAILED),
        Ended::Panicked => voice.complain("exiting: panic", PANICKED),
    }
}

/// A user who prints into a file has to know that it is whole.
fn print(voice: &Voice, text: &str) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => 0,
        Err(error) => voice.complain(&format!("failed to print it: {error}"), FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("failed to listen on 127.0.0.1:1")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = Outer(io::Error::other("permission denied\n"));
        assert_eq!(chain(&error), "failed to listen on 127.0.0.1:1: permission denied");
    }

    #[test]
    fn each_ending_has_its_exit_code() {
        let voice = Voice::plain(&about::tests::ABOUT);
        let well = |signal| Ended::Well { signal, how: None };
        for (ended, code) in [
            (well(None), 0),
            (well(Some("SIGTERM")), 0),
            (Ended::Failed(Failure::new(3, "the test says so")), 3),
            (Ended::CutShort { again: "SIGINT" }, FAILED),
            (Ended::Panicked, PANICKED),
        ] {
            assert_eq!(last_words(&ended, &voice, "nothing is lost"), code, "{ended:?}");
        }
    }
}
