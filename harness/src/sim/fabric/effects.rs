//! What the fault plane's answers do to the network.

use std::io;
use std::time::Duration;

use super::connection::{ArmedError, Packet, Shape};
use super::{ConnectionIndex, HostOrder, Network};
use crate::fault::{FaultIndex, HalfOpenKind, IoCall, IoErrorKind};
use crate::name::{ConnectionId, Direction, Side};
use crate::plane::{Effect, Hold, Mode};
use crate::trace::{FaultEvent, What};

impl Network {
    /// Applies effects in order and leaves the list empty.
    pub(super) fn apply(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            self.apply_one(effect);
        }
    }

    fn apply_one(&mut self, effect: Effect) {
        match effect {
            Effect::Forward { id, direction, bytes } => {
                let Some(index) = self.find(&id) else { return };
                let owed = bytes.len();
                let path = self.connection_mut(index).path_mut(direction);
                path.in_plane = path.in_plane.saturating_sub(owed);
                self.put(index, direction, Packet::Data { bytes, owed, forged: None });
            }
            Effect::Discard { id, direction, bytes, fault } => {
                let Some(index) = self.find(&id) else { return };
                let path = self.connection_mut(index).path_mut(direction);
                path.in_plane = path.in_plane.saturating_sub(bytes);
                self.bite(fault, index, || format!("{direction} data, {bytes} bytes"));
                self.schedule_return(index, direction, bytes, bytes);
            }
            Effect::Inject { id, direction, bytes, fault } => {
                let Some(index) = self.find(&id) else { return };
                self.forge(index, direction, Packet::Data { bytes, owed: 0, forged: Some(fault) }, fault);
            }
            Effect::ForwardFin { id, direction } => {
                if let Some(index) = self.find(&id) {
                    self.put(index, direction, Packet::Fin { forged: None });
                }
            }
            Effect::Fin { id, to, fault } => {
                let Some(index) = self.find(&id) else { return };
                self.forge(index, to.peer().sends(), Packet::Fin { forged: Some(fault) }, fault);
            }
            Effect::Rst { id, to, fault } => {
                let Some(index) = self.find(&id) else { return };
                self.forge(index, to.peer().sends(), Packet::Rst { forged: Some(fault) }, fault);
            }
            Effect::Mode { id, direction, mode } => {
                if let Some(index) = self.find(&id) {
                    self.set_mode(index, direction, mode);
                }
            }
            Effect::Unit { id, direction, unit } => {
                self.journal.push(self.now, None, What::Unit { connection: id, direction, unit });
            }
            Effect::Hold { between, fault } => self.hold(between, fault),
            Effect::Release { fault } => self.release(fault),
            Effect::Shape { id, delay, jitter, fault } => {
                if let Some(index) = self.find(&id) {
                    for direction in Direction::BOTH {
                        self.connection_mut(index).path_mut(direction).shapes.push(Shape { fault, delay, jitter });
                    }
                }
            }
            Effect::Unshape { id, fault } => {
                if let Some(index) = self.find(&id) {
                    for direction in Direction::BOTH {
                        self.connection_mut(index).path_mut(direction).shapes.retain(|shape| shape.fault != fault);
                    }
                }
            }
            Effect::IoError { id, side, call, kind, nth, fault } => {
                let armed = ArmedError { call, kind: error_kind(kind), countdown: nth.max(1), fault };
                self.arm(&id, side, armed);
            }
            Effect::Host { host, act, fault } => {
                if let Some(host) = self.hosts.by_name(host.as_str()) {
                    self.orders.push(HostOrder { host, act, fault });
                }
            }
            Effect::Fired { fault, on, verb } => {
                self.journal.push(self.now, None, What::Fault { fault, event: FaultEvent::Fired { on, verb } });
            }
            Effect::Healed { fault } => {
                self.journal.push(self.now, None, What::Fault { fault, event: FaultEvent::Healed });
            }
        }
    }

    /// Effects mostly speak of the connection that was spoken of last.
    fn find(&mut self, id: &ConnectionId) -> Option<ConnectionIndex> {
        if let Some(last) = self.last_found
            && self.connection(last).id == *id
        {
            return Some(last);
        }
        self.last_found = self.by_id.get(id).copied();
        self.last_found
    }

    fn forge(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet, fault: FaultIndex) {
        self.bite(fault, index, || packet.describe(direction));
        self.put(index, direction, packet);
    }

    fn set_mode(&mut self, index: ConnectionIndex, direction: Direction, mode: Mode) {
        let path = self.connection_mut(index).path_mut(direction);
        let before = std::mem::replace(&mut path.mode, mode);
        let taint = &mut self.connection_mut(index).taint;
        if let Mode::Silent(_, fault) | Mode::Severed(fault) = mode
            && !taint.contains(&fault)
        {
            taint.push(fault);
        }
        if mode != Mode::Pass {
            return;
        }
        if let Mode::Silent(kind, _) = before {
            self.recover_lost(index, direction, kind);
            // Acknowledgements of the other direction were lost with this one.
            if kind == HalfOpenKind::Blackhole {
                self.recover_lost(index, direction.reverse(), kind);
            }
        }
    }

    fn hold(&mut self, between: Hold, fault: FaultIndex) {
        self.holds.push((fault, between));
    }

    /// Packets that were held go on their way now, in their order.
    fn release(&mut self, fault: FaultIndex) {
        self.holds.retain(|(held_by, _)| *held_by != fault);
        for n in 0..self.connections.len() {
            let index = ConnectionIndex(n as u32);
            if self.holding(index).is_some() {
                continue;
            }
            for direction in Direction::BOTH {
                let path = self.connection_mut(index).path_mut(direction);
                if path.held.is_empty() {
                    continue;
                }
                path.lost_since = None;
                let held = std::mem::take(&mut path.held);
                for packet in held {
                    self.put(index, direction, packet);
                }
            }
        }
    }

    fn arm(&mut self, id: &ConnectionId, side: Side, armed: ArmedError) {
        if armed.call == IoCall::Accept {
            let host = self.hosts.by_name(id.link.server.as_str());
            let hosts = &self.hosts;
            let listener = self
                .listeners
                .iter_mut()
                .find(|listener| listener.open && host == Some(hosts.life(listener.life).host));
            if let Some(listener) = listener {
                let mut wakers = Vec::new();
                listener.armed.push(armed);
                listener.acceptors.drain_into(&mut wakers);
                self.to_wake.append(&mut wakers);
            }
        } else if let Some(index) = self.find(id) {
            let mut wakers = std::mem::take(&mut self.to_wake);
            let end = self.connection_mut(index).end_mut(side);
            end.armed.push(armed);
            end.wake_all(&mut wakers);
            self.to_wake = wakers;
        }
    }

    /// An accept call that a fault makes fail.
    pub(crate) fn armed_accept_error(&mut self, number: u32) -> Option<io::Error> {
        let now: Duration = self.now;
        let listener = self.listener(number);
        let armed = listener.armed.first_mut()?;
        armed.countdown -= 1;
        if armed.countdown > 0 {
            return None;
        }
        let armed = listener.armed.remove(0);
        let life = listener.life;
        let host = self.hosts.life(life).host;
        if self.bitten.insert(armed.fault) {
            let event = FaultEvent::FirstPacket { packet: "the accept call itself".to_owned() };
            self.journal.push(now, None, What::Fault { fault: armed.fault, event });
        }
        self.answer(armed.fault, host, format!("accept: {:?}", armed.kind));
        Some(if armed.kind == io::ErrorKind::Other {
            io::Error::from_raw_os_error(libc::EMFILE)
        } else {
            armed.kind.into()
        })
    }
}

fn error_kind(kind: IoErrorKind) -> io::ErrorKind {
    match kind {
        IoErrorKind::ConnectionReset => io::ErrorKind::ConnectionReset,
        IoErrorKind::ConnectionAborted => io::ErrorKind::ConnectionAborted,
        IoErrorKind::NotConnected => io::ErrorKind::NotConnected,
        IoErrorKind::BrokenPipe => io::ErrorKind::BrokenPipe,
        IoErrorKind::TimedOut => io::ErrorKind::TimedOut,
        // EMFILE has no kind of its own in std.
        IoErrorKind::TooManyOpenFiles => io::ErrorKind::Other,
    }
}
