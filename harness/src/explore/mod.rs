//! Finds failures that no scenario was written for.
//!
//! - `learn`: what a run did, as points at which a fault can strike the next one;
//! - `blows`: every verb at every point where it makes sense; `cases`: all of them, in order;
//! - `laws`: which laws of a scenario judge a run with another fault than its own;
//! - `known`: failures that are known and stay;
//! - `ledger`: what became of each case, and its file; `matrix`: the same as a table of points and verbs;
//! - `pairs`: two faults at a time, drawn; `swarm`: plans of several faults, drawn;
//! - `shrink`: a plan that fails, made smaller.
//!
//! Everything in this folder is a core: it has no socket, no clock, no process and no file. Who plays the runs is `sweep`
//! and `workers`; who asks for them is `cli`.

#[cfg(feature = "cli")]
mod blows;
#[cfg(feature = "cli")]
pub(crate) mod cases;
#[cfg(feature = "cli")]
pub(crate) mod known;
#[cfg(feature = "cli")]
pub(crate) mod laws;
pub(crate) mod learn;
#[cfg(feature = "cli")]
pub(crate) mod ledger;
#[cfg(feature = "cli")]
pub(crate) mod matrix;
#[cfg(feature = "cli")]
pub(crate) mod pairs;
#[cfg(feature = "cli")]
pub(crate) mod shrink;
#[cfg(feature = "cli")]
pub(crate) mod swarm;
