//! A model server: `POST /v1/chat/completions` answers with the question's words, one event each, at a model's pace.
//!
//! It tells what it produced and whether it was stopped, which a production server would not: facts at the far end of
//! the gateway are what a stream's truth is measured against.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_net::TcpListener;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::task::JoinSet;

/// How the model answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: String,
    /// The pause before each word.
    #[serde(with = "humantime_serde")]
    pub word_delay: Duration,
}

/// Serves until the host is asked to stop.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: HostContext) -> Result<(), BoxError> {
    let config: Config = cx.config()?;
    let listener = TcpListener::bind(config.listen.as_str()).await?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => {
                let (socket, _) = accepted?;
                socket.set_nodelay(true)?;
                let (cx, delay) = (cx.clone(), config.word_delay);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(cx.clone(), delay, request));
                    let mut server = hyper::server::conn::http1::Builder::new();
                    // A client that leaves ends its connection with an error, which does not matter here.
                    let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn answer(cx: HostContext, delay: Duration, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let question: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = question["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .and_then(|message| message["content"].as_str())
        .unwrap_or_default()
        .to_owned();
    let key = text.split_whitespace().next().unwrap_or_default().to_owned();
    let produced = Produced { cx, key, done: false };
    let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    let events = stream::unfold(
        (words.into_iter(), produced, delay, 0_u8),
        |(mut words, mut produced, delay, tail)| async move {
            let data = match (words.next(), tail) {
                (Some(word), tail) => {
                    tokio::time::sleep(delay).await;
                    produced.cx.fact(FactKind::StreamProduced, &produced.key, &word);
                    (chunk(&serde_json::json!({ "content": word }), None), tail)
                }
                (None, 0) => (chunk(&serde_json::json!({}), Some("stop")), 1),
                (None, 1) => {
                    produced.done = true;
                    ("[DONE]".to_owned(), 2)
                }
                (None, _) => return None,
            };
            Some((Ok(Frame::data(Bytes::from(format!("data: {}\n\n", data.0)))), (words, produced, delay, data.1)))
        },
    );
    let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(events)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn chunk(delta: &serde_json::Value, finish: Option<&str>) -> String {
    serde_json::json!({
        "id": "chatcmpl-model",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "model",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
    .to_string()
}

/// Tells when an answer is dropped before its end.
struct Produced {
    cx: HostContext,
    key: String,
    done: bool,
}

impl Drop for Produced {
    fn drop(&mut self) {
        if !self.done {
            self.cx.fact(FactKind::StreamCancelled, &self.key, "dropped");
        }
    }
}
