//! A connector that says when it dials.

use std::task::{Context, Poll};

use hyper014::Uri;
use hyper014::client::HttpConnector;
use tower_service::Service;
use tracing::info;

/// The connector of hyper 0.14, which the library would take by itself; each attempt is an event in the log.
#[derive(Clone, Debug)]
pub(super) struct Dialler(HttpConnector);

impl Dialler {
    pub(super) fn new() -> Self {
        Self(HttpConnector::new())
    }
}

impl Service<Uri> for Dialler {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        info!(to = uri.authority().map(|authority| authority.as_str()), "dials");
        self.0.call(uri)
    }
}
