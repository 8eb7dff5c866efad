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

/// Why a call cannot go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// It would have to wait for the network.
    Blocked,
    /// The task is put behind the others that are ready.
    Yield,
    /// The process is dead and has been told so.
    Silence,
}

/// What a call comes to, or why it does not.
pub(crate) type Answer<T> = Result<io::Result<T>, Pause>;

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
    fn dead(&mut self, socket: Socket) -> Option<Result<io::Error, Pause>> {
        if self.is_dead(socket) { Some(self.tell_dead(socket)) } else { None }
    }

    /// Whether the process that a socket's end was made for is gone.
    #[inline]
    pub(crate) fn is_dead(&self, socket: Socket) -> bool {
        self.fabric.end(socket).life().is_some_and(|life| self.hosts.life(life).state.is_over())
    }

    #[cold]
    fn tell_dead(&mut self, socket: Socket) -> Result<io::Error, Pause> {
        if std::mem::replace(&mut self.waiting.on(socket).told_dead, true) {
            Err(Pause::Silence)
        } else {
            Ok(io::Error::new(io::ErrorKind::ConnectionReset, "this incarnation of the host is gone"))
        }
    }

    /// What a task of the seam does about a call: it waits where the call has to, if it has something to wait with.
    fn settle<T>(
        &mut self,
        socket: Socket,
        for_read: bool,
        answer: Answer<T>,
        wait: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<T>> {
        match (answer, wait) {
            (Ok(result), _) => Poll::Ready(result),
            (Err(Pause::Silence), _) => Poll::Pending,
            (Err(Pause::Blocked | Pause::Yield), None) => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
            (Err(Pause::Yield), Some(cx)) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (Err(Pause::Blocked), Some(cx)) => {
                if for_read {
                    self.waiting.on(socket).readers.register(cx);
                } else {
                    self.await_writable(socket, cx);
                }
                Poll::Pending
            }
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
    #[inline]
    pub(crate) fn read(
        &mut self,
        socket: Socket,
        buf: &mut ReadBuf<'_>,
        wait: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<()>> {
        let answer = self.read_now(socket, buf, wait.is_some());
        self.settle(socket, true, answer, wait)
    }

    /// The same without waiting. A seeded interleaving may cut it short where `cut` says so.
    #[inline]
    pub(crate) fn read_now(&mut self, socket: Socket, buf: &mut ReadBuf<'_>, cut: bool) -> Answer<()> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if !self.fabric.is_readable(socket) {
            return Err(Pause::Blocked);
        }
        if let Some(error) = self.fabric.armed_error(socket, IoCall::Read) {
            return Ok(Err(error));
        }
        let mut most = buf.remaining();
        if most == 0 {
            return Ok(Ok(()));
        }
        if cut {
            match self.course(socket) {
                Course::Whole => {}
                Course::Yield => return Err(Pause::Yield),
                Course::Short => most = self.fewer(socket, most.max(1)),
            }
        }
        Ok(self.fabric.read(socket, most, |piece| buf.put_slice(piece)))
    }

    /// Copies what could be read without taking it.
    pub(crate) fn peek(&mut self, socket: Socket, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let answer = self.peek_now(socket, most);
        self.settle(socket, true, answer, Some(cx))
    }

    /// The same without waiting.
    pub(crate) fn peek_now(&mut self, socket: Socket, most: usize) -> Answer<Bytes> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if self.fabric.is_readable(socket) { Ok(self.fabric.peek(socket, most)) } else { Err(Pause::Blocked) }
    }

    /// Waits until a read or write would not wait.
    pub(crate) fn ready(&mut self, socket: Socket, read: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = match self.dead(socket) {
            Some(dead) => dead.map(Err),
            None if read && self.fabric.is_readable(socket) => Ok(Ok(())),
            None if !read && self.fabric.is_writable(socket) => Ok(Ok(())),
            None => Err(Pause::Blocked),
        };
        self.settle(socket, read, answer, Some(cx))
    }

    fn await_writable(&mut self, socket: Socket, cx: &Context<'_>) {
        self.waiting.on(socket).writers.register(cx);
        self.fabric.await_writable(socket);
    }

    /// Takes bytes into the send buffer.
    #[inline]
    pub(crate) fn write(
        &mut self,
        socket: Socket,
        bytes: &[u8],
        wait: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<usize>> {
        let answer = self.write_now(socket, bytes, wait.is_some());
        self.settle(socket, false, answer, wait)
    }

    /// The same without waiting. A seeded interleaving may cut it short where `cut` says so.
    #[inline]
    pub(crate) fn write_now(&mut self, socket: Socket, bytes: &[u8], cut: bool) -> Answer<usize> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if let Some(error) = self.fabric.armed_error(socket, IoCall::Write) {
            return Ok(Err(error));
        }
        if let Err(error) = self.fabric.check_write(socket) {
            return Ok(Err(error));
        }
        let mut most = bytes.len();
        if cut && most > 0 {
            match self.course(socket) {
                Course::Whole => {}
                Course::Yield => return Err(Pause::Yield),
                Course::Short => most = self.fewer(socket, most),
            }
        }
        let space = self.fabric.send_space(socket);
        if space == 0 {
            return Err(Pause::Blocked);
        }
        let n = most.min(space);
        if n > 0 {
            self.fabric.write(socket, &bytes[..n]);
        }
        Ok(Ok(n))
    }

    /// A flush has nothing to do (the kernel sends by itself), but a fault may make it fail.
    pub(crate) fn flush(&mut self, socket: Socket) -> Poll<io::Result<()>> {
        Poll::Ready(self.fabric.armed_error(socket, IoCall::Flush).map_or(Ok(()), Err))
    }

    /// Queues the FIN.
    pub(crate) fn shutdown(&mut self, socket: Socket) -> Poll<io::Result<()>> {
        let answer = self.shutdown_now(socket);
        self.settle(socket, false, answer, None)
    }

    /// The same; a dead process has no answer.
    pub(crate) fn shutdown_now(&mut self, socket: Socket) -> Answer<()> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if let Some(error) = self.fabric.armed_error(socket, IoCall::Shutdown) {
            return Ok(Err(error));
        }
        self.fabric.shut_down(socket);
        Ok(Ok(()))
    }

    /// How a started connection stands; waits while it does not.
    pub(crate) fn connected(&mut self, socket: Socket, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.is_dead(socket) {
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
