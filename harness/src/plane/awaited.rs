//! What faults wait for in a direction before they go on.

use bytes::Bytes;

use super::mark::{CountedUnit, Mark};
use crate::fault::{FaultIndex, FrameKind};
use crate::trace::Unit;

/// A boundary at which a fault goes on.
#[derive(Debug)]
pub(super) enum Pending {
    /// The end of the WebSocket frame in passage: a Close frame follows it.
    Close,
    /// The same: these bytes follow it.
    Frame {
        /// The fault that waits.
        fault: FaultIndex,
        /// The bytes that follow.
        bytes: Bytes,
    },
    /// The end of the chunk in passage: the body ends with it, or with this event.
    BodyEnd {
        /// The fault that waits.
        fault: FaultIndex,
        /// Nothing, if the body simply ends.
        event: Bytes,
    },
    /// The end of the chunk in passage, from which nothing is to pass.
    Emptied(FaultIndex),
    /// The place of what was taken out.
    Place(Deferred),
}

/// A message or event that was taken out of its place.
#[derive(Debug)]
pub(super) struct Deferred {
    /// The fault that took it out.
    pub(super) fault: FaultIndex,
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// How the trace tells of it.
    pub(super) units: Vec<Unit>,
    /// What it is.
    pub(super) what: CountedUnit,
    /// Behind how many more of its kind it arrives.
    pub(super) behind: u32,
}

impl Pending {
    /// A boundary was read.
    pub(super) fn on_mark(&mut self, mark: &Mark) {
        let Self::Place(deferred) = self else { return };
        match mark {
            Mark::Ended { what, .. } if *what == deferred.what => deferred.behind = deferred.behind.saturating_sub(1),
            // Nothing may follow a Close frame (RFC 6455, 5.5.1).
            Mark::Begun { what: CountedUnit::Frame(FrameKind::Close), .. } => deferred.behind = 0,
            Mark::Candidate { .. }
            | Mark::Doubted { .. }
            | Mark::Unreadable { .. }
            | Mark::Whole { .. }
            | Mark::Dismissed { .. }
            | Mark::Begun { .. }
            | Mark::Ended { .. }
            | Mark::Aside { .. } => {}
        }
    }

    /// Whether chunks must wait until they are whole, because something may have to stand in them.
    pub(super) fn keeps_chunks(&self) -> bool {
        match self {
            Self::Place(deferred) => deferred.what == CountedUnit::SseEvent,
            Self::Close | Self::Frame { .. } | Self::BodyEnd { .. } | Self::Emptied(_) => false,
        }
    }

    /// Whether nothing may leave.
    pub(super) fn holds_everything(&self) -> bool {
        match self {
            Self::Emptied(_) => true,
            Self::Close | Self::Frame { .. } | Self::BodyEnd { .. } | Self::Place(_) => false,
        }
    }
}
