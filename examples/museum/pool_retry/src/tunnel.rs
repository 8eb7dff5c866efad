//! A connector through the proxy.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;
use tracing::info;

/// Opens a tunnel for each connection; each attempt is an event in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tunnel;

impl Service<Uri> for Tunnel {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        info!(to = uri.host(), "dials");
        Box::pin(async {
            let mut stream = TcpStream::connect("gate:3128").await?;
            stream.set_nodelay(true)?;
            stream.write_all(b"CONNECT shop:80 HTTP/1.1\r\nhost: shop:80\r\n\r\n").await?;
            read_head(&mut stream).await?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Reads to the end of a head, and no byte further.
///
/// # Errors
/// Those of the connection; `UnexpectedEof` when it ends before.
pub(super) async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(())
}
