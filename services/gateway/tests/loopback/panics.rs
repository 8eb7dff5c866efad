//! A backend that panics costs its request and nothing else.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use halfopen_gateway::backend::{Backend, Signal, Upstream};
use halfopen_gateway::chat::ChatRequest;
use halfopen_gateway::{Config, Registry};

use crate::backend::{Act, CHUNKED, DONE, HELLO, MisbehavingBackend, STOP, chunk, send};
use crate::client::{assert_failed_after, assert_serves, chat};
use crate::fixture::Fixture;

#[tokio::test]
async fn a_panic_before_the_answer_is_a_500() {
    for (when, stream) in [(When::Opening, true), (When::Opening, false), (When::First, true), (When::First, false)] {
        let gateway = gateway(when).await;
        let answer = chat(gateway.address, "m", stream).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.json().await["error"]["code"], "internal_error");
        assert_only_one_request_was_hurt(&gateway).await;
    }
}

#[tokio::test]
async fn a_panic_in_mid_stream_is_an_error_event_and_a_done() {
    let gateway = gateway(When::Second).await;
    let text = chat(gateway.address, "m", true).await.whole().await;
    assert_failed_after(&text, HELLO);
    assert_only_one_request_was_hurt(&gateway).await;
}

#[tokio::test]
async fn a_panic_while_the_backend_is_dropped_changes_nothing() {
    for stream in [true, false] {
        let gateway = gateway(When::Dropping).await;
        let answer = chat(gateway.address, "m", stream).await;
        let text = answer.whole().await;
        let expected = if stream { [HELLO, STOP, DONE].concat() } else { WHOLE.to_owned() };
        assert_eq!(text, expected);
        assert_eq!(gateway.log.wait("request finished").await["ending"], "done");
        gateway.log.wait_for_gauge("requests_in_flight", "0").await;
        assert_serves(gateway.address).await;
    }
}

#[tokio::test]
async fn a_panic_of_the_gateway_itself_in_mid_stream_is_an_error_event_and_a_done() {
    let backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Fin, Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    gateway.log.panic_at("upstream failed");
    let text = chat(gateway.address, "m", true).await.whole().await;
    assert_failed_after(&text, HELLO);
    assert_only_one_request_was_hurt(&gateway).await;
}

#[tokio::test]
async fn what_came_before_a_panic_of_the_gateway_itself_goes_out_before_the_error_event() {
    // One piece, so that the panic comes while the event still waits to be taken.
    let piece = [HELLO, "data: {}garbage\n\n"].concat();
    let backend = MisbehavingBackend::start([send(CHUNKED), chunk(HELLO), Act::Wait, chunk(&piece), Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    gateway.log.panic_at("upstream failed");
    let mut answer = chat(gateway.address, "m", true).await;
    answer.until(HELLO).await;
    backend.go_on();
    assert_failed_after(&answer.whole().await, &HELLO.repeat(2));
    assert_only_one_request_was_hurt(&gateway).await;
}

#[tokio::test]
async fn a_panic_of_the_gateway_itself_before_the_answer_is_a_500() {
    for stream in [true, false] {
        let backend = MisbehavingBackend::start([Act::Fin, Act::Hold]).await;
        let gateway = Fixture::before(backend.address, |_| {}).await;
        gateway.log.panic_at("upstream failed");
        let answer = chat(gateway.address, "m", stream).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.json().await["error"]["code"], "internal_error");
        assert_only_one_request_was_hurt(&gateway).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Opening,
    First,
    Second,
    Dropping,
}

struct Panicking(When);

impl Backend for Panicking {
    fn open(&self, request: &ChatRequest) -> Upstream {
        assert!(!matches!(self.0, When::Opening), "the backend panics while it opens");
        if self.0 == When::Dropping {
            let pieces = if request.stream { vec![HELLO, STOP, DONE] } else { vec![WHOLE] };
            let grenade = Grenade;
            let pieces = pieces.into_iter().map(move |piece| {
                let _kept = &grenade;
                Ok(Signal::Bytes(Bytes::from_static(piece.as_bytes())))
            });
            return Box::pin(stream::iter([Ok(Signal::Opened)]).chain(stream::iter(pieces)));
        }
        let before = if matches!(self.0, When::Second) { vec![HELLO] } else { vec![] };
        let before = before.into_iter().map(|event| Ok(Signal::Bytes(Bytes::from_static(event.as_bytes()))));
        let opened = [Ok(Signal::Opened)];
        let panic = stream::once(async { panic!("the backend panics in its answer") });
        Box::pin(stream::iter(opened.into_iter().chain(before)).chain(panic))
    }
}

/// An answer that does not stream.
const WHOLE: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        // While another panic unwinds it would end the process, which is no fault of the gateway.
        assert!(std::thread::panicking(), "the backend panics while it is dropped");
    }
}

async fn gateway(when: When) -> Fixture {
    let config = Config::default();
    let registry = Registry::from_config(&config).expect("the default is good");
    Fixture::open_with(config, registry.with("panicking", &["m".to_owned()], Panicking(when))).await
}

async fn assert_only_one_request_was_hurt(gateway: &Fixture) {
    assert_eq!(gateway.log.wait("request finished").await["ending"], "panic");
    gateway.log.wait_for_gauge("requests_in_flight", "0").await;
    assert_serves(gateway.address).await;
}
