//! Delays, and lines that carry data slowly or in pieces.

use std::time::Duration;

use super::connection::Path;
use super::packet::Packet;
use super::{ConnectionIndex, Deadline, Fabric};
use crate::fault::FaultIndex;
use crate::name::Direction;
use crate::plane::Shaping;
use crate::tcp::SEGMENT_BYTES;

/// One fault's shaping of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) fault: FaultIndex,
    shaping: Shaping,
    /// When the next piece may arrive, or begin to be carried.
    next: Duration,
}

impl Shape {
    pub(crate) fn new(fault: FaultIndex, shaping: Shaping) -> Self {
        Self { fault, shaping, next: Duration::ZERO }
    }

    /// How much of the given number of bytes arrives at once.
    fn piece(&self, bytes: usize) -> usize {
        match self.shaping {
            Shaping::Delay(_) | Shaping::Jitter(_) => bytes,
            Shaping::Throttle { .. } => bytes.min(SEGMENT_BYTES),
            Shaping::Pieces { bytes: most, .. } => bytes.min(most.max(1) as usize),
        }
    }

    /// When a piece has been carried that would have arrived at `at`.
    fn carried(&self, piece: usize, at: Duration) -> Duration {
        match self.shaping {
            Shaping::Delay(_) | Shaping::Jitter(_) => at,
            Shaping::Throttle { bytes_per_second } => {
                let nanos = piece as u128 * 1_000_000_000 / u128::from(bytes_per_second.max(1));
                at.max(self.next).saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
            }
            Shaping::Pieces { .. } => at.max(self.next),
        }
    }

    /// A piece arrives now that would have arrived at `at`.
    fn carry(&mut self, piece: usize, at: Duration, now: Duration) {
        match self.shaping {
            Shaping::Delay(_) | Shaping::Jitter(_) => {}
            Shaping::Throttle { .. } => self.next = self.carried(piece, at),
            Shaping::Pieces { every, .. } => self.next = now.saturating_add(every),
        }
    }
}

impl Fabric {
    /// How much longer than its link's latency a packet takes.
    pub(super) fn delay(&mut self, index: ConnectionIndex, direction: Direction, packet: &Packet) -> Duration {
        if self.connection(index).path(direction).shapes.is_empty() {
            return Duration::ZERO;
        }
        let mut delay = Duration::ZERO;
        for shape in self.connection(index).path(direction).shapes.clone() {
            delay += match shape.shaping {
                Shaping::Delay(by) => by,
                Shaping::Jitter(up_to) => Duration::from_millis(self.jitter.below(up_to.as_millis() as u64 + 1)),
                Shaping::Throttle { .. } | Shaping::Pieces { .. } => continue,
            };
            self.record_effect(shape.fault, index, || packet.describe(direction));
        }
        delay
    }

    /// What arrives of the first packet of a shaped path, now that its turn has come. If that is nothing, the line has not
    /// carried it yet, and the path is looked at again when it has.
    pub(super) fn take_carried(&mut self, index: ConnectionIndex, direction: Direction) -> Option<Packet> {
        let now = self.now;
        let path = self.connections[index.0 as usize].path_mut(direction);
        let (at, packet) = path.in_flight.front_mut()?;
        let (at, length) = match packet {
            Packet::Data { bytes, .. } => (*at, bytes.len()),
            Packet::Syn
            | Packet::SynAck
            | Packet::Ack
            | Packet::Fin { .. }
            | Packet::Rst { .. }
            | Packet::Probe
            | Packet::ProbeAnswer => return path.in_flight.pop_front().map(|(_, packet)| packet),
        };
        let piece = path.shapes.iter().map(|shape| shape.piece(length)).fold(length, usize::min);
        let due = path.shapes.iter().map(|shape| shape.carried(piece, at)).fold(at, Duration::max);
        let due = whole_milliseconds(due);
        let bites = |shape: &&Shape| shape.piece(length) < length || shape.carried(piece, at) > now;
        let biting: Vec<_> = path.shapes.iter().filter(bites).map(|shape| shape.fault).collect();
        let taken = if due > now {
            self.schedule.push(due, Deadline::Arrival(index, direction));
            None
        } else {
            path.shapes.iter_mut().for_each(|shape| shape.carry(piece, at, now));
            take_piece(path, piece)
        };
        for fault in biting {
            self.record_effect(fault, index, || format!("{direction} data, {length} bytes"));
        }
        taken
    }

    /// What a line has not carried yet arrives as if it had always been fast.
    pub(super) fn unshape(&mut self, index: ConnectionIndex, fault: FaultIndex) {
        for direction in Direction::BOTH {
            let now = self.now;
            let path = self.connections[index.0 as usize].path_mut(direction);
            path.shapes.retain(|shape| shape.fault != fault);
            if let Some((at, _)) = path.in_flight.front() {
                self.schedule.push((*at).max(now), Deadline::Arrival(index, direction));
            }
        }
    }
}

/// The first bytes of a path's first packet, which is data.
fn take_piece(path: &mut Path, piece: usize) -> Option<Packet> {
    if let Some((_, Packet::Data { bytes, owed, forged })) = path.in_flight.front_mut()
        && bytes.len() > piece
    {
        let bytes = bytes.split_to(piece);
        let freed = (*owed).min(piece);
        *owed -= freed;
        return Some(Packet::Data { bytes, owed: freed, forged: *forged });
    }
    path.in_flight.pop_front().map(|(_, packet)| packet)
}

/// Timers know whole milliseconds only.
fn whole_milliseconds(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
