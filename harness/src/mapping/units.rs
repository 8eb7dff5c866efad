//! The kinds of protocol units that facts and occurrences are read from, and what each says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::FrameKind;
use crate::pattern::document_of;
use crate::trace::Unit;

/// The kinds of units that can tell a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// A WebSocket text message.
    WsText,
    /// A WebSocket Close frame.
    WsClose,
    /// A WebSocket Ping frame.
    WsPing,
    /// A WebSocket Pong frame.
    WsPong,
    /// An SSE event that is no mere comment.
    SseEvent,
    /// An SSE block that is a mere comment, as heartbeats are.
    SseComment,
    /// A request's head.
    HttpRequest,
    /// A response's head.
    HttpResponse,
}

impl UnitKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::WsText,
        Self::WsClose,
        Self::WsPing,
        Self::WsPong,
        Self::SseEvent,
        Self::SseComment,
        Self::HttpRequest,
        Self::HttpResponse,
    ];

    /// The word that files use.
    pub fn word(self) -> &'static str {
        match self {
            Self::WsText => "ws_text",
            Self::WsClose => "ws_close",
            Self::WsPing => "ws_ping",
            Self::WsPong => "ws_pong",
            Self::SseEvent => "sse_event",
            Self::SseComment => "sse_comment",
            Self::HttpRequest => "http_request",
            Self::HttpResponse => "http_response",
        }
    }

    /// The kind of a unit; `None` for what tells nothing by itself.
    pub(crate) fn of(unit: &Unit) -> Option<Self> {
        match unit {
            Unit::WsMessage { kind: FrameKind::Text, .. } => Some(Self::WsText),
            Unit::WsControl { kind: FrameKind::Close, .. } => Some(Self::WsClose),
            Unit::WsControl { kind: FrameKind::Ping, .. } => Some(Self::WsPing),
            Unit::WsControl { kind: FrameKind::Pong, .. } => Some(Self::WsPong),
            Unit::SseEvent { name: None, data: None, .. } => Some(Self::SseComment),
            Unit::SseEvent { .. } => Some(Self::SseEvent),
            Unit::HttpRequest { .. } => Some(Self::HttpRequest),
            Unit::HttpResponse { .. } => Some(Self::HttpResponse),
            Unit::HttpChunk { .. } | Unit::WsControl { .. } | Unit::WsMessage { .. } => None,
        }
    }
}

/// What pointers go into: the JSON that a text message or an SSE event's data holds (a string, when it is none), the
/// `comment` of a mere comment, the `code` and `reason` of a Close frame, the `method` and `target` of a request, the
/// `status` of a response.
pub(crate) fn document(unit: &Unit) -> Value {
    let json = |text: &Option<String>| text.as_deref().map_or(Value::Null, document_of);
    match unit {
        Unit::WsMessage { text, .. } => json(text),
        Unit::SseEvent { name: None, data: None, comment } => serde_json::json!({ "comment": comment }),
        Unit::SseEvent { data, .. } => json(data),
        Unit::WsControl { code, reason, .. } => serde_json::json!({ "code": code, "reason": reason }),
        Unit::HttpRequest { method, target } => serde_json::json!({ "method": method, "target": target }),
        Unit::HttpResponse { status } => serde_json::json!({ "status": status }),
        Unit::HttpChunk { bytes } => serde_json::json!({ "bytes": bytes }),
    }
}
