//! One fault's watch over one direction: it counts units and finds the byte at which the fault strikes.

use super::mark::{Mark, What};
use crate::fault::{Edge, Fault, FaultIndex, Trigger, Verb};
use crate::name::Direction;

/// The law of unit triggers.
#[derive(Debug)]
pub(super) struct Watch {
    /// Whose.
    pub(super) fault: FaultIndex,
    /// Whether the fault ends a chunked body: then a chunk is kept until it is known that the fault does not strike in it.
    pub(super) truncates: bool,
    aim: Aim,
    /// The offset at which the fault is to strike, once it must.
    due: Option<u64>,
}

#[derive(Debug)]
enum Aim {
    Bytes { left: u64 },
    Unit { what: What, n: u32, edge: Edge, counted: u32, track: Option<Track> },
}

/// The unit at which the fault will strike, or what may be it.
#[derive(Debug)]
struct Track {
    recognised: bool,
    /// Bytes of the unit up to the point.
    left: u64,
    /// The point, once it has been reached.
    point: Option<u64>,
}

impl Watch {
    /// The watch of a fault over a direction, if its trigger counts what travels there.
    pub(super) fn over(direction: Direction, fault: &Fault, index: FaultIndex) -> Option<Self> {
        let (counted, aim) = match fault.trigger {
            Trigger::Bytes { n, direction } => (direction, Aim::Bytes { left: n }),
            Trigger::Message { n, direction, edge } => (direction, Aim::unit(What::Message, n, edge)),
            Trigger::Frame { kind, n, direction, edge } => (direction, Aim::unit(What::Frame(kind), n, edge)),
            Trigger::SseEvent { n, edge } => (Direction::ToClient, Aim::unit(What::SseEvent, n, edge)),
            Trigger::HttpHead { n, direction, edge } => (direction, Aim::unit(What::Head, n, edge)),
            Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect => return None,
        };
        let due = matches!(aim, Aim::Bytes { left: 0 }).then_some(0);
        let truncates = fault.verb == Verb::TruncateClean && direction == Direction::ToClient;
        (counted == direction).then_some(Self { fault: index, truncates, aim, due })
    }

    /// The offset at which the fault must strike now.
    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }

    /// How many bytes may be read before the watch wants to look again.
    pub(super) fn limit(&self, in_payload: bool) -> Option<u64> {
        match &self.aim {
            Aim::Bytes { left } => Some(*left),
            Aim::Unit { what, track, .. } => {
                let track = track.as_ref().filter(|track| track.point.is_none())?;
                (in_payload || *what != What::SseEvent).then_some(track.left)
            }
        }
        .filter(|left| *left > 0)
    }

    /// From where on bytes must wait: the fault may strike there, and it is not yet known whether it does.
    pub(super) fn holds_from(&self) -> Option<u64> {
        match &self.aim {
            Aim::Unit { track: Some(track), .. } if !track.recognised => track.point,
            Aim::Unit { .. } | Aim::Bytes { .. } => None,
        }
    }

    /// Bytes have been read, up to the offset `read`.
    pub(super) fn on_read(&mut self, bytes: u64, in_payload: bool, read: u64) {
        match &mut self.aim {
            Aim::Bytes { left } if *left > 0 => {
                *left -= bytes.min(*left);
                if *left == 0 {
                    self.due = Some(read);
                }
            }
            Aim::Bytes { .. } => {}
            Aim::Unit { what, track, .. } => {
                let Some(track) = track.as_mut().filter(|track| track.point.is_none()) else { return };
                // A chunk's size and line end are no part of the event that stands in it.
                if in_payload || *what != What::SseEvent {
                    track.left = track.left.saturating_sub(bytes);
                    track.reach(read);
                }
                if track.recognised {
                    self.due = track.point;
                }
            }
        }
    }

    /// A boundary was read.
    pub(super) fn on_mark(&mut self, mark: &Mark) {
        let Aim::Unit { what: watched, n, edge, counted, track } = &mut self.aim else { return };
        match mark {
            Mark::Candidate { what, at } if what == watched && *counted + 1 == *n => {
                *track = Some(Track::new(*edge, *at))
            }
            Mark::Dismissed { what } if what == watched => *track = None,
            Mark::Begun { what, at } if what == watched => {
                *counted = counted.saturating_add(1);
                if *counted == *n {
                    let track = track.get_or_insert_with(|| Track::new(*edge, *at));
                    track.recognised = true;
                    self.due = track.point;
                }
            }
            Mark::Ended { what, end, .. } if what == watched && *counted == *n => {
                // A unit shorter than the point inside it is struck at its end.
                if let Some(track) = track.take() {
                    self.due = Some(track.point.unwrap_or(*end));
                }
            }
            Mark::Candidate { .. }
            | Mark::Dismissed { .. }
            | Mark::Begun { .. }
            | Mark::Ended { .. }
            | Mark::Aside { .. } => {}
        }
    }

    /// The unit in passage will not arrive whole.
    pub(super) fn lose_unit(&mut self) {
        if let Aim::Unit { track, .. } = &mut self.aim {
            *track = None;
        }
    }
}

impl Aim {
    fn unit(what: What, n: u32, edge: Edge) -> Self {
        Self::Unit { what, n, edge, counted: 0, track: None }
    }
}

impl Track {
    fn new(edge: Edge, at: u64) -> Self {
        let left = match edge {
            Edge::Before => 0,
            Edge::Inside(k) => k,
            Edge::After => u64::MAX,
        };
        let mut track = Self { recognised: false, left, point: None };
        track.reach(at);
        track
    }

    fn reach(&mut self, read: u64) {
        if self.left == 0 {
            self.point = Some(read);
        }
    }
}
