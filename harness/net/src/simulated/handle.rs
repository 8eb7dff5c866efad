//! A simulated listener or stream: a key, and the right to close it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{Interest, ReadBuf, Ready};
use tokio::task::coop;

use super::network::{SimulationHandle, unsupported};
use super::options::Options;
use crate::engine::{Direction, Engine, Key, SocketOption};
#[cfg(feature = "socket2")]
use crate::keepalive::Keepalive;
use crate::stream::TcpStream;
use crate::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes of a vectored read or write that make one; the rest stays for the next call, as with a full send buffer.
const GATHERED_BYTES: usize = 64 * 1024;

/// The only owner of a simulated socket. Dropping it closes the socket if its simulation runs on this thread; anywhere
/// else nothing happens, because the engine has its own record of what to sever.
pub(crate) struct Handle {
    key: Key,
    options: Mutex<Options>,
}

impl Handle {
    pub(super) fn new(key: Key, options: Options) -> Self {
        Self { key, options: Mutex::new(options) }
    }

    fn network(&self) -> SimulationHandle {
        SimulationHandle::of_run(self.key.run)
    }

    pub(crate) fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Shared(Arc::new(self));
        (OwnedReadHalf::simulated(stream.clone()), OwnedWriteHalf::simulated(stream))
    }

    pub(crate) fn borrow(&self) -> Borrowed<'_> {
        self
    }

    /// An accepted stream starts with its listener's options, as on Linux.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Handle, SocketAddr)>> {
        let accepted = self.ask("TcpListener::accept", cx, |engine, key, cx| engine.poll_accept(key, cx));
        accepted.map_ok(|(key, peer)| (Handle::new(key, self.options().clone()), peer))
    }

    pub(super) fn poll_connected(&self, call: &'static str, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask(call, cx, |engine, key, cx| engine.poll_connected(key, cx))
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.ask("TcpStream::poll_read", cx, |engine, key, cx| engine.poll_read(key, cx, buf))
    }

    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.ask("TcpStream::poll_peek", cx, |engine, key, cx| engine.poll_peek(key, cx, buf))
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.ask("TcpStream::poll_write", cx, |engine, key, cx| engine.poll_write(key, cx, buf))
    }

    /// One write of the buffers' joined bytes, so that a head and a body written together leave together.
    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        gathered(bufs, |bytes| self.poll_write(cx, bytes))
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network().engine("TcpStream::poll_flush")?.poll_flush(self.key, cx)
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network().engine("TcpStream::poll_shutdown")?.poll_shutdown(self.key, cx)
    }

    /// Shuts down the write half without waiting; on a foreign thread, nothing.
    pub(crate) fn begin_shutdown(&self) {
        if let Ok(engine) = self.network().engine("OwnedWriteHalf::drop") {
            engine.begin_shutdown(self.key);
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask("TcpStream::poll_read_ready", cx, |engine, key, cx| engine.poll_ready(key, Direction::Read, cx))
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask("TcpStream::poll_write_ready", cx, |engine, key, cx| engine.poll_ready(key, Direction::Write, cx))
    }

    /// Whichever of the wanted directions is ready. A closed or broken direction counts as ready, as the next call on it
    /// does not wait.
    pub(crate) fn poll_interest(&self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        if !interest.is_readable() && !interest.is_writable() {
            return Poll::Ready(Err(unsupported("TcpStream::ready without READABLE or WRITABLE")));
        }
        let mut ready = Ready::EMPTY;
        if interest.is_readable() && self.poll_read_ready(cx)?.is_ready() {
            ready |= Ready::READABLE;
        }
        if interest.is_writable() && self.poll_write_ready(cx)?.is_ready() {
            ready |= Ready::WRITABLE;
        }
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(Ok(ready)) }
    }

    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.network().engine("TcpStream::try_read")?.try_read(self.key, buf)
    }

    /// One read, whose bytes fill the buffers in turn.
    pub(crate) fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        let room = bufs.iter().map(|buf| buf.len()).sum::<usize>().min(GATHERED_BYTES);
        let mut joined = vec![0; room];
        let length = self.try_read(&mut joined)?;
        let mut left = &joined[..length];
        for buf in bufs {
            let (now, later) = left.split_at(buf.len().min(left.len()));
            buf[..now.len()].copy_from_slice(now);
            left = later;
        }
        Ok(length)
    }

    pub(crate) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.network().engine("TcpStream::try_write")?.try_write(self.key, buf)
    }

    pub(crate) fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        gathered(bufs, |bytes| self.try_write(bytes))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.network().engine("local_addr")?.local_addr(self.key)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.network().engine("TcpStream::peer_addr")?.peer_addr(self.key)
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.network().engine("TcpStream::take_error")?.take_error(self.key)
    }

    pub(crate) fn nodelay(&self) -> io::Result<bool> {
        Ok(self.options().nodelay())
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set("TcpStream::set_nodelay", SocketOption::NoDelay(on))
    }

    pub(crate) fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.options().linger())
    }

    pub(crate) fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        self.set("TcpStream::set_linger", SocketOption::Linger(wait))
    }

    #[cfg(feature = "socket2")]
    pub(crate) fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.set("TcpStream::set_keepalive", SocketOption::KeepAlive(keepalive))
    }

    #[cfg(feature = "socket2")]
    pub(crate) fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set("TcpStream::set_user_timeout", SocketOption::UserTimeout(timeout))
    }

    pub(crate) fn ttl(&self) -> io::Result<u32> {
        Ok(self.options().time_to_live())
    }

    pub(crate) fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.set("set_ttl", SocketOption::TimeToLive(hops))
    }

    /// Tells the run that `call` would leave the simulation, and makes the error that the caller gets.
    pub(crate) fn refuse(&self, call: &'static str, remedy: &'static str) -> io::Error {
        self.network().refuse(call, remedy)
    }

    /// The error of an option that has no meaning here.
    pub(crate) fn unsupported(&self, call: &'static str) -> io::Error {
        unsupported(call)
    }

    fn set(&self, call: &'static str, option: SocketOption) -> io::Result<()> {
        self.network().engine(call)?.set_option(self.key, option)?;
        self.options().set(option);
        Ok(())
    }

    /// Asks the engine within tokio's cooperative budget, which real sockets spend as well: a task that is never short
    /// of data yields in a simulation where it would yield in production.
    fn ask<T>(
        &self,
        call: &'static str,
        cx: &mut Context<'_>,
        question: impl FnOnce(&dyn Engine, Key, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.network().with_engine(call, |engine| {
            let budget = ready!(coop::poll_proceed(cx));
            let answer = question(&**engine, self.key, cx);
            if answer.is_ready() {
                budget.made_progress();
            }
            answer
        })?
    }

    fn options(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Ok(engine) = self.network().engine("drop") {
            engine.close(self.key);
        }
    }
}

/// The socket's number alone: the run's differs from run to run of one seed.
impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").field("socket", &self.key.socket).finish()
    }
}

/// A stream owned by its two halves; closed when the second goes.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Handle>);

impl Shared {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Back to one owner.
    ///
    /// # Panics
    /// If the other half still lives.
    pub(crate) fn into_stream(self) -> TcpStream {
        TcpStream::simulated(Arc::into_inner(self.0).expect("a reunited stream has no other owner"))
    }
}

impl Deref for Shared {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.0
    }
}

/// A stream lent to its two halves.
pub(crate) type Borrowed<'a> = &'a Handle;

/// Calls `write` once with the bytes of `bufs`, copied only when more than one has any.
fn gathered<T>(bufs: &[io::IoSlice<'_>], write: impl FnOnce(&[u8]) -> T) -> T {
    let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
    let first: &[u8] = filled.next().map_or(&[], |buf| buf);
    if first.len() >= GATHERED_BYTES || filled.next().is_none() {
        return write(first);
    }
    let mut joined = Vec::with_capacity(bufs.iter().map(|buf| buf.len()).sum::<usize>().min(GATHERED_BYTES));
    for buf in bufs {
        let room = GATHERED_BYTES - joined.len();
        joined.extend_from_slice(&buf[..buf.len().min(room)]);
    }
    write(&joined)
}
