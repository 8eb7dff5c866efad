//! Fault injection for services that live on long connections.
//!
//! `halfopen` runs the real client, gateway and scheduler crates on a deterministic simulated network, breaks their
//! connections at exact protocol points, and says what was delivered and who survived. A failure replays from its seed.
//!
//! Start with [`Catalogue`]: it names the services and actors that scenarios put together, and a scenario of it is a test
//! ([`Catalogue::check`]) or a line of a command ([`cli::main`]). What a crate that is tested needs:
//!
//! - [`test()`]: a scenario that is built in Rust, in ten lines; [`actors`]: who talks to the service, ready made;
//! - [`Catalogue`], and [`HostContext`], which each of its hosts and actors is given: its configuration, its shutdown, and
//!   the means to tell facts ([`FactKind`], [`Fact`]);
//! - [`Scenario`] (hosts, faults, facts and laws, read from TOML), [`Plan`] (a scenario with every choice made), [`Seed`]
//!   (where the choices come from), [`Outcome`] (the verdicts and the story of a run);
//! - [`report`]: what a reporter is told, which makes pages of runs;
//! - [`check`]: what a law of your own is made of. It reads [`trace`] (every record of a run), [`fault`] (what was planned)
//!   and [`name`] (hosts, links, connections, directions).
//!
//! `public-api.txt` beside this crate's manifest lists all of it. The rest of the crate is its own affair:
//!
//! - what a run is: `scenario`, `plan`, `seed`, `capsule` (a plan in a file);
//! - what breaks: `fault` (the words), `pattern` (which messages and events are meant), `plane` (the core that decides what
//!   passes), `tcp` (one end of a connection), `fabric` (the network between hosts);
//! - what is known: `trace`, `fact`, `mapping` (facts that are read from log events and from the wire), and `heard` (what
//!   there was instead of what was waited for);
//! - what must hold: `check` (one law a file), `outcome`, `story` (a run in words);
//! - failures that no scenario was written for: `explore`;
//! - what runs it: `catalogue` (`run` and `check`), `sim` (the simulated network), `sweep` (many runs), `workers` (in
//!   processes of their own), `settings` (the environment), `cli` (the command).
//!
//! # Features
//!
//! - `sim` (default): the simulated network. Needs `--cfg tokio_unstable`, and Linux with glibc.
//! - `actors` (default): the [`actors`] of this crate act, with tokio-tungstenite and hyper.
//! - `libtest`: `test_each`, a named test for each scenario of a catalogue.
//! - `cli` (default): `cli::main`, the command line over a catalogue.
//! - `internals`: for the tests of halfopen's repository only; nothing of what it opens is promised.

#![deny(clippy::disallowed_macros, clippy::disallowed_methods)]
#![cfg_attr(
    not(all(feature = "sim", feature = "internals")),
    expect(dead_code, reason = "only a simulation reads facts and tells them, and some parts only tests ask")
)]
#![cfg_attr(
    not(feature = "internals"),
    expect(unreachable_pub, unused_imports, reason = "what `internals` opens is public behind a closed door")
)]

pub mod actors;
#[cfg(feature = "sim")]
pub mod builder;
mod capsule;
mod catalogue;
pub mod check;
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the command explores"))]
mod explore;
mod fact;
pub mod fault;
#[cfg(all(doctest, feature = "sim", feature = "actors"))]
#[doc = include_str!("../../docs/guide.md")]
mod guide {}
mod heard;
#[cfg(feature = "internals")]
pub mod internals;
mod mapping;
pub mod name;
mod occurrence;
mod outcome;
mod pattern;
mod plan;
mod plane;
pub mod report;
mod scenario;
mod seed;
mod story;
mod tcp;
pub mod trace;

#[cfg(feature = "libtest")]
mod each;
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
mod settings;
#[cfg(feature = "sim")]
#[expect(clippy::disallowed_methods, reason = "it runs what has clocks, threads and tasks")]
mod sim;
#[cfg(feature = "sim")]
mod suspects;
#[cfg(feature = "sim")]
#[expect(clippy::disallowed_methods, reason = "it says how long a run took, and runs several at a time")]
mod sweep;
#[cfg(all(feature = "sim", feature = "cli"))]
#[expect(clippy::disallowed_methods, reason = "it waits for processes")]
mod workers;

#[cfg(feature = "sim")]
pub use builder::test;
pub use catalogue::{BoxError, Catalogue, ConfigError, HostContext};
#[cfg(feature = "libtest")]
pub use each::test_each;
pub use fact::{Fact, FactKind};
pub use outcome::Outcome;
pub use plan::Plan;
pub use scenario::{Scenario, ScenarioError};
pub use seed::{Seed, SeedError};
#[cfg(feature = "sim")]
pub use sim::SimError;
