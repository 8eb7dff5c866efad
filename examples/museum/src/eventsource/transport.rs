//! What eventsource-client asks for since 0.17: a way to make a request, here a connection for each.

use bytes::Bytes;
use futures_util::stream::poll_fn;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use launchdarkly_sdk_transport::{ByteStream, HttpTransport, ResponseFuture, TransportError};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

/// hyper, with a line in the log for each attempt. Its own futures are not `Sync`, which is wanted here: a task makes the exchange and passes on
/// what comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport;

impl HttpTransport for Transport {
    fn request(&self, request: Request<Option<Bytes>>) -> ResponseFuture {
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let (head, mut body) = match exchange(request).await {
                Ok(response) => response.into_parts(),
                Err(error) => {
                    // Who asked may have left.
                    let _ = answer.send(Err(TransportError::new(error)));
                    return;
                }
            };
            let (pieces, mut coming) = mpsc::channel(1);
            let stream: ByteStream = Box::pin(poll_fn(move |cx| coming.poll_recv(cx)));
            if answer.send(Ok(Response::from_parts(head, stream))).is_err() {
                return;
            }
            while let Some(frame) = body.frame().await {
                let piece = frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(TransportError::new);
                if pieces.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Box::pin(async { answered.await.unwrap_or_else(|gone| Err(TransportError::new(gone))) })
    }
}

async fn exchange(request: Request<Option<Bytes>>) -> std::io::Result<Response<Incoming>> {
    let target = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    info!(to = target, "dials");
    let stream = TcpStream::connect(target.as_str()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        // Its error is the request's, or the body's, as well.
        let _ = connection.await;
    });
    let (mut head, body) = request.into_parts();
    head.headers.insert(HOST, HeaderValue::from_str(&target).map_err(std::io::Error::other)?);
    head.uri = head.uri.path().parse().map_err(std::io::Error::other)?;
    let request = Request::from_parts(head, Full::new(body.unwrap_or_default()));
    sender.send_request(request).await.map_err(std::io::Error::other)
}
