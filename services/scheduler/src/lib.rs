//! Sessions, jobs and nodes: a scheduler that says "delivered" only when the receiving application has said so, and the
//! node that works for it.
//!
//! - [`broker`]: the pure core; what the scheduler knows and decides. Start here.
//! - [`config`]: every number the scheduler lives by.
//! - [`server`]: the shell; sockets, tasks, and the one task that owns the core.
//! - [`node`]: the worker; it has a core and a shell of its own.

pub mod broker;
pub mod config;
pub mod node;
pub mod server;

pub use config::Config;
pub use server::{Exit, RunError, Server, run};
