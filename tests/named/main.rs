//! One named test for each scenario of a folder, as a user's crate has it: `cargo test --test named -- --exact echo_anywhere`.

use std::io;
use std::process::ExitCode;

use futures_util::{SinkExt as _, StreamExt as _};
use halfopen::Catalogue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

fn main() -> ExitCode {
    halfopen::test_each(
        Catalogue::new(env!("CARGO_MANIFEST_DIR"), "named/scenarios")
            .host("echo", async |cx| Ok(cx.until_stopped(echo()).await?))
            .host("page", async |cx| Ok(cx.until_stopped(page()).await?)),
    )
}

/// Sends each text back.
async fn echo() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            let Ok(mut line) = accept_async(socket).await else { return };
            while let Some(Ok(message)) = line.next().await {
                if message.is_text() && line.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Answers each request with its path.
async fn page() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (mut socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = socket.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let length = path.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{path}");
            let _ = socket.write_all(answer.as_bytes()).await;
        });
    }
}
