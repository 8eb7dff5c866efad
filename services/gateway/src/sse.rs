//! Server-sent events, read incrementally: the event-stream format of the WHATWG HTML standard (section 9.2).
//!
//! The parser owns no IO. Bytes may arrive in any pieces, cut anywhere, also inside a UTF-8 sequence, a `\r\n` or the
//! byte order mark: the events are the same for every cutting.

use thiserror::Error;

/// One dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event:` field; empty when the event had none.
    pub name: String,
    /// The `data:` lines joined with `\n`. Invalid UTF-8 arrives as U+FFFD.
    pub data: String,
}

/// An event grew past the parser's bound. The parser accepts nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event is larger than {limit_bytes} bytes")]
pub struct EventTooLarge {
    /// The bound, bytes.
    pub limit_bytes: usize,
}

/// Turns bytes into events.
///
/// ```
/// use halfopen_gateway::sse::SseParser;
///
/// let mut parser = SseParser::new(1024);
/// let mut events = Vec::new();
/// parser.push(b"data: hel", &mut events)?;
/// assert!(events.is_empty(), "half an event is no event");
/// parser.push(b"lo\r\n\r\n", &mut events)?;
/// assert_eq!(events[0].data, "hello");
/// # Ok::<(), halfopen_gateway::sse::EventTooLarge>(())
/// ```
#[derive(Debug)]
pub struct SseParser {
    limit_bytes: usize,
    start: Start,
    line: Vec<u8>,
    after_carriage_return: bool,
    name: String,
    data: String,
    has_data: bool,
    event_bytes: usize,
    overflown: bool,
}

/// How much of a byte order mark has been seen at the start of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Matching(usize),
    Over,
}

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl SseParser {
    /// A parser at the start of a stream. `limit_bytes` bounds one event, comments and unknown fields included, and
    /// with it the parser's memory.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            start: Start::Matching(0),
            line: Vec::new(),
            after_carriage_return: false,
            name: String::new(),
            data: String::new(),
            has_data: false,
            event_bytes: 0,
            overflown: false,
        }
    }

    /// Takes the next bytes and appends the events they complete to `events`.
    ///
    /// # Errors
    /// [`EventTooLarge`], now and on every later call. Events completed before it are in `events` all the same.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), EventTooLarge> {
        for &byte in bytes {
            if self.overflown {
                break;
            }
            match self.start {
                Start::Matching(seen) => self.match_mark(seen, byte, events),
                Start::Over => self.push_byte(byte, events),
            }
        }
        if self.overflown { Err(EventTooLarge { limit_bytes: self.limit_bytes }) } else { Ok(()) }
    }

    /// Whether the stream stands inside an event: ending here loses what has arrived of it.
    pub fn has_partial(&self) -> bool {
        !self.line.is_empty() || self.has_data || matches!(self.start, Start::Matching(1..))
    }

    fn match_mark(&mut self, seen: usize, byte: u8, events: &mut Vec<SseEvent>) {
        if byte == BYTE_ORDER_MARK[seen] {
            self.start = if seen + 1 == BYTE_ORDER_MARK.len() { Start::Over } else { Start::Matching(seen + 1) };
            return;
        }
        self.start = Start::Over;
        for &held in &BYTE_ORDER_MARK[..seen] {
            self.push_byte(held, events);
        }
        self.push_byte(byte, events);
    }

    fn push_byte(&mut self, byte: u8, events: &mut Vec<SseEvent>) {
        let ends_carriage_return = std::mem::take(&mut self.after_carriage_return);
        match byte {
            b'\n' if ends_carriage_return => {}
            b'\n' => self.end_line(events),
            b'\r' => {
                self.after_carriage_return = true;
                self.end_line(events);
            }
            _ => {
                self.event_bytes += 1;
                if self.event_bytes > self.limit_bytes {
                    self.overflown = true;
                } else {
                    self.line.push(byte);
                }
            }
        }
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) {
        if self.line.is_empty() {
            self.dispatch(events);
            return;
        }
        let line = std::mem::take(&mut self.line);
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            // A comment counts as bytes of nobody's event.
            Some(0) => {
                if !self.has_data && self.name.is_empty() {
                    self.event_bytes = 0;
                }
                return;
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line.as_slice(), &[][..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(&String::from_utf8_lossy(value));
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // `id` and `retry` serve reconnection, which this protocol does not have; unknown fields are ignored.
            _ => {}
        }
    }

    /// The blank line. An event whose data is empty is not dispatched (the standard's step 2).
    fn dispatch(&mut self, events: &mut Vec<SseEvent>) {
        self.event_bytes = 0;
        self.has_data = false;
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if !data.is_empty() {
            events.push(SseEvent { name, data });
        }
    }
}

/// One event as bytes for the wire: a `data:` line for each line of `data`, then the blank line. There is never an
/// `id:` line: one SDK fails on a comment that follows an `id` (field report).
pub fn encode_data(data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 8);
    for line in data.split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}
