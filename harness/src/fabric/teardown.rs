//! How sockets end: closed by their process, with their process, or with their machine.

use super::packet::Packet;
use super::{ConnectionIndex, Fabric, HostId, LifeId, Output, Ready, Socket};
use crate::fault::FaultIndex;
use crate::name::{Direction, Side};
use crate::plane::Mode;
use crate::tcp::{Closing, EndState};
use crate::trace::ConnectionEvent;

impl Fabric {
    /// The process let go of its last descriptor. What it has written is still sent; with input unread (or a zero
    /// linger) the peer gets RST instead of FIN, as on Linux.
    pub(crate) fn close(&mut self, socket: Socket) {
        match self.end_mut(socket).tcp.close() {
            Closing::NotHeld => return,
            Closing::Abort => return self.abort_end(socket),
            Closing::Finish => {}
        }
        self.wake(socket, Ready::ForAll);
        self.record_closed(socket);
        // What was written goes out before the FIN, whenever the window allows.
        self.transmit(socket);
        self.maybe_end(socket.connection);
    }

    /// Ends a socket with RST, after what its window lets it send.
    pub(super) fn abort_end(&mut self, socket: Socket) {
        let tcp = &self.end(socket).tcp;
        let speaks = tcp.speaks();
        if speaks && tcp.state() == EndState::Established {
            self.transmit(socket);
        }
        let discarded = self.end_mut(socket).tcp.abort();
        self.wake(socket, Ready::ForAll);
        self.buffered_bytes = self.buffered_bytes.saturating_sub(discarded);
        self.record_closed(socket);
        if speaks {
            self.send_rst(socket.connection, socket.side.sends());
        }
        self.maybe_end(socket.connection);
    }

    /// An endpoint's own RST: a silent path swallows it for good, because an RST is not sent twice.
    pub(super) fn send_rst(&mut self, index: ConnectionIndex, direction: Direction) {
        match self.connection(index).path(direction).mode {
            Mode::Pass => {
                let mut effects = std::mem::take(&mut self.effects);
                self.plane.rst(index.into(), direction, &mut effects);
                self.apply(&mut effects);
                self.effects = effects;
                self.put(index, direction, Packet::Rst { forged: None });
            }
            Mode::Silent(_, fault) => {
                self.record_effect(fault, index, || Packet::Rst { forged: None }.describe(direction));
            }
            Mode::Severed(_) => {}
        }
    }

    fn record_closed(&mut self, socket: Socket) {
        self.record_connection(socket.connection, ConnectionEvent::Closed { by: socket.side });
        let host = self.end(socket).host;
        self.record_outcomes(socket.connection, host, "closed the connection");
    }

    /// The process of a life has died: its kernel closes every socket it held, in the order they were made.
    pub(crate) fn close_sockets_of(&mut self, life: LifeId, fault: Option<FaultIndex>) {
        let sockets = self.sockets_of(life);
        // Listeners first: connections that were not accepted are reset.
        self.close_listeners_of(life, true);
        for socket in sockets {
            self.close(socket);
            // After the close: what the dying process does itself is not yet anybody's outcome.
            if let Some(fault) = fault {
                self.record_effect(fault, socket.connection, || "every socket of the process".to_owned());
            }
        }
    }

    /// The machine of a life has lost its power: its sockets are forgotten and its packets in flight vanish.
    pub(crate) fn forget_sockets_of(&mut self, host: HostId, life: LifeId, fault: FaultIndex) {
        for n in 0..self.connections.len() {
            let index = ConnectionIndex(n as u32);
            for side in [Side::Client, Side::Server] {
                if self.connection(index).end(side).host != host || self.connection(index).ended {
                    continue;
                }
                self.record_effect(fault, index, || "everything in flight from and to the machine".to_owned());
                if side == Side::Server && self.connection(index).client.tcp.state() == EndState::Connecting {
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
        connection.server.tcp.forget_attempt();
        connection.server.life = None;
    }

    fn forget_end(&mut self, socket: Socket) {
        let connection = self.connection_mut(socket.connection);
        let sends = connection.path_mut(socket.side.sends());
        sends.in_flight.clear();
        sends.held.clear();
        sends.forget_lost();
        let discarded = connection.end_mut(socket.side).tcp.forget();
        self.wake(socket, Ready::ForAll);
        self.buffered_bytes = self.buffered_bytes.saturating_sub(discarded);
    }

    fn sockets_of(&self, life: LifeId) -> Vec<Socket> {
        let mut sockets = Vec::new();
        for (n, connection) in self.connections.iter().enumerate() {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                if end.holder() == Some(life) {
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

    /// Stops listening; connections that were not accepted are reset.
    pub(crate) fn close_listener(&mut self, number: u32) {
        self.close_listener_quietly(number, true);
    }

    fn close_listener_quietly(&mut self, number: u32, polite: bool) {
        let listener = &mut self.listeners[number as usize];
        listener.open = false;
        let queue = std::mem::take(&mut listener.queue);
        self.outputs.push(Output::WakeAcceptors(number));
        for index in queue {
            if polite {
                self.abort_end(Socket { connection: index, side: Side::Server });
            }
        }
    }

    /// Marks a host so that the first connection refused there counts as its fault's first outcome.
    pub(crate) fn touch_host(&mut self, host: HostId, fault: FaultIndex) {
        self.attribution.touch_host(host, fault);
    }

    /// Marks every open connection of a host, so that what its peers see next counts as the fault's outcome.
    pub(crate) fn touch_connections_of(&mut self, host: HostId, fault: FaultIndex) {
        for n in 0..self.connections.len() {
            let index = ConnectionIndex(n as u32);
            let connection = self.connection(index);
            if !connection.ended && [Side::Client, Side::Server].iter().any(|side| connection.end(*side).host == host) {
                self.record_effect(fault, index, || "every connection of the process".to_owned());
            }
        }
    }
}
