//! Records as lines of one width, for a screen.

use std::time::Duration;

use super::super::alias::Aliases;
use super::super::phrase::{Phrase, in_full};
use super::super::timeline::{Connections, clock, is_told_late};
use crate::check::Evidence;
use crate::fact::{Fact, FactKind};
use crate::fault::FrameKind;
use crate::trace::{FaultEvent, Level, LogEvent, Record, RecordKind, Unit};

/// What a terminal shows beside its margin.
pub(super) const COLUMNS: usize = 100;

/// The records that a report may show, in the order of the trace. A fact that was read from a log line is one line with it.
#[derive(Debug)]
pub(in crate::story) struct Lines {
    shown: Vec<Shown>,
}

/// One record, or a log line with the fact that was read from it.
#[derive(Clone, Copy, Debug)]
struct Shown {
    index: usize,
    fact: Option<usize>,
    /// When the latest fault had fired.
    since: Option<Duration>,
}

impl Lines {
    pub(in crate::story) fn of(evidence: &Evidence) -> Self {
        let connections = Connections::of(evidence.records);
        let mut shown: Vec<Shown> = Vec::new();
        let mut since = None;
        for (index, record) in evidence.records.iter().enumerate() {
            if record.at > evidence.last.at && !is_told_late(record) {
                continue;
            }
            match reading(&evidence.records[..=index]) {
                Reading::Hidden => {}
                Reading::OfTheLineBefore => {
                    if let Some(line) = shown.last_mut().filter(|line| line.index + 1 == index) {
                        line.fact = Some(index);
                    }
                }
                Reading::Line if is_worth_a_line(record, evidence.records.get(index + 1), &connections) => {
                    let fired = has_fired(record);
                    shown.push(Shown { index, fact: None, since: since.filter(|_| !fired) });
                    since = if fired { Some(record.at) } else { since };
                }
                Reading::Line => {}
            }
        }
        Self { shown }
    }

    /// The records that are shown, those with them in a line included.
    pub(in crate::story) fn records(&self) -> std::collections::BTreeSet<usize> {
        self.shown.iter().flat_map(|line| [Some(line.index), line.fact]).flatten().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// The places of the lines that show such records.
    pub(super) fn places(&self, mut wanted: impl FnMut(usize) -> bool) -> Vec<usize> {
        let places = self.shown.iter().enumerate();
        places
            .filter(|(_, line)| wanted(line.index) || line.fact.is_some_and(&mut wanted))
            .map(|(place, _)| place)
            .collect()
    }

    /// The place of the line that shows a record; the next one, if it is not shown.
    pub(super) fn place_of(&self, index: usize) -> Option<usize> {
        let next = self.shown.partition_point(|line| line.fact.unwrap_or(line.index) < index);
        (next < self.shown.len()).then_some(next)
    }

    /// The record that a line shows.
    pub(super) fn record_at(&self, place: usize) -> usize {
        self.shown[place].index
    }

    /// The lines at these places, which ascend: `...` where others stand between two, one line for the same said again and again,
    /// and a mark at those that prove something.
    pub(super) fn render(
        &self,
        places: &[usize],
        gaps: bool,
        marked: &dyn Fn(usize) -> bool,
        evidence: &Evidence,
        aliases: &mut Aliases,
    ) -> String {
        let mut rows: Vec<Row> = Vec::new();
        let mut last = None;
        for &place in places {
            let Shown { index, fact, since } = self.shown[place];
            let mark = marked(index) || fact.is_some_and(marked);
            let Phrase { who, text } = said(evidence, index, fact, aliases);
            let has_gap = gaps && last.is_some_and(|last| last + 1 < place);
            last = Some(place);
            let time = clock(evidence.records[index].at, since);
            match rows.last_mut() {
                Some(row) if !has_gap && row.who == who && row.text == text && !mark && !row.mark => row.count += 1,
                Some(_) | None => rows.push(Row { has_gap, mark, time, who, text, count: 1 }),
            }
        }
        let width = rows.iter().map(|row| row.who.chars().count()).max().unwrap_or(0);
        rows.iter().map(|row| row.render(width)).collect()
    }
}

struct Row {
    has_gap: bool,
    mark: bool,
    time: String,
    who: String,
    text: String,
    count: u32,
}

impl Row {
    fn render(&self, width: usize) -> String {
        let Self { has_gap, mark, time, who, text, count } = self;
        let mark = if *mark { '>' } else { ' ' };
        let again = if *count > 1 { format!(" x{count}") } else { String::new() };
        let line = clipped(&format!("{mark} {time:>7}  {who:width$}  {text}"), COLUMNS - again.len());
        let gap = if *has_gap { "      ...\n" } else { "" };
        format!("{gap}{line}{again}\n")
    }
}

/// Whether a record says that a fault has fired.
pub(super) fn has_fired(record: &Record) -> bool {
    matches!(&record.what, RecordKind::Fault { event: FaultEvent::Fired { .. }, .. })
}

enum Reading {
    Hidden,
    Line,
    /// A fact that was read from the log line before it.
    OfTheLineBefore,
}

/// How the last of these records is read.
fn reading(records: &[Record]) -> Reading {
    let [rest @ .., record] = records else { return Reading::Hidden };
    let RecordKind::Fact(fact) = &record.what else { return Reading::Line };
    if fact.kind == FactKind::Gauge {
        return Reading::Hidden;
    }
    match rest.last() {
        Some(before) if is_read_from(fact, record, before) => Reading::OfTheLineBefore,
        Some(_) | None => Reading::Line,
    }
}

/// Whether a fact was read from the log line that stands before it.
fn is_read_from(fact: &Fact, record: &Record, before: &Record) -> bool {
    let RecordKind::Event(event) = &before.what else { return false };
    let says = |event: &LogEvent| event.fields.iter().any(|(_, value)| !value.is_empty() && fact.key.contains(value));
    (before.at, &before.host) == (record.at, &record.host) && says(event)
}

fn is_worth_a_line(record: &Record, next: Option<&Record>, connections: &Connections) -> bool {
    match &record.what {
        RecordKind::Connection { id, event } => connections.is_telling(id, event),
        RecordKind::Unit { unit, .. } => !matches!(unit, Unit::HttpChunk { .. }),
        RecordKind::Event(event) => event.level != Level::Trace && !is_gauge(event, record, next),
        RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Fact(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => true,
    }
}

/// A log line that tells a gauge: there is one at every turn, and only laws read them.
fn is_gauge(event: &LogEvent, record: &Record, next: Option<&Record>) -> bool {
    let read = |next: &Record| matches!(&next.what, RecordKind::Fact(fact) if fact.kind == FactKind::Gauge && is_read_from(fact, next, record));
    event.message == "gauge" || next.is_some_and(read)
}

/// A record in words, with the fields of a log line and as much of a message as a line holds. The ping and the pong are one.
fn said(evidence: &Evidence, index: usize, fact: Option<usize>, aliases: &mut Aliases) -> Phrase {
    let record = &evidence.records[index];
    if let RecordKind::Unit {
        unit: Unit::WsControl { kind: FrameKind::Ping | FrameKind::Pong, .. }, connection, ..
    } = &record.what
    {
        return Phrase { who: connection.to_string(), text: "ping/pong".to_owned() };
    }
    let Phrase { who, mut text } = in_full(record, aliases);
    if let Some(fact) = fact {
        let Phrase { text: told, .. } = in_full(&evidence.records[fact], aliases);
        text = format!("{told} <- {text}");
    }
    Phrase { who, text }
}

/// The text up to this width, with three dots where more follows.
fn clipped(text: &str, columns: usize) -> String {
    match text.char_indices().nth(columns) {
        None => text.trim_end().to_owned(),
        Some(_) => text.chars().take(columns - 3).chain("...".chars()).collect(),
    }
}

/// A sentence over as many lines as it needs.
pub(super) fn wrapped(first: &str, indent: &str, sentence: &str) -> String {
    let mut text = first.to_owned();
    let mut used = first.chars().count();
    let mut is_first_word = true;
    for word in sentence.split_whitespace() {
        let length = word.chars().count();
        if !is_first_word && used + 1 + length > COLUMNS {
            text.push('\n');
            text.push_str(indent);
            used = indent.chars().count();
            is_first_word = true;
        }
        if !is_first_word {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
        is_first_word = false;
    }
    text.push('\n');
    text
}
