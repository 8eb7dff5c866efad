//! Everything that can go wrong with an upstream call, and how the client is told.

use thiserror::Error;

use crate::core::api_error::ApiError;
use crate::core::confidential::Confidential;
use crate::core::sanitise::sanitise;

/// How an upstream call failed. The text completes "failed to get an answer: ..." and is fit for a client: it names
/// no address and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Nothing listens at the backend's address.
    #[error("the backend refused the connection")]
    Refused,
    /// No connection for another reason, a failed name lookup among them.
    #[error("the backend cannot be reached")]
    Unreachable,
    /// The connection was not established within the connect timeout.
    #[error("the backend did not accept a connection in time")]
    ConnectTimeout,
    /// The backend answered with a status other than 2xx.
    #[error("the backend answered with status {status}: {message}")]
    Status {
        /// The backend's status code.
        status: u16,
        /// What the backend said about it.
        message: String,
    },
    /// The connection was reset.
    #[error("the backend reset the connection")]
    Reset,
    /// The answer ended before it was complete, whether or not the transport noticed.
    #[error("the backend's answer ended before it was complete")]
    Truncated,
    /// No first byte within the limit.
    #[error("the backend did not answer in time")]
    FirstByteTimeout,
    /// The answer began and then no byte came for the silence limit.
    #[error("the backend fell silent in the middle of its answer")]
    Silent,
    /// What came is not what the protocol promises.
    #[error("the backend's answer is malformed")]
    Malformed,
    /// An event or a body exceeds its bound.
    #[error("the backend's answer is too large")]
    TooLarge,
    /// The backend itself reported an error inside its stream.
    #[error("the backend reported an error: {message}")]
    Reported {
        /// The backend's own message.
        message: String,
    },
    /// The backend's code in this process panicked.
    #[error("the gateway failed internally")]
    Panicked,
}

impl Fault {
    /// One word for logs: the same for every occurrence of the same failure.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::Status { .. } => "status",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::Silent => "silent",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Reported { .. } => "reported",
            Self::Panicked => "panic",
        }
    }

    /// Whether a timer of the gateway decided it.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::FirstByteTimeout | Self::Silent)
    }

    /// The error as the client gets it: 504 when a started call ran out of time, else 500.
    ///
    /// SDKs repeat a 500 or a 504 twice unless told otherwise. A call that may have produced an answer is not worth
    /// producing three times, and a request that the backend judged wrong stays wrong: both say so.
    pub fn to_api_error(&self) -> ApiError {
        match self {
            Self::FirstByteTimeout | Self::Silent => ApiError::upstream_timeout(self.to_string()),
            Self::Panicked => ApiError::internal(),
            Self::Status { status, message } => {
                let error =
                    ApiError::upstream(Self::Status { status: *status, message: sanitise(message) }.to_string());
                let final_refusal = (400..500).contains(status) && ![408, 409, 429].contains(status);
                if final_refusal { error.without_retry() } else { error }
            }
            Self::Refused
            | Self::Unreachable
            | Self::ConnectTimeout
            | Self::Reset
            | Self::Truncated
            | Self::Malformed
            | Self::TooLarge => ApiError::upstream(self.to_string()),
            // What the gateway itself says about the failure is told even where the upstream's own words are withheld.
            Self::Reported { message } => ApiError::upstream(Self::Reported { message: sanitise(message) }.to_string()),
        }
    }

    /// The same without what `confidential` hides.
    pub(crate) fn hiding(self, confidential: &Confidential) -> Self {
        match self {
            Self::Status { status, message } => Self::Status { status, message: confidential.hide(&message) },
            Self::Reported { message } => Self::Reported { message: confidential.hide(&message) },
            Self::Refused
            | Self::Unreachable
            | Self::ConnectTimeout
            | Self::Reset
            | Self::Truncated
            | Self::FirstByteTimeout
            | Self::Silent
            | Self::Malformed
            | Self::TooLarge
            | Self::Panicked => self,
        }
    }
}

/// The message of an OpenAI error object, or of a bare string in its place.
pub(crate) fn error_message(error: &serde_json::Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message.as_str().unwrap_or("no message given").to_owned()
}
