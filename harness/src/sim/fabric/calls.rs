//! What a process asks of its sockets.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use halfopen_net::engine::SocketOption;
use tokio::io::ReadBuf;

use super::connection::{EndState, Fin, sender};
use super::failures::{outcome, strike};
use super::ports::shown;
use super::transmit::LARGEST_PACKET_BYTES;
use super::{Network, Socket};
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
    fn dead(&mut self, socket: Socket) -> Option<Poll<io::Error>> {
        let end = self.connection(socket.connection).end(socket.side);
        let life = end.life?;
        if !self.hosts.life(life).state.is_over() {
            return None;
        }
        let told = std::mem::replace(&mut self.connection_mut(socket.connection).end_mut(socket.side).told_dead, true);
        Some(if told {
            Poll::Pending
        } else {
            Poll::Ready(io::Error::new(io::ErrorKind::ConnectionReset, "this incarnation of the host is gone"))
        })
    }

    fn course(&mut self, socket: Socket) -> Course {
        if !self.interleaved {
            return Course::Whole;
        }
        self.drawn_course(socket)
    }

    fn drawn_course(&mut self, socket: Socket) -> Course {
        let Some(life) = self.connection(socket.connection).end(socket.side).life else { return Course::Whole };
        match self.hosts.life_mut(life).interleaving.below(INTERLEAVING_ODDS) {
            0 => Course::Yield,
            1 => Course::Short,
            _ => Course::Whole,
        }
    }

    fn fewer(&mut self, socket: Socket, bytes: usize) -> usize {
        let Some(life) = self.connection(socket.connection).end(socket.side).life else { return bytes };
        1 + self.hosts.life_mut(life).interleaving.below(bytes as u64) as usize
    }

    /// A local error that a fault has armed for this call, counted down.
    #[inline]
    fn armed_error(&mut self, socket: Socket, call: IoCall) -> Option<io::Error> {
        if self.connection(socket.connection).end(socket.side).armed.is_empty() {
            return None;
        }
        self.count_down(socket, call)
    }

    fn count_down(&mut self, socket: Socket, call: IoCall) -> Option<io::Error> {
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        let armed = strike(&mut end.armed, call)?;
        let name = call.name();
        self.bite(armed.fault, socket.connection, || format!("the {name} call itself"));
        self.observe(socket, name, outcome(armed.kind));
        Some(armed.kind.error())
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
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if !end.readable() {
            return match wait {
                Some(cx) => {
                    end.readers.register(cx);
                    Poll::Pending
                }
                None => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
            };
        }
        if let Some(error) = self.armed_error(socket, IoCall::Read) {
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
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if end.received_bytes > 0 {
            let taken = end.take_received(buf, most);
            self.buffered_bytes = self.buffered_bytes.saturating_sub(taken);
            self.reopen_window(socket, taken);
            return Poll::Ready(Ok(()));
        }
        // Behind a FIN there is no error to be read.
        let error = if end.reset && !end.fin_received { end.error.take() } else { None };
        self.observe(socket, "read", error.map_or_else(|| "eof".to_owned(), |kind| format!("{kind:?}")));
        Poll::Ready(error.map_or(Ok(()), |kind| Err(kind.into())))
    }

    /// What was read makes room for as much.
    fn reopen_window(&mut self, socket: Socket, bytes: usize) {
        let direction = socket.side.peer().sends();
        let connection = self.connection_mut(socket.connection);
        if connection.end(socket.side).reset || connection.end(sender(direction)).reset {
            return;
        }
        // For what came beyond the window it is open already.
        let end = connection.end_mut(socket.side);
        let surplus = end.surplus.min(bytes);
        end.surplus -= surplus;
        if bytes > surplus {
            self.schedule_return(socket.connection, direction, 0, bytes - surplus);
        }
    }

    /// Copies what could be read without taking it.
    pub(crate) fn peek(&mut self, socket: Socket, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if end.received_bytes > 0 {
            return Poll::Ready(Ok(end.peek_received(most)));
        }
        if end.reset && !end.fin_received {
            return Poll::Ready(match end.error.take() {
                Some(kind) => Err(kind.into()),
                None => Ok(Bytes::new()),
            });
        }
        if end.fin_received {
            return Poll::Ready(Ok(Bytes::new()));
        }
        end.readers.register(cx);
        Poll::Pending
    }

    /// Whether a write would not wait.
    pub(crate) fn writable(&mut self, socket: Socket) -> bool {
        self.collect_returns(socket.connection, socket.side.sends());
        let end = self.connection(socket.connection).end(socket.side);
        end.reset || end.fin != Fin::Open || (end.state == EndState::Established && end.send_space() > 0)
    }

    /// Waits until a read or write would not wait.
    pub(crate) fn ready(&mut self, socket: Socket, read: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        let ready =
            if read { self.connection(socket.connection).end(socket.side).readable() } else { self.writable(socket) };
        if ready {
            return Poll::Ready(Ok(()));
        }
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if read {
            end.readers.register(cx);
        } else {
            end.writers.register(cx);
            self.await_space(socket.connection, socket.side.sends());
        }
        Poll::Pending
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
        if let Some(error) = self.armed_error(socket, IoCall::Write) {
            return Poll::Ready(Err(error));
        }
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if end.reset || end.fin != Fin::Open {
            let kind = if end.reset { end.error.take() } else { None }.unwrap_or(io::ErrorKind::BrokenPipe);
            self.observe(socket, "write", format!("{kind:?}"));
            return Poll::Ready(Err(kind.into()));
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
        self.collect_returns(socket.connection, socket.side.sends());
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        let n = most.min(end.send_space());
        if bytes.is_empty() && end.send_space() > 0 {
            return Poll::Ready(Ok(0));
        }
        if n == 0 {
            let Some(cx) = wait else { return Poll::Ready(Err(io::ErrorKind::WouldBlock.into())) };
            end.writers.register(cx);
            self.await_space(socket.connection, socket.side.sends());
            return Poll::Pending;
        }
        let bytes = Bytes::copy_from_slice(&bytes[..n]);
        if end.unsent_bytes == 0 && n <= end.window.min(LARGEST_PACKET_BYTES) && end.held_back(n) == 0 {
            // Nothing waits before them, and the peer's window takes them.
            end.note_sent(n);
            self.transmit_bytes(socket.connection, socket.side.sends(), bytes);
        } else {
            end.unsent.push_back(bytes);
            end.unsent_bytes += n;
            self.buffered_bytes += n;
            self.transmit(socket);
        }
        Poll::Ready(Ok(n))
    }

    /// A flush has nothing to do (the kernel sends by itself), but a fault may make it fail.
    pub(crate) fn flush(&mut self, socket: Socket) -> Poll<io::Result<()>> {
        match self.armed_error(socket, IoCall::Flush) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Queues the FIN.
    pub(crate) fn shutdown(&mut self, socket: Socket) -> Poll<io::Result<()>> {
        if let Some(dead) = self.dead(socket) {
            return dead.map(Err);
        }
        if let Some(error) = self.armed_error(socket, IoCall::Shutdown) {
            return Poll::Ready(Err(error));
        }
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if !end.reset && end.fin == Fin::Open {
            end.fin = Fin::Queued;
            self.transmit(socket);
        }
        Poll::Ready(Ok(()))
    }

    /// `SO_ERROR`.
    pub(crate) fn take_error(&mut self, socket: Socket) -> Option<io::Error> {
        self.connection_mut(socket.connection).end_mut(socket.side).error.take().map(io::Error::from)
    }

    /// Sets an option.
    ///
    /// # Errors
    /// `Unsupported` for what is not simulated.
    pub(crate) fn set_option(&mut self, socket: Socket, option: SocketOption) -> io::Result<()> {
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        end.options.set(option)?;
        end.no_delay = end.options.no_delay;
        match option {
            // What was held back leaves.
            SocketOption::NoDelay(true) => self.transmit(socket),
            SocketOption::KeepAlive(_) | SocketOption::UserTimeout(_) => self.begin_patience(socket),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn addresses(&self, socket: Socket) -> (std::net::SocketAddr, std::net::SocketAddr) {
        let connection = self.connection(socket.connection);
        let end = connection.end(socket.side);
        (shown(end.address, end.mapped), shown(connection.end(socket.side.peer()).address, end.mapped))
    }

    pub(crate) fn is_connected(&self, socket: Socket) -> bool {
        let connection = self.connection(socket.connection);
        let (end, peer) = (connection.end(socket.side), connection.end(socket.side.peer()));
        // Each has sent its FIN, and knows that the other has it.
        let acknowledged = peer.fin_received && peer.fin_received_at + connection.link.latency <= self.now;
        let is_over = end.fin == Fin::Sent && end.fin_received && acknowledged;
        end.state == EndState::Established && !end.reset && !is_over
    }
}
