//! Configuration: what a TOML file may say, the defaults, and the check before anything is bound.
//!
//! Every field has a default; an empty file is a gateway that echoes on `127.0.0.1:8080`.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use serde::Deserialize;
use thiserror::Error;

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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    /// The origin that browsers may call from (`Access-Control-Allow-Origin`). Default none: a page that a user happens
    /// to visit must not spend the keys of a gateway on that user's machine.
    pub cors_origin: Option<String>,
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
            cors_origin: None,
            date_header: true,
        }
    }
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The backend's name.
    pub name: String,
    /// The models it serves.
    pub models: Vec<String>,
    /// Where its API begins, such as `http://10.0.0.7:8000/v1`. Plain HTTP only.
    pub base_url: String,
    /// The environment variable that holds its key. Without it no `Authorization` is sent.
    #[serde(default)]
    pub api_key_env: Option<String>,
}

/// Time limits. The defaults answer production reports; the README gives the sums that users see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    /// The pause after a failed accept. Default 100 ms.
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most chat requests in flight; the next one gets 503. Default 256.
    pub requests_in_flight: usize,
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
            body_bytes: 4 << 20,
            discard_bytes: 16 << 20,
            event_bytes: 1 << 20,
            answer_bytes: 16 << 20,
            buffer_bytes: 64 << 10,
        }
    }
}

/// What is wrong with a configuration; each text is a clear sentence for whoever wrote it.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key or a value of the wrong type.
    #[error("failed to read the configuration")]
    Syntax(#[source] toml::de::Error),
    /// `listen` is not `host:port`.
    #[error("listen = \"{0}\" must be host:port, such as 127.0.0.1:8080")]
    Listen(String),
    /// There is no backend.
    #[error("there is no backend: add a [[backends]] table, or leave them all out to get the echo backend")]
    NoBackend,
    /// Two backends share a name.
    #[error("two backends are named \"{0}\"")]
    BackendTwice(String),
    /// A backend without models would never be asked.
    #[error("the backend \"{0}\" serves no model: give it models = [\"...\"]")]
    NoModel(String),
    /// Two backends serve one model, or one of them twice.
    #[error("the model \"{model}\" is served by both \"{first}\" and \"{second}\"")]
    ModelTwice {
        /// The model.
        model: String,
        /// The backend named first.
        first: String,
        /// The backend named second.
        second: String,
    },
    /// A base URL that cannot be called.
    #[error("the backend \"{backend}\" has base_url = \"{base_url}\": it must be http://host[:port][/path]")]
    BaseUrl {
        /// The backend.
        backend: String,
        /// Its base URL.
        base_url: String,
    },
    /// The key is not in the environment, or no header could carry it.
    #[error("the backend \"{backend}\" takes its key from the environment variable {variable}, which {problem}")]
    ApiKey {
        /// The backend.
        backend: String,
        /// The variable.
        variable: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A limit of zero would refuse everything.
    #[error("{0} must be greater than zero")]
    Zero(&'static str),
    /// hyper needs 8 KiB for a head.
    #[error("limits.buffer_bytes = {0} must be at least 8192")]
    Buffer(usize),
    /// The origin is no header value.
    #[error("cors_origin = \"{0}\" cannot be sent in a header")]
    CorsOrigin(String),
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// As [`Config::validate`], and [`ConfigError::Syntax`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(ConfigError::Syntax)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types cannot express. The environment is asked for the backends' keys.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let port = self.listen.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
        if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
            return Err(ConfigError::Listen(self.listen.clone()));
        }
        if let Some(origin) = &self.cors_origin
            && HeaderValue::from_str(origin).is_err()
        {
            return Err(ConfigError::CorsOrigin(origin.clone()));
        }
        self.validate_backends()?;
        self.timings.validate()?;
        self.limits.validate()
    }

    fn validate_backends(&self) -> Result<(), ConfigError> {
        if self.backends.is_empty() {
            return Err(ConfigError::NoBackend);
        }
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, backend) in self.backends.iter().enumerate() {
            let name = backend.name();
            if self.backends[..index].iter().any(|earlier| earlier.name() == name) {
                return Err(ConfigError::BackendTwice(name.to_owned()));
            }
            if backend.models().is_empty() {
                return Err(ConfigError::NoModel(name.to_owned()));
            }
            for model in backend.models() {
                if let Some(first) = owners.insert(model, name) {
                    let (model, first, second) = (model.clone(), first.to_owned(), name.to_owned());
                    return Err(ConfigError::ModelTwice { model, first, second });
                }
            }
            if let BackendConfig::Http(http) = backend {
                http.origin()?;
                http.authorization()?;
            }
        }
        Ok(())
    }
}

impl HttpConfig {
    /// The host, the port and the path of `chat/completions`.
    pub(crate) fn origin(&self) -> Result<Origin, ConfigError> {
        let wrong = || ConfigError::BaseUrl { backend: self.name.clone(), base_url: self.base_url.clone() };
        let uri: Uri = self.base_url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if uri.scheme_str() != Some("http") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Origin {
            // An IPv6 literal stands in brackets in a URL, and without them in a socket address.
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: format!("{}/chat/completions", uri.path().trim_end_matches('/')),
        })
    }

    /// The `Authorization` header, from the environment.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, ConfigError> {
        let Some(variable) = &self.api_key_env else { return Ok(None) };
        let wrong = |problem| ConfigError::ApiKey { backend: self.name.clone(), variable: variable.clone(), problem };
        let key = std::env::var(variable).map_err(|_| wrong("is not set"))?;
        if key.trim().is_empty() {
            return Err(wrong("is empty"));
        }
        let value = format!("Bearer {}", key.trim());
        let mut value =
            HeaderValue::from_str(&value).map_err(|_| wrong("holds characters that no header can carry"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Where an HTTP backend is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Timings {
    fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("timings.header_read", self.header_read),
            ("timings.body_read", self.body_read),
            ("timings.request", self.request),
            ("timings.first_byte", self.first_byte),
            ("timings.upstream_silence", self.upstream_silence),
            ("timings.connect", self.connect),
            ("timings.heartbeat", self.heartbeat),
            ("timings.write_progress", self.write_progress),
            ("timings.accept_pause", self.accept_pause),
        ];
        positive.iter().find(|(_, value)| value.is_zero()).map_or(Ok(()), |(name, _)| Err(ConfigError::Zero(name)))
    }
}

impl Limits {
    fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("limits.requests_in_flight", self.requests_in_flight),
            ("limits.body_bytes", self.body_bytes),
            ("limits.event_bytes", self.event_bytes),
            ("limits.answer_bytes", self.answer_bytes),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Zero(name));
        }
        if self.buffer_bytes < 8192 { Err(ConfigError::Buffer(self.buffer_bytes)) } else { Ok(()) }
    }
}
