//! The socket options that a simulated socket was given.

use std::mem::discriminant;
use std::time::Duration;

use crate::engine::SocketOption;

/// `IP_TTL` of a Linux socket whose owner set none (`net.ipv4.ip_default_ttl`).
const DEFAULT_TIME_TO_LIVE: u32 = 64;

/// Options in the order in which they were first set; each kind at most once. Engines take options and never return
/// them, so what a service reads back is kept here.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    set: Vec<SocketOption>,
}

impl Options {
    /// Sets `option`, replacing an earlier value of the same kind.
    pub(super) fn set(&mut self, option: SocketOption) {
        match self.set.iter_mut().find(|known| discriminant(*known) == discriminant(&option)) {
            Some(known) => *known = option,
            None => self.set.push(option),
        }
    }

    pub(super) fn as_slice(&self) -> &[SocketOption] {
        &self.set
    }

    pub(super) fn nodelay(&self) -> bool {
        self.find(|option| if let SocketOption::NoDelay(on) = option { Some(on) } else { None }).unwrap_or(false)
    }

    pub(super) fn linger(&self) -> Option<Duration> {
        self.find(|option| if let SocketOption::Linger(wait) = option { Some(wait) } else { None }).flatten()
    }

    pub(super) fn reuse_address(&self) -> bool {
        self.find(|option| if let SocketOption::ReuseAddress(on) = option { Some(on) } else { None }).unwrap_or(false)
    }

    pub(super) fn reuse_port(&self) -> bool {
        self.find(|option| if let SocketOption::ReusePort(on) = option { Some(on) } else { None }).unwrap_or(false)
    }

    pub(super) fn keepalive(&self) -> bool {
        self.find(|option| if let SocketOption::KeepAlive(on) = option { Some(on.is_some()) } else { None })
            .unwrap_or(false)
    }

    /// The size that was asked for, bytes; `None` when the kernel chooses.
    pub(super) fn receive_buffer(&self) -> Option<u32> {
        self.find(|option| if let SocketOption::ReceiveBuffer(bytes) = option { Some(bytes) } else { None })
    }

    /// The size that was asked for, bytes; `None` when the kernel chooses.
    pub(super) fn send_buffer(&self) -> Option<u32> {
        self.find(|option| if let SocketOption::SendBuffer(bytes) = option { Some(bytes) } else { None })
    }

    pub(super) fn time_to_live(&self) -> u32 {
        self.find(|option| if let SocketOption::TimeToLive(hops) = option { Some(hops) } else { None })
            .unwrap_or(DEFAULT_TIME_TO_LIVE)
    }

    fn find<T>(&self, value: impl Fn(SocketOption) -> Option<T>) -> Option<T> {
        self.set.iter().find_map(|option| value(*option))
    }
}
