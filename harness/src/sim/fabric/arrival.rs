//! From a path into a receiver.

use bytes::Bytes;

use super::connection::{EndState, Fin, Packet, sender};
use super::hosts::Power;
use super::ports::TIME_WAIT;
use super::{ConnectionIndex, Due, Network};
use crate::name::{Direction, Side};
use crate::trace::ConnectionEvent;

impl Network {
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
                    self.schedule.push(at, Due::Arrival(index, direction));
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
        let (host, state) = (end.host, end.state);
        if end.is_probed {
            end.heard(now);
        }
        if self.hosts.host(host).power == Power::Off {
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
            // Whoever is heard has answered.
            Packet::ProbeAnswer => {}
        }
    }

    /// Nobody is there: what was sent is sent again until somebody answers or the sender's kernel gives up.
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
            let at = super::retransmission::next_attempt(since, now);
            self.schedule.push(at, Due::Retransmit(index, direction));
        }
    }

    fn receive_data(&mut self, index: ConnectionIndex, direction: Direction, bytes: Bytes, owed: usize) {
        let receiver = sender(direction).peer();
        let end = self.connections[index.0 as usize].end_mut(receiver);
        if end.state == EndState::Closed {
            self.refuse_data(index, direction);
            return;
        }
        if end.reset || end.fin_received {
            return;
        }
        self.buffered_bytes += bytes.len();
        end.received_bytes += bytes.len();
        end.surplus += bytes.len() - owed;
        end.received.push_back(bytes);
        end.readers.drain_into(&mut self.to_wake);
        if owed > 0 {
            self.schedule_return(index, direction, owed, 0);
        }
    }

    /// Nobody will read it: the kernel of a process that closed its socket answers RST.
    pub(super) fn refuse_data(&mut self, index: ConnectionIndex, direction: Direction) {
        let end = self.connection_mut(index).end_mut(sender(direction).peer());
        if !std::mem::replace(&mut end.reset, true) {
            self.put(index, direction.reverse(), Packet::Rst { forged: None });
        }
    }

    fn receive_fin(&mut self, index: ConnectionIndex, receiver: Side, forged: bool) {
        let now = self.now;
        let mut wakers = std::mem::take(&mut self.to_wake);
        let end = self.connection_mut(index).end_mut(receiver);
        let news = !end.fin_received && !end.reset;
        if news {
            end.fin_received = true;
            end.fin_received_at = now;
            if end.fin == Fin::Sent {
                end.time_wait = Some(now + TIME_WAIT);
            }
            end.readers.drain_into(&mut wakers);
        }
        self.to_wake = wakers;
        if news {
            self.record_connection(index, ConnectionEvent::Fin { by: receiver.peer(), forged });
        }
    }

    pub(super) fn receive_rst(&mut self, index: ConnectionIndex, receiver: Side, forged: bool) {
        let mut wakers = std::mem::take(&mut self.to_wake);
        let end = self.connection_mut(index).end_mut(receiver);
        let connecting = end.state == EndState::Connecting;
        let half_open = end.state == EndState::SynReceived;
        let news = !end.reset;
        if news {
            end.reset = true;
            // After a FIN the RST is a broken pipe to everybody but readers, who see the end of the stream (Linux).
            end.error = if connecting {
                Some(std::io::ErrorKind::ConnectionRefused)
            } else if end.fin_received {
                Some(std::io::ErrorKind::BrokenPipe)
            } else {
                Some(std::io::ErrorKind::ConnectionReset)
            };
            end.unacknowledged = 0;
            end.wake_all(&mut wakers);
            let unsent = end.discard_unsent();
            self.buffered_bytes = self.buffered_bytes.saturating_sub(unsent);
        }
        let sends = receiver.sends();
        let path = self.connection_mut(index).path_mut(sends);
        path.lost.clear();
        path.lost_fin = false;
        path.unanswered.clear();
        path.lost_since = None;
        self.to_wake = wakers;
        if half_open {
            self.leave_backlog(index);
        }
        if news {
            let event =
                if connecting { ConnectionEvent::Refused } else { ConnectionEvent::Rst { to: receiver, forged } };
            self.record_connection(index, event);
        }
    }
}
