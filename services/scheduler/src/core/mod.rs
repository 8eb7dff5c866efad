//! What decides, without sockets, clocks, tasks and randomness.

pub mod broker;
pub mod config;
pub(crate) mod node;
