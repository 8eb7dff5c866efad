//! Heads, and bodies that do not stream: an answer, or an error in OpenAI's envelope.

use halfopen::check::Finding;
use serde_json::Value;

use super::{Answer, Head};

/// The longest message of an error, characters.
const MESSAGE_CHARS: usize = 200;

/// Which status goes with which code and type.
const ERRORS: [(&str, &str, &str); 13] = [
    ("empty_body", "400", "invalid_request_error"),
    ("malformed_body", "400", "invalid_request_error"),
    ("missing_model", "400", "invalid_request_error"),
    ("missing_messages", "400", "invalid_request_error"),
    ("wrong_type", "400", "invalid_request_error"),
    ("model_not_found", "404", "invalid_request_error"),
    ("unknown_path", "404", "invalid_request_error"),
    ("request_timeout", "408", "invalid_request_error"),
    ("request_too_large", "413", "invalid_request_error"),
    ("overloaded", "503", "server_error"),
    ("shutting_down", "503", "server_error"),
    ("internal_error", "500", "server_error"),
    ("upstream_timeout", "504", "server_error"),
];

/// The code of a backend's refusal that has none of its own, and of a backend's failure.
const PASSED_ON: &str = "upstream_error";

/// Whether a code is the gateway's own.
fn is_own(code: &str) -> bool {
    ERRORS.iter().any(|(own, ..)| *own == code)
}

fn is_error(status: &str) -> bool {
    status.len() == 3 && status.starts_with(['4', '5'])
}

fn kind_of(status: &str) -> &'static str {
    match status {
        "429" => "rate_limit_error",
        _ if status.starts_with('4') => "invalid_request_error",
        _ => "server_error",
    }
}

/// What may stand in no message: the beginnings of keys, and addresses.
const SECRETS: [&str; 6] = ["sk-", "Bearer ", "://", "AKIA", "10.0.0.", "localhost"];

/// An error as the API has it.
pub(super) struct Envelope {
    pub(super) code: String,
    kind: String,
    message: String,
}

/// The error that a text is; an envelope that lacks something has empty words for it.
pub(super) fn error_of(text: &str) -> Option<Envelope> {
    let json: Value = serde_json::from_str(text).ok()?;
    let error = json.get("error").filter(|error| !error.is_null())?;
    let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    Some(Envelope { code: word("code"), kind: word("type"), message: word("message") })
}

impl Answer<'_> {
    /// The head of a chat's answer names the request, and says how the body is to be read and whether to ask again.
    pub(super) fn head_is_legal(&self, head: &Head) -> Result<(), Finding> {
        let broken = |what: &str| {
            Err(self.finding("illegal head", format!("the head of the answer to {} {what}.", self.key), []))
        };
        let unnamed = head.field("request_id").is_empty();
        if unnamed && head.status() == "200" && !self.is_other {
            return broken("does not name the request");
        }
        if head.streams() {
            return if head.field("cache_control") == "no-cache" {
                Ok(())
            } else {
                broken("lets a cache keep the stream")
            };
        }
        if head.field("content_type") != "application/json" {
            return broken("does not say that the body is JSON");
        }
        let after = head.field("retry_after");
        match head.status() {
            "503" if self.is_other => Ok(()),
            "503" if after.parse::<u64>().is_ok_and(|seconds| seconds > 0) => Ok(()),
            "503" => broken("says 503 and not when to come again"),
            "504" if head.field("should_retry") != "false" => broken("says 504 and lets an SDK ask again"),
            // A backend may say it with any refusal of its own, and that is passed on.
            _ if !after.is_empty() && error_of(&self.text).is_none_or(|error| is_own(&error.code)) => {
                broken("says when to come again, with a status that is not 503")
            }
            _ => Ok(()),
        }
    }

    /// A whole body has the length that its head says, and is an answer or an error.
    pub(super) fn body_is_legal(&self, head: &Head) -> Result<(), Finding> {
        let broken = |clause, what: &str| {
            Err(self.finding(clause, format!("the body of the answer to {} {what}.", self.key), []))
        };
        if head.field("content_length").parse() != Ok(self.text.len()) {
            return broken("wrong length", "is not as long as its head says");
        }
        if self.is_other && head.status() != "404" {
            return match serde_json::from_str::<Value>(&self.text) {
                Ok(Value::Object(_)) => Ok(()),
                Ok(_) | Err(_) => broken("no answer", "is no JSON object"),
            };
        }
        match error_of(&self.text) {
            Some(error) if head.status() == "200" => {
                broken("200 and an error", &format!("is the error {}", error.code))
            }
            Some(error) => self.error_is_legal(&error, Some(head.status())),
            None if head.status() != "200" => broken("no envelope", "is no error of the API"),
            None => {
                let json: Value = serde_json::from_str(&self.text).unwrap_or_default();
                if json["choices"].as_array().is_some_and(|choices| choices.len() >= self.choices) {
                    Ok(())
                } else {
                    broken("no answer", "has not the choices that were asked for")
                }
            }
        }
    }

    /// An error has a code and a type that go with its status, and a short message without secrets.
    pub(super) fn error_is_legal(&self, error: &Envelope, status: Option<&str>) -> Result<(), Finding> {
        let broken = |clause, what: &str| {
            Err(self.finding(clause, format!("the error that {} was told {what}: `{}`.", self.key, error.message), []))
        };
        match ERRORS.iter().find(|(code, ..)| *code == error.code) {
            Some((.., kind)) if error.kind != *kind => {
                return broken("wrong type", "has a type that does not go with its code");
            }
            Some((_, of_code, _)) if status.is_some_and(|status| status != *of_code) => {
                return broken("wrong status", "has a status that does not go with its code");
            }
            Some(_) => {}
            // A backend's refusal has the backend's status; without words of its own it has a type that goes with it.
            None if error.code == PASSED_ON => match status {
                Some(status) if !is_error(status) => return broken("wrong status", "has a status that is no error's"),
                Some(status) if error.kind != kind_of(status) => {
                    return broken("wrong type", "has a type that does not go with its status");
                }
                Some(_) | None => {}
            },
            None if self.foretold.contains(&error.code) && status.is_none_or(is_error) => {}
            None => return broken("unknown code", "has a code that the API does not know"),
        }
        if error.message.is_empty() || error.message.chars().count() > MESSAGE_CHARS {
            return broken("wrong message", "is empty, or longer than 200 characters");
        }
        if error.message.chars().any(char::is_control) {
            return broken("wrong message", "has control characters");
        }
        match SECRETS.iter().find(|secret| error.message.contains(**secret)) {
            Some(secret) => broken("secret told", &format!("holds `{secret}`")),
            None => Ok(()),
        }
    }
}
