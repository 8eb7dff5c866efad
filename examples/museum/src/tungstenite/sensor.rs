// A sensor that sends its samples while the line takes them, and then only listens. Included once for each version.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, FactKind, HostContext};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tracing::info;

/// A sample that the line does not take for so long is the last.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_SAMPLES: Duration = Duration::from_millis(20);
const SAMPLE_BYTES: usize = 4096;

pub(super) async fn measure(cx: HostContext) -> Result<(), BoxError> {
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config("ws://control:9000/", None, true).await?;
    while let Ok(sent) = timeout(PATIENCE, socket.send(Message::Binary(vec![0; SAMPLE_BYTES]))).await {
        sent?;
        sleep(BETWEEN_SAMPLES).await;
    }
    info!("the line is full: listening");
    let mut code = 1006;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Close(Some(frame))) => code = u16::from(frame.code),
            Ok(_) => {}
            Err(error) => info!(%error, "the line broke"),
        }
    }
    cx.fact(FactKind::Detected, "control", code);
    Ok(())
}
