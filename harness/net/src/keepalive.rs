//! How a kernel finds out that a silent peer is gone.

use std::time::Duration;

/// Probes of an idle connection (RFC 9293, 3.8.4): after `time` without a word from the peer one is sent, then one each
/// `interval`; when `retries` in a row have found no answer the connection fails with `TimedOut`.
///
/// ```
/// use std::time::Duration;
/// use halfopen_net::Keepalive;
///
/// let keepalive = Keepalive { time: Duration::from_secs(20), ..Keepalive::default() };
/// assert_eq!(keepalive.retries, 9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// `TCP_KEEPIDLE`, whole seconds.
    pub time: Duration,
    /// `TCP_KEEPINTVL`, whole seconds.
    pub interval: Duration,
    /// `TCP_KEEPCNT`.
    pub retries: u32,
}

impl Default for Keepalive {
    /// Linux's: two hours, 75 s, nine probes (`net.ipv4.tcp_keepalive_*`).
    fn default() -> Self {
        Self { time: Duration::from_secs(2 * 3600), interval: Duration::from_secs(75), retries: 9 }
    }
}

#[cfg(feature = "socket2")]
mod set {
    use std::io;
    use std::time::Duration;

    use super::Keepalive;
    use crate::stream::TcpStream;

    /// What `tokio::net` has no call for and services set through `socket2`.
    impl TcpStream {
        /// Sets `SO_KEEPALIVE` with its times, or unsets it.
        ///
        /// # Errors
        /// Those of `setsockopt(2)`.
        pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
            self.either(
                |real| {
                    let socket = socket2::SockRef::from(real);
                    let Some(Keepalive { time, interval, retries }) = keepalive else {
                        return socket.set_keepalive(false);
                    };
                    let times = socket2::TcpKeepalive::new().with_time(time).with_interval(interval);
                    socket.set_tcp_keepalive(&times.with_retries(retries))
                },
                |simulated| simulated.set_keepalive(keepalive),
            )
        }

        /// Sets `TCP_USER_TIMEOUT` (RFC 5482): how long sent data may stay unacknowledged, or a closed window keep data
        /// from being sent, before the connection fails with `TimedOut`. `None` is the kernel's own patience
        /// (`net.ipv4.tcp_retries2`, about a quarter of an hour).
        ///
        /// # Errors
        /// Those of `setsockopt(2)`.
        #[cfg(target_os = "linux")]
        pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            self.either(
                |real| socket2::SockRef::from(real).set_tcp_user_timeout(timeout),
                |simulated| simulated.set_user_timeout(timeout),
            )
        }
    }
}
