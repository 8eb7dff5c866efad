//! What the two directions of an HTTP connection must know of each other.

use std::collections::VecDeque;

/// The most requests that may wait for their answers: far beyond what any pipelining client sends.
const WAITING_REQUESTS: usize = 4096;

/// What matters of a request for reading its response (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The response has no body.
    Head,
    /// A good response makes the connection a tunnel.
    Connect,
    /// Any other.
    Other,
}

impl Request {
    /// From a method's name.
    pub(super) fn of(method: &str) -> Self {
        match method {
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What the connection has become for the direction to the server, which learns it from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// A 101 made it a WebSocket.
    WebSocket,
    /// It is a tunnel, or something else that cannot be read.
    Opaque,
}

/// The requests without a response, and what the last response made of the connection.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    requests: VecDeque<Request>,
    /// Set once.
    pub(super) switched: Option<Switch>,
}

impl Exchanges {
    /// A request's head has ended; `false` when there are more than can be remembered.
    pub(super) fn asked(&mut self, request: Request) -> bool {
        self.requests.push_back(request);
        self.requests.len() <= WAITING_REQUESTS
    }

    /// The head of a final response has ended: this is the request that it answers.
    pub(super) fn answered(&mut self) -> Request {
        self.requests.pop_front().unwrap_or(Request::Other)
    }
}
