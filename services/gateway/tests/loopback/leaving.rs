//! Clients that leave, and clients that stay without reading.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::{Act, CHUNKED, HELLO, MisbehavingBackend, chunk, send};
use crate::client::{Client, ask, assert_serves};
use crate::fixture::{Fixture, soon};

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_cancels_its_own_upstream_alone() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let mut client = Client::connect(gateway.address).await;
    let mut answer = client.chat(ask("m", true)).await;
    answer.until(HELLO).await;
    client.leave().await;
    backend.gateway_left().await;
    assert_left(&gateway).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_cancels_the_upstream() {
    for stream in [true, false] {
        let mut backend = MisbehavingBackend::start([Act::Hold]).await;
        let gateway = Fixture::before(backend.address, |_| {}).await;
        let mut client = Client::connect(gateway.address).await;
        client.send_only(ask("m", stream)).await;
        backend.request().await;
        client.leave().await;
        backend.gateway_left().await;
        assert_left(&gateway).await;
    }
}

#[tokio::test]
async fn a_client_that_resets_in_mid_stream_cancels_the_upstream() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let mut client = raw_request(&gateway).await;
    let mut head = [0; 16];
    soon("the head", client.read_exact(&mut head)).await.expect("an answer");
    client.set_zero_linger().expect("a live socket");
    drop(client);
    backend.gateway_left().await;
    assert_left(&gateway).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up_and_the_backend_was_held_back() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), Act::Flood]).await;
    let gateway =
        Fixture::before(backend.address, |config| config.timings.write_progress = Duration::from_millis(300)).await;
    let _client = raw_request(&gateway).await;
    let taken = backend.gateway_left().await;
    // What two pairs of kernel buffers hold; a gateway that buffered would have taken all that 300 ms can carry.
    assert!(taken < 64 << 20, "the backend got rid of {taken} bytes");
    assert_eq!(gateway.log.wait("request finished").await["ending"], "timeout");
    assert!(gateway.log.all("client left").is_empty());
    gateway.log.wait_for_gauge("requests_in_flight", "0").await;
    gateway.log.assert_calm();
    assert_serves(gateway.address).await;
}

/// A stream asked for on a bare socket.
async fn raw_request(gateway: &Fixture) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let body = ask("m", true);
    let request =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("the gateway reads");
    stream
}

async fn assert_left(gateway: &Fixture) {
    assert_eq!(gateway.log.wait("request finished").await["ending"], "client_left");
    gateway.log.wait_for_gauge("requests_in_flight", "0").await;
    gateway.log.wait_for_gauge("upstreams_open", "0").await;
    assert_eq!((gateway.log.all("client left").len(), gateway.log.all("upstream cancelled").len()), (1, 1));
    assert!(gateway.log.all("upstream failed").is_empty(), "the backend did nothing wrong");
    gateway.log.assert_calm();
    assert_serves(gateway.address).await;
}
