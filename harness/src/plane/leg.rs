//! One direction of one connection: what has arrived, how far it has been read, and what may leave.

use std::collections::VecDeque;

use bytes::Bytes;

use super::awaited::Pending;
use super::buffer::Keeping;
use super::exchange::{Exchanges, Switch};
use super::http::{Body, Chunk};
use super::mark::{CountedUnit, Mark};
use super::pieces::Pieces;
use super::protocol::Protocol;
use super::reasons::Speech;
use super::watch::{Seen, StrikePoint, Watch};
use super::{ConnectionKey, Effect};
use crate::fault::{FaultIndex, HalfOpenKind};
use crate::name::Direction;
use crate::trace::Unit;

/// The most that waits for one decision. What exceeds it passes, and the fault strikes where the bytes then are.
const HELD_BYTES: u64 = 1024 * 1024;

/// A direction of a connection. What every piece of bytes needs comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Leg {
    key: ConnectionKey,
    direction: Direction,
    ending: Option<LegEnd>,
    /// What faults wait for.
    pub(super) awaited: Vec<Pending>,
    /// The sender's FIN is here and has not been passed.
    pub(super) fin_waits: bool,
    /// The sender's FIN has been passed.
    pub(super) finished: bool,
    /// Bytes given back to the actuator that have been read already: they come again.
    known: u64,
    protocol: Protocol,
    pieces: Pieces,
    watches: Vec<Watch>,
    /// The hops that keep what they are sent.
    pub(super) keepings: Vec<Keeping>,
    /// From where on something was held that had not shown what it is, when that was last looked at.
    undecided: Option<u64>,
    /// The half-opens in force, the latest last.
    silences: Vec<(FaultIndex, HalfOpenKind)>,
    marks: Vec<Mark>,
    /// Units whose last byte has been read and has not left.
    units: VecDeque<(u64, Unit)>,
    /// Units that begin before this offset did not arrive whole.
    lost_to: u64,
    /// The chunk in which a fault that writes chunks again may strike, as long as its size has not left.
    kept_chunk: Option<Chunk>,
}

/// How a direction's bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LegEnd {
    /// They are read, and thrown away.
    Drained(FaultIndex),
    /// Nothing passes any more.
    Severed,
}

/// What happens to the bytes of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// They pass.
    Pass,
    /// They stay with the actuator.
    Silent(HalfOpenKind, FaultIndex),
    /// They are acknowledged and thrown away.
    Discarded(FaultIndex),
    /// The same, until the sender has finished.
    Drained(FaultIndex),
    /// They draw RST.
    Severed,
}

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// Everything that has arrived is read, and what may leave has left.
    Idle,
    /// A fault's trigger has come true. Nothing beyond that place has left, what lies before it may still be here.
    Strike(FaultIndex, StrikePoint),
    /// An awaited boundary has been read. What lies before it may still be here.
    Boundary(Pending),
}

impl Leg {
    /// A direction in which nothing has been sent. `finely`: whether chunks, lines and whole messages of HTTP are of interest.
    pub(super) fn new(key: ConnectionKey, direction: Direction, watches: Vec<Watch>, finely: bool) -> Self {
        Self {
            key,
            direction,
            pieces: Pieces::default(),
            protocol: Protocol::new(direction, finely),
            watches,
            marks: Vec::new(),
            units: VecDeque::new(),
            lost_to: 0,
            known: 0,
            kept_chunk: None,
            silences: Vec::new(),
            ending: None,
            awaited: Vec::new(),
            fin_waits: false,
            finished: false,
            keepings: Vec::new(),
            undecided: None,
        }
    }

    /// Bytes have arrived. Returns the offset of the first.
    pub(super) fn arrive(&mut self, bytes: Bytes) -> u64 {
        let at = self.pieces.arrived();
        self.pieces.push(bytes);
        while self.known > 0 && !self.pieces.unread().is_empty() {
            let again = self.pieces.unread().len().min(usize::try_from(self.known).unwrap_or(usize::MAX));
            self.pieces.advance(again);
            self.known -= again as u64;
        }
        at
    }

    /// Whether bytes pass as they come: no fault watches them, waits for a boundary in them or has ended them.
    pub(super) fn is_plain(&self) -> bool {
        self.watches.is_empty()
            && self.pieces.is_empty()
            && self.silences.is_empty()
            && self.ending.is_none()
            && self.awaited.is_empty()
            && self.keepings.is_empty()
            && self.known == 0
            && !self.fin_waits
    }

    /// Whether bytes are [plain](Self::is_plain) and have no boundaries, now and later.
    pub(super) fn is_indifferent(&self) -> bool {
        self.is_plain() && matches!(self.protocol, Protocol::Opaque)
    }

    /// Reads bytes that are [plain](Self::is_plain) and pass without having been here, and tells of their units.
    pub(super) fn read_plain(&mut self, bytes: &[u8], exchanges: &mut Exchanges, out: &mut Vec<Effect>) {
        let mut used = 0;
        while used < bytes.len() {
            let read = self.protocol.advance(&bytes[used..], self.pieces.read(), exchanges, &mut self.marks);
            self.pieces.skip(read);
            used += read;
            if !self.marks.is_empty() {
                self.note_units(true);
            }
        }
        self.tell_units(out);
    }

    /// What happens to the bytes now.
    pub(super) fn fate(&self) -> Disposition {
        match (self.ending, self.silences.last()) {
            (Some(LegEnd::Severed), _) => Disposition::Severed,
            (Some(LegEnd::Drained(fault)), _) => Disposition::Drained(fault),
            (None, Some((fault, HalfOpenKind::Discard))) => Disposition::Discarded(*fault),
            (None, Some((fault, kind))) => Disposition::Silent(*kind, *fault),
            (None, None) => Disposition::Pass,
        }
    }

    /// Reads on, and lets leave what no fault may strike.
    pub(super) fn run(&mut self, armed: &[bool], exchanges: &mut Exchanges, out: &mut Vec<Effect>) -> Stop {
        self.watches.retain(|watch| armed.get(watch.fault.0 as usize).is_some_and(|armed| *armed));
        loop {
            if self.pieces.arrived() > 0
                && let Some((fault, due)) = self.due()
            {
                return Stop::Strike(fault, due);
            }
            if let Some(n) = self.awaited.iter().position(|awaited| self.is_at(awaited)) {
                return Stop::Boundary(self.awaited.remove(n));
            }
            if self.pieces.unread().is_empty() {
                break;
            }
            self.step(exchanges, true);
        }
        let read = self.pieces.read();
        self.keepings.iter_mut().for_each(|keeping| keeping.fill(read));
        let held_from = self.held_from();
        let held_from = if self.pieces.read().saturating_sub(held_from) > HELD_BYTES { u64::MAX } else { held_from };
        self.pass(held_from, out);
        Stop::Idle
    }

    /// Reads on, and throws everything away.
    pub(super) fn discard(&mut self, fault: FaultIndex, exchanges: &mut Exchanges, out: &mut Vec<Effect>) {
        if self.pieces.arrived() == self.pieces.left() {
            return;
        }
        for watch in &mut self.watches {
            watch.lose_unit();
        }
        while !self.pieces.unread().is_empty() {
            self.step(exchanges, false);
        }
        let gone = self.forget();
        self.say_discarded(gone, fault, out);
    }

    /// Lets what has been read leave, up to an offset, and tells of the units that are whole with it.
    pub(super) fn pass(&mut self, to: u64, out: &mut Vec<Effect>) {
        while let Some(bytes) = self.pieces.leave(to) {
            out.push(Effect::Forward { connection: self.key, direction: self.direction, bytes });
        }
        self.tell_units(out);
    }

    /// Tells of the units that have left whole.
    pub(super) fn tell_units(&mut self, out: &mut Vec<Effect>) {
        while let Some((_, unit)) = self.units.pop_front_if(|(end, _)| *end <= self.pieces.left()) {
            out.push(Effect::Unit { connection: self.key, direction: self.direction, unit });
        }
    }

    /// A copy of what lies between two offsets and is here.
    pub(super) fn copy(&self, from: u64, to: u64) -> Vec<u8> {
        self.pieces.copy(from, to)
    }

    /// What lies between two offsets leaves as something else: units that end there, or begin before its end and end
    /// later, are not told of, but for the control frames of a WebSocket.
    pub(super) fn suppress_units(&mut self, from: u64, to: u64) {
        self.lost_to = self.lost_to.max(to);
        self.units.retain(|(end, unit)| *end <= from || matches!(unit, Unit::WsControl { .. }));
    }

    /// Throws read bytes away, up to an offset.
    pub(super) fn discard_up_to(&mut self, to: u64, fault: FaultIndex, out: &mut Vec<Effect>) {
        let before = self.pieces.left();
        while self.pieces.leave(to).is_some() {}
        self.say_discarded(self.pieces.left() - before, fault, out);
    }

    fn say_discarded(&self, bytes: u64, fault: FaultIndex, out: &mut Vec<Effect>) {
        if bytes > 0 {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            out.push(Effect::Discard { connection: self.key, direction: self.direction, bytes, fault });
        }
    }

    /// Forgets what is here; returns how many bytes.
    pub(super) fn forget(&mut self) -> u64 {
        let gone = self.pieces.clear();
        if gone > 0 {
            self.lost_to = self.pieces.read();
        }
        self.units.clear();
        self.kept_chunk = None;
        gone
    }

    /// What has arrived from an offset on and has not left goes back to the actuator, which shows it again.
    pub(super) fn give_back(&mut self, from: u64) -> Bytes {
        let (bytes, known) = self.pieces.give_back(from);
        self.known += known;
        bytes
    }

    /// How far has been read.
    pub(super) fn read(&self) -> u64 {
        self.pieces.read()
    }

    /// The other direction has made the connection something else.
    pub(super) fn switch(&mut self, switch: Switch) {
        self.protocol.switch(switch, self.pieces.read());
    }

    /// How much of what a fault's trigger counts has been seen here, if it watches this direction.
    pub(super) fn seen(&self, fault: FaultIndex, wanted: u64) -> Option<Seen> {
        self.watches.iter().find(|watch| watch.fault == fault).map(|watch| watch.seen(wanted))
    }

    /// What the bytes are, once that is known.
    pub(super) fn spoken(&self) -> Option<Speech> {
        let speech = match &self.protocol {
            Protocol::Http(http) => http.is_known().then_some(Speech::Http),
            Protocol::WebSocket(_) => Some(Speech::WebSocket),
            Protocol::Opaque => Some(Speech::Raw),
        };
        speech.filter(|_| self.pieces.read() > 0)
    }

    /// Whether this direction carries WebSocket frames.
    pub(super) fn has_frames(&self) -> bool {
        self.protocol.frames().is_some()
    }

    /// Whether the sender's Close frame has been read.
    pub(super) fn is_closed(&self) -> bool {
        self.protocol.frames().is_some_and(|frames| frames.closed())
    }

    /// Whether what has left ends with a whole frame.
    pub(super) fn is_between_frames(&self) -> bool {
        self.protocol.frames().is_some_and(|frames| frames.boundary() == self.pieces.left())
    }

    /// Whether a message or an event is in passage.
    pub(super) fn is_in_unit(&self) -> bool {
        self.protocol.is_in_unit()
    }

    /// The body in passage.
    pub(super) fn body(&self) -> Body {
        self.protocol.body()
    }

    /// The chunk whose size has not left, if one is kept.
    pub(super) fn kept_chunk(&self) -> Option<Chunk> {
        self.kept_chunk.filter(|chunk| self.is_kept(chunk.head))
    }

    /// Whether nothing from an offset on has left, nor had to because it is more than may wait.
    pub(super) fn is_kept(&self, from: u64) -> bool {
        from >= self.pieces.left() && self.pieces.read().saturating_sub(from) <= HELD_BYTES
    }

    /// A half-open begins.
    pub(super) fn silence(&mut self, fault: FaultIndex, kind: HalfOpenKind) {
        self.silences.push((fault, kind));
    }

    /// A half-open ends; `false` if it was not in force here.
    pub(super) fn heal(&mut self, fault: FaultIndex) -> bool {
        let before = self.silences.len();
        self.silences.retain(|(by, _)| *by != fault);
        self.silences.len() < before
    }

    /// From now on everything is read and thrown away, if anything still passes.
    pub(super) fn drain(&mut self, fault: FaultIndex) {
        self.ending.get_or_insert(LegEnd::Drained(fault));
    }

    /// From now on nothing passes; `false` if that was so.
    pub(super) fn sever(&mut self) -> bool {
        self.forget();
        self.awaited.clear();
        self.ending.replace(LegEnd::Severed) != Some(LegEnd::Severed)
    }

    /// The watch that strikes first takes its leave.
    fn due(&mut self) -> Option<(FaultIndex, StrikePoint)> {
        let due = self.watches.iter().enumerate().filter_map(|(n, watch)| Some((watch.due()?, watch.fault, n))).min();
        let (due, fault, n) = due?;
        self.watches.remove(n);
        Some((fault, due))
    }

    fn is_at(&self, awaited: &Pending) -> bool {
        match awaited {
            Pending::Close | Pending::Frame { .. } => {
                self.protocol.frames().is_none_or(|frames| frames.boundary() == self.pieces.read())
            }
            Pending::BodyEnd { .. } | Pending::Emptied(_) => !matches!(self.protocol.body(), Body::Chunked(Some(_))),
            Pending::Place(deferred) => {
                let due = deferred.behind == 0 && !self.is_in_unit();
                match self.protocol.body() {
                    Body::Chunked(Some(chunk)) if chunk.is_last() => true,
                    Body::Chunked(Some(chunk)) => due && chunk.payload.is_some() && self.kept_chunk() == Some(chunk),
                    Body::Chunked(None) | Body::Fixed | Body::UntilClose => due,
                    Body::None => due || deferred.what == CountedUnit::SseEvent,
                }
            }
        }
    }

    /// Reads to the next boundary or point of interest. `arriving`: whether what is read may leave.
    fn step(&mut self, exchanges: &mut Exchanges, arriving: bool) {
        let in_payload = self.protocol.in_payload();
        let watches = if arriving { self.watches.as_mut_slice() } else { &mut [] };
        let limit = watches.iter().filter_map(|watch| watch.limit(in_payload)).min().unwrap_or(u64::MAX);
        let unread = self.pieces.unread();
        let input = &unread[..unread.len().min(usize::try_from(limit).unwrap_or(usize::MAX))];
        let used = self.protocol.advance(input, self.pieces.read(), exchanges, &mut self.marks);
        self.pieces.advance(used);
        let read = self.pieces.read();
        for watch in &mut *watches {
            if used > 0 {
                watch.on_read(used as u64, in_payload, read);
            }
            for mark in &self.marks {
                watch.on_mark(mark);
            }
        }
        for awaited in self.awaited.iter_mut().filter(|_| arriving) {
            self.marks.iter().for_each(|mark| awaited.on_mark(mark));
        }
        if arriving {
            self.keepings.iter_mut().for_each(|keeping| self.marks.iter().for_each(|mark| keeping.on_mark(mark)));
        }
        self.note_units(arriving);
        self.keep_chunk();
    }

    /// The sender has finished: what is in passage ends as it stands.
    pub(super) fn finish(&mut self) {
        if self.fate() != Disposition::Pass || !self.pieces.unread().is_empty() {
            return;
        }
        self.protocol.finish(self.pieces.read(), &mut self.marks);
        for mark in &self.marks {
            self.watches.iter_mut().for_each(|watch| watch.on_mark(mark));
            self.awaited.iter_mut().for_each(|awaited| awaited.on_mark(mark));
        }
        self.note_units(true);
    }

    /// Whether something has begun to wait here that has not shown what it is.
    pub(super) fn begins_to_wait(&mut self) -> bool {
        let undecided = self.watches.iter().filter_map(Watch::undecided_from).min();
        let begins = undecided.is_some() && undecided != self.undecided;
        self.undecided = undecided;
        begins
    }

    /// What has waited to show what it is need not wait any longer.
    pub(super) fn let_undecided_go(&mut self) {
        let from = self.undecided.take();
        for watch in self.watches.iter_mut().filter(|watch| from.is_some() && watch.undecided_from() == from) {
            watch.wait_no_longer();
        }
    }

    /// Remembers the units that the last marks say have ended. `arriving`: whether they may leave.
    fn note_units(&mut self, arriving: bool) {
        for mark in self.marks.drain(..) {
            if let Mark::Ended { start, end, unit: Some(unit), .. } | Mark::Aside { start, end, unit } = mark
                && arriving
                && start >= self.lost_to
            {
                self.units.push_back((end, unit));
            }
        }
    }

    /// A chunk is kept from its size on while a fault that writes it again may still strike in it.
    fn keep_chunk(&mut self) {
        if !self.keeps_chunks() {
            return;
        }
        let mut keepers = self.watches.iter().filter(|watch| watch.keeps_chunks());
        let struck = keepers.any(|watch| watch.holds_from().is_some() || watch.due().is_some());
        let current = match self.protocol.body() {
            Body::Chunked(chunk) => chunk,
            Body::Fixed | Body::UntilClose | Body::None => None,
        };
        let same = matches!((current, self.kept_chunk), (Some(now), Some(kept)) if now.head == kept.head);
        if same || !struck || self.kept_chunk.is_none() {
            self.kept_chunk = current.filter(|chunk| chunk.head >= self.pieces.left());
        }
    }

    fn keeps_chunks(&self) -> bool {
        self.watches.iter().any(Watch::keeps_chunks) || self.awaited.iter().any(Pending::keeps_chunks)
    }

    /// From where on bytes have to wait.
    fn held_from(&self) -> u64 {
        if self.awaited.iter().any(Pending::holds_everything) {
            return self.pieces.left();
        }
        let chunk = self.keeps_chunks().then(|| self.kept_chunk()).flatten();
        let watches = self.watches.iter().filter_map(Watch::holds_from);
        let kept = self.keepings.iter().map(|keeping| keeping.open);
        watches.chain(chunk.map(|chunk| chunk.head)).chain(kept).min().unwrap_or(u64::MAX)
    }
}
