//! A backend that panics costs its request and nothing else.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use halfopen_gateway::backend::{Backend, Signal, Upstream};
use halfopen_gateway::chat::ChatRequest;
use halfopen_gateway::{Config, Registry};

use crate::backend::HELLO;
use crate::client::{assert_failed_after, assert_serves, chat};
use crate::house::House;

#[tokio::test]
async fn a_panic_before_the_answer_is_a_500() {
    for (when, stream) in [(When::Opening, true), (When::Opening, false), (When::First, true), (When::First, false)] {
        let house = house(when).await;
        let answer = chat(house.address, "m", stream).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.json().await["error"]["code"], "internal_error");
        assert_only_one_request_was_hurt(&house).await;
    }
}

#[tokio::test]
async fn a_panic_in_mid_stream_is_an_error_event_and_a_done() {
    let house = house(When::Second).await;
    let text = chat(house.address, "m", true).await.whole().await;
    assert_failed_after(&text, HELLO);
    assert_only_one_request_was_hurt(&house).await;
}

#[derive(Clone, Copy)]
enum When {
    Opening,
    First,
    Second,
}

struct Panicking(When);

impl Backend for Panicking {
    fn open(&self, _: &ChatRequest) -> Upstream {
        assert!(!matches!(self.0, When::Opening), "the backend panics while it opens");
        let before = if matches!(self.0, When::Second) { vec![HELLO] } else { vec![] };
        let before = before.into_iter().map(|event| Ok(Signal::Bytes(Bytes::from_static(event.as_bytes()))));
        let opened = [Ok(Signal::Opened)];
        let panic = stream::once(async { panic!("the backend panics in its answer") });
        Box::pin(stream::iter(opened.into_iter().chain(before)).chain(panic))
    }
}

async fn house(when: When) -> House {
    let config = Config::default();
    let registry = Registry::from_config(&config).expect("the default is good");
    House::open_with(config, registry.with("panicking", &["m".to_owned()], Panicking(when))).await
}

async fn assert_only_one_request_was_hurt(house: &House) {
    assert_eq!(house.log.wait("request finished").await["ending"], "panic");
    house.log.wait_for_gauge("requests_in_flight", "0").await;
    assert_serves(house.address).await;
}
