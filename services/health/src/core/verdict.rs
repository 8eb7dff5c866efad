//! What comes of an attempt, and of all of them.

use thiserror::Error;

/// What an attempt met instead of readiness. The text names no address and is fit for a client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Miss {
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// The connection was reset, before or inside the answer.
    #[error("the connection was reset")]
    Reset,
    /// There is no way there, a failed name lookup among the causes.
    #[error("the endpoint cannot be reached")]
    Unreachable,
    /// No whole answer within the attempt's timeout.
    #[error("there was no whole answer in time")]
    TimedOut,
    /// An answer other than 2xx.
    #[error("the answer was status {status}")]
    NotReady {
        /// The status.
        status: u16,
    },
    /// The answer ended before it was whole.
    #[error("the answer ended before it was whole")]
    Truncated,
    /// What came is no HTTP.
    #[error("the answer is no HTTP")]
    Malformed,
}

impl Miss {
    /// One word for logs and for readiness reports.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timeout",
            Self::NotReady { .. } => "status",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
        }
    }
}

/// What came of probing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint answered 2xx, and its answer was whole.
    Ready {
        /// Attempts made, the successful one included.
        attempts: u32,
    },
    /// The attempts are spent.
    NotReady {
        /// Attempts made.
        attempts: u32,
        /// Why the last of them failed.
        last: Miss,
    },
}

impl Verdict {
    /// Whether the endpoint is ready.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }
}
