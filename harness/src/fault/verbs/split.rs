//! `split`: what was written at once arrives in pieces.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, OnPath, PathVerb, Verb, time, words};
use crate::name::Direction;
use crate::plane::Shaping;

/// What was written at once arrives in pieces, so that it takes as many reads: one millisecond apart, the least that
/// virtual time can tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The largest piece, at least 1 byte.
    pub bytes: u32,
    /// Which way; both without.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Split {
    type Place = OnPath;
    const WORD: &'static str = "split";
    const DOES: &'static str = "what was written at once arrives in pieces";
    const KEYS: &'static [Key] =
        &[Key::required("bytes", Holds::COUNT, "the largest piece"), Key::DIRECTION, Key::LASTING];

    fn arguments(&self) -> Vec<String> {
        let pieces = format!("pieces of {}", words::count(self.bytes, "byte"));
        let way = self.direction.map(|direction| direction.to_string());
        [Some(pieces), way, words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl PathVerb for Split {
    fn shaping(&self) -> Shaping {
        Shaping::Pieces { bytes: self.bytes, every: Duration::from_millis(1) }
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
        told("do = 'split'\nbytes = 3", "split(pieces of 3 bytes)");
    }
}
