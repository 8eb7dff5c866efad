//! Times in the fields of verbs, for serde's `with`: a string with its unit, in whole milliseconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scenario::Millis;

/// Writes a time as files do: `1m 30s`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    humantime::format_duration(*time).to_string().serialize(serializer)
}

/// Reads a time as files write it.
///
/// # Errors
/// If it has no unit, is finer than a millisecond or longer than a century.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Millis::deserialize(deserializer).map(|time| time.0)
}

/// The same for a time that may be absent; beside it stands `default`.
pub mod option {
    use super::{Deserializer, Duration, Serializer};

    /// Writes a time, or nothing.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time.
    ///
    /// # Errors
    /// As [`deserialize`](super::deserialize).
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
