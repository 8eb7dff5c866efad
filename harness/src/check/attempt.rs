//! Attempts to connect that a fault struck, and what shows that the host that made one has noticed.

use std::time::Duration;

use super::Evidence;
use super::fact_index::facts;
use super::fault_timeline::{FaultTimeline, Moment};
use super::process_timeline::ProcessTimeline;
use super::service::Service;
use crate::fact::FactKind;
use crate::fault::{Act, AttemptFate, Target};
use crate::name::{ConnectionId, HostName, Link, Side};
use crate::trace::{ConnectionEvent, Record, RecordKind};

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    link: &'a Link,
    /// Its connection; none when the lookup of the server's name failed.
    pub(super) connection: Option<&'a ConnectionId>,
    /// The SYN, or the fault that struck later.
    pub(super) began: Moment,
    /// Whether the attempt hangs until the host that made it gives it up. Any other end is told by the host's kernel,
    /// and then the closing of a dead socket shows nothing.
    hangs: bool,
}

/// The attempts of an observer that a fault of the connection's beginning struck.
pub(super) fn struck_at_the_beginning<'a>(
    timeline: &FaultTimeline<'a>,
    observer: &HostName,
    evidence: &Evidence<'a>,
) -> Vec<Attempt<'a>> {
    let Some(fired) = timeline.fired else { return Vec::new() };
    let Some(how) = timeline.fault.act.at_the_beginning() else { return Vec::new() };
    if let Act::Lookup { link, .. } = &timeline.fault.act {
        let began = timeline.took_effect.unwrap_or(fired);
        let own = Attempt { link, connection: None, began, hangs: false };
        return (link.client == *observer).then_some(own).into_iter().collect();
    }
    let ends = timeline.healed.map_or(Duration::MAX, |healed| healed.at);
    let struck = attempts(evidence.records)
        .filter(|(moment, id)| strikes_link(timeline, id) && id.link.client == *observer && moment.at >= fired.at)
        .filter(|(moment, _)| moment.at < ends || moment.at == fired.at)
        .map(|(began, id)| Attempt { link: &id.link, connection: Some(id), began, hangs: how.hangs })
        .skip(usize::try_from(how.spared).unwrap_or(usize::MAX));
    // The attempt comes before the fault that it sets off, within one instant.
    struck.take(if how.lasts { usize::MAX } else { 1 }).collect()
}

/// The attempt that an observer out of service was making when a fault took its connection.
pub(super) fn struck_on_the_way<'a>(
    timeline: &FaultTimeline,
    observer: &HostName,
    service: &Service,
    evidence: &Evidence<'a>,
) -> Option<Attempt<'a>> {
    let fired = timeline.fired?;
    let since = service.last_loss(fired.index).unwrap_or(0);
    let before = &evidence.records[..fired.index];
    let (_, connection) = attempts(before)
        .filter(|(moment, id)| moment.index >= since && id.link.client == *observer && strikes_link(timeline, id))
        .last()?;
    let over = before.iter().any(|record| ends_attempt(record, connection));
    let hangs = !timeline.fault.act.is_final();
    (!over).then_some(Attempt { link: &connection.link, connection: Some(connection), began: fired, hangs })
}

fn strikes_link(timeline: &FaultTimeline, id: &ConnectionId) -> bool {
    let (client, server) = (&id.link.client, &id.link.server);
    match timeline.fault.act.target() {
        Target::Link { link, connection } => *link == id.link && connection.is_none_or(|nth| nth == id.nth),
        Target::Between(one, other) => (one, other) == (client, server) || (other, one) == (client, server),
        Target::Host(host) => host == server,
    }
}

fn attempts(records: &[Record]) -> impl Iterator<Item = (Moment, &ConnectionId)> {
    records.iter().enumerate().filter_map(|(index, record)| match &record.what {
        RecordKind::Connection { id, event: ConnectionEvent::Attempted } => Some((Moment { index, at: record.at }, id)),
        RecordKind::Connection { .. }
        | RecordKind::Unit { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Event(_)
        | RecordKind::Fact(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => None,
    })
}

/// Whether the record says that an attempt is over, to the host that made it or by that host.
fn ends_attempt(record: &Record, connection: &ConnectionId) -> bool {
    match &record.what {
        RecordKind::Connection { id, event } if id == connection => match event {
            ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::GaveUp { by: Side::Client, .. }
            | ConnectionEvent::Rst { to: Side::Client, .. }
            | ConnectionEvent::Fin { .. }
            | ConnectionEvent::Closed { by: Side::Client } => true,
            ConnectionEvent::Attempted
            | ConnectionEvent::Established
            | ConnectionEvent::Forgotten
            | ConnectionEvent::GaveUp { by: Side::Server, .. }
            | ConnectionEvent::Rst { to: Side::Server, .. }
            | ConnectionEvent::Closed { by: Side::Server } => false,
        },
        RecordKind::Connection { .. }
        | RecordKind::Unit { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Event(_)
        | RecordKind::Fact(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => false,
    }
}

impl Attempt<'_> {
    /// What was attempted, in a sentence.
    pub(super) fn words(&self) -> String {
        match self.connection {
            Some(connection) => connection.to_string(),
            None => format!("to look up {}", self.link.server),
        }
    }

    /// The first sign that the observer has noticed: it says so or that something failed, it is in service, it tries again,
    /// it gives up an attempt that hangs, or it ends at the very instant at which it is told that the attempt is over.
    pub(super) fn sign(&self, observer: &HostName, processes: &ProcessTimeline, evidence: &Evidence) -> Option<Moment> {
        let told = facts(evidence.records)
            .filter(|entry| entry.index > self.began.index && entry.host == Some(observer))
            .find(|entry| is_a_sign(entry.kind))
            .map(|entry| Moment { index: entry.index, at: entry.at });
        let nth = self.connection.map_or(0, |connection| connection.nth);
        let again = attempts(evidence.records)
            .find(|(moment, id)| moment.index > self.began.index && id.link == *self.link && id.nth > nth)
            .map(|(moment, _)| moment);
        let end = processes.ends_after(observer, self.began.index);
        let end = end.map(|index| Moment { index, at: evidence.records[index].at });
        // A process that ends closes everything, whatever it has noticed.
        let closed = self.hangs.then(|| self.later(evidence, ConnectionEvent::Closed { by: Side::Client })).flatten();
        let given_up = closed.filter(|closed| end.is_none_or(|end| end.at != closed.at));
        let left = end.filter(|end| self.is_told_over(evidence) == Some(end.at));
        told.into_iter().chain(again).chain(given_up).chain(left).min_by_key(|moment| moment.index)
    }

    /// When the kernel told the host that made the attempt that it is over.
    fn is_told_over(&self, evidence: &Evidence) -> Option<Duration> {
        let Some(connection) = self.connection else { return Some(self.began.at) };
        let by_itself =
            RecordKind::Connection { id: connection.clone(), event: ConnectionEvent::Closed { by: Side::Client } };
        let later = evidence.records.iter().skip(self.began.index);
        later
            .filter(|record| record.what != by_itself)
            .find(|record| ends_attempt(record, connection))
            .map(|record| record.at)
    }

    /// When an attempt that the fault held up succeeded after all. A refused or reset attempt is over, and a stalled
    /// one stays stalled.
    pub(super) fn goes_on_after(&self, timeline: &FaultTimeline, evidence: &Evidence) -> Option<Duration> {
        let established = || self.later(evidence, ConnectionEvent::Established).map(|moment| moment.at);
        let hangs = matches!(&timeline.fault.act, Act::Attempt { verb, .. } if verb.fate() == AttemptFate::Hangs);
        hangs.then(established).flatten()
    }

    fn later(&self, evidence: &Evidence, wanted: ConnectionEvent) -> Option<Moment> {
        let wanted = RecordKind::Connection { id: self.connection?.clone(), event: wanted };
        let later = evidence.records.iter().enumerate().skip(self.began.index);
        later.filter(|(_, record)| record.what == wanted).map(|(index, record)| Moment { index, at: record.at }).next()
    }
}

fn is_a_sign(kind: FactKind) -> bool {
    match kind {
        FactKind::Detected
        | FactKind::Recovered
        | FactKind::Retried
        | FactKind::ClaimedFailed
        | FactKind::Refused
        | FactKind::StreamError => true,
        FactKind::Offered
        | FactKind::Accepted
        | FactKind::ClaimedDelivered
        | FactKind::Received
        | FactKind::Outcome
        | FactKind::StreamOpened
        | FactKind::StreamProduced
        | FactKind::StreamEvent
        | FactKind::StreamTerminator
        | FactKind::StreamEnded
        | FactKind::StreamLeft
        | FactKind::StreamCancelled
        | FactKind::Gauge => false,
    }
}
