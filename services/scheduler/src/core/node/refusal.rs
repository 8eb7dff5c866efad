//! What a gateway's refusal means for a job: whether it may be asked again, when, and by whom.

use std::time::Duration;

use halfopen_link::message::{Retry, WorkFailure};

/// A gateway that was asked, or could not be, and gave no translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not there, or not yet: nothing was asked.
    Absent,
    /// It answered with a status other than 200.
    Status {
        status: u16,
        /// What its `Retry-After` says.
        after: Option<Duration>,
    },
    /// It reported an error in the middle of its answer, under this code.
    Reported { code: String },
    /// The answer came to nothing in another way.
    Broken,
}

impl Refusal {
    /// The failure that the scheduler is told, with this sentence.
    pub(crate) fn told(&self, error: String) -> WorkFailure {
        let (retry, after) = match self {
            Self::Absent => (Retry::Later, None),
            Self::Status { status, after } => match of_status(*status) {
                Retry::Later => (Retry::Later, *after),
                // A server that fails and says when it is back cannot be asked before.
                Retry::Again if after.is_some() => (Retry::Later, *after),
                retry => (retry, None),
            },
            Self::Reported { code } if NOT_NOW.contains(&code.as_str()) => (Retry::Later, None),
            Self::Reported { code } if NEVER.contains(&code.as_str()) => (Retry::Never, None),
            Self::Reported { .. } | Self::Broken => (Retry::Again, None),
        };
        WorkFailure { error, retry, after }
    }
}

/// By what RFC 9110 and the SDKs of this API take them for.
fn of_status(status: u16) -> Retry {
    match status {
        // Timed out, conflicting, too early, too many, away: the same request is welcome later.
        408 | 409 | 425 | 429 | 503 => Retry::Later,
        // The request itself is wrong, at any gateway.
        400 | 413 | 422 => Retry::Never,
        // This node's key, model or path is wrong; another node's may not be.
        401..=499 => Retry::Elsewhere,
        _ => Retry::Again,
    }
}

/// Codes of errors in the middle of an answer that say that the server cannot work now.
const NOT_NOW: [&str; 5] =
    ["shutting_down", "overloaded", "rate_limit_exceeded", "server_overloaded", "engine_overloaded"];
/// And those that say that this request never will.
const NEVER: [&str; 3] = ["context_length_exceeded", "content_filter", "content_policy_violation"];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: &Refusal) -> (Retry, Option<Duration>) {
        let WorkFailure { error, retry, after } = refusal.told("why".to_owned());
        assert_eq!(error, "why");
        (retry, after)
    }

    #[test]
    fn what_cannot_be_asked_now_is_asked_later_and_when_it_is_said() {
        let after = Some(Duration::from_secs(7));
        for status in [408, 409, 425, 429, 503] {
            assert_eq!(told(&Refusal::Status { status, after }), (Retry::Later, after), "{status}");
        }
        assert_eq!(told(&Refusal::Status { status: 503, after: None }), (Retry::Later, None));
        assert_eq!(told(&Refusal::Status { status: 500, after }), (Retry::Later, after));
        assert_eq!(told(&Refusal::Absent), (Retry::Later, None));
        assert_eq!(told(&Refusal::Reported { code: "shutting_down".to_owned() }), (Retry::Later, None));
    }

    #[test]
    fn a_wrong_request_is_never_asked_again_and_a_wrong_node_not_this_one() {
        let of = |status| told(&Refusal::Status { status, after: Some(Duration::from_secs(7)) });
        assert_eq!([400, 413, 422].map(of), [(Retry::Never, None); 3]);
        assert_eq!([401, 403, 404, 405, 415].map(of), [(Retry::Elsewhere, None); 5]);
        assert_eq!(told(&Refusal::Reported { code: "context_length_exceeded".to_owned() }), (Retry::Never, None));
    }

    #[test]
    fn what_failed_may_succeed_another_time() {
        let of = |status| told(&Refusal::Status { status, after: None });
        assert_eq!([500, 502, 504, 302, 204].map(of), [(Retry::Again, None); 5]);
        assert_eq!(told(&Refusal::Broken), (Retry::Again, None));
        assert_eq!(told(&Refusal::Reported { code: String::new() }), (Retry::Again, None));
    }
}
