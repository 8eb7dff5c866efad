//! The numbers of a prober.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest interval or timeout. Longer ones are slips of the pen, and would overflow a clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often, how long and how many times an endpoint is asked. Durations are written `"500ms"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Attempts before the endpoint counts as not ready. Default 15 (docs/failures.md, noisy health check).
    pub attempts: u32,
    /// From the end of a failed attempt to the next one. Default 500 ms (docs/failures.md, noisy health check).
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long one attempt may take, from connecting to the end of the answer. Without it 15 attempts have no
    /// bound. Default 2 s: the worst case of all defaults together is then 37.5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { attempts: 15, interval: Duration::from_millis(500), timeout: Duration::from_secs(2) }
    }
}

impl ProbeConfig {
    /// The longest that probing can take: attempts x (timeout + interval).
    pub fn worst_case(&self) -> Duration {
        self.timeout.saturating_add(self.interval).saturating_mul(self.attempts)
    }

    /// Rejects what could not work.
    ///
    /// # Errors
    /// The first number found wrong.
    pub fn validate(&self) -> Result<(), BadProbe> {
        if self.attempts == 0 {
            return Err(BadProbe::Zero("attempts"));
        }
        for (name, value) in [("interval", self.interval), ("timeout", self.timeout)] {
            if value.is_zero() {
                return Err(BadProbe::Zero(name));
            }
            if value > LONGEST {
                return Err(BadProbe::TooLong(name));
            }
        }
        Ok(())
    }
}

/// Why the numbers of a prober are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadProbe {
    /// No attempt, a hot loop, or an attempt without time.
    #[error("{0} must be greater than zero")]
    Zero(&'static str),
    /// More than a day.
    #[error("{0} must be at most 1 day")]
    TooLong(&'static str),
}

impl BadProbe {
    /// The name of the number.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Zero(name) | Self::TooLong(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_read_and_checked() {
        let config: ProbeConfig = toml::from_str("attempts = 3\ninterval = \"1s\"\ntimeout = \"4s\"").expect("good");
        assert_eq!((config.validate(), config.worst_case()), (Ok(()), Duration::from_secs(15)));
        assert_eq!(toml::from_str::<ProbeConfig>("").expect("all have defaults"), ProbeConfig::default());
        toml::from_str::<ProbeConfig>("retries = 3").expect_err("an unknown name");
    }

    #[test]
    fn numbers_that_cannot_work_are_refused_by_name() {
        let refused = |change: fn(&mut ProbeConfig)| {
            let mut config = ProbeConfig::default();
            change(&mut config);
            config.validate().expect_err("refused").to_string()
        };
        assert_eq!(refused(|config| config.attempts = 0), "attempts must be greater than zero");
        assert_eq!(refused(|config| config.interval = Duration::ZERO), "interval must be greater than zero");
        assert_eq!(refused(|config| config.timeout = Duration::MAX), "timeout must be at most 1 day");
    }

    #[test]
    fn the_worst_case_of_absurd_numbers_does_not_overflow() {
        let config = ProbeConfig { attempts: u32::MAX, interval: Duration::MAX, timeout: Duration::MAX };
        assert_eq!(config.worst_case(), Duration::MAX);
    }
}
