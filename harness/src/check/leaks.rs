//! Law: when all is quiet, nothing is left of what has ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fact_index::{Entry, facts};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::{ConnectionId, HostName, Incarnation, Side};
use crate::trace::{ProcessEvent, RecordKind, Seconds, SocketRow};

/// At quiescence the gauges of each host that tells them have their values, no socket stands without its peer, and no task outlives its host; at all times
/// the gauges keep their bounds.
///
/// Tasks are always judged; the rest by what is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaks {
    /// The last value of each gauge, or its bounds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gauges: BTreeMap<String, GaugeLaw>,
    /// Which sockets may stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<SocketLaw>,
    /// Hosts that have no shutdown of their own, so that they are stopped from outside: their tasks are not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_shutdown: Vec<HostName>,
}

/// What a gauge must be: `0`, `{ established_on = "chat" }`, or `{ at_most = 5 }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum GaugeLaw {
    /// This value, when all is quiet.
    Value(i64),
    /// As many as there are established sockets, when all is quiet.
    Sockets(EstablishedSockets),
    /// Within bounds at all times.
    Bounds(GaugeBounds),
}

impl GaugeLaw {
    fn is_optional(&self) -> bool {
        match self {
            Self::Value(_) => false,
            Self::Sockets(wanted) => wanted.optional,
            Self::Bounds(bounds) => bounds.optional,
        }
    }
}

/// Between what a gauge stands whenever it is told, until the hosts are stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GaugeBounds {
    /// At all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// At all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// When all is quiet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_rest: Option<i64>,
    /// Whether a run in which it is never told is in order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// The established sockets of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstablishedSockets {
    /// Whose sockets are counted.
    pub established_on: HostName,
    /// Only those whose peer is this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<HostName>,
    /// Whether a run in which it is never told is in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// Which sockets may stand at quiescence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketLaw {
    /// None whose peer's end is gone.
    NoneWithoutPeer,
    /// None of any connection.
    None,
}

impl Check for Leaks {
    fn name(&self) -> &'static str {
        "leaks"
    }

    fn law(&self) -> &'static str {
        if self.gauges.values().any(|law| matches!(law, GaugeLaw::Bounds(_))) {
            "gauges keep their bounds, and when all is quiet nothing is left of what has ended"
        } else {
            "when all is quiet, nothing is left of what has ended"
        }
    }

    fn needs(&self) -> Vec<FactKind> {
        if self.gauges.is_empty() { Vec::new() } else { vec![FactKind::Gauge] }
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        no_survivors(evidence, &self.without_shutdown)?;
        if let Some(law) = self.sockets {
            no_leftovers(law, &evidence.last.sockets)?;
        }
        let (told, killed) = (self.told(evidence), killed(evidence));
        for (gauge, law) in &self.gauges {
            let told = told.get(gauge.as_str()).map_or(&[][..], Vec::as_slice);
            if let GaugeLaw::Bounds(bounds) = law {
                bounds.kept(told)?;
            }
            let mut last: BTreeMap<Option<&HostName>, &Entry> = BTreeMap::new();
            last.extend(told.iter().map(|entry| (entry.host, entry)));
            if last.is_empty() && !law.is_optional() {
                agrees(gauge, law, None, &evidence.last.sockets)?;
            }
            let outlived = |entry: &&Entry| killed.get(&entry.host).is_none_or(|end| *end < entry.index);
            for entry in last.into_values().filter(outlived) {
                agrees(gauge, law, Some(entry), &evidence.last.sockets)?;
            }
        }
        Ok(if self.gauges.is_empty() { "nothing left over" } else { "nothing left over, gauges agree" }.to_owned())
    }
}

impl Leaks {
    /// All that is told of the gauges that are judged until the hosts are stopped, by gauge.
    fn told<'a>(&self, evidence: &Evidence<'a>) -> BTreeMap<&'a str, Vec<Entry<'a>>> {
        let mut told: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        for entry in facts(evidence.records).take_while(|entry| entry.at <= evidence.last.at) {
            if entry.kind == FactKind::Gauge && self.gauges.contains_key(entry.key) {
                told.entry(entry.key).or_default().push(entry);
            }
        }
        told
    }
}

/// The last record in which each host was killed: what it held went with it, and it could tell no more.
fn killed<'a>(evidence: &Evidence<'a>) -> BTreeMap<Option<&'a HostName>, usize> {
    let is_end =
        |what: &RecordKind| matches!(what, RecordKind::Process(ProcessEvent::Crashed | ProcessEvent::PowerLost));
    let ends = evidence.records.iter().enumerate().filter(|(_, record)| is_end(&record.what));
    ends.map(|(index, record)| (record.host.as_ref(), index)).collect()
}

fn no_survivors(evidence: &Evidence, without_shutdown: &[HostName]) -> Result<(), Finding> {
    let left = |(host, _, tasks): &&(HostName, Incarnation, u32)| *tasks > 0 && !without_shutdown.contains(host);
    let Some((host, incarnation, tasks)) = evidence.last.tasks.iter().find(left) else {
        return Ok(());
    };
    let told = |what: &RecordKind| matches!(what, RecordKind::Process(ProcessEvent::Survivors { .. }));
    let index = evidence.records.iter().position(|record| record.host.as_ref() == Some(host) && told(&record.what));
    let sentence = format!("{tasks} tasks of {host} (life {}) outlived it.", incarnation.0 + 1);
    Err(Finding::new("task left", sentence).witness(index).role(Some(host)))
}

fn no_leftovers(law: SocketLaw, sockets: &[SocketRow]) -> Result<(), Finding> {
    let alive: BTreeSet<(&ConnectionId, Side)> = sockets
        .iter()
        .filter(|row| !row.is_closed())
        .filter_map(|row| row.connection.as_ref().map(|connection| (connection, row.side)))
        .collect();
    // A socket on its way to being closed will go by itself; one that is held after a reset will not.
    for row in sockets.iter().filter(|row| row.is_established() || row.is_close_wait() || row.is_closed()) {
        let Some(connection) = &row.connection else { continue };
        let alone = !alive.contains(&(connection, row.side.peer()));
        let (clause, end) = match law {
            SocketLaw::NoneWithoutPeer if !alone => continue,
            SocketLaw::NoneWithoutPeer => ("socket without peer", "although its peer's end is gone"),
            SocketLaw::None => ("socket left", "when all was quiet"),
        };
        let sentence = format!("{} still held {connection} ({}) {end}.", row.host, row.state);
        return Err(Finding::new(clause, sentence).role(Some(&row.host)));
    }
    Ok(())
}

fn agrees(gauge: &str, law: &GaugeLaw, last: Option<&Entry>, sockets: &[SocketRow]) -> Result<(), Finding> {
    let (expected, why) = match law {
        GaugeLaw::Value(value) => (*value, String::new()),
        GaugeLaw::Bounds(bounds) => match (bounds.at_rest, last) {
            (Some(value), _) => (value, String::new()),
            (None, Some(_)) => return Ok(()),
            (None, None) => {
                let sentence = format!("the gauge {gauge} was never told, so that its bounds say nothing.");
                return Err(Finding::new("gauge off", sentence));
            }
        },
        GaugeLaw::Sockets(wanted) => {
            let count = sockets.iter().filter(|row| wanted.counts(row)).count();
            let why = format!(", as many as {} has established sockets", wanted.established_on);
            (i64::try_from(count).unwrap_or(i64::MAX), why)
        }
    };
    let value = last.and_then(|entry| entry.value);
    if value.and_then(|value| value.parse().ok()) == Some(expected) {
        return Ok(());
    }
    let shown = value.map_or("without a value".to_owned(), |value| format!("at {value}"));
    let sentence = format!("the gauge {gauge} stood {shown} when all was quiet; expected was {expected}{why}.");
    Err(Finding::new("gauge off", sentence)
        .witness(last.map(|entry| entry.index))
        .role(last.and_then(|entry| entry.host)))
}

impl GaugeBounds {
    fn kept(&self, told: &[Entry]) -> Result<(), Finding> {
        for entry in told {
            let Some(wanted) = self.broken_by(entry.value.and_then(|value| value.parse().ok())) else { continue };
            let sentence = format!(
                "the gauge {} of {} stood at {} at {}; {wanted} at all times.",
                entry.key,
                entry.by(),
                entry.value.unwrap_or("nothing"),
                Seconds(entry.at),
            );
            return Err(Finding::new("gauge out of bounds", sentence).witness([entry.index]).role(entry.host));
        }
        Ok(())
    }

    /// What a value would have to be, when it is not.
    fn broken_by(&self, value: Option<i64>) -> Option<String> {
        let Some(value) = value else { return Some("it is to be a whole number".to_owned()) };
        let above = self.at_most.filter(|most| value > *most);
        let below = self.at_least.filter(|least| value < *least);
        above
            .map(|most| format!("it is to be at most {most}"))
            .or_else(|| below.map(|least| format!("it is to be at least {least}")))
    }
}

impl EstablishedSockets {
    fn counts(&self, row: &SocketRow) -> bool {
        let peer = row.connection.as_ref().map(|connection| match row.side {
            Side::Client => &connection.link.server,
            Side::Server => &connection.link.client,
        });
        row.host == self.established_on && row.is_established() && (self.with.is_none() || self.with.as_ref() == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::Gauge;

    #[test]
    fn gauges_that_agree_with_the_sockets_hold() {
        let run = both_ends().value(1000, "scheduler", Gauge, "connected_sessions", "1");
        assert_eq!(run.held(&sessions_are_sockets()), "nothing left over, gauges agree");
    }

    #[test]
    fn a_registry_entry_without_a_live_connection_is_convicted() {
        let run = TraceBuilder::new()
            .value(1000, "scheduler", Gauge, "connected_sessions", "1")
            .value(2000, "scheduler", Gauge, "connected_sessions", "2")
            .socket("alice", "alice", "scheduler", Side::Client, "established")
            .socket("scheduler", "alice", "scheduler", Side::Server, "established");
        insta::assert_snapshot!(run.failure(&sessions_are_sockets()));
        let value = Leaks {
            gauges: [("connected_sessions".to_owned(), GaugeLaw::Value(2))].into(),
            sockets: None,
            ..Leaks::default()
        };
        assert_eq!(run.held(&value), "nothing left over, gauges agree");
    }

    #[test]
    fn a_gauge_that_nobody_told_is_convicted() {
        assert_eq!(both_ends().broken(&sessions_are_sockets()), "leaks: gauge off");
    }

    #[test]
    fn each_host_that_tells_a_gauge_is_judged_but_for_what_one_held_when_it_was_killed() {
        let law =
            Leaks { gauges: [("queued".to_owned(), GaugeLaw::Value(0))].into(), sockets: None, ..Leaks::default() };
        let run = || TraceBuilder::new().value(1000, "a", Gauge, "queued", "0").value(1000, "b", Gauge, "queued", "2");
        assert_eq!(run().value(2000, "b", Gauge, "queued", "0").held(&law), "nothing left over, gauges agree");
        assert_eq!(run().value(2000, "a", Gauge, "queued", "0").broken(&law), "leaks: gauge off @ b");
        assert_eq!(run().process(1500, "b", ProcessEvent::Crashed).held(&law), "nothing left over, gauges agree");
        let back = run().process(1500, "b", ProcessEvent::Crashed).value(2000, "b", Gauge, "queued", "1");
        assert_eq!(back.broken(&law), "leaks: gauge off @ b");
    }

    #[test]
    fn a_gauge_that_leaves_its_bounds_is_convicted_whatever_it_is_at_the_end() {
        let bounded = |at_most, at_least, at_rest| Leaks {
            gauges: [(
                "queued".to_owned(),
                GaugeLaw::Bounds(GaugeBounds { at_most, at_least, at_rest, optional: false }),
            )]
            .into(),
            sockets: None,
            ..Leaks::default()
        };
        let told = |values: [&str; 3]| {
            let told = [1000, 2000, 3000].into_iter().zip(values);
            told.fold(TraceBuilder::new(), |run, (at, value)| run.value(at, "chat", Gauge, "queued", value))
        };
        assert_eq!(told(["0", "5", "0"]).held(&bounded(Some(5), None, None)), "nothing left over, gauges agree");
        insta::assert_snapshot!(told(["0", "6", "0"]).failure(&bounded(Some(5), None, None)));
        assert_eq!(told(["1", "0", "1"]).broken(&bounded(None, Some(1), None)), "leaks: gauge out of bounds @ chat");
        assert_eq!(told(["1", "2", "1"]).broken(&bounded(Some(5), None, Some(0))), "leaks: gauge off @ chat");
        assert_eq!(told(["1", "many", "1"]).broken(&bounded(Some(5), None, None)), "leaks: gauge out of bounds @ chat");
        assert_eq!(TraceBuilder::new().broken(&bounded(Some(5), None, None)), "leaks: gauge off");
        let untold = GaugeBounds { at_most: Some(5), optional: true, ..GaugeBounds::default() };
        let law = Leaks {
            gauges: [("queued".to_owned(), GaugeLaw::Bounds(untold))].into(),
            sockets: None,
            ..Leaks::default()
        };
        assert_eq!(TraceBuilder::new().held(&law), "nothing left over, gauges agree");
        assert_eq!(told(["0", "6", "0"]).broken(&law), "leaks: gauge out of bounds @ chat");
        let stopping = told(["0", "0", "9"]).ending(2500);
        assert_eq!(stopping.held(&bounded(Some(5), None, Some(0))), "nothing left over, gauges agree");
    }

    #[test]
    fn a_socket_whose_peer_is_gone_is_convicted() {
        let law = Leaks { gauges: BTreeMap::new(), sockets: Some(SocketLaw::NoneWithoutPeer), ..Leaks::default() };
        assert_eq!(both_ends().held(&law), "nothing left over");
        let alone = TraceBuilder::new().socket("scheduler", "alice", "scheduler", Side::Server, "close_wait");
        assert_eq!(alone.broken(&law), "leaks: socket without peer @ scheduler");
        let reset = TraceBuilder::new().socket("scheduler", "alice", "scheduler", Side::Server, "closed");
        assert_eq!(reset.broken(&law), "leaks: socket without peer @ scheduler");
    }

    #[test]
    fn any_socket_is_too_many_where_none_may_stand() {
        let law = Leaks { gauges: BTreeMap::new(), sockets: Some(SocketLaw::None), ..Leaks::default() };
        assert_eq!(both_ends().broken(&law), "leaks: socket left @ alice");
    }

    #[test]
    fn a_task_that_outlives_its_host_is_convicted() {
        assert_eq!(TraceBuilder::new().tasks("alice", 0).held(&Leaks::default()), "nothing left over");
        assert_eq!(TraceBuilder::new().tasks("alice", 2).broken(&Leaks::default()), "leaks: task left @ alice");
        let stopped = |name: &str| Leaks { without_shutdown: vec![name.into()], ..Leaks::default() };
        assert_eq!(TraceBuilder::new().tasks("alice", 2).held(&stopped("alice")), "nothing left over");
        assert_eq!(TraceBuilder::new().tasks("alice", 2).broken(&stopped("bob")), "leaks: task left @ alice");
    }

    fn both_ends() -> TraceBuilder {
        TraceBuilder::new().socket("alice", "alice", "scheduler", Side::Client, "established").socket(
            "scheduler",
            "alice",
            "scheduler",
            Side::Server,
            "established",
        )
    }

    fn sessions_are_sockets() -> Leaks {
        let sockets =
            EstablishedSockets { established_on: "scheduler".into(), with: Some("alice".into()), optional: false };
        Leaks {
            gauges: [("connected_sessions".to_owned(), GaugeLaw::Sockets(sockets))].into(),
            sockets: None,
            ..Leaks::default()
        }
    }
}
