//! From a path into a receiver.

use bytes::Bytes;

use super::connection::sender;
use super::packet::Packet;
use super::{ConnectionIndex, Deadline, Fabric, Power, Ready, Socket};
use crate::name::{Direction, Side};
use crate::tcp::{DataReceived, EndState, next_attempt};
use crate::trace::ConnectionEvent;

impl Fabric {
    /// Delivers every packet of a path that is due.
    pub(super) fn arrive(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        loop {
            let path = self.connection_mut(index).path_mut(direction);
            match path.in_flight.front() {
                Some((at, _)) if *at <= now => {
                    let packet = if path.shapes.is_empty() {
                        path.in_flight.pop_front().map(|(_, packet)| packet)
                    } else {
                        self.take_carried(index, direction)
                    };
                    let Some(packet) = packet else { break };
                    self.deliver(index, direction, packet);
                }
                Some((at, _)) => {
                    let at = *at;
                    self.schedule.push(at, Deadline::Arrival(index, direction));
                    break;
                }
                None => break,
            }
        }
        self.maybe_end(index);
    }

    fn deliver(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet) {
        let receiver = sender(direction).peer();
        let now = self.now;
        let end = self.connection_mut(index).end_mut(receiver);
        let (host, state) = (end.host, end.tcp.state());
        end.tcp.heard(now);
        if self.machines.get(host).power == Power::Off {
            self.lose_to_dead_machine(index, direction, packet);
            return;
        }
        if state == EndState::Forgotten && !matches!(packet, Packet::Rst { .. }) {
            // A machine that has restarted knows nothing of the connection.
            self.put(index, direction.reverse(), Packet::Rst { forged: None });
            return;
        }
        if receiver == Side::Server && state == EndState::Connecting && !matches!(packet, Packet::Syn) {
            // No SYN has come through yet: to its machine there is no such connection.
            return;
        }
        match packet {
            Packet::Syn => self.receive_syn(index),
            Packet::SynAck => self.receive_syn_ack(index),
            Packet::Ack => self.receive_final_ack(index),
            Packet::Data { bytes, owed, .. } => self.receive_data(index, direction, bytes, owed),
            Packet::Fin { forged } => self.receive_fin(index, receiver, forged.is_some()),
            Packet::Rst { forged } => self.receive_rst(index, receiver, forged.is_some()),
            Packet::Probe => self.receive_probe(index, direction),
            // An end that is heard has answered.
            Packet::ProbeAnswer => {}
        }
    }

    /// No host is there: what was sent is sent again until a host answers or the sender's kernel gives up.
    fn lose_to_dead_machine(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet) {
        if !matches!(packet, Packet::Data { owed: 1.., .. } | Packet::Fin { .. }) {
            return;
        }
        self.begin_loss(index, direction);
        let now = self.now;
        let path = self.connection_mut(index).path_mut(direction);
        path.unanswered.push_back(packet);
        if path.unanswered.len() == 1
            && let Some(since) = path.lost_since
        {
            let at = next_attempt(since, now);
            self.schedule.push(at, Deadline::Retransmit(index, direction));
        }
    }

    fn receive_data(&mut self, index: ConnectionIndex, direction: Direction, bytes: Bytes, owed: usize) {
        let side = sender(direction).peer();
        let length = bytes.len();
        match self.connections[index.0 as usize].end_mut(side).tcp.receive_data(bytes, owed) {
            DataReceived::Taken => {}
            DataReceived::Ignored => return,
            DataReceived::Refused => return self.refuse_data(index, direction),
        }
        self.buffered_bytes += length;
        self.tell_arrivals(index, direction, length);
        self.wake(Socket { connection: index, side }, Ready::ToRead);
        if owed > 0 {
            self.schedule_return(index, direction, owed, 0);
        }
    }

    /// It will not be read: the kernel of a process that closed its socket answers RST.
    pub(super) fn refuse_data(&mut self, index: ConnectionIndex, direction: Direction) {
        if self.connection_mut(index).end_mut(sender(direction).peer()).tcp.refuse_data() {
            self.put(index, direction.reverse(), Packet::Rst { forged: None });
        }
    }

    fn receive_fin(&mut self, index: ConnectionIndex, receiver: Side, forged: bool) {
        let now = self.now;
        if self.connection_mut(index).end_mut(receiver).tcp.receive_fin(now) {
            self.wake(Socket { connection: index, side: receiver }, Ready::ToRead);
            self.record_connection(index, ConnectionEvent::Fin { by: receiver.peer(), forged });
        }
    }

    pub(super) fn receive_rst(&mut self, index: ConnectionIndex, receiver: Side, forged: bool) {
        let end = self.connection_mut(index).end_mut(receiver);
        let state = end.tcp.state();
        let unsent = end.tcp.receive_rst();
        if let Some(unsent) = unsent {
            self.wake(Socket { connection: index, side: receiver }, Ready::ForAll);
            self.buffered_bytes = self.buffered_bytes.saturating_sub(unsent);
        }
        let path = self.connection_mut(index).path_mut(receiver.sends());
        path.forget_lost();
        path.lost_since = None;
        if state == EndState::SynReceived {
            self.leave_backlog(index);
        }
        if unsent.is_some() {
            let is_refusal = state == EndState::Connecting;
            let event =
                if is_refusal { ConnectionEvent::Refused } else { ConnectionEvent::Rst { to: receiver, forged } };
            self.record_connection(index, event);
        }
    }
}
