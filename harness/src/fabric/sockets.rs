//! What a process does with a socket that does not have to wait.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use super::connection::sender;
use super::failures::{outcome, strike};
use super::ports::shown;
use super::{Fabric, Socket};
use crate::fault::IoCall;
use crate::tcp::{EndState, Options, Written};

impl Fabric {
    /// A local error that a fault has armed for this call, counted down.
    #[inline]
    pub(crate) fn armed_error(&mut self, socket: Socket, call: IoCall) -> Option<io::Error> {
        if self.end(socket).armed.is_empty() { None } else { self.count_down(socket, call) }
    }

    fn count_down(&mut self, socket: Socket, call: IoCall) -> Option<io::Error> {
        let armed = strike(&mut self.end_mut(socket).armed, call)?;
        let name = call.name();
        self.record_effect(armed.fault, socket.connection, || format!("the {name} call itself"));
        self.record_observed(socket, name, outcome(armed.kind));
        Some(armed.kind.error())
    }

    /// Whether a read would not wait.
    #[inline]
    pub(crate) fn is_readable(&self, socket: Socket) -> bool {
        self.end(socket).tcp.is_readable()
    }

    /// Reads up to `most` bytes of a readable socket, and gives them to `put` piece by piece; nothing is the end of the stream.
    ///
    /// # Errors
    /// As those of `read(2)`.
    #[inline]
    pub(crate) fn read(&mut self, socket: Socket, most: usize, put: impl FnMut(&[u8])) -> io::Result<()> {
        let tcp = &mut self.end_mut(socket).tcp;
        if tcp.received_bytes() > 0 {
            let taken = tcp.read(most, put);
            self.buffered_bytes = self.buffered_bytes.saturating_sub(taken);
            self.reopen_window(socket, taken);
            return Ok(());
        }
        let error = tcp.read_error();
        self.record_observed(socket, "read", error.map_or_else(|| "eof".to_owned(), |kind| format!("{kind:?}")));
        error.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// What was read makes room for as much.
    fn reopen_window(&mut self, socket: Socket, bytes: usize) {
        let direction = socket.side.peer().sends();
        let connection = self.connection_mut(socket.connection);
        if connection.end(socket.side).tcp.is_reset() || connection.end(sender(direction)).tcp.is_reset() {
            return;
        }
        let window = connection.end_mut(socket.side).tcp.reopen_window(bytes);
        if window > 0 {
            self.schedule_return(socket.connection, direction, 0, window);
        }
    }

    /// Copies what could be read of a readable socket without taking it.
    ///
    /// # Errors
    /// As those of `recv(2)`.
    pub(crate) fn peek(&mut self, socket: Socket, most: usize) -> io::Result<Bytes> {
        let tcp = &mut self.end_mut(socket).tcp;
        if tcp.received_bytes() > 0 {
            return Ok(tcp.peek(most));
        }
        tcp.read_error().map_or(Ok(Bytes::new()), |kind| Err(kind.into()))
    }

    /// Whether a write would not wait.
    pub(crate) fn is_writable(&mut self, socket: Socket) -> bool {
        self.collect_returns(socket.connection, socket.side.sends());
        self.end(socket).tcp.is_writable()
    }

    /// What a write fails with, if this end sends nothing more.
    ///
    /// # Errors
    /// As those of `write(2)`.
    #[inline]
    pub(crate) fn check_write(&mut self, socket: Socket) -> io::Result<()> {
        match self.end_mut(socket).tcp.write_error() {
            None => Ok(()),
            Some(kind) => {
                self.record_observed(socket, "write", format!("{kind:?}"));
                Err(kind.into())
            }
        }
    }

    /// How many bytes the socket's send buffer takes now.
    #[inline]
    pub(crate) fn send_space(&mut self, socket: Socket) -> usize {
        self.collect_returns(socket.connection, socket.side.sends());
        self.end(socket).tcp.send_space()
    }

    /// Takes bytes, for which there is space, into the send buffer.
    pub(crate) fn write(&mut self, socket: Socket, bytes: &[u8]) {
        match self.end_mut(socket).tcp.write(Bytes::copy_from_slice(bytes)) {
            Written::Leaves(bytes) => self.transmit_bytes(socket.connection, socket.side.sends(), bytes),
            Written::Queued => {
                self.buffered_bytes += bytes.len();
                self.transmit(socket);
            }
        }
    }

    /// Somebody waits until a write would not wait.
    pub(crate) fn await_writable(&mut self, socket: Socket) {
        self.end_mut(socket).is_awaited = true;
        self.await_space(socket.connection, socket.side.sends());
    }

    /// Somebody waits for the end of the handshake.
    pub(crate) fn await_connected(&mut self, socket: Socket) {
        self.end_mut(socket).is_awaited = true;
    }

    /// Queues the FIN.
    pub(crate) fn shut_down(&mut self, socket: Socket) {
        if self.end_mut(socket).tcp.shut_down() {
            self.transmit(socket);
        }
    }

    /// `SO_ERROR`.
    pub(crate) fn take_error(&mut self, socket: Socket) -> Option<io::Error> {
        self.end_mut(socket).tcp.take_error().map(io::Error::from)
    }

    /// Sets a socket's options, and does what follows from the one that was set.
    pub(crate) fn set_options(&mut self, socket: Socket, options: Options, what: OptionSet) {
        self.end_mut(socket).tcp.set_options(options);
        match what {
            // What was held back leaves.
            OptionSet::NoDelay => self.transmit(socket),
            OptionSet::Timers => self.begin_timers(socket),
            OptionSet::Other => {}
        }
    }

    pub(crate) fn addresses(&self, socket: Socket) -> (SocketAddr, SocketAddr) {
        let connection = self.connection(socket.connection);
        let end = connection.end(socket.side);
        let peer = connection.end(socket.side.peer());
        (shown(end.tcp.address(), end.mapped), shown(peer.tcp.address(), end.mapped))
    }

    pub(crate) fn is_connected(&self, socket: Socket) -> bool {
        let connection = self.connection(socket.connection);
        let (end, peer) = (&connection.end(socket.side).tcp, &connection.end(socket.side.peer()).tcp);
        // Each has sent its FIN, and knows that the other has it.
        let is_acknowledged = peer.fin_received_at().is_some_and(|at| at + connection.link.latency <= self.now);
        let is_over = end.has_finished() && is_acknowledged;
        end.state() == EndState::Established && !end.is_reset() && !is_over
    }
}

/// Which option of a socket was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionSet {
    /// Small writes leave at once from now on.
    NoDelay,
    /// Keepalive or the user timeout.
    Timers,
    /// What takes effect by itself.
    Other,
}
