//! One fault of the plan, and how far its life has come.

use std::time::Duration;

use super::ConnectionKey;
use super::reasons::{Count, Hindrance};
use crate::fault::{Fault, Target, Trigger};
use crate::name::{ConnectionId, HostName};
use crate::trace::LogEvent;

/// A fault and what has become of it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    pub(super) fired: bool,
    /// How many events have matched.
    matched: u32,
    /// How many calls have been made since it strikes calls.
    pub(super) calls: u32,
    pub(super) strikes: Strikes,
    /// The connections that feel it until it heals.
    pub(super) struck: Vec<ConnectionKey>,
    /// Calls fail until it heals.
    pub(super) fails_calls: bool,
    /// Why it did not fire although its trigger came true, the last time.
    pub(super) hindrance: Option<Hindrance>,
    /// The most that a connection which is over has seen of what the trigger counts.
    pub(super) most: Option<Count>,
    /// How many events had the trigger's message, and not its host or fields.
    pub(super) namesakes: u32,
}

/// Which connection attempts a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strikes {
    /// None.
    None,
    /// The next attempt; the fault fires with it.
    Next,
    /// All attempts until the fault heals.
    All,
}

impl Planned {
    /// A fault that has not fired.
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            fired: false,
            matched: 0,
            calls: 0,
            strikes: Strikes::None,
            struck: Vec::new(),
            fails_calls: false,
            hindrance: None,
            most: None,
            namesakes: 0,
        }
    }

    /// Whether the fault may strike a connection.
    pub(super) fn aims_at(&self, id: &ConnectionId) -> bool {
        match self.fault.act.target() {
            Target::Link { link, connection } => *link == id.link && connection.is_none_or(|nth| nth == id.nth),
            Target::Between(one, other) => {
                let ends = (&id.link.client, &id.link.server);
                ends == (one, other) || ends == (other, one)
            }
            Target::Host(host) => *host == id.link.client || *host == id.link.server,
        }
    }

    /// How many events have matched.
    pub(super) fn matched(&self) -> u32 {
        self.matched
    }

    /// Counts an event; if it is the one that was waited for, says how long after it the fault strikes.
    pub(super) fn count(&mut self, on: &HostName, event: &LogEvent) -> Option<Duration> {
        let Trigger::Event { message, host, fields, n, after } = &self.fault.trigger else { return None };
        if event.message != *message {
            return None;
        }
        let matches = host.as_ref().is_none_or(|host| host == on)
            && fields.iter().all(|(name, value)| event.field(name) == Some(value));
        if !matches {
            self.namesakes = self.namesakes.saturating_add(1);
            return None;
        }
        self.matched = self.matched.saturating_add(1);
        (self.matched == *n).then_some(*after)
    }
}
