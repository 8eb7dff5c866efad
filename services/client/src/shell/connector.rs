//! How a stream to the scheduler is opened. TCP and TLS are built in; a connector of another kind can put a proxy or a pipe in
//! their place.

use std::future::Future;
use std::io;

use halfopen_tls::{Dialer, Scheme, Stream, Trust};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::{Config, ConfigError};

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

/// What the URL of a configuration asks for: plain TCP, or TLS over it.
#[derive(Clone, Debug)]
pub struct ByScheme {
    scheme: Scheme,
    dialer: Dialer,
}

impl ByScheme {
    /// Reads the authorities, if the URL asks for TLS.
    ///
    /// # Errors
    /// An unfit URL, and [`ConfigError::Tls`].
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let (scheme, ..) = config.endpoint()?;
        let failed = |error: halfopen_tls::TlsError| ConfigError::Tls(halfopen_process::chain(&error));
        let dialer = Dialer::new(scheme, &Trust { ca_file: config.ca_file.clone() }).map_err(failed)?;
        Ok(Self { scheme, dialer })
    }
}

impl Connector for ByScheme {
    type Stream = Stream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<Stream> {
        self.dialer.open(self.scheme, host, port).await
    }
}
