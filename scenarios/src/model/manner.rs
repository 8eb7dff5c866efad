//! How a question is answered: what model servers do differently from each other, and what they do wrong.

use std::time::Duration;

use serde::Deserialize;

/// The manner of one answer; by default one event a word, each whole and in a write of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// The pause before each word, if it is not that of the model.
    #[serde(with = "humantime_serde")]
    pub word_delay: Option<Duration>,
    /// How long the answer's head takes.
    #[serde(with = "humantime_serde")]
    pub head_delay: Option<Duration>,
    /// What ends a line of the event stream.
    pub line_end: LineEnd,
    /// How many events come in one write.
    pub together: usize,
    /// How many bytes come in one write, if not whole events; a millisecond lies between two.
    pub piece_bytes: Option<usize>,
    /// Comments between events and inside of them, `id:`, `retry:` and `event:` lines, fields that are not known, and an error
    /// that is null.
    pub decorated: bool,
    /// Each line of an event's JSON is a `data:` line of its own.
    pub many_lines: bool,
    /// How much longer each word is, bytes.
    pub padding_bytes: usize,
    /// How often the question's words are said.
    pub repeat: usize,
    /// How many choices there are, if not as many as are asked for.
    pub choices: Option<u64>,
    /// Which choices have a finish reason.
    pub finishes: Finishes,
    /// Whether `[DONE]` comes at the end.
    pub done: bool,
    /// Whether the usage comes behind the finish reason, if it is asked for.
    pub usage: bool,
    /// A pause in the middle.
    pub pause: Option<Pause>,
    /// An error event in the middle; the answer goes on behind it.
    pub error: Option<ErrorEvent>,
    /// How long the connection stays open behind the answer's last event.
    #[serde(with = "humantime_serde")]
    pub lingers: Option<Duration>,
    /// The answer's content type.
    pub content_type: Option<String>,
    /// The body of an answer that does not stream, as it is.
    pub body: Option<String>,
    /// An error status in place of an answer.
    pub refusal: Option<Refusal>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            word_delay: None,
            head_delay: None,
            line_end: LineEnd::Lf,
            together: 1,
            piece_bytes: None,
            decorated: false,
            many_lines: false,
            padding_bytes: 0,
            repeat: 1,
            choices: None,
            finishes: Finishes::All,
            done: true,
            usage: true,
            pause: None,
            error: None,
            lingers: None,
            content_type: None,
            body: None,
            refusal: None,
        }
    }
}

/// What ends a line of an event stream (WHATWG HTML, 9.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// LF.
    Lf,
    /// CR LF.
    CrLf,
    /// CR.
    Cr,
}

impl LineEnd {
    /// The bytes.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// Which choices have a finish reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finishes {
    /// Each.
    All,
    /// Each but the last.
    AllButLast,
    /// None.
    None,
}

/// A pause in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The number, from 1, of the event before which it is.
    pub before: usize,
    /// How long it is.
    #[serde(with = "humantime_serde")]
    pub time: Duration,
}

/// An error event in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorEvent {
    /// The number, from 1, of the event before which it comes.
    pub before: usize,
    /// Its data.
    pub data: String,
    /// Its `event:` field.
    #[serde(default)]
    pub name: Option<String>,
}

/// An error status in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// The body's type.
    #[serde(default = "json")]
    pub content_type: String,
    /// What `Retry-After` says, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn json() -> String {
    "application/json".to_owned()
}
