//! `partition`: holds every packet between two hosts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, OnPair, PairVerb, Verb, time, words};

/// Holds every packet between two hosts until `heal_after`. Outliving the retry budget ends connections with `TimedOut`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Only packets from the first host to the second are held. Those include the acknowledgements of what travels the
    /// other way.
    #[serde(default)]
    pub one_way: bool,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub heal_after: Option<Duration>,
}

impl Verb for Partition {
    type Place = OnPair;
    const WORD: &'static str = "partition";
    const DOES: &'static str = "holds every packet between two hosts";
    const KEYS: &'static [Key] = &[
        Key::or("one_way", Holds::Flag, "false", "only packets from the first host to the second are held"),
        Key::HEAL_AFTER,
    ];

    fn arguments(&self) -> Vec<String> {
        let one_way = self.one_way.then(|| "one way".to_owned());
        [one_way, words::after("heals", self.heal_after)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.heal_after
    }
}

impl PairVerb for Partition {
    fn is_one_way(&self) -> bool {
        self.one_way
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'partition'\none_way = true", "partition(one way)");
    }

    #[test]
    fn one_way_holds_what_the_first_host_sends() {
        let effects = effects("do = 'partition'\none_way = true");
        assert_eq!(effects, ["from alice to chat: partition(one way)", "hold from alice to chat"]);
    }
}
