//! What faults do to single messages and events: one arrives changed, several times, later or never.

use bytes::Bytes;

use super::awaited::{Deferred, Pending};
use super::connection::TrackedConnection;
use super::edit::{self, Frames};
use super::encode::{chunk, chunk_head};
use super::http::Body;
use super::mark::CountedUnit;
use super::struck::{Edit, Point};
use super::{ConnectionKey, Effect};
use crate::fault::FaultIndex;
use crate::name::Direction;
use crate::trace::Unit;

/// The message or event that a fault changes.
struct Original {
    what: CountedUnit,
    bytes: Bytes,
    /// Control frames between its fragments.
    controls: Bytes,
}

/// What is to pass instead.
struct Edited {
    bytes: Bytes,
    units: Vec<Unit>,
    later: Option<Deferred>,
}

impl TrackedConnection {
    /// Why the unit that ends at a point cannot be changed so, if it cannot.
    pub(super) fn edit_obstacle(&self, edit: Edit, point: Option<Point>) -> Option<&'static str> {
        let Some(point) = point else { return Some("its trigger names no message and no event") };
        let leg = self.leg_of(point.direction);
        let body = leg.body();
        if !leg.is_kept(point.from) || (matches!(body, Body::Chunked(_)) && leg.kept_chunk().is_none()) {
            return Some("the message is longer than what may wait for a fault, or another fault was there first");
        }
        match edit {
            Edit::Corrupt => {
                let nothing = corrupted(&self.original(point)).is_none();
                nothing.then_some("the message is empty: there is nothing in it that could be another")
            }
            Edit::Repeat(_) | Edit::LeaveOut => {
                (body == Body::Fixed).then_some("the length of the body has been announced")
            }
            Edit::Behind(_) => None,
        }
    }

    /// Lets something else pass in the place of the unit that ends at a point.
    pub(super) fn edit(&mut self, fault: FaultIndex, edit: Edit, point: Point, out: &mut Vec<Effect>) {
        let original = self.original(point);
        let Edited { bytes, units, later } = original.edited(fault, edit);
        self.replace(fault, point, &bytes, out);
        self.tell(point.direction, units, out);
        if let Some(deferred) = later {
            self.leg(point.direction).awaited.push(Pending::Place(deferred));
        }
    }

    /// The unit that ends at a point. It is still here, and so is the size of the chunk in which it begins.
    fn original(&self, point: Point) -> Original {
        let leg = self.leg_of(point.direction);
        if leg.has_frames() {
            let Frames { controls, message } = Frames::of(&leg.copy(point.from, point.at));
            return Original { what: CountedUnit::Message, bytes: message, controls };
        }
        let bytes = match leg.kept_chunk() {
            Some(chunk) => {
                let before = usize::try_from(point.from - chunk.head).unwrap_or(usize::MAX);
                edit::payload(&leg.copy(chunk.head, point.at), before)
            }
            None => leg.copy(point.from, point.at),
        };
        Original { what: CountedUnit::SseEvent, bytes: bytes.into(), controls: Bytes::new() }
    }

    /// Throws the unit away that ends at a point, and passes other bytes. Chunks around it are written again: their sizes
    /// change.
    fn replace(&mut self, fault: FaultIndex, point: Point, bytes: &Bytes, out: &mut Vec<Effect>) {
        let Point { direction, from, at } = point;
        let inject = injecting(self.key, direction, fault);
        let leg = self.leg(direction);
        let (Some(first), Body::Chunked(Some(last))) = (leg.kept_chunk(), leg.body()) else {
            leg.pass(from, out);
            leg.suppress_units(from, at);
            leg.discard_up_to(at, fault, out);
            inject(bytes, out);
            return leg.tell_units(out);
        };
        let start = first.payload.map_or(from, |(start, _)| start);
        let before = from - start;
        let behind = last.payload_behind(at);
        leg.pass(first.head, out);
        leg.suppress_units(from, at);
        leg.discard_up_to(start, fault, out);
        // A chunk without a payload would end the body.
        let empty = before == 0 && bytes.is_empty();
        if !empty {
            inject(&chunk_head(before + bytes.len() as u64), out);
            leg.pass(from, out);
        }
        leg.discard_up_to(at, fault, out);
        inject(bytes, out);
        match (empty, behind) {
            (true, 0) => leg.awaited.push(Pending::Emptied(fault)),
            (true, behind) => inject(&chunk_head(behind), out),
            // The chunk's own line end follows.
            (false, 0) => {}
            (false, behind) => inject(&[b"\r\n", chunk_head(behind).as_ref()].concat().into(), out),
        }
    }

    /// What was taken out arrives, at the end of what has been read.
    pub(super) fn put_in_place(&mut self, direction: Direction, deferred: Deferred, out: &mut Vec<Effect>) {
        let Deferred { fault, bytes, units, .. } = deferred;
        let inject = injecting(self.key, direction, fault);
        let leg = self.leg(direction);
        let read = leg.read();
        match (leg.body(), leg.kept_chunk()) {
            (Body::Chunked(Some(last)), _) if last.is_last() => {
                leg.pass(last.head, out);
                inject(&chunk(&bytes), out);
            }
            (Body::Chunked(Some(_)), Some(around)) => {
                let start = around.payload.map_or(read, |(start, _)| start);
                let behind = around.payload_behind(read);
                leg.pass(around.head, out);
                leg.suppress_units(read, read);
                leg.discard_up_to(start, fault, out);
                inject(&chunk_head(read - start + bytes.len() as u64), out);
                leg.pass(read, out);
                inject(&bytes, out);
                if behind > 0 {
                    inject(&[b"\r\n", chunk_head(behind).as_ref()].concat().into(), out);
                }
            }
            (Body::Chunked(_), _) => {
                leg.pass(read, out);
                inject(&chunk(&bytes), out);
            }
            (Body::Fixed | Body::UntilClose | Body::None, _) => {
                leg.pass(read, out);
                inject(&bytes, out);
            }
        }
        self.tell(direction, units, out);
    }

    /// What was taken out arrives last, if anything may stand there.
    pub(super) fn put_at_the_end(&mut self, direction: Direction, deferred: Deferred, out: &mut Vec<Effect>) {
        let leg = self.leg(direction);
        leg.pass(u64::MAX, out);
        if !leg.is_in_unit() && (leg.is_between_frames() && !leg.is_closed() || leg.body() == Body::UntilClose) {
            self.put_in_place(direction, deferred, out);
        }
    }

    pub(super) fn tell(&self, direction: Direction, units: Vec<Unit>, out: &mut Vec<Effect>) {
        let connection = self.key;
        out.extend(units.into_iter().map(|unit| Effect::Unit { connection, direction, unit }));
    }
}

impl Original {
    fn units(&self, bytes: &Bytes) -> Vec<Unit> {
        if self.what == CountedUnit::Message { edit::message_units(bytes) } else { edit::event_units(bytes) }
    }

    fn edited(self, fault: FaultIndex, edit: Edit) -> Edited {
        let (bytes, behind) = match edit {
            Edit::Corrupt => (corrupted(&self).unwrap_or_else(|| self.bytes.clone()), None),
            Edit::Repeat(copies) => (self.bytes.repeat(copies as usize + 1).into(), None),
            Edit::Behind(behind) => (Bytes::new(), Some(behind)),
            Edit::LeaveOut => (Bytes::new(), None),
        };
        let later = behind.map(|behind| {
            let (bytes, units) = (self.bytes.clone(), self.units(&self.bytes));
            Deferred { fault, bytes, units, what: self.what, behind }
        });
        let units = self.units(&bytes);
        let bytes = if self.controls.is_empty() { bytes } else { [self.controls, bytes].concat().into() };
        Edited { bytes, units, later }
    }
}

fn corrupted(original: &Original) -> Option<Bytes> {
    match original.what {
        CountedUnit::Message => edit::corrupt_message(&original.bytes),
        CountedUnit::SseEvent => edit::corrupt_event(&original.bytes),
        CountedUnit::Head | CountedUnit::Frame(_) | CountedUnit::Chunk | CountedUnit::Line => None,
    }
}

fn injecting(connection: ConnectionKey, direction: Direction, fault: FaultIndex) -> impl Fn(&Bytes, &mut Vec<Effect>) {
    move |bytes, out| {
        if !bytes.is_empty() {
            out.push(Effect::Inject { connection, direction, bytes: bytes.clone(), fault });
        }
    }
}
