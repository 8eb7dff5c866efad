//! From a request to its response.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use halfopen_door::KeyRing;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL,
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::core::api_error::ApiError;
use crate::core::chat::ChatRequest;
use crate::core::fault::Fault;
use crate::core::relay::{Order, Relay, RelayLimits};
use crate::core::request_end::RequestEnd;
use crate::core::said::Said;
use crate::shell::access;
use crate::shell::call::Call;
use crate::shell::config::Config;
use crate::shell::event_stream::{EventStream, ResponseBody};
use crate::shell::in_flight::InFlight;
use crate::shell::readiness::Readiness;
use crate::shell::registry::Registry;
use crate::shell::request_body::{self, Refused};
use crate::shell::write_progress::Stall;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a browser need not ask again; the longest that all of them honour is two hours.
const PREFLIGHT_KEPT_SECONDS: &str = "7200";
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What all requests of a gateway share.
pub(crate) struct Routes {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) shutdown: CancellationToken,
    /// The keys of clients, where they need one.
    pub(crate) keys: KeyRing,
}

impl Routes {
    /// Answers one request, whatever happens in it. `stall` belongs to the connection.
    pub(crate) async fn respond(
        &self,
        request: Request<Incoming>,
        stall: Arc<Stall>,
        is_beyond: bool,
    ) -> Response<ResponseBody> {
        if is_beyond && !matches!(request.uri().path(), "/health" | "/ready") {
            let error = ApiError::overloaded(self.config.timings.retry_after);
            return refusal(Refused { error, close: true });
        }
        let answered = AssertUnwindSafe(self.route(request, stall)).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|_| {
            tracing::error!(target: "halfopen_gateway", "request panicked");
            refusal(Refused { error: ApiError::internal(), close: false })
        });
        self.add_cors(&mut response);
        response
    }

    async fn route(&self, request: Request<Incoming>, stall: Arc<Stall>) -> Response<ResponseBody> {
        let path = request.uri().path();
        let allowed = match path {
            "/v1/chat/completions" => "POST",
            "/v1/models" | "/health" | "/ready" => "GET",
            _ if path.starts_with("/v1/models/") => "GET",
            _ => return self.refuse(request, ApiError::unknown_path()).await,
        };
        if let Some(error) = access::refused(&request, &self.config, |shown| self.keys.open_for(shown)) {
            return self.refuse(request, error).await;
        }
        match (request.method(), allowed) {
            (&Method::POST, "POST") => self.chat(request, stall).await,
            (&Method::GET | &Method::HEAD, "GET") => self.inform(request).await,
            (&Method::OPTIONS, _) => self.preflight(request, allowed).await,
            _ => {
                let mut response = self.refuse(request, ApiError::wrong_method(allowed)).await;
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                response
            }
        }
    }

    async fn chat(&self, request: Request<Incoming>, stall: Arc<Stall>) -> Response<ResponseBody> {
        if self.shutdown.is_cancelled() {
            return self.refuse(request, ApiError::shutting_down()).await;
        }
        let id = self.in_flight.next_id();
        let mut held = self.in_flight.body();
        // A request counts once it is there: who is slow to send one takes no place from others.
        let body = match request_body::read(request, &self.config, &mut held).await {
            Ok(body) => body,
            Err(refused) => return with_id(refusal(refused), &id),
        };
        let understood = ChatRequest::parse(body).and_then(|request| match self.registry.find(&request.model) {
            Some(registered) => Ok((request, registered)),
            None => Err(ApiError::unknown_model(&request.model)),
        });
        let (request, registered) = match understood {
            Ok(understood) => understood,
            Err(error) => return with_id(refusal(Refused { error, close: false }), &id),
        };
        let Some(mut slot) = self.in_flight.admit(id.clone()) else {
            let error = ApiError::overloaded(self.config.timings.retry_after);
            return with_id(refusal(Refused { error, close: false }), &id);
        };
        slot.keep(held);
        let call = Call::accept(slot, stall, &request, registered);
        let answered = if request.stream { self.stream(&request, call).await } else { self.complete(call).await };
        with_id(answered.unwrap_or_else(|error| refusal(Refused { error, close: false })), &id)
    }

    async fn stream(&self, request: &ChatRequest, call: Call) -> Result<Response<ResponseBody>, ApiError> {
        let timings = &self.config.timings;
        let limits = RelayLimits {
            heartbeat: timings.heartbeat,
            first_byte: timings.first_byte,
            silence: timings.upstream_silence,
            event_bytes: self.config.limits.event_bytes,
        };
        let order = Order { choices: request.choices, include_usage: request.include_usage };
        let relay = Relay::new(limits, order, Instant::now().into_std()).hiding(call.confidential());
        let events = EventStream::start(relay, call, self.shutdown.clone()).await?;
        let mut response = Response::new(ResponseBody::Events(Box::new(events)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // A buffering proxy in front would hold back events until its buffer is full.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    async fn complete(&self, mut call: Call) -> Result<Response<ResponseBody>, ApiError> {
        let collecting = collect(&mut call, self.config.limits.answer_bytes);
        let collected = tokio::time::timeout(self.config.timings.request, collecting).await;
        let judged = collected.unwrap_or(Err(Fault::FirstByteTimeout)).and_then(judge);
        match judged.map_err(|fault| fault.hiding(&call.confidential())) {
            Ok(answer) => {
                call.close_upstream(false);
                call.end(RequestEnd::Done);
                Ok(json_response(StatusCode::OK, answer))
            }
            Err(fault) => {
                call.upstream_failed(&fault);
                call.close_upstream(false);
                call.end(RequestEnd::of(&fault));
                Err(fault.to_api_error())
            }
        }
    }

    async fn inform(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let path = request.uri().path().to_owned();
        let close = !request_body::discard(request, &self.config).await;
        let (status, body) = match path.as_str() {
            "/v1/models" => (StatusCode::OK, self.registry.list()),
            _ if path.starts_with("/v1/models/") => {
                let id = access::decoded(&path["/v1/models/".len()..]);
                match self.registry.describe(&id) {
                    Some(model) => (StatusCode::OK, model),
                    None => return refusal(Refused { error: ApiError::unknown_model(&id), close }),
                }
            }
            "/ready" if self.shutdown.is_cancelled() => {
                (StatusCode::SERVICE_UNAVAILABLE, json!({ "ready": false, "reason": "shutting_down" }))
            }
            "/ready" => {
                let report = self.readiness.report(&self.registry).await;
                let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                (status, json!({ "ready": report.ready, "backends": report.backends }))
            }
            _ => (StatusCode::OK, json!({ "status": "ok" })),
        };
        let mut response = json_response(status, Bytes::from(body.to_string()));
        if close {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The answer to a browser's question. Without a configured origin it allows nothing, which is a denial.
    async fn preflight(&self, request: Request<Incoming>, allowed: &'static str) -> Response<ResponseBody> {
        let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let close = !request_body::discard(request, &self.config).await;
        let mut response = Response::new(ResponseBody::Whole(Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static(allowed));
        if self.config.cors_origin.is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allowed));
            // An SDK in a browser sends a dozen headers of its own, other ones in each version. No header has a meaning
            // here that the origin would have to be kept from.
            let usual = HeaderValue::from_static("authorization, content-type, x-request-id");
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(usual));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_KEPT_SECONDS));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn refuse(&self, request: Request<Incoming>, error: ApiError) -> Response<ResponseBody> {
        let close = !request_body::discard(request, &self.config).await;
        refusal(Refused { error, close })
    }

    fn add_cors(&self, response: &mut Response<ResponseBody>) {
        let origin = self.config.cors_origin.as_deref().and_then(|origin| HeaderValue::from_str(origin).ok());
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            // What an SDK decides by, and a page cannot see unless it is told so.
            let exposed = HeaderValue::from_static("x-request-id, x-should-retry, retry-after");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
    }
}

async fn collect(call: &mut Call, limit_bytes: usize) -> Result<Bytes, Fault> {
    let mut answer = BytesMut::new();
    while let Some(bytes) = poll_fn(|cx| call.poll_bytes(cx)).await {
        let bytes = bytes?;
        if answer.len() + bytes.len() > limit_bytes {
            return Err(Fault::TooLarge);
        }
        answer.extend_from_slice(&bytes);
    }
    Ok(answer.freeze())
}

/// An answer that does not stream is whole when it is a JSON object with choices; a body whose end only the closing of
/// the connection marks may be cut anywhere without the transport noticing.
fn judge(answer: Bytes) -> Result<Bytes, Fault> {
    match serde_json::from_slice::<Value>(&answer) {
        Ok(value) if value.get("error").is_some_and(|error| !error.is_null()) => {
            Err(Fault::Reported(Box::new(Said::read(&value["error"]))))
        }
        Ok(value) if value["choices"].is_array() => Ok(answer),
        Ok(_) => Err(Fault::Malformed),
        Err(error) if error.is_eof() => Err(Fault::Truncated),
        Err(_) => Err(Fault::Malformed),
    }
}

fn refusal(refused: Refused) -> Response<ResponseBody> {
    let Refused { error, close } = refused;
    tracing::debug!(target: "halfopen_gateway", status = error.status().as_u16(), code = error.code(), "request refused");
    let mut response = json_response(error.status(), Bytes::from(error.envelope()));
    let headers = response.headers_mut();
    if let Some(after) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    if !error.may_retry() {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// In whole seconds, as the header has them, and never before the time: at least one.
fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

fn json_response(status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn with_id(mut response: Response<ResponseBody>, id: &str) -> Response<ResponseBody> {
    let id = HeaderValue::from_str(id).expect("the id of a request is letters, digits and dashes");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}
