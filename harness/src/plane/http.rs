//! Where HTTP/1 heads, bodies and chunks begin and end (RFC 9112).

use super::exchange::{Exchanges, Request, Switch};
use super::head::{Fields, FirstLine, Framing, is_token};
use super::lines::Lines;
use super::mark::{CountedUnit, Mark};
use super::sse::Sse;
use crate::name::Direction;
use crate::trace::Unit;

/// The longest head that is read as one; servers' own limits lie between 8 and 64 KiB.
const HEAD_BYTES: usize = 64 * 1024;

/// The longest method and the longest line of a chunk's size with its extensions that are believed.
const METHOD_BYTES: usize = 32;
const CHUNK_LINE_BYTES: usize = 4096;

/// How requests begin (RFC 9110, 9; RFC 5789). Others are read as well, and nothing waits for them.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH "];

/// The parser of one direction.
#[derive(Debug)]
pub(super) struct Http {
    direction: Direction,
    state: State,
    /// The head so far, or the line so far of a chunk's size or of a trailer.
    text: Vec<u8>,
    head: Head,
    sse: Option<Sse>,
    lines: Option<Lines>,
    /// Whether lines and whole messages are told.
    finely: bool,
    chunk: Option<Chunk>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Head,
    Fixed { left: u64 },
    ChunkSize,
    ChunkData { left: u64 },
    ChunkTail,
    Trailer,
    UntilClose,
}

#[derive(Debug, Default)]
struct Head {
    start: u64,
    /// Where in `text` the current line begins.
    line: usize,
    first: Option<FirstLine>,
    /// Whether it has been told that this is hardly a head.
    is_doubted: bool,
}

/// A chunk in passage. Offsets as in [`Mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Where its size begins.
    pub(super) head: u64,
    /// Where its payload begins and how long that is, once the size has been read.
    pub(super) payload: Option<(u64, u64)>,
}

impl Chunk {
    /// Whether it is the one that ends the body.
    pub(super) fn is_last(&self) -> bool {
        matches!(self.payload, Some((_, 0)))
    }

    /// How much of its payload lies behind an offset in it.
    pub(super) fn payload_behind(&self, at: u64) -> u64 {
        self.payload.map_or(0, |(start, size)| (start + size).saturating_sub(at))
    }
}

/// The body in passage, for those who want to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Chunks; the one in passage.
    Chunked(Option<Chunk>),
    /// As many bytes as its head has said.
    Fixed,
    /// It ends with the connection.
    UntilClose,
    /// None is in passage.
    None,
}

/// What a direction goes on as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// HTTP.
    Http,
    /// WebSocket frames.
    WebSocket,
    /// Bytes.
    Opaque,
}

impl Http {
    /// Whether what was read is HTTP, and not only might be.
    pub(super) fn is_known(&self) -> bool {
        self.state != State::Head || self.head.first.is_some()
    }

    /// Expects the first head. `finely`: whether to tell of lines and of whole messages, too.
    pub(super) fn new(direction: Direction, finely: bool) -> Self {
        let (text, head) = (Vec::new(), Head::default());
        Self { direction, state: State::Between, text, head, sse: None, lines: None, finely, chunk: None }
    }

    /// Whether no message is in passage.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Between
    }

    /// Whether the next byte belongs to a body's payload.
    pub(super) fn in_payload(&self) -> bool {
        matches!(self.state, State::Fixed { .. } | State::ChunkData { .. } | State::UntilClose)
    }

    /// Whether an event, or what may be one, is in passage.
    pub(super) fn is_in_event(&self) -> bool {
        self.sse.as_ref().is_some_and(Sse::is_in_block)
    }

    /// The body in passage.
    pub(super) fn body(&self) -> Body {
        match self.state {
            State::ChunkSize | State::ChunkData { .. } | State::ChunkTail | State::Trailer => Body::Chunked(self.chunk),
            State::Fixed { .. } => Body::Fixed,
            State::UntilClose => Body::UntilClose,
            State::Between | State::Head => Body::None,
        }
    }

    /// Reads up to the next boundary or change of framing; `at` is the offset of the first byte. Returns how many bytes
    /// were read and what follows.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        at: u64,
        exchanges: &mut Exchanges,
        marks: &mut Vec<Mark>,
    ) -> (usize, Next) {
        match self.state {
            State::Between => self.await_head(input, at, marks),
            State::Head => self.read_head(input, at, exchanges, marks),
            State::Fixed { left } => {
                let used = self.read_payload(input, left, at, marks);
                let left = left - used as u64;
                self.state = State::Fixed { left };
                if left == 0 {
                    self.end_message(at + used as u64, marks);
                }
                (used, Next::Http)
            }
            State::ChunkData { left } => {
                let used = self.read_payload(input, left, at, marks);
                let left = left - used as u64;
                self.state = if left == 0 { State::ChunkTail } else { State::ChunkData { left } };
                (used, Next::Http)
            }
            State::UntilClose => (self.read_payload(input, u64::MAX, at, marks), Next::Http),
            State::ChunkSize | State::ChunkTail | State::Trailer => self.read_chunk_line(input, at, marks),
        }
    }

    fn await_head(&mut self, input: &[u8], at: u64, marks: &mut Vec<Mark>) -> (usize, Next) {
        // Empty lines before a head are no part of it (RFC 9112, 2.2).
        let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank == 0 && !input.is_empty() {
            self.state = State::Head;
            self.text.clear();
            self.head = Head { start: at, ..Head::default() };
            marks.push(Mark::Candidate { what: CountedUnit::Head, at });
        }
        (blank, Next::Http)
    }

    fn read_head(&mut self, input: &[u8], at: u64, exchanges: &mut Exchanges, marks: &mut Vec<Mark>) -> (usize, Next) {
        let mut used = 0;
        while used < input.len() {
            let end = input[used..].iter().position(|byte| *byte == b'\n').map(|n| used + n + 1);
            let until = end.unwrap_or(input.len());
            self.text.extend_from_slice(&input[used..until]);
            used = until;
            if self.text.len() > HEAD_BYTES || (self.head.first.is_none() && !self.begins_like_http()) {
                return self.give_up(used, marks);
            }
            if end.is_none() {
                if self.head.first.is_none() && !self.is_likely_http() && !self.head.is_doubted {
                    self.head.is_doubted = true;
                    marks.push(Mark::Doubted { what: CountedUnit::Head });
                }
                break;
            }
            let line = trim_line_end(&self.text[self.head.line..]);
            let blank = line.is_empty();
            if self.head.first.is_none() {
                let first = match self.direction {
                    Direction::ToServer => FirstLine::of_request(line),
                    Direction::ToClient => FirstLine::of_response(line),
                };
                let Some(first) = first else { return self.give_up(used, marks) };
                marks.push(if first.is_interim() {
                    Mark::Dismissed { what: CountedUnit::Head }
                } else {
                    Mark::Begun { what: CountedUnit::Head, at: self.head.start }
                });
                self.head.first = Some(first);
            } else if blank {
                return (used, self.end_head(at + used as u64, exchanges, marks));
            }
            self.head.line = self.text.len();
            if !marks.is_empty() {
                break;
            }
        }
        (used, Next::Http)
    }

    fn give_up(&mut self, used: usize, marks: &mut Vec<Mark>) -> (usize, Next) {
        marks.push(Mark::Dismissed { what: CountedUnit::Head });
        (used, Next::Opaque)
    }

    /// Whether what has come of the first line could become one.
    fn begins_like_http(&self) -> bool {
        const VERSION: &[u8] = b"HTTP/1.";
        match self.direction {
            Direction::ToClient => {
                let shown = self.text.len().min(VERSION.len());
                self.text[..shown] == VERSION[..shown]
            }
            Direction::ToServer => {
                let method = self.text.split(|byte| *byte == b' ').next().unwrap_or(&[]);
                method.len() <= METHOD_BYTES && is_token(method)
            }
        }
    }

    /// Whether what has come of the first line is how nearly every message begins.
    fn is_likely_http(&self) -> bool {
        match self.direction {
            Direction::ToClient => true,
            Direction::ToServer => METHODS.iter().any(|method| {
                let shown = self.text.len().min(method.len());
                self.text[..shown] == method[..shown]
            }),
        }
    }

    fn end_head(&mut self, end: u64, exchanges: &mut Exchanges, marks: &mut Vec<Mark>) -> Next {
        let Some(first) = self.head.first.take() else { return Next::Opaque };
        let start = self.head.start;
        let fields = Fields::of(&self.text);
        self.text = Vec::new();
        if first.is_interim() {
            marks.push(Mark::Aside { start, end, unit: first.unit() });
            self.end_message(end, marks);
            return Next::Http;
        }
        marks.push(Mark::Ended { what: CountedUnit::Head, start, end, unit: Some(first.unit()) });
        let framing = match &first {
            FirstLine::Request { method, .. } => {
                if exchanges.asked(Request::of(method)) {
                    Framing::after_request(&fields)
                } else {
                    Framing::Opaque
                }
            }
            FirstLine::Response { status } => Framing::after_response(*status, &fields, exchanges.answered()),
        };
        let has_body = match framing {
            Framing::Fixed(_) | Framing::Chunked | Framing::UntilClose => true,
            Framing::Nothing | Framing::WebSocket | Framing::Opaque => false,
        };
        if self.finely && !has_body {
            marks.push(Mark::Whole { end });
        }
        self.begin_body(framing, &fields, exchanges)
    }

    fn begin_body(&mut self, framing: Framing, fields: &Fields, exchanges: &mut Exchanges) -> Next {
        let events = self.direction == Direction::ToClient && fields.has_events();
        self.sse = events.then(Sse::default);
        self.lines = (self.finely && !events && fields.is_plain()).then(Lines::default);
        self.state = match framing {
            Framing::Nothing => State::Between,
            Framing::Fixed(left) => State::Fixed { left },
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
            Framing::WebSocket => {
                exchanges.switched = Some(Switch::WebSocket);
                return Next::WebSocket;
            }
            Framing::Opaque => {
                if self.direction == Direction::ToClient {
                    exchanges.switched = Some(Switch::Opaque);
                }
                return Next::Opaque;
            }
        };
        Next::Http
    }

    fn read_payload(&mut self, input: &[u8], left: u64, at: u64, marks: &mut Vec<Mark>) -> usize {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        match (&mut self.sse, &mut self.lines) {
            (Some(sse), _) => sse.advance(&input[..most], at, marks),
            (None, Some(lines)) => lines.advance(&input[..most], at, marks),
            (None, None) => most,
        }
    }

    /// Reads a line that is not payload: a chunk's size, the line end after its payload, or a trailer.
    fn read_chunk_line(&mut self, input: &[u8], at: u64, marks: &mut Vec<Mark>) -> (usize, Next) {
        if self.state == State::ChunkSize && self.chunk.is_none() {
            self.chunk = Some(Chunk { head: at, payload: None });
            if self.finely && !input.is_empty() {
                // The report of a beginning comes before its first byte is read.
                marks.push(Mark::Candidate { what: CountedUnit::Chunk, at });
                return (0, Next::Http);
            }
        }
        let end = input.iter().position(|byte| *byte == b'\n').map(|n| n + 1);
        let used = end.unwrap_or(input.len());
        self.text.extend_from_slice(&input[..used]);
        if self.text.len() > CHUNK_LINE_BYTES {
            return self.lose_track(used, at, marks);
        }
        if end.is_none() {
            return (used, Next::Http);
        }
        let text = std::mem::take(&mut self.text);
        let line = trim_line_end(&text);
        let end = at + used as u64;
        match self.state {
            State::ChunkSize => {
                let Some(size) = chunk_size(line) else { return self.lose_track(used, at, marks) };
                if let Some(chunk) = &mut self.chunk {
                    chunk.payload = Some((end, size));
                    if self.finely {
                        marks.push(match size {
                            0 => Mark::Dismissed { what: CountedUnit::Chunk },
                            _ => Mark::Begun { what: CountedUnit::Chunk, at: chunk.head },
                        });
                    }
                }
                self.state = if size == 0 { State::Trailer } else { State::ChunkData { left: size } };
            }
            State::ChunkTail if line.is_empty() => {
                self.end_chunk(end, marks);
                self.state = State::ChunkSize;
            }
            State::Trailer if line.is_empty() => {
                self.end_chunk(end, marks);
                self.end_message(end, marks);
            }
            State::Trailer => {}
            State::ChunkTail
            | State::Between
            | State::Head
            | State::Fixed { .. }
            | State::ChunkData { .. }
            | State::UntilClose => return self.lose_track(used, at, marks),
        }
        (used, Next::Http)
    }

    fn end_chunk(&mut self, end: u64, marks: &mut Vec<Mark>) {
        if let Some(Chunk { head, payload: Some((_, bytes)) }) = self.chunk.take() {
            let unit = Unit::HttpChunk { bytes };
            marks.push(match bytes {
                0 => Mark::Aside { start: head, end, unit },
                _ => Mark::Ended { what: CountedUnit::Chunk, start: head, end, unit: Some(unit) },
            });
        }
    }

    /// The sender has finished: the body in passage, if there is one, ends with what has come of it.
    pub(super) fn finish(&mut self, at: u64, marks: &mut Vec<Mark>) {
        if self.body() != Body::None {
            self.end_body(at, marks);
        }
    }

    fn end_body(&mut self, at: u64, marks: &mut Vec<Mark>) {
        if let Some(mut sse) = self.sse.take() {
            sse.end(at, marks);
        }
        if let Some(mut lines) = self.lines.take() {
            lines.end(at, marks);
        }
    }

    fn end_message(&mut self, at: u64, marks: &mut Vec<Mark>) {
        self.end_body(at, marks);
        if self.finely {
            marks.push(Mark::Whole { end: at });
        }
        self.state = State::Between;
    }

    fn lose_track(&mut self, used: usize, at: u64, marks: &mut Vec<Mark>) -> (usize, Next) {
        self.end_message(at + used as u64, marks);
        (used, Next::Opaque)
    }
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The size of a chunk, from its line without the line end; extensions are passed over (RFC 9112, 7.1.1).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    let digits = std::str::from_utf8(digits).ok()?.trim();
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}
