//! `jitter`: every packet takes up to this much longer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, OnPath, PathVerb, Verb, time, words};
use crate::plane::Shaping;

/// Every packet takes up to this much longer, drawn per packet from the plan's seed; order is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jitter {
    /// The most that is added; whole milliseconds.
    #[serde(with = "time")]
    pub up_to: Duration,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Jitter {
    type Place = OnPath;
    const WORD: &'static str = "jitter";
    const DOES: &'static str = "every packet takes up to this much longer";
    const KEYS: &'static [Key] = &[
        Key::required("up_to", Holds::Time, "the most that is added to the latency, drawn for each packet"),
        Key::LASTING,
    ];

    fn arguments(&self) -> Vec<String> {
        [Some(words::written(self.up_to)), words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl PathVerb for Jitter {
    fn shaping(&self) -> Shaping {
        Shaping::Jitter(self.up_to)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'jitter'\nup_to = '40ms'\nlasting = '5s'", "jitter(40ms, for 5s)");
    }
}
