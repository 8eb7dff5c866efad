//! A speech engine that takes its time to start (docs/failures.md, noisy health check): it answers health checks with a status page, and says at
//! error level when a connection fails under it, as its framework does.

use std::io;
use std::time::Duration;

use halfopen::{BoxError, HostContext};
use halfopen_net::{TcpListener, TcpStream};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::error;

/// The configuration of the engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: String,
    /// It listens, and is not ready for this long.
    #[serde(with = "humantime_serde")]
    pub loads_for: Duration,
    /// How long its status page is, in bytes.
    pub page_bytes: usize,
}

/// What it answers while it loads, one connection after the other: none of these is ready.
const NOT_READY: [&str; 4] =
    ["503 Service Unavailable", "404 Not Found", "307 Temporary Redirect", "500 Internal Server Error"];

/// Serves until the host is asked to stop.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: HostContext) -> Result<(), BoxError> {
    let config: Config = cx.config()?;
    let listener = TcpListener::bind(config.listen.as_str()).await?;
    let ready = Instant::now() + config.loads_for;
    let mut connections = JoinSet::new();
    let mut not_ready = NOT_READY.into_iter().cycle();
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => {
                let (socket, _) = accepted?;
                let is_ready = Instant::now() >= ready;
                let status = if is_ready { None } else { not_ready.next() }.unwrap_or("200 OK");
                connections.spawn(async move {
                    if let Err(error) = serve(socket, status, config.page_bytes).await {
                        error!(kind = ?error.kind(), "exception in callback: the connection was lost");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers requests until the client ends the connection; however else it ends is an error.
async fn serve(socket: TcpStream, status: &str, page_bytes: usize) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut line = String::new();
    while socket.read_line(&mut line).await? > 0 {
        if line == "\r\n" {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {page_bytes}\r\n\r\n");
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&vec![b'.'; page_bytes]).await?;
        }
        line.clear();
    }
    socket.shutdown().await
}
