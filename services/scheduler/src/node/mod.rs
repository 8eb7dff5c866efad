//! The worker: it registers with the scheduler, takes jobs up to its capacity, and keeps every result until the
//! scheduler has acknowledged it, over as many connections and scheduler processes as that takes.
//!
//! - [`run`] (here): connecting, and connecting again.
//! - `bench`: the pure core; what is at work and what is done.
//! - `attendance`: one connection, from the registration to its end.
//! - `work`: the tasks that work, echoing or asking a gateway.
//! - `gateway`, `sse`: the gateway's client.
//! - [`config`]: every number the node lives by.

mod attendance;
mod bench;
pub mod config;
mod gateway;
mod sse;
mod work;

use std::io;

use halfopen_link::close::code;
use halfopen_link::{Ending, Metered, connection};
use halfopen_net::TcpStream;
use thiserror::Error;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;

pub use config::{GatewayConfig, NodeConfig, NodeConfigError, WorkerConfig};

use attendance::{Attendance, Identity};
use work::Workshop;

/// The target of every line of the node.
const TARGET: &str = "halfopen_scheduler::node";

/// Runs a node until `shutdown` is cancelled and what it has at work is finished and acknowledged, or the grace period
/// over. Without a connection it stops at once: nobody could hear of results. When this returns, or is dropped, no task of
/// it lives on.
///
/// # Errors
/// When the configuration cannot work. An unreachable scheduler is no error: it is tried again.
pub async fn run(config: NodeConfig, shutdown: CancellationToken) -> Result<(), NodeConfigError> {
    config.validate()?;
    let mut workshop = Workshop::new(&config);
    let stopped = shutdown.clone();
    tokio::select! {
        biased;
        () = keep_connected(&config, &mut workshop, shutdown) => {}
        () = stopped_for_good(stopped, &config) => {}
    }
    workshop.close().await;
    Ok(())
}

/// A node that is told to stop says goodbye; this is how long it may take.
async fn stopped_for_good(shutdown: CancellationToken, config: &NodeConfig) {
    shutdown.cancelled().await;
    tokio::time::sleep(config.shutdown_grace + config.link.close_timeout * 2).await;
}

async fn keep_connected(config: &NodeConfig, workshop: &mut Workshop, shutdown: CancellationToken) {
    let mut identity = None;
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return,
        () = gateway::wait_at_start(&config.worker) => {}
    }
    while !shutdown.is_cancelled() {
        let connecting = workshop.working_while(connect(config));
        let connected = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            connected = connecting => connected,
        };
        let pause = match connected {
            Ok(socket) => {
                let started = Instant::now();
                let (connection, driver) = connection::open(socket, config.link.clone());
                let attendance = Attendance::new(config, workshop, &mut identity, shutdown.clone());
                let (ending, _) = tokio::join!(attendance.run(connection), driver);
                lost(&ending, &mut identity);
                // A scheduler that accepts and drops is not to be tried in a hot loop.
                started.elapsed() < config.retry_interval
            }
            Err(error) => {
                let delay_ms = config.retry_interval.as_millis() as u64;
                tracing::debug!(target: TARGET, delay_ms, reason = %error, "retrying");
                true
            }
        };
        if pause {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = workshop.working_while(tokio::time::sleep(config.retry_interval)) => {}
            }
        }
    }
}

fn lost(ending: &Ending, identity: &mut Option<Identity>) {
    let Ending { close_code, by, detail } = ending;
    if ending.is_routine() {
        tracing::info!(target: TARGET, close_code, %by, detail, "scheduler lost");
    } else {
        tracing::warn!(target: TARGET, close_code, %by, detail, "scheduler lost");
    }
    if matches!(*close_code, code::REPLACED | code::WRONG_TOKEN) {
        // Somebody else goes by this identity: two that insist would close each other for ever.
        *identity = None;
    }
}

/// Why a scheduler was not reached.
#[derive(Debug, Error)]
enum ConnectError {
    #[error("{}", .0.kind())]
    Tcp(io::Error),
    #[error("upgrade failed: {0}")]
    Upgrade(Box<WebSocketError>),
    #[error("no answer in time")]
    Timeout,
}

async fn connect(config: &NodeConfig) -> Result<WebSocketStream<Metered<TcpStream>>, ConnectError> {
    let connecting = async {
        let stream = TcpStream::connect(config.scheduler.as_str()).await.map_err(ConnectError::Tcp)?;
        stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
        let url = format!("ws://{}/ws/node", config.scheduler);
        let (socket, _) = client_async_with_config(url, Metered::new(stream), Some(config.link.websocket()))
            .await
            .map_err(|error| ConnectError::Upgrade(Box::new(error)))?;
        Ok(socket)
    };
    timeout(config.connect_timeout, connecting).await.unwrap_or(Err(ConnectError::Timeout))
}
