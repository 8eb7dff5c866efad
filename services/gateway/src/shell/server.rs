//! The listener, the connections and their end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use halfopen_door::{Bounds, Door, Entry, Guest, KeyError, KeyRing};
use halfopen_tls::{Acceptor, Stream};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::shell::config::{Config, ConfigError, Limits};
use crate::shell::garbled::Garbled;
use crate::shell::in_flight::InFlight;
use crate::shell::readiness::Readiness;
use crate::shell::registry::Registry;
use crate::shell::routes::Routes;
use crate::shell::write_progress::{Stall, WriteProgress};

/// How a gateway that was told to stop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every open request was finished.
    Clean,
    /// The grace period ended first.
    Cut {
        /// The connections that were cut.
        connections: usize,
    },
}

/// Why a gateway did not run. Each text completes "failed to ...".
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration is unfit.
    #[error("use the configuration")]
    Config(#[from] ConfigError),
    /// The keys that clients have to show.
    #[error("know the keys of clients")]
    Keys(#[from] KeyError),
    /// The address is taken, not allowed or not there.
    #[error("listen on {address}")]
    Bind {
        /// The configured address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Serves until `shutdown` is cancelled, then finishes what is open within the grace period. No task of the gateway lives
/// after this returns, or after it is dropped.
///
/// # Errors
/// An unfit configuration, before anything is bound; an address that cannot be listened on.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Exit, RunError> {
    let registry = Registry::from_config(&config)?;
    Ok(Gateway::bind(config, registry).await?.serve(shutdown).await)
}

/// A gateway that listens.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use halfopen_gateway::{Config, Exit, Gateway, Registry};
/// use tokio_util::sync::CancellationToken;
///
/// let config = Config { listen: "127.0.0.1:0".to_owned(), ..Config::default() };
/// let registry = Registry::from_config(&config)?;
/// let gateway = Gateway::bind(config, registry).await?;
/// assert_ne!(gateway.local_addr().port(), 0);
///
/// let shutdown = CancellationToken::new();
/// shutdown.cancel();
/// assert_eq!(gateway.serve(shutdown).await, Exit::Clean);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    registry: Registry,
    reloadable: Reloadable,
}

/// What a gateway reads from files again when it is told to: its certificate, and the keys of its clients. Clones share it.
#[derive(Clone, Debug)]
pub struct Reloadable {
    acceptor: Acceptor,
    keys: KeyRing,
}

impl Reloadable {
    /// Reads everything again. What is open goes on as it was; what comes later meets what is new.
    ///
    /// # Errors
    /// [`RunError::Keys`] and [`ConfigError::Identity`]: the first file that cannot be read. What was read before it counts; the rest
    /// stays as it was.
    pub fn reload(&self) -> Result<(), RunError> {
        self.keys.reload()?;
        Ok(self.acceptor.reload().map_err(ConfigError::Identity)?)
    }
}

impl Gateway {
    /// Listens. Connections wait in the backlog until [`Gateway::serve`].
    ///
    /// # Errors
    /// As [`run`].
    pub async fn bind(config: Config, registry: Registry) -> Result<Self, RunError> {
        config.validate()?;
        let reloadable = Reloadable { acceptor: config.acceptor()?, keys: KeyRing::new(&config.access.client_keys)? };
        let failed = |source| RunError::Bind { address: config.listen.clone(), source };
        let listener = TcpListener::bind(config.listen.as_str()).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(target: "halfopen_gateway", %address, "listening");
        Ok(Self { listener, address, config, registry, reloadable })
    }

    /// What can be read again while it serves.
    pub fn reloadable(&self) -> Reloadable {
        self.reloadable.clone()
    }

    /// Where it listens; the port is the real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is cancelled. Streams then end with an error event; other requests have the grace period.
    pub async fn serve(self, shutdown: CancellationToken) -> Exit {
        let Self { listener, config, registry, reloadable: Reloadable { acceptor, keys }, .. } = self;
        // The one draw of this service: it tells the request ids of two runs apart.
        let in_flight = InFlight::new(config.limits.requests_in_flight, config.limits.bodies_bytes, rand::random());
        let (accept_pause, grace) = (config.timings.accept_pause, config.timings.grace);
        let readiness = Readiness::new(config.ready.probe());
        let stopping = shutdown.clone();
        let shared = Arc::clone(&in_flight);
        let Limits { connections, connections_per_address, .. } = config.limits;
        let per_address = connections_per_address;
        let door = Door::new(Bounds { waiting: connections, seated: 0, per_address, beyond: BEYOND });
        let routes = Arc::new(Routes { config, registry, readiness, in_flight: shared, shutdown: stopping, keys });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => note_end(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let guest = match door.admit(address.ip(), accept_pause, tokio::time::sleep).await {
                            Entry::Admitted(guest) => guest,
                            Entry::Beyond(guest, is_first) => {
                                if is_first {
                                    tracing::warn!(target: "halfopen_gateway", %address, "too many connections: who comes is refused");
                                }
                                guest
                            }
                            Entry::Refused => continue,
                        };
                        connections.spawn(serve_connection(stream, acceptor.clone(), Arc::clone(&routes), guest));
                    }
                    Err(error) => {
                        note_accept_error(&error, in_flight.count_accept_error());
                        tokio::select! {
                            () = shutdown.cancelled() => break,
                            () = tokio::time::sleep(accept_pause) => {}
                        }
                    }
                },
            }
        }
        drop(listener);
        finish(connections, &in_flight, grace).await
    }
}

async fn finish(mut connections: JoinSet<()>, in_flight: &InFlight, grace: Duration) -> Exit {
    let finished = tokio::time::timeout(grace, async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
    })
    .await;
    if finished.is_ok() {
        return Exit::Clean;
    }
    in_flight.cut_the_rest();
    let cut = connections.len();
    connections.shutdown().await;
    Exit::Cut { connections: cut }
}

/// Connections beyond the bounds at a time, which are told that there is no room and may ask how the service is.
const BEYOND: usize = 32;

/// How long a connection beyond the bounds may take to ask.
const BEYOND_READ: Duration = Duration::from_secs(1);

async fn serve_connection(stream: TcpStream, acceptor: Acceptor, routes: Arc<Routes>, guest: Guest) {
    let _counted = routes.in_flight.count_connection();
    // A socket that is already gone is noticed by the first read.
    let _ = stream.set_nodelay(true);
    let is_beyond = guest.is_beyond();
    let head_bound = if is_beyond { BEYOND_READ } else { routes.config.timings.header_read };
    let Some(stream) = secured(stream, &acceptor, &routes, head_bound).await else { return };
    let stall = Arc::new(Stall::default());
    let stream = WriteProgress::new(stream, routes.config.timings.write_progress, Arc::clone(&stall));
    let stream = Garbled::new(stream);
    let shutdown = routes.shutdown.clone();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_bound)
        .keep_alive(!is_beyond)
        // A client that has closed its side is taken for gone: otherwise its leaving would show at the next write only.
        .half_close(false)
        .max_buf_size(routes.config.limits.buffer_bytes)
        .auto_date_header(routes.config.date_header);
    let service = service_fn(move |request| {
        let (routes, stall) = (Arc::clone(&routes), Arc::clone(&stall));
        async move { Ok::<_, Infallible>(routes.respond(request, stall, is_beyond).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "halfopen_gateway", %error, "connection ended early");
    }
    drop(guest);
}

/// The stream of a connection, once its TLS handshake is done, which may take as long as a head. `None` when it fails or the gateway
/// stops.
async fn secured(stream: TcpStream, acceptor: &Acceptor, routes: &Routes, bound: Duration) -> Option<Stream> {
    let accepted = tokio::select! {
        biased;
        accepted = acceptor.accept(stream, bound) => accepted,
        () = routes.shutdown.cancelled() => return None,
    };
    accepted.inspect_err(|error| tracing::debug!(target: "halfopen_gateway", %error, "TLS handshake failed")).ok()
}

/// A connection's task ends quietly, whatever its client did. A panic that got past the request is a defect of ours, and
/// still costs this connection only.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(target: "halfopen_gateway", "connection panicked");
    }
}

/// A connection that was gone before it was accepted is everyday life; a full file table is not.
fn note_accept_error(error: &io::Error, errors: usize) {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {
            tracing::debug!(target: "halfopen_gateway", %error, errors, "accept failed");
        }
        _ => tracing::warn!(target: "halfopen_gateway", %error, errors, "accept failed"),
    }
}
