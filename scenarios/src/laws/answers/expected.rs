//! What a scenario promises of single questions.

use std::fmt;
use std::time::Duration;

use halfopen::trace::Seconds;
use serde::Deserialize;

use super::Answer;
use super::envelope::{Envelope, error_of};

/// The outcomes that are in order. An outcome is `whole`, `left`, `failed`, an error's code (`error upstream_error`), or a status
/// with its code and whether an SDK may ask again (`404 model_not_found again`, `504 upstream_timeout final`). The beginning of
/// one stands for all that begin so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Expected {
    /// The one outcome.
    One(String),
    /// Any of these.
    AnyOf(Vec<String>),
}

impl Expected {
    pub(super) fn allows(&self, outcome: &str) -> bool {
        match self {
            Self::One(one) => outcome.starts_with(one.as_str()),
            Self::AnyOf(several) => several.iter().any(|one| outcome.starts_with(one.as_str())),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => f.write_str(one),
            Self::AnyOf(several) => f.write_str(&several.join("` or `")),
        }
    }
}

/// How long an answer takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Takes {
    #[serde(with = "humantime_serde")]
    at_least: Duration,
    #[serde(with = "humantime_serde")]
    at_most: Duration,
}

impl Takes {
    pub(super) fn allows(&self, took: Duration) -> bool {
        (self.at_least..=self.at_most).contains(&took)
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", Seconds(self.at_least), Seconds(self.at_most))
    }
}

impl Answer<'_> {
    /// What became of the question, in a word or two.
    pub(super) fn outcome(&self, how: &str) -> String {
        let Some(head) = self.head.filter(|_| how == "whole") else {
            return how.split(':').next().unwrap_or(how).to_owned();
        };
        if head.streams() {
            return match self.datas().find_map(|data| error_of(&data)) {
                Some(Envelope { code, .. }) => format!("error {code}"),
                None if self.is_whole() => "whole".to_owned(),
                None => "cut".to_owned(),
            };
        }
        match error_of(&self.text) {
            Some(Envelope { code, .. }) => {
                let again = if head.field("should_retry") == "false" { "final" } else { "again" };
                match head.field("retry_after") {
                    "" => format!("{} {code} {again}", head.status()),
                    seconds => format!("{} {code} {again} after {seconds}s", head.status()),
                }
            }
            None if self.is_other => head.status().to_owned(),
            None => "whole".to_owned(),
        }
    }

    /// Whether every choice that was asked for has its end.
    fn is_whole(&self) -> bool {
        let mut finished = std::collections::BTreeSet::new();
        let (mut has_usage, mut done) = (false, false);
        for data in self.datas() {
            done |= data == "[DONE]";
            let json: serde_json::Value = serde_json::from_str(&data).unwrap_or_default();
            has_usage |= json["usage"].is_object();
            for choice in json["choices"].as_array().into_iter().flatten() {
                if choice["finish_reason"].is_string() {
                    finished.insert(choice["index"].as_u64());
                }
            }
        }
        done && finished.len() >= self.choices && (has_usage || !self.usage)
    }
}
