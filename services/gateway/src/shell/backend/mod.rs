//! Who answers: the contract of a backend, and the two that are built in.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use halfopen_health::Target;

use crate::core::chat::ChatRequest;
use crate::core::confidential::Confidential;
use crate::core::fault::Fault;

mod echo;
mod http;
mod transport;

pub use echo::Echo;
pub use http::{Http, HttpLimits};

/// One call's answer as it comes in. The stream ends when the answer's transport ends, or after the first [`Fault`].
/// Dropping it cancels the call at once.
pub type Upstream = Pin<Box<dyn Stream<Item = Result<Signal, Fault>> + Send>>;

/// What a backend reports of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The backend has been reached, and the call has begun. At most once, and before any bytes.
    Opened,
    /// Bytes of the answer: server-sent events when the request asked to stream, else a JSON object.
    Bytes(Bytes),
}

/// Something that answers chat requests.
///
/// The gateway judges what comes: an implementation passes on what it receives, complete or not, and never invents an
/// ending. It runs inside the request's own future, so a panic in it costs that request and nothing else.
pub trait Backend: Send + Sync + 'static {
    /// Starts a call. Nothing happens until the answer is polled.
    fn open(&self, request: &ChatRequest) -> Upstream;

    /// What `GET /ready` asks about this backend. `None`: it is ready whenever the gateway is.
    fn health(&self) -> Option<&Target> {
        None
    }

    /// What no message about this backend may contain.
    fn confidential(&self) -> Confidential {
        Confidential::default()
    }
}
