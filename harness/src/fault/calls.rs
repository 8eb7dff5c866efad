//! Calls of a process that fail by themselves, and what they fail with.

use std::io;

use serde::{Deserialize, Serialize};

/// A local socket call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IoCall {
    /// `read`.
    Read,
    /// `write`.
    Write,
    /// `flush`, which only the sockets of `halfopen-net` make a call of.
    Flush,
    /// `shutdown`.
    Shutdown,
    /// `accept`.
    Accept,
    /// `connect`. No SYN is sent.
    Connect,
}

impl IoCall {
    /// Every call, in declaration order.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Flush, Self::Shutdown, Self::Accept, Self::Connect];

    /// The call's name, as records tell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Shutdown => "shutdown",
            Self::Accept => "accept",
            Self::Connect => "connect",
        }
    }
}

/// What a local call fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IoErrorKind {
    /// ECONNRESET; WinError 10054.
    ConnectionReset,
    /// ECONNABORTED.
    ConnectionAborted,
    /// ENOTCONN.
    NotConnected,
    /// EPIPE.
    BrokenPipe,
    /// ETIMEDOUT.
    TimedOut,
    /// EMFILE: the process has no descriptor left.
    TooManyOpenFiles,
    /// ENFILE: the machine has none left.
    TooManyOpenFilesInSystem,
    /// ECONNREFUSED.
    ConnectionRefused,
    /// ENETUNREACH: no route, as when the interface is down.
    NetworkUnreachable,
    /// EHOSTUNREACH: a route, and no host there, as a router or a failed neighbour lookup tells it.
    HostUnreachable,
    /// ENETDOWN.
    NetworkDown,
    /// EADDRNOTAVAIL: no port is left to connect from.
    AddressNotAvailable,
    /// EADDRINUSE.
    AddressInUse,
    /// EACCES: a rule of the machine forbids it.
    PermissionDenied,
    /// EPERM: its packet filter drops what it sends.
    NotPermitted,
    /// ENOBUFS: the kernel has no memory for it.
    NoBufferSpace,
}

impl IoErrorKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 16] = [
        Self::ConnectionReset,
        Self::ConnectionAborted,
        Self::NotConnected,
        Self::BrokenPipe,
        Self::TimedOut,
        Self::TooManyOpenFiles,
        Self::TooManyOpenFilesInSystem,
        Self::ConnectionRefused,
        Self::NetworkUnreachable,
        Self::HostUnreachable,
        Self::NetworkDown,
        Self::AddressNotAvailable,
        Self::AddressInUse,
        Self::PermissionDenied,
        Self::NotPermitted,
        Self::NoBufferSpace,
    ];

    /// The number that Linux has for it on all architectures that Rust's std runs on but MIPS and SPARC.
    pub fn errno(self) -> i32 {
        match self {
            Self::NotPermitted => 1,
            Self::PermissionDenied => 13,
            Self::TooManyOpenFilesInSystem => 23,
            Self::TooManyOpenFiles => 24,
            Self::BrokenPipe => 32,
            Self::AddressInUse => 98,
            Self::AddressNotAvailable => 99,
            Self::NetworkDown => 100,
            Self::NetworkUnreachable => 101,
            Self::ConnectionAborted => 103,
            Self::ConnectionReset => 104,
            Self::NoBufferSpace => 105,
            Self::NotConnected => 107,
            Self::TimedOut => 110,
            Self::ConnectionRefused => 111,
            Self::HostUnreachable => 113,
        }
    }

    /// The error as the call returns it: with its number, and so with the kind and the words that std has for that.
    pub fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self.errno())
    }
}

/// How the lookup of a name fails. The words are those of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupError {
    /// There is no such name (NXDOMAIN; `EAI_NONAME`), at once.
    #[default]
    NoSuchName,
    /// The name has no address (`EAI_NODATA`), at once.
    NoAddress,
    /// The name server says that it has failed (SERVFAIL; `EAI_AGAIN`), at once.
    ServerFailure,
    /// No name server answers: `EAI_AGAIN` when two attempts of five seconds are over, as `resolv.conf` has it unless it
    /// says otherwise.
    NoAnswer,
}

impl LookupError {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 4] = [Self::NoSuchName, Self::NoAddress, Self::ServerFailure, Self::NoAnswer];
}
