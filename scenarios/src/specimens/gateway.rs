//! The shared exit of docs/failures.md: a gateway that is right but for one defect.
//!
//! It streams from its one HTTP backend and does nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use halfopen::{BoxError, HostContext};
use halfopen_gateway::config::BackendConfig;
use halfopen_gateway::sse::SseParser;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error};

use super::dial;

const TARGET: &str = "halfopen_gateway";

/// What its authors got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A write to a client that has left is an error of the process.
    ExitsWithItsClient,
    /// A failure of the upstream is an error of the process.
    ExitsWithItsUpstream,
    /// The end of the upstream's bytes is the end of the answer, whatever the answer lacked.
    QuietTruncation,
    /// What the upstream says went wrong is passed on as it was said.
    SecretInErrors,
    /// Told to stop, it waits for its open requests without a time limit.
    DrainsWithoutBound,
    /// It takes for granted that each event is JSON.
    PanicsInItsHandler,
    /// Events are numbered with `id:`, and heartbeats come between them.
    IdWithHeartbeats,
    /// What a read brings is taken for whole events.
    AReadIsAnEvent,
    /// A client that leaves is an error in the log.
    EveryLeavingIsAnError,
    /// How long the upstream is silent is told by the wall clock.
    SilenceByWallClock,
    /// A client that leaves is not noticed: the upstream streams on.
    StreamsOn,
    /// An accept that fails ends the process.
    ExitsWithAFailedAccept,
}

/// Without an event, a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Without a byte of the upstream's, the end.
const SILENCE: Duration = Duration::from_secs(60);
/// What is said then.
const SILENT: &str = "the upstream is silent";
/// After an accept that fails, so that a shortage of descriptors is no hot loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const LARGEST_EVENT: usize = 1 << 20;

/// Serves until it is asked to stop, or until its defect ends it.
///
/// # Errors
/// If the configuration is wrong, the port is taken, or the defect is one that ends the process.
pub async fn run(cx: HostContext, defect: Defect) -> Result<(), BoxError> {
    let config: halfopen_gateway::Config = cx.config()?;
    let base_url = config.backends.iter().find_map(|backend| match backend {
        BackendConfig::Http(http) => Some(http.base_url.clone()),
        BackendConfig::Echo(_) => None,
    });
    let (fatal, mut fatals) = mpsc::channel(1);
    let gateway = Arc::new(Gateway {
        defect,
        base_url: base_url.ok_or("a specimen needs an HTTP backend")?,
        fatal,
        in_flight: Gauge::new("requests_in_flight"),
        upstreams: Gauge::new("upstreams_open"),
    });
    let listener = TcpListener::bind(config.listen.as_str()).await?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => break,
            Some(error) = fatals.recv() => return Err(error),
            accepted = listener.accept() => {
                let socket = match accepted {
                    Ok((socket, _)) => socket,
                    Err(error) if defect == Defect::ExitsWithAFailedAccept => return Err(error.into()),
                    Err(error) => {
                        debug!(target: TARGET, %error, "nothing was accepted");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                socket.set_nodelay(true)?;
                let gateway = gateway.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| answer(gateway.clone(), request));
                    let server = hyper::server::conn::http1::Builder::new();
                    if let Err(error) = server.serve_connection(TokioIo::new(socket), service).await {
                        if gateway.defect == Defect::EveryLeavingIsAnError {
                            error!(target: TARGET, %error, "the client is gone");
                        } else {
                            debug!(target: TARGET, %error, "the client is gone");
                        }
                        if gateway.defect == Defect::ExitsWithItsClient {
                            gateway.end(error.into());
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    if defect == Defect::DrainsWithoutBound {
        while connections.join_next().await.is_some() {}
    }
    Ok(())
}

struct Gateway {
    defect: Defect,
    base_url: String,
    fatal: mpsc::Sender<BoxError>,
    in_flight: Gauge,
    upstreams: Gauge,
}

impl Gateway {
    /// Takes the process down.
    fn end(&self, error: BoxError) {
        // Once is enough.
        let _ = self.fatal.try_send(error);
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let question = request.into_body().collect().await?.to_bytes();
    debug!(target: TARGET, "request accepted");
    let (events, mut sent) = mpsc::channel::<String>(8);
    tokio::spawn(relay(gateway, question, events));
    // Reading what is sent ends with the client's connection, and the relay with that.
    let frames = stream::poll_fn(move |cx| sent.poll_recv(cx));
    let frames = futures_util::StreamExt::map(frames, |text| Ok(Frame::data(Bytes::from(text))));
    let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    headers.insert("x-request-id", header::HeaderValue::from_static("req-of-a-specimen"));
    Ok(response)
}

async fn relay(gateway: Arc<Gateway>, question: Bytes, events: mpsc::Sender<String>) {
    let _in_flight = gateway.in_flight.hold();
    let mut writer = Writer { events, numbered: gateway.defect == Defect::IdWithHeartbeats, next: 1 };
    let client_left = writer.events.clone();
    let streamed = tokio::select! {
        biased;
        () = client_left.closed(), if gateway.defect != Defect::StreamsOn => return,
        streamed = stream_from(&gateway, question, &mut writer) => streamed,
    };
    let failure = match streamed {
        Ok(true) => None,
        Ok(false) if gateway.defect == Defect::QuietTruncation => None,
        Ok(false) => Some("the upstream ended before its answer did".to_owned()),
        Err(error) if gateway.defect == Defect::ExitsWithItsUpstream => return gateway.end(error),
        Err(error) if gateway.defect == Defect::SecretInErrors => Some(format!("{}: {error}", gateway.base_url)),
        Err(error) if error.to_string() == SILENT => Some(SILENT.to_owned()),
        Err(_) => Some("the upstream failed".to_owned()),
    };
    if let Some(message) = failure {
        let code = if message == SILENT { "upstream_timeout" } else { "upstream_error" };
        let error = serde_json::json!({ "message": message, "type": "server_error", "param": null, "code": code });
        let event = serde_json::json!({ "error": error }).to_string();
        writer.data(&event).await;
    }
    writer.data("[DONE]").await;
}

/// Passes an answer on; whether it was whole.
async fn stream_from(gateway: &Gateway, question: Bytes, writer: &mut Writer) -> Result<bool, BoxError> {
    let url: hyper::Uri = format!("{}/chat/completions", gateway.base_url).parse()?;
    let (mut sender, connection) = handshake(dial(&url).await?).await?;
    let _open = gateway.upstreams.hold();
    let mut connection = std::pin::pin!(connection);
    let exchange = async {
        let request = Request::post(url.path())
            .header(header::HOST, url.authority().map_or("", |authority| authority.as_str()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(question))?;
        let mut body = sender.send_request(request).await?.into_body();
        let mut parser = SseParser::new(LARGEST_EVENT);
        let (mut silent, mut heard) = (Duration::ZERO, SystemTime::now());
        loop {
            let Ok(frame) = timeout(HEARTBEAT, body.frame()).await else {
                silent += HEARTBEAT;
                if silent >= SILENCE {
                    return Err(SILENT.into());
                }
                writer.heartbeat().await;
                continue;
            };
            silent = Duration::ZERO;
            if gateway.defect == Defect::SilenceByWallClock && heard.elapsed().unwrap_or(SILENCE) >= SILENCE {
                return Err(SILENT.into());
            }
            heard = SystemTime::now();
            let Some(frame) = frame else { return Ok(false) };
            if gateway.defect == Defect::AReadIsAnEvent {
                parser = SseParser::new(LARGEST_EVENT);
            }
            let mut events = Vec::new();
            parser.push(&frame?.into_data().unwrap_or_default(), &mut events)?;
            for event in events {
                if event.data == "[DONE]" {
                    return Ok(true);
                }
                if gateway.defect == Defect::PanicsInItsHandler {
                    serde_json::from_str::<serde_json::Value>(&event.data).expect("an event is JSON");
                }
                if let Some(message) = error_message(&event.data) {
                    return Err(message.into());
                }
                writer.data(&event.data).await;
            }
        }
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            outcome = &mut exchange => return outcome,
            // The exchange learns by itself that its connection has ended, and how.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

fn error_message(data: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(data).ok()?;
    Some(event.get("error")?["message"].as_str().unwrap_or_default().to_owned())
}

struct Writer {
    events: mpsc::Sender<String>,
    numbered: bool,
    next: u64,
}

impl Writer {
    async fn data(&mut self, data: &str) {
        let id = if self.numbered { format!("id: {}\n", self.next) } else { String::new() };
        self.next += 1;
        self.put(format!("{id}data: {data}\n\n")).await;
    }

    async fn heartbeat(&self) {
        self.put(": heartbeat\n\n".to_owned()).await;
    }

    async fn put(&self, text: String) {
        // A client that has left is noticed by the relay.
        let _ = self.events.send(text).await;
    }
}

/// How many there are of something.
struct Gauge {
    name: &'static str,
    value: Arc<AtomicUsize>,
}

impl Gauge {
    fn new(name: &'static str) -> Self {
        Self { name, value: Arc::default() }
    }

    fn hold(&self) -> Held {
        let value = self.value.fetch_add(1, Ordering::Relaxed) + 1;
        debug!(target: TARGET, name = self.name, value, "gauge");
        Held { name: self.name, value: Arc::clone(&self.value) }
    }
}

struct Held {
    name: &'static str,
    value: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let value = self.value.fetch_sub(1, Ordering::Relaxed) - 1;
        debug!(target: TARGET, name = self.name, value, "gauge");
    }
}
