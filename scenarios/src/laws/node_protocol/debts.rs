//! What one side owes: a message or a log line that must follow soon, as long as the connection between them is whole.

use std::time::Duration;

use halfopen::check::Finding;

use super::history::{History, Moment};

/// What is owed, in the order in which it fell due.
#[derive(Debug, Default)]
pub(super) struct Debts {
    owed: Vec<Debt>,
    /// What a fault has kept from coming in time; it may come late.
    lapsed: Vec<Debt>,
}

#[derive(Debug)]
struct Debt {
    connection: usize,
    /// What is owed: the clause that is broken when it does not come.
    what: &'static str,
    /// About what.
    key: String,
    since: Duration,
    by: Duration,
    place: usize,
}

impl Debts {
    /// Something is owed from this moment on, `within` this time.
    pub(super) fn owe(
        &mut self,
        moment: &Moment<'_>,
        within: Duration,
        connection: usize,
        what: &'static str,
        key: &str,
    ) {
        let (since, by, place) = (moment.at, moment.at + within, moment.place);
        self.owed.push(Debt { connection, what, key: key.to_owned(), since, by, place });
    }

    /// It has come; whether it was owed.
    pub(super) fn pay(&mut self, connection: usize, what: &'static str, key: &str) -> bool {
        let is_it = |debt: &Debt| debt.connection == connection && debt.what == what && debt.key == key;
        for debts in [&mut self.owed, &mut self.lapsed] {
            if let Some(place) = debts.iter().position(is_it) {
                debts.remove(place);
                return true;
            }
        }
        false
    }

    /// Whether it is owed.
    pub(super) fn owes(&self, connection: usize, what: &'static str, key: &str) -> bool {
        self.owed.iter().any(|debt| debt.connection == connection && debt.what == what && debt.key == key)
    }

    /// Nothing of this about this is owed any more, on any connection.
    pub(super) fn forgive(&mut self, what: &'static str, key: &str) {
        self.owed.retain(|debt| debt.what != what || debt.key != key);
    }

    /// What should have come before now.
    ///
    /// # Errors
    /// The first of it.
    pub(super) fn collect(&mut self, history: &History<'_>, now: Duration) -> Result<(), Finding> {
        if self.owed.iter().all(|debt| debt.by >= now) {
            return Ok(());
        }
        let (due, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.owed).into_iter().partition(|debt| debt.by < now);
        self.owed = open;
        let is_clear = |debt: &Debt| history.is_clear(debt.connection, debt.since, debt.by);
        let (unpaid, hindered): (Vec<_>, Vec<_>) = due.into_iter().partition(is_clear);
        self.lapsed.extend(hindered);
        match unpaid.into_iter().next() {
            None => Ok(()),
            Some(Debt { connection, what, key, since, by, place }) => {
                let sentence = format!(
                    "{what} did not come within {:?}: it was owed on {} for {key}.",
                    by.saturating_sub(since),
                    history.name(connection)
                );
                Err(Finding::new(what, sentence).witness([place]).role(Some(history.node(connection))))
            }
        }
    }
}
