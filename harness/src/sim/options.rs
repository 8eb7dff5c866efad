//! What processes ask of their sockets in advance, in the words of the seam.

use std::io;

use halfopen_net::engine::SocketOption;

use crate::fabric::OptionSet;
use crate::tcp::{Keepalive, Options};

/// Linux's smallest buffers, bytes (`SOCK_MIN_RCVBUF`, `SOCK_MIN_SNDBUF`): less cannot be asked for.
pub(super) const SMALLEST_RECEIVE_BUFFER_BYTES: u32 = 2304;
pub(super) const SMALLEST_SEND_BUFFER_BYTES: u32 = 4608;

/// Several options together.
///
/// # Errors
/// `Unsupported` for the first that is not simulated.
pub(super) fn of(options: &[SocketOption]) -> io::Result<Options> {
    let mut known = Options::default();
    options.iter().try_for_each(|option| set(&mut known, *option))?;
    Ok(known)
}

/// Takes an option in.
///
/// # Errors
/// `Unsupported` for what is not simulated.
pub(super) fn set(options: &mut Options, option: SocketOption) -> io::Result<()> {
    match option {
        SocketOption::NoDelay(on) => options.no_delay = on,
        SocketOption::Linger(time) if time.is_none_or(|time| time.is_zero()) => options.linger_zero = time.is_some(),
        SocketOption::KeepAlive(times) => {
            options.keepalive =
                times.map(|halfopen_net::Keepalive { time, interval, retries }| Keepalive { time, interval, retries });
        }
        SocketOption::UserTimeout(timeout) => options.user_timeout = timeout.filter(|timeout| !timeout.is_zero()),
        SocketOption::SendBuffer(bytes) => options.send_buffer_bytes = Some(bytes.max(SMALLEST_SEND_BUFFER_BYTES)),
        SocketOption::ReceiveBuffer(bytes) => {
            options.receive_buffer_bytes = Some(bytes.max(SMALLEST_RECEIVE_BUFFER_BYTES));
        }
        SocketOption::ReuseAddress(on) => options.reuse_address = on,
        other => {
            let reason = format!("{} is not simulated: {other:?}", other.name());
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
    }
    Ok(())
}

/// What follows from an option that is set on an open socket.
pub(super) fn what(option: SocketOption) -> OptionSet {
    match option {
        SocketOption::NoDelay(true) => OptionSet::NoDelay,
        SocketOption::KeepAlive(_) | SocketOption::UserTimeout(_) => OptionSet::Timers,
        _ => OptionSet::Other,
    }
}
