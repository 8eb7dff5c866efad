//! From a sender's buffer, through the fault plane, onto a path.

use bytes::Bytes;

use super::connection::{Return, sender};
use super::packet::Packet;
use super::{ConnectionIndex, Deadline, Fabric, Output, Ready, Socket};
use crate::fault::{FaultIndex, HalfOpenKind};
use crate::name::Direction;
use crate::plane::{Mode, Passage};
use crate::tcp::{NextSegment, next_attempt};

impl Fabric {
    /// Sends what the peer's window takes, and what is not held back because it is small.
    pub(super) fn transmit(&mut self, socket: Socket) {
        let direction = socket.side.sends();
        loop {
            self.collect_returns(socket.connection, direction);
            match self.end_mut(socket).tcp.next_segment() {
                NextSegment::Data(bytes) => {
                    self.buffered_bytes = self.buffered_bytes.saturating_sub(bytes.len());
                    self.transmit_bytes(socket.connection, direction, bytes);
                }
                NextSegment::Fin => return self.transmit_fin(socket.connection, direction),
                NextSegment::Nothing => return,
                NextSegment::WindowClosed => {
                    self.note_blocked(socket.connection, direction);
                    return self.await_space(socket.connection, direction);
                }
                NextSegment::HeldBack => return self.await_space(socket.connection, direction),
            }
        }
    }

    /// Shows sent bytes to the plane, or does with them what the path's mode says.
    pub(super) fn transmit_bytes(&mut self, index: ConnectionIndex, direction: Direction, bytes: Bytes) {
        let path = self.connection_mut(index).path_mut(direction);
        let mode = path.mode;
        if mode == Mode::Pass && !path.lost.is_empty() {
            // Between a heal and the kernel's next attempt nothing new overtakes what was lost.
            path.lost.push_back(bytes);
            return;
        }
        match mode {
            Mode::Pass if self.connection(index).path(direction).indifferent == Some(self.plane.changes()) => {
                let owed = bytes.len();
                self.connection_mut(index).path_mut(direction).travel.sent(owed);
                self.put(index, direction, Packet::Data { bytes, owed, forged: None });
            }
            Mode::Pass => {
                let shown = bytes.len();
                let mut effects = std::mem::take(&mut self.effects);
                match self.plane.bytes(index.into(), direction, bytes, self.now, &mut effects) {
                    Passage::Whole(bytes) => {
                        self.connection_mut(index).path_mut(direction).travel.sent(shown);
                        self.put(index, direction, Packet::Data { bytes, owed: shown, forged: None });
                        self.apply(&mut effects);
                        let indifferent = self.plane.is_indifferent(index.into(), direction);
                        self.connection_mut(index).path_mut(direction).indifferent =
                            indifferent.then(|| self.plane.changes());
                    }
                    Passage::Decided(rest) => {
                        let path = self.connection_mut(index).path_mut(direction);
                        path.custody.get_or_insert_default().take_in(shown);
                        self.apply(&mut effects);
                        self.keep_rest(index, direction, rest);
                        self.keep_in_custody(index, direction);
                    }
                }
                self.effects = effects;
            }
            Mode::Silent(kind, fault) => self.lose(index, direction, bytes, kind, fault),
            Mode::Severed(fault) => self.answer_severed(index, direction, bytes.len(), fault),
        }
    }

    /// What the plane has not passed, because the path's mode changed in the middle of a piece, is treated by that mode.
    fn keep_rest(&mut self, index: ConnectionIndex, direction: Direction, rest: Bytes) {
        let path = self.connection_mut(index).path_mut(direction);
        match path.mode {
            Mode::Pass => {}
            Mode::Silent(kind, fault) => {
                if let Some(custody) = &mut path.custody {
                    custody.give_back(rest.len());
                }
                if !rest.is_empty() {
                    self.lose(index, direction, rest, kind, fault);
                }
            }
            Mode::Severed(fault) => {
                let undecided = path.custody.take().map_or(0, |custody| custody.undecided());
                if undecided > 0 {
                    self.answer_severed(index, direction, undecided, fault);
                }
            }
        }
    }

    fn transmit_fin(&mut self, index: ConnectionIndex, direction: Direction) {
        let path = self.connection_mut(index).path_mut(direction);
        let mode = path.mode;
        if mode == Mode::Pass && !path.lost.is_empty() {
            path.lost_fin = true;
            return;
        }
        match mode {
            Mode::Pass => {
                let mut effects = std::mem::take(&mut self.effects);
                self.plane.fin(index.into(), direction, self.now, &mut effects);
                self.apply(&mut effects);
                self.effects = effects;
            }
            Mode::Silent(_, fault) => {
                self.record_effect(fault, index, || Packet::Fin { forged: None }.describe(direction));
                self.connection_mut(index).path_mut(direction).lost_fin = true;
                self.begin_loss(index, direction);
            }
            Mode::Severed(_) => {}
        }
        self.maybe_end(index);
    }

    /// Keeps bytes from the receiver. A stalled or discarding middle acknowledges them, a blackhole does not.
    fn lose(
        &mut self,
        index: ConnectionIndex,
        direction: Direction,
        bytes: Bytes,
        kind: HalfOpenKind,
        fault: FaultIndex,
    ) {
        self.record_effect(fault, index, || format!("{direction} data, {} bytes", bytes.len()));
        match kind {
            HalfOpenKind::Blackhole => self.begin_loss(index, direction),
            HalfOpenKind::Stall => self.schedule_return(index, direction, bytes.len(), 0),
            HalfOpenKind::Discard => {
                self.schedule_return(index, direction, bytes.len(), bytes.len());
                return;
            }
        }
        self.connection_mut(index).path_mut(direction).lost.push_back(bytes);
    }

    /// A heal lets lost data through at the kernel's next attempt (a blackhole) or at once (a reopened window).
    pub(super) fn recover_lost(&mut self, index: ConnectionIndex, direction: Direction, kind: HalfOpenKind) {
        let now = self.now;
        let path = self.connection_mut(index).path_mut(direction);
        let Some(at) = (match kind {
            HalfOpenKind::Blackhole => path.lost_since.map(|since| next_attempt(since, now)),
            HalfOpenKind::Stall | HalfOpenKind::Discard => Some(now),
        }) else {
            return;
        };
        self.schedule.push(at, Deadline::Retransmit(index, direction));
    }

    /// Sends again what was lost.
    pub(super) fn retransmit(&mut self, index: ConnectionIndex, direction: Direction) {
        let path = self.connection_mut(index).path_mut(direction);
        if let Mode::Silent(HalfOpenKind::Blackhole | HalfOpenKind::Stall, _) = path.mode {
            return;
        }
        let unanswered = std::mem::take(&mut path.unanswered);
        if unanswered.is_empty() {
            path.lost_since = None;
        }
        let lost = std::mem::take(&mut path.lost);
        let fin = std::mem::take(&mut path.lost_fin);
        let unreported = std::mem::take(&mut path.unreported);
        if unreported > 0 {
            self.schedule_return(index, direction, unreported, unreported);
        }
        for packet in unanswered {
            self.put(index, direction, packet);
        }
        for bytes in lost {
            self.transmit_bytes(index, direction, bytes);
        }
        if fin {
            self.transmit_fin(index, direction);
        }
        let side = sender(direction);
        self.transmit(Socket { connection: index, side });
    }

    /// The other side no longer exists as the sender knows it: its bytes draw an RST.
    pub(super) fn answer_severed(
        &mut self,
        index: ConnectionIndex,
        direction: Direction,
        bytes: usize,
        fault: FaultIndex,
    ) {
        self.record_effect(fault, index, || format!("{direction} data, {bytes} bytes"));
        let path = self.connection_mut(index).path_mut(direction);
        if !std::mem::replace(&mut path.answered_severed, true) {
            self.put(index, direction.reverse(), Packet::Rst { forged: Some(fault) });
        }
    }

    /// Puts a packet onto a path, behind everything already there.
    pub(super) fn put(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet) {
        self.outputs.push(Output::Packet { connection: index, direction, digest: packet.digest() });
        if let Some(fault) = self.holding(index, direction) {
            self.record_effect(fault, index, || packet.describe(direction));
            match packet {
                // Those that are sent again as they are, or not at all.
                Packet::Syn | Packet::Probe | Packet::ProbeAnswer => {}
                Packet::SynAck | Packet::Ack | Packet::Data { .. } | Packet::Fin { .. } | Packet::Rst { .. } => {
                    self.begin_loss(index, direction);
                    self.connection_mut(index).path_mut(direction).held.push_back(packet);
                }
            }
            return;
        }
        let extra = self.delay(index, direction, &packet);
        let connection = &mut self.connections[index.0 as usize];
        let latency = connection.link.latency;
        let path = connection.path_mut(direction);
        let at = (self.now + latency + extra).max(path.last_arrival);
        path.last_arrival = at;
        let first = path.in_flight.is_empty();
        path.in_flight.push_back((at, packet));
        if first {
            self.schedule.push(at, Deadline::Arrival(index, direction));
        }
    }

    /// Schedules the acknowledgement of `acknowledged` bytes and the reopening of `window` bytes to the sender of
    /// `direction`. No task is woken for it unless one waits.
    pub(super) fn schedule_return(
        &mut self,
        index: ConnectionIndex,
        direction: Direction,
        acknowledged: usize,
        window: usize,
    ) {
        let back = direction.reverse();
        if self.blackholed(index, back) || self.holding(index, back).is_some() {
            self.connection_mut(index).path_mut(direction).unreported += acknowledged.max(window);
            self.begin_loss(index, direction);
            return;
        }
        let now = self.now;
        let connection = self.connection_mut(index);
        let at = now + connection.link.latency;
        match connection.path_mut(direction).returns.back_mut() {
            Some(last) if last.at == at => {
                last.acknowledged += acknowledged;
                last.window += window;
            }
            Some(_) | None => connection.path_mut(direction).returns.push_back(Return { at, acknowledged, window }),
        }
        let end = connection.end(sender(direction));
        let waits = end.is_awaited || end.tcp.unsent_bytes() > 0;
        if waits {
            self.schedule.push(at, Deadline::Space(index, direction));
        }
    }

    /// Makes sure that somebody who waits for space is woken by the next return.
    pub(super) fn await_space(&mut self, index: ConnectionIndex, direction: Direction) {
        let next = self.connection(index).path(direction).returns.front().map(|r| r.at);
        if let Some(at) = next {
            self.schedule.push(at, Deadline::Space(index, direction));
        }
    }

    pub(super) fn regain_space(&mut self, index: ConnectionIndex, direction: Direction) {
        self.collect_returns(index, direction);
        let socket = Socket { connection: index, side: sender(direction) };
        if self.end(socket).tcp.send_space() > 0 {
            self.wake(socket, Ready::ToWrite);
        }
        if self.end(socket).tcp.unsent_bytes() > 0 {
            self.transmit(socket);
        }
        if self.end(socket).is_awaited {
            self.await_space(index, direction);
        }
    }

    /// Takes in the acknowledgements and window updates that have come back by now.
    pub(super) fn collect_returns(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        let connection = self.connection_mut(index);
        let (end, path) = match direction {
            Direction::ToServer => (&mut connection.client, &mut connection.to_server),
            Direction::ToClient => (&mut connection.server, &mut connection.to_client),
        };
        while let Some(back) = path.returns.pop_front_if(|back| back.at <= now) {
            end.tcp.receive_acknowledgement(back.acknowledged, back.window, back.at);
            if back.window > 0 {
                path.blocked_since = None;
            }
        }
    }
}
