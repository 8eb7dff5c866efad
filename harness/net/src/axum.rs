//! Servers with axum: `axum::serve` takes a [`TcpListener`] of this crate as it is.
//!
//! ```no_run
//! # async fn serve() -> std::io::Result<()> {
//! use axum::extract::ConnectInfo;
//! use axum::{Router, routing::get};
//! use halfopen_net::TcpListener;
//! use halfopen_net::axum::PeerAddress;
//!
//! let app = Router::new().route("/", get(|ConnectInfo(peer): ConnectInfo<PeerAddress>| async move { peer.to_string() }));
//! let listener = TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<PeerAddress>()).await
//! # }
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};

use crate::listener::concerns_one_connection;
use crate::{TcpListener, TcpStream};

/// Rest after an accept error that concerns the whole process (too many open files): as long as `axum::serve` rests over
/// tokio's own listener.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Accepts for ever. An error of one connection is passed over; any other is logged and followed by a pause of a second.
impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match TcpListener::accept(self).await {
                Ok(accepted) => return accepted,
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "accept failed; pausing for {ACCEPT_PAUSE:?}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

/// The client's address for `axum::extract::ConnectInfo`; axum's own, a bare `SocketAddr`, works with tokio's listener
/// only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for PeerAddress {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
