//! Faults that strike an attempt to connect.

use std::time::Duration;

use super::connection::TrackedConnection;
use super::firing::Site;
use super::plane::{Plane, Timer};
use super::planned::Strikes;
use super::{ConnectVerdict, ConnectionKey, Effect};
use crate::fault::{Act, AttemptFate, FaultIndex, HalfOpenKind, Trigger};
use crate::name::{ConnectionId, Direction};

/// What an act does to attempts, if it strikes any.
fn fate_by(act: &Act) -> Option<AttemptFate> {
    match act {
        Act::Attempt { verb, .. } => Some(verb.fate()),
        Act::Connection { .. }
        | Act::Path { .. }
        | Act::Lookup { .. }
        | Act::Listener { .. }
        | Act::Pair { .. }
        | Act::Host { .. } => None,
    }
}

/// Whether an act, once it strikes attempts, strikes this one: the nth it names, or one after that.
fn strikes_attempt(act: &Act, id: &ConnectionId) -> bool {
    match act {
        Act::Attempt { on, .. } => on.link == id.link && on.nth.is_none_or(|nth| nth <= id.nth),
        Act::Connection { .. }
        | Act::Path { .. }
        | Act::Lookup { .. }
        | Act::Listener { .. }
        | Act::Pair { .. }
        | Act::Host { .. } => false,
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
        let verdict = match self.match_attempt(id, now, out) {
            Some((fault, AttemptFate::Refused)) => ConnectVerdict::Refuse(fault),
            Some((fault, AttemptFate::Fails(kind))) => ConnectVerdict::Fail(fault, kind),
            Some((fault, AttemptFate::Hangs)) => {
                self.hung.insert(key, fault);
                ConnectVerdict::Hang(fault)
            }
            fate => {
                self.register(key, id, now);
                match fate {
                    Some((fault, fate)) => self.degrade(key, fault, fate, out),
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
            planned.strikes == Strikes::All && strikes_attempt(&planned.fault.act, id)
        });
        let fate = lasting.and_then(|fault| Some((fault, fate_by(&self.planned(fault).fault.act)?)));
        // A call that has returned cannot fail any more.
        let fate = fate.filter(|(_, fate)| !matches!(fate, AttemptFate::Fails(_)));
        match (fate, self.hung.get(&key)) {
            (Some((fault, AttemptFate::Hangs)), _) => ConnectVerdict::Hang(fault),
            (Some((fault, AttemptFate::Refused)), _) => ConnectVerdict::Refuse(fault),
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
        // Legal: the plane was told of no attempt.
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.idleness.carried(now);
        if let Some(fault) = connection.reset_on_establish.take() {
            connection.reset_both(fault, out);
        }
        self.await_idleness(key);
    }

    /// The fault that strikes an attempt, and what it does, if one does.
    fn match_attempt(
        &mut self,
        id: &ConnectionId,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Option<(FaultIndex, AttemptFate)> {
        for fault in self.indices() {
            let planned = self.planned(fault);
            let Some(fate) = fate_by(&planned.fault.act) else { continue };
            let lasting = planned.fault.act.lasts();
            let strikes = match planned.strikes {
                Strikes::All if strikes_attempt(&planned.fault.act, id) => {
                    if self.is_turn(fault) {
                        return Some((fault, fate));
                    }
                    continue;
                }
                Strikes::Next => strikes_attempt(&planned.fault.act, id),
                Strikes::All | Strikes::None => {
                    self.is_armed(fault) && planned.fault.trigger == Trigger::Connect && planned.aims_at(id)
                }
            };
            if strikes && self.is_turn(fault) {
                self.planned_mut(fault).strikes = Strikes::None;
                self.fire(fault, id.to_string(), out);
                if let Some(lasting) = lasting {
                    self.planned_mut(fault).strikes = Strikes::All;
                    self.set_deadline(now + lasting, Timer::Heal(fault));
                }
                return Some((fault, fate));
            }
        }
        None
    }

    /// Whether a fault that strikes the nth call has come to it with this one.
    fn is_turn(&mut self, fault: FaultIndex) -> bool {
        let planned = self.planned_mut(fault);
        let Act::Attempt { verb, .. } = &planned.fault.act else { return true };
        let nth = verb.nth();
        planned.calls = planned.calls.saturating_add(1);
        planned.calls >= nth
    }

    /// A fault on attempts begins by time or event.
    pub(super) fn await_attempts(&mut self, fault: FaultIndex, now: Duration, out: &mut Vec<Effect>) {
        if self.is_single(fault) {
            self.disarm(fault);
            self.planned_mut(fault).strikes = Strikes::Next;
        } else {
            let on = self.planned(fault).fault.act.target().to_string();
            self.fire(fault, on, out);
            self.planned_mut(fault).strikes = Strikes::All;
            self.heal_after(fault, now);
        }
    }

    /// Whether a fault strikes one attempt only.
    fn is_single(&self, fault: FaultIndex) -> bool {
        let act = &self.planned(fault).fault.act;
        fate_by(act).is_some() && act.lasts().is_none()
    }

    /// What a connection suffers whose SYN still gets through.
    fn degrade(&mut self, key: ConnectionKey, fault: FaultIndex, fate: AttemptFate, out: &mut Vec<Effect>) {
        let connection = self.connections.get_mut(key).expect("an attempt that comes through is registered");
        for direction in Direction::BOTH {
            connection.silence(direction, HalfOpenKind::Stall, fault, out);
        }
        connection.reset_on_establish = (fate == AttemptFate::Reset).then_some(fault);
        self.changes += 1;
    }

    fn register(&mut self, key: ConnectionKey, id: &ConnectionId, now: Duration) {
        let armed = |fault: FaultIndex| self.is_armed(fault);
        let faults = self.indices().filter(|fault| armed(*fault) && self.planned(*fault).aims_at(id));
        let faults = faults.map(|fault| (fault, &self.planned(fault).fault));
        let connection = TrackedConnection::new(key, id.clone(), faults.collect::<Vec<_>>().into_iter(), now);
        self.connections.insert(key, connection);
    }

    /// Strikes what is to be struck at the attempt.
    fn note_attempt(&mut self, key: ConnectionKey, id: &ConnectionId, now: Duration, out: &mut Vec<Effect>) {
        for fault in self.indices() {
            let planned = self.planned(fault);
            if self.is_armed(fault) && planned.fault.trigger == Trigger::Connect && planned.aims_at(id) {
                self.trigger_fault(fault, Site::On(key, None), now, out);
            }
        }
    }
}
