//! How an application is told of events, and where the client stands.

use halfopen_link::ConnectionEnd;
use tokio::sync::broadcast;

use crate::event::{Event, State};

/// What can be asked of a client at any moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) ending: Option<ConnectionEnd>,
}

/// A stream of events. A slow receiver loses the oldest ones, is told how many, and does not hold the client up.
#[derive(Debug)]
pub struct Events {
    receiver: Option<broadcast::Receiver<Event>>,
}

impl Events {
    pub(crate) fn new(receiver: Option<broadcast::Receiver<Event>>) -> Self {
        Self { receiver }
    }

    /// The next event, or `None` once the client has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.as_mut()?.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
