//! A backend that does what it is told, byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::fixture::soon;

pub(crate) const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
pub(crate) const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
pub(crate) const HELLO: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n";
pub(crate) const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";
pub(crate) const LAST_CHUNK: &str = "0\r\n\r\n";

/// One act on the one connection that the backend serves.
pub(crate) enum Act {
    /// Write these bytes.
    Send(String),
    /// Wait until the test says [`MisbehavingBackend::go_on`].
    Wait,
    /// Close with FIN.
    Fin,
    /// Close with RST.
    Reset,
    /// Wait until the gateway closes, and tell the test.
    Hold,
    /// Write events until the gateway closes, and tell the test how many bytes the socket took.
    Flood,
}

/// One HTTP chunk.
pub(crate) fn chunk(text: &str) -> Act {
    Act::Send(format!("{:x}\r\n{text}\r\n", text.len()))
}

pub(crate) fn send(text: &str) -> Act {
    Act::Send(text.to_owned())
}

/// The head of an answer with a body of known length, and the body.
pub(crate) fn whole(status: &str, body: &str) -> Act {
    let length = body.len();
    Act::Send(format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"))
}

pub(crate) struct MisbehavingBackend {
    pub(crate) address: SocketAddr,
    steps: Arc<Semaphore>,
    left: mpsc::UnboundedReceiver<usize>,
    requests: mpsc::UnboundedReceiver<String>,
    serving: JoinHandle<()>,
}

impl MisbehavingBackend {
    /// Serves one connection with `acts`.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::serve([acts.into_iter().collect()]).await
    }

    /// Serves a connection with `first`, and the next one with `then`.
    pub(crate) async fn start_late(first: impl IntoIterator<Item = Act>, then: impl IntoIterator<Item = Act>) -> Self {
        Self::serve([first.into_iter().collect(), then.into_iter().collect()]).await
    }

    async fn serve<const CONNECTIONS: usize>(plays: [Vec<Act>; CONNECTIONS]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let steps = Arc::new(Semaphore::new(0));
        let (tell_left, left) = mpsc::unbounded_channel();
        let (tell_request, requests) = mpsc::unbounded_channel();
        let gate = Arc::clone(&steps);
        let serving = tokio::spawn(async move {
            for acts in plays {
                let (mut stream, _) = listener.accept().await.expect("the gateway connects");
                let _ = tell_request.send(read_request(&mut stream).await);
                for act in acts {
                    perform(act, &mut stream, &gate, &tell_left).await;
                }
            }
        });
        Self { address, steps, left, requests, serving }
    }

    pub(crate) fn go_on(&self) {
        self.steps.add_permits(1);
    }

    /// The request as it arrived.
    pub(crate) async fn request(&mut self) -> String {
        soon("the gateway's request", self.requests.recv()).await.expect("the backend serves")
    }

    /// Waits until the gateway has closed the connection; how many bytes a flood got rid of.
    pub(crate) async fn gateway_left(&mut self) -> usize {
        soon("the gateway to hang up on the backend", self.left.recv()).await.expect("the backend holds")
    }
}

impl Drop for MisbehavingBackend {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn perform(act: Act, stream: &mut TcpStream, gate: &Semaphore, tell_left: &mpsc::UnboundedSender<usize>) {
    match act {
        Act::Send(text) => stream.write_all(text.as_bytes()).await.expect("the gateway reads"),
        Act::Wait => gate.acquire().await.expect("the gate stays").forget(),
        Act::Fin => stream.shutdown().await.expect("the connection lives"),
        Act::Reset => stream.set_zero_linger().expect("a live socket"),
        Act::Hold => {
            let mut rest = [0; 64];
            while matches!(stream.read(&mut rest).await, Ok(1..)) {}
            let _ = tell_left.send(0);
        }
        Act::Flood => {
            let events = HELLO.repeat(100);
            let piece = format!("{:x}\r\n{events}\r\n", events.len());
            let mut sent = 0;
            while stream.write_all(piece.as_bytes()).await.is_ok() {
                sent += piece.len();
            }
            let _ = tell_left.send(sent);
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.expect("the gateway sends a request");
        request.push_str(std::str::from_utf8(&piece[..read]).expect("these tests send ASCII"));
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse::<usize>().expect("a number")) {
            return request;
        }
    }
}
