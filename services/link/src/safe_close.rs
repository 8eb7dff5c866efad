//! The one way to close a WebSocket.
//!
//! A socket that is dropped with unread input answers with a reset, and a reset can destroy a Close frame that the peer
//! has not read yet. So: send Close, flush, keep reading and discarding, end the writing side, drain, drop. All of it
//! within one bound, because a peer need not answer and a client's stream stays pending for ever if it does not.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::close;

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

/// Closes `socket` within `bound` and drops it. Harmless on one that is closed or broken already, and whoever closed it:
/// a Close frame goes out only if none has.
///
/// `frame` is `None` for a Close without a code, as in answer to the peer's own. A code that must not travel is
/// replaced by 1000.
pub async fn safe_close<S>(mut socket: WebSocketStream<S>, frame: Option<CloseFrame>, bound: Duration) -> Closed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Instant::now() + bound;
    let frame = frame.map(sendable);
    let said = match timeout_at(deadline, say_goodbye(&mut socket, frame)).await {
        Ok(said) => said,
        Err(_) => Closed::TimedOut,
    };
    let drained = match timeout_at(deadline, drain(socket.get_mut())).await {
        Ok(()) => said,
        Err(_) => Closed::TimedOut,
    };
    tracing::debug!(outcome = ?drained, "websocket closed");
    drained
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
async fn drain<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if let Err(error) = stream.shutdown().await
        && !close::is_expected_io(error.kind())
    {
        tracing::warn!(error = %error.kind(), "shutting a socket down failed");
    }
    let mut discarded = [0; 4096];
    while let Ok(1..) = stream.read(&mut discarded).await {}
}

fn report(error: &Error) {
    if close::is_expected(error) {
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
    use tokio::io::DuplexStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

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
