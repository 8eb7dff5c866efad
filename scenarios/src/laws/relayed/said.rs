//! What one event of a chat's stream says, by the protocol and by none of the gateway's own readers.

use serde_json::Value;

/// The records know of longer data their beginning only, bytes.
const KNOWN_BYTES: usize = 60_000;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A comment.
    Comment,
    /// A part of the answer: the choices it belongs to, and whether it is the end of each.
    Part(Vec<(u64, bool)>),
    /// An error, with its code and message.
    Error { code: Option<String>, message: String },
    /// The terminator.
    Done,
    /// Nothing that the protocol knows.
    Malformed,
}

impl Said {
    /// Reads an event.
    pub(super) fn of(name: Option<&str>, data: Option<&str>) -> Self {
        let Some(data) = data else { return Self::Comment };
        if data.len() >= KNOWN_BYTES {
            return Self::Part(Vec::new());
        }
        if data.trim() == "[DONE]" {
            return Self::Done;
        }
        let json = serde_json::from_str::<Value>(data);
        if name == Some("error") {
            return Self::error(json.as_ref().map_or(&Value::Null, |json| json.get("error").unwrap_or(json)), data);
        }
        match json {
            Ok(json) if json.get("error").is_some_and(|error| !error.is_null()) => Self::error(&json["error"], data),
            Ok(Value::Object(part)) => {
                let choices = part.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let read =
                    |choice: &Value| (choice["index"].as_u64().unwrap_or(0), choice["finish_reason"].is_string());
                Self::Part(choices.iter().map(read).collect())
            }
            Ok(_) | Err(_) => Self::Malformed,
        }
    }

    fn error(error: &Value, data: &str) -> Self {
        let message = error["message"].as_str().or(error.as_str()).unwrap_or(data);
        Self::Error { code: error["code"].as_str().map(str::to_owned), message: message.to_owned() }
    }

    /// What the answer is called that an event is a part of.
    pub(super) fn id(data: &str) -> Option<String> {
        let json: Value = serde_json::from_str(data).ok()?;
        json["id"].as_str().map(str::to_owned)
    }
}
