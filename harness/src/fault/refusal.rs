//! Why verbs refuse triggers, where several refuse the same.

use super::{Edge, Trigger};

/// What changes a message changes one that a trigger names, and all of it.
pub(super) fn unless_whole_unit(word: &str, trigger: &Trigger) -> Option<String> {
    match trigger {
        Trigger::Message { edge: Edge::After, .. } | Trigger::SseEvent { edge: Edge::After, .. } => None,
        Trigger::Message { .. } | Trigger::SseEvent { .. } => {
            Some(format!("`{word}` changes a whole message or event: its trigger has no `edge`"))
        }
        Trigger::At(_)
        | Trigger::Idle(_)
        | Trigger::Event { .. }
        | Trigger::Frame { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::Bytes { .. }
        | Trigger::HttpHead { .. }
        | Trigger::Connect => Some(format!("`{word}` changes one message or event: it takes `message` or `sse_event`")),
    }
}

/// What sends a WebSocket frame needs a WebSocket.
pub(super) fn unless_frames(word: &str, trigger: &Trigger) -> Option<String> {
    let lacks = match trigger {
        Trigger::Connect => "at `connect` there is no WebSocket",
        Trigger::SseEvent { .. } => "SSE has none",
        Trigger::Chunk { .. } | Trigger::Line { .. } => "in an HTTP body there is none",
        Trigger::At(_)
        | Trigger::Idle(_)
        | Trigger::Event { .. }
        | Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::Bytes { .. }
        | Trigger::HttpHead { .. } => return None,
    };
    Some(format!("`{word}` sends a WebSocket frame, and {lacks}"))
}

/// What strikes attempts to connect strikes no connection that carries something.
pub(super) fn unless_attempts(word: &str, trigger: &Trigger) -> Option<String> {
    let fits = matches!(trigger, Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect);
    (!fits).then(|| format!("`{word}` strikes attempts to connect: it takes `connect`, `at` or `event`"))
}

/// What strikes lookups strikes before there is a connection.
pub(super) fn unless_lookups(word: &str, trigger: &Trigger) -> Option<String> {
    let fits = matches!(trigger, Trigger::At(_) | Trigger::Event { .. });
    (!fits).then(|| format!("`{word}` strikes lookups, which come before any connection: it takes `at` or `event`"))
}
