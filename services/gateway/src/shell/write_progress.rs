//! A stream that gives up on a peer which takes nothing.
//!
//! hyper waits for ever for room in the socket, and no longer polls the response's body while it waits. So the limit
//! is enforced below hyper, where the waiting happens.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Whether a connection was given up because its peer took nothing.
#[derive(Debug, Default)]
pub(crate) struct Stall(AtomicBool);

impl Stall {
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Fails a write with `TimedOut` when no byte has been taken for the limit while some waited.
pub(crate) struct WriteProgress<S> {
    stream: S,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    stall: Arc<Stall>,
}

impl<S> WriteProgress<S> {
    pub(crate) fn new(stream: S, limit: Duration, stall: Arc<Stall>) -> Self {
        Self { stream, limit, waiting: None, stall }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if waiting.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.stall.0.store(true, Ordering::SeqCst);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteProgress<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteProgress<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, polled)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_after_the_limit() {
        let (near, _far) = tokio::io::duplex(8);
        let stall = Arc::new(Stall::default());
        let mut near = WriteProgress::new(near, LIMIT, Arc::clone(&stall));
        let started = Instant::now();
        let error = near.write_all(&[0; 9]).await.expect_err("the peer does not read");
        assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, LIMIT));
        assert!(stall.happened());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_takes_something_within_each_limit_is_kept() {
        let (near, mut far) = tokio::io::duplex(8);
        let stall = Arc::new(Stall::default());
        let mut near = WriteProgress::new(near, LIMIT, Arc::clone(&stall));
        let started = Instant::now();
        let reader = async {
            for _ in 0..4 {
                tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
                let mut byte = [0; 2];
                far.read_exact(&mut byte).await.expect("the writer lives");
            }
        };
        let (written, ()) = tokio::join!(near.write_all(&[0; 16]), reader);
        written.expect("the peer never rested for the whole limit");
        assert!(started.elapsed() > LIMIT * 3, "the writer waited longer than the limit in sum");
        assert!(!stall.happened());
    }

    #[tokio::test(start_paused = true)]
    async fn a_vectored_write_is_watched_as_well() {
        let (near, mut far) = tokio::io::duplex(8);
        let stall = Arc::new(Stall::default());
        let mut near = WriteProgress::new(near, LIMIT, Arc::clone(&stall));
        assert!(near.is_write_vectored(), "as the stream itself");
        let taken = near.write_vectored(&[IoSlice::new(b"half"), IoSlice::new(b"full")]).await.expect("there is room");
        let mut read = [0; 8];
        far.read_exact(&mut read).await.expect("it was written");
        assert_eq!((taken, &read), (8, b"halffull"));
        near.write_all(&read).await.expect("there is room");
        let started = Instant::now();
        let error = near.write_vectored(&[IoSlice::new(b"more")]).await.expect_err("the peer does not read");
        assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, LIMIT));
        assert!(stall.happened());
    }

    #[tokio::test]
    async fn what_the_stream_holds_back_is_flushed_and_its_end_is_its_own() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = WriteProgress::new(BufWriter::new(near), LIMIT, Arc::default());
        assert!(near.write(b"abc").await.expect("there is room") == 3);
        near.flush().await.expect("there is room");
        let mut read = [0; 3];
        far.read_exact(&mut read).await.expect("it was flushed");
        near.shutdown().await.expect("it is open");
        assert_eq!((&read, far.read(&mut [0]).await.expect("an orderly end")), (b"abc", 0));
    }
}
