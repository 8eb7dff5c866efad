//! Sources that told nothing, and what there was instead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{ConnectionOrigin, FactSource, Origin, UnitOrigin};
use crate::heard;
use crate::name::HostName;
use crate::trace::{LogEvent, Record, RecordKind};

/// What one source has told, and what it did not tell although it might have.
#[derive(Debug, Default)]
pub(super) struct SourceCounts {
    pub(super) told: u32,
    misses: BTreeMap<Miss, u32>,
    /// The fields of the events without the wanted one.
    has: BTreeSet<String>,
    /// How often it has told something of each host.
    of_host: BTreeMap<Option<HostName>, u32>,
}

/// Why a record of the right name tells nothing. What is nearest to being told comes last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Miss {
    /// It is another host's, another link's, the other way's or the other end's.
    Elsewhere,
    /// It is of another target.
    Target,
    /// It does not have the values under `where`.
    Where,
    /// It has no such field, or nothing where the pointer leads.
    Key(String),
}

impl SourceCounts {
    /// Something was told of a host; how many times that makes.
    pub(super) fn tell(&mut self, host: Option<&HostName>) -> u32 {
        self.told += 1;
        let times = self.of_host.entry(host.cloned()).or_insert(0);
        *times += 1;
        *times
    }

    pub(super) fn miss(&mut self, miss: Miss, event: Option<&LogEvent>) {
        if let (Miss::Key(_), Some(event)) = (&miss, event) {
            self.has.extend(event.fields.iter().map(|(name, _)| name.clone()));
        }
        *self.misses.entry(miss).or_insert(0) += 1;
    }

    /// The violation that a source has told nothing.
    pub(super) fn silence(&self, source: &FactSource, at: Duration, records: &[Record]) -> Record {
        let what = name(source);
        let detail = match self.misses.last_key_value() {
            None => {
                let instead = match &source.from {
                    Origin::Event(event) => heard::nearest_event(records, &event.message),
                    Origin::Unit(UnitOrigin { link, .. }) | Origin::Connection(ConnectionOrigin { link, .. }) => {
                        let passed = link.as_ref().and_then(|link| heard::passed(records, link));
                        passed.map_or(String::new(), |passed| format!("; {passed}"))
                    }
                };
                format!("the mapped {what} never occurred{instead}")
            }
            Some((miss, times)) => {
                let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
                format!("the mapped {what} occurred {times}, {}", self.but(miss, source))
            }
        };
        let what = RecordKind::BrokenRule { rule: "silent source".to_owned(), detail };
        Record { at, host: None, incarnation: Default::default(), what }
    }

    fn but(&self, miss: &Miss, source: &FactSource) -> String {
        match (miss, &source.from) {
            (Miss::Elsewhere, Origin::Event(event)) => {
                let host = event.host.as_ref().map_or("the named host", HostName::as_str);
                format!("and never on {host}")
            }
            (Miss::Elsewhere, Origin::Unit(_) | Origin::Connection(_)) => {
                "and never on that link, in that direction and at that end".to_owned()
            }
            (Miss::Target, _) => "and never under that `target`".to_owned(),
            (Miss::Where, _) => "and never with the values under `where`".to_owned(),
            (Miss::Key(name), Origin::Unit(_) | Origin::Connection(_)) => {
                format!(
                    "and had nothing where its key `{name}` leads: let the pointer lead to something, or leave `key` out"
                )
            }
            (Miss::Key(name), Origin::Event(_)) => {
                let has: Vec<_> = self.has.iter().map(|name| format!("`{name}`")).collect();
                let has =
                    if has.is_empty() { "it has no fields".to_owned() } else { format!("it has {}", has.join(", ")) };
                format!("and never with its key field `{name}` ({has}): name a field that it has, or leave `key` out")
            }
        }
    }
}

/// What a source is read from, as a sentence names it.
fn name(source: &FactSource) -> String {
    match &source.from {
        Origin::Event(event) => format!("event `{}`", event.message),
        Origin::Unit(unit) => {
            let link = unit.link.as_ref().map_or(String::new(), |link| format!(" on {link}"));
            format!("unit `{}`{link}", unit.unit.word())
        }
        Origin::Connection(connection) => {
            let link = connection.link.as_ref().map_or(String::new(), |link| format!(" on {link}"));
            format!("connection event `{}`{link}", connection.event.word())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::FactKind;
    use crate::mapping::{EventOrigin, apply};
    use crate::trace::Level;

    #[test]
    fn an_event_that_occurs_without_its_key_field_is_told_as_that() {
        let by_attempt = source(|origin| origin.key = vec!["attempt".to_owned()]);
        let bare = [logged("alice", &[]), logged("alice", &[])];
        assert_eq!(
            told(&bare, &by_attempt),
            "the mapped event `reconnecting` occurred 2 times, and never with its key field `attempt` (it has no fields): \
             name a field that it has, or leave `key` out"
        );
        let other = [logged("alice", &[("n", "1"), ("host", "chat")])];
        assert!(
            told(&other, &by_attempt)
                .contains("occurred once, and never with its key field `attempt` (it has `host`, `n`)")
        );
        assert_eq!(told(&[], &by_attempt), "the mapped event `reconnecting` never occurred; nothing was logged at all");
        let misspelt = FactSource {
            from: Origin::Event(EventOrigin { message: "reconecting".to_owned(), ..EventOrigin::default() }),
            ..by_attempt
        };
        assert_eq!(
            told(&other, &misspelt),
            "the mapped event `reconecting` never occurred; the nearest that was logged is `reconnecting` (its fields: \
             host, n)"
        );
    }

    #[test]
    fn an_event_that_occurs_elsewhere_or_otherwise_is_told_as_that() {
        let on_bob = source(|origin| origin.host = Some("bob".into()));
        let under = source(|origin| origin.target = Some("chat".to_owned()));
        let with = source(|origin| origin.fields = vec![("n".to_owned(), "2".to_owned())]);
        let logged = [logged("alice", &[("n", "1")])];
        assert!(told(&logged, &on_bob).ends_with("occurred once, and never on bob"));
        assert!(told(&logged, &under).ends_with("occurred once, and never under that `target`"));
        assert!(told(&logged, &with).ends_with("occurred once, and never with the values under `where`"));
    }

    fn source(change: impl Fn(&mut EventOrigin)) -> FactSource {
        let mut origin = EventOrigin { message: "reconnecting".to_owned(), ..EventOrigin::default() };
        change(&mut origin);
        FactSource { kind: FactKind::Retried, from: Origin::Event(origin), optional: false }
    }

    fn logged(host: &str, fields: &[(&str, &str)]) -> Record {
        let event = LogEvent {
            level: Level::Info,
            target: "client".to_owned(),
            message: "reconnecting".to_owned(),
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        Record {
            at: Duration::ZERO,
            host: Some(host.into()),
            incarnation: Default::default(),
            what: RecordKind::Event(event),
        }
    }

    /// The only violation that applying a source gives.
    fn told(records: &[Record], source: &FactSource) -> String {
        let mapped = apply(records.to_vec(), std::slice::from_ref(source));
        let violations = mapped.into_iter().filter_map(|record| match record.what {
            RecordKind::BrokenRule { detail, .. } => Some(detail),
            _ => None,
        });
        violations.collect()
    }
}
