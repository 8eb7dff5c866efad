//! A run in words, record by record, for those who render it elsewhere.

use std::collections::BTreeSet;

use super::alias::Aliases;
use super::failure::{Lines, in_order, key, speaks_of};
use super::phrase::{Phrase, in_full, phrase};
use crate::check::{Evidence, Violation};
use crate::outcome::Outcome;

/// The words in which stories tell a run. Ids that are made at random have their ordinals (`job-1`), as in the story.
#[derive(Debug)]
pub struct Telling<'a> {
    evidence: Evidence<'a>,
    broken: Vec<&'a Violation>,
    worth: BTreeSet<usize>,
    aliases: Aliases,
}

/// A record in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whom it is about: a host, a connection, a fault.
    pub who: String,
    /// What happened.
    pub text: String,
}

impl From<Phrase> for Said {
    fn from(Phrase { who, text }: Phrase) -> Self {
        Self { who, text }
    }
}

impl<'a> Telling<'a> {
    /// Of a run.
    pub fn of(outcome: &'a Outcome) -> Self {
        let evidence = outcome.evidence();
        Self {
            broken: in_order(&evidence, &outcome.verdicts),
            worth: Lines::of(&evidence).records(),
            aliases: Aliases::of(evidence.records),
            evidence,
        }
    }

    /// The broken laws, in the order in which they were broken; what follows from another comes behind it.
    pub fn broken(&self) -> &[&'a Violation] {
        &self.broken
    }

    /// The key that the first of the broken laws speaks of, as facts name it.
    pub fn key(&self) -> Option<String> {
        key::of(&self.evidence, &self.broken)
    }

    /// Whether a record is about a key: a fact of it, a log line with it in a field, a unit that carries it.
    pub fn speaks_of(&self, index: usize, key: &str) -> bool {
        self.evidence.records.get(index).is_some_and(|record| speaks_of(record, key))
    }

    /// Whether a report may show the record. Gauges, traces, and what others tell already are left out.
    pub fn is_worth_a_line(&self, index: usize) -> bool {
        self.worth.contains(&index)
    }

    /// A record in words, as a story has it; nothing when there is no such record.
    pub fn brief(&mut self, index: usize) -> Said {
        let record = self.evidence.records.get(index);
        record.map_or_else(Said::nothing, |record| phrase(record, &mut self.aliases).into())
    }

    /// A record in words, with the fields of a log line or of a message; nothing when there is no such record.
    pub fn in_full(&mut self, index: usize) -> Said {
        let record = self.evidence.records.get(index);
        record.map_or_else(Said::nothing, |record| in_full(record, &mut self.aliases).into())
    }

    /// A text with ordinals for random ids, and without addresses.
    pub fn shorten(&mut self, text: &str) -> String {
        self.aliases.shorten(text)
    }
}

impl Said {
    fn nothing() -> Self {
        Self { who: "-".to_owned(), text: String::new() }
    }
}
