//! The worker: it registers with the scheduler, takes jobs up to its capacity, and keeps every result until the
//! scheduler has acknowledged it, over as many connections and scheduler processes as that takes.
//!
//! - [`run`] (here): the life of a node, around its machine in `core/node`.
//! - `connection`: the WebSocket to the scheduler, which drives the machine.
//! - `worker_pool`: the tasks that work, echoing or asking a gateway.
//! - `gateway`: the gateway's client.
//! - [`config`]: every number the node lives by.

pub mod config;
mod connection;
mod gateway;
mod worker_pool;

use halfopen_machine::shell::drive;
use tokio_util::sync::CancellationToken;

pub use config::{GatewayConfig, NodeConfig, NodeConfigError, WorkerConfig};

use crate::core::node::Node;
use connection::SchedulerConnection;

/// The target of every line of the node.
const TARGET: &str = "halfopen_scheduler::node";

/// Runs a node until `shutdown` is cancelled and the work at hand is finished and acknowledged, or the grace period is over.
/// Without a connection it stops at once, because the scheduler could not hear of results. When this returns, or is dropped, no
/// task of it lives on.
///
/// # Errors
/// When the configuration cannot work. An unreachable scheduler is no error: it is tried again.
pub async fn run(config: NodeConfig, shutdown: CancellationToken) -> Result<(), NodeConfigError> {
    config.validate()?;
    let dialer = config.dialer()?;
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        () = gateway::wait_at_start(&config.worker, &dialer) => {}
    }
    let mut node = Node::new(config.settings());
    let mut shell = SchedulerConnection::new(config, dialer, shutdown);
    drive(&mut node, &mut shell).await;
    shell.close().await;
    Ok(())
}
