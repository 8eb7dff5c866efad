//! `freeze`: holds the host's packets, both ways.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, HostBlow, HostVerb, Key, OnHost, Verb, time, words};

/// Holds the host's packets, both ways, until `thaw_after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub thaw_after: Option<Duration>,
}

impl Verb for Freeze {
    type Place = OnHost;
    const WORD: &'static str = "freeze";
    const DOES: &'static str = "holds the host's packets, both ways";
    const KEYS: &'static [Key] =
        &[Key::optional("thaw_after", Holds::Time, "it never thaws", "how long after it struck it ends")];

    fn arguments(&self) -> Vec<String> {
        words::after("thaws", self.thaw_after).into_iter().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.thaw_after
    }
}

impl HostVerb for Freeze {
    fn blow(&self) -> HostBlow {
        HostBlow::Hold
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'freeze'\nthaw_after = '5s'", "freeze(thaws after 5s)");
    }

    #[test]
    fn everything_from_and_to_the_host_is_held() {
        let effects = effects("do = 'freeze'");
        assert_eq!(effects, ["host chat: freeze", "hold chat"]);
    }
}
