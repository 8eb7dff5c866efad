//! A client that does as little as can be done with a stream: it finds the ends of events in the bytes of a socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::Load;

/// Longer than any stream takes here.
const NEVER: Duration = Duration::from_secs(60);

/// Reads one stream; when each event but the terminator arrived.
///
/// # Panics
/// If the stream is not what was ordered.
pub(crate) async fn read(proxy: SocketAddr, load: Load) -> Vec<Instant> {
    tokio::time::timeout(NEVER, read_whole(proxy, load)).await.expect("a stream that ends")
}

async fn read_whole(proxy: SocketAddr, load: Load) -> Vec<Instant> {
    let mut stream = TcpStream::connect(proxy).await.expect("the proxy listens");
    stream.set_nodelay(true).expect("the socket lives");
    let body = load.request();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("the proxy reads");
    let mut arrivals = Vec::with_capacity(load.events + 1);
    let mut buffer = vec![0; 64 << 10];
    // The bytes before the ones in the buffer, as far as they matter: `\n` ends a line of an event, never a chunk's.
    let mut before = b' ';
    let mut tail = Vec::new();
    while !tail.ends_with(b"\r\n0\r\n\r\n") {
        let read = stream.read(&mut buffer).await.expect("the proxy stays");
        assert!(read > 0, "the stream was cut after {} events", arrivals.len());
        let now = Instant::now();
        let bytes = &buffer[..read];
        let ends = usize::from(before == b'\n' && bytes[0] == b'\n')
            + bytes.windows(2).filter(|pair| **pair == *b"\n\n").count();
        arrivals.extend(std::iter::repeat_n(now, ends));
        before = bytes[read - 1];
        tail.extend_from_slice(&bytes[read.saturating_sub(64)..]);
        tail.drain(..tail.len().saturating_sub(64));
    }
    let tail = String::from_utf8_lossy(&tail);
    assert!(tail.contains("data: [DONE]\n\n"), "the stream ends with its terminator, not with {tail:?}");
    assert_eq!(arrivals.len(), load.events + 1, "every event, and the terminator");
    arrivals.pop();
    arrivals
}
