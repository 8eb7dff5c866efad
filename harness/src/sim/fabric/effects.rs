//! What the fault plane's answers do to the network.

use std::io;

use super::connection::Packet;
use super::failures::{ArmedError, ArmedLookup, outcome, strike};
use super::shaping::Shape;
use super::{ConnectionIndex, HostOrder, Network, Socket};
use crate::fault::{FaultIndex, HalfOpenKind, IoCall};
use crate::name::{Direction, Link};
use crate::plane::{Effect, Hold, Mode};
use crate::trace::{ConnectionEvent, FaultEvent, RecordKind};

impl Network {
    /// Applies effects in order and leaves the list empty.
    #[inline]
    pub(super) fn apply(&mut self, effects: &mut Vec<Effect>) {
        if !effects.is_empty() {
            self.apply_all(effects);
        }
    }

    fn apply_all(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            self.apply_one(effect);
        }
    }

    fn apply_one(&mut self, effect: Effect) {
        match effect {
            Effect::Forward { connection, direction, bytes } => {
                self.forward(connection.into(), direction, bytes);
            }
            Effect::Discard { connection, direction, bytes, fault } => {
                let index = connection.into();
                self.bite(fault, index, || format!("{direction} data, {bytes} bytes"));
                let owed = self.decide(index, direction, bytes);
                if owed > 0 {
                    self.schedule_return(index, direction, owed, owed);
                }
            }
            Effect::Inject { connection, direction, bytes, fault } => {
                let index = connection.into();
                self.forge(index, direction, Packet::Data { bytes, owed: 0, forged: Some(fault) }, fault);
            }
            Effect::ForwardFin { connection, direction } => {
                self.put(connection.into(), direction, Packet::Fin { forged: None });
            }
            Effect::Fin { connection, to, fault } => {
                let index = connection.into();
                self.forge(index, to.peer().sends(), Packet::Fin { forged: Some(fault) }, fault);
            }
            Effect::Rst { connection, to, fault } => {
                let index = connection.into();
                self.forge(index, to.peer().sends(), Packet::Rst { forged: Some(fault) }, fault);
            }
            Effect::Mode { connection, direction, mode } => self.set_mode(connection.into(), direction, mode),
            Effect::Unit { connection, direction, unit } => {
                let connection = self.connection(connection.into()).id.clone();
                self.journal.push(self.now, None, RecordKind::Unit { connection, direction, unit });
            }
            Effect::Hold { between, fault } => self.hold(between, fault),
            Effect::Release { fault } => {
                self.disarm(fault);
                self.release(fault);
            }
            Effect::Kept { connection, direction, fault } => {
                self.bite(fault, connection.into(), || format!("{direction} data"));
            }
            Effect::Forgotten { connection } => {
                self.record_connection(connection.into(), ConnectionEvent::Forgotten);
            }
            Effect::Lookup { link, answer, once, fault } => {
                self.lookups.push(ArmedLookup { link, answer, once, fault });
            }
            Effect::Shape { connection, direction, shaping, fault } => {
                let path = self.connection_mut(connection.into()).path_mut(direction);
                path.shapes.push(Shape::new(fault, shaping));
            }
            Effect::Unshape { connection, fault } => self.unshape(connection.into(), fault),
            Effect::IoError { connection, side, call, kind, nth, lasting, fault } => {
                let armed = ArmedError { call, kind, countdown: nth.max(1), lasting, fault };
                self.arm(Socket { connection: connection.into(), side }, armed);
            }
            Effect::AcceptError { link, kind, nth, lasting, fault } => {
                let armed = ArmedError { call: IoCall::Accept, kind, countdown: nth.max(1), lasting, fault };
                self.arm_listener(&link, armed);
            }
            Effect::Host { host, act, fault } => {
                if let Some(host) = self.hosts.by_name(host.as_str()) {
                    self.orders.push(HostOrder { host, act, fault });
                }
            }
            Effect::Fired { fault, on, verb } => {
                self.journal.push(self.now, None, RecordKind::Fault { fault, event: FaultEvent::Fired { on, verb } });
            }
            Effect::Healed { fault } => {
                self.journal.push(self.now, None, RecordKind::Fault { fault, event: FaultEvent::Healed });
            }
        }
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
            && fault != FaultIndex::MIDDLEBOX
            && !taint.contains(&fault)
        {
            taint.push(fault);
        }
        if mode != Mode::Pass {
            return;
        }
        if let Mode::Silent(kind, _) = before {
            self.resume_custody(index, direction);
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
            for direction in Direction::BOTH {
                if self.holding(index, direction).is_none() {
                    self.let_go(index, direction);
                }
            }
        }
    }

    fn let_go(&mut self, index: ConnectionIndex, direction: Direction) {
        let path = self.connection_mut(index).path_mut(direction);
        if !path.held.is_empty() {
            path.lost_since = None;
            for packet in std::mem::take(&mut path.held) {
                self.put(index, direction, packet);
            }
        }
        self.resume_custody(index, direction);
        // Acknowledgements of what came the other way were held with them.
        let acknowledged = direction.reverse();
        if !self.blackholed(index, direction) {
            let path = self.connection_mut(index).path_mut(acknowledged);
            let unreported = std::mem::take(&mut path.unreported);
            if path.held.is_empty() && path.lost.is_empty() && path.unanswered.is_empty() && !path.lost_fin {
                path.lost_since = None;
            }
            if unreported > 0 {
                self.schedule_return(index, acknowledged, unreported, unreported);
            }
        }
    }

    fn arm(&mut self, socket: Socket, armed: ArmedError) {
        let mut wakers = std::mem::take(&mut self.to_wake);
        let end = self.connection_mut(socket.connection).end_mut(socket.side);
        end.armed.push(armed);
        end.wake_all(&mut wakers);
        self.to_wake = wakers;
    }

    fn arm_listener(&mut self, link: &Link, armed: ArmedError) {
        let host = self.hosts.by_name(link.server.as_str());
        let hosts = &self.hosts;
        let listener =
            self.listeners.iter_mut().find(|listener| listener.open && host == Some(hosts.life(listener.life).host));
        if let Some(listener) = listener {
            listener.armed.push(armed);
            listener.acceptors.drain_into(&mut self.to_wake);
        }
    }

    /// An accept call that a fault makes fail.
    pub(crate) fn armed_accept_error(&mut self, number: u32) -> Option<io::Error> {
        let listener = self.listener(number);
        let armed = strike(&mut listener.armed, IoCall::Accept)?;
        let life = listener.life;
        let host = self.hosts.life(life).host;
        self.note_struck_call(armed.fault, "the accept call itself".to_owned());
        self.answer(armed.fault, host, format!("accept: {}", outcome(armed.kind)));
        Some(armed.kind.error())
    }
}
