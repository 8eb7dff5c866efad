//! The bytes that faults forge.

use bytes::{BufMut, Bytes, BytesMut};

use crate::name::Direction;

/// The most that a Close frame's reason may have: a control frame's 125 bytes less the code (RFC 6455, 5.5).
const REASON_BYTES: usize = 123;

/// What ends a chunked body: the last chunk and an empty trailer section (RFC 9112, 7.1).
pub(super) const TERMINAL_CHUNK: &[u8] = b"0\r\n\r\n";

/// Any key is legal; a fixed one draws nothing.
const MASK: [u8; 4] = [0x5C, 0x1E, 0xA7, 0x30];

/// A Close frame as the sender of that direction would write it: masked towards the server. A longer reason than a
/// frame can hold is shortened at a character.
pub(super) fn close_frame(code: u16, reason: &str, direction: Direction) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES)];
    let length = 2 + reason.len() as u8;
    let mut frame = BytesMut::with_capacity(6 + usize::from(length));
    frame.put_u8(0x88);
    let payload = code.to_be_bytes().into_iter().chain(reason.bytes());
    match direction {
        Direction::ToServer => {
            frame.put_u8(0x80 | length);
            frame.put_slice(&MASK);
            frame.extend(payload.zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        Direction::ToClient => {
            frame.put_u8(length);
            frame.extend(payload);
        }
    }
    frame.freeze()
}

/// The head of a chunk.
pub(super) fn chunk_head(bytes: u64) -> Bytes {
    Bytes::from(format!("{bytes:x}\r\n"))
}
