//! A backend in the gateway's own process that panics, at the place that the question's first word names.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use halfopen_gateway::Backend;
use halfopen_gateway::backend::{Signal, Upstream};
use halfopen_gateway::chat::ChatRequest;

/// What it says when it panics; scenarios expect it.
const MESSAGE: &str = "the backend is faulty";

/// Panics where it is told to: `opening`, before it has answered; `silent`, before its first word; `speaking`, behind its first word;
/// `leaving`, while it is dropped behind a whole answer.
#[derive(Clone, Copy, Debug)]
pub struct FaultyBackend;

impl Backend for FaultyBackend {
    fn open(&self, request: &ChatRequest) -> Upstream {
        let place = request.prompt.split_whitespace().next().unwrap_or_default().to_owned();
        assert!(place != "opening", "{MESSAGE}: it was opened");
        let guard = Guard { panics: place == "leaving" };
        let says_nothing = place == "silent";
        let words = ["one ", "two "].map(|word| event(&serde_json::json!({ "content": word }), None));
        let end = [event(&serde_json::json!({}), Some("stop")), "data: [DONE]\n\n".to_owned()];
        let events = stream::iter(words.into_iter().chain(end).enumerate()).map(move |(n, text)| {
            let _guard = &guard;
            let speaks_on = n == usize::from(!says_nothing) && (says_nothing || place == "speaking");
            assert!(!speaks_on, "{MESSAGE}: it spoke");
            Ok(Signal::Bytes(Bytes::from(text)))
        });
        Box::pin(stream::iter([Ok(Signal::Opened)]).chain(events))
    }
}

fn event(delta: &serde_json::Value, finish: Option<&str>) -> String {
    let choices = serde_json::json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
    let id = "chatcmpl-faulty";
    format!("data: {}\n\n", serde_json::json!({ "id": id, "object": "chat.completion.chunk", "choices": choices }))
}

/// Panics when it is dropped, if it is told to and nothing else panics.
struct Guard {
    panics: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        assert!(!self.panics || std::thread::panicking(), "{MESSAGE}: it was dropped");
    }
}
