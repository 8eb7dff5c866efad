//! What the scripts of a run know of one another: who only listens on, what was offered, and that the listeners may go.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::fact::{Fact, FactKind};
use crate::name::{HostName, Incarnation};

/// The scripts of one run.
#[derive(Default)]
pub(crate) struct Scripts {
    resting: RefCell<BTreeSet<(HostName, Incarnation)>>,
    offered: RefCell<BTreeSet<String>>,
    dismissed: CancellationToken,
}

impl Scripts {
    /// A script has done its part, and listens on.
    pub(crate) fn rest(&self, host: &HostName, incarnation: Incarnation) {
        self.resting.borrow_mut().insert((host.clone(), incarnation));
    }

    /// Whether a script has done its part and may not go yet.
    pub(crate) fn listens(&self, host: &HostName, incarnation: Incarnation) -> bool {
        !self.dismissed.is_cancelled() && self.resting.borrow().contains(&(host.clone(), incarnation))
    }

    /// Lets those go who only listen.
    pub(crate) fn dismiss(&self) {
        self.dismissed.cancel();
    }

    /// Cancelled when those who only listen may go.
    pub(crate) fn dismissed(&self) -> CancellationToken {
        self.dismissed.clone()
    }

    /// Remembers what was offered.
    pub(crate) fn hear(&self, fact: &Fact) {
        if fact.kind == FactKind::Offered {
            self.offered.borrow_mut().insert(fact.key.clone());
        }
    }

    /// Whether somebody has offered a key.
    pub(crate) fn is_offered(&self, key: &str) -> bool {
        self.offered.borrow().contains(key)
    }
}
