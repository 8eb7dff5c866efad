//! Sockets that are set up before they listen or connect.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::listener::TcpListener;
use crate::simulated::{SimulationHandle, Socket};
use crate::stream::TcpStream;
use crate::variant::Variant;

/// A socket that neither listens nor is connected yet, as `tokio::net::TcpSocket`.
///
/// A simulated socket only notes what it is told. What the simulation refuses, an address in use or an option, is
/// therefore reported by [`listen`](Self::listen) and [`connect`](Self::connect).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use halfopen_net::TcpSocket;
///
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:0".parse().expect("a valid address"))?;
/// let listener = socket.listen(16)?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// # Ok(())
/// # }
/// ```
pub struct TcpSocket(Variant<tokio::net::TcpSocket, Socket>);

impl TcpSocket {
    /// An IPv4 socket.
    ///
    /// # Errors
    /// Those of `socket(2)`.
    pub fn new_v4() -> io::Result<Self> {
        match SimulationHandle::current() {
            Some(network) => Ok(Socket::v4(network)),
            None => tokio::net::TcpSocket::new_v4().map(|socket| Self(Variant::Real(socket))),
        }
    }

    /// An IPv6 socket.
    ///
    /// # Errors
    /// Those of `socket(2)`.
    pub fn new_v6() -> io::Result<Self> {
        match SimulationHandle::current() {
            Some(network) => Ok(Socket::v6(network)),
            None => tokio::net::TcpSocket::new_v6().map(|socket| Self(Variant::Real(socket))),
        }
    }

    /// Chooses the local address.
    ///
    /// # Errors
    /// Those of `bind(2)`: `InvalidInput` when the socket is bound already.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        match &self.0 {
            Variant::Real(socket) => socket.bind(address),
            Variant::Simulated(socket) => socket.bind(address),
        }
    }

    /// Connects to `address`. Giving up closes the attempt.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        match self.0 {
            Variant::Real(socket) => socket.connect(address).await.map(TcpStream::real),
            Variant::Simulated(socket) => socket.connect(address).await.map(TcpStream::simulated),
        }
    }

    /// Listens; at most `backlog` connections wait for `accept`.
    ///
    /// # Errors
    /// Those of `listen(2)`; `NetworkDown` when the simulated host has died.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as tokio does.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        match self.0 {
            Variant::Real(socket) => socket.listen(backlog).map(TcpListener::real),
            Variant::Simulated(socket) => socket.listen(backlog).map(TcpListener::simulated),
        }
    }

    /// The local address; unspecified before [`bind`](Self::bind).
    ///
    /// # Errors
    /// Those of `getsockname(2)`; `Unsupported` for a simulated socket on port 0, whose port is chosen later.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Variant::Real(socket) => socket.local_addr(),
            Variant::Simulated(socket) => socket.local_addr(),
        }
    }

    /// Sets `SO_LINGER` to zero: the close is abortive and the peer gets RST.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        match &self.0 {
            Variant::Real(socket) => socket.set_zero_linger(),
            Variant::Simulated(socket) => socket.set_linger(Some(Duration::ZERO)),
        }
    }

    /// Chooses the network interface (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; `Unsupported` in a simulation.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        match &self.0 {
            Variant::Real(socket) => socket.bind_device(interface),
            Variant::Simulated(socket) => Err(socket.unsupported("TcpSocket::bind_device")),
        }
    }

    /// Sets `IP_TOS`, the traffic class of its packets.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; `Unsupported` in a simulation.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
    pub fn set_tos_v4(&self, class: u32) -> io::Result<()> {
        match &self.0 {
            Variant::Real(socket) => socket.set_tos_v4(class),
            Variant::Simulated(socket) => Err(socket.unsupported("TcpSocket::set_tos_v4")),
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn simulated(socket: Socket) -> Self {
        Self(Variant::Simulated(socket))
    }
}

/// The options that can be set and read back.
macro_rules! options {
    ($($(#[doc = $what:literal])+ $get:ident, $set:ident: $value:ty;)*) => {
        impl TcpSocket {$(
            $(#[doc = $what])+
            ///
            /// # Errors
            /// Those of `getsockopt(2)`.
            pub fn $get(&self) -> io::Result<$value> {
                match &self.0 {
                    Variant::Real(socket) => socket.$get(),
                    Variant::Simulated(socket) => socket.$get(),
                }
            }

            #[doc = concat!("Sets what [`", stringify!($get), "`](Self::", stringify!($get), ") returns.")]
            ///
            /// # Errors
            /// Those of `setsockopt(2)`.
            pub fn $set(&self, value: $value) -> io::Result<()> {
                match &self.0 {
                    Variant::Real(socket) => socket.$set(value),
                    Variant::Simulated(socket) => socket.$set(value),
                }
            }
        )*}
    };
}

options! {
    /// `TCP_NODELAY`: small writes leave at once.
    nodelay, set_nodelay: bool;
    /// `SO_REUSEADDR`: an address may be bound while old connections from it linger.
    reuseaddr, set_reuseaddr: bool;
    /// `SO_KEEPALIVE`: the kernel probes an idle peer.
    keepalive, set_keepalive: bool;
    /// `SO_RCVBUF`, in bytes. Linux answers twice what was set; a simulation answers what was set, and `Unsupported`
    /// before that.
    recv_buffer_size, set_recv_buffer_size: u32;
    /// `SO_SNDBUF`, in bytes. Linux answers twice what was set; a simulation answers what was set, and `Unsupported`
    /// before that.
    send_buffer_size, set_send_buffer_size: u32;
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
options! {
    /// `SO_REUSEPORT`: several listeners share one address.
    reuseport, set_reuseport: bool;
}

impl TcpSocket {
    /// `SO_LINGER`.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        match &self.0 {
            Variant::Real(socket) => socket.linger(),
            Variant::Simulated(socket) => socket.linger(),
        }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Variant::Real(socket) => socket.fmt(f),
            Variant::Simulated(socket) => f.debug_tuple("TcpSocket").field(socket).finish(),
        }
    }
}
