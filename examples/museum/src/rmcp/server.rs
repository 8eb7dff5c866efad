//! A server of the Model Context Protocol (2025-11-25) over HTTP whose one tool takes two seconds. As the protocol wants, an
//! answer's stream begins with an event that has an id and nothing else, and can be taken up again behind that id.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use halfopen::{BoxError, HostContext};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;

/// How long the tool takes.
const WORK: Duration = Duration::from_secs(2);

/// The answers by the id of their call; one that is not ready is empty.
type Calls = Arc<Mutex<BTreeMap<String, watch::Receiver<Option<String>>>>>;

pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    let routes = post(message).get(resume).delete(async || StatusCode::OK);
    let router = Router::new().route("/mcp", routes).with_state(Calls::default());
    Ok(axum::serve(listener, router).with_graceful_shutdown(cx.shutdown().cancelled_owned()).await?)
}

async fn message(State(calls): State<Calls>, Json(message): Json<Value>) -> Response {
    let id = message["id"].clone();
    match message["method"].as_str() {
        Some("initialize") => {
            let result = json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "forecaster", "version": "1" },
            });
            let answer = Json(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
            ([("mcp-session-id", "session-1")], answer).into_response()
        }
        Some("tools/call") => {
            let call = id.to_string();
            info!(call = message["params"]["name"].as_str(), "call accepted");
            let (done, answer) = watch::channel(None);
            lock(&calls).insert(call.clone(), answer.clone());
            // The work is done, with or without a listener.
            tokio::spawn(async move {
                sleep(WORK).await;
                let result = json!({ "content": [{ "type": "text", "text": "rain" }] });
                done.send_replace(Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()));
            });
            let first = format!("id: {call}/0\nretry: 500\ndata:\n\n");
            let events = stream::once(async { Ok::<_, Infallible>(first) }).chain(answer_of(call, answer));
            event_stream(Body::from_stream(events))
        }
        Some(_) | None => StatusCode::ACCEPTED.into_response(),
    }
}

/// Takes up the stream of a call again. There are no other streams to be had by GET.
async fn resume(State(calls): State<Calls>, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let call = last.and_then(|last| last.strip_suffix("/0"));
    let found = call.and_then(|call| Some((call.to_owned(), lock(&calls).get(call)?.clone())));
    match found {
        Some((call, answer)) => event_stream(Body::from_stream(answer_of(call, answer))),
        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// The event that a call's stream ends with.
fn answer_of(
    call: String,
    mut answer: watch::Receiver<Option<String>>,
) -> impl futures_util::Stream<Item = Result<String, Infallible>> {
    stream::once(async move {
        let data = match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_default(),
            // The tool ends only when the server does.
            Err(_) => String::new(),
        };
        Ok(format!("id: {call}/1\ndata: {data}\n\n"))
    })
}

fn event_stream(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn lock(calls: &Calls) -> std::sync::MutexGuard<'_, BTreeMap<String, watch::Receiver<Option<String>>>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}
