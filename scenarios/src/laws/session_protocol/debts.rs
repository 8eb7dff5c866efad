//! What an end owes: something that must follow soon, as long as the connection is whole.

use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::Direction;

use super::history::{History, Moment};

/// What is owed, in the order in which it fell due.
#[derive(Debug, Default)]
pub(super) struct Debts(Vec<Debt>);

#[derive(Debug)]
struct Debt {
    connection: usize,
    /// The direction in which the debtor speaks.
    debtor: Direction,
    /// What is owed, which is also the clause that is broken.
    what: &'static str,
    key: String,
    since: Duration,
    by: Duration,
    /// Whether the debtor knows of it when it falls due, so that it comes before its goodbye.
    is_known: bool,
    place: usize,
}

impl Debts {
    /// An end has decided something that must be on the wire at once, and before its goodbye.
    pub(super) fn decided(
        &mut self,
        moment: &Moment<'_>,
        within: Duration,
        (connection, debtor): (usize, Direction),
        (what, key): (&'static str, String),
    ) {
        let (since, by, place) = (moment.at, moment.at + within, moment.place);
        self.0.push(Debt { connection, debtor, what, key, since, by, is_known: true, place });
    }

    /// An end has been told something that it must answer.
    pub(super) fn told(
        &mut self,
        moment: &Moment<'_>,
        within: Duration,
        (connection, debtor): (usize, Direction),
        (what, key): (&'static str, String),
    ) {
        self.decided(moment, within, (connection, debtor), (what, key));
        self.0.iter_mut().rev().take(1).for_each(|debt| debt.is_known = false);
    }

    /// It has come; whether it was owed.
    pub(super) fn pay(&mut self, connection: usize, what: &'static str, key: &str) -> bool {
        let is_it = |debt: &Debt| debt.connection == connection && debt.what == what && debt.key == key;
        self.0.iter().position(is_it).map(|place| self.0.remove(place)).is_some()
    }

    /// Whether it is owed.
    pub(super) fn owes(&self, connection: usize, what: &'static str, key: &str) -> bool {
        self.0.iter().any(|debt| debt.connection == connection && debt.what == what && debt.key == key)
    }

    /// All that was owed of this on this connection has come.
    pub(super) fn pay_all(&mut self, connection: usize, what: &'static str, is_it: impl Fn(&str) -> bool) {
        self.0.retain(|debt| debt.connection != connection || debt.what != what || !is_it(&debt.key));
    }

    /// An end says goodbye: what it had to say before is said.
    ///
    /// # Errors
    /// The first that is not.
    pub(super) fn goodbye(
        &mut self,
        moment: &Moment<'_>,
        connection: usize,
        speaker: Direction,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let is_whole = history.over(connection) >= moment.at && !history.is_touched(connection, moment.at);
        let is_it = |debt: &&Debt| debt.connection == connection && debt.debtor == speaker && debt.is_known;
        match self.0.iter().find(is_it) {
            Some(debt) if is_whole => {
                let sentence =
                    format!("the Close on {} overtook {} ({}).", history.name(connection), debt.what, debt.key);
                Err(Finding::new("a goodbye overtakes what was to be said", sentence)
                    .witness([debt.place, moment.place])
                    .role(Some(history.speaker(connection, speaker))))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What should have come before now.
    ///
    /// # Errors
    /// The first of it.
    pub(super) fn collect(&mut self, history: &History<'_>, now: Duration) -> Result<(), Finding> {
        if self.0.iter().all(|debt| debt.by >= now) {
            return Ok(());
        }
        let (due, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(|debt| debt.by < now);
        self.0 = open;
        match due.into_iter().find(|debt| history.is_clear(debt.connection, debt.since, debt.by)) {
            None => Ok(()),
            Some(Debt { connection, debtor, what, key, since, by, place, .. }) => {
                let bound = by.saturating_sub(since);
                let sentence = format!("{what} ({key}) did not come within {bound:?} on {}.", history.name(connection));
                Err(Finding::new(what, sentence).witness([place]).role(Some(history.speaker(connection, debtor))))
            }
        }
    }
}

/// The Close frame that an end has decided on.
pub(super) const CLOSE: &str = "the Close frame is late";
