//! What a simulation offers to the types of this crate: one trait, installed per thread.
//!
//! The trait speaks in poll functions and opaque keys, so the types here hold no simulated state: every byte, waker
//! and error belongs to the engine, which can therefore sever a socket without its owner's help.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::ReadBuf;

use crate::keepalive::Keepalive;

/// Names one simulated socket. `run` tells simulations apart, so that a handle that escapes its thread is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The simulation that made the socket; never 0.
    pub run: u64,
    /// The socket within that simulation.
    pub socket: u64,
}

/// Which readiness a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Data, end of stream or an error can be read.
    Read,
    /// Bytes or an error would be taken by a write.
    Write,
}

/// A socket option that a service may set. An engine refuses those that it cannot honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOption {
    /// `TCP_NODELAY`.
    NoDelay(bool),
    /// `SO_LINGER`; `Some(Duration::ZERO)` makes the close an RST.
    Linger(Option<Duration>),
    /// `SO_REUSEADDR`.
    ReuseAddress(bool),
    /// `SO_REUSEPORT`.
    ReusePort(bool),
    /// `SO_KEEPALIVE` with its times; `None`: off.
    KeepAlive(Option<Keepalive>),
    /// `TCP_USER_TIMEOUT`; `None`: the kernel's own patience.
    UserTimeout(Option<Duration>),
    /// `SO_RCVBUF`, bytes.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF`, bytes.
    SendBuffer(u32),
    /// `IP_TTL`.
    TimeToLive(u32),
}

impl SocketOption {
    /// The name by which the socket API knows the option.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoDelay(_) => "TCP_NODELAY",
            Self::Linger(_) => "SO_LINGER",
            Self::ReuseAddress(_) => "SO_REUSEADDR",
            Self::ReusePort(_) => "SO_REUSEPORT",
            Self::KeepAlive(_) => "SO_KEEPALIVE",
            Self::UserTimeout(_) => "TCP_USER_TIMEOUT",
            Self::ReceiveBuffer(_) => "SO_RCVBUF",
            Self::SendBuffer(_) => "SO_SNDBUF",
            Self::TimeToLive(_) => "IP_TTL",
        }
    }
}

/// What the lookup of a name comes to.
#[derive(Debug)]
pub struct Lookup {
    /// How long the caller waits for the answer.
    pub takes: Duration,
    /// The answer.
    pub answer: io::Result<Vec<SocketAddr>>,
}

impl Lookup {
    /// An answer without a waiting caller.
    pub fn at_once(answer: io::Result<Vec<SocketAddr>>) -> Self {
        Self { takes: Duration::ZERO, answer }
    }
}

/// The simulated network as one host's sockets see it. All calls come from the simulation's own thread; the engine
/// knows which host is speaking.
///
/// Errors carry the `io::ErrorKind` that Linux would give. A call that the simulation cannot honour returns
/// `ErrorKind::Unsupported` and names itself.
pub trait Engine: 'static {
    /// The number in every [`Key`] of this simulation; never 0.
    fn run(&self) -> u64;
    /// Resolves `host` (a simulated name or an IP literal). Unknown names fail as `getaddrinfo` does.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
    /// The same with the time that it takes. To be overridden by an engine whose names may fail slowly.
    fn lookup(&self, host: &str, port: u16) -> Lookup {
        Lookup::at_once(self.resolve(host, port))
    }
    /// Binds and listens. Pending for ever on a host that has died, and only there: `TcpSocket::listen`, which cannot
    /// wait, asks once and reports a host that is down.
    fn poll_bind(
        &self,
        address: SocketAddr,
        backlog: u32,
        options: &[SocketOption],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Key>>;
    /// The next established connection and its peer. It has the options of its listener, as on Linux.
    fn poll_accept(&self, listener: Key, cx: &mut Context<'_>) -> Poll<io::Result<(Key, SocketAddr)>>;
    /// Starts a connection (sends the SYN); [`Engine::poll_connected`] tells how it went.
    fn connect(&self, to: SocketAddr, from: Option<SocketAddr>, options: &[SocketOption]) -> io::Result<Key>;
    /// Whether a started connection is established. After an error the key is still to be closed by its holder.
    fn poll_connected(&self, stream: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// As `AsyncRead::poll_read`: nothing put into `buf` means end of stream.
    fn poll_read(&self, stream: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
    /// As `poll_read`, but the bytes stay readable.
    fn poll_peek(&self, stream: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>>;
    /// As `AsyncWrite::poll_write`.
    fn poll_write(&self, stream: Key, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    /// As `AsyncWrite::poll_flush`.
    fn poll_flush(&self, stream: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Shuts down the write half (FIN after what is buffered).
    fn poll_shutdown(&self, stream: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Starts the shutdown of the write half and waits for nothing: what dropping an owned write half does. To be
    /// overridden by an engine whose `poll_shutdown` may be pending before the shutdown has been noted.
    fn begin_shutdown(&self, stream: Key) {
        let _ = self.poll_shutdown(stream, &mut Context::from_waker(Waker::noop()));
    }
    /// Ready when `try_read` or `try_write` would not answer `WouldBlock`.
    fn poll_ready(&self, stream: Key, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// A read that never waits: `WouldBlock` when nothing is there.
    fn try_read(&self, stream: Key, buf: &mut [u8]) -> io::Result<usize>;
    /// A write that never waits: `WouldBlock` when the send buffer is full.
    fn try_write(&self, stream: Key, buf: &[u8]) -> io::Result<usize>;
    /// The local address of a listener or stream.
    fn local_addr(&self, socket: Key) -> io::Result<SocketAddr>;
    /// The peer's address.
    fn peer_addr(&self, stream: Key) -> io::Result<SocketAddr>;
    /// Sets an option, or refuses it with `Unsupported`.
    fn set_option(&self, socket: Key, option: SocketOption) -> io::Result<()>;
    /// `SO_ERROR`: takes the pending error.
    fn take_error(&self, socket: Key) -> io::Result<Option<io::Error>>;
    /// Closes a listener or stream as dropping its last descriptor does.
    fn close(&self, socket: Key);
    /// Tells the run that production code reached for something a simulation cannot give.
    fn stray(&self, call: &'static str, remedy: &'static str);
}

thread_local! {
    /// The engine, and its run's number beside it: every call of every socket asks for that.
    static INSTALLED: RefCell<Option<(u64, Rc<dyn Engine>)>> = const { RefCell::new(None) };
}

/// Makes `engine` the network of this thread until the guard is dropped.
///
/// # Panics
/// If this thread already has an engine.
#[must_use = "the engine is removed when the guard is dropped"]
pub fn install(engine: Rc<dyn Engine>) -> Installed {
    INSTALLED.with(|slot| {
        let mut slot = slot.borrow_mut();
        assert!(slot.is_none(), "one simulation per thread: this thread already has an engine");
        *slot = Some((engine.run(), engine));
    });
    Installed { _not_send: std::marker::PhantomData }
}

/// The engine of this thread, if a simulation runs on it. `None` also while the thread's locals are being destroyed.
pub fn current() -> Option<Rc<dyn Engine>> {
    with_current(|_, engine| Rc::clone(engine))
}

/// Works with this thread's engine and its run's number. `None` also while the thread's locals are being destroyed. No
/// engine may be installed or removed meanwhile.
pub(crate) fn with_current<T>(work: impl FnOnce(u64, &Rc<dyn Engine>) -> T) -> Option<T> {
    let slot = |slot: &RefCell<Option<(u64, Rc<dyn Engine>)>>| {
        let installed = slot.try_borrow().ok()?;
        installed.as_ref().map(|(run, engine)| work(*run, engine))
    };
    INSTALLED.try_with(slot).ok().flatten()
}

/// Removes the engine from its thread when dropped.
#[derive(Debug)]
pub struct Installed {
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for Installed {
    fn drop(&mut self) {
        // Taken out first and dropped after the borrow: its destructor may close sockets, which look the engine up.
        let engine = INSTALLED.try_with(|slot| slot.borrow_mut().take()).ok().flatten();
        drop(engine);
    }
}
