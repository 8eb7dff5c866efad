//! Frames and heads as a peer writes them, byte by byte (RFC 6455, 5.2).

/// Any key is legal.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// A server's frame: the first byte as given, at most 125 bytes.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, payload.len() as u8], payload].concat()
}

/// A client's.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let hidden: Vec<_> = payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    [&[first, payload.len() as u8 | 0x80], &MASK[..], &hidden].concat()
}

/// A server's text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(FINAL | TEXT, text.as_bytes())
}

/// A server's Close frame.
pub(crate) fn close(code: u16) -> Vec<u8> {
    frame(FINAL | CLOSE, &code.to_be_bytes())
}

/// A client's Close frame.
pub(crate) fn masked_close(code: u16) -> Vec<u8> {
    masked(FINAL | CLOSE, &code.to_be_bytes())
}

/// A server's Close frame with another payload than a code.
pub(crate) fn close_with(payload: &[u8]) -> Vec<u8> {
    frame(FINAL | CLOSE, payload)
}

/// A server's Ping.
pub(crate) fn ping() -> Vec<u8> {
    frame(FINAL | PING, b"")
}

/// A request, with more header lines.
pub(crate) fn request(more: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: observer\r\n{more}\r\n").into_bytes()
}

/// A response whose length is told, with as much of its body as is given.
pub(crate) fn sized(length: usize, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A response in chunks; these bytes of it are sent.
pub(crate) fn chunked(bytes: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{bytes}").into_bytes()
}

/// A response that ends with its connection.
pub(crate) fn until_close(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

/// An event stream in chunks, an event in each, and its end.
pub(crate) fn events(events: &[&str]) -> Vec<u8> {
    let chunks = events.iter().map(|event| {
        let data = format!("data: {event}\n\n");
        format!("{:x}\r\n{data}\r\n", data.len())
    });
    let chunks: String = chunks.collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        .into_bytes()
}
