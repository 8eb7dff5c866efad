//! A message as it stands on the wire. The law reads it with names of its own: the services' own types are under suspicion.

use serde::Deserialize;

/// The fields of all messages of both legs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) node_id: Option<String>,
    pub(super) token: Option<String>,
    pub(super) epoch: Option<String>,
    pub(super) capacity: Option<usize>,
    pub(super) job_id: String,
    pub(super) attempt_id: String,
    #[serde(alias = "error")]
    pub(super) text: Option<String>,
    pub(super) src_lang: Option<String>,
    pub(super) tgt_lang: Option<String>,
    pub(super) trace_id: String,
    pub(super) ok: Option<bool>,
    pub(super) accepted: Option<bool>,
    pub(super) retry: Option<String>,
    pub(super) retry_after_ms: Option<u64>,
}

impl Message {
    /// `None` for what is no message of the protocol.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|message: &Self| !message.kind.is_empty())
    }

    /// What the names and the text of a submit hold, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let texts = [&self.text, &self.src_lang, &self.tgt_lang].into_iter().flatten();
        let bytes = texts.map(String::len).sum::<usize>() + self.job_id.len() + self.trace_id.len();
        bytes as u64
    }

    /// Whether it is about the same work: what is asked, and of what.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        let of = |message: &Self| {
            (message.text.clone(), message.src_lang.clone(), message.tgt_lang.clone(), message.trace_id.clone())
        };
        of(self) == of(other)
    }
}
