//! Events for the log, each reported once: the shell logs and counts them, the tests read them.

use std::time::Duration;

use halfopen_link::ConnectionEnd;
use halfopen_link::message::FailureCode;

use super::ids::{AttemptId, Generation, JobId, NodeId, SessionId};

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the names of the things that the variants speak of")]
pub enum Event {
    /// A session has a connection.
    SessionConnected { session: SessionId, generation: Generation, resumed: bool },
    /// A session has lost the connection of this generation; its jobs and outcomes stay.
    SessionLost { session: SessionId, generation: Generation, end: ConnectionEnd },
    /// Nothing is known of the session any more.
    SessionForgotten { session: SessionId },
    /// A job was accepted, for the first time.
    SubmitAccepted { session: SessionId, job: JobId, trace: String },
    /// A known job was submitted again, and acknowledged again.
    SubmitRepeated { session: SessionId, job: JobId, trace: String },
    /// An attempt began.
    JobAssigned { session: SessionId, job: JobId, attempt: AttemptId, node: NodeId, trace: String },
    /// An attempt counts no longer.
    AttemptSpent {
        session: SessionId,
        job: JobId,
        attempt: AttemptId,
        node: NodeId,
        trace: String,
        reason: SpentReason,
    },
    /// A node's result changed nothing: its job is not open, or it says that the attempt failed.
    ResultRefused { job: JobId, attempt: AttemptId, node: NodeId },
    /// A job has its outcome: the result of an attempt, or a failure.
    JobFinished {
        job: JobId,
        session: SessionId,
        trace: String,
        attempt: Option<AttemptId>,
        failure: Option<FailureCode>,
    },
    /// The session has acknowledged the outcome; `None` is a result.
    Delivered { session: SessionId, job: JobId, seq: u64, trace: String, failure: Option<FailureCode> },
    /// A result waited for its absent session longer than results are kept, or among too many: a failure replaces it.
    ResultExpired { session: SessionId, job: JobId, seq: u64, trace: String },
    /// A node has a connection.
    NodeRegistered { node: NodeId, generation: Generation },
    /// A node has lost the connection of this generation.
    NodeLost { node: NodeId, generation: Generation, end: ConnectionEnd },
    /// A bound was met: somebody was refused, or had to make room.
    BoundMet { bound: &'static str },
    /// A node is given no work for a while, because of what it has done.
    NodeBenched { node: NodeId, pause: Duration, strikes: u32 },
    /// A node that was benched has done a job.
    NodeTrusted { node: NodeId },
    /// A node has asked not to be asked for a while.
    NodePaused { node: NodeId, pause: Duration },
    /// Nothing is known of the node any more.
    NodeForgotten { node: NodeId },
}

/// Why an attempt counts no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpentReason {
    /// No `job_ack` in time.
    NotAcknowledged,
    /// No `job_progress` in time.
    NoProgress,
    /// The node's connection is gone.
    NodeLost,
    /// The node said `ok: false`, and this.
    Failed(String),
    /// The node could not ask for the work to be done, and said this. The attempt is not counted.
    Deferred(String),
}

impl SpentReason {
    /// The reason without its particulars, as metrics count it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotAcknowledged => "not_acknowledged",
            Self::NoProgress => "no_progress",
            Self::NodeLost => "node_lost",
            Self::Failed(_) => "failed",
            Self::Deferred(_) => "deferred",
        }
    }
}

impl std::fmt::Display for SpentReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAcknowledged => formatter.write_str("not acknowledged"),
            Self::NoProgress => formatter.write_str("no progress"),
            Self::NodeLost => formatter.write_str("node lost"),
            Self::Failed(error) => write!(formatter, "failed: {error}"),
            Self::Deferred(error) => write!(formatter, "deferred: {error}"),
        }
    }
}

/// The failure code as it is on the wire; `result` for none.
#[must_use]
pub fn outcome_name(failure: Option<FailureCode>) -> &'static str {
    failure.map_or("result", |code| code.name())
}

/// What the scheduler holds. All but the peers that are known return to zero when it is idle and no peer is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sessions with a connection.
    pub connected_sessions: usize,
    /// Nodes with a connection.
    pub connected_nodes: usize,
    /// Connections on record, those of peers that have not said who they are among them.
    pub open_connections: usize,
    /// Sessions that could be resumed, with a connection or without.
    pub known_sessions: usize,
    /// Nodes with a connection that are given no work because of what they have done.
    pub benched_nodes: usize,
    /// Nodes whose identity could be claimed, with a connection or without.
    pub known_nodes: usize,
    /// Jobs without an outcome.
    pub open_jobs: usize,
    /// Jobs of these that wait for a node.
    pub queued_jobs: usize,
    /// Attempts that nodes are at work on, as far as the scheduler knows.
    pub busy_slots: usize,
    /// Attempts at open jobs, those that count no longer among them.
    pub open_attempts: usize,
    /// Outcomes without an acknowledgement.
    pub undelivered_outcomes: usize,
    /// Outcomes of these whose sessions have no connection.
    pub outcomes_of_absent_sessions: usize,
    /// Bytes of text that unacknowledged outcomes hold.
    pub outbox_bytes: usize,
    /// Bytes of text that open jobs and unacknowledged outcomes hold.
    pub buffered_bytes: usize,
}
