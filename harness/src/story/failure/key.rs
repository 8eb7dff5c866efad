//! The life of one key: every record that speaks of it.

use std::collections::BTreeSet;

use super::super::alias::Aliases;
use super::super::phrase::fact_word;
use super::lines::{Lines, has_fired, wrapped};
use crate::check::{Evidence, Violation};
use crate::fact::FactKind;
use crate::trace::{LogEvent, Record, RecordKind, Unit};

/// As many lines of a life as fit a screen beside the rest: its beginning and its end.
const BEGINNING: usize = 8;
const END: usize = 6;

/// What may become of a thing, in the order in which it does.
const STAGES: [FactKind; 5] =
    [FactKind::Offered, FactKind::Accepted, FactKind::ClaimedDelivered, FactKind::Received, FactKind::Outcome];

/// The key of the law that was broken first, or of the first that has one. What is carried counts before sessions and gauges.
pub(in crate::story) fn of(evidence: &Evidence, broken: &[&Violation]) -> Option<String> {
    let proofs = broken.iter().flat_map(|violation| &violation.witness);
    let facts: Vec<_> = proofs.filter_map(|index| evidence.records.get(*index)?.what.fact()).collect();
    let carried = facts.iter().find(|fact| is_carried(fact.kind));
    carried.or(facts.first()).map(|fact| fact.key.clone())
}

/// The key of this name, or of this ordinal.
pub(super) fn named(name: &str, evidence: &Evidence, aliases: &mut Aliases) -> Option<String> {
    let facts = evidence.records.iter().filter_map(|record| record.what.fact());
    facts.map(|fact| &fact.key).find(|key| *key == name || aliases.shorten(key) == name).cloned()
}

fn is_carried(kind: FactKind) -> bool {
    match kind {
        FactKind::Offered
        | FactKind::Accepted
        | FactKind::ClaimedDelivered
        | FactKind::ClaimedFailed
        | FactKind::Received
        | FactKind::Refused
        | FactKind::Outcome
        | FactKind::StreamOpened
        | FactKind::StreamProduced
        | FactKind::StreamEvent
        | FactKind::StreamTerminator
        | FactKind::StreamError
        | FactKind::StreamEnded
        | FactKind::StreamLeft
        | FactKind::StreamCancelled => true,
        FactKind::Detected | FactKind::Recovered | FactKind::Retried | FactKind::Gauge => false,
    }
}

/// The lines that speak of a key.
pub(super) struct Life {
    key: String,
    places: Vec<usize>,
}

impl Life {
    pub(super) fn of(key: String, evidence: &Evidence, lines: &Lines) -> Self {
        let places = lines.places(|index| speaks_of(&evidence.records[index], &key));
        Self { key, places }
    }

    /// The record of the last line that speaks of it.
    pub(super) fn end(&self, lines: &Lines) -> Option<usize> {
        self.places.last().map(|place| lines.record_at(*place))
    }

    pub(super) fn told(&self, evidence: &Evidence, lines: &Lines, aliases: &mut Aliases) -> String {
        let mut text = format!("life of {}\n", aliases.shorten(&self.key));
        let unmarked = |_: usize| false;
        let (beginning, end) = match self.places.len() {
            long if long > BEGINNING + END => (&self.places[..BEGINNING], &self.places[long - END..]),
            _ => (&self.places[..], &[][..]),
        };
        let with_faults = |places: &[usize]| with_faults_between(places, evidence, lines);
        text.push_str(&lines.render(&with_faults(beginning), false, &unmarked, evidence, aliases));
        if !end.is_empty() {
            text.push_str("      ...\n");
            text.push_str(&lines.render(&with_faults(end), false, &unmarked, evidence, aliases));
        }
        let missing = self.missing(evidence);
        if !missing.is_empty() {
            text.push_str(&wrapped("  ", "  ", &format!("never: {}", missing.join(", "))));
        }
        text
    }

    /// What other keys of this run reached and this one did not.
    fn missing(&self, evidence: &Evidence) -> Vec<&'static str> {
        let (mut reached, mut told) = (BTreeSet::new(), BTreeSet::new());
        for record in evidence.records {
            if let RecordKind::Fact(fact) = &record.what {
                told.insert(fact.kind);
                if fact.key == self.key {
                    reached.insert(fact.kind);
                }
            }
        }
        if !reached.iter().any(|kind| STAGES.contains(kind)) {
            return Vec::new();
        }
        let missing = STAGES.into_iter().filter(|kind| told.contains(kind) && !reached.contains(kind));
        missing.map(|kind| if kind == FactKind::Outcome { "an outcome" } else { fact_word(kind) }).collect()
    }
}

/// The places, and those of the faults that fired between the first and the last.
fn with_faults_between(places: &[usize], evidence: &Evidence, lines: &Lines) -> Vec<usize> {
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return Vec::new() };
    let fired = lines.places(|index| has_fired(&evidence.records[index]));
    let between = fired.into_iter().filter(|place| (first..=last).contains(place));
    places.iter().copied().chain(between).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a record is about a key: a fact of it, a log line with it in a field, a unit that carries it.
pub(in crate::story) fn speaks_of(record: &Record, key: &str) -> bool {
    match &record.what {
        RecordKind::Fact(fact) => fact.key == key,
        RecordKind::Event(event) => is_distinct(key) && event_speaks_of(event, key),
        RecordKind::Unit { unit, .. } => is_distinct(key) && unit_carries(unit, key),
        RecordKind::BrokenRule { detail, .. } => is_distinct(key) && contains_word(detail, key),
        RecordKind::Connection { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Observed { .. } => false,
    }
}

/// Whether a key is told from other words of a log: numbers and single letters are not.
fn is_distinct(key: &str) -> bool {
    key.len() > 2 && key.bytes().any(|byte| !byte.is_ascii_digit())
}

fn event_speaks_of(event: &LogEvent, key: &str) -> bool {
    event.fields.iter().any(|(_, value)| contains_word(value, key)) || contains_word(&event.message, key)
}

fn unit_carries(unit: &Unit, key: &str) -> bool {
    match unit {
        Unit::WsMessage { text, .. } => text.as_deref().is_some_and(|text| contains_word(text, key)),
        Unit::SseEvent { name, data, comment } => {
            [name, data, comment].into_iter().flatten().any(|text| contains_word(text, key))
        }
        Unit::HttpRequest { target, .. } => contains_word(target, key),
        Unit::HttpResponse { .. } | Unit::HttpChunk { .. } | Unit::WsControl { .. } => false,
    }
}

/// Whether a text has the key in it, and not as part of a longer word: `m-1` is not in `m-10`.
fn contains_word(text: &str, key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(key).any(|(start, found)| {
        let (before, after) = (&text[..start], &text[start + found.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}
