//! `throttle`: a direction carries no more than so much.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::fault::{Holds, Key, OnPath, PathVerb, Verb, time, words};
use crate::name::Direction;
use crate::plane::Shaping;

/// A direction carries no more than so much: a packet arrives when its last byte has been carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// At least 1.
    #[serde(serialize_with = "clamped")]
    pub bytes_per_second: u64,
    /// Which way; both without.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Throttle {
    type Place = OnPath;
    const WORD: &'static str = "throttle";
    const DOES: &'static str = "a direction carries no more than so much";
    const KEYS: &'static [Key] =
        &[Key::required("bytes_per_second", Holds::LARGE_COUNT, "how much is carried"), Key::DIRECTION, Key::LASTING];

    fn arguments(&self) -> Vec<String> {
        let way = self.direction.map(|direction| direction.to_string());
        let rate = format!("{} bytes/s", self.bytes_per_second);
        [Some(rate), way, words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

/// TOML's numbers end at 2^63 - 1, and nothing is as fast.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn clamped<S: Serializer>(rate: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(i64::try_from(*rate).unwrap_or(i64::MAX))
}

impl PathVerb for Throttle {
    fn shaping(&self) -> Shaping {
        Shaping::Throttle { bytes_per_second: self.bytes_per_second }
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
        told("do = 'throttle'\nbytes_per_second = 900", "throttle(900 bytes/s)");
    }
}
