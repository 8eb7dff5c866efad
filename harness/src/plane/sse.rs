//! Where SSE events begin and end (WHATWG HTML, 9.2.5 and 9.2.6).
//!
//! A *block* is what stands between blank lines. It is an event when it has a `data` field; else it is a comment or a lone
//! field, which clients never see. A block begins with its first line that is not blank and ends with the line end of the
//! blank line that closes it.

use super::mark::{CountedUnit, Mark};
use crate::trace::Unit;

/// How much of a line, of an event's data and of a comment is kept: as much as of a WebSocket text message.
const KEPT_BYTES: usize = 64 * 1024;

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// The parser of one body.
#[derive(Debug, Default)]
pub(super) struct Sse {
    /// How much of a byte order mark was there; `None` once the body has really begun.
    mark_bytes: BodyStart,
    block: Option<Block>,
    line: Vec<u8>,
    /// The last byte was a CR that ended a line: an LF after it belongs to it.
    after_cr: bool,
    /// The CR of a blank line in a block whose lines end in CRLF: the block ends after the LF.
    blank_cr: bool,
}

#[derive(Debug)]
enum BodyStart {
    Matching(usize),
    Over,
}

impl Default for BodyStart {
    fn default() -> Self {
        Self::Matching(0)
    }
}

#[derive(Debug)]
struct Block {
    start: u64,
    is_event: bool,
    ends_in_crlf: bool,
    name: Option<String>,
    data: String,
    comment: Option<String>,
}

impl Sse {
    /// Reads up to the next boundary; `at` is the offset of the first byte. Returns how many bytes were read.
    pub(super) fn advance(&mut self, input: &[u8], at: u64, marks: &mut Vec<Mark>) -> usize {
        let mut used = 0;
        while used < input.len() && marks.is_empty() {
            let byte = input[used];
            if let BodyStart::Matching(n) = self.mark_bytes {
                used += self.begin_body(byte, n);
            } else if self.blank_cr {
                self.blank_cr = false;
                used += usize::from(byte == b'\n');
                self.end_block(at + used as u64, marks);
            } else if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                used += 1;
                if let Some(block) = &mut self.block {
                    block.ends_in_crlf = true;
                }
            } else if self.block.is_none() && byte != b'\r' && byte != b'\n' {
                // The report of a beginning comes before its first byte is read.
                if used > 0 {
                    return used;
                }
                self.block = Some(Block::new(at));
                marks.push(Mark::Candidate { what: CountedUnit::SseEvent, at });
            } else {
                used += self.read_line(&input[used..], at + used as u64, marks);
            }
        }
        used
    }

    /// Whether a block is in passage.
    pub(super) fn is_in_block(&self) -> bool {
        self.block.is_some()
    }

    /// The body is over: what is unfinished is no event ("any pending data must be discarded").
    pub(super) fn end(&mut self, at: u64, marks: &mut Vec<Mark>) {
        if std::mem::take(&mut self.blank_cr) {
            self.end_block(at, marks);
        } else if self.block.take().is_some() {
            marks.push(Mark::Dismissed { what: CountedUnit::SseEvent });
        }
    }

    fn begin_body(&mut self, byte: u8, matched: usize) -> usize {
        if byte == BYTE_ORDER_MARK[matched] {
            self.mark_bytes =
                if matched + 1 == BYTE_ORDER_MARK.len() { BodyStart::Over } else { BodyStart::Matching(matched + 1) };
            return 1;
        }
        // Half a mark is the beginning of a line like any other, and spoils its field's name.
        self.line.extend_from_slice(&BYTE_ORDER_MARK[..matched]);
        self.mark_bytes = BodyStart::Over;
        0
    }

    /// Reads to the end of the line or of the input. Returns how many bytes were read.
    fn read_line(&mut self, input: &[u8], at: u64, marks: &mut Vec<Mark>) -> usize {
        let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let content = &input[..end.unwrap_or(input.len())];
        let room = KEPT_BYTES.saturating_sub(self.line.len());
        self.line.extend_from_slice(&content[..content.len().min(room)]);
        if self.line.starts_with(b"data:") || (end.is_some() && self.line == b"data") {
            self.recognise(marks);
        }
        let Some(end) = end else { return content.len() };
        let cr = input[end] == b'\r';
        let read = end + 1;
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.after_cr = cr;
            if let Some(block) = &mut self.block {
                block.ends_in_crlf = false;
                block.take_line(&line);
            }
        } else if cr && self.block.as_ref().is_some_and(|block| block.ends_in_crlf) {
            self.blank_cr = true;
        } else {
            self.after_cr = cr;
            self.end_block(at + read as u64, marks);
        }
        read
    }

    fn recognise(&mut self, marks: &mut Vec<Mark>) {
        if let Some(block) = &mut self.block
            && !block.is_event
        {
            block.is_event = true;
            marks.push(Mark::Begun { what: CountedUnit::SseEvent, at: block.start });
        }
    }

    fn end_block(&mut self, end: u64, marks: &mut Vec<Mark>) {
        let Some(block) = self.block.take() else { return };
        let start = block.start;
        let is_event = block.is_event;
        let unit = block.into_unit();
        if is_event {
            marks.push(Mark::Ended { what: CountedUnit::SseEvent, start, end, unit: Some(unit) });
        } else {
            marks.push(Mark::Dismissed { what: CountedUnit::SseEvent });
            marks.push(Mark::Aside { start, end, unit });
        }
    }
}

impl Block {
    fn new(start: u64) -> Self {
        Self { start, is_event: false, ends_in_crlf: false, name: None, data: String::new(), comment: None }
    }

    fn take_line(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or(&[]);
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match &line[..colon] {
            b"" if self.comment.is_none() => self.comment = Some(value.into_owned()),
            b"event" => self.name = Some(value.into_owned()),
            b"data" => {
                let room = KEPT_BYTES.saturating_sub(self.data.len() + 1);
                self.data.push_str(&value[..value.floor_char_boundary(room)]);
                if room > 0 {
                    self.data.push('\n');
                }
            }
            _ => {}
        }
    }

    fn into_unit(mut self) -> Unit {
        if self.data.ends_with('\n') {
            self.data.pop();
        }
        Unit::SseEvent { name: self.name, data: self.is_event.then_some(self.data), comment: self.comment }
    }
}
