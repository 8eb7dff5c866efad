//! A server that takes samples, and asks with a Ping whether the sensor lives: the next one when the last was answered.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, HostContext};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracing::warn;

/// From the connection, or the last Pong, to the next Ping.
const BETWEEN_PINGS: Duration = Duration::from_secs(10);
/// Who answers later is taken for dead.
const PONG_WITHIN: Duration = Duration::from_secs(30);
/// How long the server takes samples.
const SHIFT: Duration = Duration::from_secs(90);

pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:9000").await?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        let cx = cx.clone();
        tokio::spawn(async move {
            // What became of the sensor is told by the facts.
            let _ = attend(&cx, stream).await;
        });
    }
}

async fn attend(cx: &HostContext, stream: TcpStream) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let end = Instant::now() + SHIFT;
    let mut pings = 0;
    let mut next = Some(Instant::now() + BETWEEN_PINGS);
    let mut deadline = None;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Pong(payload))) => {
                    cx.received(format!("ping-{}", String::from_utf8_lossy(&payload)));
                    (next, deadline) = (Some(Instant::now() + BETWEEN_PINGS), None);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            () = sleep_until(next.unwrap_or(end)), if next.is_some() => {
                pings += 1;
                cx.offered(format!("ping-{pings}"));
                socket.send(Message::Ping(pings.to_string().into())).await?;
                (next, deadline) = (None, Some(Instant::now() + PONG_WITHIN));
            }
            () = sleep_until(deadline.unwrap_or(end)), if deadline.is_some() => {
                warn!("no pong");
                return close(&mut socket, CloseCode::Error, "keepalive timeout").await;
            }
            () = sleep_until(end), if deadline.is_none() => return close(&mut socket, CloseCode::Normal, "thank you").await,
        }
    }
}

async fn close(socket: &mut WebSocketStream<TcpStream>, code: CloseCode, reason: &str) -> Result<(), BoxError> {
    socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}
