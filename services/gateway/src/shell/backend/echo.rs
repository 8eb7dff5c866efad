//! The built-in backend: answers with the last words of the user.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::core::chat::ChatRequest;
use crate::core::relay::DONE;
use crate::core::sse::encode_data;
use crate::shell::backend::{Backend, Signal, Upstream};
use crate::shell::config::EchoConfig;

/// Streams the last user message back, word by word, with a finish reason, usage when asked for, and a terminator.
/// `created` is 0 throughout: an answer is a function of its request.
#[derive(Clone, Debug)]
pub struct Echo {
    chunk_delay: Duration,
    prefix: String,
}

impl Echo {
    /// An echo as configured.
    pub fn new(config: &EchoConfig) -> Self {
        Self { chunk_delay: config.chunk_delay, prefix: config.prefix.clone() }
    }

    fn answer(&self, request: &ChatRequest) -> String {
        format!("{}{}", self.prefix, request.prompt)
    }

    fn events(&self, request: &ChatRequest) -> Vec<(Duration, Bytes)> {
        let answer = self.answer(request);
        let mut events = vec![(Duration::ZERO, chunk(request, json!({ "role": "assistant", "content": "" }), None))];
        for word in answer.split_inclusive(char::is_whitespace) {
            events.push((self.chunk_delay, chunk(request, json!({ "content": word }), None)));
        }
        events.push((Duration::ZERO, chunk(request, json!({}), Some("stop"))));
        if request.include_usage {
            let mut last = object(request, "chat.completion.chunk", json!([]));
            last["usage"] = usage(request, &answer);
            events.push((Duration::ZERO, Bytes::from(encode_data(&last.to_string()))));
        }
        events.push((Duration::ZERO, Bytes::from_static(DONE.as_bytes())));
        events
    }

    fn completion(&self, request: &ChatRequest) -> (Duration, Bytes) {
        let answer = self.answer(request);
        let words = answer.split_inclusive(char::is_whitespace).count();
        let choices: Vec<Value> = (0..request.choices)
            .map(|index| {
                let message = json!({ "role": "assistant", "content": answer, "refusal": null });
                json!({ "index": index, "message": message, "logprobs": null, "finish_reason": "stop" })
            })
            .collect();
        let mut body = object(request, "chat.completion", Value::Array(choices));
        body["usage"] = usage(request, &answer);
        // More words than that are more than a body may have.
        let delay = self.chunk_delay.saturating_mul(u32::try_from(words).unwrap_or(u32::MAX));
        (delay, Bytes::from(body.to_string()))
    }
}

impl Backend for Echo {
    fn open(&self, request: &ChatRequest) -> Upstream {
        let pieces = if request.stream { self.events(request) } else { vec![self.completion(request)] };
        let bytes = stream::iter(pieces).then(|(delay, piece)| async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok(Signal::Bytes(piece))
        });
        Box::pin(stream::iter([Ok(Signal::Opened)]).chain(bytes))
    }
}

/// One chunk for every choice of the request.
fn chunk(request: &ChatRequest, delta: Value, finish_reason: Option<&str>) -> Bytes {
    let choices: Vec<Value> = (0..request.choices)
        .map(|index| json!({ "index": index, "delta": delta, "finish_reason": finish_reason }))
        .collect();
    Bytes::from(encode_data(&object(request, "chat.completion.chunk", Value::Array(choices)).to_string()))
}

fn object(request: &ChatRequest, kind: &str, choices: Value) -> Value {
    json!({ "id": "chatcmpl-echo", "object": kind, "created": 0, "model": request.model, "choices": choices })
}

/// Counts words where a model would count tokens.
fn usage(request: &ChatRequest, answer: &str) -> Value {
    let prompt = request.prompt.split_whitespace().count();
    let completion = answer.split_whitespace().count();
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}
