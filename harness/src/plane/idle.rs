//! Connections that carry nothing for a while: the faults that wait for that, and the middleboxes that forget them.

use std::time::Duration;

use super::firing::Site;
use super::plane::{Plane, Timer};
use super::{ConnectionKey, Effect};
use crate::fault::{Fault, FaultIndex, Forgetting, HalfOpenKind, Middlebox, Trigger};
use crate::name::Direction;

/// When a connection last carried something, and who waits until it has carried nothing for a while.
#[derive(Debug)]
pub(super) struct Idleness {
    last: Duration,
    waiting: Vec<Waiting>,
    /// When it is looked at next.
    looked_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// How long nothing must have been carried.
    after: Duration,
    who: Who,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Fault(FaultIndex),
    Middlebox(Forgetting),
}

impl Idleness {
    /// Of a connection that is attempted now, under the faults that may strike it.
    pub(super) fn new<'a>(faults: impl Iterator<Item = (FaultIndex, &'a Fault)>, now: Duration) -> Self {
        let waiting = faults.filter_map(|(index, fault)| match fault.trigger {
            Trigger::Idle(after) => Some(Waiting { after, who: Who::Fault(index) }),
            Trigger::At(_)
            | Trigger::Message { .. }
            | Trigger::Frame { .. }
            | Trigger::SseEvent { .. }
            | Trigger::Chunk { .. }
            | Trigger::Line { .. }
            | Trigger::Bytes { .. }
            | Trigger::HttpHead { .. }
            | Trigger::Event { .. }
            | Trigger::Connect => None,
        });
        Self { last: now, waiting: waiting.collect(), looked_at: None }
    }

    /// Something is carried now.
    pub(super) fn carried(&mut self, now: Duration) {
        self.last = now;
    }

    /// Whether no fault waits.
    pub(super) fn is_unimportant(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the connection is to be looked at, if that is not known already.
    fn next_look(&mut self) -> Option<Duration> {
        let next = self.last + self.waiting.iter().map(|waiting| waiting.after).min()?;
        if self.looked_at.is_some_and(|at| at <= next) {
            return None;
        }
        self.looked_at = Some(next);
        Some(next)
    }

    /// Those whose wait is over take their leave. They wait once.
    fn take_due(&mut self, now: Duration) -> Vec<Who> {
        if self.looked_at.is_some_and(|at| at <= now) {
            self.looked_at = None;
        }
        let last = self.last;
        let (due, waiting) = self.waiting.drain(..).partition(|waiting| last + waiting.after <= now);
        self.waiting = waiting;
        let due: Vec<Waiting> = due;
        due.into_iter().map(|waiting| waiting.who).collect()
    }
}

impl Plane {
    /// The packets of a connection that is attempted pass through a middlebox.
    pub fn pass_middlebox(&mut self, key: ConnectionKey, middlebox: Middlebox) {
        if let Some(connection) = self.connections.get_mut(key) {
            let who = Who::Middlebox(middlebox.forgets);
            connection.idleness.waiting.push(Waiting { after: middlebox.idle_timeout, who });
        }
    }

    /// A connection has carried a packet that the plane is not shown otherwise: a keepalive probe or its answer.
    pub fn carried(&mut self, key: ConnectionKey, now: Duration) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.idleness.carried(now);
        }
    }

    /// Makes sure that a connection is looked at when somebody's wait may be over.
    pub(super) fn await_idleness(&mut self, key: ConnectionKey) {
        let next = self.connections.get_mut(key).and_then(|connection| connection.idleness.next_look());
        if let Some(at) = next {
            self.set_deadline(at, Timer::Idle(key));
        }
    }

    /// A connection may have carried nothing for long enough.
    pub(super) fn note_idle(&mut self, key: ConnectionKey, now: Duration, out: &mut Vec<Effect>) {
        let connection = self.connections.get_mut(key).expect("the timers of a connection end with it");
        for who in connection.idleness.take_due(now) {
            match who {
                Who::Fault(fault) => {
                    if self.is_armed(fault) {
                        self.trigger_fault(fault, Site::On(key, None), now, out);
                    }
                }
                Who::Middlebox(forgets) => self.forget(key, forgets, out),
            }
        }
        self.await_idleness(key);
    }

    fn forget(&mut self, key: ConnectionKey, forgets: Forgetting, out: &mut Vec<Effect>) {
        // Legal: a fault has severed it at the same instant.
        let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.is_open()) else { return };
        self.changes += 1;
        out.push(Effect::Forgotten { connection: key });
        for direction in Direction::BOTH {
            match forgets {
                Forgetting::Blackhole => {
                    connection.silence(direction, HalfOpenKind::Blackhole, FaultIndex::MIDDLEBOX, out);
                }
                Forgetting::Reset => connection.sever(direction, FaultIndex::MIDDLEBOX, out),
            }
        }
    }
}
