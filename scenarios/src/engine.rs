//! A speech engine that takes its time to start (docs/failures.md, noisy health check): it answers health checks with a status page, and says at
//! error level when a connection fails under it, as its framework does.

use std::io;
use std::time::Duration;

use halfopen::{BoxError, HostContext};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
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
    /// It does not end a connection, whatever its client says, before it has been idle for a while.
    #[serde(default)]
    pub holds_on: bool,
}

/// How long it keeps a connection that its client has not asked it to end.
const KEPT: Duration = Duration::from_secs(10);

/// What it answers while it loads, one connection after the other: none of these is ready.
const NOT_READY: [&str; 4] =
    ["503 Service Unavailable", "404 Not Found", "307 Temporary Redirect", "500 Internal Server Error"];

/// The pause behind an `accept` that has failed: without descriptors the next would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

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
                // A client that has left before it is accepted, or a moment without descriptors, ends no server.
                let Ok((socket, _)) = accepted else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let is_ready = Instant::now() >= ready;
                let status = if is_ready { None } else { not_ready.next() }.unwrap_or("200 OK");
                let config = config.clone();
                connections.spawn(async move {
                    if let Err(error) = serve(socket, status, &config).await {
                        error!(kind = ?error.kind(), "exception in callback: the connection was lost");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers requests until the client ends the connection, or asks that it be ended with the answer; however else it ends is
/// an error. Like servers that keep connections, it does not look at a kept one for a while, the client's end among what it misses.
async fn serve(socket: TcpStream, status: &str, config: &Config) -> io::Result<()> {
    let page_bytes = config.page_bytes;
    let mut socket = BufReader::new(socket);
    let mut line = String::new();
    let mut is_last = false;
    while socket.read_line(&mut line).await? > 0 {
        is_last |= line.eq_ignore_ascii_case("connection: close\r\n");
        if line == "\r\n" {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {page_bytes}\r\n\r\n");
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&vec![b'.'; page_bytes]).await?;
            if config.holds_on || !is_last {
                sleep(KEPT).await;
            }
            if is_last {
                break;
            }
        }
        line.clear();
    }
    socket.shutdown().await?;
    // The client's end is waited for, so that what was sent last is not lost with the connection.
    tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.map(|_| ())
}
