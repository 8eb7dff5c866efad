//! Serves notes on a real socket, until it is interrupted.

use std::time::Duration;

use echo_line::server::{self, Config};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned()).parse()?;
    let shutdown = CancellationToken::new();
    let mut service =
        std::pin::pin!(server::run(Config { listen, idle_limit: Duration::from_secs(60) }, shutdown.clone()));
    tokio::select! {
        ended = &mut service => return Ok(ended?),
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    shutdown.cancel();
    Ok(service.await?)
}
