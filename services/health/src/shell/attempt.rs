//! One attempt: a connection of its own, the whole answer, and an orderly close.
//!
//! A socket that is dropped with unread input sends a reset, and the service's log then tells of an error that is none
//! (docs/failures.md, noisy health check). So the body is read to its end, the writing side is ended, and what else comes is read until the
//! service has ended its side as well. Only a service that runs out of its time is left unread.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use halfopen_machine::OrBug;
use halfopen_tls::Stream;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::target::Target;
use crate::Miss;

/// Asks once, within `bound`; the close is part of it.
pub(crate) async fn ask(target: &Target, bound: Duration) -> Result<(), Miss> {
    let started = Instant::now();
    let (status, stream) = timeout(bound, exchange(target)).await.map_err(|_| Miss::TimedOut)??;
    // The answer is whole, whatever becomes of the connection now.
    if timeout(bound.saturating_sub(started.elapsed()), close(stream)).await.is_err() {
        tracing::debug!(target: "halfopen_health", "the service keeps the connection open");
    }
    if status.is_success() { Ok(()) } else { Err(Miss::NotReady { status: status.as_u16() }) }
}

/// The status of an answer that was read to its end, and the connection it came on.
async fn exchange(target: &Target) -> Result<(StatusCode, Stream), Miss> {
    let stream = target.connect().await.map_err(|error| miss_of_io(error.kind(), Miss::Unreachable))?;
    let (mut sender, mut connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| miss_of(&error))?;
    let request = request(target)?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(status)
    };
    let mut answer = std::pin::pin!(answer);
    let status = tokio::select! {
        biased;
        status = &mut answer => status,
        // The connection is through before its last bytes have been looked at; its error shows in the answer.
        _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => answer.as_mut().await,
    };
    let status = status.map_err(|error| miss_of(&error))?;
    Ok((status, TokioIo::into_inner(connection.into_parts().io)))
}

fn request(target: &Target) -> Result<Request<Empty<Bytes>>, Miss> {
    let mut request = Request::get(target.path())
        .header(HOST, target.authority())
        // The next attempt, if there is one, is to find out whether the service still accepts connections.
        .header(CONNECTION, HeaderValue::from_static("close"));
    if let Some(authorization) = target.authorization() {
        request = request.header(AUTHORIZATION, authorization.clone());
    }
    request.body(Empty::new()).ok().or_bug("a target that was parsed makes a request").map_err(|bug| {
        tracing::error!(target: "halfopen_health", %bug, "a bug of this service");
        Miss::Unreachable
    })
}

/// Ends the writing side and reads to the end of the other. A connection that is already gone is closed as well: the answer
/// has been read, so dropping it resets nothing.
async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if let Err(error) = stream.shutdown().await {
        tracing::debug!(target: "halfopen_health", kind = %error.kind(), "the connection was gone before its close");
        return;
    }
    let mut discarded = [0; 4096];
    while let Ok(1..) = stream.read(&mut discarded).await {}
}

/// hyper's texts are unstable, so only kinds and sources are looked at.
fn miss_of(error: &hyper::Error) -> Miss {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(io) = source.downcast_ref::<io::Error>() {
            return miss_of_io(io.kind(), Miss::Truncated);
        }
        next = source.source();
    }
    if error.is_parse() { Miss::Malformed } else { Miss::Truncated }
}

fn miss_of_io(kind: io::ErrorKind, otherwise: Miss) -> Miss {
    match kind {
        io::ErrorKind::ConnectionRefused => Miss::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => Miss::Reset,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Miss::Malformed,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;

    /// A socket whose peer has gone: on Windows its `shutdown()` itself says so
    /// (docs/failures.md, noisy health check).
    struct Gone {
        reads: u32,
    }

    impl AsyncRead for Gone {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.reads += 1;
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    #[tokio::test]
    async fn closing_a_connection_that_is_gone_ends_at_its_first_error() {
        let mut gone = Gone { reads: 0 };
        close(&mut gone).await;
        assert_eq!(gone.reads, 0, "nothing more comes on a connection that cannot be shut down");
    }
}
