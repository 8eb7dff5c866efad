//! What befalls connections before they are established.

use std::time::Duration;

use super::connection::Connection;
use super::firing::Site;
use super::plane::{Due, Plane};
use super::planned::Strikes;
use super::{ConnectVerdict, ConnectionKey, Effect};
use crate::fault::{FaultIndex, HalfOpenKind, IoCall, IoErrorKind, Trigger, Verb};
use crate::name::{ConnectionId, Direction};

/// What a verb does to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    Refuse,
    Hang,
    Stall,
    Reset,
    /// The call itself: no SYN is sent.
    Fail(IoErrorKind),
}

impl Mishap {
    /// What a verb does to attempts, and for how long it strikes them, if it does.
    fn of(verb: &Verb) -> Option<(Self, Option<Duration>)> {
        match verb {
            Verb::Refuse { lasting } => Some((Self::Refuse, *lasting)),
            Verb::ConnectHang { lasting } => Some((Self::Hang, *lasting)),
            Verb::HandshakeStall { lasting } => Some((Self::Stall, *lasting)),
            Verb::AcceptThenReset { lasting } => Some((Self::Reset, *lasting)),
            Verb::IoError { call: IoCall::Connect, kind, lasting, .. } => Some((Self::Fail(*kind), *lasting)),
            Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfClose { .. }
            | Verb::LookupFails { .. }
            | Verb::LookupMoves { .. }
            | Verb::Buffer { .. }
            | Verb::HalfOpen { .. }
            | Verb::Illegal { .. }
            | Verb::Cut { .. }
            | Verb::TruncateClean
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Upstream(_)
            | Verb::IoError { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::ClockJump { .. }
            | Verb::Restart { .. } => None,
        }
    }
}

impl Plane {
    /// A connection is attempted: its first SYN is about to leave. From now on it is called `key`.
    pub fn connect(
        &mut self,
        key: ConnectionKey,
        id: &ConnectionId,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> ConnectVerdict {
        self.count_attempt(id);
        let verdict = match self.befall(id, now, out) {
            Some((fault, Mishap::Refuse)) => ConnectVerdict::Refuse(fault),
            Some((fault, Mishap::Fail(kind))) => ConnectVerdict::Fail(fault, kind),
            Some((fault, Mishap::Hang)) => {
                self.hung.insert(key, fault);
                ConnectVerdict::Hang(fault)
            }
            mishap => {
                self.take_up(key, id, now);
                match mishap {
                    Some((fault, mishap)) => self.spoil(key, fault, mishap, out),
                    None => self.note_attempt(key, id, now, out),
                }
                ConnectVerdict::Proceed
            }
        };
        self.settle(now, out);
        verdict
    }

    /// The SYN of an attempt that has found no answer is about to leave once more.
    pub fn retry(
        &mut self,
        key: ConnectionKey,
        id: &ConnectionId,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> ConnectVerdict {
        let lasting = self.indices().find(|fault| {
            let planned = self.planned(*fault);
            planned.strikes == Strikes::All && planned.strikes_attempt(id)
        });
        let mishap = lasting.and_then(|fault| Some((fault, Mishap::of(&self.planned(fault).fault.verb)?.0)));
        // A call that has returned cannot fail any more.
        let mishap = mishap.filter(|(_, mishap)| !matches!(mishap, Mishap::Fail(_)));
        match (mishap, self.hung.get(&key)) {
            (Some((fault, Mishap::Hang)), _) => ConnectVerdict::Hang(fault),
            (Some((fault, Mishap::Refuse)), _) => ConnectVerdict::Refuse(fault),
            // It was the only one that was to hang, and does so to its end.
            (_, Some(fault)) if self.is_single(*fault) => ConnectVerdict::Hang(*fault),
            (_, Some(_)) => {
                self.hung.remove(&key);
                self.connect(key, id, now, out)
            }
            (_, None) => ConnectVerdict::Proceed,
        }
    }

    /// The connection is established: both ends have heard of each other.
    pub fn established(&mut self, key: ConnectionKey, now: Duration, out: &mut Vec<Effect>) {
        self.count_established(key);
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.idleness.carried(now);
        if let Some(fault) = connection.stillborn.take() {
            connection.reset_both(fault, out);
        }
        self.await_idleness(key);
    }

    /// The fault that strikes an attempt, and what it does, if one does.
    fn befall(&mut self, id: &ConnectionId, now: Duration, out: &mut Vec<Effect>) -> Option<(FaultIndex, Mishap)> {
        for fault in self.indices() {
            let planned = self.planned(fault);
            let Some((mishap, lasting)) = Mishap::of(&planned.fault.verb) else { continue };
            let strikes = match planned.strikes {
                Strikes::All if planned.strikes_attempt(id) => {
                    if self.is_turn(fault) {
                        return Some((fault, mishap));
                    }
                    continue;
                }
                Strikes::Next => planned.strikes_attempt(id),
                Strikes::All | Strikes::None => {
                    self.is_armed(fault) && planned.fault.trigger == Trigger::Connect && planned.aims_at(id)
                }
            };
            if strikes && self.is_turn(fault) {
                self.planned_mut(fault).strikes = Strikes::None;
                self.fire(fault, id.to_string(), out);
                if let Some(lasting) = lasting {
                    self.planned_mut(fault).strikes = Strikes::All;
                    self.set_deadline(now + lasting, Due::Heal(fault));
                }
                return Some((fault, mishap));
            }
        }
        None
    }

    /// Whether a fault that strikes the nth call has come to it with this one.
    fn is_turn(&mut self, fault: FaultIndex) -> bool {
        let planned = self.planned_mut(fault);
        let Verb::IoError { nth, .. } = planned.fault.verb else { return true };
        planned.calls = planned.calls.saturating_add(1);
        planned.calls >= nth
    }

    /// A fault on attempts begins by time or event.
    pub(super) fn await_attempts(&mut self, fault: FaultIndex, now: Duration, out: &mut Vec<Effect>) {
        if self.is_single(fault) {
            self.disarm(fault);
            self.planned_mut(fault).strikes = Strikes::Next;
        } else {
            let on = self.planned(fault).fault.target.to_string();
            self.fire(fault, on, out);
            self.planned_mut(fault).strikes = Strikes::All;
            self.heal_after(fault, now);
        }
    }

    /// Whether a fault strikes one attempt only.
    fn is_single(&self, fault: FaultIndex) -> bool {
        matches!(Mishap::of(&self.planned(fault).fault.verb), Some((_, None)))
    }

    /// What a connection suffers whose SYN still gets through.
    fn spoil(&mut self, key: ConnectionKey, fault: FaultIndex, mishap: Mishap, out: &mut Vec<Effect>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        for direction in Direction::BOTH {
            connection.silence(direction, HalfOpenKind::Stall, fault, out);
        }
        connection.stillborn = (mishap == Mishap::Reset).then_some(fault);
        self.changes += 1;
    }

    fn take_up(&mut self, key: ConnectionKey, id: &ConnectionId, now: Duration) {
        let armed = |fault: FaultIndex| self.is_armed(fault);
        let faults = self.indices().filter(|fault| armed(*fault) && self.planned(*fault).aims_at(id));
        let faults = faults.map(|fault| (fault, &self.planned(fault).fault));
        let connection = Connection::new(key, id.clone(), faults.collect::<Vec<_>>().into_iter(), now);
        self.connections.insert(key, connection);
    }

    /// Strikes what is to be struck at the attempt.
    fn note_attempt(&mut self, key: ConnectionKey, id: &ConnectionId, now: Duration, out: &mut Vec<Effect>) {
        for fault in self.indices() {
            let planned = self.planned(fault);
            if self.is_armed(fault) && planned.fault.trigger == Trigger::Connect && planned.aims_at(id) {
                self.come_true(fault, Site::On(key, None), now, out);
            }
        }
    }
}
