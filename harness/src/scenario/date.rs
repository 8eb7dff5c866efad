//! Dates, as a file holds them.

use std::time::{Duration, SystemTime};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A date and a time of day in UTC, as seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date(pub(super) Duration);

/// A date as a file holds it.
pub(super) fn written(date: Duration) -> toml::Value {
    toml::Value::String(humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + date).to_string())
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text,
            toml::Value::Datetime(date) => date.to_string(),
            other => return Err(D::Error::custom(flaw(&other.to_string()))),
        };
        let date = humantime::parse_rfc3339(&text).ok();
        let since = date.and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.filter(|since| since.subsec_nanos() == 0).map(Self).ok_or_else(|| D::Error::custom(flaw(&text)))
    }
}

fn flaw(text: &str) -> String {
    format!("`{text}` is no date in whole seconds of UTC since 1970; dates are written as \"2027-01-01T00:00:00Z\"")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::scenario::Scenario;

    fn read(line: &str) -> Result<Scenario, String> {
        let text = format!("proves = \"x\"\n{line}\n[actor.alice]\nrun = \"talker\"\n");
        Scenario::from_toml(&text, Path::new("date.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_date_is_read_in_quotes_and_without_and_written_as_it_was() {
        for line in ["starts_at = \"2026-11-29T12:34:56Z\"", "starts_at = 2026-11-29T12:34:56Z"] {
            let scenario = read(line).expect("a date");
            assert_eq!(scenario.starts_at.as_secs(), 1_795_955_696);
            assert!(scenario.to_toml().contains("starts_at = \"2026-11-29T12:34:56Z\""), "{}", scenario.to_toml());
        }
        assert_eq!(read("").expect("no date").starts_at, Scenario::STARTS_AT);
    }

    #[test]
    fn what_is_no_date_is_told_with_what_one_is() {
        for wrong in ["\"tomorrow\"", "5", "\"2026-11-29\"", "\"2026-11-29T12:34:56.5Z\"", "2026-11-29", "true"] {
            let error = read(&format!("starts_at = {wrong}")).expect_err(wrong);
            assert!(error.contains("date.toml:2") && error.contains("2027-01-01T00:00:00Z"), "{error}");
        }
    }
}
