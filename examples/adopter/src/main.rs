//! Serves notes on a real socket.

use std::time::Duration;

use echo_line::server::{self, Config};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned()).parse()?;
    let config = Config { listen, idle_limit: Duration::from_secs(60) };
    let listener = TcpListener::bind(config.listen).await?;
    tracing::info!(%listen, "serving notes");
    server::serve(listener, config).await?;
    Ok(())
}
