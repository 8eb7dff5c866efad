//! What the transport under a backend reports, as faults of the call.

use std::error::Error as StdError;
use std::io;

use hyper::StatusCode;

use crate::core::fault::{Fault, error_message};

/// A failure to connect.
pub(crate) fn connect_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Refused,
        io::ErrorKind::ConnectionReset => Fault::Reset,
        _ => Fault::Unreachable,
    }
}

/// A failure of an HTTP exchange. hyper's texts are unstable, so only kinds and sources are looked at.
pub(crate) fn exchange_fault(error: &hyper::Error) -> Fault {
    if let Some(io) = io_source(error) {
        return match io.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Fault::Reset
            }
            io::ErrorKind::UnexpectedEof => Fault::Truncated,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Fault::Malformed,
            _ => Fault::Reset,
        };
    }
    if error.is_parse() { Fault::Malformed } else { Fault::Truncated }
}

/// The answer of a backend that refuses, with what its body says about it.
pub(crate) fn status_fault(status: StatusCode, body: &[u8]) -> Fault {
    let message = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| Some(error_message(value.get("error")?)))
        .unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned());
    Fault::Status { status: status.as_u16(), message }
}

fn io_source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(io) = source.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = source.source();
    }
    None
}
