//! Text frames to messages: what cannot be read is told apart from what is merely not known.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a text frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded<M> {
    /// A message.
    Message(M),
    /// JSON with a `type` that this side does not know: a newer peer. Answered with `error`; the connection stays.
    UnknownType(String),
    /// Not JSON, no `type`, or a field that is missing or wrong: closed with 1007.
    Malformed,
}

/// Types that a session sends.
pub(crate) const FROM_SESSION: &[&str] = &["session_init", "submit", "ack", "session_close", "error"];
/// Types that a node sends.
pub(crate) const FROM_NODE: &[&str] = &["node_register", "node_heartbeat", "job_ack", "job_progress", "job_result"];
/// Types that a node is sent.
pub(crate) const TO_NODE: &[&str] = &["node_register_ack", "job_assign", "job_cancel", "result_ack", "error"];

/// Reads a frame; `known` are the types of `M`.
pub(crate) fn decode<M: DeserializeOwned>(text: &str, known: &[&str]) -> Decoded<M> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Decoded::Malformed };
    let Some(kind) = value.get("type").and_then(Value::as_str) else { return Decoded::Malformed };
    if !known.contains(&kind) {
        return Decoded::UnknownType(kind.chars().take(LONGEST_TYPE).collect());
    }
    serde_json::from_value(value).map_or(Decoded::Malformed, Decoded::Message)
}

/// What is repeated of an unknown type, in characters.
const LONGEST_TYPE: usize = 64;

#[cfg(test)]
mod tests {
    use halfopen_link::message::{FromNode, FromSession, ToNode};

    use super::*;

    #[test]
    fn a_message_with_fields_from_the_future_is_read() {
        let text = r#"{"type":"ack","upto_seq":3,"colour":"blue"}"#;
        assert_eq!(decode::<FromSession>(text, FROM_SESSION), Decoded::Message(FromSession::Ack { upto_seq: 3 }));
    }

    #[test]
    fn an_unknown_type_is_not_a_malformed_message() {
        let text = r#"{"type":"telepathy"}"#;
        assert_eq!(decode::<FromSession>(text, FROM_SESSION), Decoded::UnknownType("telepathy".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_malformed() {
        for text in
            ["", "hello", "[]", "{}", r#"{"type":7}"#, r#"{"type":"ack","upto_seq":"three"}"#, r#"{"type":"ack"}"#]
        {
            assert_eq!(decode::<FromSession>(text, FROM_SESSION), Decoded::Malformed, "{text}");
        }
    }

    #[test]
    fn every_listed_type_is_one_that_the_messages_know() {
        let unknown = |error: serde_json::Error| error.to_string().contains("unknown variant");
        for kind in FROM_SESSION {
            let read = serde_json::from_value::<FromSession>(serde_json::json!({ "type": kind }));
            assert!(!read.is_err_and(unknown), "{kind}");
        }
        for kind in FROM_NODE {
            let read = serde_json::from_value::<FromNode>(serde_json::json!({ "type": kind }));
            assert!(!read.is_err_and(unknown), "{kind}");
        }
        for kind in TO_NODE {
            let read = serde_json::from_value::<ToNode>(serde_json::json!({ "type": kind }));
            assert!(!read.is_err_and(unknown), "{kind}");
        }
    }
}
