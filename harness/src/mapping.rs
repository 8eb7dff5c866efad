//! Facts from records: a scenario says which tracing events and wire units mean what, and here they become facts.
//!
//! - `connections`: facts from what happens to connections;
//! - `silence`: sources that told nothing, and what there was instead;
//! - `units`: the kinds of protocol units, and what each says.
//!
//! Invariant: a fact stands right behind the record that it was read from, with that record's time.

mod connections;
mod silence;
mod units;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub(crate) use self::connections::{ConnectionMoment, ConnectionOrigin};
use self::silence::{Miss, SourceCounts};
pub(crate) use self::units::{UnitKind, document};

use crate::fact::{Fact, FactKind};
use crate::name::{ConnectionId, Direction, HostName, Link, Side};
use crate::pattern::{Pattern, text_at};
use crate::trace::{LogEvent, Record, RecordKind};

/// Where facts of one kind come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSource {
    /// What the source tells.
    pub kind: FactKind,
    /// What it is read from.
    pub from: Origin,
    /// Whether a run in which it never occurs is in order.
    pub optional: bool,
}

/// What a fact is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A tracing event.
    Event(EventOrigin),
    /// A protocol unit that passed the fault plane.
    Unit(UnitOrigin),
    /// Something that happened to a connection.
    Connection(ConnectionOrigin),
}

/// Which tracing events tell a fact, and how to read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventOrigin {
    /// The event's message, whole.
    pub message: String,
    /// The host that logs it; any, without.
    pub host: Option<HostName>,
    /// The event's target (`halfopen_client`) or a module above it; any, without.
    pub target: Option<String>,
    /// Fields that must have these values; `!x` is any other than `x`.
    pub fields: Vec<(String, String)>,
    /// The fields that make the key, joined by `/`. Without any and without `named` the key is the message.
    pub key: Vec<String>,
    /// The key of every fact.
    pub named: Option<String>,
    /// Whether the key ends with the number of the fact among those of its host: `reconnecting#3`.
    pub numbered: bool,
    /// The field that is the value.
    pub value: Option<String>,
    /// The field that names the host that offered it.
    pub from: Option<String>,
    /// The field that names the host that it is meant for.
    pub to: Option<String>,
}

/// Which protocol units tell a fact, and how to read it. Pointers (RFC 6901) go into the unit's [`document`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitOrigin {
    /// The kind of unit.
    pub unit: UnitKind,
    /// On which link; any, without.
    pub link: Option<Link>,
    /// Which way; either, without.
    pub direction: Option<Direction>,
    /// What the unit must say.
    pub matching: Pattern,
    /// The pointer to the key; the connection's name is the key, without.
    pub key: Option<String>,
    /// The pointer to the value.
    pub value: Option<String>,
    /// The pointer to the name of the host that offered it.
    pub from: Option<String>,
    /// The pointer to the name of the host that it is meant for.
    pub to: Option<String>,
    /// The end whose host the fact is told of; the receiver's, without.
    pub at: Option<Side>,
}

/// Puts a fact behind each record that a source matches. At the end stands, for each source that must occur and never
/// did, a violation of the rule `silent source`: a service that tells nothing must not pass for one that is in order.
pub(crate) fn apply(records: Vec<Record>, sources: &[FactSource]) -> Vec<Record> {
    let index = Index::of(sources);
    let mut tallies: Vec<SourceCounts> = sources.iter().map(|_| SourceCounts::default()).collect();
    let mut mapped = Vec::with_capacity(records.len());
    for record in records {
        let facts = index.read(&record, &mut tallies);
        let (at, incarnation) = (record.at, record.incarnation);
        mapped.push(record);
        mapped.extend(facts.into_iter().map(|(host, fact)| Record {
            at,
            host,
            incarnation,
            what: RecordKind::Fact(fact),
        }));
    }
    let end = mapped.last().map_or(Duration::ZERO, |record| record.at);
    let silent = sources.iter().zip(tallies).filter(|(source, tally)| tally.told == 0 && !source.optional);
    let silences: Vec<_> = silent.map(|(source, tally)| tally.silence(source, end, &mapped)).collect();
    mapped.extend(silences);
    mapped
}

/// The sources by what a record must be for them to match, so that a record is compared with few of them.
struct Index<'a> {
    events: BTreeMap<&'a str, Vec<(usize, FactKind, &'a EventOrigin)>>,
    units: BTreeMap<UnitKind, Vec<(usize, FactKind, &'a UnitOrigin)>>,
    connections: Vec<(usize, FactKind, &'a ConnectionOrigin)>,
}

impl<'a> Index<'a> {
    fn of(sources: &'a [FactSource]) -> Self {
        let mut index = Self { events: BTreeMap::new(), units: BTreeMap::new(), connections: Vec::new() };
        for (place, source) in sources.iter().enumerate() {
            match &source.from {
                Origin::Event(event) => {
                    index.events.entry(&event.message).or_default().push((place, source.kind, event));
                }
                Origin::Unit(unit) => index.units.entry(unit.unit).or_default().push((place, source.kind, unit)),
                Origin::Connection(connection) => index.connections.push((place, source.kind, connection)),
            }
        }
        index
    }

    fn read(&self, record: &Record, tallies: &mut [SourceCounts]) -> Vec<(Option<HostName>, Fact)> {
        let mut facts = Vec::new();
        match &record.what {
            RecordKind::Event(event) => {
                for (place, kind, origin) in self.events.get(event.message.as_str()).into_iter().flatten() {
                    let tally = &mut tallies[*place];
                    match origin.read(*kind, event, record.host.as_ref()) {
                        Ok(mut fact) => {
                            let nth = tally.tell(record.host.as_ref());
                            if origin.numbered {
                                fact.key = format!("{}#{nth}", fact.key);
                            }
                            facts.push((record.host.clone(), fact));
                        }
                        Err(miss) => tally.miss(miss, Some(event)),
                    }
                }
            }
            RecordKind::Unit { connection, direction, unit, .. } => {
                let Some(origins) = UnitKind::of(unit).and_then(|kind| self.units.get(&kind)) else { return facts };
                let document = document(unit);
                for (place, kind, origin) in origins {
                    match origin.read(*kind, &document, connection, *direction) {
                        Ok(fact) => {
                            tallies[*place].tell(None);
                            facts.push((Some(origin.host(connection, *direction)), fact));
                        }
                        Err(miss) => tallies[*place].miss(miss, None),
                    }
                }
            }
            RecordKind::Connection { id, event } => {
                for (place, kind, origin) in &self.connections {
                    match origin.read(*kind, id, event) {
                        Some(Ok((host, fact))) => {
                            tallies[*place].tell(None);
                            facts.push((Some(host), fact));
                        }
                        Some(Err(miss)) => tallies[*place].miss(miss, None),
                        None => {}
                    }
                }
            }
            RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Fact(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => {}
        }
        facts
    }
}

impl EventOrigin {
    fn read(&self, kind: FactKind, event: &LogEvent, host: Option<&HostName>) -> Result<Fact, Miss> {
        if self.host.is_some() && self.host.as_ref() != host {
            return Err(Miss::Elsewhere);
        }
        if !self.target.as_ref().is_none_or(|target| is_within(&event.target, target)) {
            return Err(Miss::Target);
        }
        if !self.fields.iter().all(|(name, value)| event.has(name, value)) {
            return Err(Miss::Where);
        }
        let key = match (&self.named, &self.key[..]) {
            (Some(named), _) => named.clone(),
            (None, []) => self.message.clone(),
            (None, names) => {
                let field = |name: &String| event.field(name).ok_or_else(|| Miss::Key(name.clone()));
                names.iter().map(field).collect::<Result<Vec<_>, _>>()?.join("/")
            }
        };
        let named = |name: &Option<String>| name.as_ref().and_then(|name| event.field(name));
        Ok(Fact {
            kind,
            key,
            value: named(&self.value).map(str::to_owned),
            from: named(&self.from).map(HostName::new),
            to: named(&self.to).map(HostName::new),
        })
    }
}

/// Whether a tracing target is a module or stands below it.
pub(crate) fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl UnitOrigin {
    fn read(&self, kind: FactKind, document: &Value, on: &ConnectionId, direction: Direction) -> Result<Fact, Miss> {
        let there = self.link.as_ref().is_none_or(|link| *link == on.link);
        if !there || self.direction.is_some_and(|wanted| wanted != direction) {
            return Err(Miss::Elsewhere);
        }
        if !self.matching.matches(document) {
            return Err(Miss::Where);
        }
        let key = match &self.key {
            Some(pointer) => text_at(document, pointer).ok_or_else(|| Miss::Key(pointer.clone()))?,
            None => on.to_string(),
        };
        let named = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| text_at(document, pointer));
        Ok(Fact {
            kind,
            key,
            value: named(&self.value),
            from: named(&self.from).map(HostName::new),
            to: named(&self.to).map(HostName::new),
        })
    }

    fn host(&self, on: &ConnectionId, direction: Direction) -> HostName {
        let receiver = match direction {
            Direction::ToServer => Side::Server,
            Direction::ToClient => Side::Client,
        };
        match self.at.unwrap_or(receiver) {
            Side::Client => on.link.client.clone(),
            Side::Server => on.link.server.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::{TraceBuilder, connection};
    use crate::check::{Check, RunIntegrity};
    use crate::fault::FrameKind;
    use crate::pattern::Wanted;
    use crate::trace::{Level, Unit};

    #[test]
    fn a_mapped_event_tells_its_fact_right_behind_itself() {
        let records =
            apply(vec![logged("scheduler", "result delivered"), logged("alice", "other")], &[delivered(false)]);
        assert_eq!(told(&records), vec![(1, "scheduler", fact("job-1/2", Some("ok")))]);
    }

    #[test]
    fn an_event_of_another_host_target_or_field_tells_nothing() {
        let event = |change: fn(&mut EventOrigin)| {
            let mut source = delivered(true);
            if let Origin::Event(event) = &mut source.from {
                change(event);
            }
            told(&apply(vec![logged("scheduler", "result delivered")], &[source])).len()
        };
        assert_eq!(event(|_| {}), 1);
        assert_eq!(event(|origin| origin.host = Some("alice".into())), 0);
        assert_eq!(event(|origin| origin.target = Some("sched".to_owned())), 0);
        assert_eq!(event(|origin| origin.fields.push(("job_id".to_owned(), "job-2".to_owned()))), 0);
        assert_eq!(event(|origin| origin.fields.push(("job_id".to_owned(), "!job-2".to_owned()))), 1);
        assert_eq!(event(|origin| origin.fields.push(("missing".to_owned(), "!job-2".to_owned()))), 0);
        assert_eq!(event(|origin| origin.key.push("missing".to_owned())), 0);
    }

    #[test]
    fn an_event_without_fields_is_known_by_its_message_or_by_a_given_name_or_by_number() {
        let keys = |change: fn(&mut EventOrigin)| {
            let mut origin = EventOrigin { message: "result delivered".to_owned(), ..EventOrigin::default() };
            change(&mut origin);
            let source = FactSource { kind: FactKind::Retried, from: Origin::Event(origin), optional: false };
            let records = ["alice", "bob", "alice"].map(|host| logged(host, "result delivered")).to_vec();
            told(&apply(records, &[source])).into_iter().map(|(_, _, fact)| fact.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(|_| {}), ["result delivered"; 3]);
        assert_eq!(keys(|origin| origin.named = Some("line".to_owned())), ["line"; 3]);
        let numbered = |origin: &mut EventOrigin| (origin.named, origin.numbered) = (Some("line".to_owned()), true);
        assert_eq!(keys(numbered), ["line#1", "line#1", "line#2"]);
    }

    #[test]
    fn a_mapped_unit_tells_its_fact_at_the_receiver() {
        let source = FactSource { kind: FactKind::Received, from: Origin::Unit(result_unit()), optional: false };
        let records =
            vec![text(r#"{"type":"result","job_id":"job-1","seq":7}"#), text(r#"{"type":"ping"}"#), text("no")];
        let expected = Fact::new(FactKind::Received, "job-1").value(7);
        assert_eq!(told(&apply(records, &[source])), vec![(1, "alice", expected)]);
    }

    #[test]
    fn a_mapped_fact_may_name_its_sender_and_its_addressee() {
        let origin = UnitOrigin { from: Some("/by".to_owned()), to: Some("/for".to_owned()), ..result_unit() };
        let source = FactSource { kind: FactKind::Received, from: Origin::Unit(origin), optional: false };
        let records = vec![
            text(r#"{"type":"result","job_id":"job-1","by":"bob","for":"carol"}"#),
            text(r#"{"type":"result","job_id":"job-1"}"#),
        ];
        let unnamed = Fact::new(FactKind::Received, "job-1");
        let named = unnamed.clone().from("bob").to("carol");
        assert_eq!(told(&apply(records, &[source])), vec![(1, "alice", named), (3, "alice", unnamed)]);
        let mut source = delivered(false);
        if let Origin::Event(event) = &mut source.from {
            (event.from, event.to) = (Some("how".to_owned()), Some("missing".to_owned()));
        }
        let named = fact("job-1/2", Some("ok")).from("ok");
        assert_eq!(
            told(&apply(vec![logged("scheduler", "result delivered")], &[source])),
            vec![(1, "scheduler", named)]
        );
    }

    #[test]
    fn a_mapped_source_that_never_occurs_is_a_violation_unless_it_is_optional() {
        let records = vec![logged("scheduler", "other")];
        let silent = apply(records.clone(), &[delivered(false)]);
        let run = silent.into_iter().fold(TraceBuilder::new(), |run, record| run.record(1, None, record.what));
        insta::assert_snapshot!(run.failure(&RunIntegrity));
        assert_eq!(run.broken(&RunIntegrity), "integrity: silent source");
        assert_eq!(RunIntegrity.name(), "integrity");
        assert_eq!(apply(records.clone(), &[delivered(true)]), records);
    }

    #[test]
    fn a_unit_without_a_key_is_known_by_its_connection() {
        let origin = UnitOrigin { unit: UnitKind::WsClose, key: None, matching: Pattern::default(), ..result_unit() };
        let origin = UnitOrigin { value: Some("/code".to_owned()), ..origin };
        let source = FactSource { kind: FactKind::Detected, from: Origin::Unit(origin), optional: false };
        let close = Unit::WsControl { kind: FrameKind::Close, code: Some(1000), reason: None };
        let expected = Fact::new(FactKind::Detected, "alice->scheduler#1").value(1000);
        assert_eq!(told(&apply(vec![passed(close)], &[source])), vec![(1, "alice", expected)]);
    }

    fn delivered(optional: bool) -> FactSource {
        let event = EventOrigin {
            message: "result delivered".to_owned(),
            target: Some("scheduler".to_owned()),
            key: vec!["job_id".to_owned(), "attempt".to_owned()],
            value: Some("how".to_owned()),
            ..EventOrigin::default()
        };
        FactSource { kind: FactKind::ClaimedDelivered, from: Origin::Event(event), optional }
    }

    fn result_unit() -> UnitOrigin {
        UnitOrigin {
            unit: UnitKind::WsText,
            link: Some(connection("alice", "scheduler", 1).link),
            direction: Some(Direction::ToClient),
            matching: Pattern::default().with("/type", Wanted::Is("result".to_owned())),
            key: Some("/job_id".to_owned()),
            value: Some("/seq".to_owned()),
            from: None,
            to: None,
            at: None,
        }
    }

    fn logged(host: &str, message: &str) -> Record {
        let fields = [("job_id", "job-1"), ("attempt", "2"), ("how", "ok")];
        let event = LogEvent {
            level: Level::Info,
            target: "scheduler::outbox".to_owned(),
            message: message.to_owned(),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        };
        Record {
            at: Duration::ZERO,
            host: Some(host.into()),
            incarnation: Default::default(),
            what: RecordKind::Event(event),
        }
    }

    fn text(text: &str) -> Record {
        let bytes = u64::try_from(text.len()).expect("a short text");
        passed(Unit::WsMessage { kind: FrameKind::Text, text: Some(text.to_owned()), bytes })
    }

    fn passed(unit: Unit) -> Record {
        let what = RecordKind::Unit {
            connection: connection("alice", "scheduler", 1),
            direction: Direction::ToClient,
            unit,
            arrived: None,
        };
        Record { at: Duration::ZERO, host: None, incarnation: Default::default(), what }
    }

    fn fact(key: &str, value: Option<&str>) -> Fact {
        let fact = Fact::new(FactKind::ClaimedDelivered, key);
        value.map_or(fact.clone(), |value| fact.value(value))
    }

    fn told(records: &[Record]) -> Vec<(usize, &str, Fact)> {
        let facts = records.iter().enumerate().filter_map(|(index, record)| {
            let RecordKind::Fact(fact) = &record.what else { return None };
            Some((index, record.host.as_ref()?.as_str(), fact.clone()))
        });
        facts.collect()
    }
}
