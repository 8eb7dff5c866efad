//! Errors as clients see them: a status and the OpenAI error envelope.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::core::sanitise::sanitise;

/// One error for one client. Whatever its message contains, only its sanitised form can be read out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<&'static str>,
    message: String,
    retry_after: Option<Duration>,
    retry: bool,
}

impl ApiError {
    /// 400: the request cannot be understood. `param` names the offending member of the body.
    pub fn bad_request(code: &'static str, param: Option<&'static str>, message: impl AsRef<str>) -> Self {
        Self { param, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message) }
    }

    /// 404: no backend serves `model`.
    pub fn unknown_model(model: &str) -> Self {
        let message = format!("the model '{model}' does not exist");
        let kind = "invalid_request_error";
        Self { param: Some("model"), ..Self::new(StatusCode::NOT_FOUND, kind, "model_not_found", message) }
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
        Self { status, kind, code, param: None, message, retry_after: None, retry: true }
    }

    /// The HTTP status, when there is still a status to send.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The machine-readable code.
    pub fn code(&self) -> &'static str {
        self.code
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
