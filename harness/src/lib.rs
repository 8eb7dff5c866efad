//! Fault injection for services that live on long connections.
//!
//! `halfopen` runs the real client, gateway and scheduler crates on a deterministic simulated network, breaks their
//! connections at exact protocol points, and says what was delivered and who survived. A failure replays from its seed.
//!
//! Start with [`Catalogue`]: it names the services and actors that scenarios put together. Then:
//!
//! - what a run is: [`scenario`] (hosts, faults, facts, laws, as TOML), [`plan`] (a scenario with every choice made),
//!   [`seed`] (where the choices come from), [`capsule`] (a plan in a file, for ever);
//! - what breaks: [`fault`] (the words), [`plane`] (the core that decides what passes), [`tcp`] (one end of a connection), `fabric` (the network
//!   between hosts);
//! - which messages are meant: [`pattern`] (by what they say);
//! - what is known: [`trace`] (every record), [`fact`] and [`mapping`] (what happened to the things that are carried);
//! - what must hold: [`check`] (one law a file), [`outcome`] (the verdicts of a run), [`story`] (the run as a person
//!   reviews it);
//! - what runs it: [`catalogue`] (`Catalogue::run` and `check`), `sim` (the simulated network), `sweep` (many runs),
//!   `workers` (in processes of their own), `settings` (the environment), `cli` (the command);
//! - [`name`]: names of hosts, links, connections and directions.
//!
//! # Features
//!
//! - `sim` (default): the simulated network. Needs `--cfg tokio_unstable`, and Linux with glibc.
//! - `cli` (default): `cli::main`, the command line over a catalogue.

#![deny(clippy::disallowed_macros, clippy::disallowed_methods)]

pub mod capsule;
pub mod catalogue;
pub mod check;
pub mod fact;
pub mod fault;
pub mod mapping;
pub mod name;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod plane;
pub mod scenario;
pub mod seed;
pub mod story;
pub mod tcp;
pub mod trace;

#[cfg(any(feature = "cli", feature = "sim"))]
mod error;
#[cfg_attr(
    not(feature = "sim"),
    expect(dead_code, reason = "the simulation drives it; it is built without to show that it can be")
)]
mod fabric;

#[cfg(feature = "cli")]
#[expect(clippy::disallowed_methods, reason = "it says how long a sweep took")]
pub mod cli;
#[cfg(feature = "sim")]
pub mod settings;
#[cfg(feature = "sim")]
#[expect(clippy::disallowed_methods, reason = "it runs what has clocks, threads and tasks")]
pub mod sim;
#[cfg(feature = "sim")]
mod suspects;
#[cfg(feature = "sim")]
#[expect(clippy::disallowed_methods, reason = "it says how long a run took, and runs several at a time")]
pub mod sweep;
#[cfg(all(feature = "sim", feature = "cli"))]
#[expect(clippy::disallowed_methods, reason = "it waits for processes")]
mod workers;

pub use catalogue::{BoxError, Catalogue, HostContext};
pub use fact::FactKind;
pub use outcome::Outcome;
pub use plan::Plan;
pub use scenario::Scenario;
pub use seed::Seed;
