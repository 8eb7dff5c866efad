//! How a stream to the scheduler is opened. TCP is built in; a connector of another kind can put TLS, a proxy or a
//! pipe in its place.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Opens streams. Every attempt of the client opens one; the client bounds how long that takes.
pub trait Connector: Send + Sync + 'static {
    /// The stream that a connect returns.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens a stream to a host (a name or a literal address) and port.
    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Plain TCP, without Nagle's delay: a Close frame that waits for an acknowledgement may be overtaken by a reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connector for Tcp {
    type Stream = TcpStream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
