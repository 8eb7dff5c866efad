//! The one way to close a WebSocket.
//!
//! A socket that is dropped with unread input answers with a reset, and a reset can destroy a Close frame that the peer
//! has not read yet. So: send Close, flush, keep reading and discarding, end the writing side, drain, drop. All of it
//! within one bound, because a peer need not answer and a client's stream stays pending for ever if it does not.
//!
//! A task that wants a socket closed asks its driver through [`Outbox::close`](crate::connection::Outbox::close), as
//! often and from as many tasks as they like: the first request counts, and the driver, which alone has the socket,
//! closes it here, once. A peer that is gone already, by a reset, a broken pipe or an end without a Close frame, and
//! one that does not answer in time are expected, and logged at debug; anything else is a warning.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::close;
use crate::websocket::is_expected;

/// How a close went. None of these is a failure of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Both sides have closed.
    Completely,
    /// The peer did not finish in time.
    TimedOut,
    /// The connection was already gone.
    AlreadyGone,
}

/// Closes `socket` within `bound` and drops it. Harmless on one that is closed or broken already, whichever end closed
/// it: a Close frame goes out only if none has.
///
/// `frame` is `None` for a Close without a code, as in answer to the peer's own. A code that must not travel is
/// replaced by 1000.
pub async fn safe_close<S>(mut socket: WebSocketStream<S>, frame: Option<CloseFrame>, bound: Duration) -> Closed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Instant::now() + bound;
    let frame = frame.map(sendable);
    let said = timeout_at(deadline, say_goodbye(&mut socket, frame)).await.unwrap_or(Closed::TimedOut);
    let drained = timeout_at(deadline, drain(socket.get_mut())).await.unwrap_or(Closed::TimedOut);
    // The goodbye tells a peer that was gone before; the drain tells one that will not go.
    let outcome = if said == Closed::Completely { drained } else { said };
    tracing::debug!(?outcome, "websocket closed");
    outcome
}

/// Sends Close and reads until the peer has answered it and, if it is the server, ended the stream.
async fn say_goodbye<S>(socket: &mut WebSocketStream<S>, frame: Option<CloseFrame>) -> Closed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut outcome = Closed::Completely;
    match socket.close(frame).await {
        // The peer's own Close came first; the answer to it is on its way, and reading on sends it.
        Ok(()) | Err(Error::ConnectionClosed | Error::Protocol(ProtocolError::SendAfterClosing)) => {}
        Err(error) => {
            report(&error);
            outcome = Closed::AlreadyGone;
        }
    }
    while let Some(read) = socket.next().await {
        if let Err(error) = read {
            report(&error);
            outcome = Closed::AlreadyGone;
        }
    }
    outcome
}

/// Ends the writing side and reads to the end, so that nothing unread is left when the socket is dropped.
async fn drain<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Closed {
    if let Err(error) = stream.shutdown().await {
        report_io(&error, "shutting a socket down failed");
    }
    let mut discarded = [0; 4096];
    loop {
        match stream.read(&mut discarded).await {
            Ok(0) => return Closed::Completely,
            Ok(_) => {}
            Err(error) => {
                report_io(&error, "draining a socket failed");
                return Closed::AlreadyGone;
            }
        }
    }
}

fn report_io(error: &io::Error, what: &str) {
    let kind = error.kind();
    if close::is_expected_io(kind) {
        tracing::debug!(error = %kind, "peer gone while closing");
    } else {
        tracing::warn!(error = %kind, "{what}");
    }
}

fn report(error: &Error) {
    if is_expected(error) {
        tracing::debug!(%error, "peer gone while closing");
    } else {
        tracing::warn!(%error, "closing a websocket failed");
    }
}

fn sendable(frame: CloseFrame) -> CloseFrame {
    if close::is_sendable(frame.code.into()) {
        frame
    } else {
        CloseFrame { code: close::code::NORMAL.into(), reason: frame.reason }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tokio::io::{DuplexStream, ReadBuf};
    use tokio::time::sleep;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    const BOUND: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_is_closed_completely_and_reads_the_code() {
        let (client, mut server) = pair().await;
        let peer = tokio::spawn(async move {
            let first = server.next().await;
            while server.next().await.is_some() {}
            first
        });
        assert_eq!(safe_close(client, Some(goodbye(1000)), BOUND).await, Closed::Completely);
        let Some(Ok(Message::Close(Some(frame)))) = peer.await.expect("the peer") else { panic!("no close frame") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, "bye"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_answers_costs_two_seconds_and_no_more() {
        let (client, _server) = pair().await;
        let started = Instant::now();
        assert_eq!(safe_close(client, Some(goodbye(1000)), BOUND).await, Closed::TimedOut);
        assert_eq!(started.elapsed(), BOUND);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_what_the_peer_has_dropped_is_no_error() {
        let (client, server) = pair().await;
        drop(server);
        assert_eq!(safe_close(client, Some(goodbye(1000)), BOUND).await, Closed::AlreadyGone);
    }

    #[tokio::test(start_paused = true)]
    async fn the_peers_close_is_answered_and_not_repeated() {
        let (mut client, server) = pair().await;
        let peer = tokio::spawn(safe_close(server, Some(goodbye(1012)), BOUND));
        let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!("no close frame") };
        assert_eq!(u16::from(frame.code), 1012);
        assert_eq!(safe_close(client, None, BOUND).await, Closed::Completely);
        assert_eq!(peer.await.expect("the peer"), Closed::Completely);
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_that_must_not_travel_is_replaced() {
        let (client, mut server) = pair().await;
        let closing = tokio::spawn(safe_close(client, Some(goodbye(1006)), BOUND));
        let Some(Ok(Message::Close(Some(frame)))) = server.next().await else { panic!("no close frame") };
        assert_eq!(u16::from(frame.code), 1000);
        drop(server);
        closing.await.expect("the close");
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_close_each_other_at_once_are_both_closed_completely() {
        let (client, server) = pair().await;
        let started = Instant::now();
        let both = tokio::join!(
            safe_close(client, Some(goodbye(1000)), BOUND),
            safe_close(server, Some(goodbye(1001)), BOUND)
        );
        assert_eq!(both, (Closed::Completely, Closed::Completely));
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_floods_instead_of_answering_costs_two_seconds_and_no_more() {
        let (client, mut server) = pair().await;
        let flood = tokio::spawn(async move {
            while server.get_mut().write_all(&[0x82, 1, 0]).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        });
        let started = Instant::now();
        assert_eq!(safe_close(client, Some(goodbye(1000)), BOUND).await, Closed::TimedOut);
        assert_eq!(started.elapsed(), BOUND);
        flood.await.expect("its pipe is broken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_gone_is_told_at_debug_and_any_other_failure_is_a_warning() {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, PermissionDenied, TimedOut};
        for kind in [BrokenPipe, ConnectionReset, ConnectionAborted, NotConnected, TimedOut] {
            let (outcome, levels) = close_broken(kind).await;
            assert_eq!(outcome, Closed::AlreadyGone, "{kind}");
            assert!(levels.iter().all(|level| *level == Level::DEBUG), "{kind}: {levels:?}");
        }
        let (outcome, levels) = close_broken(PermissionDenied).await;
        assert_eq!(outcome, Closed::AlreadyGone);
        assert!(levels.contains(&Level::WARN), "{levels:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_without_a_close_frame_and_a_peer_without_an_answer_are_told_at_debug() {
        let (client, server) = pair().await;
        drop(server);
        let (_silent, far) = pair().await;
        for socket in [client, far] {
            let (_, levels) = observed(safe_close(socket, Some(goodbye(1000)), BOUND)).await;
            assert!(!levels.is_empty() && levels.iter().all(|level| *level == Level::DEBUG), "{levels:?}");
        }
    }

    /// Closes a socket whose every call fails.
    async fn close_broken(kind: io::ErrorKind) -> (Closed, Vec<Level>) {
        let socket = WebSocketStream::from_raw_socket(Broken(kind), Role::Client, None).await;
        observed(safe_close(socket, Some(goodbye(1000)), BOUND)).await
    }

    /// The outcome, and the level of each line that was logged on the way.
    async fn observed(closing: impl Future<Output = Closed>) -> (Closed, Vec<Level>) {
        let lines = Lines::default();
        let guard = tracing::subscriber::set_default(lines.clone());
        let outcome = closing.await;
        drop(guard);
        let levels = lines.0.lock().expect("no panic").clone();
        (outcome, levels)
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<Level>>>);

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("halfopen")
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            self.0.lock().expect("no panic").push(*event.metadata().level());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    struct Broken(io::ErrorKind);

    impl AsyncRead for Broken {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(self.0.into()))
        }
    }

    impl AsyncWrite for Broken {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(self.0.into()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(self.0.into()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(self.0.into()))
        }
    }

    fn goodbye(close_code: u16) -> CloseFrame {
        CloseFrame { code: close_code.into(), reason: "bye".into() }
    }

    async fn pair() -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        (
            WebSocketStream::from_raw_socket(near, Role::Client, None).await,
            WebSocketStream::from_raw_socket(far, Role::Server, None).await,
        )
    }
}
