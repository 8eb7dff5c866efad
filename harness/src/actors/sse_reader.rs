//! A reader of an event stream: what it is told to do.

use serde::{Deserialize, Serialize};

use super::{Actor, Canned, address, keys, yes};
use crate::fact::FactKind;

/// A reader of an event stream. Without an end that it waits for it reads as a browser's `EventSource` does: it comes back
/// with `Last-Event-ID` when the stream ends, and stays until everybody else is done.
///
/// It tells `received` of each key that somebody has offered and that stands in an event, and `stream_opened`,
/// `stream_event`, `stream_terminator`, `stream_error` and `stream_ended` of its streams, which are called after it:
/// `alice/1` and so on. `detected` and `recovered` tell of streams that ended too soon.
///
/// ```
/// use halfopen::actors::sse_reader;
///
/// let reader = sse_reader("http://gateway:8080/v1/chat/completions").post(r#"{"stream":true}"#).until("[DONE]");
/// # let _ = reader;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SseReader {
    pub(super) url: String,
    /// The body of a POST; a GET without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) post: Option<String>,
    /// The data of the event that ends the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    #[serde(default = "yes")]
    pub(super) reconnects: bool,
}

/// A reader of the stream at an address (`http://HOST:PORT/PATH`, with the host's name in the scenario).
pub fn sse_reader(url: &str) -> SseReader {
    SseReader { url: url.to_owned(), post: None, until: None, reconnects: true }
}

impl SseReader {
    /// It asks for the stream by a POST with this body, in which `{key}` becomes a key that it offers.
    #[must_use]
    pub fn post(mut self, body: &str) -> Self {
        self.post = Some(body.to_owned());
        self
    }

    /// It reads until an event has this data; a stream that ends before is an error to it.
    #[must_use]
    pub fn until(mut self, data: &str) -> Self {
        self.until = Some(data.to_owned());
        self
    }

    /// It does not come back when a stream ends too soon.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.reconnects = false;
        self
    }

    /// Whether its request carries a key.
    pub(super) fn offers(&self) -> bool {
        self.post.as_ref().is_some_and(|body| keys::has_place(body, "post").is_ok())
    }

    pub(super) fn tells(&self) -> Result<Vec<FactKind>, String> {
        address(&self.url, &["http"])?;
        Ok(if self.offers() { vec![FactKind::Offered] } else { Vec::new() })
    }
}

impl Actor for SseReader {
    fn run(&self) -> &'static str {
        Canned::SseReader.name()
    }

    fn config(&self) -> Result<toml::Table, toml::ser::Error> {
        toml::Table::try_from(self)
    }
}
