//! How faults fire, and how they heal.

use std::time::Duration;

use super::connection::{CLOSE_ANSWER, TrackedConnection};
use super::plane::{Plane, Timer};
use super::planned::Strikes;
use super::reasons::{Hindrance, NOTHING_OPEN};
use super::struck::{Done, Point};
use super::{Answer, ConnectionKey, Effect, Hold, HostAct, Open, Shaping, Struck};
use crate::fault::{Act, AttemptFate, ConnectionVerb, Fault, FaultIndex, HostBlow, Keep, Trigger};
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
        let verb = planned.fault.act.verb().to_string();
        out.push(Effect::Fired { fault, on, verb });
    }

    /// A trigger has come true.
    pub(super) fn trigger_fault(&mut self, fault: FaultIndex, site: Site, now: Duration, out: &mut Vec<Effect>) {
        self.changes += 1;
        let act = self.planned(fault).fault.act.clone();
        if let Site::On(key, Some(point)) = site
            && act.keeps() == Keep::Nothing
            && let Some(connection) = self.connections.get_mut(key)
        {
            connection.leg(point.direction).pass(point.at, out);
        }
        match act {
            Act::Connection { verb, .. } => self.strike(fault, &Blow::Verb(&*verb), site, now, out),
            Act::Path { verb, .. } => {
                self.strike(fault, &Blow::Shape(verb.direction(), verb.shaping()), site, now, out);
            }
            Act::Attempt { .. } => self.await_attempts(fault, now, out),
            Act::Lookup { link, verb } => self.look_up(fault, link, verb.answer(), verb.is_once(), now, out),
            Act::Listener { on, verb } => {
                self.fire(fault, on.link.to_string(), out);
                let (kind, nth, lasting) = (verb.error(), verb.nth(), verb.duration().is_some());
                out.push(Effect::AcceptError { link: on.link, kind, nth, lasting, fault });
                self.heal_after(fault, now);
            }
            Act::Pair { one, other, verb } => {
                let held = match verb.is_one_way() {
                    true => Hold::OneWay { from: one, to: other },
                    false => Hold::Between(one, other),
                };
                self.hold(fault, held, now, out);
            }
            Act::Host { host, verb } => match verb.blow() {
                HostBlow::Hold => self.hold(fault, Hold::Host(host), now, out),
                HostBlow::Act(act) => self.act(fault, host, act, now, out),
            },
        }
    }

    /// Strikes those connections to which it can be done.
    fn strike(&mut self, fault: FaultIndex, blow: &Blow<'_>, site: Site, now: Duration, out: &mut Vec<Effect>) {
        let planned = &self.faults[fault.0 as usize];
        let (point, meant): (_, Vec<_>) = match site {
            Site::On(key, point) => (point, self.connections.get(key).into_iter().collect()),
            Site::Everywhere => (None, self.connections.iter().filter(|open| planned.aims_at(&open.id)).collect()),
        };
        let mut obstacle = NOTHING_OPEN;
        let (mut keys, mut on, mut hindered) = (Vec::new(), Vec::new(), Vec::new());
        for connection in meant {
            match blow.obstacle(connection, point) {
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
            let connection = self.connections.get_mut(*key).expect("only `ended` forgets a connection");
            let done = blow.strike(connection, fault, point, out);
            self.planned_mut(fault).fails_calls |= done.fails_calls;
            if done.closes {
                self.set_deadline(now + CLOSE_ANSWER, Timer::CloseAnswer(fault, *key));
            }
        }
        self.planned_mut(fault).struck.extend(&keys);
        let Fault { trigger, act } = &self.planned(fault).fault;
        match (trigger, act.lasts()) {
            (_, None) => {}
            // One connection after another is struck, and each has its time.
            (Trigger::Idle(_), Some(delay)) => {
                keys.iter().for_each(|key| self.set_deadline(now + delay, Timer::HealOne(fault, *key)));
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

    pub(super) fn heal_after(&mut self, fault: FaultIndex, now: Duration) {
        if let Some(delay) = self.planned(fault).fault.act.lasts() {
            self.set_deadline(now + delay, Timer::Heal(fault));
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
        let planned = &self.faults[fault.0 as usize];
        let ends = match &planned.fault.act {
            Act::Pair { .. } | Act::Lookup { .. } | Act::Listener { .. } => Some(Effect::Release { fault }),
            Act::Host { host, verb } => match verb.blow() {
                HostBlow::Hold => Some(Effect::Release { fault }),
                HostBlow::Act(HostAct::Crash | HostAct::PowerLoss) => {
                    Some(Effect::Host { host: host.clone(), act: HostAct::Start, fault })
                }
                HostBlow::Act(HostAct::Restart { .. } | HostAct::JumpClock { .. } | HostAct::Start) => None,
            },
            Act::Attempt { verb, .. } => {
                matches!(verb.fate(), AttemptFate::Fails(_)).then_some(Effect::Release { fault })
            }
            Act::Connection { .. } => planned.fails_calls.then_some(Effect::Release { fault }),
            Act::Path { .. } => None,
        };
        out.extend(ends);
        let shaped = matches!(planned.fault.act, Act::Path { .. });
        self.planned_mut(fault).strikes = Strikes::None;
        for key in &struck {
            // Legal: it has ended since it was struck.
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

/// What is done to each connection that a fault strikes.
enum Blow<'a> {
    Verb(&'a dyn ConnectionVerb),
    /// Its packets travel otherwise, one way or both.
    Shape(Option<Direction>, Shaping),
}

impl Blow<'_> {
    /// Why it cannot be done to a connection, if it cannot.
    fn obstacle(&self, connection: &TrackedConnection, point: Option<Point>) -> Option<&'static str> {
        match self {
            Self::Verb(verb) => verb.obstacle(&Open { connection, point }),
            Self::Shape(..) => None,
        }
    }

    fn strike(
        &self,
        connection: &mut TrackedConnection,
        fault: FaultIndex,
        point: Option<Point>,
        out: &mut Vec<Effect>,
    ) -> Done {
        match self {
            Self::Verb(verb) => {
                let mut struck = Struck { connection, fault, point, out, done: Done::default() };
                verb.strike(&mut struck);
                struck.done
            }
            Self::Shape(way, shaping) => {
                let (connection, shaping) = (connection.key, *shaping);
                let ways = Direction::BOTH.into_iter().filter(|direction| way.is_none_or(|way| way == *direction));
                out.extend(ways.map(|direction| Effect::Shape { connection, direction, shaping, fault }));
                Done::default()
            }
        }
    }
}
