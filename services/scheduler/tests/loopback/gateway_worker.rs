//! The real node with the gateway worker, against a gateway that says what the test wants.

use std::time::Duration;

use halfopen_health::ProbeConfig;

use crate::fixture::{PATIENCE, Scheduler, impatient};
use halfopen_link::message::{FailureCode, FromSession, ToSession};
use halfopen_scheduler::node::{GatewayConfig, NodeConfig, WorkerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

#[tokio::test]
async fn a_streamed_answer_becomes_the_translation() {
    let (scheduler, gateway) = start(|_| {}).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let (mut stream, request) = asked(&gateway).await;
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(r#""stream":true"#) && request.contains("text of job-1"), "{request}");
    stream.write_all(HEAD).await.expect("a reader");
    // Cut inside an event, with a heartbeat between two others.
    let (first, second) = BODY.split_at(BODY.len() / 2);
    for part in [first, second] {
        stream.write_all(part.as_bytes()).await.expect("a reader");
        stream.flush().await.expect("a reader");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.result().await, (1, "guten tag".to_owned(), false));
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_node_that_probes_its_gateway_registers_once_that_is_healthy() {
    let wait = |gateway: &mut GatewayConfig| {
        gateway.probe = Some(ProbeConfig { interval: Duration::from_millis(1), ..ProbeConfig::default() });
    };
    let (scheduler, gateway) = start(wait).await;
    let mut client = scheduler.client().await;
    for answer in ["HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
        let (mut stream, _) = timeout(PATIENCE, gateway.accept()).await.expect("in time").expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a request"));
        }
        assert!(request.starts_with(b"GET /health HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).await.expect("a reader");
    }
    client.submit("job-1").await;
    let (mut stream, _) = asked(&gateway).await;
    stream.write_all(HEAD).await.expect("a reader");
    stream.write_all(BODY.as_bytes()).await.expect("a reader");
    assert_eq!(client.result().await.1, "guten tag");
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_truncated_answer_is_a_failed_attempt_and_never_a_short_translation() {
    let (scheduler, gateway) = start(|_| {}).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    for cut in [b"data: {\"choices\":[{\"delta\":{\"content\":\"guten\"}}]}\n\n".as_slice(), ERROR_EVENT, b""] {
        let (mut stream, _) = asked(&gateway).await;
        stream.write_all(HEAD).await.expect("a reader");
        stream.write_all(cut).await.expect("a reader");
    }
    let failed: ToSession = client.peer.receive().await;
    let spent = matches!(failed, ToSession::JobFailed { seq: 1, code: FailureCode::NodeUnavailable, .. });
    assert!(spent, "{failed:?}");
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_silent_gateway_is_given_up() {
    let (scheduler, gateway) = start(|gateway| gateway.idle_timeout = Duration::from_secs(1)).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let (first, _) = asked(&gateway).await;
    let (mut second, _) = asked(&gateway).await;
    drop(first);
    second.write_all(HEAD).await.expect("a reader");
    second.write_all(BODY.as_bytes()).await.expect("a reader");
    assert_eq!(client.result().await.1, "guten tag");
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_cancelled_job_closes_the_request_at_once() {
    let (scheduler, gateway) = start(|_| {}).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let (mut stream, _) = asked(&gateway).await;
    stream.write_all(HEAD).await.expect("a reader");
    client.peer.send(&FromSession::SessionClose).await;
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end in time");
    assert!(matches!(end, Ok(0) | Err(_)), "{rest:?}");
    scheduler.stopped().await;
}

/// A response without a length: it lasts as long as its connection.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

const ERROR_EVENT: &[u8] = b"data: {\"error\":{\"message\":\"upstream reset\"}}\n\ndata: [DONE]\n\n";

const BODY: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"guten\"}}]}\n\n\
    : heartbeat\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\" tag\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: [DONE]\n\n";

/// A scheduler with a node that asks a gateway; the listener is that gateway.
async fn start(change: impl FnOnce(&mut GatewayConfig)) -> (Scheduler, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut gateway = GatewayConfig::new(format!("http://{}", listener.local_addr().expect("bound")));
    change(&mut gateway);
    let scheduler = Scheduler::start(impatient()).await;
    // Not awaited: it ends with the test's runtime.
    let _node = scheduler.node(NodeConfig { worker: WorkerConfig::Gateway(gateway), ..NodeConfig::default() });
    (scheduler, listener)
}

/// The next request, whole.
async fn asked(gateway: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = timeout(PATIENCE, gateway.accept()).await.expect("in time").expect("a connection");
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // The body is JSON and ends with its outermost brace.
    while !(request.ends_with(b"}") && String::from_utf8_lossy(&request).contains("\r\n\r\n")) {
        let read = stream.read(&mut buffer).await.expect("a request");
        assert_ne!(read, 0, "the request ended early");
        request.extend_from_slice(&buffer[..read]);
    }
    (stream, String::from_utf8(request).expect("text"))
}
