//! Two readers of event streams: the specification's, and the one that OpenAI's Python SDK has.

use halfopen::BoxError;
use halfopen_gateway::sse::SseParser;
use serde::Deserialize;

/// The largest event that is read, in bytes.
const LARGEST_EVENT: usize = 1 << 20;

/// The client library that reads the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// As the specification says (WHATWG HTML, 9.2.6).
    #[default]
    Whatwg,
    /// As openai-python 3 does: once an event had an `id:`, every blank line is an event, also one behind a comment alone.
    OpenaiPython,
}

/// Turns bytes into the data of events.
pub(super) enum Decoder {
    Whatwg(SseParser),
    OpenaiPython(OpenaiPython),
}

impl Decoder {
    pub(super) fn new(decoding: Decoding) -> Self {
        match decoding {
            Decoding::Whatwg => Self::Whatwg(SseParser::new(LARGEST_EVENT)),
            Decoding::OpenaiPython => Self::OpenaiPython(OpenaiPython::default()),
        }
    }

    /// The data of the events that these bytes complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, BoxError> {
        match self {
            Self::Whatwg(parser) => {
                let mut events = Vec::new();
                parser.push(bytes, &mut events)?;
                Ok(events.into_iter().map(|event| event.data).collect())
            }
            Self::OpenaiPython(decoder) => Ok(decoder.push(bytes)),
        }
    }
}

/// What openai-python keeps between lines.
#[derive(Default)]
pub(super) struct OpenaiPython {
    line: Vec<u8>,
    data: Vec<String>,
    has_id: bool,
}

impl OpenaiPython {
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end_matches('\r').to_owned();
            if line.is_empty() {
                if self.has_id || !self.data.is_empty() {
                    events.push(std::mem::take(&mut self.data).join("\n"));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data.push(data.strip_prefix(' ').unwrap_or(data).to_owned());
            } else if line.starts_with("id:") {
                self.has_id = true;
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_nothing_to_either_before_an_id() {
        for decoding in [Decoding::Whatwg, Decoding::OpenaiPython] {
            let events = Decoder::new(decoding).push(b"data: one\n\n: heartbeat\n\ndata: two\n\n").expect("small");
            assert_eq!(events, ["one", "two"], "{decoding:?}");
        }
    }

    #[test]
    fn a_comment_after_an_id_is_an_empty_event_to_the_python_sdk() {
        let bytes = b"id: 1\ndata: one\n\n: heartbeat\n\n";
        assert_eq!(Decoder::new(Decoding::Whatwg).push(bytes).expect("small"), ["one"]);
        assert_eq!(Decoder::new(Decoding::OpenaiPython).push(bytes).expect("small"), ["one", ""]);
    }
}
