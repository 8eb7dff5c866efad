//! The messages of the two WebSocket legs: JSON text frames told apart by their field `type`. Unknown fields are
//! ignored, so that either side may be newer than the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a client presents to take its session up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session, `s-` and 8 upper-case hex digits.
    pub session_id: String,
    /// The secret that the scheduler gave with the session.
    pub token: String,
    /// The scheduler process that made the session.
    pub epoch: String,
    /// The highest `seq` whose outcome the client has settled; 0 for none.
    pub last_seq: u64,
}

/// From a session's client to the scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromSession {
    /// The hello; within 10 s of the upgrade.
    SessionInit {
        /// Free text for logs.
        client_version: String,
        /// Present when an earlier session is to continue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
    },
    /// A job. Sending a known `job_id` again is harmless.
    Submit(Submit),
    /// Everything up to this `seq` has been settled by the client.
    Ack {
        /// The highest `seq` that is settled; every lower one is as well.
        upto_seq: u64,
    },
    /// The client leaves for good; open jobs end with `SESSION_CLOSED`.
    SessionClose,
    /// Something the sender disliked, for logs.
    Error {
        /// What happened, as a short code.
        code: String,
        /// What happened, in a sentence.
        message: String,
    },
}

/// A job as its client describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// `job-` and 128 bits in hex, made by the client: the idempotency key.
    pub job_id: String,
    /// The place of this utterance in the session, from 0.
    pub utterance_index: u64,
    /// What is to be translated.
    pub text: String,
    /// The language of the text, a BCP 47 tag.
    pub src_lang: String,
    /// The language of the translation, a BCP 47 tag.
    pub tgt_lang: String,
    /// In every log line about the job, on every service.
    pub trace_id: String,
}

/// From the scheduler to a session's client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToSession {
    /// The answer to the hello: the session is Ready.
    SessionInitAck {
        /// The session that is up.
        session_id: String,
        /// For a later resume.
        token: String,
        /// This scheduler process.
        epoch: String,
        /// Whether the session asked for goes on.
        resumed: bool,
        /// The `seq` that the next outcome will carry (1 in a new session).
        next_seq: u64,
    },
    /// The job is accepted, or was already known.
    SubmitAck {
        /// The job.
        job_id: String,
    },
    /// An outcome: the translation.
    Result {
        /// Place in the session's order of outcomes, from 1, without gaps.
        seq: u64,
        /// The job.
        job_id: String,
        /// The attempt that produced it.
        attempt_id: String,
        /// The translation.
        text: String,
        /// Whether it was sent before.
        redelivered: bool,
    },
    /// An outcome: the job failed.
    JobFailed {
        /// Place in the session's order of outcomes, from 1, without gaps.
        seq: u64,
        /// The job.
        job_id: String,
        /// The reason as a code.
        code: FailureCode,
        /// What happened, in a sentence.
        message: String,
    },
    /// The scheduler ends the session.
    SessionClose,
    /// Something the scheduler disliked; the connection stays.
    Error {
        /// What happened, as a short code.
        code: String,
        /// What happened, in a sentence.
        message: String,
    },
}

/// Why a job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    /// No live node at all for 10 s from submit.
    NoAvailableNode,
    /// Live nodes, all full, for 120 s.
    QueueTimeout,
    /// The hard cap of 10 minutes.
    JobTimeout,
    /// Every attempt was spent.
    NodeUnavailable,
    /// The result waited longer for its session than results are kept.
    ResultExpired,
    /// The session was closed.
    SessionClosed,
    /// The job cannot be accepted, or will never succeed.
    Rejected,
    /// A code that only a newer peer knows. It is never sent.
    #[serde(other)]
    Other,
}

impl FailureCode {
    /// The code as it stands on the wire and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAvailableNode => "NO_AVAILABLE_NODE",
            Self::QueueTimeout => "QUEUE_TIMEOUT",
            Self::JobTimeout => "JOB_TIMEOUT",
            Self::NodeUnavailable => "NODE_UNAVAILABLE",
            Self::ResultExpired => "RESULT_EXPIRED",
            Self::SessionClosed => "SESSION_CLOSED",
            Self::Rejected => "REJECTED",
            Self::Other => "OTHER",
        }
    }
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// From a node to the scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromNode {
    /// The hello.
    NodeRegister {
        /// Present with its token when the node registers again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node_id: Option<String>,
        /// The secret given with the id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// Jobs that it works on at a time.
        capacity: u32,
    },
    /// A sign of life, every 5 s.
    NodeHeartbeat,
    /// The node has taken the attempt.
    JobAck {
        /// The job.
        job_id: String,
        /// The attempt at the job.
        attempt_id: String,
    },
    /// The node is still at work; every 10 s.
    JobProgress {
        /// The job.
        job_id: String,
        /// The attempt at the job.
        attempt_id: String,
    },
    /// The attempt's end.
    JobResult {
        /// The job.
        job_id: String,
        /// The attempt at the job.
        attempt_id: String,
        /// Whether `text` is the translation (else it is the error).
        ok: bool,
        /// The translation, or what went wrong; a node may call that `error` instead.
        #[serde(alias = "error")]
        text: String,
        /// Of a failure: whether the work may be tried again. Absent: again, as of nodes that do not know this field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<Retry>,
        /// Of a failure that may be tried later: the milliseconds for which the node cannot ask.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// Whether work that failed may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// It failed, and may succeed another time: the attempt is spent.
    Again,
    /// It could not be asked for now, and was not begun: the attempt is not counted, and the node is left alone for a while.
    Later,
    /// This node can never do it, but another may.
    Elsewhere,
    /// It will never succeed anywhere.
    Never,
    /// A word that only a newer node knows; taken for `again`, and never sent.
    #[serde(other)]
    Unknown,
}

/// Why a piece of work has no result, and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkFailure {
    /// What went wrong, in a sentence.
    pub error: String,
    /// Whether it may be tried again.
    pub retry: Retry,
    /// For [`Retry::Later`]: not before this time has passed.
    pub after: Option<Duration>,
}

impl WorkFailure {
    /// A failure that says nothing of another attempt.
    #[must_use]
    pub fn again(error: impl Into<String>) -> Self {
        Self { error: error.into(), retry: Retry::Again, after: None }
    }

    /// As it stands in a `job_result`.
    #[must_use]
    pub fn read(error: String, retry: Option<Retry>, after_ms: Option<u64>) -> Self {
        Self { error, retry: retry.unwrap_or(Retry::Again), after: after_ms.map(Duration::from_millis) }
    }
}

/// From the scheduler to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToNode {
    /// The answer to the hello.
    NodeRegisterAck {
        /// `node-` and 8 upper-case hex digits.
        node_id: String,
        /// For registering again.
        token: String,
        /// This scheduler process.
        epoch: String,
    },
    /// A job for the node to work on.
    JobAssign {
        /// The job.
        job_id: String,
        /// The attempt, unique across epochs.
        attempt_id: String,
        /// What is to be translated.
        text: String,
        /// The language of the text, a BCP 47 tag.
        src_lang: String,
        /// The language of the translation, a BCP 47 tag.
        tgt_lang: String,
        /// In every log line about the job.
        trace_id: String,
    },
    /// The attempt is no longer wanted.
    JobCancel {
        /// The job.
        job_id: String,
        /// The attempt at the job.
        attempt_id: String,
    },
    /// The node may forget this result.
    ResultAck {
        /// The job.
        job_id: String,
        /// The attempt at the job.
        attempt_id: String,
        /// Whether it became the job's outcome.
        accepted: bool,
    },
    /// Something the scheduler disliked; the connection stays.
    Error {
        /// What happened, as a short code.
        code: String,
        /// What happened, in a sentence.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_code_is_called_in_logs_what_it_is_called_on_the_wire() {
        use FailureCode::*;
        for code in [NoAvailableNode, QueueTimeout, JobTimeout, NodeUnavailable, ResultExpired, SessionClosed, Rejected]
        {
            assert_eq!(serde_json::to_value(code).expect("a string"), code.name());
        }
    }

    #[test]
    fn a_code_that_is_not_known_yet_breaks_no_deployed_peer() {
        let failed = r#"{"type":"job_failed","seq":1,"job_id":"j","code":"NODE_ON_FIRE","message":"hot"}"#;
        let read: ToSession = serde_json::from_str(failed).expect("a message");
        assert!(matches!(read, ToSession::JobFailed { code: FailureCode::Other, .. }), "{read:?}");
        let result =
            r#"{"type":"job_result","job_id":"j","attempt_id":"a","ok":false,"text":"x","retry":"on_mondays"}"#;
        let read: FromNode = serde_json::from_str(result).expect("a message");
        assert!(matches!(read, FromNode::JobResult { retry: Some(Retry::Unknown), .. }), "{read:?}");
    }

    #[test]
    fn a_result_of_a_node_that_knows_nothing_of_retries_is_what_it_was() {
        let old = r#"{"type":"job_result","job_id":"j","attempt_id":"a","ok":false,"text":"x"}"#;
        let read: FromNode = serde_json::from_str(old).expect("a message");
        assert_eq!(serde_json::to_string(&read).expect("text"), old);
    }
}
