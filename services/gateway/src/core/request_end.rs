//! How a request ended, in one word.

use std::fmt;

use crate::core::fault::Fault;

/// How a request ended, as the log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEnd {
    /// The whole answer was handed over.
    Done,
    /// The client got an error.
    Error,
    /// The client left before the end.
    ClientLeft,
    /// A time limit of the gateway ended it: the upstream's, or that of a client that does not read.
    Timeout,
    /// A panic.
    Panic,
}

impl RequestEnd {
    /// The ending of a request whose upstream failed so.
    pub(crate) fn of(fault: &Fault) -> Self {
        if *fault == Fault::Panicked {
            Self::Panic
        } else if fault.is_timeout() {
            Self::Timeout
        } else {
            Self::Error
        }
    }
}

impl fmt::Display for RequestEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Error => "error",
            Self::ClientLeft => "client_left",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
        })
    }
}
