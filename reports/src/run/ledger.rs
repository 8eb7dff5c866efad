//! What became of each key, as the facts tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::FactKind;
use halfopen::trace::RecordKind;

use super::Run;

/// Rows that are shown, however many differ.
const ROWS: usize = 40;

/// One table: the keys of one sort, a column for each kind of fact that was told of any.
pub(crate) struct Ledger {
    pub(crate) title: &'static str,
    pub(crate) columns: Vec<FactKind>,
    pub(crate) rows: Vec<Row>,
    /// Rows that were left out.
    pub(crate) left: usize,
}

/// One key, or several with the same fate.
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) cells: Vec<Option<Cell>>,
    /// How many keys have this fate.
    pub(crate) count: usize,
    /// Whether a broken law speaks of it.
    pub(crate) is_subject: bool,
}

/// The facts of one kind of one key.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) record: usize,
    pub(crate) at: Duration,
    pub(crate) who: String,
    pub(crate) value: String,
    /// How many there are.
    pub(crate) count: usize,
    /// Why this must not be so, if it must not.
    pub(crate) wrong: Option<&'static str>,
}

const CARRIED: [FactKind; 7] = [
    FactKind::Offered,
    FactKind::Accepted,
    FactKind::ClaimedDelivered,
    FactKind::Received,
    FactKind::Outcome,
    FactKind::ClaimedFailed,
    FactKind::Refused,
];
const STREAMS: [FactKind; 8] = [
    FactKind::StreamOpened,
    FactKind::StreamProduced,
    FactKind::StreamEvent,
    FactKind::StreamTerminator,
    FactKind::StreamError,
    FactKind::StreamEnded,
    FactKind::StreamLeft,
    FactKind::StreamCancelled,
];
const SESSIONS: [FactKind; 3] = [FactKind::Detected, FactKind::Retried, FactKind::Recovered];

/// The ledgers of a run that have a row.
pub(crate) fn of(run: &mut Run<'_>) -> Vec<Ledger> {
    let tables: [(&'static str, &[FactKind]); 3] =
        [("Things that were carried", &CARRIED), ("Streams", &STREAMS), ("Connections and sessions", &SESSIONS)];
    tables.into_iter().filter_map(|(title, kinds)| ledger(run, title, kinds)).collect()
}

type Cells = BTreeMap<FactKind, Cell>;

fn ledger(run: &mut Run<'_>, title: &'static str, kinds: &[FactKind]) -> Option<Ledger> {
    let mut order: Vec<String> = Vec::new();
    let mut keys: BTreeMap<String, Cells> = BTreeMap::new();
    let mut subjects = BTreeSet::new();
    for (index, record) in run.records.iter().enumerate() {
        let RecordKind::Fact(fact) = &record.what else { continue };
        if !kinds.contains(&fact.kind) {
            continue;
        }
        if run.first_proofs.contains(&index) {
            subjects.insert(fact.key.clone());
        }
        let cells = keys.entry(fact.key.clone()).or_insert_with(|| {
            order.push(fact.key.clone());
            Cells::new()
        });
        let cell = cells.entry(fact.kind).or_insert_with(|| Cell {
            record: index,
            at: record.at,
            who: record.host.as_ref().map(ToString::to_string).unwrap_or_default(),
            value: fact.value.clone().unwrap_or_default(),
            count: 0,
            wrong: None,
        });
        cell.count += 1;
    }
    if order.is_empty() {
        return None;
    }
    let columns: Vec<FactKind> =
        kinds.iter().copied().filter(|kind| keys.values().any(|cells| cells.contains_key(kind))).collect();
    let claims = columns.contains(&FactKind::Received);
    let mut rows: Vec<Row> = Vec::new();
    for key in order {
        let mut cells = keys.remove(&key).unwrap_or_default();
        if claims {
            judge(&mut cells);
        }
        let is_subject = subjects.contains(&key) || run.key.as_ref() == Some(&key);
        let cells: Vec<_> = columns.iter().map(|kind| cells.remove(kind)).collect();
        let alike = rows.iter_mut().find(|row| !row.is_subject && !is_subject && fate(&row.cells) == fate(&cells));
        match alike {
            Some(row) => row.count += 1,
            None => {
                let key = run.shorten(&key);
                rows.push(Row { key, cells, count: 1, is_subject });
            }
        }
    }
    for cell in rows.iter_mut().flat_map(|row| &mut row.cells).flatten() {
        cell.value = run.shorten(&cell.value);
    }
    rows.sort_by_key(|row| !row.is_subject);
    let left = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    Some(Ledger { title, columns, rows, left })
}

/// Marks claims that were not true when they were made, and what arrived again.
fn judge(cells: &mut Cells) {
    let received = cells.get(&FactKind::Received).map(|cell| cell.record);
    if let Some(claim) = cells.get_mut(&FactKind::ClaimedDelivered) {
        claim.wrong = match received {
            None => Some("claimed, and never received"),
            Some(received) if received > claim.record => Some("claimed before it was received"),
            Some(_) => None,
        };
    }
    if let Some(claim) = cells.get_mut(&FactKind::ClaimedFailed).filter(|_| received.is_some()) {
        claim.wrong = Some("claimed to have failed, and received");
    }
}

/// What two keys with one fate have in common.
fn fate(cells: &[Option<Cell>]) -> Vec<Option<(&str, usize, Option<&'static str>)>> {
    cells.iter().map(|cell| cell.as_ref().map(|cell| (cell.who.as_str(), cell.count, cell.wrong))).collect()
}

/// What a kind of fact is called at the head of its column.
pub(crate) fn heading(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Offered => "offered",
        FactKind::Accepted => "accepted",
        FactKind::ClaimedDelivered => "claimed delivered",
        FactKind::ClaimedFailed => "claimed failed",
        FactKind::Received => "received",
        FactKind::Refused => "refused",
        FactKind::Outcome => "outcome",
        FactKind::Detected => "loss noticed",
        FactKind::Recovered => "back in service",
        FactKind::Retried => "tried again",
        FactKind::StreamOpened => "opened",
        FactKind::StreamProduced => "produced",
        FactKind::StreamEvent => "events read",
        FactKind::StreamTerminator => "terminator",
        FactKind::StreamError => "error",
        FactKind::StreamEnded => "end seen",
        FactKind::StreamLeft => "reader left",
        FactKind::StreamCancelled => "source stopped",
        FactKind::Gauge => "gauge",
    }
}
