//! Every way in which a backend can end, and what the client is told.

use std::time::Duration;

use crate::backend::{
    Act, CHUNKED, DONE, HELLO, LAST_CHUNK, MisbehavingBackend, STOP, UNTIL_CLOSE, chunk, send, whole,
};
use crate::client::{ask, assert_failed_after, assert_serves, chat};
use crate::fixture::Fixture;

#[tokio::test]
async fn a_whole_answer_arrives_as_it_was_sent() {
    let text = streamed([send(CHUNKED), chunk(HELLO), chunk(STOP), chunk(DONE), send(LAST_CHUNK)], "done").await;
    assert_eq!(text, [HELLO, STOP, DONE].concat());
}

#[tokio::test]
async fn an_event_in_many_pieces_arrives_as_one() {
    let pieces = HELLO.as_bytes().chunks(7).map(|piece| chunk(std::str::from_utf8(piece).expect("ASCII")));
    let acts = [send(CHUNKED)].into_iter().chain(pieces).chain([chunk(STOP), chunk(DONE), send(LAST_CHUNK)]);
    assert_eq!(streamed(acts, "done").await, [HELLO, STOP, DONE].concat());
}

#[tokio::test]
async fn a_fin_between_events_is_an_error_event_and_a_done() {
    let text = streamed([send(CHUNKED), chunk(HELLO), Act::Fin, Act::Hold], "error").await;
    assert_failed_after(&text, HELLO);
}

#[tokio::test]
async fn a_fin_inside_an_event_forwards_nothing_of_the_event() {
    let acts = [send(CHUNKED), chunk(HELLO), chunk(&STOP[..STOP.len() - 1]), Act::Fin, Act::Hold];
    assert_failed_after(&streamed(acts, "error").await, HELLO);
}

#[tokio::test]
async fn a_fin_inside_a_chunk_is_an_error_event_and_a_done() {
    let acts = [send(CHUNKED), chunk(HELLO), send("ff\r\ndata: {\"cho"), Act::Fin, Act::Hold];
    assert_failed_after(&streamed(acts, "error").await, HELLO);
}

#[tokio::test]
async fn a_clean_truncation_is_an_error_event_and_a_done() {
    let text = streamed([send(CHUNKED), chunk(HELLO), send(LAST_CHUNK), Act::Hold], "error").await;
    assert_failed_after(&text, HELLO);
}

#[tokio::test]
async fn a_truncation_that_the_transport_cannot_see_is_an_error_event_and_a_done() {
    let text = streamed([send(UNTIL_CLOSE), send(HELLO), Act::Fin, Act::Hold], "error").await;
    assert_failed_after(&text, HELLO);
}

#[tokio::test]
async fn a_reset_is_an_error_event_and_a_done() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Wait, Act::Reset]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let mut answer = chat(gateway.address, "m", true).await;
    let request = backend.request().await;
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request:?}");
    assert!(request.ends_with(&ask("m", true)), "the body is passed on as it came: {request:?}");
    answer.until(HELLO).await;
    backend.go_on();
    assert_failed_after(&answer.whole().await, HELLO);
    assert_eq!(gateway.log.wait("upstream failed").await["reason"], "reset");
    gateway.log.assert_calm();
    assert_serves(gateway.address).await;
}

#[tokio::test]
async fn a_silent_backend_is_given_up_after_the_limit() {
    let mut backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Hold]).await;
    let gateway =
        Fixture::before(backend.address, |config| config.timings.upstream_silence = Duration::from_millis(50)).await;
    let text = chat(gateway.address, "m", true).await.whole().await;
    assert_failed_after(&text, HELLO);
    backend.gateway_left().await;
    assert_eq!(gateway.log.wait("upstream failed").await["reason"], "silent");
    assert_eq!(gateway.log.wait("request finished").await["ending"], "timeout");
}

#[tokio::test]
async fn a_heartbeat_opens_a_stream_whose_backend_is_slow() {
    let acts = [send(CHUNKED), Act::Wait, chunk(HELLO), chunk(STOP), chunk(DONE)];
    let backend = MisbehavingBackend::start(acts).await;
    let gateway = Fixture::before(backend.address, |config| config.timings.heartbeat = Duration::from_millis(10)).await;
    let mut answer = chat(gateway.address, "m", true).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/event-stream")));
    answer.until(": heartbeat\n\n: heartbeat\n\n").await;
    backend.go_on();
    let text = answer.whole().await;
    assert!(text.ends_with(&[HELLO, STOP, DONE].concat()), "{text:?}");
    assert_eq!(text.replace(": heartbeat\n\n", ""), [HELLO, STOP, DONE].concat(), "heartbeats stand between events");
}

#[tokio::test]
async fn a_backend_that_refuses_the_connection_is_a_500() {
    let vacant = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let gateway = Fixture::before(vacant, |_| {}).await;
    let answer = chat(gateway.address, "m", true).await;
    assert_eq!(answer.status(), 500);
    let error = answer.json().await;
    assert_eq!(error["error"]["message"], "the backend refused the connection");
    assert_eq!(gateway.log.wait("upstream failed").await["reason"], "refused");
    assert!(gateway.log.all("upstream opened").is_empty());
    gateway.log.assert_calm();
}

#[tokio::test]
async fn a_backend_that_fails_before_its_first_event_is_a_500() {
    for acts in [
        vec![Act::Fin, Act::Hold],
        vec![send("HTTP/1.1 200"), Act::Fin, Act::Hold],
        vec![send(CHUNKED), Act::Fin, Act::Hold],
        vec![send(CHUNKED), send(LAST_CHUNK), Act::Hold],
        vec![send("garbage\r\n\r\n"), Act::Hold],
        vec![whole("200 OK", "{\"choices\":[]}"), Act::Hold],
    ] {
        let backend = MisbehavingBackend::start(acts).await;
        let gateway = Fixture::before(backend.address, |_| {}).await;
        let answer = chat(gateway.address, "m", true).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.json().await["error"]["code"], "upstream_error");
    }
}

#[tokio::test]
async fn a_status_of_the_backend_is_told_without_its_secrets() {
    let body = r#"{"error":{"message":"bad key abc for 10.1.2.3:80"}}"#;
    let backend = MisbehavingBackend::start([whole("401 Unauthorized", body), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let answer = chat(gateway.address, "m", false).await;
    assert_eq!((answer.status(), answer.header("x-should-retry")), (401, Some("false")));
    let message = answer.json().await["error"]["message"].clone();
    assert_eq!(message, "the backend answered with status 401: [message withheld]");
}

#[tokio::test]
async fn a_backend_that_does_not_answer_in_time_is_a_504_that_is_not_to_be_retried() {
    for stream in [true, false] {
        let mut backend = MisbehavingBackend::start([Act::Hold]).await;
        let gateway = Fixture::before(backend.address, |config| {
            config.timings.first_byte = Duration::from_millis(50);
            config.timings.request = Duration::from_millis(50);
        })
        .await;
        let answer = chat(gateway.address, "m", stream).await;
        assert_eq!((answer.status(), answer.header("x-should-retry")), (504, Some("false")), "stream: {stream}");
        backend.gateway_left().await;
        assert_eq!(gateway.log.wait("request finished").await["ending"], "timeout");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_stream_is_passed_on_whole_or_not_at_all() {
    let good = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
    let backend = MisbehavingBackend::start([whole("200 OK", good), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    assert_eq!(chat(gateway.address, "m", false).await.whole().await, good);
    drop(gateway);

    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let backend = MisbehavingBackend::start([send(head), send(&good[..30]), Act::Fin, Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    assert_eq!(chat(gateway.address, "m", false).await.status(), 500, "cut where no transport notices");
    assert_eq!(gateway.log.wait("upstream failed").await["reason"], "truncated");
}

/// The client's text of a stream whose backend does `acts`, in a gateway that logs `ending` and stays calm.
async fn streamed(acts: impl IntoIterator<Item = Act>, ending: &str) -> String {
    let backend = MisbehavingBackend::start(acts).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let text = chat(gateway.address, "m", true).await.whole().await;
    assert_eq!(gateway.log.wait("request finished").await["ending"], ending);
    gateway.log.wait_for_gauge("requests_in_flight", "0").await;
    gateway.log.wait_for_gauge("upstreams_open", "0").await;
    assert_eq!(gateway.log.all("upstream opened").len(), 1);
    assert!(gateway.log.all("upstream cancelled").is_empty(), "the backend ended by itself");
    gateway.log.assert_calm();
    assert_serves(gateway.address).await;
    text
}
