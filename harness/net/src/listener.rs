//! Sockets that wait for connections.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::address::{self, ToSocketAddrs};
use crate::simulated::{Handle, SimulationHandle};
use crate::stream::TcpStream;
use crate::variant::Variant;

/// Why a listener cannot cross the border of a simulation, and what to do instead.
const STAY_INSIDE: &str = "bind with halfopen_net::TcpListener and keep its type";

/// A listening socket, as `tokio::net::TcpListener`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use halfopen_net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (_server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// # Ok(())
/// # }
/// ```
pub struct TcpListener(Variant<tokio::net::TcpListener, Handle>);

impl TcpListener {
    /// Binds and listens on the first of the addresses that can be bound; port 0 lets the system choose one.
    ///
    /// # Errors
    /// Those of the lookup, or of the last address that was tried.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<Self> {
        let mut last = None;
        for address in address::resolve(address).await? {
            match Self::bind_one(address).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(address::no_address))
    }

    async fn bind_one(address: SocketAddr) -> io::Result<Self> {
        match SimulationHandle::current() {
            Some(network) => network.bind(address).await.map(Self::simulated),
            None => tokio::net::TcpListener::bind(address).await.map(Self::real),
        }
    }

    /// The next connection and its peer's address. Giving up loses no connection.
    ///
    /// # Errors
    /// Those of `accept(2)`. Most concern one connection (`ConnectionAborted`) or pass (too many open files): a server
    /// goes on after them.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.0 {
            Variant::Real(listener) => listener.accept().await.map(|(stream, peer)| (TcpStream::real(stream), peer)),
            Variant::Simulated(_) => poll_fn(|cx| self.poll_accept(cx)).await,
        }
    }

    /// As [`accept`](Self::accept); only the last caller's waker is woken.
    ///
    /// # Errors
    /// As `accept`.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &self.0 {
            Variant::Real(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, peer)| (TcpStream::real(stream), peer))
            }
            Variant::Simulated(handle) => {
                handle.poll_accept(cx).map_ok(|(stream, peer)| (TcpStream::simulated(stream), peer))
            }
        }
    }

    /// The address that was bound, with the port that was chosen.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Variant::Real(listener) => listener.local_addr(),
            Variant::Simulated(handle) => handle.local_addr(),
        }
    }

    /// `IP_TTL`, in hops.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn ttl(&self) -> io::Result<u32> {
        match &self.0 {
            Variant::Real(listener) => listener.ttl(),
            Variant::Simulated(handle) => handle.ttl(),
        }
    }

    /// Sets `IP_TTL`, in hops.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; `Unsupported` where the simulation has no such option.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        match &self.0 {
            Variant::Real(listener) => listener.set_ttl(hops),
            Variant::Simulated(handle) => handle.set_ttl(hops),
        }
    }

    /// Takes over a listener of the standard library, which must be non-blocking.
    ///
    /// # Errors
    /// Those of registering it with the runtime; `Unsupported` in a simulation.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as tokio does.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        match SimulationHandle::current() {
            Some(network) => Err(network.refuse("TcpListener::from_std", STAY_INSIDE)),
            None => tokio::net::TcpListener::from_std(listener).map(Self::real),
        }
    }

    /// The standard library's listener, still non-blocking.
    ///
    /// # Errors
    /// Those of leaving the runtime; `Unsupported` for a simulated listener, which is closed.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        match self.0 {
            Variant::Real(listener) => listener.into_std(),
            Variant::Simulated(handle) => Err(handle.refuse("TcpListener::into_std", STAY_INSIDE)),
        }
    }

    pub(crate) fn real(listener: tokio::net::TcpListener) -> Self {
        Self(Variant::Real(listener))
    }

    pub(crate) fn simulated(handle: Handle) -> Self {
        Self(Variant::Simulated(handle))
    }
}

/// In a simulation this brings a real listener in, which the run reports.
impl From<tokio::net::TcpListener> for TcpListener {
    fn from(listener: tokio::net::TcpListener) -> Self {
        if let Some(network) = SimulationHandle::current() {
            network.report("TcpListener::from(tokio::net::TcpListener)", STAY_INSIDE);
        }
        Self::real(listener)
    }
}

/// Fails with `Unsupported` for a simulated listener, which is closed.
impl TryFrom<TcpListener> for tokio::net::TcpListener {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        match listener.0 {
            Variant::Real(listener) => Ok(listener),
            Variant::Simulated(handle) => {
                Err(handle.refuse("tokio::net::TcpListener::try_from(TcpListener)", STAY_INSIDE))
            }
        }
    }
}

/// As [`TcpListener::from_std`].
impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl std::fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Variant::Real(listener) => listener.fmt(f),
            Variant::Simulated(handle) => f.debug_tuple("TcpListener").field(handle).finish(),
        }
    }
}

/// Whether an error of `accept` is of the connection that would have been accepted, and none of the listener's.
#[cfg(any(feature = "axum", feature = "hyper014"))]
pub(crate) fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
