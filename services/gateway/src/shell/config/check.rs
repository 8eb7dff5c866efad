//! The check of a configuration: what types cannot express, told in sentences.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen_health::{BadProbe, BadTarget, Target};
use halfopen_tls::{Acceptor, Dialer, Scheme, TlsError, Trust};
use hyper::Uri;
use hyper::header::HeaderValue;
use thiserror::Error;

use super::{BackendConfig, Config, HttpConfig, Limits, Timings};

/// The longest time limit that is taken for meant.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What is wrong with a configuration. Each text completes "failed to ...".
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key or a value of the wrong type.
    #[error("read the configuration")]
    Syntax(#[source] toml::de::Error),
    /// `listen` is not `host:port`.
    #[error("accept listen = \"{0}\": it must be host:port, such as 127.0.0.1:8080")]
    Listen(String),
    /// There is no backend.
    #[error("find a backend: add a [[backends]] table, or leave them all out to get the echo backend")]
    NoBackend,
    /// Two backends share a name.
    #[error("tell two backends apart that are named \"{0}\"")]
    BackendTwice(String),
    /// A backend without models would never be asked.
    #[error("use the backend \"{0}\", which serves no model: give it models = [\"...\"]")]
    NoModel(String),
    /// Two backends serve one model, or one of them twice.
    #[error("choose a backend for the model \"{model}\": it is served by both \"{first}\" and \"{second}\"")]
    ModelTwice {
        /// The model.
        model: String,
        /// The backend named first.
        first: String,
        /// The backend named second.
        second: String,
    },
    /// A base URL that cannot be called.
    #[error(
        "accept base_url = \"{base_url}\" of the backend \"{backend}\": it must be http://host[:port][/path] or https://host[:port][/path]"
    )]
    BaseUrl {
        /// The backend.
        backend: String,
        /// Its base URL.
        base_url: String,
    },
    /// TLS to a backend.
    #[error("speak TLS with the backend \"{backend}\"")]
    Trust {
        /// The backend.
        backend: String,
        /// Why not.
        source: TlsError,
    },
    /// TLS to clients.
    #[error("serve over TLS")]
    Identity(#[source] TlsError),
    /// The key is not in the environment, or no header could carry it.
    #[error("take the key of the backend \"{backend}\" from the environment variable {variable}, which {problem}")]
    ApiKey {
        /// The backend.
        backend: String,
        /// The variable.
        variable: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A limit of zero would refuse everything.
    #[error("accept `{0}`: it must be greater than zero")]
    Zero(&'static str),
    /// A duration that is a slip of the pen, and would overflow a clock.
    #[error("accept `{0}`: it must be at most 30 days")]
    TooLong(&'static str),
    /// A number of `[ready]`.
    #[error("accept `ready`: ready.{0}")]
    Ready(BadProbe),
    /// A health URL that cannot be asked.
    #[error("accept the health_url of the backend \"{backend}\": {problem}")]
    HealthUrl {
        /// The backend.
        backend: String,
        /// What is wrong with it.
        problem: BadTarget,
    },
    /// Others could reach the port, and nothing would ask them who they are.
    #[error(
        "serve without keys on {0}, which others can reach: set access.client_keys, or say --open if that is meant"
    )]
    Open(String),
    /// hyper needs 8 KiB for a head.
    #[error("accept `limits.buffer_bytes` = {0}: it must be at least 8192")]
    Buffer(usize),
    /// The origin is no header value.
    #[error("send cors_origin = \"{0}\" in a header")]
    CorsOrigin(String),
}

impl ConfigError {
    /// The settings of `config` that it is about, as dotted names in which a number counts the backends from 0; the one
    /// to be changed first.
    #[must_use]
    pub fn settings(&self, config: &Config) -> Vec<String> {
        let named = |name: &str| -> Vec<usize> {
            let all = config.backends.iter().enumerate();
            all.filter(|(_, backend)| backend.name() == name).map(|(index, _)| index).collect()
        };
        let of = |name: &str, setting: &str| -> Vec<String> {
            let places = named(name)
                .into_iter()
                .map(|index| [format!("backends.{index}.{setting}"), format!("backends.{index}")]);
            places.flatten().collect()
        };
        match self {
            Self::Syntax(_) => Vec::new(),
            Self::Listen(_) | Self::Open(_) => vec!["listen".to_owned()],
            Self::NoBackend => vec!["backends".to_owned()],
            // The later one is the one too many.
            Self::BackendTwice(name) => {
                // There are two of that name; the first backend stands in for them if the caller asks about another configuration.
                let index = named(name).last().copied().unwrap_or_default();
                vec![format!("backends.{index}.name"), format!("backends.{index}")]
            }
            Self::NoModel(name) => of(name, "models"),
            Self::ModelTwice { second, .. } => of(second, "models"),
            Self::BaseUrl { backend, .. } => of(backend, "base_url"),
            Self::Trust { backend, .. } => [of(backend, "ca_file"), of(backend, "base_url")].concat(),
            Self::Identity(error) => vec![format!("tls.{}", error.setting()), "tls".to_owned()],
            Self::ApiKey { backend, .. } => of(backend, "api_key_env"),
            Self::HealthUrl { backend, .. } => of(backend, "health_url"),
            Self::Zero(name) | Self::TooLong(name) => vec![(*name).to_owned()],
            Self::Ready(bad) => vec![format!("ready.{}", bad.setting())],
            Self::Buffer(_) => vec!["limits.buffer_bytes".to_owned()],
            Self::CorsOrigin(_) => vec!["cors_origin".to_owned()],
        }
    }
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
        self.acceptor()?;
        self.ready.probe().validate().map_err(ConfigError::Ready)?;
        self.timings.validate()?;
        self.limits.validate()
    }

    /// What makes streams of the connections of clients.
    pub(crate) fn acceptor(&self) -> Result<Acceptor, ConfigError> {
        Acceptor::new(self.tls.as_ref()).map_err(ConfigError::Identity)
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
                http.health_target(&http.dialer()?)?;
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
        let scheme = uri.scheme_str().filter(|name| name.starts_with("http")).and_then(Scheme::of).ok_or_else(wrong)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Origin {
            scheme,
            // An IPv6 literal has brackets in a URL, and none in a socket address.
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(scheme.default_port()),
            authority: authority.to_string(),
            path: format!("{}/chat/completions", uri.path().trim_end_matches('/')),
        })
    }

    /// What opens streams to it. Authorities are read now.
    pub(crate) fn dialer(&self) -> Result<Dialer, ConfigError> {
        // The health URL may ask for TLS where the API does not.
        let urls = [Some(&self.base_url), self.health_url.as_ref()];
        let is_tls = urls.into_iter().flatten().any(|url| url.starts_with("https:"));
        let scheme = if is_tls { Scheme::Tls } else { Scheme::Plain };
        let failed = |source| ConfigError::Trust { backend: self.name.clone(), source };
        Dialer::new(scheme, &Trust { ca_file: self.ca_file.clone() }).map_err(failed)
    }

    /// What `GET /ready` asks.
    pub(crate) fn health_target(&self, dialer: &Dialer) -> Result<Target, ConfigError> {
        let (url, authorization) = match &self.health_url {
            Some(url) => (url.clone(), None),
            None => (format!("{}/models", self.base_url.trim_end_matches('/')), self.authorization()?),
        };
        let wrong = |problem| ConfigError::HealthUrl { backend: self.name.clone(), problem };
        Ok(Target::parse(&url).map_err(wrong)?.with_authorization(authorization).with_dialer(dialer.clone()))
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
    pub(crate) scheme: Scheme,
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
        if let Some((name, _)) = positive.iter().find(|(_, value)| value.is_zero()) {
            return Err(ConfigError::Zero(name));
        }
        // These two may be zero.
        let all =
            positive.into_iter().chain([("timings.retry_after", self.retry_after), ("timings.grace", self.grace)]);
        let too_long = all.into_iter().find(|(_, value)| *value > LONGEST);
        too_long.map_or(Ok(()), |(name, _)| Err(ConfigError::TooLong(name)))
    }
}

impl Limits {
    fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("limits.requests_in_flight", self.requests_in_flight),
            ("limits.connections", self.connections),
            ("limits.connections_per_address", self.connections_per_address),
            ("limits.bodies_bytes", self.bodies_bytes),
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
