//! The plane: what actuators call, and when each fault strikes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::connection::Step;
use super::connections::Connections;
use super::firing::Site;
use super::leg::Disposition;
use super::planned::Planned;
use super::reasons::Traffic;
use super::struck::Point;
use super::watch;
use super::{ConnectionKey, Effect, Passage};
use crate::fault::{Fault, FaultIndex, Trigger};
use crate::name::{Direction, HostName, Link};
use crate::trace::LogEvent;

/// The faults of one run and the state of everything that they may strike. All times are since the start of the run.
///
/// ```
/// use std::time::Duration;
/// use halfopen::fault::{Connections, Ends, Fault, Reset, Trigger};
/// use halfopen::name::ConnectionId;
/// use halfopen::internals::plane::{ConnectVerdict, ConnectionKey, Effect, Plane};
///
/// let chats = Connections::of("alice", "chat");
/// let at = Duration::from_secs(5);
/// let mut plane = Plane::new(&[Fault::new(chats.clone(), Trigger::At(at), Reset { to: Ends::Both })]);
///
/// let mut effects = Vec::new();
/// let id = ConnectionId { link: chats.link, nth: 1 };
/// assert_eq!(plane.connect(ConnectionKey(0), &id, Duration::ZERO, &mut effects), ConnectVerdict::Proceed);
/// assert_eq!(plane.next_deadline(), Some(at));
/// plane.timeout(at, &mut effects);
/// assert!(matches!(&effects[0], Effect::Fired { on, verb, .. } if on == "alice->chat#1" && verb == "reset"));
/// ```
#[derive(Debug)]
pub struct Plane {
    pub(super) faults: Vec<Planned>,
    /// By fault: whether it can still fire.
    armed: Vec<bool>,
    pub(super) connections: Connections,
    /// Attempts whose SYNs vanish.
    pub(super) hung: BTreeMap<ConnectionKey, FaultIndex>,
    /// The number keeps those of one instant in the order in which they were set.
    deadlines: BTreeMap<(Duration, u64), Timer>,
    deadlines_set: u64,
    /// Something has changed that may let held bytes go.
    unsettled: bool,
    /// How often a fault has changed what happens to bytes.
    pub(super) changes: u32,
    /// By link.
    pub(super) seen: BTreeMap<Link, Traffic>,
}

/// What is to be done at a time.
#[derive(Clone, Debug)]
pub(super) enum Timer {
    /// A trigger comes true.
    Strike(FaultIndex),
    /// A fault ends.
    Heal(FaultIndex),
    /// A fault ends on one of the connections that it has struck.
    HealOne(FaultIndex, ConnectionKey),
    /// A connection may have carried nothing for long enough.
    Idle(ConnectionKey),
    /// What waits in a direction to show what it is has had its time.
    Undecided(ConnectionKey, Direction),
    /// A hop may have kept bytes for long enough.
    Flush(ConnectionKey, Direction),
    /// An end has had its time to answer a fault's Close frame.
    CloseAnswer(FaultIndex, ConnectionKey),
}

impl Plane {
    /// A plane for the faults of a plan, in the plan's order.
    pub fn new(faults: &[Fault]) -> Self {
        let mut plane = Self {
            faults: faults.iter().cloned().map(Planned::new).collect(),
            armed: vec![true; faults.len()],
            connections: Connections::default(),
            hung: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            deadlines_set: 0,
            unsettled: false,
            changes: 0,
            seen: BTreeMap::new(),
        };
        for (n, fault) in faults.iter().enumerate() {
            if let Trigger::At(at) = fault.trigger {
                plane.set_deadline(at, Timer::Strike(FaultIndex(n as u32)));
            }
        }
        plane
    }

    /// An end of a connection has sent bytes. Those of a connection that the plane does not know pass.
    pub fn bytes(
        &mut self,
        key: ConnectionKey,
        direction: Direction,
        bytes: Bytes,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Passage {
        let Some(connection) = self.connections.get_mut(key) else { return Passage::Whole(bytes) };
        connection.idleness.carried(now);
        if connection.leg(direction).is_plain() {
            connection.read_plain(direction, &bytes, out);
            return Passage::Whole(bytes);
        }
        let from = connection.leg(direction).arrive(bytes);
        self.drive(key, direction, now, out);
        let mut rest = Bytes::new();
        if let Some(connection) = self.connections.get_mut(key)
            && let Disposition::Silent(..) = connection.leg(direction).fate()
        {
            rest = connection.leg(direction).give_back(from);
        }
        self.settle(now, out);
        self.await_showing(key, direction, now);
        self.await_flush(key, direction, now, out);
        Passage::Decided(rest)
    }

    /// How often a fault has changed what happens to bytes, on whichever connection.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Whether a direction's bytes all pass as they come, and nothing is to be read in them, for as long as
    /// [`changes`](Self::changes) stays as it is. They need not be shown to the plane.
    pub fn is_indifferent(&self, key: ConnectionKey, direction: Direction) -> bool {
        self.connections.get(key).is_none_or(|connection| connection.is_indifferent(direction))
    }

    /// An end of a connection has sent its FIN.
    pub fn fin(&mut self, key: ConnectionKey, direction: Direction, now: Duration, out: &mut Vec<Effect>) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.idleness.carried(now);
            connection.leg(direction).finish();
            self.drive(key, direction, now, out);
        }
        match self.connections.get_mut(key) {
            Some(connection) => connection.fin(direction, out),
            None => out.push(Effect::ForwardFin { connection: key, direction }),
        }
        self.settle(now, out);
    }

    /// An end of a connection sends RST: what has waited for a fault that will not strike any more passes before it.
    pub fn rst(&mut self, key: ConnectionKey, direction: Direction, out: &mut Vec<Effect>) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.rst(direction, out);
        }
    }

    /// Both ends are done with a connection: nothing can strike it any more.
    pub fn ended(&mut self, key: ConnectionKey) {
        self.keep_counts(key);
        self.connections.remove(key);
        self.hung.remove(&key);
        self.deadlines.retain(|_, due| match due {
            Timer::Strike(_) | Timer::Heal(_) => true,
            Timer::CloseAnswer(_, of)
            | Timer::HealOne(_, of)
            | Timer::Idle(of)
            | Timer::Undecided(of, _)
            | Timer::Flush(of, _) => *of != key,
        });
    }

    /// A host has logged a tracing event.
    pub fn event(&mut self, host: &HostName, event: &LogEvent, now: Duration, out: &mut Vec<Effect>) {
        for fault in self.indices() {
            if !self.is_armed(fault) {
                continue;
            }
            let Some(after) = self.planned_mut(fault).count(host, event) else { continue };
            if after.is_zero() {
                self.trigger_fault(fault, Site::Everywhere, now, out);
            } else {
                self.set_deadline(now + after, Timer::Strike(fault));
            }
        }
        self.settle(now, out);
    }

    /// Does what is due at `now` or was before.
    pub fn timeout(&mut self, now: Duration, out: &mut Vec<Effect>) {
        while let Some(entry) = self.deadlines.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Timer::Strike(fault) => self.trigger_fault(fault, Site::Everywhere, now, out),
                Timer::Heal(fault) => self.heal(fault, now, out),
                Timer::HealOne(fault, key) => self.heal_one(fault, key, now, out),
                Timer::Idle(key) => self.note_idle(key, now, out),
                Timer::Undecided(key, direction) => self.let_undecided_go(key, direction, now, out),
                Timer::Flush(key, direction) => self.flush(key, direction, now, out),
                Timer::CloseAnswer(fault, key) => {
                    self.changes += 1;
                    if let Some(connection) = self.connections.get_mut(key) {
                        connection.give_up_closing(fault, out);
                    }
                }
            }
            self.settle(now, out);
        }
    }

    /// When `timeout` wants to be called next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// The planned faults that have not fired: their triggers never came true, or there was nothing to strike then.
    pub fn unfired(&self) -> Vec<FaultIndex> {
        self.indices().filter(|fault| !self.planned(*fault).fired).collect()
    }

    /// How many faults have fired.
    pub fn fired(&self) -> usize {
        self.faults.iter().filter(|planned| planned.fired).count()
    }

    /// Why a fault did not fire although its trigger came true: `the connection is not a WebSocket`.
    pub fn obstacle(&self, fault: FaultIndex) -> Option<&str> {
        self.faults
            .get(fault.0 as usize)
            .filter(|planned| !planned.fired)?
            .hindrance
            .as_ref()
            .map(|hindrance| hindrance.obstacle)
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = FaultIndex> + use<> {
        (0..self.faults.len() as u32).map(FaultIndex)
    }

    pub(super) fn planned(&self, fault: FaultIndex) -> &Planned {
        &self.faults[fault.0 as usize]
    }

    pub(super) fn planned_mut(&mut self, fault: FaultIndex) -> &mut Planned {
        &mut self.faults[fault.0 as usize]
    }

    pub(super) fn is_armed(&self, fault: FaultIndex) -> bool {
        self.armed[fault.0 as usize]
    }

    pub(super) fn disarm(&mut self, fault: FaultIndex) {
        self.armed[fault.0 as usize] = false;
        self.unsettle();
    }

    /// Held bytes may go.
    pub(super) fn unsettle(&mut self) {
        self.unsettled = true;
    }

    /// What a fault holds because it may be the unit that it waits for, holds for so long at most: longer than a path takes to
    /// acknowledge the first of several pieces, and shorter than anybody takes to think that a peer is gone.
    const SHOWING: Duration = Duration::from_secs(1);

    fn await_showing(&mut self, key: ConnectionKey, direction: Direction, now: Duration) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.leg(direction).begins_to_wait()
        {
            self.set_deadline(now + Self::SHOWING, Timer::Undecided(key, direction));
        }
    }

    fn let_undecided_go(&mut self, key: ConnectionKey, direction: Direction, now: Duration, out: &mut Vec<Effect>) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.leg(direction).let_undecided_go();
        }
        self.drive(key, direction, now, out);
        self.await_showing(key, direction, now);
    }

    pub(super) fn set_deadline(&mut self, at: Duration, due: Timer) {
        self.deadlines.insert((at, self.deadlines_set), due);
        self.deadlines_set += 1;
    }

    /// Lets a direction go on, through every fault that strikes in it.
    pub(super) fn drive(&mut self, key: ConnectionKey, direction: Direction, now: Duration, out: &mut Vec<Effect>) {
        while let Some(connection) = self.connections.get_mut(key) {
            match connection.advance(direction, &self.armed, out) {
                Step::Idle => return,
                Step::Strike(fault, watch::StrikePoint { at, from }) => {
                    self.trigger_fault(fault, Site::On(key, Some(Point { direction, at, from })), now, out);
                }
            }
        }
    }

    /// A fault that has fired on one connection no longer holds bytes on others.
    pub(super) fn settle(&mut self, now: Duration, out: &mut Vec<Effect>) {
        while std::mem::take(&mut self.unsettled) {
            let keys: Vec<_> = self.connections.iter().map(|connection| connection.key).collect();
            for key in keys {
                for direction in Direction::BOTH {
                    self.drive(key, direction, now, out);
                }
            }
        }
    }
}
