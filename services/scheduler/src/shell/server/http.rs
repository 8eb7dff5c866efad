//! What the port answers: two pages, and the two upgrades.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use halfopen_door::{Door, Guest, KeyRing, Site};
use halfopen_link::Metered;
use halfopen_tls::Stream;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::core_task::FromPeer;
use super::event_log::{self, Served};
use super::metrics::{self, Metrics};
use super::{Reloadable, peer};
use crate::core::broker::{ConnectionId, Leg};
use crate::core::config::Config;

/// What every connection on the port shares.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) config: Arc<Config>,
    pub(super) broker: mpsc::Sender<FromPeer>,
    pub(super) metrics: Metrics,
    /// How many connections there are, and may be.
    pub(super) door: Door,
    pub(super) reloadable: Reloadable,
    /// Cancelled when the service is over: nothing but closing handshakes goes on.
    pub(super) stop: CancellationToken,
}

/// The keys of both legs. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct AccessKeys {
    pub(super) nodes: KeyRing,
    pub(super) sessions: KeyRing,
}

/// The stream of a connection, once its TLS handshake is done, which may take as long as a head. `None` when it fails or the service
/// is over.
async fn secured(stream: TcpStream, port: &Port, bound: Duration) -> Option<Stream> {
    let accepted = tokio::select! {
        biased;
        accepted = port.reloadable.acceptor.accept(stream, bound) => accepted,
        () = port.stop.cancelled() => return None,
    };
    accepted.inspect_err(|error| tracing::debug!(target: event_log::TARGET, %error, "the TLS handshake failed")).ok()
}

type Page = Response<Full<Bytes>>;
type Upgrades = mpsc::Sender<(Leg, OnUpgrade)>;

/// Serves one socket: requests, and after an upgrade the WebSocket until its last byte.
pub(super) async fn serve(stream: TcpStream, port: Port, id: ConnectionId, guest: Guest) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(target: event_log::TARGET, %error, "the socket was gone at once");
        return;
    }
    let is_beyond = guest.is_beyond();
    let head_bound = if is_beyond { BEYOND } else { port.config.timings.header_timeout };
    let Some(stream) = secured(stream, &port, head_bound).await else { return };
    let (upgrades, mut upgraded) = mpsc::channel(1);
    let guest = Arc::new(Mutex::new(guest));
    let (answering, admitted) = (port.clone(), Arc::clone(&guest));
    let service = service_fn(move |request| {
        let page = answer(request, &answering, &admitted, &upgrades);
        async move { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .half_close(false)
        .timer(TokioTimer::new())
        .header_read_timeout(head_bound)
        .keep_alive(!is_beyond)
        .max_buf_size(HEAD_BYTES)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let served = tokio::select! {
        biased;
        served = connection => served,
        () = port.stop.cancelled() => return,
        () = sleep(2 * BEYOND), if is_beyond => return,
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
            drop(guest);
        }
        Err(error) => tracing::debug!(target: event_log::TARGET, %error, "an upgrade failed"),
    }
}

fn answer(request: Request<Incoming>, port: &Port, guest: &Mutex<Guest>, upgrades: &Upgrades) -> Page {
    let path = request.uri().path().to_owned();
    let is_page = matches!(path.as_str(), "/health" | "/metrics");
    if let Some(refusal) = refused(&request, &port.config.access.site) {
        return refusal;
    }
    if lock(guest).is_beyond() && !is_page {
        return no_room();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return with(text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n"), ALLOW, "GET, HEAD");
    }
    match path.as_str() {
        "/health" => health(port),
        "/metrics" => metrics_page(port),
        "/ws/session" => upgrade(request, Leg::Session, port, guest, upgrades),
        "/ws/node" => upgrade(request, Leg::Node, port, guest, upgrades),
        _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    }
}

/// The answer to a request that is not for this host, comes from a page that may not call, or cannot be understood in one way
/// only.
fn refused(request: &Request<Incoming>, site: &Site) -> Option<Page> {
    let headers = request.headers();
    let text_of = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut hosts = headers.get_all(HOST).iter().map(text_of);
    let (host, another) = (hosts.next(), hosts.next());
    let is_old = request.version() < Version::HTTP_11;
    let Some(host) = host.filter(|_| another.is_none()).or(is_old.then(|| "localhost".to_owned())) else {
        return Some(text(StatusCode::BAD_REQUEST, "a request has exactly one Host\n"));
    };
    if headers.get_all(TRANSFER_ENCODING).iter().any(|value| !text_of(value).trim().eq_ignore_ascii_case("chunked")) {
        return Some(text(StatusCode::NOT_IMPLEMENTED, "no transfer encoding but chunked is known here\n"));
    }
    if !site.answers_for(&host) {
        return Some(text(StatusCode::MISDIRECTED_REQUEST, "this host is not served here: see access.site.hosts\n"));
    }
    let may_call = |origin: &HeaderValue| site.may_be_called_from(&text_of(origin), &host);
    match headers.get(ORIGIN) {
        Some(origin) if !may_call(origin) => {
            Some(text(StatusCode::FORBIDDEN, "pages of this origin may not call: see access.site.origins\n"))
        }
        Some(_) | None => None,
    }
}

fn no_room() -> Page {
    let page = with(text(StatusCode::SERVICE_UNAVAILABLE, "there is no room, come again later\n"), RETRY_AFTER, "1");
    with(page, CONNECTION, "close")
}

fn metrics_page(port: &Port) -> Page {
    let [waiting, _, _] = port.door.counts();
    port.metrics.waiting_connections.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    typed(text(StatusCode::OK, port.metrics.page()), metrics::CONTENT_TYPE)
}

fn with(mut page: Page, name: HeaderName, value: &'static str) -> Page {
    page.headers_mut().insert(name, HeaderValue::from_static(value));
    page
}

/// A guest's place is whole after every statement.
fn lock(guest: &Mutex<Guest>) -> MutexGuard<'_, Guest> {
    guest.lock().unwrap_or_else(PoisonError::into_inner)
}

fn health(port: &Port) -> Page {
    let (metrics, [waiting, seated, _]) = (&port.metrics, port.door.counts());
    let limits = &port.config.limits;
    let is_full = waiting >= limits.waiting_connections || seated >= limits.connections;
    let body = serde_json::json!({
        "status": if is_full { "full" } else { "ok" },
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

/// Answers 101 and leaves the socket for after the response; an error for what is not a WebSocket handshake, for who shows no
/// key where one is asked for, and where every seat is taken.
fn upgrade(mut request: Request<Incoming>, leg: Leg, port: &Port, guest: &Mutex<Guest>, upgrades: &Upgrades) -> Page {
    let keys = match leg {
        Leg::Session => &port.reloadable.keys.sessions,
        Leg::Node => &port.reloadable.keys.nodes,
    };
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !keys.open_for(authorization) {
        return with(text(StatusCode::UNAUTHORIZED, "a bearer key is needed here\n"), WWW_AUTHENTICATE, "Bearer");
    }
    let version = request.headers().get(SEC_WEBSOCKET_VERSION);
    if version.is_some_and(|version| version != WEBSOCKET_VERSION) {
        let page = text(StatusCode::UPGRADE_REQUIRED, "only version 13 of the WebSocket protocol is spoken here\n");
        return with(with(page, SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION), UPGRADE, "websocket");
    }
    let on_upgrade = hyper::upgrade::on(&mut request);
    match create_response_with_body(&request, Full::default) {
        Ok(_) if !lock(guest).sit() => {
            port.metrics.connections_refused.inc();
            no_room()
        }
        Ok(response) if upgrades.try_send((leg, on_upgrade)).is_ok() => response,
        Ok(_) => text(StatusCode::BAD_REQUEST, "this connection is upgraded already\n"),
        Err(error) => text(StatusCode::BAD_REQUEST, format!("this is not a websocket handshake: {error}\n")),
    }
}

const WEBSOCKET_VERSION: &str = "13";

/// The largest head of a request, bytes.
const HEAD_BYTES: usize = 64 << 10;

/// How long a connection beyond the bounds may take to ask, and then to go.
const BEYOND: Duration = Duration::from_secs(1);

fn text(status: StatusCode, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}
