//! One port, a task for each socket, and one task that owns the broker.
//!
//! - [`run`] and [`Server`] (here): binding, accepting, and the order in which everything ends.
//! - `core_task`: the task that drives the [`Broker`]; all connections reach it through one bounded channel.
//! - `http`: the requests on the port, and the upgrade to a WebSocket.
//! - `peer`: one WebSocket, from the upgrade to its last byte.
//! - `event_log`: the broker's events as log lines, and counted.
//! - `metrics`: the counts, as a page for Prometheus.
//!
//! Invariant: when [`Server::serve`] returns or is dropped, no task of it lives on.

mod core_task;
mod event_log;
mod http;
mod metrics;
mod peer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_door::{Bounds, Door, Entry, KeyError, KeyRing};
use halfopen_link::close::is_expected_io;
use halfopen_tls::{Acceptor, TlsError};
use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::core::broker::{Broker, ConnectionId};
use crate::core::config::{Config, ConfigError, Limits};
use core_task::CoreTask;
use http::{AccessKeys, Port};
use metrics::Metrics;

/// Runs a scheduler until `shutdown` is cancelled and what was open is finished or the grace period over.
///
/// # Errors
/// When the configuration contradicts itself or the address cannot be bound.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Exit, RunError> {
    Server::bind(config).await?.serve(shutdown).await
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every job had its outcome, and every outcome its acknowledgement.
    Drained,
    /// Something was left undone: its clients will submit it again elsewhere.
    LeftUndone,
}

/// Why a scheduler could not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration.
    #[error("use the configuration")]
    Config(#[from] ConfigError),
    /// The keys that nodes or sessions have to show.
    #[error("know the keys")]
    Keys(#[from] KeyError),
    /// The certificate or its key.
    #[error("serve over TLS")]
    Identity(#[from] TlsError),
    /// The address.
    #[error("listen on {address}")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The seed of the ids comes from the operating system.
    #[error("draw a seed from the operating system")]
    Seed(#[source] SysError),
    /// The task that owns the broker has panicked: a bug of ours. Nothing of the service is left running.
    #[error("keep the scheduler's state: its task has failed")]
    Core,
}

/// What a scheduler reads from files again when it is told to: its certificate, and the keys of nodes and sessions. Clones share
/// it.
#[derive(Clone, Debug)]
pub struct Reloadable {
    keys: AccessKeys,
    acceptor: Acceptor,
}

impl Reloadable {
    /// Reads everything again. What is open goes on as it was; what comes later meets what is new.
    ///
    /// # Errors
    /// [`RunError::Keys`] and [`RunError::Identity`]: the first file that cannot be read. What was read before it counts.
    pub fn reload(&self) -> Result<(), RunError> {
        self.keys.nodes.reload()?;
        self.keys.sessions.reload()?;
        Ok(self.acceptor.reload()?)
    }
}

/// A scheduler that listens, so that its address is known, but serves no connection yet.
///
/// ```
/// use halfopen_scheduler::{Config, Exit, Server};
/// use tokio_util::sync::CancellationToken;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), halfopen_scheduler::RunError> {
/// let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
/// let server = Server::bind(config).await?;
/// println!("listening on {}", server.local_addr());
/// let shutdown = CancellationToken::new();
/// shutdown.cancel();
/// assert_eq!(server.serve(shutdown).await?, Exit::Drained);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    config: Config,
    reloadable: Reloadable,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Checks the configuration and binds the address.
    ///
    /// # Errors
    /// As [`run`].
    pub async fn bind(config: Config) -> Result<Self, RunError> {
        config.validate()?;
        let access = &config.access;
        let (nodes, sessions) = (KeyRing::new(&access.node_keys)?, KeyRing::new(&access.session_keys)?);
        let reloadable =
            Reloadable { keys: AccessKeys { nodes, sessions }, acceptor: Acceptor::new(config.tls.as_ref())? };
        let address = config.listen;
        let bind = |source| RunError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self { config, reloadable, listener, address })
    }

    /// What can be read again while it serves.
    #[must_use]
    pub fn reloadable(&self) -> Reloadable {
        self.reloadable.clone()
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is cancelled. Connections get their Close frames before this returns.
    ///
    /// # Errors
    /// [`RunError::Seed`] and [`RunError::Core`] only.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<Exit, RunError> {
        let Self { config, reloadable, listener, address } = self;
        tracing::info!(target: event_log::TARGET, %address, "listening");
        let largest = config.link.largest_message;
        let seed = seed()?;
        let now = Instant::now().into_std();
        let broker = Broker::new(config.timings.clone(), config.limits.clone(), largest, seed, now);
        let (to_broker, received) = mpsc::channel(MESSAGES_QUEUED);
        let metrics = Metrics::new();
        event_log::Served::none();
        let stop = CancellationToken::new();
        let door = Door::new(bounds(&config.limits));
        let config = Arc::new(config);
        let port = Port { config, broker: to_broker, metrics: metrics.clone(), door, reloadable, stop };
        let mut owner = JoinSet::new();
        owner.spawn(CoreTask::new(received, metrics, shutdown).run(broker));
        let mut connections = JoinSet::new();
        let exit = accept_until_done(&listener, &port, &mut owner, &mut connections).await;
        drop(listener);
        port.stop.cancel();
        let patience = port.config.link.close_timeout * 2;
        if timeout(patience, async { while connections.join_next().await.is_some() {} }).await.is_err() {
            tracing::debug!(target: event_log::TARGET, left = connections.len(), "aborting connections");
        }
        connections.shutdown().await;
        exit
    }
}

/// The seed of the broker's ids. Drawn once, and from the operating system: a generator that a thread shares would make what
/// one service draws depend on its neighbours.
fn seed() -> Result<u64, RunError> {
    SysRng.try_next_u64().map_err(RunError::Seed)
}

/// Messages waiting for the broker; a connection whose message finds no room waits, and reads nothing meanwhile.
const MESSAGES_QUEUED: usize = 256;

async fn accept_until_done(
    listener: &TcpListener,
    port: &Port,
    owner: &mut JoinSet<Exit>,
    connections: &mut JoinSet<()>,
) -> Result<Exit, RunError> {
    let mut next = 0;
    let mut arrivals = Arrivals { listener, port, paused_until: None };
    loop {
        tokio::select! {
            biased;
            exit = owner.join_next() => return exit.and_then(Result::ok).ok_or(RunError::Core),
            Some(ended) = connections.join_next() => note_end(ended),
            (stream, address) = arrivals.next() => {
                let patience = port.config.timings.accept_pause;
                let guest = match port.door.admit(address.ip(), patience, tokio::time::sleep).await {
                    Entry::Admitted(guest) => guest,
                    Entry::Beyond(guest, is_first) => {
                        port.metrics.connections_refused.inc();
                        if is_first {
                            tracing::warn!(target: event_log::TARGET, %address, "too many connections: who comes is refused");
                        }
                        guest
                    }
                    Entry::Refused => {
                        port.metrics.connections_refused.inc();
                        continue;
                    }
                };
                next += 1;
                connections.spawn(http::serve(stream, port.clone(), ConnectionId(next), guest));
            }
        }
    }
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        waiting: limits.waiting_connections,
        seated: limits.connections,
        per_address: limits.connections_per_address,
        beyond: BEYOND,
    }
}

/// Connections beyond the bounds at a time, which are told that there is no room and may ask how the service is.
const BEYOND: usize = 32;

/// A connection's task ends quietly, whatever its peer did. A panic is a defect of ours, and costs this connection only.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(target: event_log::TARGET, "a connection's task has panicked");
    }
}

/// Takes connections. A failure is survived, with a pause: a shortage of descriptors must not become a hot loop.
struct Arrivals<'a> {
    listener: &'a TcpListener,
    port: &'a Port,
    /// After a failure. It outlives the wait for a connection, which is given up whenever an open connection ends.
    paused_until: Option<Instant>,
}

impl Arrivals<'_> {
    /// The next connection. Cancel-safe.
    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(until) = self.paused_until {
                sleep_until(until).await;
                self.paused_until = None;
            }
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    note_accept_error(&error, &self.port.metrics);
                    self.paused_until = Some(Instant::now() + self.port.config.timings.accept_pause);
                }
            }
        }
    }
}

/// A connection that was gone before it was accepted is everyday life; a full file table is not.
fn note_accept_error(error: &io::Error, metrics: &Metrics) {
    let errors = metrics.accept_errors.inc() + 1;
    if is_expected_io(error.kind()) {
        tracing::debug!(target: event_log::TARGET, %error, errors, "accepting failed");
    } else {
        tracing::warn!(target: event_log::TARGET, %error, errors, "accepting failed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panicked_is_told_as_an_error_and_one_that_ended_or_was_aborted_is_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        assert_eq!(levels(note_end, tasks.join_next().await.expect("a task")), [Level::ERROR; 0]);
        tasks.spawn(std::future::pending::<()>()).abort();
        assert_eq!(levels(note_end, tasks.join_next().await.expect("a task")), [Level::ERROR; 0]);
        tasks.spawn(async { panic!("on purpose") });
        assert_eq!(levels(note_end, tasks.join_next().await.expect("a task")), [Level::ERROR]);
    }

    #[test]
    fn a_connection_that_was_gone_at_once_is_no_warning_and_a_full_file_table_is() {
        let metrics = Metrics::new();
        let accept = |kind: io::ErrorKind| levels(|error: io::Error| note_accept_error(&error, &metrics), kind.into());
        assert_eq!(accept(io::ErrorKind::ConnectionAborted), [Level::DEBUG]);
        assert_eq!(accept(io::ErrorKind::OutOfMemory), [Level::WARN]);
        assert_eq!(metrics.accept_errors.get(), 2);
    }

    /// The levels of the lines that `log` writes of this.
    fn levels<T>(log: impl FnOnce(T), of: T) -> Vec<Level> {
        let levels = Levels::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(levels.clone()), || log(of));
        levels.0.lock().expect("no panic while it is held").clone()
    }

    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().expect("no panic while it is held").push(*event.metadata().level());
        }
    }
}
