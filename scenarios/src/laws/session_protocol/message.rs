//! A message of the session's leg as it stands on the wire, read without the services' own types: they are under suspicion.

use serde::Deserialize;

/// The fields of all messages of the leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) resume: Option<Resume>,
    pub(super) session_id: String,
    pub(super) token: String,
    pub(super) epoch: String,
    pub(super) resumed: Option<bool>,
    pub(super) next_seq: u64,
    pub(super) job_id: String,
    pub(super) utterance_index: u64,
    pub(super) attempt_id: String,
    pub(super) text: String,
    pub(super) src_lang: String,
    pub(super) tgt_lang: String,
    pub(super) trace_id: String,
    pub(super) seq: u64,
    pub(super) redelivered: Option<bool>,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) upto_seq: u64,
    pub(super) ok: Option<bool>,
}

/// What a client presents to have its session again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Resume {
    pub(super) session_id: String,
    pub(super) token: String,
    pub(super) epoch: String,
    pub(super) last_seq: u64,
}

impl Message {
    /// `None` for what is no message.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|message: &Self| !message.kind.is_empty())
    }

    /// Whether it gives a job its outcome.
    pub(super) fn is_outcome(&self) -> bool {
        matches!(self.kind.as_str(), "result" | "job_failed")
    }
}
