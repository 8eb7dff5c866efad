//! What an application is told besides outcomes. Events may be missed; outcomes never are.

use std::time::Duration;

use halfopen_link::Ending;
use tokio::sync::broadcast;

/// Where the client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Opening a connection and upgrading it.
    Connecting,
    /// Upgraded; waiting for the scheduler's hello.
    Handshaking,
    /// In session: submits go out.
    Ready,
    /// Waiting before this attempt, the first being 1.
    Reconnecting(u32),
    /// The goodbye is said, but jobs are open.
    Closing,
    /// Closed, replaced or given up; for good.
    Closed,
}

/// What can be asked of a client at any moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) ending: Option<Ending>,
}

/// Something that happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session is up.
    Ready {
        /// The session.
        session_id: String,
        /// Whether it is the one from before.
        resumed: bool,
    },
    /// A connection that had been established is gone.
    Lost {
        /// The session, if there was one.
        session_id: Option<String>,
        /// Close code, culprit and detail.
        ending: Ending,
    },
    /// A connection could not be had: refused, unreachable, not upgraded, or not within the time for it.
    ConnectFailed {
        /// Why, for people; without addresses.
        detail: String,
    },
    /// The next attempt is on its way.
    Reconnecting {
        /// From 1.
        attempt: u32,
        /// How long until it starts.
        delay: Duration,
    },
    /// Every attempt was spent. Open handles have resolved `Unknown`; nothing follows.
    GaveUp {
        /// How many there were.
        attempts: u32,
    },
    /// Another connection owns the session now (close code 4001). Open handles have resolved `Unknown`; nothing follows.
    Replaced,
    /// The client was closed by its owner; nothing follows.
    Closed,
    /// The receiver was too slow and has missed so many events.
    Lagged(u64),
}

/// A stream of events. A slow receiver loses the oldest ones, is told how many, and holds up nobody.
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
