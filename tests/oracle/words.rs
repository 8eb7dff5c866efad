//! Outcomes in words: kinds of errors, never their texts.

use std::error::Error as _;
use std::io;

use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// What a WebSocket call came to.
pub(crate) fn websocket_error(error: &Error) -> String {
    match error {
        Error::Io(error) => format!("Io({:?})", error.kind()),
        Error::Protocol(error) => format!("Protocol({})", first_word(&format!("{error:?}"))),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => "Capacity(MessageTooLong)".to_owned(),
        Error::Http(response) => {
            let body = response.body().as_ref().map_or(0, Vec::len);
            format!("Http({} with {body} bytes)", response.status().as_u16())
        }
        other => first_word(&format!("{other:?}")),
    }
}

/// A message that was received.
pub(crate) fn message(message: &Message) -> String {
    match message {
        Message::Text(text) => format!("{:?}", text.as_str()),
        Message::Binary(bytes) => format!("{} bytes", bytes.len()),
        Message::Ping(_) => "ping".to_owned(),
        Message::Pong(_) => "pong".to_owned(),
        Message::Close(None) => "close without a code".to_owned(),
        Message::Close(Some(frame)) => {
            let reason = if frame.reason == Utf8Bytes::default() {
                String::new()
            } else {
                format!(" {:?}", frame.reason.as_str())
            };
            format!("close {}{reason}", u16::from(frame.code))
        }
        Message::Frame(_) => "a raw frame".to_owned(),
    }
}

/// The kind of a hyper error, and of the socket error under it.
pub(crate) fn hyper_error(error: &hyper::Error) -> String {
    let text = format!("{error:?}");
    let kind = text.strip_prefix("hyper::Error(").unwrap_or(&text);
    let kind = kind.split([',', ')', '(']).next().unwrap_or_default();
    let detail = match kind {
        "User" | "Parse" => kind_inside(&text, kind),
        _ => None,
    };
    match (detail, io_kind(error)) {
        (Some(detail), _) => format!("{kind}({detail})"),
        (None, Some(io)) => format!("{kind}({io:?})"),
        (None, None) => kind.to_owned(),
    }
}

/// What stands in the parentheses behind a kind.
fn kind_inside(text: &str, kind: &str) -> Option<String> {
    let inside = text.split_once(&format!("{kind}("))?.1;
    Some(first_word(inside))
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        // A body that ends too early is told as an error of hyper's own.
        source = cause.source();
    }
    None
}

fn first_word(text: &str) -> String {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default().to_owned()
}

/// Bytes by their size, where the exact number is a matter of buffers.
pub(crate) fn how_many(bytes: usize) -> &'static str {
    match bytes {
        0 => "nothing",
        1..65_536 => "less than 64 KiB",
        65_536..1_048_576 => "less than a megabyte",
        1_048_576..10_485_760 => "some megabytes",
        _ => "more than ten megabytes",
    }
}
