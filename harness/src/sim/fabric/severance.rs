//! How sockets end: closed by their process, with their process, or with their machine.

use super::connection::{EndState, Fin, Packet};
use super::hosts::{HostId, LifeId};
use super::{ConnectionIndex, Network, Socket};
use crate::fault::FaultIndex;
use crate::name::{Direction, Side};
use crate::trace::ConnectionEvent;

impl Network {
    /// The process let go of its last descriptor. What it has written is still sent; with input unread (or a zero
    /// linger) the peer gets RST instead of FIN, as on Linux.
    pub(crate) fn close(&mut self, socket: Socket) {
        let end = self.connection(socket.connection).end(socket.side);
        if !end.held() {
            return;
        }
        let unread = end.received_bytes > 0;
        if end.reset
            || matches!(end.state, EndState::Connecting | EndState::SynReceived)
            || unread
            || end.options.linger_zero
        {
            self.abort_end(socket);
            return;
        }
        let mut wakers = std::mem::take(&mut self.to_wake);
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        if end.fin == Fin::Open {
            end.fin = Fin::Queued;
        }
        end.state = EndState::Closed;
        end.wake_all(&mut wakers);
        self.to_wake = wakers;
        self.say_closed(socket);
        // What was written goes out before the FIN, whenever the window allows.
        self.transmit(socket);
        self.maybe_end(socket.connection);
    }

    /// Ends a socket with RST, after what its window lets it send.
    pub(super) fn abort_end(&mut self, socket: Socket) {
        let end = self.connection(socket.connection).end(socket.side);
        let speaks = !end.reset && !matches!(end.state, EndState::Connecting | EndState::Closed | EndState::Forgotten);
        if speaks && end.state == EndState::Established {
            self.transmit(socket);
        }
        let mut wakers = std::mem::take(&mut self.to_wake);
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        end.state = EndState::Closed;
        end.reset = true;
        end.wake_all(&mut wakers);
        let discarded = end.discard_unsent() + end.discard_received();
        self.buffered_bytes = self.buffered_bytes.saturating_sub(discarded);
        self.to_wake = wakers;
        self.say_closed(socket);
        if speaks {
            self.send_rst(socket.connection, socket.side.sends());
        }
        self.maybe_end(socket.connection);
    }

    /// An endpoint's own RST: a silent path swallows it for good, because nobody sends an RST twice.
    pub(super) fn send_rst(&mut self, index: ConnectionIndex, direction: Direction) {
        match self.connection(index).path(direction).mode {
            crate::plane::Mode::Pass => {
                let mut effects = std::mem::take(&mut self.effects);
                self.plane.rst(index.into(), direction, &mut effects);
                self.apply(&mut effects);
                self.effects = effects;
                self.put(index, direction, Packet::Rst { forged: None });
            }
            crate::plane::Mode::Silent(_, fault) => {
                self.bite(fault, index, || Packet::Rst { forged: None }.describe(direction));
            }
            crate::plane::Mode::Severed(_) => {}
        }
    }

    fn say_closed(&mut self, socket: Socket) {
        self.record_connection(socket.connection, ConnectionEvent::Closed { by: socket.side });
        let host = self.connection(socket.connection).end(socket.side).host;
        let taint = std::mem::take(&mut self.connection_mut(socket.connection).taint);
        for fault in taint {
            self.answer(fault, host, "closed the connection".to_owned());
        }
    }

    /// The process of a life has died: its kernel closes every socket it held, in the order they were made.
    pub(crate) fn sever_life(&mut self, life: LifeId, fault: Option<FaultIndex>) {
        let sockets = self.sockets_of(life);
        // Listeners first: what nobody has accepted is reset.
        self.close_listeners_of(life, true);
        for socket in sockets {
            self.close(socket);
            // After the close: what the dying process does itself is not yet anybody's outcome.
            if let Some(fault) = fault {
                self.bite(fault, socket.connection, || "every socket of the process".to_owned());
            }
        }
    }

    /// The machine of a life has lost its power: its sockets are forgotten and its packets in flight vanish.
    pub(crate) fn forget_life(&mut self, life: LifeId, fault: FaultIndex) {
        let host = self.hosts.life(life).host;
        for n in 0..self.connections.len() {
            let index = ConnectionIndex(n as u32);
            for side in [Side::Client, Side::Server] {
                if self.connection(index).end(side).host != host || self.connection(index).ended {
                    continue;
                }
                self.bite(fault, index, || "everything in flight from and to the machine".to_owned());
                if side == Side::Server && self.connection(index).client.state == EndState::Connecting {
                    self.forget_attempt(index);
                } else {
                    self.forget_end(Socket { connection: index, side });
                }
            }
        }
        self.close_listeners_of(life, false);
    }

    /// To the machine the attempt's next SYN is the first that it hears of it.
    fn forget_attempt(&mut self, index: ConnectionIndex) {
        let connection = self.connection_mut(index);
        connection.to_client.in_flight.clear();
        connection.to_client.held.clear();
        connection.to_client.unanswered.clear();
        // The machine that was trying again is no more.
        connection.to_client.lost_since = None;
        connection.server.state = EndState::Connecting;
        connection.server.life = None;
    }

    fn forget_end(&mut self, socket: Socket) {
        let mut wakers = std::mem::take(&mut self.to_wake);
        let connection = self.connection_mut(socket.connection);
        let sends = connection.path_mut(socket.side.sends());
        sends.in_flight.clear();
        sends.held.clear();
        sends.lost.clear();
        sends.lost_fin = false;
        sends.unanswered.clear();
        let end = connection.end_mut(socket.side);
        end.state = EndState::Forgotten;
        end.reset = true;
        end.wake_all(&mut wakers);
        let discarded = end.discard_unsent() + end.discard_received();
        self.buffered_bytes = self.buffered_bytes.saturating_sub(discarded);
        self.to_wake = wakers;
    }

    fn sockets_of(&self, life: LifeId) -> Vec<Socket> {
        let mut sockets = Vec::new();
        for (n, connection) in self.connections.iter().enumerate() {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                if end.life == Some(life) && end.held() {
                    sockets.push(Socket { connection: ConnectionIndex(n as u32), side });
                }
            }
        }
        sockets
    }

    fn close_listeners_of(&mut self, life: LifeId, polite: bool) {
        let numbers: Vec<_> = (0..self.listeners.len()).filter(|n| self.listeners[*n].life == life).collect();
        for number in numbers {
            self.close_listener_quietly(number as u32, polite);
        }
    }

    /// Stops listening; connections that nobody accepted are reset.
    pub(crate) fn close_listener(&mut self, number: u32) {
        self.close_listener_quietly(number, true);
    }

    fn close_listener_quietly(&mut self, number: u32, polite: bool) {
        let mut wakers = std::mem::take(&mut self.to_wake);
        let listener = self.listener(number);
        listener.open = false;
        listener.acceptors.drain_into(&mut wakers);
        let queue = std::mem::take(&mut listener.queue);
        self.to_wake = wakers;
        for index in queue {
            if polite {
                self.abort_end(Socket { connection: index, side: Side::Server });
            }
        }
    }

    /// Marks a host so that the first connection refused there counts as its fault's first outcome.
    pub(crate) fn taint_host(&mut self, host: HostId, fault: FaultIndex) {
        self.host_taint.push((host, fault));
    }

    /// Marks every open connection of a host, so that what its peers see next counts as the fault's outcome.
    pub(crate) fn taint_connections_of(&mut self, host: HostId, fault: FaultIndex) {
        for n in 0..self.connections.len() {
            let index = ConnectionIndex(n as u32);
            let connection = self.connection(index);
            if !connection.ended && [Side::Client, Side::Server].iter().any(|side| connection.end(*side).host == host) {
                self.bite(fault, index, || "every connection of the process".to_owned());
            }
        }
    }
}
