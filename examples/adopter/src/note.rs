//! What is carried: one JSON object a WebSocket text message.

use serde::{Deserialize, Serialize};

/// A note. The echo of it is the same note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The sender's name for it, by which echoes are told apart.
    pub id: String,
    /// The text of the note.
    pub text: String,
}

impl Note {
    /// A note.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into() }
    }
}
