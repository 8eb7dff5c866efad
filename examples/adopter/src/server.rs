//! The service: returns every note that it is sent.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::note::Note;

/// What the service can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// A connection that brings nothing for this long is closed with code 1000.
    #[serde(with = "humantime_serde")]
    pub idle_limit: Duration,
}

/// Serves until `shutdown`, and returns when every connection is closed.
///
/// # Errors
/// If the address is taken.
pub async fn run(config: Config, shutdown: CancellationToken) -> io::Result<()> {
    let listener = TcpListener::bind(config.listen).await?;
    info!(listen = %config.listen, "serving notes");
    serve(listener, config, shutdown).await
}

/// As [`run`], on a socket that is bound already.
///
/// # Errors
/// None that axum is known to have.
pub async fn serve(listener: TcpListener, config: Config, shutdown: CancellationToken) -> io::Result<()> {
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            debug!(%error, "small messages may be slow");
        }
    });
    let service = Service { config, shutdown: shutdown.clone(), conversations: TaskTracker::new() };
    let conversations = service.conversations.clone();
    let router = Router::new().route("/echo", get(upgrade)).with_state(service);
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await?;
    conversations.close();
    conversations.wait().await;
    Ok(())
}

#[derive(Clone)]
struct Service {
    config: Config,
    shutdown: CancellationToken,
    conversations: TaskTracker,
}

async fn upgrade(State(service): State<Service>, upgrade: WebSocketUpgrade) -> Response {
    let counted = service.conversations.token();
    upgrade.on_upgrade(async move |socket| {
        converse(socket, &service).await;
        drop(counted);
    })
}

async fn converse(mut socket: WebSocket, service: &Service) {
    loop {
        let message = tokio::select! {
            () = service.shutdown.cancelled() => return say_goodbye(socket, close_code::AWAY, "shutting down").await,
            message = timeout(service.config.idle_limit, socket.recv()) => message,
        };
        let Ok(message) = message else {
            return say_goodbye(socket, close_code::NORMAL, "idle").await;
        };
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                return say_goodbye(socket, close_code::UNSUPPORTED, "notes are text").await;
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_))) | None => return,
            Some(Err(error)) => return debug!(%error, "a client is gone"),
        };
        let Ok(note) = serde_json::from_str::<Note>(&text) else {
            return say_goodbye(socket, close_code::INVALID, "this is no note").await;
        };
        info!(id = note.id, "note received");
        if let Err(error) = socket.send(Message::Text(text)).await {
            return debug!(%error, "a client is gone");
        }
    }
}

/// Closes a connection from this side. The result is ignored, because the client may be gone already.
async fn say_goodbye(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = socket.send(Message::Close(Some(frame))).await;
}
