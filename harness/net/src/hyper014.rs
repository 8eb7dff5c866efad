//! hyper 0.14, for services and libraries that have not moved to 1: a connector for its client, and a stream of connections
//! for its server.
//!
//! One connection at a time needs no adapter: hyper 0.14 takes tokio's traits, so a [`TcpStream`] goes to
//! `hyper::client::conn::handshake` and `hyper::server::conn::Http::serve_connection` as it is.
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use std::convert::Infallible;
//!
//! use halfopen_net::TcpListener;
//! use halfopen_net::hyper014::{Connector, Incoming};
//! use hyper014::service::{make_service_fn, service_fn};
//! use hyper014::{Body, Client, Request, Response, Server};
//!
//! let client: Client<Connector> = Client::builder().build(Connector::new());
//!
//! let answer = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("hello"))));
//! let listener = TcpListener::bind("0.0.0.0:8080").await?;
//! Server::builder(Incoming::new(listener)).serve(make_service_fn(|_| async move { Ok::<_, Infallible>(answer) })).await?;
//! # drop(client);
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper014::Uri;
use hyper014::client::connect::{Connected, Connection};
use hyper014::server::accept::Accept;
use tokio::time::Sleep;
use tower_service::Service;

use crate::http_target::http_target;
use crate::{TcpListener, TcpStream};

/// Rest after an accept error that concerns the whole process (too many open files): as long as hyper 0.14 rests over
/// tokio's own listener.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Opens connections for `hyper::Client`, and for whatever else of hyper 0.14's time takes a `Service<Uri>`.
///
/// The client spawns its connections: it wants hyper's feature `runtime`, or an executor of its own.
///
/// It sets `TCP_NODELAY`. It speaks `http://` only; for `https://` wrap it in a TLS connector that accepts other streams.
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
    pub async fn connect(self, uri: Uri) -> io::Result<TcpStream> {
        let (scheme, host, port) = (uri.scheme_str(), uri.host(), uri.port_u16());
        let target = http_target("halfopen_net::hyper014::Connector", &uri, scheme, host, port)?;
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Service<Uri> for Connector {
    type Response = TcpStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

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

/// A listener's connections, for `hyper::Server::builder`: without end. An error of one connection is passed over; any
/// other is logged and followed by a pause of a second.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// The connections of `listener`.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, pause: None }
    }
}

impl Accept for Incoming {
    type Conn = TcpStream;
    type Error = io::Error;

    fn poll_accept(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<TcpStream>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _)) => return Poll::Ready(Some(Ok(stream))),
                Err(error) if crate::listener::concerns_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "accept failed; pausing for {ACCEPT_PAUSE:?}");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}
