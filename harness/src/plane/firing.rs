//! How faults fire, and how they heal.

use std::time::Duration;

use super::connection::CLOSE_ANSWER;
use super::plane::{Due, Plane};
use super::planned::Strikes;
use super::reasons::{Hindrance, NOTHING_OPEN};
use super::verbs::Point;
use super::{Answer, ConnectionKey, Effect, Hold, HostAct};
use crate::fault::{Fault, FaultIndex, IoCall, Target, Trigger, Upstream, Verb};
use crate::name::{Direction, HostName, Link};

/// Where a trigger has come true.
#[derive(Clone, Copy)]
pub(super) enum Site {
    /// By time or event: the whole target is meant.
    Everywhere,
    /// On a connection, perhaps at a point in its bytes.
    On(ConnectionKey, Option<Point>),
}

impl Plane {
    pub(super) fn fire(&mut self, fault: FaultIndex, on: String, out: &mut Vec<Effect>) {
        let strikes_each = matches!(self.planned(fault).fault.trigger, Trigger::Idle(_));
        if strikes_each {
            self.unsettle();
        } else {
            self.disarm(fault);
        }
        let planned = self.planned_mut(fault);
        planned.fired = true;
        let verb = planned.fault.verb.to_string();
        out.push(Effect::Fired { fault, on, verb });
    }

    /// A trigger has come true.
    pub(super) fn come_true(&mut self, fault: FaultIndex, site: Site, now: Duration, out: &mut Vec<Effect>) {
        self.changes += 1;
        let Fault { target, verb, .. } = self.planned(fault).fault.clone();
        if let Site::On(key, Some(point)) = site
            && !verb.rewrites()
            && let Some(connection) = self.connections.get_mut(key)
        {
            connection.leg(point.direction).pass(point.at, out);
        }
        match (&verb, target) {
            (Verb::Freeze { .. }, Target::Host(host)) => self.hold(fault, Hold::Host(host), now, out),
            (Verb::Partition { one_way, .. }, Target::Between(one, other)) => {
                self.hold(fault, between(one, other, *one_way), now, out);
            }
            (Verb::Partition { one_way, .. }, Target::Link { link, .. }) => {
                self.hold(fault, between(link.client, link.server, *one_way), now, out);
            }
            (Verb::Crash { .. }, Target::Host(host)) => self.act(fault, host, HostAct::Crash, now, out),
            (Verb::PowerLoss { .. }, Target::Host(host)) => self.act(fault, host, HostAct::PowerLoss, now, out),
            (Verb::ClockJump { by, back }, Target::Host(host)) => {
                self.act(fault, host, HostAct::JumpClock { by: *by, back: *back }, now, out);
            }
            (Verb::Restart { pause }, Target::Host(host)) => {
                self.act(fault, host, HostAct::Restart { pause: *pause }, now, out);
            }
            (Verb::Partition { .. }, Target::Host(_)) => self.give_up(fault, "a partition needs two hosts", now),
            (
                Verb::Freeze { .. }
                | Verb::Crash { .. }
                | Verb::PowerLoss { .. }
                | Verb::ClockJump { .. }
                | Verb::Restart { .. },
                _,
            ) => {
                self.give_up(fault, "the target is not a host", now);
            }
            (
                Verb::Refuse { .. }
                | Verb::ConnectHang { .. }
                | Verb::HandshakeStall { .. }
                | Verb::AcceptThenReset { .. }
                | Verb::IoError { call: IoCall::Connect, .. },
                _,
            ) => self.await_attempts(fault, now, out),
            (Verb::IoError { call: IoCall::Accept, kind, nth, lasting, .. }, Target::Link { link, .. }) => {
                self.fire(fault, link.to_string(), out);
                let lasting = lasting.is_some();
                out.push(Effect::AcceptError { link, kind: *kind, nth: *nth, lasting, fault });
                self.heal_after(fault, now);
            }
            (Verb::LookupFails { kind, lasting }, Target::Link { link, .. }) => {
                self.look_up(fault, link, Answer::Failure(*kind), lasting.is_none(), now, out);
            }
            (Verb::LookupMoves { to, .. }, Target::Link { link, .. }) => {
                self.look_up(fault, link, Answer::AddressOf(to.clone()), false, now, out);
            }
            (Verb::LookupFails { .. } | Verb::LookupMoves { .. }, _) => {
                self.give_up(fault, "a lookup is of a link", now);
            }
            (
                Verb::Reset { .. }
                | Verb::Drop { .. }
                | Verb::Close { .. }
                | Verb::HalfClose { .. }
                | Verb::Buffer { .. }
                | Verb::HalfOpen { .. }
                | Verb::Illegal { .. }
                | Verb::Cut { .. }
                | Verb::TruncateClean
                | Verb::Delay { .. }
                | Verb::Jitter { .. }
                | Verb::Throttle { .. }
                | Verb::Drip { .. }
                | Verb::Split { .. }
                | Verb::Corrupt
                | Verb::DuplicateMessage { .. }
                | Verb::ReorderMessages { .. }
                | Verb::Upstream(_)
                | Verb::IoError { .. },
                _,
            ) => self.strike(fault, &verb, site, now, out),
        }
    }

    /// Strikes those connections that a verb can be done to.
    fn strike(&mut self, fault: FaultIndex, verb: &Verb, site: Site, now: Duration, out: &mut Vec<Effect>) {
        let planned = &self.faults[fault.0 as usize];
        let (point, meant): (_, Vec<_>) = match site {
            Site::On(key, point) => (point, self.connections.get(key).into_iter().collect()),
            Site::Everywhere => (None, self.connections.iter().filter(|open| planned.aims_at(&open.id)).collect()),
        };
        let mut obstacle = NOTHING_OPEN;
        let (mut keys, mut on, mut hindered) = (Vec::new(), Vec::new(), Vec::new());
        for connection in meant {
            match connection.obstacle(verb, point) {
                _ if !connection.is_open() => {}
                Some(reason) => {
                    obstacle = reason;
                    hindered.push(connection.id.to_string());
                }
                None => {
                    keys.push(connection.key);
                    on.push(connection.id.to_string());
                }
            }
        }
        if keys.is_empty() {
            self.planned_mut(fault).hindrance = Some(Hindrance { at: now, on: hindered, obstacle });
            // A trigger that counts may come true again, on another connection.
            if let Site::Everywhere = site {
                self.disarm(fault);
            }
            return;
        }
        self.fire(fault, on.join(", "), out);
        for key in &keys {
            if let Some(connection) = self.connections.get_mut(*key) {
                connection.strike(fault, verb, point, out);
            }
            if let Verb::Close { .. } = verb {
                self.set_deadline(now + CLOSE_ANSWER, Due::CloseAnswer(fault, *key));
            }
        }
        self.planned_mut(fault).struck.extend(&keys);
        match (&self.planned(fault).fault.trigger, duration(verb)) {
            (_, None) => {}
            // One connection after another is struck, and each has its time.
            (Trigger::Idle(_), Some(delay)) => {
                keys.iter().for_each(|key| self.set_deadline(now + delay, Due::HealOne(fault, *key)));
            }
            (_, Some(_)) => self.heal_after(fault, now),
        }
    }

    fn look_up(
        &mut self,
        fault: FaultIndex,
        link: Link,
        answer: Answer,
        once: bool,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        self.fire(fault, format!("lookups of {} by {}", link.server, link.client), out);
        out.push(Effect::Lookup { link, answer, once, fault });
        self.heal_after(fault, now);
    }

    fn hold(&mut self, fault: FaultIndex, between: Hold, now: Duration, out: &mut Vec<Effect>) {
        let on = match &between {
            Hold::Host(host) => format!("host {host}"),
            Hold::Between(one, other) => format!("between {one} and {other}"),
            Hold::OneWay { from, to } => format!("from {from} to {to}"),
        };
        self.fire(fault, on, out);
        out.push(Effect::Hold { between, fault });
        self.heal_after(fault, now);
    }

    fn act(&mut self, fault: FaultIndex, host: HostName, act: HostAct, now: Duration, out: &mut Vec<Effect>) {
        self.fire(fault, format!("host {host}"), out);
        out.push(Effect::Host { host, act, fault });
        self.heal_after(fault, now);
    }

    fn give_up(&mut self, fault: FaultIndex, obstacle: &'static str, now: Duration) {
        self.disarm(fault);
        self.planned_mut(fault).hindrance = Some(Hindrance { at: now, on: Vec::new(), obstacle });
    }

    pub(super) fn heal_after(&mut self, fault: FaultIndex, now: Duration) {
        if let Some(delay) = duration(&self.planned(fault).fault.verb) {
            self.set_deadline(now + delay, Due::Heal(fault));
        }
    }

    /// A fault ends as planned.
    pub(super) fn heal(&mut self, fault: FaultIndex, now: Duration, out: &mut Vec<Effect>) {
        let struck = std::mem::take(&mut self.planned_mut(fault).struck);
        self.heal_on(fault, struck, now, out);
    }

    /// A fault ends as planned on one of the connections that it has struck.
    pub(super) fn heal_one(&mut self, fault: FaultIndex, key: ConnectionKey, now: Duration, out: &mut Vec<Effect>) {
        self.planned_mut(fault).struck.retain(|struck| *struck != key);
        self.heal_on(fault, vec![key], now, out);
    }

    fn heal_on(&mut self, fault: FaultIndex, struck: Vec<ConnectionKey>, now: Duration, out: &mut Vec<Effect>) {
        self.changes += 1;
        let Fault { verb, target, .. } = &self.faults[fault.0 as usize].fault;
        match (verb, target) {
            (
                Verb::Freeze { .. }
                | Verb::Partition { .. }
                | Verb::LookupFails { .. }
                | Verb::LookupMoves { .. }
                | Verb::IoError { .. },
                _,
            ) => out.push(Effect::Release { fault }),
            (Verb::Crash { .. } | Verb::PowerLoss { .. }, Target::Host(host)) => {
                out.push(Effect::Host { host: host.clone(), act: HostAct::Start, fault });
            }
            _ => {}
        }
        self.planned_mut(fault).strikes = Strikes::None;
        let shaped = shapes(&self.planned(fault).fault.verb);
        for key in &struck {
            let Some(connection) = self.connections.get_mut(*key) else { continue };
            connection.heal(fault, out);
            if shaped {
                out.push(Effect::Unshape { connection: *key, fault });
            }
        }
        out.push(Effect::Healed { fault });
        for key in struck {
            for direction in Direction::BOTH {
                self.drive(key, direction, now, out);
            }
        }
    }
}

fn between(from: HostName, to: HostName, one_way: bool) -> Hold {
    if one_way { Hold::OneWay { from, to } } else { Hold::Between(from, to) }
}

/// How long a verb lasts, if it ends by itself.
fn duration(verb: &Verb) -> Option<Duration> {
    match verb {
        Verb::HalfOpen { heal_after: time, .. }
        | Verb::Freeze { thaw_after: time }
        | Verb::Partition { heal_after: time, .. }
        | Verb::Refuse { lasting: time }
        | Verb::ConnectHang { lasting: time }
        | Verb::HandshakeStall { lasting: time }
        | Verb::AcceptThenReset { lasting: time }
        | Verb::LookupFails { lasting: time, .. }
        | Verb::LookupMoves { lasting: time, .. }
        | Verb::Buffer { lasting: time, .. }
        | Verb::IoError { lasting: time, .. }
        | Verb::Delay { lasting: time, .. }
        | Verb::Jitter { lasting: time, .. }
        | Verb::Throttle { lasting: time, .. }
        | Verb::Drip { lasting: time, .. }
        | Verb::Split { lasting: time, .. }
        | Verb::Upstream(Upstream::Stall { heal_after: time })
        | Verb::Crash { restart_after: time }
        | Verb::PowerLoss { restart_after: time } => *time,
        Verb::Upstream(Upstream::SlowHead { by }) => Some(*by),
        Verb::Reset { .. }
        | Verb::Drop { .. }
        | Verb::Close { .. }
        | Verb::HalfClose { .. }
        | Verb::Illegal { .. }
        | Verb::Cut { .. }
        | Verb::TruncateClean
        | Verb::Corrupt
        | Verb::DuplicateMessage { .. }
        | Verb::ReorderMessages { .. }
        | Verb::Upstream(Upstream::Status { .. } | Upstream::MissingDone | Upstream::ErrorEvent { .. })
        | Verb::ClockJump { .. }
        | Verb::Restart { .. } => None,
    }
}

/// Whether a verb changes how packets travel.
fn shapes(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Delay { .. } | Verb::Jitter { .. } | Verb::Throttle { .. } | Verb::Drip { .. } | Verb::Split { .. }
    )
}
