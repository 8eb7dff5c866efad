//! `crash`: the process dies, and its kernel closes its sockets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{HostBlow, HostVerb, Key, OnHost, Verb, time, words};
use crate::plane::HostAct;

/// The process dies: its kernel closes its sockets as it does for a dying process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// When it starts again; never without.
    #[serde(default, with = "time::option")]
    pub restart_after: Option<Duration>,
}

impl Verb for Crash {
    type Place = OnHost;
    const WORD: &'static str = "crash";
    const DOES: &'static str = "the process dies, and its kernel closes its sockets";
    const KEYS: &'static [Key] = &[Key::RESTART_AFTER];

    fn arguments(&self) -> Vec<String> {
        words::after("restarts", self.restart_after).into_iter().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.restart_after
    }
}

impl HostVerb for Crash {
    fn blow(&self) -> HostBlow {
        HostBlow::Act(HostAct::Crash)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'crash'\nrestart_after = '3s'", "crash(restarts after 3s)");
    }

    #[test]
    fn the_process_dies_and_stays_dead() {
        let effects = effects("do = 'crash'");
        assert_eq!(effects, ["host chat: crash", "crash chat"]);
    }
}
