//! A model server: `POST /v1/chat/completions` answers with the question's words, one event each, at a model's pace.
//!
//! It tells what it produced and whether it was stopped, which a production server would not: facts at the far end of
//! the gateway are what a stream's truth is measured against. How it answers, and what it does wrong, is its [`Manner`].

mod answer;
mod manner;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use halfopen::{BoxError, FactKind, HostContext};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::debug;

use answer::{Piece, Question};
pub use manner::{ErrorEvent, Finishes, LineEnd, Manner, Pause, Refusal};

/// How the model answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: String,
    /// The pause before each word.
    #[serde(with = "humantime_serde")]
    pub word_delay: Duration,
    /// The manner in which a question is answered, by the question's first word; the others are answered as they should be.
    #[serde(default)]
    pub manners: BTreeMap<String, Manner>,
}

struct Model {
    cx: HostContext,
    config: Config,
    answers: AtomicUsize,
}

/// The pause behind an `accept` that has failed: without descriptors the next would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Serves until the host is asked to stop.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: HostContext) -> Result<(), BoxError> {
    let config: Config = cx.config()?;
    let listener = TcpListener::bind(config.listen.as_str()).await?;
    let model = Arc::new(Model { cx: cx.clone(), config, answers: AtomicUsize::new(0) });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => {
                // A client that has left before it is accepted, or a moment without descriptors, ends no server.
                let Ok((socket, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                socket.set_nodelay(true)?;
                let model = Arc::clone(&model);
                connections.spawn(async move {
                    let service = service_fn(move |request| respond(Arc::clone(&model), request));
                    let mut server = hyper::server::conn::http1::Builder::new();
                    // A client that leaves ends its connection with an error, which does not matter here.
                    let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn respond(model: Arc<Model>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    // Its list of models is what a health check asks for.
    if request.method() == Method::GET {
        return Ok(whole(StatusCode::OK, "application/json", r#"{"object":"list","data":[]}"#.to_owned()));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let number = model.answers.fetch_add(1, Ordering::Relaxed) + 1;
    let question = Question::read(&body, number);
    let manner = model.config.manners.get(&question.key).cloned().unwrap_or_default();
    debug!(target: "halfopen_scenarios::model", key = question.key, id = question.id, stream = question.stream, "asked");
    if let Some(delay) = manner.head_delay {
        tokio::time::sleep(delay).await;
    }
    if let Some(refusal) = &manner.refusal {
        return Ok(refuse(refusal));
    }
    let word_delay = manner.word_delay.unwrap_or(model.config.word_delay);
    let produced = Produced { cx: model.cx.clone(), key: question.key.clone(), done: false };
    if !question.stream {
        return Ok(complete(produced, &question, &manner, word_delay).await);
    }
    let pieces = answer::pieces(&question, &manner, word_delay);
    let events = stream::unfold((pieces.into_iter(), produced), |(mut pieces, mut produced)| async move {
        let Piece { after, bytes, words, ends } = pieces.next()?;
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        words.iter().for_each(|word| produced.cx.fact(FactKind::StreamProduced, &produced.key, abridged(word)));
        produced.done |= ends;
        Some((Ok(Frame::data(bytes)), (pieces, produced)))
    });
    let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(events)));
    let kind = manner.content_type.as_deref().unwrap_or("text/event-stream");
    if let Ok(kind) = header::HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}

/// An answer that does not stream takes as long as its words.
async fn complete(
    mut produced: Produced,
    question: &Question,
    manner: &Manner,
    word_delay: Duration,
) -> Response<Body> {
    let words = u32::try_from(question.words().count()).unwrap_or(u32::MAX);
    tokio::time::sleep(word_delay.saturating_mul(words)).await;
    let body = manner.body.clone().unwrap_or_else(|| answer::completion(question, manner));
    produced.cx.fact(FactKind::StreamProduced, &produced.key, &body);
    produced.done = true;
    whole(StatusCode::OK, manner.content_type.as_deref().unwrap_or("application/json"), body)
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = whole(status, &refusal.content_type, refusal.body.clone());
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    response
}

fn whole(status: StatusCode, kind: &str, body: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed_unsync());
    *response.status_mut() = status;
    if let Ok(kind) = header::HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// A word as facts tell it: what is long is known by its beginning and its length.
pub(crate) fn abridged(word: &str) -> String {
    match word.char_indices().nth(ABRIDGED_CHARS) {
        Some((end, _)) if word.len() > 10 * ABRIDGED_CHARS => format!("{} ({} bytes)", &word[..end], word.len()),
        Some(_) | None => word.to_owned(),
    }
}

/// How much is told of what is ten times as long, characters.
const ABRIDGED_CHARS: usize = 100;

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
