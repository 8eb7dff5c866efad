//! Actors that every catalogue has: who talks to the service under test, and tells what was said and heard.
//!
//! A file names them under `run` and describes them under `config`; a [test that is built in Rust](crate::test) is given
//! what [`ws_client`], [`sse_reader`] and [`http_client`] make:
//!
//! ```toml
//! [actor.alice]
//! run = "ws_client"
//!
//! [actor.alice.config]
//! url = "ws://chat:8080/"
//! says = 5
//! ```
//!
//! What an actor of the name `alice` says first has the key `alice-1`, then `alice-2` and so on. An actor that hears tells
//! `received` of each key that somebody has offered and that stands as a word of its own in what it is told. Who only hears
//! stays until everybody else has said everything and all has settled.
//!
//! - this file: which actors there are, and what each tells;
//! - `ws_client`, `sse_reader`, `http_client`: what each is told to do; `keys`: how keys stand in texts;
//! - `play`: how each does it (with the feature `actors`).

mod http_client;
mod keys;
#[cfg(all(feature = "sim", feature = "actors"))]
#[expect(clippy::disallowed_methods, reason = "it waits, as clients do")]
mod play;
mod sse_reader;
mod ws_client;

use std::time::Duration;

pub use http_client::{HttpClient, http_client};
pub use sse_reader::{SseReader, sse_reader};
pub use ws_client::{WsClient, ws_client};

#[cfg(feature = "sim")]
use crate::catalogue::Body;
use crate::fact::FactKind;
use crate::scenario::{LocatedValue, ScenarioError, read_value};

/// Which actor of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Canned {
    /// [`WsClient`].
    WsClient,
    /// [`SseReader`].
    SseReader,
    /// [`HttpClient`].
    HttpClient,
}

impl Canned {
    /// All of them, by name.
    pub(crate) const ALL: [Self; 3] = [Self::HttpClient, Self::SseReader, Self::WsClient];

    /// The one of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|canned| canned.name() == name)
    }

    /// What stands under `run`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WsClient => "ws_client",
            Self::SseReader => "sse_reader",
            Self::HttpClient => "http_client",
        }
    }

    /// The kinds of facts that it tells in every run in which nothing goes wrong, with this configuration.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(crate) fn tells(self, config: &LocatedValue) -> Result<Vec<FactKind>, ScenarioError> {
        let wrong = |sentence: String| config.place.error(sentence);
        match self {
            Self::WsClient => read_value::<WsClient>(config)?.tells().map_err(wrong),
            Self::SseReader => read_value::<SseReader>(config)?.tells().map_err(wrong),
            Self::HttpClient => read_value::<HttpClient>(config)?.tells().map_err(wrong),
        }
    }

    /// The kinds of facts that it tells when something goes wrong.
    pub(crate) fn may_tell(self) -> &'static [FactKind] {
        match self {
            Self::WsClient => &[FactKind::Detected, FactKind::Recovered],
            Self::SseReader => &[
                FactKind::Received,
                FactKind::Detected,
                FactKind::Recovered,
                FactKind::StreamOpened,
                FactKind::StreamEvent,
                FactKind::StreamTerminator,
                FactKind::StreamError,
                FactKind::StreamEnded,
            ],
            Self::HttpClient => &[FactKind::Accepted, FactKind::Refused, FactKind::ClaimedFailed],
        }
    }

    /// How it acts.
    #[cfg(all(feature = "sim", feature = "actors"))]
    pub(crate) fn body(self) -> Body {
        play::body(self)
    }

    /// Without the feature none of them acts.
    #[cfg(all(feature = "sim", not(feature = "actors")))]
    pub(crate) fn body(self) -> Body {
        let name = self.name();
        std::sync::Arc::new(move |_| {
            let error = format!("`{name}` needs halfopen's feature `actors`, and this build is without it");
            Box::pin(std::future::ready(Err(error.into())))
        })
    }
}

/// An actor of this crate, ready to be put into a scenario.
pub trait Actor {
    /// What stands under `run`.
    fn run(&self) -> &'static str;
    /// What stands under `config`.
    ///
    /// # Errors
    /// If something of it cannot be written as TOML.
    fn config(&self) -> Result<toml::Table, toml::ser::Error>;
}

/// Between two things that an actor says when nothing else is asked for: long beside any latency, so that each is an event
/// of its own.
const EVERY: Duration = Duration::from_secs(1);

fn every() -> Duration {
    EVERY
}

fn yes() -> bool {
    true
}

/// Checks that an address has its scheme and a host.
fn address<'a>(url: &'a str, schemes: &[&str]) -> Result<&'a str, String> {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)?.strip_prefix("://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':']) => Ok(rest),
        Some(_) | None => {
            let scheme = schemes.first().copied().unwrap_or_default();
            Err(format!(
                "`{url}` is no address for this actor: write `{scheme}://HOST:PORT/PATH`, with the host's name in the scenario"
            ))
        }
    }
}

/// Checks that these times, by their keys, are not zero: an actor without pauses would let no time go on.
fn are_not_zero(times: &[(&str, Duration)]) -> Result<(), String> {
    match times.iter().find(|(_, time)| time.is_zero()) {
        Some((name, _)) => Err(format!("`{name}` is 0s: it is at least 1ms")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_zero_is_named() {
        let zero = |key: &str| Err(format!("`{key}` is 0s: it is at least 1ms"));
        let none = Duration::ZERO;
        assert_eq!(ws_client("ws://chat:8080/").every(none).tells(), zero("every"));
        assert_eq!(ws_client("ws://chat:8080/").ping_every(none).tells(), zero("ping_every"));
        assert_eq!(ws_client("ws://chat:8080/").silence(none).tells(), zero("silence"));
        assert_eq!(http_client("http://chat:8080/{key}").every(none).tells(), zero("every"));
        assert_eq!(http_client("http://chat:8080/{key}").patience(none).tells(), zero("patience"));
        assert_eq!(http_client("http://chat:8080/{key}").tells(), Ok(vec![FactKind::Offered]));
    }
}
