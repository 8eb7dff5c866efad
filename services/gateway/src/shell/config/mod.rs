//! Configuration: what a TOML file may say and the defaults; [`Config::validate`] checks it before anything is bound.
//!
//! Every field has a default; an empty file is a gateway that echoes on `127.0.0.1:8080`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use halfopen_door::{KeySource, Site};
use halfopen_health::ProbeConfig;
use halfopen_tls::Identity;
use serde::{Deserialize, Serialize};

mod check;

pub use check::ConfigError;
pub(crate) use check::Origin;

/// The whole configuration.
///
/// ```
/// let config = halfopen_gateway::Config::from_toml(
///     r#"
///     listen = "127.0.0.1:0"
///
///     [timings]
///     upstream_silence = "5s"
///
///     [[backends]]
///     kind = "echo"
///     name = "parrot"
///     models = ["parrot-1"]
///     chunk_delay = "20ms"
///     "#,
/// )?;
/// assert_eq!(config.backends[0].name(), "parrot");
/// # Ok::<(), halfopen_gateway::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen, `host:port`. Default `127.0.0.1:8080`; port 0 lets the system choose.
    pub listen: String,
    /// Who answers. Default: one echo backend that serves the model `echo`.
    pub backends: Vec<BackendConfig>,
    /// Time limits.
    pub timings: Timings,
    /// Size limits.
    pub limits: Limits,
    /// How `GET /ready` asks the HTTP backends.
    pub ready: ReadyConfig,
    /// The origin that browsers may call from (`Access-Control-Allow-Origin`). Default none: a page that a user happens
    /// to visit must not spend the keys of a gateway on that user's machine.
    pub cors_origin: Option<String>,
    /// Who may call.
    pub access: Access,
    /// The certificate and key under which clients are served over TLS. Without them clients speak plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Identity>,
    /// Whether responses carry a `Date`. Default true; off, responses of two runs are the same bytes.
    pub date_header: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            backends: vec![BackendConfig::Echo(EchoConfig::default())],
            timings: Timings::default(),
            limits: Limits::default(),
            ready: ReadyConfig::default(),
            cors_origin: None,
            access: Access::default(),
            tls: None,
            date_header: true,
        }
    }
}

/// Who may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Clients have to show one of these keys, as the API has it: `Authorization: Bearer`. Health endpoints need none.
    pub client_keys: KeySource,
    /// The hosts that requests may be meant for, and the pages that may send them beside `cors_origin`.
    pub site: Site,
    /// Clients need no key although others can reach the port.
    pub open: bool,
}

impl Config {
    /// Refuses to serve without keys on an address that others can reach: who may call spends the keys of the backends.
    ///
    /// # Errors
    /// [`ConfigError::Open`].
    pub fn guarded(&self) -> Result<(), ConfigError> {
        let host = self.listen.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let is_private = match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        };
        if is_private || self.access.client_keys.is_set() || self.access.open {
            return Ok(());
        }
        Err(ConfigError::Open(self.listen.clone()))
    }
}

impl Limits {
    /// Stays within the descriptors that the process has; a request takes two. What is beyond would fail at its accept.
    #[must_use]
    pub fn within(mut self, descriptors: usize) -> Self {
        let sockets = descriptors.saturating_sub(DESCRIPTORS_KEPT).max(4);
        self.requests_in_flight = self.requests_in_flight.min(sockets / 4);
        self.connections = self.connections.min(sockets - sockets / 4);
        self
    }
}

/// Descriptors for everything that is no admitted connection: files, timers, and those who are told that there is no room.
const DESCRIPTORS_KEPT: usize = 96;

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum BackendConfig {
    /// Answers with the user's own words.
    Echo(EchoConfig),
    /// Asks an OpenAI-compatible server.
    Http(HttpConfig),
}

impl BackendConfig {
    /// The backend's name, as logs and `/v1/models` show it.
    pub fn name(&self) -> &str {
        match self {
            Self::Echo(echo) => &echo.name,
            Self::Http(http) => &http.name,
        }
    }

    /// The models it serves.
    pub fn models(&self) -> &[String] {
        match self {
            Self::Echo(echo) => &echo.models,
            Self::Http(http) => &http.models,
        }
    }
}

/// The built-in backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EchoConfig {
    /// The backend's name. Default `echo`.
    pub name: String,
    /// The models it serves. Default `echo` alone.
    pub models: Vec<String>,
    /// The pause before each word. Default none.
    #[serde(with = "humantime_serde")]
    pub chunk_delay: Duration,
    /// What the answer begins with. Default nothing.
    pub prefix: String,
}

impl Default for EchoConfig {
    fn default() -> Self {
        Self {
            name: "echo".to_owned(),
            models: vec!["echo".to_owned()],
            chunk_delay: Duration::ZERO,
            prefix: String::new(),
        }
    }
}

/// An OpenAI-compatible server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The backend's name.
    pub name: String,
    /// The models it serves.
    pub models: Vec<String>,
    /// Where its API begins, such as `http://10.0.0.7:8000/v1` or `https://models.example/v1`.
    pub base_url: String,
    /// Certificates of authorities, PEM, that prove an `https://` backend beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The environment variable that holds its key. Without it no `Authorization` is sent.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// What `GET /ready` asks. Default `models` under the base URL, with the key: the one `GET` that every server of
    /// this API has. Many also have an `http://host:port/health`, which asks for less; it gets no key.
    #[serde(default)]
    pub health_url: Option<String>,
}

/// How `GET /ready` asks each HTTP backend: at the same time, over a connection of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadyConfig {
    /// Attempts before a backend counts as not ready. Default 1: a load balancer asks again, and wants to know how it is
    /// now. 15 makes `GET /ready` itself wait for backends that start.
    pub attempts: u32,
    /// Between two attempts, and for how long an answer of `GET /ready` serves the next requests. Default 500 ms.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long an attempt may take. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for ReadyConfig {
    fn default() -> Self {
        let ProbeConfig { interval, timeout, .. } = ProbeConfig::default();
        Self { attempts: 1, interval, timeout }
    }
}

impl ReadyConfig {
    /// The prober's numbers. `GET /ready` takes at most [`ProbeConfig::worst_case`] of them.
    pub fn probe(&self) -> ProbeConfig {
        ProbeConfig { attempts: self.attempts, interval: self.interval, timeout: self.timeout }
    }
}

/// Time limits. What they add up to for a user: a client hears something at least every
/// `heartbeat`, learns of a silent backend after `upstream_silence`, and no request that does not stream outlasts
/// `body_read` + `request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// How long a request's head may take, and a kept-alive connection may idle. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub header_read: Duration,
    /// How long a request's body may take. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub body_read: Duration,
    /// How long a request that does not stream may take: 504. Default 300 s.
    #[serde(with = "humantime_serde")]
    pub request: Duration,
    /// How long a stream waits for its backend's first byte. Default 300 s. Under the heartbeat interval the failure is
    /// a 504, otherwise an error event.
    #[serde(with = "humantime_serde")]
    pub first_byte: Duration,
    /// How long a backend may be silent after its first byte. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub upstream_silence: Duration,
    /// How long establishing a connection to a backend may take. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// A heartbeat goes out when no event has for this long. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long a client may take nothing while bytes wait for it. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub write_progress: Duration,
    /// What `Retry-After` says when the gateway is full. Default 1 s; whole seconds, at least one.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// The pause after a failed accept; also how long the first connection without room waits for one that has left. Default
    /// 100 ms.
    #[serde(with = "humantime_serde")]
    pub accept_pause: Duration,
    /// How long open requests may go on after the signal to stop. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(30),
            body_read: Duration::from_secs(30),
            request: Duration::from_secs(300),
            first_byte: Duration::from_secs(300),
            upstream_silence: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            write_progress: Duration::from_secs(60),
            retry_after: Duration::from_secs(1),
            accept_pause: Duration::from_millis(100),
            grace: Duration::from_secs(10),
        }
    }
}

/// Size limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most chat requests in flight; the next one gets 503. Default 256.
    pub requests_in_flight: usize,
    /// The most connections at a time; beyond them only `GET /health` and `GET /ready` are answered. Default 10,000.
    pub connections: usize,
    /// The most connections of one address: of one IPv4 address, or of one IPv6 network of 64 bits. Default 2,500.
    pub connections_per_address: usize,
    /// What the bodies of all requests may hold together, those that are still coming among them, bytes. Default 256 MiB.
    pub bodies_bytes: usize,
    /// The largest request body, bytes. Default 4 MiB.
    pub body_bytes: usize,
    /// How much of a refused body is read and discarded, bytes, so that the refusal is not destroyed by the reset that
    /// closing on unread input causes. Default 16 MiB.
    pub discard_bytes: usize,
    /// The largest upstream event, bytes. Default 1 MiB.
    pub event_bytes: usize,
    /// The largest upstream answer that is not streamed, bytes. Default 16 MiB.
    pub answer_bytes: usize,
    /// The buffers of one connection, bytes each; at least 8 KiB. Default 64 KiB.
    pub buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_in_flight: 256,
            connections: 10_000,
            connections_per_address: 2500,
            bodies_bytes: 256 << 20,
            body_bytes: 4 << 20,
            discard_bytes: 16 << 20,
            event_bytes: 1 << 20,
            answer_bytes: 16 << 20,
            buffer_bytes: 64 << 10,
        }
    }
}
