//! The bytes that faults forge.

use bytes::{BufMut, Bytes, BytesMut};

use super::websocket::CONTROL_BYTES;
use crate::fault::IllegalKind;
use crate::name::Direction;

/// The most that a Close frame's reason may have: a control frame's 125 bytes less the code (RFC 6455, 5.5).
const REASON_BYTES: usize = CONTROL_BYTES - 2;

/// What ends a chunked body: the last chunk and an empty trailer section (RFC 9112, 7.1).
pub(super) const TERMINAL_CHUNK: &[u8] = b"0\r\n\r\n";

/// Any key is legal; a fixed one draws nothing.
const MASK: [u8; 4] = [0x5C, 0x1E, 0xA7, 0x30];

/// The data of the event that ends a stream of OpenAI's.
pub(super) const DONE: &str = "[DONE]";

/// A Close frame as the sender of that direction would write it; without a code it has no payload. A longer reason than a frame can hold is shortened at a
/// character.
pub(super) fn close_frame(code: Option<u16>, reason: &str, direction: Direction) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES)];
    let payload = code.map(|code| [&code.to_be_bytes(), reason.as_bytes()].concat());
    frame(0x88, &payload.unwrap_or_default(), direction == Direction::ToServer)
}

/// Bytes that no sender of that direction may write.
pub(crate) fn illegal_bytes(kind: IllegalKind, direction: Direction) -> Bytes {
    let masked = direction == Direction::ToServer;
    match kind {
        IllegalKind::Close1005 => close_frame(Some(1005), "", direction),
        IllegalKind::Close1006 => close_frame(Some(1006), "", direction),
        IllegalKind::HalfCloseCode => frame(0x88, &[0x03], masked),
        IllegalKind::ReservedOpcode => frame(0x83, b"reserved opcode", masked),
        IllegalKind::ReservedBit => frame(0xC1, b"reserved bit", masked),
        IllegalKind::InvalidUtf8 => frame(0x81, b"no UTF-8: \xC3\x28", masked),
        IllegalKind::WrongMask => frame(0x81, b"wrong mask", !masked),
        IllegalKind::OversizeControl => frame(0x89, &[b'.'; CONTROL_BYTES + 1], masked),
        IllegalKind::FragmentedControl => frame(0x09, b"a fragment", masked),
        IllegalKind::HugeLength => header(0x82, i64::MAX as u64, masked).freeze(),
    }
}

/// A whole frame; `first` has the opcode and the bits beside it.
fn frame(first: u8, payload: &[u8], masked: bool) -> Bytes {
    let mut frame = header(first, payload.len() as u64, masked);
    if masked {
        frame.extend(payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        frame.put_slice(payload);
    }
    frame.freeze()
}

/// What stands before a frame's payload (RFC 6455, 5.2).
fn header(first: u8, length: u64, masked: bool) -> BytesMut {
    let mut header = BytesMut::new();
    let mask_bit = u8::from(masked) << 7;
    header.put_u8(first);
    match length {
        0..126 => header.put_u8(mask_bit | length as u8),
        126..0x1_0000 => {
            header.put_u8(mask_bit | 126);
            header.put_u16(length as u16);
        }
        _ => {
            header.put_u8(mask_bit | 127);
            header.put_u64(length);
        }
    }
    if masked {
        header.put_slice(&MASK);
    }
    header
}

/// The answer of an upstream that fails, in OpenAI's envelope. Its connection ends with it.
pub(super) fn error_response(status: u16) -> Bytes {
    let (reason, kind) = match status {
        429 => ("Too Many Requests", "rate_limit_error"),
        500 => ("Internal Server Error", "server_error"),
        502 => ("Bad Gateway", "server_error"),
        503 => ("Service Unavailable", "server_error"),
        504 => ("Gateway Timeout", "server_error"),
        _ => ("Error", "server_error"),
    };
    let body = error_body(&format!("the upstream answered {status}"), kind);
    let length = body.len();
    Bytes::from(format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    ))
}

/// The event with which an upstream tells of an error in the middle of a stream, in OpenAI's envelope.
pub(crate) fn error_event(message: &str) -> Bytes {
    Bytes::from(format!("data: {}\n\n", error_body(message, "server_error")))
}

fn error_body(message: &str, kind: &str) -> String {
    let message = serde_json::Value::from(message);
    format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":null,"code":null}}}}"#)
}

/// A whole chunk.
pub(super) fn chunk(payload: &[u8]) -> Bytes {
    Bytes::from([&chunk_head(payload.len() as u64), payload, b"\r\n"].concat())
}

/// The head of a chunk.
pub(super) fn chunk_head(bytes: u64) -> Bytes {
    Bytes::from(format!("{bytes:x}\r\n"))
}
