//! `restart`: the process is told to stop, then started again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, HostBlow, HostVerb, Key, OnHost, Verb, time, words};
use crate::plane::HostAct;

/// The host's process is told to stop (its shutdown token), then started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Between the end of one and the start of the next.
    #[serde(with = "time")]
    pub pause: Duration,
}

impl Verb for Restart {
    type Place = OnHost;
    const WORD: &'static str = "restart";
    const DOES: &'static str = "the process is told to stop, then started again";
    const KEYS: &'static [Key] =
        &[Key::required("pause", Holds::Time, "the time between the end of one life and the start of the next")];

    fn arguments(&self) -> Vec<String> {
        words::after("starts", Some(self.pause)).into_iter().collect()
    }
}

impl HostVerb for Restart {
    fn blow(&self) -> HostBlow {
        HostBlow::Act(HostAct::Restart { pause: self.pause })
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'restart'\npause = '1s'", "restart(starts after 1s)");
    }
}
