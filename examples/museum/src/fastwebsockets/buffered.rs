//! A user who puts a buffer under the WebSocket, and sends an order each ten seconds.

use std::time::Duration;

use halfopen::{BoxError, HostContext};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::sleep;

const ORDERS: u32 = 5;

/// Over the version of the report: `write_frame` is all there is.
pub(super) async fn at_0_8_0(cx: HostContext) -> Result<(), BoxError> {
    use fastwebsockets_0_8_0::{Frame, Role, WebSocket};
    let mut socket = WebSocket::after_handshake(connect().await?, Role::Client);
    for n in 1..=ORDERS {
        let order = format!("order-{n}");
        cx.offered(&order);
        socket.write_frame(Frame::text(order.into_bytes().into())).await?;
        sleep(Duration::from_secs(10)).await;
    }
    socket.write_frame(Frame::close(1000, b"")).await?;
    Ok(())
}

/// Over one with the fix: what was written is flushed.
pub(super) async fn at_0_10_0(cx: HostContext) -> Result<(), BoxError> {
    use fastwebsockets_0_10_0::{Frame, Role, WebSocket};
    let mut socket = WebSocket::after_handshake(connect().await?, Role::Client);
    for n in 1..=ORDERS {
        let order = format!("order-{n}");
        cx.offered(&order);
        socket.write_frame(Frame::text(order.into_bytes().into())).await?;
        socket.flush().await?;
        sleep(Duration::from_secs(10)).await;
    }
    socket.write_frame(Frame::close(1000, b"")).await?;
    socket.flush().await?;
    Ok(())
}

/// The opening handshake, over a buffered stream.
async fn connect() -> Result<BufStream<TcpStream>, BoxError> {
    let stream = TcpStream::connect("orders:9002").await?;
    stream.set_nodelay(true)?;
    let mut stream = BufStream::new(stream);
    let key = fastwebsockets_0_10_0::handshake::generate_key();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: orders:9002\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    Ok(stream)
}
