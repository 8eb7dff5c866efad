//! The built-in backend: answers with the last words of the user, one at a time as they are asked for.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::core::chat::ChatRequest;
use crate::core::fault::Fault;
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

    fn saying(&self, request: &ChatRequest) -> Saying {
        let answer = self.answer(request);
        let usage = request.include_usage.then(|| usage(request, &answer));
        let asked = Asked { model: request.model.clone(), choices: request.choices, usage };
        Saying { request: asked, answer, chunk_delay: self.chunk_delay, next: Next::Role }
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
        let mut body = object(&request.model, "chat.completion", Value::Array(choices));
        body["usage"] = usage(request, &answer);
        // More words than that are more than a body may have.
        let delay = self.chunk_delay.saturating_mul(u32::try_from(words).unwrap_or(u32::MAX));
        (delay, Bytes::from(body.to_string()))
    }
}

impl Backend for Echo {
    fn open(&self, request: &ChatRequest) -> Upstream {
        let bytes = if request.stream {
            stream::unfold(self.saying(request), Saying::advance).map(Ok).left_stream()
        } else {
            let whole = (self.answer(request).len().saturating_mul(request.choices) <= WHOLE_BYTES)
                .then(|| self.completion(request));
            stream::once(async move {
                let (delay, whole) = whole.ok_or(Fault::TooLarge)?;
                pause(delay).await;
                Ok(Signal::Bytes(whole))
            })
            .right_stream()
        };
        Box::pin(stream::iter([Ok(Signal::Opened)]).chain(bytes))
    }
}

/// The largest answer that is made as a whole, bytes over all choices: what a gateway takes of any backend by default.
const WHOLE_BYTES: usize = 16 << 20;

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// A streamed answer: how far it has been said. Nothing of it is made before it is asked for.
struct Saying {
    request: Asked,
    answer: String,
    chunk_delay: Duration,
    next: Next,
}

/// What a chunk repeats of its request.
struct Asked {
    model: String,
    choices: usize,
    usage: Option<Value>,
}

/// The next event of an answer.
enum Next {
    Role,
    /// The word that begins here, in bytes.
    Word(usize),
    Finish,
    Usage,
    Done,
    Over,
}

impl Saying {
    async fn advance(mut self) -> Option<(Signal, Self)> {
        let (event, next) = match self.next {
            Next::Role => (self.request.chunk(&json!({ "role": "assistant", "content": "" }), None), self.from(0)),
            Next::Word(from) => {
                pause(self.chunk_delay).await;
                let word = self.answer[from..].split_inclusive(char::is_whitespace).next().unwrap_or_default();
                (self.request.chunk(&json!({ "content": word }), None), self.from(from + word.len()))
            }
            Next::Finish => {
                let next = if self.request.usage.is_some() { Next::Usage } else { Next::Done };
                (self.request.chunk(&json!({}), Some("stop")), next)
            }
            Next::Usage => {
                let mut last = object(&self.request.model, "chat.completion.chunk", json!([]));
                last["usage"] = self.request.usage.take().unwrap_or_default();
                (Bytes::from(encode_data(&last.to_string())), Next::Done)
            }
            Next::Done => (Bytes::from_static(DONE.as_bytes()), Next::Over),
            Next::Over => return None,
        };
        self.next = next;
        Some((Signal::Bytes(event), self))
    }

    fn from(&self, at: usize) -> Next {
        if at < self.answer.len() { Next::Word(at) } else { Next::Finish }
    }
}

impl Asked {
    /// One chunk for every choice of the request.
    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Bytes {
        let choices: Vec<Value> = (0..self.choices)
            .map(|index| json!({ "index": index, "delta": delta, "finish_reason": finish_reason }))
            .collect();
        Bytes::from(encode_data(&object(&self.model, "chat.completion.chunk", Value::Array(choices)).to_string()))
    }
}

fn object(model: &str, kind: &str, choices: Value) -> Value {
    json!({ "id": "chatcmpl-echo", "object": kind, "created": 0, "model": model, "choices": choices })
}

/// Counts words where a model would count tokens.
fn usage(request: &ChatRequest, answer: &str) -> Value {
    let prompt = request.prompt.split_whitespace().count();
    let completion = answer.split_whitespace().count();
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(prompt: &str, stream: bool, choices: usize) -> ChatRequest {
        let (model, include_usage, body) = ("echo".to_owned(), true, Bytes::new());
        ChatRequest { model, stream, choices, include_usage, prompt: prompt.to_owned(), body }
    }

    #[tokio::test]
    async fn an_answer_is_made_as_it_is_asked_for() {
        let echo = Echo::new(&EchoConfig::default());
        let words = "w ".repeat(500_000);
        let mut upstream = echo.open(&request(&words, true, 128));
        let mut taken = 0;
        while taken < 100 {
            let Some(Ok(_)) = upstream.next().await else { panic!("it goes on") };
            taken += 1;
        }
    }

    #[tokio::test]
    async fn a_streamed_answer_is_its_words_then_its_end_its_usage_and_its_terminator() {
        let echo = Echo::new(&EchoConfig { prefix: "> ".to_owned(), ..EchoConfig::default() });
        let all: Vec<_> = echo.open(&request("zwei worte\u{fc}", true, 1)).collect().await;
        let text = |signal: &Result<Signal, Fault>| match signal {
            Ok(Signal::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
            other => format!("{other:?}"),
        };
        let all: Vec<String> = all.iter().map(text).collect();
        assert_eq!(all.len(), 8, "{all:?}");
        for (place, part) in [
            (0, "Opened"),
            (1, "assistant"),
            (2, "\"> \""),
            (3, "zwei "),
            (4, "worteü"),
            (5, "stop"),
            (6, "total_tokens"),
        ] {
            assert!(all[place].contains(part), "{part}: {all:?}");
        }
        assert_eq!(all[7], DONE);
    }

    #[tokio::test]
    async fn a_whole_answer_beyond_its_bound_is_not_made() {
        let echo = Echo::new(&EchoConfig::default());
        let all: Vec<_> = echo.open(&request(&"w".repeat(1 << 20), false, 17)).collect().await;
        assert_eq!(all, [Ok(Signal::Opened), Err(Fault::TooLarge)]);
        let all: Vec<_> = echo.open(&request("w", false, 2)).collect().await;
        assert_eq!(all.len(), 2);
    }
}
