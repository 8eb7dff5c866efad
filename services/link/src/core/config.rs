//! The timings and limits of a link. All are configuration; the defaults are those of the deployed system.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Timings and limits of one WebSocket leg. Durations read and write as "20s".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkConfig {
    /// From one ping to the next, at a fixed rate. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// From queueing a ping until the link counts as dead if its pong has not come. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub pong_timeout: Duration,
    /// The whole of a close: last queued messages, Close frame, the peer's answer, end of stream. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub close_timeout: Duration,
    /// A write has stalled if not one byte of it has left in this time. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub write_stall: Duration,
    /// Messages that may wait for the writer, and as many for the reader's owner. Default 256.
    pub queue: usize,
    /// The largest message accepted, in bytes of payload. Default 1 MiB; at most 64 MiB.
    pub largest_message: usize,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(2),
            write_stall: Duration::from_secs(20),
            queue: 256,
            largest_message: 1 << 20,
        }
    }
}

/// A setting that no link could work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be {rule}")]
pub struct BadSetting {
    /// The setting's name as it stands in a file.
    pub setting: &'static str,
    /// What it has to be.
    pub rule: &'static str,
}

impl LinkConfig {
    /// The longest time for which a link can be silent unnoticed: a ping is due after at most `ping_interval`
    /// (20 s), its pong within `pong_timeout` (20 s): 40 s with the defaults.
    #[must_use]
    pub fn silence_bound(&self) -> Duration {
        self.ping_interval + self.pong_timeout
    }

    /// Rejects what could not work.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), BadSetting> {
        let durations = [
            ("ping_interval", self.ping_interval),
            ("pong_timeout", self.pong_timeout),
            ("close_timeout", self.close_timeout),
            ("write_stall", self.write_stall),
        ];
        for (setting, value) in durations {
            check_duration(setting, value)?;
        }
        if self.queue == 0 {
            return Err(BadSetting { setting: "queue", rule: "at least 1" });
        }
        if !(1024..=64 << 20).contains(&self.largest_message) {
            return Err(BadSetting { setting: "largest_message", rule: "between 1024 bytes and 64 MiB" });
        }
        Ok(())
    }
}

/// A timer's length: at least a millisecond, which is as fine as tokio's timers are, and at most a day.
///
/// # Errors
/// If it is out of that range.
pub fn check_duration(setting: &'static str, value: Duration) -> Result<(), BadSetting> {
    let range = Duration::from_millis(1)..=Duration::from_secs(24 * 3600);
    if range.contains(&value) { Ok(()) } else { Err(BadSetting { setting, rule: "between 1ms and 1day" }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_link_is_noticed_within_forty_seconds_by_default() {
        assert_eq!(LinkConfig::default().silence_bound(), Duration::from_secs(40));
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(LinkConfig::default().validate(), Ok(()));
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let config = LinkConfig { pong_timeout: Duration::ZERO, ..LinkConfig::default() };
        assert_eq!(config.validate().unwrap_err().to_string(), "pong_timeout must be between 1ms and 1day");
        let config = LinkConfig { queue: 0, ..LinkConfig::default() };
        assert_eq!(config.validate().unwrap_err().to_string(), "queue must be at least 1");
    }
}
