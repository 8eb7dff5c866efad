//! Bytes: what is read and written.

use tokio::io::ReadBuf;

use super::{Call, Descriptor, Errno, Kind};
use crate::fabric::Socket;
use crate::sim::calls::Pause;
use crate::sim::wakers::FileIndex;

/// A stream that a call is for.
#[derive(Clone, Copy)]
struct Target {
    index: FileIndex,
    stream: Socket,
    waits: bool,
    is_closed_told: bool,
}

impl Call<'_> {
    fn target(&mut self, socket: Descriptor) -> Result<Target, Errno> {
        let (index, file) = self.file(socket)?;
        match file.kind {
            Kind::Stream(stream) => {
                let (waits, is_closed_told) = (!file.is_nonblocking, file.is_closed_told);
                Ok(Target { index, stream, waits, is_closed_told })
            }
            Kind::Unconnected { .. } | Kind::Listener(_) => Err(Errno::NOT_CONNECTED),
            Kind::Nowhere => Err(Errno::AGAIN),
        }
    }

    /// `recv(2)`: nothing put into `buf` is the end of the stream. With `peek` the bytes stay.
    pub(crate) fn read(&mut self, socket: Descriptor, buf: &mut ReadBuf<'_>, peek: bool) -> Result<(), Errno> {
        let target = self.target(socket)?;
        let Target { index, stream, .. } = target;
        if self.file(socket)?.1.is_read_shut {
            return Ok(());
        }
        let answer = if peek {
            self.network.peek_now(stream, buf.remaining()).map(|seen| seen.map(|bytes| buf.put_slice(&bytes)))
        } else {
            self.network.read_now(stream, buf, true)
        };
        self.network.fabric.end_call(stream);
        match answer {
            Ok(result) => {
                result?;
                // A short read is the last of what is there, to who reads: where it is not, there is news again.
                let is_short = !buf.filled().is_empty() && buf.remaining() > 0;
                if is_short && self.network.fabric.is_readable(stream) {
                    self.network.waiting.ready_files.push(index);
                }
                Ok(())
            }
            Err(Pause::Blocked) => {
                self.network.waiting.on(stream).read_blocked = true;
                Err(self.would_wait(target, "read on a socket that blocks"))
            }
            Err(Pause::Yield) => Err(self.try_again(index)),
            // The end instead, where silence would be asked again for ever.
            Err(Pause::Silence) if target.is_closed_told => Ok(()),
            Err(Pause::Silence) => Err(Errno::AGAIN),
        }
    }

    /// `send(2)`: how many of the bytes were taken.
    pub(crate) fn write(&mut self, socket: Descriptor, bytes: &[u8]) -> Result<usize, Errno> {
        let target = self.target(socket)?;
        let Target { index, stream, .. } = target;
        let answer = self.network.write_now(stream, bytes, true);
        let result = match answer {
            Ok(Ok(n)) => {
                if n < bytes.len() {
                    self.await_room(index, stream);
                }
                Ok(n)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(Pause::Blocked) => {
                self.network.waiting.on(stream).write_blocked = true;
                self.network.fabric.await_writable(stream);
                Err(self.would_wait(target, "write on a socket that blocks"))
            }
            Err(Pause::Yield) => Err(self.try_again(index)),
            Err(Pause::Silence) if target.is_closed_told => Err(Errno::BROKEN_PIPE),
            Err(Pause::Silence) => Err(Errno::AGAIN),
        };
        self.network.fabric.end_call(stream);
        result
    }

    /// A gathered write has taken all that it was given, and was not given all: there is room, and there is news of it.
    pub(crate) fn gathered_in_part(&mut self, socket: Descriptor) {
        if let Ok(Target { index, stream, .. }) = self.target(socket) {
            self.await_room(index, stream);
        }
    }

    /// A short write leaves no room, to who writes: where it does, there is news again, and where it does not, later.
    fn await_room(&mut self, index: FileIndex, stream: Socket) {
        if self.network.fabric.is_writable(stream) {
            self.network.waiting.ready_files.push(index);
        } else {
            self.network.fabric.await_writable(stream);
        }
    }

    fn would_wait(&mut self, target: Target, call: &'static str) -> Errno {
        if target.waits {
            self.kernel.blocks(call);
        }
        Errno::AGAIN
    }

    /// The caller is put behind the others that are ready.
    fn try_again(&mut self, index: FileIndex) -> Errno {
        self.network.waiting.ready_files.push(index);
        Errno::AGAIN
    }
}
