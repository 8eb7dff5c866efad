//! Server-sent events, read piece by piece (WHATWG HTML, section 9.2.6): an event exists once its blank line has come,
//! wherever the network cuts the bytes. Comments are heartbeats, and fields other than `data` are of no use here.

use thiserror::Error;

/// An event longer than any that is taken, in bytes.
const LONGEST_EVENT: usize = 1 << 20;

/// The peer sends one event without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("read an event of more than {LONGEST_EVENT} bytes")]
pub(crate) struct EventTooLong;

/// Bytes in, the data of whole events out.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed after it ends nothing.
    after_return: bool,
    data: Option<String>,
}

impl EventReader {
    /// Takes bytes as they came; gives the data of the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, EventTooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > LONGEST_EVENT {
                return Err(EventTooLong);
            }
        }
        Ok(events)
    }

    /// A blank line completes an event, if it has any data.
    fn end_line(&mut self) -> Option<String> {
        if self.line.is_empty() {
            return self.data.take();
        }
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if let Some(value) = line.strip_prefix("data").filter(|rest| rest.is_empty() || rest.starts_with(':')) {
            let value = value.strip_prefix(':').unwrap_or(value);
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": heartbeat\n\ndata: {\"a\":\ndata: 1}\n\nevent: x\r\ndata:two\r\n\r\ndata: f\u{fc}r\n\ndata: cut";

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let expected = ["{\"a\":\n1}", "two", "f\u{fc}r"];
        for cut in 0..=STREAM.len() {
            let mut reader = EventReader::default();
            let (first, second) = STREAM.as_bytes().split_at(cut);
            let mut events = reader.push(first).expect("short");
            events.extend(reader.push(second).expect("short"));
            assert_eq!(events, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_event_without_its_blank_line_does_not_exist() {
        let mut reader = EventReader::default();
        assert_eq!(reader.push(b"data: [DONE]\n"), Ok(Vec::new()));
        assert_eq!(reader.push(b"\n"), Ok(vec!["[DONE]".to_owned()]));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut reader = EventReader::default();
        assert_eq!(reader.push(&vec![b'x'; LONGEST_EVENT + 1]), Err(EventTooLong));
    }
}
