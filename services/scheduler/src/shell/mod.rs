//! Sockets, timers, tasks and the log around the cores.

pub mod node;
pub(crate) mod server;
