//! Durations as files write them.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A virtual duration: a string with its unit, in whole milliseconds, because the simulation's timers are tokio's and
/// know nothing finer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) Duration);

/// A duration as a file holds it.
pub(crate) fn written(duration: Duration) -> toml::Value {
    toml::Value::String(humantime::format_duration(duration).to_string())
}

/// A century of 365 days a year: sums of a few such times still fit everywhere, and no run lasts so long.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Why a duration cannot be a virtual time, as the end of a sentence.
pub(crate) fn flaw(duration: Duration) -> Option<&'static str> {
    if duration > LONGEST {
        Some("is more than a century, and no run lasts so long")
    } else if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        Some("is finer than a millisecond, and virtual time is not")
    } else {
        None
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Millis;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in a string, as in \"20ms\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Millis, E> {
        if text.trim().parse::<f64>().is_ok() {
            return Err(E::custom(format!("`{text}` has no unit; durations are written as 20ms, 5s or 30min")));
        }
        let Ok(duration) = humantime::parse_duration(text) else {
            return Err(E::custom(format!("`{text}` is no duration; durations are written as 20ms, 5s or 30min")));
        };
        match flaw(duration) {
            Some(flaw) => Err(E::custom(format!("`{text}` {flaw}"))),
            None => Ok(Millis(duration)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Millis, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Millis, E> {
        self.visit_str(&number.to_string())
    }
}
