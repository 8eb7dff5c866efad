//! What becomes of a job.

use halfopen_link::message::FailureCode;

/// The one outcome of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It was done.
    Result {
        /// The translation.
        text: String,
    },
    /// The scheduler says that it failed.
    Failed {
        /// The reason as a code.
        code: FailureCode,
        /// What happened, in a sentence.
        message: String,
    },
    /// The scheduler twice in a row closed the connection over this job; it is not sent a third time.
    Rejected {
        /// The code of the second close: 1003, 1007, 1008 or 1009.
        close_code: u16,
    },
    /// The client gave up, was closed or was dropped first. The job may or may not have been done.
    Unknown,
}

impl JobOutcome {
    /// The outcome's name in logs: "result", or the code of the failure.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Result { .. } => "result",
            Self::Failed { code, .. } => code.name(),
            Self::Rejected { .. } => FailureCode::Rejected.name(),
            Self::Unknown => "UNKNOWN",
        }
    }
}
