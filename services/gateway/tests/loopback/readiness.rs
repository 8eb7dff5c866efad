//! `GET /ready`: the backends are asked, each within its bound, and none of them is hurt by it.

use std::net::SocketAddr;
use std::time::Duration;

use halfopen_gateway::Config;
use halfopen_gateway::config::{BackendConfig, HttpConfig};
use hyper::Method;
use serde_json::{Value, json};

use crate::backend::{Act, MisbehavingBackend, whole};
use crate::client::{Client, assert_serves};
use crate::fixture::Fixture;

#[tokio::test]
async fn a_backend_that_answers_is_ready_and_sees_an_orderly_close() {
    let mut backend = MisbehavingBackend::start([whole("200 OK", r#"{"data":[]}"#), Act::Hold]).await;
    let gateway = Fixture::open(only(backend.address)).await;
    let expected = json!({ "ready": true, "backends": [{ "name": "upstream", "ready": true }] });
    assert_eq!(ready(&gateway).await, (200, expected));
    let request = backend.request().await;
    assert!(request.starts_with("GET /v1/models HTTP/1.1\r\n"), "{request:?}");
    assert_eq!(backend.gateway_left().await, 0);
    gateway.log.assert_calm();
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_named_with_its_reason_and_no_address() {
    let vacant = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let gateway = Fixture::open(only(vacant)).await;
    let message = "the connection was refused";
    let state = json!({ "name": "upstream", "ready": false, "reason": "refused", "message": message });
    assert_eq!(ready(&gateway).await, (503, json!({ "ready": false, "backends": [state] })));
    gateway.log.assert_calm();
}

#[tokio::test]
async fn one_backend_that_is_down_does_not_make_the_others_unready() {
    let backend = MisbehavingBackend::start([whole("503 Service Unavailable", "{}"), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let (status, body) = ready(&gateway).await;
    assert_eq!((status, &body["ready"], &body["backends"][0]["name"]), (200, &json!(true), &json!("echo")));
    assert_eq!((&body["backends"][1]["ready"], &body["backends"][1]["reason"]), (&json!(false), &json!("status")));
    assert_serves(gateway.address).await;
}

#[tokio::test]
async fn a_silent_backend_costs_its_timeout_and_is_not_ready() {
    let backend = MisbehavingBackend::start([Act::Hold]).await;
    let mut config = only(backend.address);
    config.ready.timeout = Duration::from_millis(50);
    let gateway = Fixture::open(config).await;
    let (status, body) = ready(&gateway).await;
    assert_eq!((status, &body["backends"][0]["reason"]), (503, &json!("timeout")));
}

#[tokio::test]
async fn askers_share_one_answer_and_the_backend_one_connection() {
    // Serves one connection: a second one would be a refusal to answer.
    let mut backend = MisbehavingBackend::start([Act::Wait, whole("200 OK", "{}"), Act::Hold]).await;
    let mut config = only(backend.address);
    config.ready.interval = Duration::from_secs(3600);
    config.ready.timeout = Duration::from_secs(3600);
    let gateway = Fixture::open(config).await;
    let (first, second, ()) = tokio::join!(ready(&gateway), ready(&gateway), async {
        backend.request().await;
        backend.go_on();
    });
    let third = ready(&gateway).await;
    assert_eq!((first.0, second.0, third.0), (200, 200, 200));
}

#[tokio::test]
async fn attempts_make_it_wait_for_a_backend_that_starts() {
    let backend = MisbehavingBackend::start_late([Act::Reset], [whole("200 OK", "{}"), Act::Hold]).await;
    let mut config = only(backend.address);
    config.ready.attempts = 15;
    config.ready.interval = Duration::from_millis(1);
    let gateway = Fixture::open(config).await;
    assert_eq!(ready(&gateway).await.0, 200);
}

async fn ready(gateway: &Fixture) -> (u16, Value) {
    let answer = Client::connect(gateway.address).await.send(Method::GET, "/ready", "").await;
    (answer.status(), answer.json().await)
}

/// A gateway before one HTTP backend and nothing else.
fn only(upstream: SocketAddr) -> Config {
    let http = HttpConfig {
        name: "upstream".to_owned(),
        models: vec!["m".to_owned()],
        base_url: format!("http://{upstream}/v1"),
        ca_file: None,
        api_key_env: None,
        health_url: None,
    };
    Config { backends: vec![BackendConfig::Http(http)], ..Config::default() }
}
