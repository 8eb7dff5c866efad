//! A server that takes orders.

use futures_util::StreamExt;
use halfopen::{BoxError, HostContext};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:9002").await?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        let cx = cx.clone();
        tokio::spawn(async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(order) = message {
                    cx.received(order);
                }
            }
        });
    }
}
