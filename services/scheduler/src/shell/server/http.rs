//! What the port answers: two pages, and the two upgrades.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use halfopen_link::Metered;
use halfopen_net::TcpStream;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::core_task::FromPeer;
use super::event_log::{self, Served};
use super::metrics::{self, Metrics};
use super::peer;
use crate::core::broker::{ConnectionId, Leg};
use crate::core::config::Config;

/// What every connection on the port shares.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) config: Arc<Config>,
    pub(super) broker: mpsc::Sender<FromPeer>,
    pub(super) metrics: Metrics,
    /// Cancelled when the service is over: nothing but closing handshakes goes on.
    pub(super) stop: CancellationToken,
}

type Page = Response<Full<Bytes>>;
type Upgrades = mpsc::Sender<(Leg, OnUpgrade)>;

/// Serves one socket: requests, and after an upgrade the WebSocket until its last byte.
pub(super) async fn serve(stream: TcpStream, port: Port, id: ConnectionId) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(target: event_log::TARGET, %error, "the socket was gone at once");
        return;
    }
    let (upgrades, mut upgraded) = mpsc::channel(1);
    let answering = port.clone();
    let service = service_fn(move |request| {
        let page = answer(request, &answering, &upgrades);
        async move { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .half_close(false)
        .timer(TokioTimer::new())
        .header_read_timeout(port.config.timings.header_timeout)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let served = tokio::select! {
        biased;
        served = connection => served,
        () = port.stop.cancelled() => return,
    };
    if let Err(error) = served {
        tracing::debug!(target: event_log::TARGET, %error, "an http connection ended early");
    }
    // Most connections ask for a page, and are over.
    let Ok((leg, upgrade)) = upgraded.try_recv() else { return };
    match upgrade.await {
        Ok(stream) => {
            let stream = Metered::new(TokioIo::new(stream));
            let link = port.config.link.clone();
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(link.websocket())).await;
            let _served = Served::enter(&port.metrics, leg);
            peer::run(socket, id, leg, link, port.broker).await;
        }
        Err(error) => tracing::debug!(target: event_log::TARGET, %error, "an upgrade failed"),
    }
}

fn answer(request: Request<Incoming>, port: &Port, upgrades: &Upgrades) -> Page {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
    }
    match request.uri().path() {
        "/health" => health(&port.metrics),
        "/metrics" => typed(text(StatusCode::OK, port.metrics.page()), metrics::CONTENT_TYPE),
        "/ws/session" => upgrade(request, Leg::Session, upgrades),
        "/ws/node" => upgrade(request, Leg::Node, upgrades),
        _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    }
}

fn health(metrics: &Metrics) -> Page {
    let body = serde_json::json!({
        "status": "ok",
        "sessions": metrics.held("connected_sessions"),
        "nodes": metrics.held("connected_nodes"),
        "open_jobs": metrics.held("open_jobs"),
    });
    typed(text(StatusCode::OK, body.to_string()), "application/json")
}

fn typed(mut page: Page, content_type: &'static str) -> Page {
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    page
}

/// Answers 101 and leaves the socket for after the response; 400 for what is not a WebSocket handshake.
fn upgrade(mut request: Request<Incoming>, leg: Leg, upgrades: &Upgrades) -> Page {
    let on_upgrade = hyper::upgrade::on(&mut request);
    match create_response_with_body(&request, Full::default) {
        Ok(response) if upgrades.try_send((leg, on_upgrade)).is_ok() => response,
        Ok(_) => text(StatusCode::BAD_REQUEST, "this connection is upgraded already\n"),
        Err(error) => text(StatusCode::BAD_REQUEST, format!("this is not a websocket handshake: {error}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}
