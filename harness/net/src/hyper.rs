//! HTTP clients with hyper: a connector over this crate's [`TcpStream`].
//!
//! Servers need no adapter: wrap an accepted stream in `hyper_util::rt::TokioIo`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::TcpStream;
use crate::http_target::http_target;

/// Opens connections for `hyper_util::client::legacy::Client`, or one at a time with [`connect`](Self::connect).
///
/// It sets `TCP_NODELAY`. It speaks `http://` only; for `https://` wrap it in a TLS connector that accepts other streams.
///
/// ```
/// use halfopen_net::hyper::Connector;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
///
/// let client: Client<_, String> = Client::builder(TokioExecutor::new()).build(Connector::new());
/// # drop(client);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Connector {
    _private: (),
}

impl Connector {
    /// A connector; it has no state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects to the host and port of `uri`; the rest of it is ignored.
    ///
    /// # Errors
    /// `InvalidInput` without a host; `Unsupported` unless the scheme is `http` or missing; otherwise those of
    /// [`TcpStream::connect`].
    pub async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let stream = TcpStream::connect(target(&uri)?).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.connect(uri))
    }
}

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

fn target(uri: &Uri) -> io::Result<(String, u16)> {
    let (scheme, host, port) = (uri.scheme_str(), uri.host(), uri.port_u16());
    http_target("halfopen_net::hyper::Connector", uri, scheme, host, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_host_and_port_without_brackets() {
        assert_eq!(of("http://jobs/v1").expect("plain"), ("jobs".to_owned(), 80));
        assert_eq!(of("http://[::1]:8080/").expect("plain"), ("::1".to_owned(), 8080));
        assert_eq!(of("jobs:8080").expect("an authority"), ("jobs".to_owned(), 8080));
    }

    #[test]
    fn tls_and_a_missing_host_are_refused_by_name() {
        let tls = of("https://jobs").expect_err("no TLS here");
        assert_eq!(tls.kind(), io::ErrorKind::Unsupported);
        assert!(tls.to_string().contains("https://"), "{tls}");
        assert_eq!(of("/v1").expect_err("no host").kind(), io::ErrorKind::InvalidInput);
    }

    fn of(uri: &str) -> io::Result<(String, u16)> {
        target(&uri.parse().expect("a valid URI"))
    }
}
