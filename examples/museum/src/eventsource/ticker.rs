//! A server of hyper 0.14 that sends an event each second.

use std::convert::Infallible;
use std::time::Duration;

use halfopen::{BoxError, HostContext};
use hyper014::server::conn::AddrStream;
use hyper014::service::{make_service_fn, service_fn};
use hyper014::{Body, Request, Response, Server};
use tokio::time::interval;

/// Serves until it is told to stop.
pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let service = make_service_fn(|_: &AddrStream| async { Ok::<_, Infallible>(service_fn(stream)) });
    let server = Server::try_bind(&([0, 0, 0, 0], 8000).into())?.serve(service);
    tokio::select! {
        ended = server => Ok(ended?),
        () = cx.stopped() => Ok(()),
    }
}

async fn stream(_: Request<Body>) -> Result<Response<Body>, hyper014::http::Error> {
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        let mut seconds = interval(Duration::from_secs(1));
        for n in 1_u64.. {
            seconds.tick().await;
            if sender.send_data(format!("data: tick {n}\n\n").into()).await.is_err() {
                return;
            }
        }
    });
    Response::builder().header("content-type", "text/event-stream").body(body)
}
