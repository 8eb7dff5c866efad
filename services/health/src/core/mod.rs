//! What decides, without sockets, clocks and tasks.

pub(crate) mod config;
pub mod prober;
pub(crate) mod verdict;
