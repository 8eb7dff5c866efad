//! The service and the client over the loopback device, with no simulation anywhere.

use std::time::Duration;

use echo_line::server::{self, Config};
use echo_line::{Client, Note};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_note_is_delivered_over_a_real_socket() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let listen = listener.local_addr()?;
    let config = Config { listen, idle_limit: Duration::from_secs(5) };
    let shutdown = CancellationToken::new();
    let service = tokio::spawn(server::serve(listener, config, shutdown.clone()));

    let mut client = Client::new(echo_line::Config {
        url: format!("ws://{listen}/echo"),
        patience: Duration::from_secs(5),
        pause: Duration::from_millis(10),
        attempts: 2,
    });
    client.deliver(&Note::new("n-1", "good morning")).await?;
    client.deliver(&Note::new("n-2", "is anybody there")).await?;
    client.close().await;
    shutdown.cancel();
    Ok(service.await??)
}
