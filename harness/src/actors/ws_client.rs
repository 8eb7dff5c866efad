//! A WebSocket client: what it is told to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Actor, Canned, EVERY, address, are_not_zero, every, keys, yes};
use crate::fact::FactKind;
use crate::fault::time;

/// A WebSocket client that says texts with a key in each, hears, and comes back when its connection is lost.
///
/// It pings, and takes a connection that is silent for too long as lost, so that it outlives half-open connections. It
/// tells `offered` of each text, `received` of each key that it hears (if it hears), `detected` and `recovered` of its
/// connections.
///
/// ```
/// use halfopen::actors::ws_client;
///
/// let alice = ws_client("ws://chat:8080/").says(5).text(r#"{"say":"{key}"}"#);
/// let bob = ws_client("ws://chat:8080/").hears();
/// # let _ = (alice, bob);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WsClient {
    pub(super) url: String,
    #[serde(default)]
    pub(super) says: u32,
    #[serde(default = "every", with = "time")]
    pub(super) every: Duration,
    #[serde(default = "keys::alone")]
    pub(super) text: String,
    #[serde(default)]
    pub(super) hears: bool,
    /// Whether it hears what it has said itself.
    #[serde(default)]
    pub(super) echoes: bool,
    #[serde(default = "yes")]
    pub(super) reconnects: bool,
    #[serde(default = "ping_every", with = "time")]
    pub(super) ping_every: Duration,
    #[serde(default = "silence", with = "time")]
    pub(super) silence: Duration,
}

/// Often enough that no usual middlebox forgets the connection.
fn ping_every() -> Duration {
    Duration::from_secs(10)
}

/// Three pings without an answer.
fn silence() -> Duration {
    3 * ping_every()
}

/// A client of the service at an address (`ws://HOST:PORT/PATH`, with the host's name in the scenario). Tell it what it
/// [says](WsClient::says), or that it [hears](WsClient::hears).
pub fn ws_client(url: &str) -> WsClient {
    WsClient {
        url: url.to_owned(),
        says: 0,
        every: EVERY,
        text: keys::alone(),
        hears: false,
        echoes: false,
        reconnects: true,
        ping_every: ping_every(),
        silence: silence(),
    }
}

impl WsClient {
    /// It says this many texts, one a second.
    #[must_use]
    pub fn says(mut self, texts: u32) -> Self {
        self.says = texts;
        self
    }

    /// The time between two texts.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// What it says, with `{key}` where the key stands; the key alone otherwise.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// It tells what it hears of others, and stays until everybody has said everything.
    #[must_use]
    pub fn hears(mut self) -> Self {
        self.hears = true;
        self
    }

    /// It hears, and tells what it has said itself as well, as where a service sends each text back.
    #[must_use]
    pub fn echoes(mut self) -> Self {
        self.hears = true;
        self.echoes = true;
        self
    }

    /// It does not come back when its connection is lost: what it has not said by then it never says.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.reconnects = false;
        self
    }

    /// The time between two pings.
    #[must_use]
    pub fn ping_every(mut self, pause: Duration) -> Self {
        self.ping_every = pause;
        self
    }

    /// The silence after which it takes its connection as lost.
    #[must_use]
    pub fn silence(mut self, longest: Duration) -> Self {
        self.silence = longest;
        self
    }

    pub(super) fn tells(&self) -> Result<Vec<FactKind>, String> {
        address(&self.url, &["ws"])?;
        keys::has_place(&self.text, "text")?;
        if self.echoes && !self.hears {
            return Err("`echoes` is of use with `hears = true` only".to_owned());
        }
        are_not_zero(&[("every", self.every), ("ping_every", self.ping_every), ("silence", self.silence)])?;
        let tells = [(self.says > 0, FactKind::Offered), (self.hears, FactKind::Received)];
        Ok(tells.into_iter().filter_map(|(does, kind)| does.then_some(kind)).collect())
    }
}

impl Actor for WsClient {
    fn run(&self) -> &'static str {
        Canned::WsClient.name()
    }

    fn config(&self) -> Result<toml::Table, toml::ser::Error> {
        toml::Table::try_from(self)
    }
}
