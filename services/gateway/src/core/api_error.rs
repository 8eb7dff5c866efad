//! Errors as clients see them: a status and the OpenAI error envelope.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::core::said::Said;
use crate::core::sanitise::sanitise;

/// One error for one client. Whatever its message contains, only its sanitised form can be read out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    kind: Cow<'static, str>,
    code: Cow<'static, str>,
    param: Option<Cow<'static, str>>,
    message: String,
    retry_after: Option<Duration>,
    retry: bool,
}

impl ApiError {
    /// 400: the request cannot be understood. `param` names the offending member of the body.
    pub fn bad_request(code: &'static str, param: Option<&'static str>, message: impl AsRef<str>) -> Self {
        Self {
            param: param.map(Cow::Borrowed),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message)
        }
    }

    /// 404: no backend serves `model`.
    pub fn unknown_model(model: &str) -> Self {
        let message = format!("the model '{model}' does not exist");
        let kind = "invalid_request_error";
        Self {
            param: Some(Cow::Borrowed("model")),
            ..Self::new(StatusCode::NOT_FOUND, kind, "model_not_found", message)
        }
    }

    /// 404: no such path.
    pub fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_path", "there is nothing at this path")
    }

    /// 405: the path exists, the method does not fit.
    pub fn wrong_method(allowed: &str) -> Self {
        let message = format!("this path answers {allowed} only");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", message)
    }

    /// 408: the request's body did not arrive in time.
    pub fn slow_body() -> Self {
        let message = "the request body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "request_timeout", message)
    }

    /// 413: the body exceeds `limit_bytes`.
    pub fn too_large(limit_bytes: usize) -> Self {
        let message = format!("the request body is larger than {limit_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "request_too_large", message)
    }

    /// 503: as many requests as the configuration allows are in flight.
    pub fn overloaded(retry_after: Duration) -> Self {
        let message = "too many requests are in flight, try again later";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "overloaded", message);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 503: the gateway is going down.
    pub fn shutting_down() -> Self {
        let message = "the gateway is shutting down";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "shutting_down", message);
        Self { retry_after: Some(Duration::from_secs(1)), ..error }
    }

    /// 500: the backend failed.
    pub fn upstream(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "upstream_error", message)
    }

    /// The backend's own refusal, with its status and its words, which are sanitised already.
    pub(crate) fn passed_on(status: u16, message: String, said: &Said, retry_after: Option<Duration>) -> Self {
        let kind = match status {
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error = Self { retry_after, ..Self::new(status, kind, "upstream_error", message) };
        Self {
            kind: said.kind.clone().map_or(error.kind, Cow::Owned),
            code: said.code.clone().map_or(error.code, Cow::Owned),
            param: said.param.clone().map(Cow::Owned),
            ..error
        }
    }

    /// 401: the key of the request is none of the configured ones.
    pub fn wrong_key() -> Self {
        let message = "this gateway takes a bearer token that it knows, and the request has none";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", "invalid_api_key", message).without_retry()
    }

    /// 403: a page of an origin that may not call, or a host that is not this one.
    pub fn forbidden(what: &str) -> Self {
        let message = format!("requests with this {what} are not answered here");
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", "forbidden", message).without_retry()
    }

    /// 415: a body that is not JSON by its own account.
    pub fn wrong_content_type() -> Self {
        let message = "the content type of a request must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error", "unsupported_media_type", message)
            .without_retry()
    }

    /// 400, 414 or 431: what came is no request, or one with a head that is too large.
    pub fn unreadable(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ("head_too_large", "the head of the request is too large"),
            StatusCode::URI_TOO_LONG => ("path_too_long", "the path of the request is too long"),
            _ => ("malformed_request", "the request is not HTTP/1.1"),
        };
        Self::new(status, "invalid_request_error", code, message)
    }

    /// 504: the backend ran out of time. Never to be retried by an SDK: each retry would be another generation.
    pub fn upstream_timeout(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "server_error", "upstream_timeout", message).without_retry()
    }

    /// 500: a defect of the gateway.
    pub fn internal() -> Self {
        let message = "the gateway failed internally";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", message)
    }

    /// Adds `x-should-retry: false`, which the SDKs obey.
    pub fn without_retry(self) -> Self {
        Self { retry: false, ..self }
    }

    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl AsRef<str>) -> Self {
        let message = sanitise(message.as_ref());
        let (kind, code) = (Cow::Borrowed(kind), Cow::Borrowed(code));
        Self { status, kind, code, param: None, message, retry_after: None, retry: true }
    }

    /// The HTTP status, when there is still a status to send.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The machine-readable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sanitised message, at most [`MESSAGE_CHARS`](crate::core::sanitise::MESSAGE_CHARS) characters.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The value of `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether an SDK may repeat the request on its own.
    pub fn may_retry(&self) -> bool {
        self.retry
    }

    /// The envelope: the whole body of an HTTP error, or the data of an error event.
    pub fn envelope(&self) -> String {
        let error = json!({ "message": self.message, "type": self.kind, "param": self.param, "code": self.code });
        json!({ "error": error }).to_string()
    }
}
