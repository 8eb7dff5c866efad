//! From a text frame to a message and back.
//!
//! A type that we do not know may come from a newer peer, and is the sender's mistake at worst: it is reported, and the
//! connection stays. What is not JSON, or has a wrong field, ends the connection with 1007.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{FromNode, FromSession, ToNode, ToSession};

/// The messages of one direction of one leg.
pub trait Protocol: Serialize + DeserializeOwned {
    /// Every value of the field `type`.
    const TYPES: &'static [&'static str];
}

impl Protocol for FromSession {
    const TYPES: &'static [&'static str] = &["session_init", "submit", "ack", "session_close", "error"];
}

impl Protocol for ToSession {
    const TYPES: &'static [&'static str] =
        &["session_init_ack", "submit_ack", "result", "job_failed", "session_close", "error"];
}

impl Protocol for FromNode {
    const TYPES: &'static [&'static str] =
        &["node_register", "node_heartbeat", "job_ack", "job_progress", "job_result"];
}

impl Protocol for ToNode {
    const TYPES: &'static [&'static str] = &["node_register_ack", "job_assign", "job_cancel", "result_ack", "error"];
}

/// Why a text frame is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// A well-formed message of a type that we do not know. The connection stays.
    #[error("unknown type {0:?}")]
    UnknownType(String),
    /// Not JSON, or a field is missing or wrong. The connection is to be closed with 1007.
    #[error("malformed message: {0}")]
    Malformed(String),
}

/// The message in a text frame.
///
/// # Errors
/// See [`Undecodable`].
pub fn decode<M: Protocol>(text: &str) -> Result<M, Undecodable> {
    serde_json::from_str(text).map_err(|error| match unknown_type::<M>(text) {
        Some(name) => Undecodable::UnknownType(name),
        None => Undecodable::Malformed(error.to_string()),
    })
}

/// The text frame of a message.
#[must_use]
pub fn encode<M: Protocol>(message: &M) -> String {
    serde_json::to_string(message).expect("a message is plain data with string keys")
}

fn unknown_type<M: Protocol>(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let name = value.get("type")?.as_str()?;
    (!M::TYPES.contains(&name)).then(|| name.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_wire_and_unknown_fields_are_ignored() {
        let message = FromSession::Ack { upto_seq: 7 };
        assert_eq!(decode(&encode(&message)), Ok(message.clone()));
        assert_eq!(decode(r#"{"type":"ack","upto_seq":7,"since":"tomorrow"}"#), Ok(message));
    }

    #[test]
    fn an_unknown_type_is_told_from_a_malformed_message() {
        let unknown = decode::<ToSession>(r#"{"type":"news","text":"x"}"#);
        assert_eq!(unknown, Err(Undecodable::UnknownType("news".into())));
        for text in ["hello", "[]", "{}", r#"{"type":7}"#, r#"{"type":"result","seq":"one"}"#] {
            assert!(matches!(decode::<ToSession>(text), Err(Undecodable::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn the_lists_of_types_are_those_of_the_messages() {
        agrees::<FromSession>();
        agrees::<ToSession>();
        agrees::<FromNode>();
        agrees::<ToNode>();
    }

    /// serde names all the types when it meets one that it does not know.
    fn agrees<M: Protocol>() {
        let error = serde_json::from_str::<M>(r#"{"type":"?"}"#).err().expect("unknown").to_string();
        let expected = error.split_once("expected one of ").expect("a list").1;
        let named: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        assert_eq!(named, M::TYPES);
    }
}
