//! Halves that own their stream together.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::half::{half_addresses, reading_half, writing_half};
use crate::simulated::{Handle, Shared};
use crate::stream::TcpStream;
use crate::variant::Variant;

/// The reading half of a stream.
#[derive(Debug)]
pub struct OwnedReadHalf(pub(crate) Variant<tokio::net::tcp::OwnedReadHalf, Shared>);

/// The writing half of a stream. Dropping it shuts down writing, so that the peer reads the end of the stream.
#[derive(Debug)]
pub struct OwnedWriteHalf(pub(crate) Variant<tokio::net::tcp::OwnedWriteHalf, Writer>);

reading_half!(OwnedReadHalf);
writing_half!(OwnedWriteHalf);
half_addresses!(OwnedReadHalf);
half_addresses!(OwnedWriteHalf);

impl OwnedReadHalf {
    /// Makes one stream of the two halves again.
    ///
    /// # Errors
    /// Returns both when they are halves of different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    #[cfg(feature = "sim")]
    pub(crate) fn simulated(stream: Shared) -> Self {
        Self(Variant::Simulated(stream))
    }
}

impl OwnedWriteHalf {
    /// Makes one stream of the two halves again.
    ///
    /// # Errors
    /// Returns both when they are halves of different streams.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without shutting down writing: the stream is closed when the other half goes.
    pub fn forget(self) {
        match self.0 {
            Variant::Real(half) => half.forget(),
            Variant::Simulated(writer) => writer.forget(),
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn simulated(stream: Shared) -> Self {
        Self(Variant::Simulated(Writer { stream, shutdown_on_drop: true }))
    }
}

/// Two halves that are not of one stream, given back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are of different streams")
    }
}

impl Error for ReuniteError {}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    match (read.0, write.0) {
        (Variant::Real(read), Variant::Real(write)) => read.reunite(write).map(TcpStream::real).map_err(|error| {
            ReuniteError(OwnedReadHalf(Variant::Real(error.0)), OwnedWriteHalf(Variant::Real(error.1)))
        }),
        (Variant::Simulated(stream), Variant::Simulated(writer)) if stream.is_same(&writer.stream) => {
            writer.forget();
            Ok(stream.into_stream())
        }
        (read, write) => Err(ReuniteError(OwnedReadHalf(read), OwnedWriteHalf(write))),
    }
}

/// The right to write to a simulated stream, ended by dropping it.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: Shared,
    shutdown_on_drop: bool,
}

impl Writer {
    /// A writer that has shut down does not do so again when it goes, as tokio's.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shutdown = self.stream.poll_shutdown(cx);
        if matches!(shutdown, Poll::Ready(Ok(()))) {
            self.shutdown_on_drop = false;
        }
        shutdown
    }

    fn forget(mut self) {
        self.shutdown_on_drop = false;
    }
}

impl Deref for Writer {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.stream
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            self.stream.begin_shutdown();
        }
    }
}
