//! A hop that keeps what it is sent, and passes it on in large pieces.

use std::time::Duration;

use super::leg::Leg;
use super::mark::Mark;
use super::plane::{Plane, Timer};
use super::{ConnectionKey, Effect};
use crate::fault::FaultIndex;
use crate::name::Direction;

/// What a hop keeps of a direction.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) fault: FaultIndex,
    /// How many bytes make a piece.
    bytes: u64,
    flush_after: Option<Duration>,
    /// What lies before this offset goes on.
    pub(super) open: u64,
    /// How far it was filled when something was last added, and when that was.
    filled: u64,
    since: Duration,
    /// Whether it will be looked at when its time is over.
    is_awaited: bool,
}

impl Keeping {
    /// A hop that has nothing.
    pub(super) fn new(fault: FaultIndex, bytes: u32, flush_after: Option<Duration>) -> Self {
        let since = Duration::ZERO;
        Self { fault, bytes: bytes.into(), flush_after, open: 0, filled: 0, since, is_awaited: false }
    }

    /// It stands in a direction from an offset on.
    pub(super) fn begin(&mut self, at: u64) {
        self.open = at;
        self.filled = at;
    }

    /// So much has come: whole pieces go on.
    pub(super) fn fill(&mut self, read: u64) {
        self.open += read.saturating_sub(self.open) / self.bytes.max(1) * self.bytes.max(1);
    }

    /// A boundary was read: a whole message goes on.
    pub(super) fn on_mark(&mut self, mark: &Mark) {
        if let Mark::Whole { end } = mark {
            self.open = self.open.max(*end);
        }
    }
}

impl Leg {
    /// A hop begins to keep what it is sent.
    pub(super) fn keep(&mut self, mut keeping: Keeping) {
        keeping.begin(self.read());
        self.keepings.push(keeping);
    }

    /// A hop passes on what it has, and goes on without keeping.
    pub(super) fn stop_keeping(&mut self, fault: FaultIndex) {
        self.keepings.retain(|keeping| keeping.fault != fault);
    }

    /// Notes when something was added. Answers whose bytes wait, and when a hop that was not awaited has waited long enough.
    fn note_kept(&mut self, now: Duration) -> Vec<(FaultIndex, Option<Duration>)> {
        let read = self.read();
        let waiting = self.keepings.iter_mut().filter(|keeping| keeping.open < read && keeping.filled < read);
        let noted = waiting.map(|keeping| {
            keeping.filled = read;
            keeping.since = now;
            let at = keeping.flush_after.filter(|_| !keeping.is_awaited).map(|after| now + after);
            keeping.is_awaited |= at.is_some();
            (keeping.fault, at)
        });
        noted.collect()
    }

    /// Those that have waited long enough pass on what they have. Answers when the others have.
    fn flush(&mut self, now: Duration) -> Option<Duration> {
        let read = self.read();
        let mut next = None;
        for keeping in self.keepings.iter_mut().filter(|keeping| keeping.is_awaited) {
            let Some(after) = keeping.flush_after else { continue };
            let at = keeping.since + after;
            if keeping.open >= read || at <= now {
                keeping.open = keeping.open.max(read);
                keeping.is_awaited = false;
            } else {
                next = Some(next.map_or(at, |next: Duration| next.min(at)));
            }
        }
        next
    }
}

impl Plane {
    /// What a hop has been sent and has not passed on.
    pub(super) fn await_flush(
        &mut self,
        key: ConnectionKey,
        direction: Direction,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        let connection = self.connections.get_mut(key).expect("a connection whose bytes are read is known");
        for (fault, at) in connection.leg(direction).note_kept(now) {
            out.push(Effect::Kept { connection: key, direction, fault });
            if let Some(at) = at {
                self.set_deadline(at, Timer::Flush(key, direction));
            }
        }
    }

    /// A hop may have kept bytes for long enough.
    pub(super) fn flush(&mut self, key: ConnectionKey, direction: Direction, now: Duration, out: &mut Vec<Effect>) {
        let next = self.connections.get_mut(key).and_then(|connection| connection.leg(direction).flush(now));
        if let Some(at) = next {
            self.set_deadline(at, Timer::Flush(key, direction));
        }
        self.drive(key, direction, now, out);
    }
}
