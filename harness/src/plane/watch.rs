//! One fault's watch over one direction: it counts units and finds the byte at which the fault strikes.

use super::encode::DONE;
use super::mark::{Mark, What};
use crate::fault::{Edge, Fault, FaultIndex, Trigger, Upstream, Verb};
use crate::name::Direction;
use crate::trace::Unit;

/// The law of unit triggers.
#[derive(Debug)]
pub(super) struct Watch {
    /// Whose.
    pub(super) fault: FaultIndex,
    need: Need,
    aim: Aim,
    due: Option<Due>,
}

/// Where a fault must strike now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// The offset at which it strikes.
    pub(super) at: u64,
    /// The first byte of the unit that the trigger counts.
    pub(super) from: u64,
}

/// What must not have left when the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing before the point.
    Nothing,
    /// The size of the chunk around the point.
    ChunkSize,
    /// The unit, and the size of the chunk in which it begins.
    Unit,
}

#[derive(Debug)]
enum Aim {
    Bytes {
        left: u64,
    },
    Unit {
        what: What,
        n: u32,
        edge: Edge,
        counted: u32,
        track: Option<Track>,
    },
    /// The event `[DONE]` of the nth response.
    Done {
        n: u32,
        heads: u32,
        /// Where the event in passage begins.
        event: Option<u64>,
    },
}

/// The unit at which the fault will strike, or what may be it.
#[derive(Debug)]
struct Track {
    start: u64,
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
            Trigger::HttpHead { n, direction, edge } => (direction, Aim::head(&fault.verb, n, edge)),
            Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect => return None,
        };
        let due = matches!(aim, Aim::Bytes { left: 0 }).then_some(Due { at: 0, from: 0 });
        let need = Need::of(&fault.verb);
        (counted == direction).then_some(Self { fault: index, need, aim, due })
    }

    /// Where the fault must strike now.
    pub(super) fn due(&self) -> Option<Due> {
        self.due
    }

    /// Whether a chunk must be kept until it is known that the fault does not strike in it.
    pub(super) fn keeps_chunks(&self) -> bool {
        self.need != Need::Nothing
    }

    /// How many bytes may be read before the watch wants to look again.
    pub(super) fn limit(&self, in_payload: bool) -> Option<u64> {
        match &self.aim {
            Aim::Bytes { left } => Some(*left),
            Aim::Unit { what, track, .. } => {
                let track = track.as_ref().filter(|track| track.point.is_none())?;
                (in_payload || *what != What::SseEvent).then_some(track.left)
            }
            Aim::Done { .. } => None,
        }
        .filter(|left| *left > 0)
    }

    /// From where on bytes must wait: the fault may strike there, and it is not yet known whether it does.
    pub(super) fn holds_from(&self) -> Option<u64> {
        match &self.aim {
            Aim::Unit { track: Some(track), .. } if self.need == Need::Unit => Some(track.start),
            Aim::Unit { track: Some(track), .. } if !track.recognised => track.point,
            Aim::Done { event, .. } => *event,
            Aim::Unit { .. } | Aim::Bytes { .. } => None,
        }
    }

    /// Bytes have been read, up to the offset `read`.
    pub(super) fn on_read(&mut self, bytes: u64, in_payload: bool, read: u64) {
        match &mut self.aim {
            Aim::Bytes { left } if *left > 0 => {
                *left -= bytes.min(*left);
                if *left == 0 {
                    self.due = Some(Due { at: read, from: read });
                }
            }
            Aim::Bytes { .. } | Aim::Done { .. } => {}
            Aim::Unit { what, track, .. } => {
                let Some(track) = track.as_mut().filter(|track| track.point.is_none()) else { return };
                // A chunk's size and line end are no part of the event that stands in it.
                if in_payload || *what != What::SseEvent {
                    track.left = track.left.saturating_sub(bytes);
                    track.reach(read);
                }
                if track.recognised {
                    self.due = track.due();
                }
            }
        }
    }

    /// A boundary was read.
    pub(super) fn on_mark(&mut self, mark: &Mark) {
        match &mut self.aim {
            Aim::Bytes { .. } => {}
            Aim::Unit { what, n, edge, counted, track } => match mark {
                Mark::Candidate { what: begun, at } if begun == what && *counted + 1 == *n => {
                    *track = Some(Track::new(*edge, *at))
                }
                Mark::Dismissed { what: none } if none == what => *track = None,
                Mark::Begun { what: begun, at } if begun == what => {
                    *counted = counted.saturating_add(1);
                    if *counted == *n {
                        let track = track.get_or_insert_with(|| Track::new(*edge, *at));
                        track.recognised = true;
                        self.due = track.due();
                    }
                }
                Mark::Ended { what: ended, end, .. } if ended == what && *counted == *n => {
                    // A unit shorter than the point inside it is struck at its end.
                    if let Some(track) = track.take() {
                        self.due = Some(Due { at: track.point.unwrap_or(*end), from: track.start });
                    }
                }
                Mark::Candidate { .. }
                | Mark::Dismissed { .. }
                | Mark::Begun { .. }
                | Mark::Ended { .. }
                | Mark::Aside { .. } => {}
            },
            Aim::Done { n, heads, event } => match mark {
                Mark::Ended { what: What::Head, .. } => *heads = heads.saturating_add(1),
                Mark::Candidate { what: What::SseEvent, at } if heads == n => *event = Some(*at),
                Mark::Dismissed { what: What::SseEvent } => *event = None,
                Mark::Ended { what: What::SseEvent, end, unit, .. } => {
                    let from = event.take();
                    if let Some(Unit::SseEvent { data: Some(data), .. }) = unit
                        && data == DONE
                    {
                        self.due = from.map(|from| Due { at: *end, from });
                    }
                }
                Mark::Candidate { .. }
                | Mark::Dismissed { .. }
                | Mark::Begun { .. }
                | Mark::Ended { .. }
                | Mark::Aside { .. } => {}
            },
        }
    }

    /// The unit in passage will not arrive whole.
    pub(super) fn lose_unit(&mut self) {
        match &mut self.aim {
            Aim::Unit { track, .. } => *track = None,
            Aim::Done { event, .. } => *event = None,
            Aim::Bytes { .. } => {}
        }
    }
}

impl Aim {
    fn unit(what: What, n: u32, edge: Edge) -> Self {
        Self::Unit { what, n, edge, counted: 0, track: None }
    }

    /// The trigger of a verb that is about a whole response names the response by its head.
    fn head(verb: &Verb, n: u32, edge: Edge) -> Self {
        let Verb::Upstream(upstream) = verb else { return Self::unit(What::Head, n, edge) };
        match upstream {
            Upstream::Status { .. } | Upstream::SlowHead { .. } => Self::unit(What::Head, n, Edge::Before),
            Upstream::MissingDone => Self::Done { n, heads: 0, event: None },
            Upstream::ErrorEvent { .. } | Upstream::Stall { .. } => Self::unit(What::Head, n, edge),
        }
    }
}

impl Need {
    fn of(verb: &Verb) -> Self {
        match verb {
            Verb::TruncateClean | Verb::Upstream(Upstream::ErrorEvent { .. }) => Self::ChunkSize,
            Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Upstream(Upstream::MissingDone) => Self::Unit,
            Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfOpen { .. }
            | Verb::Illegal { .. }
            | Verb::Cut { .. }
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Refuse { .. }
            | Verb::ConnectHang { .. }
            | Verb::HandshakeStall { .. }
            | Verb::AcceptThenReset { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Upstream(Upstream::Status { .. } | Upstream::SlowHead { .. } | Upstream::Stall { .. })
            | Verb::IoError { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::Restart { .. } => Self::Nothing,
        }
    }
}

impl Track {
    fn new(edge: Edge, at: u64) -> Self {
        let left = match edge {
            Edge::Before => 0,
            Edge::Inside(k) => k,
            Edge::After => u64::MAX,
        };
        let mut track = Self { start: at, recognised: false, left, point: None };
        track.reach(at);
        track
    }

    fn reach(&mut self, read: u64) {
        if self.left == 0 {
            self.point = Some(read);
        }
    }

    fn due(&self) -> Option<Due> {
        self.point.map(|at| Due { at, from: self.start })
    }
}
