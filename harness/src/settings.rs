//! Run settings, read from the `HALFOPEN_TEST_*` variables of the environment.

use std::num::NonZeroUsize;

use crate::seed::{Seed, SeedError};

/// How many seeds a test plays of a scenario by default: few, because it plays them on every build.
pub(crate) const TEST_SEEDS: u32 = 64;

/// How many seeds the command plays of a scenario by default: more, because its user waits for what it finds.
#[cfg(feature = "cli")]
pub(crate) const COMMAND_SEEDS: u32 = 128;

/// Settings of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `HALFOPEN_TEST_SEED`: one seed, decimal, `0x` hex or a 40-digit commit hash.
    pub seed: Option<Seed>,
    /// `HALFOPEN_TEST_NUM`: how many seeds.
    pub seeds: Option<u32>,
    /// `HALFOPEN_TEST_JOBS`: how many runs at a time.
    pub jobs: Option<NonZeroUsize>,
    /// `HALFOPEN_TEST_WATCHDOG`: how many seconds of wall time a run may take.
    pub watchdog: Option<NonZeroUsize>,
    /// `HALFOPEN_TEST_STALE`: whether a regression that no longer applies is an error (`deny`) or only told (`tell`, the
    /// default).
    pub denies_stale: bool,
}

/// A variable has a value that cannot be used. It is an error, because a run under another seed than the one asked for
/// proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not a seed.
    #[error("failed to read HALFOPEN_TEST_SEED")]
    Seed(#[source] SeedError),
    /// Not a number from 1.
    #[error("failed to read {variable}={value}: it must be a whole number from 1")]
    Number {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
    },
    /// Neither of two words.
    #[error("failed to read HALFOPEN_TEST_STALE={value}: it is `tell` or `deny`")]
    Stale {
        /// What it says.
        value: String,
    },
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// If a variable is set to a value that cannot be used.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let seed = variable("HALFOPEN_TEST_SEED").map(|text| text.parse().map_err(SettingsError::Seed)).transpose()?;
        Ok(Self {
            seed,
            seeds: number("HALFOPEN_TEST_NUM", &variable)?.map(|n: NonZeroUsize| n.get() as u32),
            jobs: number("HALFOPEN_TEST_JOBS", &variable)?,
            watchdog: number("HALFOPEN_TEST_WATCHDOG", &variable)?,
            denies_stale: match variable("HALFOPEN_TEST_STALE").as_deref() {
                None | Some("tell") => false,
                Some("deny") => true,
                Some(value) => return Err(SettingsError::Stale { value: value.to_owned() }),
            },
        })
    }

    /// Sets the watchdog of this process, if the settings have one.
    pub(crate) fn apply(&self) {
        if let Some(seconds) = self.watchdog {
            crate::sim::set_watchdog(std::time::Duration::from_secs(seconds.get() as u64));
        }
    }

    /// The seeds to play: `seed` alone if it is set, else those from 1 to `seeds`.
    pub fn seeds(&self) -> Vec<Seed> {
        match self.seed {
            Some(seed) => vec![seed],
            None => (1..=u64::from(self.seeds.unwrap_or(TEST_SEEDS))).map(Seed).collect(),
        }
    }
}

fn number(
    name: &'static str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<NonZeroUsize>, SettingsError> {
    let Some(value) = variable(name) else { return Ok(None) };
    match value.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(SettingsError::Number { variable: name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_seed_is_an_error_and_never_another_seed() {
        let settings = Settings::from_variables(|name| (name == "HALFOPEN_TEST_SEED").then(|| "0xzz".to_owned()));
        assert!(matches!(settings, Err(SettingsError::Seed(_))));
    }

    #[test]
    fn no_seeds_at_all_is_an_error() {
        let settings = Settings::from_variables(|name| (name == "HALFOPEN_TEST_NUM").then(|| "0".to_owned()));
        let error = settings.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("failed to read HALFOPEN_TEST_NUM=0: it must be a whole number from 1"));
    }

    #[test]
    fn a_stale_regression_is_told_or_denied_and_nothing_else() {
        let stale = |value: &str| {
            Settings::from_variables(|name| (name == "HALFOPEN_TEST_STALE").then(|| value.to_owned()))
                .map(|settings| settings.denies_stale)
                .map_err(|error| error.to_string())
        };
        assert_eq!((stale("deny"), stale("tell")), (Ok(true), Ok(false)));
        let sentence = "failed to read HALFOPEN_TEST_STALE=no: it is `tell` or `deny`";
        assert_eq!(stale("no"), Err(sentence.to_owned()));
    }

    #[test]
    fn one_seed_that_is_asked_for_is_the_only_one() {
        let settings = Settings::from_variables(|name| (name == "HALFOPEN_TEST_SEED").then(|| "0x10".to_owned()));
        assert_eq!(settings.map(|settings| settings.seeds()).unwrap_or_default(), [Seed(16)]);
    }
}
