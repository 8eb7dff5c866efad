//! What a socket is told in advance, and asked: `setsockopt(2)` and `getsockopt(2)`.

use std::time::Duration;

use super::{Call, Descriptor, Errno, Kind};
use crate::fabric::OptionSet;
use crate::sim::options::{SMALLEST_RECEIVE_BUFFER_BYTES, SMALLEST_SEND_BUFFER_BYTES};
use crate::tcp::{Keepalive, Options};

/// Linux's buffers of a socket that is told nothing, bytes (`net.ipv4.tcp_rmem`, `net.ipv4.tcp_wmem`): what is shown of
/// them. What a connection holds is its link's to say.
const SHOWN_RECEIVE_BUFFER_BYTES: i32 = 131_072;
const SHOWN_SEND_BUFFER_BYTES: i32 = 16_384;
/// `net.ipv4.ip_default_ttl`.
const TIME_TO_LIVE: i32 = 64;

/// What a socket was told, as it was told it: keepalive's four numbers come one by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    no_delay: bool,
    reuse_address: bool,
    linger_zero: bool,
    keepalive: bool,
    probes: Keepalive,
    user_timeout: Duration,
    send_buffer_bytes: Option<u32>,
    receive_buffer_bytes: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            no_delay: false,
            reuse_address: false,
            linger_zero: false,
            keepalive: false,
            // `net.ipv4.tcp_keepalive_time`, `tcp_keepalive_intvl`, `tcp_keepalive_probes`.
            probes: Keepalive { time: Duration::from_secs(7200), interval: Duration::from_secs(75), retries: 9 },
            user_timeout: Duration::ZERO,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

/// The value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of most.
    Number(i32),
    /// Of `SO_LINGER`: how long a close waits, where it does.
    Linger(Option<Duration>),
}

impl Value {
    fn number(self) -> Result<i32, Errno> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Linger(_) => Err(Errno::INVALID),
        }
    }

    fn flag(self) -> Result<bool, Errno> {
        self.number().map(|number| number != 0)
    }

    /// A number that Linux takes from 1 to `most`.
    fn count(self, most: i32) -> Result<u32, Errno> {
        let number = self.number()?;
        if (1..=most).contains(&number) { Ok(number as u32) } else { Err(Errno::INVALID) }
    }
}

impl Settings {
    /// As the network has them.
    pub(super) fn tcp(&self) -> Options {
        Options {
            no_delay: self.no_delay,
            linger_zero: self.linger_zero,
            keepalive: self.keepalive.then_some(self.probes),
            user_timeout: Some(self.user_timeout).filter(|timeout| !timeout.is_zero()),
            reuse_address: self.reuse_address,
            send_buffer_bytes: self.send_buffer_bytes,
            receive_buffer_bytes: self.receive_buffer_bytes,
        }
    }

    /// Takes an option in; what follows from it on an open socket.
    fn set(&mut self, level: i32, name: i32, value: Value) -> Result<OptionSet, Errno> {
        // `MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPINTVL`, `MAX_TCP_KEEPCNT`.
        const LONGEST_SECONDS: i32 = 32_767;
        const MOST_PROBES: i32 = 127;
        match (level, name) {
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => {
                self.no_delay = value.flag()?;
                return Ok(if self.no_delay { OptionSet::NoDelay } else { OptionSet::Other });
            }
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => self.keepalive = value.flag()?,
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => {
                self.probes.time = Duration::from_secs(value.count(LONGEST_SECONDS)?.into());
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => {
                self.probes.interval = Duration::from_secs(value.count(LONGEST_SECONDS)?.into());
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => self.probes.retries = value.count(MOST_PROBES)?,
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
                let millis = u64::try_from(value.number()?).map_err(|_| Errno::INVALID)?;
                self.user_timeout = Duration::from_millis(millis);
            }
            _ => return self.set_quiet(level, name, value),
        }
        Ok(OptionSet::Timers)
    }

    /// Those that take effect by themselves.
    fn set_quiet(&mut self, level: i32, name: i32, value: Value) -> Result<OptionSet, Errno> {
        match (level, name, value) {
            (libc::SOL_SOCKET, libc::SO_REUSEADDR, value) => self.reuse_address = value.flag()?,
            (libc::SOL_SOCKET, libc::SO_LINGER, Value::Linger(time)) if time.is_none_or(|time| time.is_zero()) => {
                self.linger_zero = time.is_some();
            }
            (libc::SOL_SOCKET, libc::SO_SNDBUF, value) => {
                self.send_buffer_bytes = Some((value.number()?.max(0) as u32).max(SMALLEST_SEND_BUFFER_BYTES));
            }
            (libc::SOL_SOCKET, libc::SO_RCVBUF, value) => {
                self.receive_buffer_bytes = Some((value.number()?.max(0) as u32).max(SMALLEST_RECEIVE_BUFFER_BYTES));
            }
            // Both kinds of addresses are heard, as without it.
            (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, Value::Number(0)) => {}
            _ => return Err(Errno::NO_OPTION),
        }
        Ok(OptionSet::Other)
    }

    fn get(&self, level: i32, name: i32) -> Result<Value, Errno> {
        // Linux tells of twice as much as was asked for: its own share is in it.
        let doubled = |bytes: Option<u32>, usual| bytes.map_or(usual, |bytes| bytes.saturating_mul(2) as i32);
        let number = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                return Ok(Value::Linger(self.linger_zero.then_some(Duration::ZERO)));
            }
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => self.keepalive.into(),
            (libc::SOL_SOCKET, libc::SO_REUSEADDR) => self.reuse_address.into(),
            (libc::SOL_SOCKET, libc::SO_REUSEPORT) | (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) => 0,
            (libc::SOL_SOCKET, libc::SO_SNDBUF) => doubled(self.send_buffer_bytes, SHOWN_SEND_BUFFER_BYTES),
            (libc::SOL_SOCKET, libc::SO_RCVBUF) => doubled(self.receive_buffer_bytes, SHOWN_RECEIVE_BUFFER_BYTES),
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => self.no_delay.into(),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => self.probes.time.as_secs() as i32,
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => self.probes.interval.as_secs() as i32,
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => self.probes.retries as i32,
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => self.user_timeout.as_millis() as i32,
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => TIME_TO_LIVE,
            _ => return Err(Errno::NO_OPTION),
        };
        Ok(Value::Number(number))
    }
}

impl Call<'_> {
    /// `setsockopt(2)`. An option that the network cannot honour is an error.
    pub(crate) fn set_option(&mut self, socket: Descriptor, level: i32, name: i32, value: Value) -> Result<(), Errno> {
        let (_, file) = self.file(socket)?;
        let follows = file.settings.set(level, name, value)?;
        let (kind, options) = (file.kind, file.settings.tcp());
        match kind {
            Kind::Unconnected { .. } | Kind::Nowhere => {}
            Kind::Listener(number) => self.network.fabric.listener(number).options = options,
            Kind::Stream(stream) => self.network.fabric.set_options(stream, options, follows),
        }
        Ok(())
    }

    /// `getsockopt(2)`.
    pub(crate) fn option(&mut self, socket: Descriptor, level: i32, name: i32) -> Result<Value, Errno> {
        let (_, file) = self.file(socket)?;
        let (kind, is_v6) = (file.kind, file.is_v6);
        let number = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => return self.take_error(socket).map(Value::Number),
            (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) if is_v6 => libc::AF_INET6,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_INET,
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_TCP,
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => matches!(kind, Kind::Listener(_)).into(),
            _ => return file.settings.get(level, name),
        };
        Ok(Value::Number(number))
    }

    /// `SO_ERROR`: the pending error, which is none afterwards; of a connection that is being opened, how that has ended.
    fn take_error(&mut self, socket: Descriptor) -> Result<i32, Errno> {
        let (_, file) = self.file(socket)?;
        let Kind::Stream(stream) = file.kind else { return Ok(0) };
        let is_connecting = file.is_connecting;
        let error = if self.network.is_dead(stream) {
            None
        } else if is_connecting {
            let ended = self.network.fabric.connected(stream);
            if ended.is_some() {
                self.file(socket)?.1.is_connecting = false;
            }
            ended.and_then(Result::err)
        } else {
            self.network.fabric.take_error(stream)
        };
        Ok(error.map_or(0, |error| Errno::from(error).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keepalive_comes_in_four_calls_and_is_one_option() {
        let mut settings = Settings::default();
        for (name, seconds) in [(libc::TCP_KEEPIDLE, 20), (libc::TCP_KEEPINTVL, 5), (libc::TCP_KEEPCNT, 3)] {
            assert_eq!(settings.set(libc::IPPROTO_TCP, name, Value::Number(seconds)), Ok(OptionSet::Timers));
            assert_eq!(settings.get(libc::IPPROTO_TCP, name), Ok(Value::Number(seconds)));
        }
        assert_eq!(settings.tcp().keepalive, None);
        settings.set(libc::SOL_SOCKET, libc::SO_KEEPALIVE, Value::Number(1)).expect("it is known");
        let probes = Keepalive { time: Duration::from_secs(20), interval: Duration::from_secs(5), retries: 3 };
        assert_eq!(settings.tcp().keepalive, Some(probes));
    }

    #[test]
    fn what_the_network_cannot_honour_is_an_error() {
        let mut settings = Settings::default();
        for (level, name, value) in [
            (libc::SOL_SOCKET, libc::SO_REUSEPORT, Value::Number(1)),
            (libc::SOL_SOCKET, libc::SO_LINGER, Value::Linger(Some(Duration::from_secs(1)))),
            (libc::IPPROTO_IP, libc::IP_TTL, Value::Number(3)),
            (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, Value::Number(1)),
            (libc::IPPROTO_TCP, libc::TCP_CORK, Value::Number(1)),
        ] {
            assert_eq!(settings.set(level, name, value), Err(Errno::NO_OPTION), "{level}, {name}");
        }
        let idle = settings.set(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, Value::Number(0));
        assert_eq!(idle, Err(Errno::INVALID), "as on Linux");
    }

    #[test]
    fn buffers_are_shown_as_linux_shows_them() {
        let mut settings = Settings::default();
        settings.set(libc::SOL_SOCKET, libc::SO_RCVBUF, Value::Number(10_000)).expect("it is known");
        assert_eq!(settings.get(libc::SOL_SOCKET, libc::SO_RCVBUF), Ok(Value::Number(20_000)));
        assert_eq!(settings.tcp().receive_buffer_bytes, Some(10_000));
        settings.set(libc::SOL_SOCKET, libc::SO_SNDBUF, Value::Number(1)).expect("it is known");
        assert_eq!(settings.tcp().send_buffer_bytes, Some(SMALLEST_SEND_BUFFER_BYTES));
    }
}
