//! What the gateway refuses, and that the refusal arrives.

use std::time::Duration;

use halfopen_gateway::Config;
use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::{Act, CHUNKED, DONE, HELLO, MisbehavingBackend, STOP, chunk, send};
use crate::client::{Client, ask, assert_serves, chat};
use crate::fixture::{Fixture, soon};

#[tokio::test]
async fn a_request_beyond_the_limit_is_a_503_that_says_when_to_come_back() {
    let acts = [send(CHUNKED), chunk(HELLO), Act::Wait, chunk(STOP), chunk(DONE)];
    let backend = MisbehavingBackend::start(acts).await;
    let gateway = Fixture::before(backend.address, |config| config.limits.requests_in_flight = 1).await;
    let mut first = chat(gateway.address, "m", true).await;
    first.until(HELLO).await;

    let mut client = Client::connect(gateway.address).await;
    let second = client.chat(ask("echo", true)).await;
    assert_eq!((second.status(), second.header("retry-after")), (503, Some("1")));
    second.json().await;
    assert_eq!(client.send(Method::GET, "/health", "").await.status(), 200, "health needs no place");

    backend.go_on();
    assert!(first.whole().await.ends_with(DONE));
    gateway.log.wait_for_gauge("requests_in_flight", "0").await;
    assert_eq!(client.chat(ask("echo", true)).await.status(), 200, "the connection and the place are free again");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_a_413_that_arrives() {
    let gateway = Fixture::echo().await;
    let mut client = Client::connect(gateway.address).await;
    let answer = client.chat(vec![b' '; (4 << 20) + 1]).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.json().await["error"]["code"], "request_too_large");
    let answer = client.chat(ask("echo", false)).await;
    assert_eq!(answer.status(), 200, "the refused body was read, so the connection serves on");
}

#[tokio::test]
async fn a_chunked_body_beyond_the_limit_is_a_413_that_arrives() {
    let mut config = Config::default();
    config.limits.body_bytes = 1000;
    let gateway = Fixture::open(config).await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("the gateway reads");
    for _ in 0..50 {
        stream.write_all(format!("64\r\n{}\r\n", " ".repeat(100)).as_bytes()).await.expect("the gateway reads");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("the gateway reads");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_client_that_asks_before_sending_too_much_is_refused_at_once() {
    let gateway = Fixture::echo().await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("the gateway reads");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let mut config = Config::default();
    config.timings.body_read = Duration::from_millis(50);
    let gateway = Fixture::open(config).await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("the gateway reads");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 408 "));
    gateway.log.wait_for_gauge("requests_in_flight", "0").await;
}

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_its_connection() {
    let mut config = Config::default();
    config.timings.header_read = Duration::from_millis(50);
    let gateway = Fixture::open(config).await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    stream.write_all(b"POST /v1/chat").await.expect("the gateway reads");
    let mut rest = Vec::new();
    soon("the end of the connection", stream.read_to_end(&mut rest)).await.expect("a FIN");
    gateway.log.assert_calm();
    assert_serves(gateway.address).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_cost_their_sender_alone() {
    let gateway = Fixture::echo().await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    stream.write_all(b"\x16\x03\x01 no http\r\n\r\n").await.expect("the gateway reads");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 400 "));
    gateway.log.assert_calm();
    assert_serves(gateway.address).await;
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    let mut piece = [0; 1024];
    while !head.contains("\r\n\r\n") {
        let read = soon("an answer", stream.read(&mut piece)).await.expect("the connection lives");
        assert!(read > 0, "the connection ended after {head:?}");
        head.push_str(std::str::from_utf8(&piece[..read]).expect("ASCII"));
    }
    head
}
