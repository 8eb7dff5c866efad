//! What processes ask of their sockets in advance.

use std::time::Duration;

/// Probes of an idle peer (`SO_KEEPALIVE` and the three options beside it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long the peer is silent before the first probe.
    pub time: Duration,
    /// Between two probes.
    pub interval: Duration,
    /// How many go unanswered before the connection fails.
    pub retries: u32,
}

/// The options of a socket; what an accepted one begins with are its listener's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Small writes leave at once.
    pub no_delay: bool,
    /// The close is an RST.
    pub linger_zero: bool,
    /// Probes of an idle peer.
    pub keepalive: Option<Keepalive>,
    /// How long data may stay unacknowledged, or unsent before a closed window.
    pub user_timeout: Option<Duration>,
    /// Addresses of connections that are or were its kind can be bound.
    pub reuse_address: bool,
    /// Instead of the link's.
    pub send_buffer_bytes: Option<u32>,
    /// Instead of the link's.
    pub receive_buffer_bytes: Option<u32>,
}
