//! A server that takes orders, and closes a connection that has been idle for fifteen seconds.

use std::time::Duration;

use halfopen::{BoxError, HostContext};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// hyper has one bound for how long a request's head may take, and it counts from the answer before.
const IDLE: Duration = Duration::from_secs(15);

pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        connections.spawn(serve(cx.clone(), stream));
    }
}

async fn serve(cx: HostContext, stream: TcpStream) {
    let answer = service_fn(async |request: Request<Incoming>| {
        let order = request.into_body().collect().await?.to_bytes();
        cx.received(String::from_utf8_lossy(&order));
        Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
    });
    let mut serving = http1::Builder::new();
    serving.timer(TokioTimer::new()).header_read_timeout(IDLE);
    // How a connection ends is the customer's affair.
    let _ = serving.serve_connection(TokioIo::new(stream), answer).await;
}
