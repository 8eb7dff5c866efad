//! The worker that asks a gateway. Dropping its future closes the connection, and that is how a gateway learns that
//! its answer is not wanted any more.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use halfopen_health::{Miss, Verdict, wait_until_ready};
use halfopen_link::message::WorkFailure;
use halfopen_machine::Bug;
use halfopen_tls::{Dialer, Stream};
use halfopen_upstream::retry_after;
use halfopen_upstream::sse::{EventTooLarge, SseParser};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::TARGET;
use super::config::{Endpoint, GatewayConfig, WorkerConfig, bearer};
use crate::core::node::{Assignment, Refusal};

/// Why a gateway's answer is no translation.
#[derive(Debug, Error)]
pub(crate) enum GatewayError {
    #[error("ask a gateway without an address")]
    Address,
    #[error("connect to the gateway: {}", halfopen_tls::dial::failure(.0))]
    Connect(std::io::Error),
    #[error("connect to the gateway in time")]
    ConnectTimeout,
    #[error("see the gateway ready: {0}")]
    NotReady(Miss),
    #[error("ask the gateway")]
    Request,
    #[error("have the gateway accept the request: it said {0}")]
    Status(StatusCode, Option<Duration>),
    #[error("hear from the gateway in time")]
    Silent,
    #[error("read the gateway's answer to its end")]
    Truncated,
    #[error(transparent)]
    TooLarge(#[from] EventTooLarge),
    #[error("understand the gateway's event")]
    Malformed,
    #[error("have the gateway finish: {message}")]
    Reported { code: String, message: String },
}

impl GatewayError {
    /// What the scheduler is told, which decides about another attempt.
    pub(crate) fn told(&self) -> WorkFailure {
        let refusal = match self {
            Self::Connect(_) | Self::ConnectTimeout | Self::NotReady(_) => Refusal::Absent,
            Self::Status(status, after) => Refusal::Status { status: status.as_u16(), after: *after },
            Self::Reported { code, .. } => Refusal::Reported { code: code.clone() },
            Self::Address | Self::Request | Self::Silent | Self::Truncated | Self::TooLarge(_) | Self::Malformed => {
                Refusal::Broken
            }
        };
        refusal.told(format!("failed to {self}"))
    }
}

/// Asks for one translation and reads the answer to its end.
pub(crate) async fn translate(
    config: &GatewayConfig,
    dialer: &Dialer,
    assignment: &Assignment,
) -> Result<String, GatewayError> {
    let (endpoint, path) = config.endpoint().map_err(|_| GatewayError::Address)?;
    let stream = match connect(config, dialer, &endpoint).await {
        Ok(stream) => stream,
        Err(unreached) => {
            wait_for_gateway(config, dialer, unreached).await?;
            connect(config, dialer, &endpoint).await?
        }
    };
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| GatewayError::Request)?;
    let authorization = bearer(config.api_key_env.as_deref()).map_err(|_| GatewayError::Address)?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, endpoint.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "text/event-stream");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request =
        request.body(Full::new(Bytes::from(question(&config.model, assignment)))).map_err(|_| GatewayError::Request)?;
    let mut answer = pin!(ask(sender, request, config));
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        // The connection is through before its last bytes have been looked at; its error shows in the body.
        _ = &mut connection => {}
    }
    answer.await
}

/// TLS is part of connecting, and of its time.
async fn connect(config: &GatewayConfig, dialer: &Dialer, endpoint: &Endpoint) -> Result<Stream, GatewayError> {
    let Endpoint { scheme, host, port } = endpoint;
    match timeout(config.connect_timeout, dialer.open(*scheme, host, *port)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(GatewayError::Connect(error)),
        Err(_) => Err(GatewayError::ConnectTimeout),
    }
}

/// A gateway that starts, or starts again, is waited for if the configuration says so: nothing has been asked of it yet,
/// so nothing is asked twice. The node reports progress meanwhile, as of any work.
async fn wait_for_gateway(
    config: &GatewayConfig,
    dialer: &Dialer,
    unreached: GatewayError,
) -> Result<(), GatewayError> {
    let Some(probe) = &config.probe else { return Err(unreached) };
    let health = config.health(dialer).map_err(|_| GatewayError::Address)?;
    tracing::debug!(target: TARGET, reason = %unreached, "waiting for the gateway");
    match wait_until_ready(&health, probe).await {
        Verdict::Ready { .. } => Ok(()),
        Verdict::NotReady { last, .. } => Err(GatewayError::NotReady(last)),
    }
}

/// A node whose worker probes its gateway has nothing to register for while that is not there: it is waited for, budget
/// after budget.
pub(super) async fn wait_at_start(worker: &WorkerConfig, dialer: &Dialer) {
    let WorkerConfig::Gateway(config) = worker else { return };
    let Some(probe) = &config.probe else { return };
    let Ok(health) = config.health(dialer) else {
        let bug = Bug::new("the address of the gateway has been validated");
        return tracing::error!(target: TARGET, %bug, "a bug of this node");
    };
    while let Verdict::NotReady { last, .. } = wait_until_ready(&health, probe).await {
        tracing::info!(target: TARGET, reason = %last, "gateway not ready yet");
        sleep(probe.interval).await;
    }
}

async fn ask(
    mut sender: http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    config: &GatewayConfig,
) -> Result<String, GatewayError> {
    let response = timeout(config.idle_timeout, sender.send_request(request))
        .await
        .map_err(|_| GatewayError::Silent)?
        .map_err(|_| GatewayError::Request)?;
    if response.status() != StatusCode::OK {
        return Err(GatewayError::Status(response.status(), asked_to_wait(response.headers())));
    }
    let mut body = response.into_body();
    let (mut parser, mut events) = (SseParser::new(LONGEST_EVENT), Vec::new());
    let mut completion = Completion::default();
    loop {
        // Heartbeats are bytes as well: silence is the absence of both.
        let frame = timeout(config.idle_timeout, body.frame()).await.map_err(|_| GatewayError::Silent)?;
        let frame = frame.ok_or(GatewayError::Truncated)?.map_err(|_| GatewayError::Truncated)?;
        // Trailers are no part of the answer.
        let Ok(bytes) = frame.into_data() else { continue };
        let whole = parser.push(&bytes, &mut events);
        for event in events.drain(..) {
            if completion.take(&event.data)? {
                return Ok(completion.text);
            }
        }
        whole?;
    }
}

/// How long the answer asks to wait.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let exact = text(&RETRY_AFTER_MS).and_then(retry_after::read_ms);
    exact.or_else(|| retry_after::read(text(&RETRY_AFTER)?, text(&DATE)))
}

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

fn question(model: &str, assignment: &Assignment) -> String {
    let Assignment { src_lang, tgt_lang, text, .. } = assignment;
    let order = format!("Translate from {src_lang} to {tgt_lang}. Answer with the translation alone.");
    json!({
        "model": model,
        "stream": true,
        "messages": [
            { "role": "system", "content": order },
            { "role": "user", "content": text },
        ],
    })
    .to_string()
}

/// An answer while it comes.
#[derive(Debug, Default)]
struct Completion {
    text: String,
    finished: bool,
}

impl Completion {
    /// Takes an event's data; true when it was the last. The end counts only after a finish reason: an upstream that
    /// was cut off must not pass for a short answer.
    fn take(&mut self, data: &str) -> Result<bool, GatewayError> {
        if data.trim() == "[DONE]" {
            return if self.finished { Ok(true) } else { Err(GatewayError::Truncated) };
        }
        let event: Value = serde_json::from_str(data).map_err(|_| GatewayError::Malformed)?;
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            let text = |name: &str| error.get(name).and_then(Value::as_str).or(error.as_str());
            let message = text("message").unwrap_or("an error without a message").chars().take(LONGEST_ERROR).collect();
            let code = error.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(GatewayError::Reported { code, message });
        }
        let choice = &event["choices"][0];
        if let Some(piece) = choice["delta"]["content"].as_str() {
            self.text.push_str(piece);
        }
        self.finished |= choice["finish_reason"].is_string();
        if self.text.len() > LONGEST_ANSWER {
            return Err(EventTooLarge { limit_bytes: LONGEST_ANSWER }.into());
        }
        Ok(false)
    }
}

/// The largest head of an answer, bytes.
const HEAD_BYTES: usize = 64 << 10;

/// How much of a gateway's error is repeated, in characters.
const LONGEST_ERROR: usize = 200;

/// An event longer than any that is taken, in bytes.
const LONGEST_EVENT: usize = 1 << 20;

/// The longest answer, in bytes: what fits a message of the other leg.
const LONGEST_ANSWER: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use halfopen_health::ProbeConfig;
    use halfopen_link::message::Retry;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const HEALTHY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_a_failed_attempt_unless_it_is_to_be_waited_for() {
        let mut config = GatewayConfig::new(format!("http://{}", vacant().await));
        let failed = translate(&config, &Dialer::plain(), &assignment()).await.expect_err("nothing listens there");
        assert!(
            matches!(&failed, GatewayError::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused),
            "{failed}"
        );
        config.probe = Some(probe(2));
        let failed = translate(&config, &Dialer::plain(), &assignment()).await.expect_err("nothing listens there");
        assert_eq!(failed.to_string(), "see the gateway ready: the connection was refused");
    }

    #[tokio::test]
    async fn a_gateway_that_starts_is_waited_for_on_its_health() {
        let address = vacant().await;
        let mut config = GatewayConfig::new(format!("http://{address}"));
        config.probe = Some(probe(3));
        let refused = connect(&config, &Dialer::plain(), &config.endpoint().expect("a URL").0)
            .await
            .expect_err("nothing listens there");
        let listener = TcpListener::bind(address).await.expect("still free");
        let starting = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nsoon";
        let gateway = async { (serve(&listener, starting).await, serve(&listener, HEALTHY).await) };
        let plain = Dialer::plain();
        let (waited, (first, second)) = tokio::join!(wait_for_gateway(&config, &plain, refused), gateway);
        waited.expect("it is there now");
        assert_eq!(first, format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"));
        assert_eq!(second, first);
    }

    #[tokio::test]
    async fn a_refusal_tells_the_scheduler_when_to_ask_again() {
        for (head, expected) in [
            ("503 Service Unavailable\r\nretry-after: 7", (Retry::Later, Some(Duration::from_secs(7)))),
            (
                "429 Too Many Requests\r\nretry-after: 7\r\nretry-after-ms: 250",
                (Retry::Later, Some(Duration::from_millis(250))),
            ),
            ("404 Not Found", (Retry::Elsewhere, None)),
            ("400 Bad Request", (Retry::Never, None)),
            ("500 Internal Server Error", (Retry::Again, None)),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let config = GatewayConfig::new(format!("http://{}", listener.local_addr().expect("bound")));
            let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\n\r\n{{}}");
            let question = assignment();
            let plain = Dialer::plain();
            let (failed, _) = tokio::join!(translate(&config, &plain, &question), serve(&listener, &answer));
            let WorkFailure { retry, after, error } = failed.expect_err("a refusal").told();
            assert_eq!((retry, after), expected, "{error}");
        }
    }

    #[tokio::test]
    async fn a_byte_order_mark_and_spaces_before_the_end_lose_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let config = GatewayConfig::new(format!("http://{}", listener.local_addr().expect("bound")));
        let body = format!("\u{feff}data: {}\n\ndata:  [DONE] \n\n", piece("hallo", Some("stop")));
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let question = assignment();
        let plain = Dialer::plain();
        let (translated, _) = tokio::join!(translate(&config, &plain, &question), serve(&listener, &answer));
        assert_eq!(translated.expect("a whole answer"), "hallo");
    }

    /// An address at which nothing listens.
    async fn vacant() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound")
    }

    fn probe(attempts: u32) -> ProbeConfig {
        ProbeConfig { attempts, interval: Duration::from_millis(1), timeout: Duration::from_secs(60) }
    }

    fn assignment() -> Assignment {
        let [job_id, attempt_id, text, src_lang, tgt_lang, trace_id] =
            ["job-1", "att-1", "hello", "en", "de", "trace-1"].map(str::to_owned);
        Assignment { job_id, attempt_id, text, src_lang, tgt_lang, trace_id }
    }

    /// Answers one request; what it was.
    async fn serve(listener: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a request"));
        }
        stream.write_all(answer.as_bytes()).await.expect("a reader");
        stream.shutdown().await.expect("a reader");
        String::from_utf8(request).expect("text")
    }

    #[test]
    fn an_answer_is_its_pieces_once_it_is_finished_and_done() {
        let mut completion = Completion::default();
        assert!(!completion.take(&piece("hal", None)).expect("a piece"));
        assert!(!completion.take(&piece("lo", Some("stop"))).expect("the last piece"));
        assert!(completion.take("[DONE]").expect("the end"));
        assert_eq!(completion.text, "hallo");
    }

    #[test]
    fn an_end_without_a_finish_reason_is_a_truncation() {
        let mut completion = Completion::default();
        completion.take(&piece("hal", None)).expect("a piece");
        assert!(matches!(completion.take("[DONE]"), Err(GatewayError::Truncated)));
    }

    #[test]
    fn an_error_event_is_an_error_even_after_pieces() {
        let mut completion = Completion::default();
        completion.take(&piece("hal", None)).expect("a piece");
        let error = completion.take(r#"{"error":{"message":"upstream reset"}}"#).expect_err("an error");
        assert_eq!(error.to_string(), "have the gateway finish: upstream reset");
    }

    fn piece(text: &str, finish_reason: Option<&str>) -> String {
        json!({ "choices": [{ "delta": { "content": text }, "finish_reason": finish_reason }] }).to_string()
    }
}
