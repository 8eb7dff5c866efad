//! Sockets, timers, tasks and the log around the core.

mod access;
pub mod backend;
mod call;
pub mod config;
mod event_stream;
mod garbled;
mod in_flight;
mod readiness;
mod registry;
mod request_body;
mod routes;
mod server;
mod write_progress;

pub use backend::Backend;
pub use config::{Config, ConfigError};
pub use registry::Registry;
pub use server::{Exit, Gateway, Reloadable, RunError, run};
