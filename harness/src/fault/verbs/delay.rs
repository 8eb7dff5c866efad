//! `delay`: every packet takes longer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, OnPath, PathVerb, Verb, time, words};
use crate::plane::Shaping;

/// Every packet takes longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// Added to the link's latency; whole milliseconds.
    #[serde(with = "time")]
    pub by: Duration,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Delay {
    type Place = OnPath;
    const WORD: &'static str = "delay";
    const DOES: &'static str = "every packet takes longer";
    const KEYS: &'static [Key] = &[Key::required("by", Holds::Time, "what is added to the latency"), Key::LASTING];

    fn arguments(&self) -> Vec<String> {
        [Some(words::written(self.by)), words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl PathVerb for Delay {
    fn shaping(&self) -> Shaping {
        Shaping::Delay(self.by)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'delay'\nby = '40ms'", "delay(40ms)");
    }

    #[test]
    fn both_ways_are_shaped() {
        let effects = effects("do = 'delay'\nby = '40ms'");
        assert_eq!(
            effects,
            ["alice->chat#1: delay(40ms)", "shape to_server Delay(40ms)", "shape to_client Delay(40ms)"]
        );
    }
}
