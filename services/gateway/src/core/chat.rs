//! The body of `POST /v1/chat/completions`: what the gateway reads of it, and nothing more.
//!
//! A backend gets the body as it came. Unknown members are none of the gateway's business.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::core::api_error::ApiError;

/// The largest `n` accepted, as in the OpenAI API.
const MOST_CHOICES: u64 = 128;

/// A well-formed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatRequest {
    /// The model asked for; never empty.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// How many choices the answer has; at least 1.
    pub choices: usize,
    /// Whether the stream is to end with a usage chunk.
    pub include_usage: bool,
    /// The text of the last message of the user; empty when there is none.
    pub prompt: String,
    /// The body as it came.
    pub body: Bytes,
}

impl ChatRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// 400 for a body that is empty, not a JSON object, without a model or without messages, or in which a member that
    /// the gateway reads has the wrong type.
    pub fn parse(body: Bytes) -> Result<Self, ApiError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::bad_request("empty_body", None, "the request body is empty"));
        }
        let value: Value = serde_json::from_slice(&body).map_err(|error| {
            let message =
                format!("the request body is not valid JSON (line {}, column {})", error.line(), error.column());
            ApiError::bad_request("malformed_body", None, message)
        })?;
        let Value::Object(members) = value else {
            return Err(ApiError::bad_request("malformed_body", None, "the request body must be a JSON object"));
        };
        let include_usage = match members.get("stream_options") {
            None | Some(Value::Null) => false,
            Some(Value::Object(options)) => flag(options, "include_usage", "stream_options")?,
            Some(_) => return Err(wrong_type("stream_options", "an object")),
        };
        Ok(Self {
            model: model(&members)?,
            prompt: prompt(&members)?,
            stream: flag(&members, "stream", "stream")?,
            choices: choices(&members)?,
            include_usage,
            body,
        })
    }
}

fn model(members: &Map<String, Value>) -> Result<String, ApiError> {
    match members.get("model") {
        Some(Value::String(model)) if !model.trim().is_empty() => Ok(model.clone()),
        None | Some(Value::Null | Value::String(_)) => {
            Err(ApiError::bad_request("missing_model", Some("model"), "you must provide a model"))
        }
        Some(_) => Err(wrong_type("model", "a string")),
    }
}

fn prompt(members: &Map<String, Value>) -> Result<String, ApiError> {
    let messages = match members.get("messages") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        None | Some(Value::Null | Value::Array(_)) => {
            let message = "you must provide at least one message";
            return Err(ApiError::bad_request("missing_messages", Some("messages"), message));
        }
        Some(_) => return Err(wrong_type("messages", "an array")),
    };
    if !messages.iter().all(Value::is_object) {
        return Err(wrong_type("messages", "an array of objects"));
    }
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    Ok(last.map(|message| text(&message["content"])).unwrap_or_default())
}

/// A message's content is a string, or a list of parts, and some parts have a text.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn choices(members: &Map<String, Value>) -> Result<usize, ApiError> {
    match members.get("n") {
        None | Some(Value::Null) => Ok(1),
        Some(n) => match n.as_u64() {
            Some(n @ 1..=MOST_CHOICES) => Ok(n as usize),
            _ => Err(wrong_type("n", "a number from 1 to 128")),
        },
    }
}

fn flag(members: &Map<String, Value>, name: &str, param: &'static str) -> Result<bool, ApiError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong_type(param, "true or false")),
    }
}

fn wrong_type(param: &'static str, expected: &str) -> ApiError {
    ApiError::bad_request("wrong_type", Some(param), format!("'{param}' must be {expected}"))
}
