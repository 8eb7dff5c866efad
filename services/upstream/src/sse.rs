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
/// use halfopen_upstream::sse::SseParser;
///
/// let mut parser = SseParser::new(1024);
/// let mut events = Vec::new();
/// parser.push(b"data: hel", &mut events)?;
/// assert!(events.is_empty(), "half an event is no event");
/// parser.push(b"lo\r\n\r\n", &mut events)?;
/// assert_eq!(events[0].data, "hello");
/// # Ok::<(), halfopen_upstream::sse::EventTooLarge>(())
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
        self.push_with(bytes, |name, data| events.push(SseEvent { name: name.to_owned(), data: data.to_owned() }))
    }

    /// As [`push`](Self::push), and lends each event's name and data to `take` instead of making strings of them.
    ///
    /// # Errors
    /// As `push`; `take` has been given the events completed before it.
    pub fn push_with(&mut self, bytes: &[u8], mut take: impl FnMut(&str, &str)) -> Result<(), EventTooLarge> {
        let mut rest = bytes;
        while let Some(&first) = rest.first()
            && !self.overflown
        {
            rest = match self.start {
                Start::Matching(seen) => {
                    self.match_mark(seen, first, &mut take);
                    &rest[1..]
                }
                Start::Over => match self.lend_event(rest, &mut take) {
                    Some(rest) => rest,
                    None => self.take_line(rest, &mut take),
                },
            };
        }
        if self.overflown { Err(EventTooLarge { limit_bytes: self.limit_bytes }) } else { Ok(()) }
    }

    /// Whether part of an event has arrived: it is lost if the stream ends here.
    pub fn has_partial(&self) -> bool {
        !self.line.is_empty() || self.has_data || matches!(self.start, Start::Matching(1..))
    }

    /// The bytes of an event that has begun and not ended.
    pub fn partial_bytes(&self) -> usize {
        self.line.len() + self.name.len() + self.data.len()
    }

    fn match_mark(&mut self, seen: usize, byte: u8, take: &mut impl FnMut(&str, &str)) {
        if byte == BYTE_ORDER_MARK[seen] {
            self.start = if seen + 1 == BYTE_ORDER_MARK.len() { Start::Over } else { Start::Matching(seen + 1) };
            return;
        }
        self.start = Start::Over;
        self.take_line(&BYTE_ORDER_MARK[..seen], take);
        self.take_line(&[byte], take);
    }

    /// Nearly every event is one line of data that lies whole in what came, and needs no memory of its own. What comes
    /// after it, unless `bytes` does not begin so.
    fn lend_event<'a>(&mut self, bytes: &'a [u8], take: &mut impl FnMut(&str, &str)) -> Option<&'a [u8]> {
        let fresh = self.line.is_empty() && !self.has_data && self.name.is_empty() && !self.after_carriage_return;
        let value = bytes.strip_prefix(b"data:").filter(|_| fresh)?;
        let (value, rest) = value.split_at(line_end(value)?);
        let rest = rest.strip_prefix(b"\n\n")?;
        if self.event_bytes + b"data:".len() + value.len() > self.limit_bytes {
            return None;
        }
        let data = std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)).ok()?;
        self.event_bytes = 0;
        if !data.is_empty() {
            take("", data);
        }
        Some(rest)
    }

    /// Takes the rest of a line, and returns the bytes after it.
    fn take_line<'a>(&mut self, bytes: &'a [u8], take: &mut impl FnMut(&str, &str)) -> &'a [u8] {
        if std::mem::take(&mut self.after_carriage_return)
            && let Some(rest) = bytes.strip_prefix(b"\n")
        {
            return rest;
        }
        let (piece, rest) = bytes.split_at(line_end(bytes).unwrap_or(bytes.len()));
        self.event_bytes += piece.len();
        if self.event_bytes > self.limit_bytes {
            self.overflown = true;
            return rest;
        }
        let Some((&end, rest)) = rest.split_first() else {
            self.line.extend_from_slice(piece);
            return rest;
        };
        self.after_carriage_return = end == b'\r';
        if self.line.is_empty() {
            self.end_line(piece, take);
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(piece);
            self.end_line(&line, take);
        }
        rest
    }

    fn end_line(&mut self, line: &[u8], take: &mut impl FnMut(&str, &str)) {
        if line.is_empty() {
            self.dispatch(take);
            return;
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            // A comment belongs to no event, and its bytes count for none.
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
            None => (line, &[][..]),
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
    fn dispatch(&mut self, take: &mut impl FnMut(&str, &str)) {
        self.event_bytes = 0;
        self.has_data = false;
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if !data.is_empty() {
            take(&name, &data);
        }
    }
}

/// Where the first line ends in these bytes, if it does.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let mut from = 0;
    // A block without an early exit becomes a few vector instructions.
    while let Some(block) = bytes.get(from..from + 32)
        && !block.iter().fold(false, |found, byte| found | is_end(byte))
    {
        from += block.len();
    }
    bytes[from..].iter().position(is_end).map(|at| from + at)
}

/// One event as bytes for the wire: a `data:` line for each line of `data`, then the blank line. There is never an
/// `id:` line: one SDK fails on a comment that follows an `id`.
pub fn encode_data(data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 8);
    append_data(&mut text, data);
    text
}

/// As [`encode_data`], behind what `text` has already.
pub fn append_data(text: &mut String, data: &str) {
    for line in data.split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}
