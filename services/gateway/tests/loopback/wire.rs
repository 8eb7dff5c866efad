//! The bytes as an SDK gets them, from a bare socket: no library in between that would forgive anything.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::{Act, CHUNKED, DONE, HELLO, MisbehavingBackend, STOP, UNTIL_CLOSE, chunk, send};
use crate::client::ask;
use crate::fixture::{Fixture, soon};

#[tokio::test]
async fn a_stream_is_byte_for_byte_what_an_sdk_expects() {
    let gateway = Fixture::echo().await;
    let answer = Raw::ask(&gateway, &ask("echo", true)).await;
    assert_eq!(answer.status_line, "HTTP/1.1 200 OK");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let expected = [
        r#"{"choices":[{"delta":{"content":"","role":"assistant"},"finish_reason":null,"index":0}],"created":0,"id":"chatcmpl-echo","model":"echo","object":"chat.completion.chunk"}"#,
        r#"{"choices":[{"delta":{"content":"say "},"finish_reason":null,"index":0}],"created":0,"id":"chatcmpl-echo","model":"echo","object":"chat.completion.chunk"}"#,
        r#"{"choices":[{"delta":{"content":"hello"},"finish_reason":null,"index":0}],"created":0,"id":"chatcmpl-echo","model":"echo","object":"chat.completion.chunk"}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop","index":0}],"created":0,"id":"chatcmpl-echo","model":"echo","object":"chat.completion.chunk"}"#,
        "[DONE]",
    ];
    let expected: Vec<String> = expected.into_iter().map(|data| format!("data: {data}\n\n")).collect();
    assert_eq!(answer.body, expected.concat());
    // Each event is on its way as soon as it exists: an HTTP chunk of its own.
    assert_eq!(answer.chunks, expected);
}

#[tokio::test]
async fn an_sdk_reads_the_whole_answer_out_of_a_stream() {
    let gateway = Fixture::echo().await;
    let mut question: Value = serde_json::from_str(&ask("echo", true)).expect("JSON");
    question["stream_options"] = json!({ "include_usage": true });
    let answer = Raw::ask(&gateway, &question.to_string()).await;
    let chunks = read_as_an_sdk(&answer.body).expect("no error event");
    for chunk in &chunks {
        assert!(chunk["id"].is_string() && chunk["created"].is_u64() && chunk["model"] == "echo", "{chunk}");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk["choices"].is_array(), "{chunk}");
    }
    let (usage, parts) = chunks.split_last().expect("chunks");
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(4)));
    let text: String = parts.iter().filter_map(|part| part["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "say hello");
    assert_eq!(parts.last().expect("parts")["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn an_answer_that_does_not_stream_has_every_member_that_the_sdks_require() {
    let gateway = Fixture::echo().await;
    let answer = Raw::ask(&gateway, &ask("echo", false)).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length").map(str::to_owned), Some(answer.body.len().to_string()));
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    let message = json!({ "role": "assistant", "content": "say hello", "refusal": null });
    let expected = json!({
        "id": "chatcmpl-echo",
        "object": "chat.completion",
        "created": 0,
        "model": "echo",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4 },
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn the_models_have_every_member_that_the_sdks_require() {
    let gateway = Fixture::echo().await;
    let answer = Raw::request(&gateway, "GET /v1/models HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n").await;
    let models: Value = serde_json::from_str(&answer.body).expect("JSON");
    let model = json!({ "id": "echo", "object": "model", "created": 0, "owned_by": "echo" });
    assert_eq!(models, json!({ "object": "list", "data": [model] }));
}

#[tokio::test]
async fn what_a_backend_streams_arrives_byte_for_byte_and_what_it_cuts_is_an_error_to_an_sdk() {
    let acts = [send(CHUNKED), chunk(HELLO), chunk(STOP), chunk(DONE), send("0\r\n\r\n"), Act::Hold];
    let backend = MisbehavingBackend::start(acts).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let answer = Raw::ask(&gateway, &ask("m", true)).await;
    assert_eq!(answer.chunks, [HELLO, STOP, DONE]);
    assert_eq!(read_as_an_sdk(&answer.body).expect("no error event").len(), 2);
    drop(gateway);

    let backend = MisbehavingBackend::start([send(UNTIL_CLOSE), send(HELLO), Act::Fin, Act::Hold]).await;
    let gateway = Fixture::before(backend.address, |_| {}).await;
    let answer = Raw::ask(&gateway, &ask("m", true)).await;
    let error = r#"{"error":{"code":"upstream_error","message":"the backend's answer ended before it was complete","param":null,"type":"server_error"}}"#;
    assert_eq!(answer.chunks, [HELLO, &format!("data: {error}\n\n"), DONE]);
    let error = read_as_an_sdk(&answer.body).expect_err("an error event");
    assert_eq!(error, "the backend's answer ended before it was complete");
}

#[tokio::test]
async fn heartbeats_are_comments_between_events_and_invisible_to_an_sdk() {
    let (first, second) = HELLO.split_at(20);
    let acts = [send(CHUNKED), chunk(first), Act::Wait, chunk(second), chunk(STOP), chunk(DONE), send("0\r\n\r\n")];
    let backend = MisbehavingBackend::start(acts).await;
    let gateway = Fixture::before(backend.address, |config| config.timings.heartbeat = Duration::from_millis(5)).await;
    let mut raw = Raw::open(&gateway, &ask("m", true)).await;
    raw.until(": heartbeat\n\n").await;
    backend.go_on();
    let answer = raw.answer().await;
    let (beats, events): (Vec<&String>, Vec<&String>) =
        answer.chunks.iter().partition(|chunk| *chunk == ": heartbeat\n\n");
    assert!(!beats.is_empty());
    assert_eq!(events, [HELLO, STOP, DONE], "whole events, each in one piece");
    assert_eq!(read_as_an_sdk(&answer.body).expect("no error event").len(), 2);
}

/// What the SDKs' decoder makes of a stream: the data of each event, an error that it raises, and an end at `[DONE]`.
/// Stricter than they are: nothing may follow the end, and nothing but comments and data may occur.
fn read_as_an_sdk(body: &str) -> Result<Vec<Value>, String> {
    let mut chunks = Vec::new();
    let mut data = None;
    let mut done = false;
    assert!(body.ends_with("\n\n"), "the last event has no blank line: {body:?}");
    for line in body.lines() {
        assert!(!done || line.is_empty(), "{line:?} after the end");
        if let Some(value) = line.strip_prefix("data: ") {
            assert!(data.replace(value).is_none(), "one line is one event here");
        } else if line.is_empty() {
            match data.take() {
                None => {}
                Some("[DONE]") => done = true,
                Some(data) => {
                    let chunk: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data:?}"));
                    if chunk.get("error").is_some_and(|error| !error.is_null()) {
                        return Err(chunk["error"]["message"].as_str().expect("a message").to_owned());
                    }
                    chunks.push(chunk);
                }
            }
        } else {
            assert!(line.starts_with(": ") && data.is_none(), "{line:?} is no comment between events");
        }
    }
    assert!(done, "the stream ended without [DONE]: {body:?}");
    Ok(chunks)
}

/// A request on a bare socket, and what came of it so far.
struct Raw {
    stream: TcpStream,
    received: String,
}

struct RawAnswer {
    status_line: String,
    headers: Vec<(String, String)>,
    body: String,
    /// The HTTP chunks that the body came in; none when it has a length.
    chunks: Vec<String>,
}

impl Raw {
    async fn open(gateway: &Fixture, body: &str) -> Self {
        let length = body.len();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-length: ";
        Self::send(gateway, &format!("{head}{length}\r\n\r\n{body}")).await
    }

    async fn send(gateway: &Fixture, request: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
        stream.write_all(request.as_bytes()).await.expect("the gateway reads");
        Self { stream, received: String::new() }
    }

    async fn ask(gateway: &Fixture, body: &str) -> RawAnswer {
        Self::open(gateway, body).await.answer().await
    }

    async fn request(gateway: &Fixture, request: &str) -> RawAnswer {
        Self::send(gateway, request).await.answer().await
    }

    async fn until(&mut self, needle: &str) {
        while !self.received.contains(needle) {
            let mut piece = [0; 1024];
            let read = soon("more bytes", self.stream.read(&mut piece)).await.expect("the connection lives");
            assert_ne!(read, 0, "the answer ended before {needle:?}: {:?}", self.received);
            self.received.push_str(std::str::from_utf8(&piece[..read]).expect("ASCII"));
        }
    }

    /// The whole answer, taken apart by hand.
    async fn answer(mut self) -> RawAnswer {
        soon("the end of the answer", self.stream.read_to_string(&mut self.received)).await.expect("a FIN");
        let (head, rest) = self.received.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().expect("a status line").to_owned();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers: Vec<(String, String)> = lines.map(|line| header(line).expect("a header")).collect();
        let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let chunks = if is_chunked { dechunked(rest) } else { Vec::new() };
        let body = if is_chunked { chunks.concat() } else { rest.to_owned() };
        RawAnswer { status_line, headers, body, chunks }
    }
}

impl RawAnswer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }
}

fn dechunked(mut rest: &str) -> Vec<String> {
    let mut chunks = Vec::new();
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a number");
        let (chunk, after) = after.split_at(size);
        rest = after.strip_prefix("\r\n").expect("the end of the chunk");
        if size == 0 {
            assert_eq!(rest, "", "nothing follows the last chunk");
            return chunks;
        }
        chunks.push(chunk.to_owned());
    }
}
