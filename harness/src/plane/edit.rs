//! How one message or event is made another: pure functions of its bytes.

use std::ops::Range;

use bytes::Bytes;

use super::http::chunk_size;
use super::mark::{CountedUnit, Mark};
use super::sse::Sse;
use super::websocket::{Header, WebSocket};
use crate::fault::FrameKind;
use crate::trace::Unit;

/// A stretch of frames in which one message travels, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frames {
    /// The control frames between the message's fragments.
    pub(super) controls: Bytes,
    /// The message's own frames.
    pub(super) message: Bytes,
}

impl Frames {
    /// Takes whole frames apart.
    pub(super) fn of(stretch: &[u8]) -> Self {
        let (mut controls, mut message) = (Vec::new(), Vec::new());
        for (header, frame) in frames(stretch) {
            let part = if is_control(header.kind) { &mut controls } else { &mut message };
            part.extend_from_slice(&stretch[frame]);
        }
        Self { controls: controls.into(), message: message.into() }
    }
}

fn is_control(kind: Option<FrameKind>) -> bool {
    match kind {
        Some(FrameKind::Close | FrameKind::Ping | FrameKind::Pong) => true,
        Some(FrameKind::Continuation | FrameKind::Text | FrameKind::Binary) | None => false,
    }
}

/// Every frame's header, and where the frame lies.
fn frames(stretch: &[u8]) -> impl Iterator<Item = (Header, Range<usize>)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let header = Header::of(&stretch[start..])?;
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let end = start.saturating_add(header.bytes).saturating_add(length).min(stretch.len());
        Some((header, std::mem::replace(&mut start, end)..end))
    })
}

/// A message's frames with one character changed; `None` if the message is empty.
pub(super) fn corrupt_message(message: &[u8]) -> Option<Bytes> {
    let mut payload = Vec::new();
    let mut text = false;
    for (header, frame) in frames(message) {
        text |= header.kind == Some(FrameKind::Text) && !header.reserved;
        let bytes = message.get(frame.start + header.bytes..frame.end)?;
        let places = frame.start + header.bytes..;
        payload.extend(
            places.zip(bytes).zip(header.mask.into_iter().cycle()).map(|((at, byte), key)| (at, byte ^ key, key)),
        );
    }
    let plain: Vec<_> = payload.iter().map(|(_, byte, _)| *byte).collect();
    let (nth, byte) = another_character(&plain, text)?;
    let (at, _, key) = payload[nth];
    Some(with_byte(message, at, byte ^ key))
}

/// An event with one character of its data changed; `None` if its data is empty.
pub(super) fn corrupt_event(event: &[u8]) -> Option<Bytes> {
    let mut places = Vec::new();
    let mut start = 0;
    for line in event.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        let content = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if let Some(value) = line[..content].strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            places.extend(start + content - value.len()..start + content);
        }
        start += line.len();
    }
    let data: Vec<_> = places.iter().map(|at| event[*at]).collect();
    let (nth, byte) = another_character(&data, true)?;
    Some(with_byte(event, places[nth], byte))
}

/// Which byte becomes which: the middle one of the letters and digits, so that text stays text; where there is none, the
/// last byte changes its lowest bit, which leaves UTF-8 what it was.
fn another_character(bytes: &[u8], text: bool) -> Option<(usize, u8)> {
    let letters: Vec<_> = (0..bytes.len()).filter(|at| text && bytes[*at].is_ascii_alphanumeric()).collect();
    match letters.get(letters.len() / 2) {
        Some(at) => Some((
            *at,
            match bytes[*at] {
                b'z' => b'a',
                b'Z' => b'A',
                b'9' => b'0',
                letter => letter + 1,
            },
        )),
        None => {
            let last = bytes.last()?;
            let line_end = matches!(last ^ 1, b'\r' | b'\n');
            Some((bytes.len() - 1, last ^ if line_end { 2 } else { 1 }))
        }
    }
}

fn with_byte(bytes: &[u8], at: usize, byte: u8) -> Bytes {
    let mut changed = bytes.to_vec();
    changed[at] = byte;
    changed.into()
}

/// The payload of a stretch that begins with a chunk's size, from an offset in it on.
pub(super) fn payload(stretch: &[u8], from: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut at = 0;
    while let Some(line) = line_end(stretch, at) {
        let digits = stretch[at..line].trim_ascii_end();
        let size = chunk_size(digits).and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let end = line.saturating_add(size).min(stretch.len());
        payload.extend_from_slice(&stretch[line.max(from).min(end)..end]);
        let Some(tail) = line_end(stretch, end) else { break };
        at = tail;
    }
    payload
}

fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.iter().position(|byte| *byte == b'\n').map(|at| from + at + 1)
}

/// How the trace tells of a message's frames.
pub(super) fn message_units(frames: &[u8]) -> Vec<Unit> {
    let mut reader = WebSocket::new(0);
    units(frames, CountedUnit::Message, |input, at, marks| reader.advance(input, at, marks))
}

/// How the trace tells of whole events.
pub(super) fn event_units(events: &[u8]) -> Vec<Unit> {
    let mut reader = Sse::default();
    units(events, CountedUnit::SseEvent, |input, at, marks| reader.advance(input, at, marks))
}

fn units(bytes: &[u8], wanted: CountedUnit, mut advance: impl FnMut(&[u8], u64, &mut Vec<Mark>) -> usize) -> Vec<Unit> {
    let (mut units, mut marks, mut read) = (Vec::new(), Vec::new(), 0);
    while read < bytes.len() {
        read += advance(&bytes[read..], read as u64, &mut marks);
        for mark in marks.drain(..) {
            if let Mark::Ended { what, unit: Some(unit), .. } = mark
                && what == wanted
            {
                units.push(unit);
            }
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::tests::{chunk, frame, masked, text};

    #[test]
    fn a_letter_in_the_middle_becomes_the_next() {
        for (before, after) in [("count", "covnt"), ("zz", "za"), ("{\"n\":9}", "{\"n\":0}"), ("\u{4f60}", "\u{4f61}")]
        {
            let changed = corrupt_message(&text(before)).expect("it has characters");
            assert_eq!(changed, text(after), "{before}");
            assert_eq!(std::str::from_utf8(&changed[2..]), Ok(after));
        }
        assert_eq!(corrupt_message(&text("")), None);
    }

    #[test]
    fn a_masked_message_stays_masked() {
        assert_eq!(corrupt_message(&masked(0x81, b"count")), Some(masked(0x81, b"covnt").into()));
    }

    #[test]
    fn of_bytes_that_are_no_text_the_last_changes() {
        assert_eq!(corrupt_message(&frame(0x82, b"abc")), Some(frame(0x82, b"abb").into()));
        assert_eq!(corrupt_message(&frame(0xC1, b"abc")), Some(frame(0xC1, b"abb").into()));
    }

    #[test]
    fn a_fragmented_message_is_one() {
        let parts = [frame(0x01, b"co"), frame(0x89, b"?"), frame(0x80, b"unt")].concat();
        let Frames { controls, message } = Frames::of(&parts);
        assert_eq!(controls, frame(0x89, b"?"));
        assert_eq!(message, [frame(0x01, b"co"), frame(0x80, b"unt")].concat());
        let changed = corrupt_message(&message).expect("it has characters");
        assert_eq!(changed, [frame(0x01, b"co"), frame(0x80, b"vnt")].concat());
        assert_eq!(message_units(&changed).len(), 1);
    }

    #[test]
    fn only_an_events_data_changes() {
        let event = b"event: token\r\nid: 7\r\ndata: count\r\n\r\n";
        assert_eq!(corrupt_event(event).as_deref(), Some(b"event: token\r\nid: 7\r\ndata: covnt\r\n\r\n".as_slice()));
        assert_eq!(corrupt_event(b"data:..\n\n").as_deref(), Some(b"data:./\n\n".as_slice()));
        assert_eq!(corrupt_event(b"data: \x0B\n\n").as_deref(), Some(b"data: \x09\n\n".as_slice()), "no line end");
        assert_eq!(corrupt_event(b"data\n\n"), None);
    }

    #[test]
    fn a_payload_is_what_stands_between_sizes() {
        let stretch = [chunk("id: 1\nda"), chunk("ta: x\n\n")].concat();
        assert_eq!(payload(&stretch, 0), b"id: 1\ndata: x\n\n");
        assert_eq!(payload(&stretch, 3 + 6), b"data: x\n\n");
        assert_eq!(payload(&stretch[..stretch.len() - 4], 3 + 6), b"data: x");
    }
}
