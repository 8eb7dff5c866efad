//! The reader of the report: one task that selects between the next frame and the next heartbeat.

use std::time::Duration;

use fastwebsockets_0_8_0::{FragmentCollector, Frame, OpCode, WebSocket, handshake};
use halfopen::{BoxError, HostContext};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::interval;
use tracing::info;

pub(super) async fn read(cx: HostContext) -> Result<(), BoxError> {
    let mut socket = FragmentCollector::new(connect().await?);
    let mut heartbeats = interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            frame = socket.read_frame() => match frame {
                Ok(frame) if frame.opcode == OpCode::Close => return Ok(()),
                Ok(frame) => take(&cx, &frame.payload),
                Err(error) => {
                    info!(%error, "the line broke");
                    return Ok(());
                }
            },
            _ = heartbeats.tick() => socket.write_frame(Frame::text(b"heartbeat".as_slice().into())).await?,
        }
    }
}

/// A quote's name is its first word.
pub(super) fn take(cx: &HostContext, quote: &[u8]) {
    let text = String::from_utf8_lossy(quote);
    if let Some(name) = text.split_whitespace().next() {
        cx.received(name);
    }
}

async fn connect() -> Result<WebSocket<TokioIo<Upgraded>>, BoxError> {
    let stream = TcpStream::connect("quotes:9001").await?;
    stream.set_nodelay(true)?;
    let request = request("quotes:9001", &handshake::generate_key())?;
    let (socket, _) = handshake::client(&TokioExecutor::new(), request, stream).await?;
    Ok(socket)
}

/// The request of an opening handshake.
pub(super) fn request(host: &str, key: &str) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    Request::get("/")
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", key)
        .body(Empty::new())
}
