//! Everything that can go wrong with an upstream call, and how the client is told.

use std::time::Duration;

use thiserror::Error;

use crate::core::api_error::ApiError;
use crate::core::confidential::Confidential;
use crate::core::said::Said;

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
    #[error("the backend answered with status {status}: {}", .said.message)]
    Status {
        /// The backend's status code.
        status: u16,
        /// What the backend said about it.
        said: Box<Said>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
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
    #[error("the backend reported an error: {}", .0.message)]
    Reported(Box<Said>),
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
            Self::Reported(_) => "reported",
            Self::Panicked => "panic",
        }
    }

    /// Whether a timer of the gateway decided it.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::FirstByteTimeout | Self::Silent)
    }

    /// The error as the client gets it. What the backend refuses is passed on with its status, its words and the time after
    /// which to ask again, because SDKs decide by them; what it does not say is the gateway's own 500, or 504 when a started
    /// call ran out of time.
    ///
    /// SDKs repeat a 500 or a 504 twice unless told otherwise. A call that may have produced an answer is not worth
    /// producing three times, and a request that the backend judged wrong stays wrong: both say so.
    pub fn to_api_error(&self) -> ApiError {
        match self {
            Self::FirstByteTimeout | Self::Silent => ApiError::upstream_timeout(self.to_string()),
            Self::Panicked => ApiError::internal(),
            Self::Status { status, said, retry_after } => {
                let (status, said) = (*status, Box::new(said.sanitised()));
                // What the gateway itself says about the failure is told even where the upstream's own words are withheld.
                let message = Self::Status { status, said: said.clone(), retry_after: None }.to_string();
                passed_on(status, message, &said, *retry_after)
            }
            Self::Reported(said) => {
                let said = Box::new(said.sanitised());
                let message = Self::Reported(said.clone()).to_string();
                passed_on(said.status.unwrap_or(500), message, &said, None)
            }
            Self::Refused
            | Self::Unreachable
            | Self::ConnectTimeout
            | Self::Reset
            | Self::Truncated
            | Self::Malformed
            | Self::TooLarge => ApiError::upstream(self.to_string()),
        }
    }

    /// The same without what `confidential` hides.
    pub(crate) fn hiding(self, confidential: &Confidential) -> Self {
        match self {
            Self::Status { status, said, retry_after } => {
                Self::Status { status, said: Box::new(said.hiding(confidential)), retry_after }
            }
            Self::Reported(said) => Self::Reported(Box::new(said.hiding(confidential))),
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

/// A backend's refusal as the client's error. A status that is no error, or speaks of the connection between gateway and backend
/// (407, 421, 426), means nothing to the client.
fn passed_on(status: u16, message: String, said: &Said, retry_after: Option<Duration>) -> ApiError {
    let means_something = (400..600).contains(&status) && ![407, 421, 426].contains(&status);
    let status = if means_something { status } else { 500 };
    // Who is away for a while and does not say how long is asked again a second later.
    let retry_after = retry_after.or((status == 503).then_some(Duration::from_secs(1)));
    let error = ApiError::passed_on(status, message, said, retry_after);
    let is_final = status == 504 || (400..500).contains(&status) && ![408, 409, 425, 429].contains(&status);
    if is_final { error.without_retry() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, said: Said) -> ApiError {
        Fault::Status { status, said: Box::new(said), retry_after: Some(Duration::from_millis(1500)) }.to_api_error()
    }

    #[test]
    fn a_refusal_keeps_its_status_its_words_and_its_time() {
        let said = Said {
            kind: Some("tokens".to_owned()),
            code: Some("rate_limit_exceeded".to_owned()),
            param: Some("messages".to_owned()),
            ..Said::from("slow down")
        };
        for code in [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529] {
            let error = status(code, said.clone());
            assert_eq!((error.status().as_u16(), error.code()), (code, "rate_limit_exceeded"));
            assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
            assert_eq!(error.may_retry(), [408, 409, 429, 500, 502, 503, 529].contains(&code), "{code}");
            for part in [r#""param":"messages""#, r#""type":"tokens""#, "slow down"] {
                assert!(error.envelope().contains(part), "{}", error.envelope());
            }
        }
    }

    #[test]
    fn a_refusal_without_words_has_the_apis_own() {
        for (code, kind) in [(400, "invalid_request_error"), (429, "rate_limit_error"), (503, "server_error")] {
            let error = status(code, Said::from("no"));
            assert_eq!(error.code(), "upstream_error");
            assert!(error.envelope().contains(&format!("\"type\":\"{kind}\"")), "{}", error.envelope());
        }
    }

    #[test]
    fn a_status_that_means_nothing_to_the_client_is_the_gateways_own() {
        assert_eq!(
            [204, 302, 407, 421, 426, 600].map(|code| status(code, Said::from("no")).status().as_u16()),
            [500; 6]
        );
    }

    #[test]
    fn an_error_in_the_middle_of_an_answer_has_the_status_that_it_names() {
        let said = Said { status: Some(429), ..Said::from("busy") };
        assert_eq!(Fault::Reported(Box::new(said)).to_api_error().status().as_u16(), 429);
        assert_eq!(Fault::Reported("no".into()).to_api_error().status().as_u16(), 500);
    }
}
