//! What became of every single fault, as a table: a row for each point of the course, a column for each verb.
//!
//! It is written so that it can be reviewed as a snapshot: nothing in it depends on wall time, on the number of workers or on
//! the order in which the cases were played.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::cases::{Cases, Part};
use super::ledger::Ledger;

/// The cases of one verb at one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    held: usize,
    broken: usize,
    without_effect: usize,
    unplayed: usize,
}

/// A row as it is written: points that have the same name and the same cells are one.
struct Written<'a> {
    what: &'a str,
    numbers: BTreeSet<u32>,
    cells: BTreeMap<&'static str, Cell>,
}

/// The table.
pub(crate) fn of(cases: &Cases, ledger: &Ledger) -> String {
    let mut cells: Vec<BTreeMap<&'static str, Cell>> = vec![BTreeMap::new(); cases.rows.len()];
    for (place, case) in cases.all.iter().enumerate() {
        cells[case.row].entry(case.fault.act.word()).or_default().count(ledger, place);
    }
    let mut text = String::from(
        "how many faults of a verb held at a point; !n: n of them broke a law; -: without effect; ?: not played\n",
    );
    let mut words: BTreeSet<&'static str> = BTreeSet::new();
    for part in parts(cases) {
        let rows = rows(cases, part, &cells);
        if !rows.is_empty() {
            words.extend(table(&mut text, part, &rows));
        }
    }
    let told: Vec<_> =
        words.iter().filter(|word| short(word) != **word).map(|word| format!("{} {word}", short(word))).collect();
    if !told.is_empty() {
        let _ = writeln!(text, "\n{}", told.join(", "));
    }
    text
}

/// The parts, in the order of the course.
fn parts(cases: &Cases) -> Vec<&Part> {
    let mut parts: Vec<&Part> = Vec::new();
    for row in &cases.rows {
        if !parts.contains(&&row.part) {
            parts.push(&row.part);
        }
    }
    parts.sort_by_key(|part| matches!(part, Part::Attempts | Part::Moments | Part::Between));
    parts
}

fn rows<'a>(cases: &'a Cases, part: &Part, cells: &[BTreeMap<&'static str, Cell>]) -> Vec<Written<'a>> {
    let mut written: Vec<Written<'a>> = Vec::new();
    for (row, cells) in cases.rows.iter().zip(cells).filter(|(row, _)| row.part == *part) {
        match written.iter_mut().find(|other| other.what == row.what && other.cells == *cells) {
            Some(other) => _ = other.numbers.insert(row.n),
            None => written.push(Written { what: &row.what, numbers: [row.n].into(), cells: cells.clone() }),
        }
    }
    written
}

/// Writes the rows of a part and returns its columns.
fn table(text: &mut String, part: &Part, rows: &[Written<'_>]) -> Vec<&'static str> {
    let present: BTreeSet<&'static str> = rows.iter().flat_map(|row| row.cells.keys().copied()).collect();
    let columns: Vec<&'static str> =
        crate::fault::Registry::default().words().filter(|word| present.contains(word)).collect();
    let label = |row: &Written<'_>| format!("{} {}", row.what, ranges(&row.numbers));
    let wide = rows.iter().map(|row| label(row).chars().count()).max().unwrap_or(0).max(12);
    let _ = write!(text, "\n{}\n  {:wide$}", heading(part), "");
    for word in &columns {
        let _ = write!(text, " {:>5}", short(word));
    }
    text.push('\n');
    for row in rows {
        let mut line = format!("  {:wide$}", label(row));
        for word in &columns {
            let _ = write!(line, " {:>5}", row.cells.get(word).map_or(String::new(), Cell::word));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    columns
}

fn heading(part: &Part) -> String {
    match part {
        Part::Units(connection, direction) => format!("{connection} {direction}"),
        Part::Attempts => "attempts to connect".to_owned(),
        Part::Moments => "instants of hosts".to_owned(),
        Part::Between => "instants between two hosts".to_owned(),
    }
}

impl Cell {
    fn count(&mut self, ledger: &Ledger, case: usize) {
        match ledger.of(case) {
            None => self.unplayed += 1,
            Some(entry) if entry.signature().is_some() => self.broken += 1,
            Some(entry) if entry.without_effect.is_some() => self.without_effect += 1,
            Some(_) => self.held += 1,
        }
    }

    fn word(&self) -> String {
        let unplayed = if self.unplayed > 0 { "?" } else { "" };
        match self {
            Self { broken: 1.., .. } => format!("!{}{unplayed}", self.broken),
            Self { held: 1.., .. } => format!("{}{unplayed}", self.held),
            Self { unplayed: 1.., .. } => "?".to_owned(),
            Self { .. } => "-".to_owned(),
        }
    }
}

/// A verb's word in five letters: `half_open` is `ha_op`.
fn short(word: &str) -> String {
    match word.split_once('_') {
        Some((first, rest)) => format!("{}_{}", first.get(..2).unwrap_or(first), rest.get(..2).unwrap_or(rest)),
        None => word.get(..5).unwrap_or(word).to_owned(),
    }
}

/// Numbers as a person writes them: `1..4, 7`.
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for n in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => ranges.push((*n, *n)),
        }
    }
    let word = |(first, last): (u32, u32)| if first == last { first.to_string() } else { format!("{first}..{last}") };
    ranges.into_iter().map(word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::super::learn::Course;
    use super::super::ledger::Entry;
    use super::*;
    use crate::check::Signature;
    use crate::check::trace_builder::{TraceBuilder, connection};
    use crate::fault::FrameKind;
    use crate::name::Direction;
    use crate::trace::{ConnectionEvent, RecordKind, Unit};

    /// A hello, two pings, and an attempt before them.
    fn cases() -> Cases {
        let ping = || Unit::WsControl { kind: FrameKind::Ping, code: None, reason: None };
        let hello = Unit::WsMessage { kind: FrameKind::Text, text: Some(r#"{"type":"hello"}"#.to_owned()), bytes: 16 };
        let unit = |unit| RecordKind::Unit {
            connection: connection("alice", "chat", 1),
            direction: Direction::ToServer,
            unit,
            arrived: None,
        };
        let run = TraceBuilder::new()
            .connection(1, "alice", "chat", 1, ConnectionEvent::Attempted)
            .record(10, None, unit(hello))
            .record(20, None, unit(ping()))
            .record(40, None, unit(ping()));
        Cases::of(&Course::of(&run.records, run.last.at), &["alice".into(), "chat".into()], &["alice".into()])
    }

    #[test]
    fn points_that_say_the_same_and_fared_the_same_are_one_row() {
        let cases = cases();
        let mut ledger = Ledger::default();
        for (place, case) in cases.all.iter().enumerate() {
            let fault = case.fault.to_string();
            let mut signatures = Vec::new();
            if fault.starts_with("reset on") && fault.contains("message") {
                signatures.push(Signature::new("delivery", "silent loss", []));
            }
            if case.fault.act.word() == "io_error" {
                signatures.push(Signature::new("took_effect", "changed nothing", []));
            }
            if case.fault.act.word() != "partition" {
                ledger.add(Entry::new(place, &signatures, fault));
            }
        }
        insta::assert_snapshot!(of(&cases, &ledger));
    }

    #[test]
    fn the_short_words_of_the_verbs_differ() {
        let words: Vec<_> = crate::fault::Registry::default().words().map(short).collect();
        let distinct: BTreeSet<_> = words.iter().collect();
        assert_eq!(distinct.len(), words.len(), "{words:?}");
    }

    #[test]
    fn numbers_are_told_as_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10].into()), "1..3,7,9..10");
    }
}
