//! What the parsers report: where the units of a protocol begin and end in a direction's bytes.

use crate::fault::FrameKind;
use crate::trace::Unit;

/// The units that triggers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountedUnit {
    /// The head of a request or of a final response.
    Head,
    /// A WebSocket frame.
    Frame(FrameKind),
    /// A WebSocket data message, all its fragments together.
    Message,
    /// An SSE event that has data.
    SseEvent,
    /// A chunk that carries something.
    Chunk,
    /// A line of a body that is not empty.
    Line,
}

/// A boundary. Offsets count the sender's bytes in this direction, from 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A possible unit starts here; it may turn out not to count.
    Candidate {
        /// What it may be.
        what: CountedUnit,
        /// Its first byte.
        at: u64,
    },
    /// The candidate is none.
    Dismissed {
        /// What it might have been.
        what: CountedUnit,
    },
    /// The candidate is hardly one: nothing should wait for it.
    Doubted {
        /// What it might be.
        what: CountedUnit,
    },
    /// What the message in passage says will not be known: it is binary, compressed, or longer than what is kept.
    Unreadable {
        /// What it is.
        what: CountedUnit,
    },
    /// A message of HTTP has ended, with its body.
    Whole {
        /// The byte after its last.
        end: u64,
    },
    /// A unit has begun that counts; of an SSE event it is known that it has data, and it counts when it has ended.
    Begun {
        /// The kind of unit.
        what: CountedUnit,
        /// Its first byte; earlier than this report when it was a candidate before.
        at: u64,
    },
    /// A counted unit has ended.
    Ended {
        /// The kind of unit.
        what: CountedUnit,
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
        /// How the trace tells of it, if it does.
        unit: Option<Unit>,
    },
    /// A unit has ended that the trace tells of and no trigger counts.
    Aside {
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
        /// How the trace tells of it.
        unit: Unit,
    },
}
