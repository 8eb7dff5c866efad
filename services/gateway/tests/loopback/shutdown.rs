//! The gateway's own end.

use std::time::Duration;

use halfopen_gateway::Exit;
use hyper::Method;
use tokio::net::TcpStream;

use crate::backend::{Act, CHUNKED, HELLO, MisbehavingBackend, chunk, send};
use crate::client::{Client, ask, assert_failed_after, chat};
use crate::house::House;

#[tokio::test]
async fn a_shutdown_tells_streams_and_closes_idle_connections() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Hold]).await;
    let house = House::before(backend.address, |_| {}).await;
    let mut idle = Client::connect(house.address).await;
    idle.send(Method::GET, "/health", "").await.whole().await;
    let mut streaming = chat(house.address, "m", true).await;
    streaming.until(HELLO).await;

    house.stop();
    assert_failed_after(&streaming.whole().await, HELLO);
    backend.gateway_left().await;
    idle.closed().await;
    assert_eq!(house.log.wait("request finished").await["ending"], "error");
    assert_eq!(house.log.all("upstream cancelled").len(), 1);
    house.log.assert_calm();
    let address = house.address;
    assert_eq!(house.close().await, Exit::Clean);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_period_is_cut() {
    let mut backend = MisbehavingBackend::start([Act::Hold]).await;
    let house = House::before(backend.address, |config| config.timings.grace = Duration::from_millis(50)).await;
    let mut client = Client::connect(house.address).await;
    client.send_only(ask("m", false)).await;
    backend.request().await;
    let log = house.log.clone();
    assert_eq!(house.close().await, Exit::Cut { connections: 1 });
    backend.gateway_left().await;
    assert_eq!(log.all("request finished")[0].fields["ending"], "error");
    assert!(log.all("client left").is_empty(), "it was the gateway that left");
}

#[tokio::test]
async fn a_request_that_finishes_within_the_grace_period_gets_its_answer() {
    let body = r#"{"choices":[]}"#;
    let acts = [Act::Wait, crate::backend::whole("200 OK", body), Act::Hold];
    let mut backend = MisbehavingBackend::start(acts).await;
    let house = House::before(backend.address, |_| {}).await;
    let address = house.address;
    let asking = tokio::spawn(async move { chat(address, "m", false).await.whole().await });
    backend.request().await;
    house.stop();
    backend.go_on();
    assert_eq!(asking.await.expect("no panic"), body);
    assert_eq!(house.close().await, Exit::Clean);
}
