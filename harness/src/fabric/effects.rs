//! What the fault plane's answers do to the network.

use std::io;

use super::failures::{ArmedError, ArmedLookup, outcome, strike};
use super::packet::Packet;
use super::shaping::Shape;
use super::{ConnectionIndex, Fabric, HostOrder, Output, Ready, Socket};
use crate::fault::{FaultIndex, HalfOpenKind, IoCall};
use crate::name::{Direction, Link};
use crate::plane::{Effect, Hold, Mode};
use crate::trace::{ConnectionEvent, FaultEvent, RecordKind, Unit};

impl Fabric {
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
                self.discard(connection.into(), direction, bytes, fault);
            }
            Effect::Inject { connection, direction, bytes, fault } => {
                let index = connection.into();
                self.connection_mut(index).path_mut(direction).travel.sent(bytes.len());
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
            Effect::Unit { connection, direction, unit } => self.note_unit(connection.into(), direction, unit),
            Effect::Hold { between, fault } => self.hold(between, fault),
            Effect::Release { fault } => {
                self.disarm(fault);
                self.release(fault);
            }
            Effect::Kept { connection, direction, fault } => {
                self.record_effect(fault, connection.into(), || format!("{direction} data"));
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
                if let Some(host) = self.machines.by_name(host.as_str()) {
                    self.orders.push(HostOrder { host, act, fault });
                }
            }
            Effect::Fired { fault, on, verb } => {
                self.record_fault(fault, FaultEvent::Fired { on, verb });
            }
            Effect::Healed { fault } => {
                self.record_fault(fault, FaultEvent::Healed);
            }
        }
    }

    /// Bytes vanish, and their sender hears that they have arrived.
    fn discard(&mut self, index: ConnectionIndex, direction: Direction, bytes: usize, fault: FaultIndex) {
        self.record_effect(fault, index, || format!("{direction} data, {bytes} bytes"));
        let owed = self.decide(index, direction, bytes);
        if owed > 0 {
            self.schedule_return(index, direction, owed, owed);
        }
    }

    fn note_unit(&mut self, index: ConnectionIndex, direction: Direction, unit: Unit) {
        let connection = self.connection(index).id.clone();
        self.record(None, RecordKind::Unit { connection, direction, unit, arrived: None });
        self.follow_unit(index, direction);
    }

    fn forge(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet, fault: FaultIndex) {
        self.record_effect(fault, index, || packet.describe(direction));
        self.put(index, direction, packet);
    }

    fn set_mode(&mut self, index: ConnectionIndex, direction: Direction, mode: Mode) {
        let path = self.connection_mut(index).path_mut(direction);
        let before = std::mem::replace(&mut path.mode, mode);
        if let Mode::Silent(_, fault) | Mode::Severed(fault) = mode
            && fault != FaultIndex::MIDDLEBOX
        {
            self.attribution.touch(index, fault);
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
        self.end_mut(socket).armed.push(armed);
        self.wake(socket, Ready::ForAll);
    }

    fn arm_listener(&mut self, link: &Link, armed: ArmedError) {
        let host = self.machines.by_name(link.server.as_str());
        let number = self.listeners.iter().position(|listener| listener.open && host == Some(listener.host));
        if let Some(number) = number {
            self.listeners[number].armed.push(armed);
            self.outputs.push(Output::WakeAcceptors(number as u32));
        }
    }

    /// An accept call that a fault makes fail.
    pub(crate) fn armed_accept_error(&mut self, number: u32) -> Option<io::Error> {
        let listener = &mut self.listeners[number as usize];
        let host = listener.host;
        let armed = strike(&mut listener.armed, IoCall::Accept)?;
        self.record_effect_anywhere(armed.fault, || "the accept call itself".to_owned());
        self.record_outcome(armed.fault, host, format!("accept: {}", outcome(armed.kind)));
        Some(armed.kind.error())
    }
}
