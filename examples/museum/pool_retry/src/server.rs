//! A server that answers one request a connection.

use std::convert::Infallible;

use halfopen::{BoxError, HostContext};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves until it is told to stop.
pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        tokio::spawn(async move {
            let serving =
                http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service_fn(answer));
            // A client that leaves is no error of the server's.
            let _ = serving.await;
        });
    }
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("open")))
}
