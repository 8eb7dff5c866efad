//! The simulation: the real services on a network whose time, entropy and faults are the run's own.
//!
//! - `run`: one simulation from thread to outcome.
//! - `runner`: hosts start, actors play, everything settles.
//! - `engine`: who speaks, what time it is, when packets move.
//! - `lives`: how a host's process begins, is asked to stop, and ends.
//! - `hosts`: hosts and their incarnations; `owners`: whose a task is.
//! - `network`: the core `fabric` with the hosts' processes, the journal and the tasks that wait (`wakers`) beside it; `netstat`: what is open.
//! - `seam`: the network as `halfopen_net` sees it; `calls`: calls that may have to wait; `options`: what sockets are told in advance.
//! - `kernel`: the network as libc's socket calls see it, so that a service's own `tokio::net` needs no seam.
//! - `system_calls`: the engine, as libc's functions ask it.
//! - `overrides`: libc's entropy, clocks, threads and ways to the real world; `helpers`: what other threads tell.
//! - `recorder`, `journal`, `panics`: what is written down.

mod calls;
mod engine;
mod helpers;
mod hosts;
mod journal;
mod kernel;
mod lives;
mod netstat;
mod network;
mod options;
#[expect(unsafe_code, reason = "libc symbols are defined and forwarded here, and nowhere else")]
mod overrides;
mod owners;
mod panics;
mod recorder;
mod run;
mod runner;
mod scripts;
mod seam;
mod system_calls;
mod wakers;

use std::io;
use std::time::Duration;

#[cfg(feature = "cli")]
pub(crate) use overrides::{MEMORY_MIB, Page, become_worker, memory_file, prepare_worker, readable};
#[cfg(feature = "cli")]
pub(crate) use run::watchdog;
pub(crate) use run::{RunOutput, execute, lock, set_watchdog};

use crate::name::HostName;
use crate::seed::Seed;

/// Why a simulation gave no outcome: the harness or its input is at fault, not the services.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// No thread could be started.
    #[error("failed to start the simulation's thread")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
    /// No runtime could be built.
    #[error("failed to build the simulation's runtime")]
    Runtime {
        /// The system's reason.
        source: io::Error,
    },
    /// A scenario's `run` names nothing in the catalogue.
    #[error("unknown host or actor `{run}`")]
    UnknownRun {
        /// The name.
        run: String,
    },
    /// A host's `config` table does not fit its service.
    #[error("failed to start `{host}`: its configuration does not fit: {sentence}")]
    Config {
        /// The host that the table describes.
        host: HostName,
        /// The way to what does not fit below `config`, as in `retries/first`.
        path: String,
        /// What does not fit.
        sentence: String,
        /// The known word that is nearest to the unknown one.
        suggestion: Option<String>,
    },
    /// A mistake in a scenario's file that shows when it is played.
    #[error("{sentence}")]
    Mistake {
        /// Where and what, with the line of the file.
        sentence: String,
    },
    /// The run used up its wall time.
    #[error(
        "failed to finish `{scenario}` with seed {seed} within {} s of wall time: a task{} blocks its thread or never yields",
        wall.as_secs_f64(),
        host.as_ref().map(|host| format!(" of {host}")).unwrap_or_default()
    )]
    Watchdog {
        /// The scenario.
        scenario: String,
        /// The seed.
        seed: Seed,
        /// The budget.
        wall: Duration,
        /// Whose task was being polled.
        host: Option<HostName>,
        /// The virtual time at which the run stood, since its start.
        at: Duration,
    },
    /// A process that was to play the run could not, or said that the harness or its input is at fault.
    #[error("{sentence}")]
    Worker {
        /// The message that it wrote.
        sentence: String,
    },
    /// The runtime waited in a way that the simulation does not see, so that virtual time cannot go on.
    #[error("failed to see tokio wait: std did not wait through libc's `syscall`")]
    Unseen,
    /// Everything has ended, and what is left of it waits for a lock that no thread will release.
    #[error("failed to finish `{scenario}` with seed {seed}: a destructor waits for ever for {what}")]
    Stuck {
        /// The scenario.
        scenario: String,
        /// The seed.
        seed: Seed,
        /// For what, and what to do instead.
        what: &'static str,
    },
    /// The harness itself panicked.
    #[error("failed inside the harness, which is a bug of halfopen: {message}")]
    Defect {
        /// The panic's message.
        message: String,
    },
}
