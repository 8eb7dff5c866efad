//! A stream that counts what leaves through it.
//!
//! A WebSocket's sink reports only that a whole message has gone. A message of a megabyte on a slow link takes its time,
//! and that is no reason to give the link up; that not one byte has gone for 20 s is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream and the number of bytes that it has taken from its writer.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    written: Meter,
}

/// The count, shared with the task that watches over progress.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Bytes taken by the stream so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Metered<S> {
    /// Starts counting. To be wrapped around the stream before the WebSocket handshake.
    pub fn new(stream: S) -> Self {
        Self { stream, written: Meter::default() }
    }

    /// The count.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.written.clone()
    }

    fn count(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &result {
            self.written.0.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_the_stream_takes_is_counted_and_what_waits_is_not() {
        let (near, _far) = tokio::io::duplex(4);
        let mut stream = Metered::new(near);
        let meter = stream.meter();
        assert_eq!(stream.write(b"sentence").await.expect("room for four bytes"), 4);
        assert_eq!(meter.bytes(), 4);
    }
}
