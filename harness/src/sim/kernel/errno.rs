//! The errors of system calls.

use std::io;

/// An error number of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    /// The call would wait.
    pub(crate) const AGAIN: Self = Self(libc::EAGAIN);
    /// There is no such descriptor.
    pub(crate) const BAD_DESCRIPTOR: Self = Self(libc::EBADF);
    /// The call is refused.
    pub(crate) const ACCESS: Self = Self(libc::EACCES);
    /// The call means nothing here.
    pub(crate) const INVALID: Self = Self(libc::EINVAL);
    /// The socket is not connected.
    pub(crate) const NOT_CONNECTED: Self = Self(libc::ENOTCONN);
    /// The socket is connected already.
    pub(crate) const IS_CONNECTED: Self = Self(libc::EISCONN);
    /// A connection is being opened.
    pub(crate) const IN_PROGRESS: Self = Self(libc::EINPROGRESS);
    /// One is being opened already.
    pub(crate) const ALREADY: Self = Self(libc::EALREADY);
    /// The peer, or the process itself, has ended the connection.
    pub(crate) const BROKEN_PIPE: Self = Self(libc::EPIPE);
    /// The address is of another family than the socket.
    pub(crate) const OTHER_FAMILY: Self = Self(libc::EAFNOSUPPORT);
    /// There is no such option.
    pub(crate) const NO_OPTION: Self = Self(libc::ENOPROTOOPT);
    /// The process has too many descriptors.
    pub(crate) const TOO_MANY_FILES: Self = Self(libc::EMFILE);
    /// There is such an entry already.
    pub(crate) const EXISTS: Self = Self(libc::EEXIST);
    /// There is no such entry.
    pub(crate) const NO_ENTRY: Self = Self(libc::ENOENT);
    /// The descriptor is of a kind that the call is not for.
    pub(crate) const NO_TERMINAL: Self = Self(libc::ENOTTY);
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let number = error.raw_os_error().unwrap_or(match error.kind() {
            Kind::ConnectionReset => libc::ECONNRESET,
            Kind::BrokenPipe => libc::EPIPE,
            Kind::ConnectionRefused => libc::ECONNREFUSED,
            Kind::ConnectionAborted => libc::ECONNABORTED,
            Kind::TimedOut => libc::ETIMEDOUT,
            Kind::WouldBlock => libc::EAGAIN,
            Kind::AddrInUse => libc::EADDRINUSE,
            Kind::AddrNotAvailable => libc::EADDRNOTAVAIL,
            Kind::HostUnreachable => libc::EHOSTUNREACH,
            Kind::NetworkUnreachable => libc::ENETUNREACH,
            Kind::NetworkDown => libc::ENETDOWN,
            Kind::NotConnected => libc::ENOTCONN,
            Kind::InvalidInput => libc::EINVAL,
            Kind::Interrupted => libc::EINTR,
            Kind::Unsupported => libc::EOPNOTSUPP,
            Kind::OutOfMemory => libc::ENOMEM,
            Kind::PermissionDenied => libc::EACCES,
            _ => libc::EIO,
        });
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_network_reads_as_the_same_kind_once_it_is_a_number() {
        for kind in [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::TimedOut,
            io::ErrorKind::WouldBlock,
            io::ErrorKind::AddrInUse,
            io::ErrorKind::AddrNotAvailable,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::NotConnected,
            io::ErrorKind::InvalidInput,
            io::ErrorKind::Unsupported,
            io::ErrorKind::PermissionDenied,
        ] {
            let Errno(number) = Errno::from(io::Error::from(kind));
            assert_eq!(io::Error::from_raw_os_error(number).kind(), kind);
        }
        assert_eq!(Errno::from(io::Error::from_raw_os_error(libc::EMFILE)), Errno::TOO_MANY_FILES);
    }
}
