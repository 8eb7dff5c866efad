//! A connector that says when it dials.

use std::pin::Pin;
use std::task::{Context, Poll};

use halfopen_net::TcpStream;
use halfopen_net::hyper014::Connector;
use hyper014::Uri;
use tower_service::Service;
use tracing::info;

/// `halfopen_net`'s connector; each attempt is an event in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialler(Connector);

impl Dialler {
    pub(super) fn new() -> Self {
        Self(Connector::new())
    }
}

impl Service<Uri> for Dialler {
    type Response = TcpStream;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<TcpStream>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        info!(to = uri.authority().map(|authority| authority.as_str()), "dials");
        self.0.call(uri)
    }
}
