//! An HTTP client: what it is told to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Actor, Canned, EVERY, address, are_not_zero, every, keys};
use crate::fact::FactKind;
use crate::fault::time;

/// An HTTP client that sends requests with a key in each, each on a connection of its own.
///
/// It tells `offered` of each request; `accepted` when it is answered with 2xx, `refused` when with anything else, and
/// `claimed_failed` when no answer came. If it hears, it tells `received` of each key that somebody has offered and that
/// stands in an answer.
///
/// ```
/// use halfopen::actors::http_client;
///
/// let poster = http_client("http://chat:8080/say/{key}").requests(5).post("{key}");
/// # let _ = poster;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpClient {
    pub(super) url: String,
    #[serde(default = "one")]
    pub(super) requests: u32,
    #[serde(default = "every", with = "time")]
    pub(super) every: Duration,
    /// The body of a POST; a GET without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) post: Option<String>,
    #[serde(default)]
    pub(super) hears: bool,
    #[serde(default = "patience", with = "time")]
    pub(super) patience: Duration,
}

fn one() -> u32 {
    1
}

/// As long as the usual clients wait for an answer.
fn patience() -> Duration {
    Duration::from_secs(30)
}

/// A client of the service at an address (`http://HOST:PORT/PATH`, with the host's name in the scenario). `{key}` in the
/// address or in the body becomes the request's key.
pub fn http_client(url: &str) -> HttpClient {
    HttpClient { url: url.to_owned(), requests: 1, every: EVERY, post: None, hears: false, patience: patience() }
}

impl HttpClient {
    /// It sends this many requests, one a second.
    #[must_use]
    pub fn requests(mut self, requests: u32) -> Self {
        self.requests = requests;
        self
    }

    /// The time between two requests.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// It sends POSTs with this body.
    #[must_use]
    pub fn post(mut self, body: &str) -> Self {
        self.post = Some(body.to_owned());
        self
    }

    /// It tells which keys stand in the answers.
    #[must_use]
    pub fn hears(mut self) -> Self {
        self.hears = true;
        self
    }

    /// How long it waits for an answer.
    #[must_use]
    pub fn patience(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// Whether its requests carry keys.
    pub(super) fn offers(&self) -> bool {
        [Some(&self.url), self.post.as_ref()].into_iter().flatten().any(|text| keys::has_place(text, "").is_ok())
    }

    pub(super) fn tells(&self) -> Result<Vec<FactKind>, String> {
        address(&self.url, &["http"])?;
        are_not_zero(&[("every", self.every), ("patience", self.patience)])?;
        if self.requests == 0 {
            return Err("`requests` is 0: it sends at least one".to_owned());
        }
        let tells = [(self.offers(), FactKind::Offered), (self.hears, FactKind::Received)];
        Ok(tells.into_iter().filter_map(|(does, kind)| does.then_some(kind)).collect())
    }
}

impl Actor for HttpClient {
    fn run(&self) -> &'static str {
        Canned::HttpClient.name()
    }

    fn config(&self) -> Result<toml::Table, toml::ser::Error> {
        toml::Table::try_from(self)
    }
}
