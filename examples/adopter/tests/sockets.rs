//! The service and the client over the loopback device, with no simulation anywhere.

use std::time::Duration;

use echo_line::server::{self, Config};
use echo_line::{Client, Note, client};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_note_is_delivered_over_a_real_socket() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let listen = listener.local_addr()?;
    let config = Config { listen, idle_limit: Duration::from_secs(5) };
    let service = tokio::spawn(server::serve(listener, config));

    let mut client = Client::new(client::Config {
        url: format!("ws://{listen}/echo"),
        patience: Duration::from_secs(5),
        pause: Duration::from_millis(10),
        attempts: 2,
    });
    client.deliver(&Note::new("n-1", "good morning")).await?;
    client.deliver(&Note::new("n-2", "is anybody there")).await?;
    client.close().await;
    service.abort();
    Ok(())
}
