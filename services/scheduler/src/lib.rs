//! Sessions, jobs and nodes: a scheduler that says "delivered" only when the receiving application has said so, and the
//! node that works for it.
//!
//! `core/` decides, and has no socket, no clock and no task. It builds without the feature `shell`, also where there is no
//! operating system:
//!
//! - [`broker`]: the scheduler as a machine; what it knows and decides. Start here.
//! - `node`: the node as a machine.
//! - [`config`]: every number the scheduler lives by.
//!
//! `shell/` (feature `shell`, on by default) has the sockets, timers, tasks and the log:
//!
//! - `server`: the port, the WebSockets, and the task that drives the broker.
//! - `node`: the WebSocket to the scheduler, and the workers.

#![deny(clippy::disallowed_methods)]

mod core;
#[cfg(feature = "shell")]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell has the clock, the tasks and the system's randomness"
)]
mod shell;

pub use self::core::broker;
pub use self::core::config::{self, Config};
#[cfg(feature = "shell")]
pub use self::shell::node;
#[cfg(feature = "shell")]
pub use self::shell::server::{Exit, Reloadable, RunError, Server, run};
