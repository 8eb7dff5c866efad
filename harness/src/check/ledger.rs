//! The facts of a run, by key.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::{Record, What};

/// One fact with where and when it was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The place of its record in the trace.
    pub(super) index: usize,
    pub(super) at: Duration,
    pub(super) host: Option<&'a HostName>,
    pub(super) kind: FactKind,
    pub(super) key: &'a str,
    pub(super) value: Option<&'a str>,
}

impl Entry<'_> {
    /// The host in a sentence.
    pub(super) fn by(&self) -> &str {
        self.host.map_or("nobody in particular", HostName::as_str)
    }
}

/// Every fact, in the order of the trace.
pub(super) fn facts(records: &[Record]) -> impl Iterator<Item = Entry<'_>> {
    records.iter().enumerate().filter_map(|(index, record)| match &record.what {
        What::Fact(fact) => Some(Entry {
            index,
            at: record.at,
            host: record.host.as_ref(),
            kind: fact.kind,
            key: &fact.key,
            value: fact.value.as_deref(),
        }),
        What::Connection { .. }
        | What::Unit { .. }
        | What::Fault { .. }
        | What::Process(_)
        | What::Event(_)
        | What::Observed { .. }
        | What::Violation { .. } => None,
    })
}

/// All that was told about one key, in the order of the trace.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) key: &'a str,
    entries: Vec<Entry<'a>>,
}

impl<'a> Account<'a> {
    /// The facts of one kind.
    pub(super) fn all(&self, kind: FactKind) -> impl DoubleEndedIterator<Item = &Entry<'a>> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// The first fact of a kind.
    pub(super) fn first(&self, kind: FactKind) -> Option<&Entry<'a>> {
        self.all(kind).next()
    }

    /// Every fact.
    pub(super) fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }
}

/// The accounts of all keys, in the order in which the keys first appear: keys are often random, and their own order
/// would make the first violation a matter of chance.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    accounts: Vec<Account<'a>>,
}

impl<'a> Ledger<'a> {
    /// Reads the facts of the given kinds.
    pub(super) fn of(records: &'a [Record], kinds: &[FactKind]) -> Self {
        let mut places = BTreeMap::new();
        let mut accounts: Vec<Account<'a>> = Vec::new();
        for entry in facts(records).filter(|entry| kinds.contains(&entry.kind)) {
            let place = *places.entry(entry.key).or_insert(accounts.len());
            if place == accounts.len() {
                accounts.push(Account { key: entry.key, entries: Vec::new() });
            }
            accounts[place].entries.push(entry);
        }
        Self { accounts }
    }

    /// Key by key.
    pub(super) fn accounts(&self) -> &[Account<'a>] {
        &self.accounts
    }
}
