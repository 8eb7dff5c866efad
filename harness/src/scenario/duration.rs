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

/// Whether a duration can be written in a file.
pub(crate) fn is_whole(duration: Duration) -> bool {
    duration.subsec_nanos().is_multiple_of(1_000_000)
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
        if !is_whole(duration) {
            return Err(E::custom(format!("`{text}` is finer than a millisecond, and virtual time is not")));
        }
        Ok(Millis(duration))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Millis, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Millis, E> {
        self.visit_str(&number.to_string())
    }
}
