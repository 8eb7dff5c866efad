//! What an application is told besides outcomes. Events may be missed; outcomes never are.

use std::time::Duration;

use halfopen_link::ConnectionEnd;

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
        ending: ConnectionEnd,
    },
    /// A connection could not be had: refused, unreachable, not upgraded, or not within the time for it.
    ConnectFailed {
        /// What went wrong, for people; without addresses.
        detail: String,
    },
    /// The next attempt is on its way.
    Reconnecting {
        /// Its number, from 1.
        attempt: u32,
        /// How long until it starts.
        delay: Duration,
    },
    /// Every attempt was spent. Open handles have resolved `Unknown`; nothing follows.
    GaveUp {
        /// The attempts that were made.
        attempts: u32,
    },
    /// The scheduler answered the handshake with a status that the next attempt would get as well: 4xx, but not 408, 425 or
    /// 429, such as 401 for a wrong key and 404 for a wrong path. Open handles have resolved `Unknown`; nothing follows.
    Refused {
        /// The status.
        status: u16,
    },
    /// Another connection owns the session now (close code 4001). Open handles have resolved `Unknown`; nothing follows.
    Replaced,
    /// The client was closed by its owner; nothing follows.
    Closed,
    /// The receiver was too slow, and has missed this number of events.
    Lagged(u64),
}
