//! What processes ask of their sockets in advance.

use std::io;
use std::time::Duration;

use halfopen_net::Keepalive;
use halfopen_net::engine::SocketOption;

/// Linux's smallest buffers, bytes (`SOCK_MIN_RCVBUF`, `SOCK_MIN_SNDBUF`): less cannot be asked for.
const SMALLEST_RECEIVE_BUFFER_BYTES: u32 = 2304;
const SMALLEST_SEND_BUFFER_BYTES: u32 = 4608;

/// The options of a socket; what an accepted one begins with are its listener's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Small writes leave at once.
    pub(crate) no_delay: bool,
    /// The close is an RST.
    pub(crate) linger_zero: bool,
    /// Probes of an idle peer.
    pub(crate) keepalive: Option<Keepalive>,
    /// How long data may stay unacknowledged, or unsent before a closed window.
    pub(crate) user_timeout: Option<Duration>,
    /// Addresses of connections that are or were its kind can be bound.
    pub(crate) reuse_address: bool,
    /// Instead of the link's.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// Instead of the link's.
    pub(crate) receive_buffer_bytes: Option<u32>,
}

impl Options {
    /// Takes options in.
    ///
    /// # Errors
    /// `Unsupported` for the first that is not simulated.
    pub(crate) fn of(options: &[SocketOption]) -> io::Result<Self> {
        let mut known = Self::default();
        options.iter().try_for_each(|option| known.set(*option))?;
        Ok(known)
    }

    /// Takes an option in.
    ///
    /// # Errors
    /// `Unsupported` for what is not simulated.
    pub(crate) fn set(&mut self, option: SocketOption) -> io::Result<()> {
        match option {
            SocketOption::NoDelay(on) => self.no_delay = on,
            SocketOption::Linger(time) if time.is_none_or(|time| time.is_zero()) => self.linger_zero = time.is_some(),
            SocketOption::KeepAlive(times) => self.keepalive = times,
            SocketOption::UserTimeout(timeout) => self.user_timeout = timeout.filter(|timeout| !timeout.is_zero()),
            SocketOption::SendBuffer(bytes) => self.send_buffer_bytes = Some(bytes.max(SMALLEST_SEND_BUFFER_BYTES)),
            SocketOption::ReceiveBuffer(bytes) => {
                self.receive_buffer_bytes = Some(bytes.max(SMALLEST_RECEIVE_BUFFER_BYTES));
            }
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            other => {
                let reason = format!("{} is not simulated: {other:?}", other.name());
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
        }
        Ok(())
    }
}
