//! Which protocol a direction speaks, found out from its bytes.

use super::exchange::{Exchanges, Switch};
use super::http::{Body, Http, Next};
use super::mark::Mark;
use super::websocket::WebSocket;
use crate::name::Direction;

/// The parser of a direction. What does not begin like HTTP has no boundaries.
#[derive(Debug)]
pub(super) enum Protocol {
    Http(Box<Http>),
    WebSocket(Box<WebSocket>),
    Opaque,
}

impl Protocol {
    /// Every connection may turn out to be HTTP. `finely`: as in [`Http::new`].
    pub(super) fn new(direction: Direction, finely: bool) -> Self {
        Self::Http(Box::new(Http::new(direction, finely)))
    }

    /// Reads up to the next boundary; `at` is the offset of the first byte. Returns how many bytes were read: 0 only
    /// when a boundary is reported or the state has changed.
    pub(super) fn advance(&mut self, input: &[u8], at: u64, exchanges: &mut Exchanges, marks: &mut Vec<Mark>) -> usize {
        match self {
            Self::Http(http) => {
                let (used, next) = http.advance(input, at, exchanges, marks);
                match next {
                    Next::Http => {}
                    Next::WebSocket => *self = Self::WebSocket(Box::new(WebSocket::new(at + used as u64))),
                    Next::Opaque => *self = Self::Opaque,
                }
                used
            }
            Self::WebSocket(frames) => frames.advance(input, at, marks),
            Self::Opaque => input.len(),
        }
    }

    /// The sender has finished: what is in passage ends as it stands.
    pub(super) fn finish(&mut self, at: u64, marks: &mut Vec<Mark>) {
        match self {
            Self::Http(http) => http.finish(at, marks),
            Self::WebSocket(_) | Self::Opaque => {}
        }
    }

    /// The other direction has learnt what the connection has become; `at` is the offset of the next byte here.
    /// A client that did not wait for the answer is not understood any more.
    pub(super) fn switch(&mut self, switch: Switch, at: u64) {
        if let Self::Http(http) = self {
            *self = match switch {
                Switch::WebSocket if http.is_between() => Self::WebSocket(Box::new(WebSocket::new(at))),
                Switch::WebSocket | Switch::Opaque => Self::Opaque,
            };
        }
    }

    /// Whether the next byte belongs to a body's payload.
    pub(super) fn in_payload(&self) -> bool {
        matches!(self, Self::Http(http) if http.in_payload())
    }

    /// Whether a message or an event is in passage.
    pub(super) fn is_in_unit(&self) -> bool {
        match self {
            Self::Http(http) => http.is_in_event(),
            Self::WebSocket(frames) => frames.is_in_message(),
            Self::Opaque => false,
        }
    }

    /// The frames, where there are any.
    pub(super) fn frames(&self) -> Option<&WebSocket> {
        match self {
            Self::WebSocket(frames) => Some(frames),
            Self::Http(_) | Self::Opaque => None,
        }
    }

    /// The HTTP body in passage.
    pub(super) fn body(&self) -> Body {
        match self {
            Self::Http(http) => http.body(),
            Self::WebSocket(_) | Self::Opaque => Body::None,
        }
    }
}
