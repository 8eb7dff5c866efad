//! What a process asks of its sockets: calls that may have to wait, that a seeded interleaving cuts short, and that find a dead process.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use halfopen_net::engine::SocketOption;
use tokio::io::ReadBuf;

use super::network::Network;
use super::options;
use crate::fabric::Socket;
use crate::fault::IoCall;

/// Which of a socket's calls a seeded interleaving may cut short: one in this many.
const INTERLEAVING_ODDS: u64 = 12;

/// How a call goes on under the seeded interleaving.
enum Course {
    /// As asked.
    Whole,
    /// The task is put behind the others that are ready.
    Yield,
    /// With fewer bytes.
    Short,
}

impl Network {
    /// Whether the process of a socket's end still lives. A dead one is told once, then waits for ever.
    #[inline]
    fn dead(&mut self, socket: Socket) -> Option<Poll<io::Error>> {
        let life = self.fabric.end(socket).life()?;
        if self.hosts.life(life).state.is_over() { Some(self.tell_dead(socket)) } else { None }
    }

    #[cold]
    fn tell_dead(&mut self, socket: Socket) -> Poll<io::Error> {
        if std::mem::replace(&mut self.waiting.on(socket).told_dead, true) {
            Poll::Pending
        } else {
            Poll::Ready(io::Error::new(io::ErrorKind::ConnectionReset, "this incarnation of the host is gone"))
        }
    }

    #[inline]
    fn course(&mut self, socket: Socket) -> Course {
        if self.interleaved { self.drawn_course(socket) } else { Course::Whole }
    }

    fn drawn_course(&mut self, socket: Socket) -> Course {
        let Some(life) = self.fabric.end(socket).life() else { return Course::Whole };
        match self.hosts.life_mut(life).interleaving.below(INTERLEAVING_ODDS) {
            0 => Course::Yield,
            1 => Course::Short,
            _ => Course::Whole,
        }
    }

    fn fewer(&mut self, socket: Socket, bytes: usize) -> usize {
        let Some(life) = self.fabric.end(socket).life() else { return bytes };
        1 + self.hosts.life_mut(life).interleaving.below(bytes as u64) as usize
    }

    /// Reads into `buf`; nothing put into it is the end of the stream. `wait` registers the task when there is nothing
    /// yet; without it the answer is `WouldBlock`.
    pub(crate) fn read(
        &mut self,
        socket: Socket,
        buf: &mut ReadBuf<'_>,
        wait: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<()>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if !self.fabric.is_readable(socket) {
            return match wait {
                Some(cx) => {
                    self.waiting.on(socket).readers.register(cx);
                    Poll::Pending
                }
                None => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
            };
        }
        if let Some(error) = self.fabric.armed_error(socket, IoCall::Read) {
            return Poll::Ready(Err(error));
        }
        let mut most = buf.remaining();
        if most == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(cx) = &wait {
            match self.course(socket) {
                Course::Whole => {}
                Course::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Course::Short => most = self.fewer(socket, most.max(1)),
            }
        }
        Poll::Ready(self.fabric.read(socket, most, |piece| buf.put_slice(piece)))
    }

    /// Copies what could be read without taking it.
    pub(crate) fn peek(&mut self, socket: Socket, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if self.fabric.is_readable(socket) {
            return Poll::Ready(self.fabric.peek(socket, most));
        }
        self.waiting.on(socket).readers.register(cx);
        Poll::Pending
    }

    /// Waits until a read or write would not wait.
    pub(crate) fn ready(&mut self, socket: Socket, read: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        let ready = if read { self.fabric.is_readable(socket) } else { self.fabric.is_writable(socket) };
        if ready {
            return Poll::Ready(Ok(()));
        }
        if read {
            self.waiting.on(socket).readers.register(cx);
        } else {
            self.await_writable(socket, cx);
        }
        Poll::Pending
    }

    fn await_writable(&mut self, socket: Socket, cx: &Context<'_>) {
        self.waiting.on(socket).writers.register(cx);
        self.fabric.await_writable(socket);
    }

    /// Takes bytes into the send buffer.
    pub(crate) fn write(
        &mut self,
        socket: Socket,
        bytes: &[u8],
        wait: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<usize>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if let Some(error) = self.fabric.armed_error(socket, IoCall::Write) {
            return Poll::Ready(Err(error));
        }
        if let Err(error) = self.fabric.check_write(socket) {
            return Poll::Ready(Err(error));
        }
        let mut most = bytes.len();
        if let Some(cx) = wait.as_ref().filter(|_| most > 0) {
            match self.course(socket) {
                Course::Whole => {}
                Course::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Course::Short => most = self.fewer(socket, most),
            }
        }
        let space = self.fabric.send_space(socket);
        if space == 0 {
            let Some(cx) = wait else { return Poll::Ready(Err(io::ErrorKind::WouldBlock.into())) };
            self.await_writable(socket, cx);
            return Poll::Pending;
        }
        let n = most.min(space);
        if n > 0 {
            self.fabric.write(socket, &bytes[..n]);
        }
        Poll::Ready(Ok(n))
    }

    /// A flush has nothing to do (the kernel sends by itself), but a fault may make it fail.
    pub(crate) fn flush(&mut self, socket: Socket) -> Poll<io::Result<()>> {
        Poll::Ready(self.fabric.armed_error(socket, IoCall::Flush).map_or(Ok(()), Err))
    }

    /// Queues the FIN.
    pub(crate) fn shutdown(&mut self, socket: Socket) -> Poll<io::Result<()>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if let Some(error) = self.fabric.armed_error(socket, IoCall::Shutdown) {
            return Poll::Ready(Err(error));
        }
        self.fabric.shut_down(socket);
        Poll::Ready(Ok(()))
    }

    /// How a started connection stands; waits while it does not.
    pub(crate) fn connected(&mut self, socket: Socket, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.fabric.end(socket).life().is_some_and(|life| self.hosts.life(life).state.is_over()) {
            return Poll::Pending;
        }
        match self.fabric.connected(socket) {
            Some(result) => Poll::Ready(result),
            None => {
                self.waiting.on(socket).writers.register(cx);
                self.fabric.await_connected(socket);
                Poll::Pending
            }
        }
    }

    /// Sets an option.
    ///
    /// # Errors
    /// `Unsupported` for what is not simulated.
    pub(crate) fn set_option(&mut self, socket: Socket, option: SocketOption) -> io::Result<()> {
        let mut known = *self.fabric.end(socket).tcp().options();
        options::set(&mut known, option)?;
        self.fabric.set_options(socket, known, options::what(option));
        Ok(())
    }
}
