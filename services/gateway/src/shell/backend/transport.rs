//! What the transport under a backend reports, as faults of the call.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use halfopen_upstream::retry_after;
use hyper::StatusCode;
use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::core::fault::Fault;
use crate::core::said::Said;

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

/// The answer of a backend that refuses, with what its head and its body say about it.
pub(crate) fn status_fault(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let said = Said::read_body(body);
    let said = said.unwrap_or_else(|| Said::from(status.canonical_reason().unwrap_or("no reason given")));
    Fault::Status { status: status.as_u16(), said: Box::new(said), retry_after: asked_to_wait(headers) }
}

fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let exact = text(&RETRY_AFTER_MS).and_then(retry_after::read_ms);
    exact.or_else(|| retry_after::read(text(&RETRY_AFTER)?, text(&DATE)))
}

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

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
