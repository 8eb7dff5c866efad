//! One fault's watch over one direction: it counts units and finds the byte at which the fault strikes.

use super::encode::DONE;
use super::mark::{CountedUnit, Mark};
use crate::fault::{Edge, Fault, FaultIndex, Keep, Response, Trigger};
use crate::name::Direction;
use crate::pattern::Pattern;
use crate::trace::Unit;

/// The law of unit triggers.
#[derive(Debug)]
pub(super) struct Watch {
    /// The fault that waits.
    pub(super) fault: FaultIndex,
    need: Keep,
    aim: Aim,
    due: Option<StrikePoint>,
}

/// Where a fault must strike now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StrikePoint {
    /// The offset at which it strikes.
    pub(super) at: u64,
    /// The first byte of the unit that the trigger counts.
    pub(super) from: u64,
}

#[derive(Debug)]
enum Aim {
    Bytes {
        left: u64,
    },
    Unit(Counter),
    /// The event `[DONE]` of the nth response.
    Done {
        n: u32,
        heads: u32,
        /// Where the event in passage begins.
        event: Option<u64>,
    },
}

/// Counts the units that a trigger means.
#[derive(Debug)]
struct Counter {
    what: CountedUnit,
    n: u32,
    edge: Edge,
    content: Pattern,
    counted: u32,
    /// Units that say something else.
    others: u32,
    track: Option<Track>,
}

/// How many units a watch has seen. More of those that are meant is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    /// Of what the trigger counts.
    pub(super) counted: u64,
    /// Of those that say something else than the trigger means.
    pub(super) others: u64,
}

/// The unit at which the fault will strike, or what may be it.
#[derive(Debug)]
struct Track {
    start: u64,
    recognised: bool,
    /// There is something in it that only such units have.
    has_shown: bool,
    /// Bytes do not wait for it although it may still turn out to be the unit.
    waits_no_longer: bool,
    /// Bytes of the unit up to the point.
    left: u64,
    /// The point, once it has been reached.
    point: Option<u64>,
}

impl Watch {
    /// The watch of a fault over a direction, if its trigger counts what travels there.
    pub(super) fn over(direction: Direction, fault: &Fault, index: FaultIndex) -> Option<Self> {
        let unit = |what, n, edge, content: &Pattern| Aim::Unit(Counter::new(what, n, edge, content.clone()));
        let any = Pattern::default();
        let (counted, aim) = match &fault.trigger {
            Trigger::Bytes { n, direction } => (*direction, Aim::Bytes { left: *n }),
            Trigger::Message { n, direction, edge, content } => {
                (*direction, unit(CountedUnit::Message, *n, *edge, content))
            }
            Trigger::Frame { kind, n, direction, edge } => {
                (*direction, unit(CountedUnit::Frame(*kind), *n, *edge, &any))
            }
            Trigger::SseEvent { n, edge, content } => {
                (Direction::ToClient, unit(CountedUnit::SseEvent, *n, *edge, content))
            }
            Trigger::HttpHead { n, direction, edge } => (*direction, Aim::head(fault.act.response(), *n, *edge)),
            Trigger::Chunk { n, direction, edge } => (*direction, unit(CountedUnit::Chunk, *n, *edge, &any)),
            Trigger::Line { n, direction, edge } => (*direction, unit(CountedUnit::Line, *n, *edge, &any)),
            Trigger::At(_) | Trigger::Idle(_) | Trigger::Event { .. } | Trigger::Connect => return None,
        };
        let due = matches!(aim, Aim::Bytes { left: 0 }).then_some(StrikePoint { at: 0, from: 0 });
        let need = fault.act.keeps();
        (counted == direction).then_some(Self { fault: index, need, aim, due })
    }

    /// How much of what the trigger counts has been seen, up to what it waits for.
    pub(super) fn seen(&self, wanted: u64) -> Seen {
        let (counted, others) = match &self.aim {
            Aim::Bytes { left } => (wanted.saturating_sub(*left), 0),
            Aim::Unit(Counter { counted, others, .. }) => ((*counted).into(), (*others).into()),
            Aim::Done { heads, .. } => ((*heads).into(), 0),
        };
        Seen { counted, others }
    }

    /// Where the fault must strike now.
    pub(super) fn due(&self) -> Option<StrikePoint> {
        self.due
    }

    /// Whether a chunk must be kept until it is known that the fault does not strike in it.
    pub(super) fn keeps_chunks(&self) -> bool {
        self.need != Keep::Nothing
    }

    /// How many bytes may be read before the watch wants to look again.
    pub(super) fn limit(&self, in_payload: bool) -> Option<u64> {
        match &self.aim {
            Aim::Bytes { left } => Some(*left),
            Aim::Unit(Counter { what, track, .. }) => {
                let track = track.as_ref().filter(|track| track.point.is_none())?;
                (in_payload || !lies_in_payload(*what)).then_some(track.left)
            }
            Aim::Done { .. } => None,
        }
        .filter(|left| *left > 0)
    }

    /// From where on bytes must wait: the fault may strike there, and it is not yet known whether it does.
    pub(super) fn holds_from(&self) -> Option<u64> {
        match &self.aim {
            Aim::Unit(Counter { track: Some(track), content, .. }) if self.need == Keep::Unit => {
                (content.is_any() || !track.waits_no_longer).then_some(track.start)
            }
            Aim::Unit(Counter { track: Some(track), .. }) if !track.recognised && !track.waits_no_longer => track.point,
            Aim::Done { event, .. } => *event,
            Aim::Unit(_) | Aim::Bytes { .. } => None,
        }
    }

    /// Bytes have been read, up to the offset `read`.
    pub(super) fn on_read(&mut self, bytes: u64, in_payload: bool, read: u64) {
        match &mut self.aim {
            Aim::Bytes { left } if *left > 0 => {
                *left -= bytes.min(*left);
                if *left == 0 {
                    self.due = Some(StrikePoint { at: read, from: read });
                }
            }
            Aim::Bytes { .. } | Aim::Done { .. } => {}
            Aim::Unit(Counter { what, track, .. }) => {
                // Legal: no unit is under way, or its point is reached.
                let Some(track) = track.as_mut().filter(|track| track.point.is_none()) else { return };
                // A chunk's size and line end are no part of what stands in it.
                if in_payload || !lies_in_payload(*what) {
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
            Aim::Unit(counter) => self.due = counter.on_mark(mark).or(self.due),
            Aim::Done { n, heads, event } => match mark {
                Mark::Ended { what: CountedUnit::Head, .. } => *heads = heads.saturating_add(1),
                Mark::Candidate { what: CountedUnit::SseEvent, at } if heads == n => *event = Some(*at),
                Mark::Dismissed { what: CountedUnit::SseEvent } => *event = None,
                Mark::Ended { what: CountedUnit::SseEvent, end, unit, .. } => {
                    let from = event.take();
                    if let Some(Unit::SseEvent { data: Some(data), .. }) = unit
                        && data == DONE
                    {
                        self.due = from.map(|from| StrikePoint { at: *end, from });
                    }
                }
                Mark::Candidate { .. }
                | Mark::Doubted { .. }
                | Mark::Unreadable { .. }
                | Mark::Dismissed { .. }
                | Mark::Begun { .. }
                | Mark::Ended { .. }
                | Mark::Whole { .. }
                | Mark::Aside { .. } => {}
            },
        }
    }

    /// From where on bytes wait for something that has shown nothing yet.
    pub(super) fn undecided_from(&self) -> Option<u64> {
        match &self.aim {
            Aim::Unit(Counter { track: Some(track), content, .. })
                if !track.has_shown && (self.need != Keep::Unit || !content.is_any()) =>
            {
                self.holds_from().map(|_| track.start)
            }
            Aim::Unit(_) | Aim::Bytes { .. } | Aim::Done { .. } => None,
        }
    }

    /// Bytes need not wait any longer for what may still show that it is the unit.
    pub(super) fn wait_no_longer(&mut self) {
        if let Aim::Unit(Counter { track: Some(track), .. }) = &mut self.aim {
            track.waits_no_longer = true;
        }
    }

    /// The unit in passage will not arrive whole.
    pub(super) fn lose_unit(&mut self) {
        match &mut self.aim {
            Aim::Unit(counter) => counter.track = None,
            Aim::Done { event, .. } => *event = None,
            Aim::Bytes { .. } => {}
        }
    }
}

/// Whether the chunks around a unit are no part of it.
fn lies_in_payload(what: CountedUnit) -> bool {
    match what {
        CountedUnit::SseEvent | CountedUnit::Chunk | CountedUnit::Line => true,
        CountedUnit::Head | CountedUnit::Frame(_) | CountedUnit::Message => false,
    }
}

impl Counter {
    fn new(what: CountedUnit, n: u32, edge: Edge, content: Pattern) -> Self {
        Self { what, n, edge, content, counted: 0, others: 0, track: None }
    }

    /// A boundary was read. Returns where the fault must strike, when that has become known.
    fn on_mark(&mut self, mark: &Mark) -> Option<StrikePoint> {
        match mark {
            Mark::Candidate { what, at } if *what == self.what => self.follow(*at),
            Mark::Dismissed { what } if *what == self.what => self.track = None,
            Mark::Doubted { what } if *what == self.what => {
                self.track.iter_mut().for_each(|track| track.waits_no_longer = true);
            }
            Mark::Unreadable { what } if *what == self.what && !self.content.is_any() => self.track = None,
            Mark::Begun { what, at } if *what == self.what => return self.begin(*at),
            Mark::Ended { what, end, unit, .. } if *what == self.what => return self.end(*end, unit.as_ref()),
            Mark::Candidate { .. }
            | Mark::Doubted { .. }
            | Mark::Unreadable { .. }
            | Mark::Dismissed { .. }
            | Mark::Begun { .. }
            | Mark::Ended { .. }
            | Mark::Whole { .. }
            | Mark::Aside { .. } => {}
        }
        None
    }

    /// What begins here may be the unit that is waited for.
    fn follow(&mut self, at: u64) {
        if self.counted + 1 == self.n {
            self.track = Some(Track::new(self.edge, at));
        }
    }

    fn begin(&mut self, at: u64) -> Option<StrikePoint> {
        if self.what == CountedUnit::SseEvent {
            self.track.iter_mut().for_each(|track| track.has_shown = true);
            return None;
        }
        if self.counts_at_the_end() {
            self.follow(at);
            return None;
        }
        self.counted = self.counted.saturating_add(1);
        if self.counted != self.n {
            return None;
        }
        let track = self.track.get_or_insert_with(|| Track::new(self.edge, at));
        track.recognised = true;
        track.due()
    }

    fn end(&mut self, end: u64, unit: Option<&Unit>) -> Option<StrikePoint> {
        let track = self.track.take();
        if self.counts_at_the_end() {
            if !self.means(unit) {
                self.others = self.others.saturating_add(1);
                return None;
            }
            self.counted = self.counted.saturating_add(1);
        }
        // A unit shorter than the point inside it is struck at its end.
        let track = track.filter(|_| self.counted == self.n)?;
        Some(StrikePoint { at: track.point.unwrap_or(end), from: track.start })
    }

    /// Whether a unit counts only when all of it has come: an event that its body's end cuts off is none (WHATWG HTML,
    /// 9.2.6), and what a message says is known when it is whole.
    fn counts_at_the_end(&self) -> bool {
        self.what == CountedUnit::SseEvent || !self.content.is_any()
    }

    fn means(&self, unit: Option<&Unit>) -> bool {
        let text = match unit {
            Some(Unit::WsMessage { text, .. }) => text.as_deref(),
            Some(Unit::SseEvent { data, .. }) => data.as_deref(),
            Some(
                Unit::WsControl { .. } | Unit::HttpRequest { .. } | Unit::HttpResponse { .. } | Unit::HttpChunk { .. },
            )
            | None => None,
        };
        self.content.is_any() || text.is_some_and(|text| self.content.matches_text(text))
    }
}

impl Aim {
    /// The trigger of a verb that is about a whole response names the response by its head.
    fn head(named: Response, n: u32, edge: Edge) -> Self {
        let head = |edge| Self::Unit(Counter::new(CountedUnit::Head, n, edge, Pattern::default()));
        match named {
            Response::Head => head(edge),
            Response::Whole => head(Edge::Before),
            Response::Done => Self::Done { n, heads: 0, event: None },
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
        let mut track =
            Self { start: at, recognised: false, has_shown: false, waits_no_longer: false, left, point: None };
        track.reach(at);
        track
    }

    fn reach(&mut self, read: u64) {
        if self.left == 0 {
            self.point = Some(read);
        }
    }

    fn due(&self) -> Option<StrikePoint> {
        self.point.map(|at| StrikePoint { at, from: self.start })
    }
}
