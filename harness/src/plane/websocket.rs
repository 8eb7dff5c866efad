//! Where WebSocket frames and messages begin and end (RFC 6455, 5).

use super::mark::{CountedUnit, Mark};
use crate::fault::FrameKind;
use crate::trace::Unit;

/// How much of a text message is kept for the trace ([`Unit::WsMessage`]).
const KEPT_TEXT_BYTES: u64 = 64 * 1024;

/// The most that a control frame may carry (RFC 6455, 5.5); what is longer is illegal, and not kept.
pub(super) const CONTROL_BYTES: usize = 125;

/// Two bytes, eight of length, four of mask (RFC 6455, 5.2).
const HEADER_BYTES: usize = 14;

/// The parser of one direction. It judges nothing: illegal frames have boundaries too.
#[derive(Debug)]
pub(super) struct WebSocket {
    state: State,
    frame: Frame,
    message: Option<Message>,
    /// Where the last whole frame ended.
    boundary: u64,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Between,
    Header { bytes: [u8; HEADER_BYTES], length: usize },
    Payload { left: u64 },
}

#[derive(Debug, Default)]
struct Frame {
    start: u64,
    /// `None` for an opcode without a definition.
    kind: Option<FrameKind>,
    last: bool,
    length: u64,
    mask: [u8; 4],
    /// The payload of a control frame.
    control: Vec<u8>,
}

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its own bytes.
    pub(super) bytes: usize,
    /// `None` for an opcode without a definition.
    pub(super) kind: Option<FrameKind>,
    /// Whether a reserved bit is set: then the payload is an extension's (compressed, for one).
    pub(super) reserved: bool,
    /// The payload's bytes.
    pub(super) length: u64,
    /// Zeros, which change nothing, where there is none.
    pub(super) mask: [u8; 4],
}

impl Header {
    /// Reads the header with which `bytes` begin; `None` if it is not whole.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (bytes.first()?, bytes.get(1)?);
        let header = bytes.get(..header_length(*second))?;
        let masked = second & 0x80 != 0;
        let (extended, key) = header[2..].split_at(header.len() - 2 - if masked { 4 } else { 0 });
        let mut mask = [0; 4];
        if masked {
            mask.copy_from_slice(key);
        }
        let length = match second & 0x7F {
            126 | 127 => extended.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            short => u64::from(short),
        };
        let (kind, reserved) = (kind_of(first & 0x0F), first & 0x70 != 0);
        Some(Self { bytes: header.len(), kind, reserved, length, mask })
    }
}

#[derive(Debug)]
struct Message {
    start: u64,
    kind: FrameKind,
    bytes: u64,
    /// What is kept, unmasked; `None` when it is not to be kept or has become too long.
    text: Option<Vec<u8>>,
}

impl WebSocket {
    /// The frames begin at an offset.
    pub(super) fn new(at: u64) -> Self {
        Self { state: State::Between, frame: Frame::default(), message: None, boundary: at, closed: false }
    }

    /// Where the last whole frame ended: bytes that are not part of its sender's frames may stand there.
    pub(super) fn boundary(&self) -> u64 {
        self.boundary
    }

    /// Whether a message is in passage.
    pub(super) fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Whether a Close frame has ended in this direction.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Reads up to the next boundary; `at` is the offset of the first byte. Returns how many bytes were read.
    pub(super) fn advance(&mut self, input: &[u8], at: u64, marks: &mut Vec<Mark>) -> usize {
        let Some(first) = input.first() else { return 0 };
        match self.state {
            State::Between => {
                self.begin(*first, at, marks);
                0
            }
            State::Header { bytes, length } => self.read_header(bytes, length, input, at, marks),
            State::Payload { left } => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                self.keep(&input[..used], self.frame.length - left);
                let left = left - used as u64;
                self.state = State::Payload { left };
                if left == 0 {
                    self.end(at + used as u64, marks);
                }
                used
            }
        }
    }

    /// A frame's first byte has come and is not yet read: the report of a beginning comes before it.
    fn begin(&mut self, first: u8, at: u64, marks: &mut Vec<Mark>) {
        let kind = kind_of(first & 0x0F);
        self.frame = Frame { start: at, kind, last: first & 0x80 != 0, ..Frame::default() };
        self.state = State::Header { bytes: [0; HEADER_BYTES], length: 0 };
        let Some(kind) = kind else { return };
        marks.push(Mark::Begun { what: CountedUnit::Frame(kind), at });
        if matches!(kind, FrameKind::Text | FrameKind::Binary) {
            // An extension's payload is not text.
            let text = (kind == FrameKind::Text && first & 0x70 == 0).then(Vec::new);
            marks.push(Mark::Begun { what: CountedUnit::Message, at });
            if text.is_none() {
                marks.push(Mark::Unreadable { what: CountedUnit::Message });
            }
            self.message = Some(Message { start: at, kind, bytes: 0, text });
        }
    }

    fn read_header(
        &mut self,
        mut bytes: [u8; HEADER_BYTES],
        mut length: usize,
        input: &[u8],
        at: u64,
        marks: &mut Vec<Mark>,
    ) -> usize {
        let mut used = 0;
        while used < input.len() && (length < 2 || length < header_length(bytes[1])) {
            bytes[length] = input[used];
            length += 1;
            used += 1;
        }
        if length < 2 || length < header_length(bytes[1]) {
            self.state = State::Header { bytes, length };
            return used;
        }
        let Some(header) = Header::of(&bytes[..length]) else { return used };
        self.frame.mask = header.mask;
        self.frame.length = header.length;
        if let Some(message) = self.message_in_frame() {
            message.0.bytes = message.0.bytes.saturating_add(message.1);
            if message.0.bytes > KEPT_TEXT_BYTES && message.0.text.take().is_some() {
                marks.push(Mark::Unreadable { what: CountedUnit::Message });
            }
        }
        self.state = State::Payload { left: self.frame.length };
        if self.frame.length == 0 {
            self.end(at + used as u64, marks);
        }
        used
    }

    /// The message that the current frame carries a part of, and the frame's length.
    fn message_in_frame(&mut self) -> Option<(&mut Message, u64)> {
        match self.frame.kind? {
            FrameKind::Continuation | FrameKind::Text | FrameKind::Binary => {
                self.message.as_mut().map(|message| (message, self.frame.length))
            }
            FrameKind::Close | FrameKind::Ping | FrameKind::Pong => None,
        }
    }

    fn keep(&mut self, payload: &[u8], from: u64) {
        let mask = self.frame.mask;
        let unmasked = payload.iter().enumerate().map(|(n, byte)| byte ^ mask[(from as usize + n) % 4]);
        match self.frame.kind {
            Some(FrameKind::Continuation | FrameKind::Text | FrameKind::Binary) => {
                if let Some(text) = self.message.as_mut().and_then(|message| message.text.as_mut()) {
                    text.extend(unmasked);
                }
            }
            Some(FrameKind::Close) if self.frame.length <= CONTROL_BYTES as u64 => self.frame.control.extend(unmasked),
            Some(FrameKind::Close | FrameKind::Ping | FrameKind::Pong) | None => {}
        }
    }

    fn end(&mut self, end: u64, marks: &mut Vec<Mark>) {
        self.state = State::Between;
        self.boundary = end;
        let Some(kind) = self.frame.kind else { return };
        let start = self.frame.start;
        let unit = match kind {
            FrameKind::Close => Some(self.close_unit()),
            FrameKind::Ping | FrameKind::Pong => Some(Unit::WsControl { kind, code: None, reason: None }),
            FrameKind::Continuation | FrameKind::Text | FrameKind::Binary => None,
        };
        let is_data = unit.is_none();
        self.closed |= kind == FrameKind::Close;
        marks.push(Mark::Ended { what: CountedUnit::Frame(kind), start, end, unit });
        if is_data
            && self.frame.last
            && let Some(message) = self.message.take()
        {
            let start = message.start;
            marks.push(Mark::Ended { what: CountedUnit::Message, start, end, unit: Some(message.into_unit()) });
        }
    }

    fn close_unit(&mut self) -> Unit {
        let payload = std::mem::take(&mut self.frame.control);
        let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
        let reason = payload.get(2..).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| String::from_utf8_lossy(reason).into_owned());
        Unit::WsControl { kind: FrameKind::Close, code, reason }
    }
}

impl Message {
    fn into_unit(self) -> Unit {
        let text = self.text.and_then(|text| String::from_utf8(text).ok());
        Unit::WsMessage { kind: self.kind, text, bytes: self.bytes }
    }
}

fn kind_of(opcode: u8) -> Option<FrameKind> {
    match opcode {
        0x0 => Some(FrameKind::Continuation),
        0x1 => Some(FrameKind::Text),
        0x2 => Some(FrameKind::Binary),
        0x8 => Some(FrameKind::Close),
        0x9 => Some(FrameKind::Ping),
        0xA => Some(FrameKind::Pong),
        _ => None,
    }
}

/// How long a header is, from its second byte.
fn header_length(second: u8) -> usize {
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + if second & 0x80 == 0 { 0 } else { 4 }
}
