//! What a page shows of a run, without a word of HTML.
//!
//! - [`Run`] (here): its records in words, its lanes and its connections.
//! - `lanes`: the hosts in the order in which they stand beside each other.
//! - `connections`: how long a connection's packets travel, and what each of its ends believed.
//! - `window`: which records make the scene.
//! - `rows`: those records as arrows, dots and bands.
//! - `ledger`: what became of each key.
//! - `lost`: what a fault kept from its receiver.
//! - `faults`: what was to break, and what became of it.
//! - `twin`: where this run and the one that differs by one thing part.
//! - `budget`: from a fault to its notice to the recovery.

pub(crate) mod budget;
pub(crate) mod connections;
pub(crate) mod faults;
pub(crate) mod lanes;
pub(crate) mod ledger;
pub(crate) mod lost;
pub(crate) mod rows;
pub(crate) mod twin;
pub(crate) mod window;

use std::collections::BTreeSet;

use halfopen::Outcome;
use halfopen::check::Violation;
use halfopen::report::{Said, Telling};
use halfopen::trace::{Level, Record, RecordKind};

use crate::text::{clipped, visible};

/// As much of one text as a page shows, in characters: what is longer is in the trace.
const LONGEST: usize = 400;

/// A run and the words for it.
pub(crate) struct Run<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) records: &'a [Record],
    telling: Telling<'a>,
    /// The records that prove that laws were broken.
    pub(crate) proofs: BTreeSet<usize>,
    /// Those that prove it of the first.
    pub(crate) first_proofs: Vec<usize>,
    /// The key that the first broken law speaks of, as facts name it.
    pub(crate) key: Option<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn of(outcome: &'a Outcome) -> Self {
        let telling = Telling::of(outcome);
        let proofs = telling.broken().iter().flat_map(|violation| violation.witness.iter().copied()).collect();
        let first_proofs = telling.broken().first().map(|violation| violation.witness.clone()).unwrap_or_default();
        let key = telling.key();
        Self { outcome, records: &outcome.trace.records, telling, proofs, first_proofs, key }
    }

    /// The broken laws, first the one that was broken first.
    pub(crate) fn broken(&self) -> Vec<&'a Violation> {
        self.telling.broken().to_vec()
    }

    /// A text with ordinals for random ids, every character visible.
    pub(crate) fn shorten(&mut self, text: &str) -> String {
        clipped(&visible(&self.telling.shorten(&clipped(text, 2 * LONGEST))), LONGEST)
    }

    /// A record in words.
    pub(crate) fn brief(&mut self, index: usize) -> Said {
        shown(self.telling.brief(index))
    }

    /// A record in words, with its fields.
    pub(crate) fn in_full(&mut self, index: usize) -> Said {
        shown(self.telling.in_full(index))
    }

    pub(crate) fn is_worth_a_line(&self, index: usize) -> bool {
        self.telling.is_worth_a_line(index)
    }

    /// Whether a record is about the key of the first broken law.
    pub(crate) fn speaks_of_key(&self, index: usize) -> bool {
        self.key.as_deref().is_some_and(|key| self.telling.speaks_of(index, key))
    }

    /// The kind of a record, and of a log line its level, as the page's filter names them.
    pub(crate) fn kind_word(&self, index: usize) -> &'static str {
        match &self.records[index].what {
            RecordKind::Connection { .. } => "connection",
            RecordKind::Unit { .. } => "message",
            RecordKind::Fault { .. } => "fault",
            RecordKind::Process(_) => "process",
            RecordKind::Fact(_) => "fact",
            RecordKind::Observed { .. } => "observed",
            RecordKind::BrokenRule { .. } => "rule",
            RecordKind::Event(event) => match event.level {
                Level::Error => "error",
                Level::Warn => "warn",
                Level::Info => "info",
                Level::Debug => "debug",
                Level::Trace => "trace",
            },
        }
    }
}

fn shown(Said { who, text }: Said) -> Said {
    Said { who: visible(&who), text: clipped(&visible(&text), LONGEST) }
}
