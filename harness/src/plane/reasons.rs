//! Why faults have not fired: what they waited for, and how much of it there was.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ConnectionKey;
use super::plane::Plane;
use super::planned::{Planned, Strikes};
use super::watch::Seen;
use crate::fault::{FaultIndex, FrameKind, Target, Trigger, to_word};
use crate::name::{ConnectionId, Direction, HostName, Link};
use crate::pattern::Pattern;

/// What was seen of the connections of a link.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    attempted: u32,
    established: u32,
    spoken: BTreeSet<Speech>,
}

/// What a connection's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speech {
    /// Neither HTTP nor what it can become.
    Raw,
    Http,
    WebSocket,
}

/// How much of what a trigger counts one connection has seen.
#[derive(Clone, Debug)]
pub(super) struct Count {
    seen: Seen,
    on: ConnectionId,
}

/// A trigger that came true where nothing could be done.
#[derive(Clone, Debug)]
pub(super) struct Hindrance {
    pub(super) at: Duration,
    /// The connections that were meant and to which it could not be done.
    pub(super) on: Vec<String>,
    pub(super) obstacle: &'static str,
}

/// What is said when there was nothing to strike.
pub(super) const NOTHING_OPEN: &str = "no connection was open";

impl Plane {
    /// Why each fault that has not fired has not, as the rest of a sentence that begins "it never fired:", with what was
    /// counted of that for which it waited.
    pub fn reasons(&self) -> Vec<(FaultIndex, String)> {
        self.unfired().into_iter().map(|fault| (fault, self.reason(self.planned(fault), fault))).collect()
    }

    /// An attempt was seen.
    pub(super) fn count_attempt(&mut self, id: &ConnectionId) {
        let traffic = self.seen.entry(id.link.clone()).or_default();
        // An attempt that is made again has its number already.
        traffic.attempted = traffic.attempted.max(id.nth);
    }

    /// A connection was established.
    pub(super) fn count_established(&mut self, key: ConnectionKey) {
        // Legal: the plane was told of no attempt.
        let Some(connection) = self.connections.get(key) else { return };
        self.seen.entry(connection.id.link.clone()).or_default().established += 1;
    }

    /// A connection is over: what was counted on it is kept.
    pub(super) fn keep_counts(&mut self, key: ConnectionKey) {
        // Legal: no attempt came through, so nothing was counted.
        let Some(connection) = self.connections.get(key) else { return };
        let (id, spoken) = (connection.id.clone(), connection.spoken());
        let counted = |fault: FaultIndex| {
            let trigger = &self.planned(fault).fault.trigger;
            connection.seen(fault, trigger.number())
        };
        let counts: Vec<_> = self.indices().filter_map(|fault| Some((fault, counted(fault)?))).collect();
        for (fault, seen) in counts {
            let most = &mut self.planned_mut(fault).most;
            if most.as_ref().is_none_or(|most| most.seen < seen) {
                *most = Some(Count { seen, on: id.clone() });
            }
        }
        self.seen.entry(id.link).or_default().spoken.extend(spoken);
    }

    fn reason(&self, planned: &Planned, fault: FaultIndex) -> String {
        if let Some(Hindrance { at, on, obstacle }) = &planned.hindrance {
            let on = if on.is_empty() { String::new() } else { format!(" on {}", on.join(", ")) };
            let reason = format!("its moment came at {}{on}, and {obstacle}", written(*at));
            return if *obstacle == NOTHING_OPEN { self.with_traffic(reason, planned) } else { reason };
        }
        let waits_for_attempt = planned.strikes == Strikes::Next;
        match &planned.fault.trigger {
            Trigger::At(at) if waits_for_attempt => {
                self.with_traffic(format!("no connection was attempted after {}", written(*at)), planned)
            }
            Trigger::At(at) => format!("its time, {}, had not come", written(*at)),
            Trigger::Event { message, n, after, host, fields } => {
                let meant = host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
                let with = if fields.is_empty() { "" } else { " with those fields" };
                match (planned.matched(), planned.namesakes) {
                    (0, 0) => format!("the event `{message}` never occurred"),
                    (0, others) => format!("the event `{message}` occurred {}, and never{meant}{with}", times(others)),
                    (matched, _) if matched < *n => {
                        format!("the event `{message}` occurred {}{meant}{with}, and {n} were wanted", times(matched))
                    }
                    _ if waits_for_attempt => {
                        self.with_traffic(format!("no connection was attempted after the event `{message}`"), planned)
                    }
                    _ => format!("the event `{message}` occurred, and {} later had not come", written(*after)),
                }
            }
            Trigger::Connect => self.with_traffic("no such connection was attempted".to_owned(), planned),
            Trigger::Bytes { n, direction } => {
                self.too_few(planned, fault, *n, ("byte", &format!(" {direction}")), None)
            }
            Trigger::Message { n, direction, content, .. } => {
                let way = format!(" {direction}{}", saying(content));
                self.too_few(planned, fault, (*n).into(), ("WebSocket message", &way), Some(Speech::WebSocket))
            }
            Trigger::Frame { kind, n, direction, .. } => {
                let unit = format!("{} frame", frame(*kind));
                let way = format!(" {direction}");
                self.too_few(planned, fault, (*n).into(), (&unit, &way), Some(Speech::WebSocket))
            }
            Trigger::SseEvent { n, content, .. } => {
                let said = saying(content);
                self.too_few(planned, fault, (*n).into(), ("SSE event", &said), Some(Speech::Http))
            }
            Trigger::Chunk { n, direction, .. } => {
                let way = format!(" {direction}");
                self.too_few(planned, fault, (*n).into(), ("chunk", &way), Some(Speech::Http))
            }
            Trigger::Line { n, direction, .. } => {
                let way = format!(" {direction}");
                self.too_few(planned, fault, (*n).into(), ("line", &way), Some(Speech::Http))
            }
            Trigger::Idle(time) => self.with_traffic(format!("no connection was idle for {}", written(*time)), planned),
            Trigger::HttpHead { n, direction, .. } => {
                let head = match direction {
                    Direction::ToServer => "request head",
                    Direction::ToClient => "response head",
                };
                self.too_few(planned, fault, (*n).into(), (head, ""), Some(Speech::Http))
            }
        }
    }

    /// Says what was waited for, which way it goes, and how much less of it was seen.
    fn too_few(
        &self,
        planned: &Planned,
        fault: FaultIndex,
        n: u64,
        (unit, way): (&str, &str),
        needs: Option<Speech>,
    ) -> String {
        let units = if n == 1 { format!("{unit}{way}") } else { format!("{unit}s{way}") };
        let live = self.connections.iter().filter(|connection| planned.aims_at(&connection.id));
        let counts = live.filter_map(|connection| {
            let seen = connection.seen(fault, n)?;
            Some(Count { seen, on: connection.id.clone() })
        });
        let most = counts.chain(planned.most.clone()).max_by_key(|count| count.seen);
        let reason = match most {
            Some(Count { seen: Seen { counted, .. }, on }) if counted > 0 => {
                format!("of the {n} {units} that it waited for at most {counted} were seen, on {on}")
            }
            Some(Count { seen: Seen { others, .. }, on }) if others > 0 => {
                format!("it waited for {n} {units}, and none was seen among the {others} that passed on {on}")
            }
            Some(_) | None => format!("it waited for {n} {units}, and none was seen"),
        };
        let spoken = self.spoken_on(planned);
        let reason = match needs.filter(|needed| !spoken.contains(needed)) {
            Some(needed) if !spoken.is_empty() => {
                let heard = match (spoken.contains(&Speech::Http), spoken.contains(&Speech::WebSocket)) {
                    (_, true) => "WebSocket",
                    (true, false) if needed == Speech::WebSocket => "HTTP, and no WebSocket",
                    (true, false) => "HTTP",
                    (false, false) => "neither HTTP nor WebSocket",
                };
                format!("{reason}: the connections carried {heard}")
            }
            Some(_) | None => reason,
        };
        self.with_traffic(reason, planned)
    }

    fn spoken_on(&self, planned: &Planned) -> BTreeSet<Speech> {
        let live = self.connections.iter().filter(|connection| planned.aims_at(&connection.id));
        let mut spoken: BTreeSet<_> = live.flat_map(|connection| connection.spoken()).collect();
        if let Target::Link { link, .. } = planned.fault.act.target()
            && let Some(traffic) = self.seen.get(link)
        {
            spoken.extend(&traffic.spoken);
        }
        spoken
    }

    /// A reason, with what there was of the connections that the fault aims at.
    fn with_traffic(&self, reason: String, planned: &Planned) -> String {
        match planned.fault.act.target() {
            Target::Link { link, connection } => format!("{reason}; {}", self.traffic(link, connection)),
            Target::Between(..) | Target::Host(_) => reason,
        }
    }

    fn traffic(&self, link: &Link, wanted: Option<u32>) -> String {
        let of = |link: &Link| self.seen.get(link).map_or((0, 0), |traffic| (traffic.attempted, traffic.established));
        let way = |client: &HostName, server: &HostName| format!("{client} -> {server}");
        let Link { client, server } = link;
        let reversed = Link { client: server.clone(), server: client.clone() };
        match (of(link), of(&reversed), wanted) {
            ((0, _), (0, _), _) => format!("no host ever connected {}", way(client, server)),
            ((0, _), (other, _), _) => format!(
                "no host ever connected {}, but {} {}: a link is written from who connects",
                way(client, server),
                way(server, client),
                times(other),
            ),
            ((attempted, established), _, Some(nth)) if nth > attempted => format!(
                "there was no connection {nth} of {}: {attempted} attempted, {established} established",
                way(client, server)
            ),
            ((attempted, established), ..) => {
                format!("of {}, {attempted} attempted, {established} established", connections(client, server))
            }
        }
    }
}

fn connections(client: &HostName, server: &HostName) -> String {
    format!("the connections {client} -> {server}")
}

/// What the units of a trigger say, if it means not all of them.
fn saying(content: &Pattern) -> String {
    if content.is_any() { String::new() } else { format!(" with {content}") }
}

fn frame(kind: FrameKind) -> String {
    to_word(&kind)
}

fn times<N: Into<u64>>(n: N) -> String {
    match n.into() {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

fn written(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
