//! What the transport under a backend reports, as faults of the call.

use std::error::Error as StdError;
use std::io;

use crate::core::fault::Fault;

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
