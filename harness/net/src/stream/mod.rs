//! Connections.

mod readiness;

#[cfg(feature = "bytes")]
pub(crate) use readiness::fill;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::address::{self, ToSocketAddrs};
use crate::simulated::{Handle, SimulationHandle};
use crate::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::variant::Variant;

/// Why a stream cannot cross the border of a simulation, and what to do instead.
const STAY_INSIDE: &str = "connect and accept with halfopen_net and keep its types";

/// A TCP connection, as `tokio::net::TcpStream`.
///
/// Dropping it closes it. A simulated stream belongs to its simulation's thread: elsewhere every call fails with
/// `NotConnected`, and dropping it does nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use halfopen_net::{TcpListener, TcpStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// client.set_nodelay(true)?;
/// let (mut server, _) = listener.accept().await?;
///
/// client.write_all(b"hello").await?;
/// client.shutdown().await?;
/// let mut heard = String::new();
/// server.read_to_string(&mut heard).await?;
/// assert_eq!(heard, "hello");
/// # Ok(())
/// # }
/// ```
pub struct TcpStream(Variant<tokio::net::TcpStream, Handle>);

impl TcpStream {
    /// Connects to the first of the addresses that answers. Giving up closes the attempt.
    ///
    /// # Errors
    /// Those of the lookup, or of the last address that was tried.
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<Self> {
        let mut last = None;
        for address in address::resolve(address).await? {
            match Self::connect_one(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(address::no_address))
    }

    async fn connect_one(address: SocketAddr) -> io::Result<Self> {
        match SimulationHandle::current() {
            Some(network) => network.connect(address).await.map(Self::simulated),
            None => tokio::net::TcpStream::connect(address).await.map(Self::real),
        }
    }

    /// Lends the stream to a reader and a writer.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match &mut self.0 {
            Variant::Real(stream) => {
                let (read, write) = stream.split();
                (ReadHalf(Variant::Real(read)), WriteHalf(Variant::Real(write)))
            }
            Variant::Simulated(handle) => {
                (ReadHalf(Variant::Simulated(handle.borrow())), WriteHalf(Variant::Simulated(handle.borrow())))
            }
        }
    }

    /// Gives the stream to a reader and a writer that can live in different tasks. Dropping the writer shuts down
    /// writing; the stream is closed when both are gone.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self.0 {
            Variant::Real(stream) => {
                let (read, write) = stream.into_split();
                (OwnedReadHalf(Variant::Real(read)), OwnedWriteHalf(Variant::Real(write)))
            }
            Variant::Simulated(handle) => handle.into_split(),
        }
    }

    /// The address on this side.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Variant::Real(stream) => stream.local_addr(),
            Variant::Simulated(handle) => handle.local_addr(),
        }
    }

    /// The address on the other side.
    ///
    /// # Errors
    /// Those of `getpeername(2)`: `NotConnected` after a reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Variant::Real(stream) => stream.peer_addr(),
            Variant::Simulated(handle) => handle.peer_addr(),
        }
    }

    /// Takes the pending error (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Variant::Real(stream) => stream.take_error(),
            Variant::Simulated(handle) => handle.take_error(),
        }
    }

    /// `TCP_NODELAY`.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn nodelay(&self) -> io::Result<bool> {
        match &self.0 {
            Variant::Real(stream) => stream.nodelay(),
            Variant::Simulated(handle) => handle.nodelay(),
        }
    }

    /// Sets `TCP_NODELAY`: small writes leave at once instead of waiting for the last one's acknowledgement.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Variant::Real(stream) => stream.set_nodelay(on),
            Variant::Simulated(handle) => handle.set_nodelay(on),
        }
    }

    /// `SO_LINGER`.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        match &self.0 {
            Variant::Real(stream) => stream.linger(),
            Variant::Simulated(handle) => handle.linger(),
        }
    }

    /// Sets `SO_LINGER`.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; `Unsupported` for what the simulation cannot honour.
    #[deprecated = "lingering blocks the thread on drop; only `set_zero_linger` does not"]
    pub fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        match &self.0 {
            #[expect(deprecated, reason = "deprecated here for tokio's reason")]
            Variant::Real(stream) => stream.set_linger(wait),
            Variant::Simulated(handle) => handle.set_linger(wait),
        }
    }

    /// Makes the close abortive: unsent data is thrown away and the peer gets RST.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        match &self.0 {
            Variant::Real(stream) => stream.set_zero_linger(),
            Variant::Simulated(handle) => handle.set_linger(Some(Duration::ZERO)),
        }
    }

    /// `IP_TTL`, in hops.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn ttl(&self) -> io::Result<u32> {
        match &self.0 {
            Variant::Real(stream) => stream.ttl(),
            Variant::Simulated(handle) => handle.ttl(),
        }
    }

    /// Sets `IP_TTL`, in hops.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; `Unsupported` where the simulation has no such option.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        match &self.0 {
            Variant::Real(stream) => stream.set_ttl(hops),
            Variant::Simulated(handle) => handle.set_ttl(hops),
        }
    }

    /// `TCP_QUICKACK`.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`; `Unsupported` in a simulation.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn quickack(&self) -> io::Result<bool> {
        match &self.0 {
            Variant::Real(stream) => stream.quickack(),
            Variant::Simulated(handle) => Err(handle.unsupported("TcpStream::quickack")),
        }
    }

    /// Sets `TCP_QUICKACK`.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; `Unsupported` in a simulation.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_quickack(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Variant::Real(stream) => stream.set_quickack(on),
            Variant::Simulated(handle) => Err(handle.unsupported("TcpStream::set_quickack")),
        }
    }

    /// Takes over a stream of the standard library, which must be connected and non-blocking.
    ///
    /// # Errors
    /// Those of registering it with the runtime; `Unsupported` in a simulation.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as tokio does.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        match SimulationHandle::current() {
            Some(network) => Err(network.refuse("TcpStream::from_std", STAY_INSIDE)),
            None => tokio::net::TcpStream::from_std(stream).map(Self::real),
        }
    }

    /// The standard library's stream, still non-blocking. Also the way to the file descriptor, which these types do not
    /// show because a simulated one has none.
    ///
    /// # Errors
    /// Those of leaving the runtime; `Unsupported` for a simulated stream, which is closed.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.0 {
            Variant::Real(stream) => stream.into_std(),
            Variant::Simulated(handle) => Err(handle.refuse("TcpStream::into_std", STAY_INSIDE)),
        }
    }

    /// Asks whichever stream this is.
    #[cfg(feature = "socket2")]
    pub(crate) fn either<T>(
        &self,
        real: impl FnOnce(&tokio::net::TcpStream) -> T,
        simulated: impl FnOnce(&Handle) -> T,
    ) -> T {
        match &self.0 {
            Variant::Real(stream) => real(stream),
            Variant::Simulated(handle) => simulated(handle),
        }
    }

    pub(crate) fn real(stream: tokio::net::TcpStream) -> Self {
        Self(Variant::Real(stream))
    }

    pub(crate) fn simulated(handle: Handle) -> Self {
        Self(Variant::Simulated(handle))
    }
}

/// In a simulation this brings a real stream in, which the run reports.
impl From<tokio::net::TcpStream> for TcpStream {
    fn from(stream: tokio::net::TcpStream) -> Self {
        if let Some(network) = SimulationHandle::current() {
            network.report("TcpStream::from(tokio::net::TcpStream)", STAY_INSIDE);
        }
        Self::real(stream)
    }
}

/// Fails with `Unsupported` for a simulated stream, which is closed.
impl TryFrom<TcpStream> for tokio::net::TcpStream {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        match stream.0 {
            Variant::Real(stream) => Ok(stream),
            Variant::Simulated(handle) => Err(handle.refuse("tokio::net::TcpStream::try_from(TcpStream)", STAY_INSIDE)),
        }
    }
}

/// As [`TcpStream::from_std`].
impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Variant::Real(stream) => Pin::new(stream).poll_read(cx, buf),
            Variant::Simulated(handle) => handle.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Variant::Real(stream) => Pin::new(stream).poll_write(cx, buf),
            Variant::Simulated(handle) => handle.poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Variant::Real(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Variant::Simulated(handle) => handle.poll_write_vectored(cx, bufs),
        }
    }

    /// Always true, so that protocol crates choose the same way of writing in a simulation.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Variant::Real(stream) => Pin::new(stream).poll_flush(cx),
            Variant::Simulated(handle) => handle.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Variant::Real(stream) => Pin::new(stream).poll_shutdown(cx),
            Variant::Simulated(handle) => handle.poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Variant::Real(stream) => stream.fmt(f),
            Variant::Simulated(handle) => f.debug_tuple("TcpStream").field(handle).finish(),
        }
    }
}
