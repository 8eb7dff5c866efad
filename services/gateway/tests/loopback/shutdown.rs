//! The gateway's own end.

use std::time::Duration;

use halfopen_gateway::Exit;
use hyper::Method;
use tokio::net::TcpStream;

use crate::backend::{Act, CHUNKED, HELLO, MisbehavingBackend, chunk, send};
use crate::client::{Client, ask, assert_failed_after, chat};
use crate::fixture::Fixture;

#[tokio::test]
async fn a_shutdown_tells_streams_and_closes_idle_connections() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let mut idle = Client::connect(gateway.address).await;
    idle.send(Method::GET, "/health", "").await.whole().await;
    let mut streaming = chat(gateway.address, "m", true).await;
    streaming.until(HELLO).await;

    gateway.stop();
    assert_failed_after(&streaming.whole().await, HELLO);
    backend.gateway_left().await;
    idle.closed().await;
    assert_eq!(gateway.log.wait("request finished").await["ending"], "error");
    assert_eq!(gateway.log.all("upstream cancelled").len(), 1);
    gateway.log.assert_calm();
    let address = gateway.address;
    assert_eq!(gateway.close().await, Exit::Clean);
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_period_is_cut() {
    let mut backend = MisbehavingBackend::start([Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |config| config.timings.grace = Duration::from_millis(50)).await;
    let mut client = Client::connect(gateway.address).await;
    client.send_only(ask("m", false)).await;
    backend.request().await;
    let log = gateway.log.clone();
    assert_eq!(gateway.close().await, Exit::Cut { connections: 1 });
    backend.gateway_left().await;
    assert_eq!(log.all("request finished")[0].fields["ending"], "error");
    assert!(log.all("client left").is_empty(), "it was the gateway that left");
}

#[tokio::test]
async fn a_request_that_finishes_within_the_grace_period_gets_its_answer() {
    let body = r#"{"choices":[]}"#;
    let acts = [Act::Wait, crate::backend::whole("200 OK", body), Act::Hold];
    let mut backend = MisbehavingBackend::start(acts).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let address = gateway.address;
    let asking = tokio::spawn(async move { chat(address, "m", false).await.whole().await });
    backend.request().await;
    gateway.stop();
    backend.go_on();
    assert_eq!(asking.await.expect("no panic"), body);
    assert_eq!(gateway.close().await, Exit::Clean);
}
