//! A server that sends a quote each half second, and takes heartbeats.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, HostContext};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;
use tokio_tungstenite::tungstenite::Message;

const QUOTES: u32 = 30;
/// A quote is a name and as many characters of the book.
const BOOK: usize = 3000;

pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:9001").await?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        let cx = cx.clone();
        tokio::spawn(async move {
            // A reader who is gone is no error of the server's.
            let _ = quote(&cx, stream).await;
        });
    }
}

async fn quote(cx: &HostContext, stream: TcpStream) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let (mut sink, mut heartbeats) = tokio_tungstenite::accept_async(stream).await?.split();
    let quoting = async {
        let mut ticks = interval(Duration::from_millis(500));
        for n in 1..=QUOTES {
            ticks.tick().await;
            let name = format!("quote-{n}");
            cx.offered(&name);
            sink.send(Message::text(format!("{name} {}", "x".repeat(BOOK)))).await?;
        }
        sink.send(Message::Close(None)).await?;
        Ok::<_, BoxError>(())
    };
    let hearing = async { while let Some(Ok(_)) = heartbeats.next().await {} };
    let (quoted, ()) = tokio::join!(quoting, hearing);
    quoted
}
