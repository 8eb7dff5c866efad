//! `drip`: data arrives a few bytes at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, OnPath, PathVerb, Verb, time, words};
use crate::name::Direction;
use crate::plane::Shaping;

/// Data arrives a few bytes at a time, each a while after those before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drip {
    /// How many at a time, at least 1.
    #[serde(default = "one")]
    pub bytes: u32,
    /// How long after those before; whole milliseconds.
    #[serde(with = "time")]
    pub every: Duration,
    /// Which way; both without.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Drip {
    type Place = OnPath;
    const WORD: &'static str = "drip";
    const DOES: &'static str = "data arrives a few bytes at a time";
    const KEYS: &'static [Key] = &[
        Key::or("bytes", Holds::COUNT, "1", "how many bytes arrive at a time"),
        Key::required("every", Holds::Time, "the time between them"),
        Key::DIRECTION,
        Key::LASTING,
    ];

    fn arguments(&self) -> Vec<String> {
        let drops = format!("{} every {}", words::count(self.bytes, "byte"), words::written(self.every));
        let way = self.direction.map(|direction| direction.to_string());
        [Some(drops), way, words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

fn one() -> u32 {
    1
}

impl PathVerb for Drip {
    fn shaping(&self) -> Shaping {
        Shaping::Pieces { bytes: self.bytes, every: self.every }
    }

    fn direction(&self) -> Option<Direction> {
        self.direction
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'drip'\nevery = '50ms'", "drip(1 byte every 50ms)");
    }
}
