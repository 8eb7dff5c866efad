//! Waiting for a stream to be ready, and calls that never wait.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::io::{Interest, ReadBuf, Ready};

use super::TcpStream;
use crate::variant::Variant;

impl TcpStream {
    /// Waits until the stream is ready for one of the wanted directions. It may be ready in vain: the next call can
    /// still answer `WouldBlock`.
    ///
    /// A simulated stream answers for `READABLE` and `WRITABLE` only; a closed direction counts as ready.
    ///
    /// # Errors
    /// Those of the runtime; `Unsupported` when a simulated stream is asked for neither direction.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.0 {
            Variant::Real(stream) => stream.ready(interest).await,
            Variant::Simulated(handle) => poll_fn(|cx| handle.poll_interest(interest, cx)).await,
        }
    }

    /// Waits until a read would not wait.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until a write would not wait.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// As [`readable`](Self::readable); only the last reader's waker is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Variant::Real(stream) => stream.poll_read_ready(cx),
            Variant::Simulated(handle) => handle.poll_read_ready(cx),
        }
    }

    /// As [`writable`](Self::writable); only the last writer's waker is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Variant::Real(stream) => stream.poll_write_ready(cx),
            Variant::Simulated(handle) => handle.poll_write_ready(cx),
        }
    }

    /// Reads what is there and returns its length in bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; otherwise those of a read.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Variant::Real(stream) => stream.try_read(buf),
            Variant::Simulated(handle) => handle.try_read(buf),
        }
    }

    /// As [`try_read`](Self::try_read), into several buffers.
    ///
    /// # Errors
    /// As `try_read`.
    pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        match &self.0 {
            Variant::Real(stream) => stream.try_read_vectored(bufs),
            Variant::Simulated(handle) => handle.try_read_vectored(bufs),
        }
    }

    /// As [`try_read`](Self::try_read), into the spare room of `buf`.
    ///
    /// # Errors
    /// As `try_read`.
    #[cfg(feature = "bytes")]
    pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Variant::Real(stream) => stream.try_read_buf(buf),
            Variant::Simulated(handle) => fill(buf, |bytes| handle.try_read(bytes)),
        }
    }

    /// Writes what the send buffer takes and returns its length in bytes.
    ///
    /// # Errors
    /// `WouldBlock` when the send buffer is full; otherwise those of a write.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Variant::Real(stream) => stream.try_write(buf),
            Variant::Simulated(handle) => handle.try_write(buf),
        }
    }

    /// As [`try_write`](Self::try_write), from several buffers.
    ///
    /// # Errors
    /// As `try_write`.
    pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Variant::Real(stream) => stream.try_write_vectored(bufs),
            Variant::Simulated(handle) => handle.try_write_vectored(bufs),
        }
    }

    /// Runs `io`, an operation on this stream that never waits, if the stream is ready for `interest`; when it answers
    /// `WouldBlock` the readiness is cleared. A simulated stream just runs it.
    ///
    /// # Errors
    /// `WouldBlock` when the stream is not ready; otherwise those of `io`.
    pub fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Variant::Real(stream) => stream.try_io(interest, io),
            // Asking for readiness first would leave this call's waker in place of a parked reader's.
            Variant::Simulated(_) => io(),
        }
    }

    /// Runs `io`, an operation on this stream that never waits, each time the stream becomes ready for `interest`, until
    /// it answers other than `WouldBlock`.
    ///
    /// # Errors
    /// As [`ready`](Self::ready), and those of `io`.
    pub async fn async_io<R>(&self, interest: Interest, mut io: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Variant::Real(stream) => stream.async_io(interest, io).await,
            Variant::Simulated(_) => loop {
                self.ready(interest).await?;
                match io() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    answer => return answer,
                }
            },
        }
    }

    /// Reads without removing and returns the length in bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Variant::Real(stream) => stream.peek(buf).await,
            Variant::Simulated(handle) => {
                let mut buf = ReadBuf::new(buf);
                poll_fn(|cx| handle.poll_peek(cx, &mut buf)).await
            }
        }
    }

    /// As [`peek`](Self::peek); only the last reader's waker is woken.
    ///
    /// # Errors
    /// Those of a read.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        match &self.0 {
            Variant::Real(stream) => stream.poll_peek(cx, buf),
            Variant::Simulated(handle) => handle.poll_peek(cx, buf),
        }
    }
}

/// Reads once through `read` into the spare room of `buf`.
#[cfg(feature = "bytes")]
pub(crate) fn fill<B: bytes::BufMut>(
    buf: &mut B,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    // The room is uninitialised memory, which an engine must not be shown: one bounded copy instead.
    const COPIED_BYTES: usize = 16 * 1024;
    let mut copy = vec![0; buf.chunk_mut().len().min(COPIED_BYTES)];
    let length = read(&mut copy)?;
    buf.put_slice(&copy[..length]);
    Ok(length)
}
