//! What decides, without sockets, clocks, tasks and randomness.

pub mod broker;
pub mod config;
#[cfg_attr(not(feature = "shell"), expect(dead_code, reason = "only the shell drives a node"))]
pub(crate) mod node;
