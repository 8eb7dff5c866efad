//! `power_loss`: the machine dies: nothing is sent, its packets in flight vanish.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{HostBlow, HostVerb, Key, OnHost, Verb, time, words};
use crate::plane::HostAct;

/// The machine dies: nothing is sent, its packets in flight vanish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerLoss {
    /// When it starts again; never without.
    #[serde(default, with = "time::option")]
    pub restart_after: Option<Duration>,
}

impl Verb for PowerLoss {
    type Place = OnHost;
    const WORD: &'static str = "power_loss";
    const DOES: &'static str = "the machine dies: nothing is sent, its packets in flight vanish";
    const KEYS: &'static [Key] = &[Key::RESTART_AFTER];

    fn arguments(&self) -> Vec<String> {
        words::after("restarts", self.restart_after).into_iter().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.restart_after
    }
}

impl HostVerb for PowerLoss {
    fn blow(&self) -> HostBlow {
        HostBlow::Act(HostAct::PowerLoss)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'power_loss'", "power_loss");
    }
}
