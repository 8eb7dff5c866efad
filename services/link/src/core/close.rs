//! How a link ended: one [`ConnectionEnd`] with a close code, who ended it and a detail for people.
//!
//! The code is the peer's if a Close frame came, 1005 if that frame named none, 1006 if the link ended without one, and the code that we
//! send if it is we who end it.

use std::fmt;
use std::io;

use halfopen_machine::Bug;

/// Close codes (RFC 6455, section 7.4.1, and the IANA registry), and the application's own in the private range.
pub mod code {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The endpoint goes away.
    pub const AWAY: u16 = 1001;
    /// The peer broke the framing.
    pub const PROTOCOL: u16 = 1002;
    /// A kind of data that is not accepted: binary.
    pub const UNSUPPORTED: u16 = 1003;
    /// Never on the wire: a Close frame came and named no code.
    pub const NONE_GIVEN: u16 = 1005;
    /// Never on the wire: no Close frame came.
    pub const ABNORMAL: u16 = 1006;
    /// Data that contradicts its type: bad UTF-8, or not the JSON expected.
    pub const INVALID: u16 = 1007;
    /// A rule of the application was broken.
    pub const POLICY: u16 = 1008;
    /// The message is too big.
    pub const TOO_BIG: u16 = 1009;
    /// Something unforeseen on our side, or a peer that does not answer pings.
    pub const INTERNAL: u16 = 1011;
    /// The service restarts.
    pub const RESTART: u16 = 1012;
    /// Overloaded, or the peer does not read.
    pub const TRY_LATER: u16 = 1013;
    /// A newer connection owns this session or node.
    pub const REPLACED: u16 = 4001;
    /// The token is wrong.
    pub const WRONG_TOKEN: u16 = 4003;
    /// No hello came in time.
    pub const NO_HELLO: u16 = 4008;
}

/// Who ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// The peer, with a Close frame.
    Peer,
    /// This side, on purpose.
    Us,
    /// The connection itself: a reset, or an end of stream without a Close frame.
    Network,
    /// A clock of ours: no pong, no progress, no hello.
    Timeout,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "peer",
            Self::Us => "us",
            Self::Network => "network",
            Self::Timeout => "timeout",
        })
    }
}

/// How a link ended. A link has exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEnd {
    /// The close code, including 1005 and 1006, which never travel.
    pub close_code: u16,
    /// The end that closed, or the network.
    pub by: By,
    /// For people; without addresses or anything else that varies from run to run.
    pub detail: String,
}

impl ConnectionEnd {
    /// The peer sent a Close frame, with this code and reason if it had any.
    #[must_use]
    pub fn by_peer(frame: Option<(u16, &str)>) -> Self {
        match frame {
            Some((close_code, reason)) => Self { close_code, by: By::Peer, detail: reason.to_owned() },
            None => Self { close_code: code::NONE_GIVEN, by: By::Peer, detail: "no close code given".into() },
        }
    }

    /// This side ends the link with a code that may be sent.
    #[must_use]
    pub fn by_us(close_code: u16, detail: impl Into<String>) -> Self {
        Self { close_code, by: By::Us, detail: detail.into() }
    }

    /// The link ended under both sides.
    #[must_use]
    pub fn by_network(detail: impl Into<String>) -> Self {
        Self { close_code: code::ABNORMAL, by: By::Network, detail: detail.into() }
    }

    /// A clock of ours gave the link up; no Close frame was seen, hence 1006.
    #[must_use]
    pub fn by_timeout(detail: impl Into<String>) -> Self {
        Self { close_code: code::ABNORMAL, by: By::Timeout, detail: detail.into() }
    }

    /// A bug of ours was met while this link was served: it costs the link. The peer is told no more than that.
    #[must_use]
    pub fn by_bug(_bug: &Bug) -> Self {
        Self::by_us(code::INTERNAL, "internal error")
    }

    /// Whether an operator need not look: the peer finished, went away, restarts or asks for patience.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        matches!(self.close_code, code::NORMAL | code::AWAY | code::RESTART | code::TRY_LATER)
    }
}

impl fmt::Display for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.close_code, self.by)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Whether a code may appear in a Close frame. tungstenite sends whatever it is given, so this is asked first; 1014 is
/// registered but tungstenite's receiving side refuses it.
#[must_use]
pub fn is_sendable(close_code: u16) -> bool {
    matches!(close_code, 1000..=1003 | 1007..=1013 | 3000..=4999)
}

/// Whether losing a connection this way is part of a normal day: browsers are closed, laptops sleep or leave their network,
/// processes are stopped. Logged at debug; anything else is a warning.
#[must_use]
pub fn is_expected_io(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_code_is_kept_and_a_missing_one_is_1005() {
        assert_eq!(ConnectionEnd::by_peer(Some((4001, "replaced"))).to_string(), "4001 by peer: replaced");
        assert_eq!(ConnectionEnd::by_peer(None).close_code, 1005);
    }

    #[test]
    fn codes_that_must_not_travel_are_refused() {
        for close_code in [0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000] {
            assert!(!is_sendable(close_code), "{close_code}");
        }
        for close_code in [1000, 1001, 1002, 1003, 1007, 1013, 3000, 4001, 4999] {
            assert!(is_sendable(close_code), "{close_code}");
        }
    }

    #[test]
    fn only_endings_that_need_no_operator_are_routine() {
        for close_code in [1000, 1001, 1012, 1013] {
            assert!(ConnectionEnd::by_us(close_code, "").is_routine());
        }
        assert!(!ConnectionEnd::by_network("connection reset").is_routine());
        assert!(!ConnectionEnd::by_timeout("no pong").is_routine());
    }

    #[test]
    fn an_error_that_no_lost_peer_causes_is_not_expected() {
        assert!(!is_expected_io(io::ErrorKind::PermissionDenied));
        assert!(is_expected_io(io::ErrorKind::NotConnected));
        assert!(is_expected_io(io::ErrorKind::HostUnreachable));
    }
}
