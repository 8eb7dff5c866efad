//! What a node is told before it connects anywhere.

use std::path::PathBuf;
use std::time::Duration;

use halfopen_health::{BadProbe, ProbeConfig, Target};
use halfopen_link::LinkConfig;
use halfopen_link::config::BadSetting;
use halfopen_tls::{Dialer, Scheme, TlsError, Trust};
use hyper::Uri;
use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::config::LONGEST;
use crate::core::node::NodeSettings;

/// A node's settings. Durations are written `"5s"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// The scheduler, as `host:port` or `ws://host:port`; over TLS as `wss://host:port`.
    pub scheduler: String,
    /// Certificates of authorities, PEM, that prove a scheduler and a gateway over TLS beside those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Jobs worked on at a time.
    pub capacity: u32,
    /// The environment variable that holds the key which the scheduler asks nodes for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Who does the work.
    pub worker: WorkerConfig,
    /// From one heartbeat to the next; the scheduler gives up on a node after three.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// From one `job_progress` to the next while at work; a third of the scheduler's patience.
    #[serde(with = "humantime_serde")]
    pub progress_interval: Duration,
    /// Between attempts to reach a scheduler that refuses (docs/failures.md, silent success).
    #[serde(with = "humantime_serde")]
    pub retry_interval: Duration,
    /// For the connection and the upgrade together.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// From the upgrade to the scheduler's `node_register_ack`.
    #[serde(with = "humantime_serde")]
    pub hello_timeout: Duration,
    /// From the order to stop to the close of the connection: the work at hand may finish. Zero stops at once.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Results kept for a scheduler that is away; the oldest goes first.
    pub results_kept: usize,
    /// Ping, pong, close and sizes of the WebSocket.
    pub link: LinkConfig,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            scheduler: "127.0.0.1:5010".to_owned(),
            ca_file: None,
            capacity: 1,
            key_env: None,
            worker: WorkerConfig::default(),
            heartbeat_interval: Duration::from_secs(5),
            progress_interval: Duration::from_secs(10),
            retry_interval: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            hello_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
            results_kept: 1000,
            link: LinkConfig::default(),
        }
    }
}

/// Who does a node's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum WorkerConfig {
    /// Answers with the text itself, after a while: needs nothing else.
    Echo {
        /// How long the work takes.
        #[serde(with = "humantime_serde", default = "default_work_time")]
        work_time: Duration,
    },
    /// Asks an OpenAI-compatible gateway, streaming.
    Gateway(GatewayConfig),
}

/// The gateway and how to ask it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// As `http://host:port` or `https://host:port`, with or without a path before `/v1`.
    pub base_url: String,
    /// The environment variable that holds the key which the gateway asks its clients for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The model to ask for.
    #[serde(default = "default_model")]
    pub model: String,
    /// For the connection.
    #[serde(with = "humantime_serde", default = "default_gateway_connect")]
    pub connect_timeout: Duration,
    /// Silence after which the stream is dead. A gateway sends a heartbeat every 30 s, so 45 s is one and a half.
    #[serde(with = "humantime_serde", default = "default_gateway_idle")]
    pub idle_timeout: Duration,
    /// How a gateway that cannot be connected to is waited for, on its `/health`, before a job is asked of it again.
    /// An empty table has the defaults: at most 15 x (2 s + 500 ms). Without it the job's attempt fails at once, and the
    /// scheduler spends another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeConfig>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self::Echo { work_time: default_work_time() }
    }
}

impl GatewayConfig {
    /// Asks this gateway, with the default model and timings.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key_env: None,
            model: default_model(),
            connect_timeout: default_gateway_connect(),
            idle_timeout: default_gateway_idle(),
            probe: None,
        }
    }

    /// The gateway's `/health`.
    pub(crate) fn health(&self, dialer: &Dialer) -> Result<Target, NodeConfigError> {
        let url = format!("{}/health", self.base_url.trim_end_matches('/'));
        let target = Target::parse(&url).map_err(|_| NodeConfigError::BaseUrl(self.base_url.clone()))?;
        Ok(target.with_dialer(dialer.clone()))
    }

    /// Where the gateway is, and the path of the endpoint.
    pub(crate) fn endpoint(&self) -> Result<(Endpoint, String), NodeConfigError> {
        let bad = || NodeConfigError::BaseUrl(self.base_url.clone());
        let uri: Uri = self.base_url.parse().map_err(|_| bad())?;
        let scheme = uri.scheme_str().filter(|name| name.starts_with("http")).and_then(Scheme::of).ok_or_else(bad)?;
        let host = uri.host().ok_or_else(bad)?;
        let endpoint = Endpoint::new(scheme, host, uri.port_u16().unwrap_or(scheme.default_port()));
        Ok((endpoint, format!("{}/v1/chat/completions", uri.path().trim_end_matches('/'))))
    }
}

/// A server that a node connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    fn new(scheme: Scheme, host: &str, port: u16) -> Self {
        Self { scheme, host: host.trim_matches(['[', ']']).to_owned(), port }
    }

    /// As a URL and a `Host` header name it.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

fn default_work_time() -> Duration {
    Duration::from_millis(50)
}

fn default_model() -> String {
    "echo".to_owned()
}

fn default_gateway_connect() -> Duration {
    Duration::from_secs(10)
}

fn default_gateway_idle() -> Duration {
    Duration::from_secs(45)
}

/// `Authorization: Bearer` with the key in this variable.
pub(crate) fn bearer(variable: Option<&str>) -> Result<Option<HeaderValue>, NodeConfigError> {
    let Some(variable) = variable else { return Ok(None) };
    let wrong = || NodeConfigError::Key(variable.to_owned());
    let key = std::env::var(variable).ok().filter(|key| !key.trim().is_empty()).ok_or_else(wrong)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl NodeConfig {
    /// The part that the node's machine lives by.
    pub(crate) fn settings(&self) -> NodeSettings {
        NodeSettings {
            capacity: self.capacity,
            results_kept: self.results_kept,
            heartbeat_interval: self.heartbeat_interval,
            progress_interval: self.progress_interval,
            retry_interval: self.retry_interval,
            hello_timeout: self.hello_timeout,
            shutdown_grace: self.shutdown_grace,
            close_timeout: self.link.close_timeout,
        }
    }

    /// Reads a TOML document and checks it.
    ///
    /// # Errors
    /// When the text is not TOML, names an unknown setting, or fails [`NodeConfig::validate`].
    pub fn from_toml(text: &str) -> Result<Self, NodeConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| NodeConfigError::Parse(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Rejects what could not work.
    ///
    /// # Errors
    /// The first setting found wrong.
    pub fn validate(&self) -> Result<(), NodeConfigError> {
        let mut durations = vec![
            ("heartbeat_interval", self.heartbeat_interval),
            ("progress_interval", self.progress_interval),
            ("retry_interval", self.retry_interval),
            ("connect_timeout", self.connect_timeout),
            ("hello_timeout", self.hello_timeout),
        ];
        bearer(self.key_env.as_deref())?;
        if let WorkerConfig::Gateway(gateway) = &self.worker {
            gateway.endpoint()?;
            bearer(gateway.api_key_env.as_deref())?;
            if let Some(probe) = &gateway.probe {
                gateway.health(&Dialer::plain())?;
                probe.validate().map_err(NodeConfigError::Probe)?;
            }
            durations.push(("worker.connect_timeout", gateway.connect_timeout));
            durations.push(("worker.idle_timeout", gateway.idle_timeout));
        }
        if let Some((name, _)) = durations.iter().find(|(_, value)| value.is_zero()) {
            return Err(NodeConfigError::Zero(name));
        }
        // Zero means at once.
        durations.push(("shutdown_grace", self.shutdown_grace));
        if let WorkerConfig::Echo { work_time } = &self.worker {
            durations.push(("worker.work_time", *work_time));
        }
        if let Some((name, _)) = durations.iter().find(|(_, value)| *value > LONGEST) {
            return Err(NodeConfigError::TooLong(name));
        }
        if self.capacity == 0 {
            return Err(NodeConfigError::Zero("capacity"));
        }
        if self.results_kept == 0 {
            return Err(NodeConfigError::Zero("results_kept"));
        }
        self.endpoint()?;
        self.dialer()?;
        Ok(self.link.validate()?)
    }

    /// Where the scheduler is.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, NodeConfigError> {
        let bad = || NodeConfigError::Scheduler(self.scheduler.clone());
        let (scheme, address) = match self.scheduler.split_once("://") {
            Some((name @ ("ws" | "wss"), address)) => (Scheme::of(name).ok_or_else(bad)?, address),
            Some(_) => return Err(bad()),
            None => (Scheme::Plain, self.scheduler.as_str()),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        if host.is_empty() || host.contains('/') { Err(bad()) } else { Ok(Endpoint::new(scheme, host, port)) }
    }

    /// What opens streams to the scheduler and to the gateway. Authorities are read now, if one of them asks for TLS.
    pub(crate) fn dialer(&self) -> Result<Dialer, NodeConfigError> {
        let of_gateway = match &self.worker {
            WorkerConfig::Gateway(gateway) => Some(gateway.endpoint()?.0.scheme),
            WorkerConfig::Echo { .. } => None,
        };
        let is_tls = [Some(self.endpoint()?.scheme), of_gateway].contains(&Some(Scheme::Tls));
        let scheme = if is_tls { Scheme::Tls } else { Scheme::Plain };
        let failed = |error: TlsError| NodeConfigError::Tls(halfopen_process::chain(&error));
        Dialer::new(scheme, &Trust { ca_file: self.ca_file.clone() }).map_err(failed)
    }
}

/// Why a node's configuration is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NodeConfigError {
    /// Not TOML, or a setting that does not exist.
    #[error("read the configuration: {0}")]
    Parse(String),
    /// A setting that must be more than zero.
    #[error("accept `{0}`: it must be more than zero")]
    Zero(&'static str),
    /// A duration beyond a year.
    #[error("accept `{0}`: it must be at most a year")]
    TooLong(&'static str),
    /// Not an address.
    #[error("accept `scheduler` = {0:?}: it must be host:port, ws://host:port or wss://host:port")]
    Scheduler(String),
    /// Not an HTTP address.
    #[error("accept `worker.base_url` = {0:?}: it must be http://host:port or https://host:port")]
    BaseUrl(String),
    /// A variable that holds no key.
    #[error("take a key from the environment variable {0}, which is not set, empty, or holds what no header can carry")]
    Key(String),
    /// TLS to the scheduler or the gateway.
    #[error("speak TLS: {0}")]
    Tls(String),
    /// A setting of the gateway's prober.
    #[error("accept `worker.probe`: {0}")]
    Probe(BadProbe),
    /// A setting of the link.
    #[error("accept `link`: link.{0}")]
    Link(BadSetting),
}

impl From<BadSetting> for NodeConfigError {
    fn from(setting: BadSetting) -> Self {
        Self::Link(setting)
    }
}

impl NodeConfigError {
    /// The settings that it is about, as dotted names.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        match self {
            Self::Parse(_) => Vec::new(),
            Self::Zero(name) | Self::TooLong(name) => vec![(*name).to_owned()],
            Self::Scheduler(_) => vec!["scheduler".to_owned()],
            Self::BaseUrl(_) => vec!["worker.base_url".to_owned()],
            Self::Tls(_) => vec!["ca_file".to_owned(), "scheduler".to_owned(), "worker.base_url".to_owned()],
            Self::Key(_) => vec!["key_env".to_owned(), "worker.api_key_env".to_owned()],
            Self::Probe(bad) => vec![format!("worker.probe.{}", bad.setting())],
            Self::Link(BadSetting { setting, .. }) => vec![format!("link.{setting}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_chosen_by_its_kind() {
        let config = NodeConfig::from_toml("[worker]\nkind = \"echo\"\nwork_time = \"30s\"").expect("valid");
        assert_eq!(config.worker, WorkerConfig::Echo { work_time: Duration::from_secs(30) });
        let text = "[worker]\nkind = \"gateway\"\nbase_url = \"http://gateway:8080/api/\"";
        let config = NodeConfig::from_toml(text).expect("valid");
        let WorkerConfig::Gateway(gateway) = config.worker else { panic!("not a gateway") };
        let (endpoint, path) = gateway.endpoint().expect("a URL");
        assert_eq!((endpoint.authority().as_str(), path.as_str()), ("gateway:8080", "/api/v1/chat/completions"));
        assert_eq!(gateway.idle_timeout, Duration::from_secs(45));
        assert!(gateway.health(&Dialer::plain()).is_ok());
        assert_eq!(gateway.probe, None);
    }

    #[test]
    fn an_empty_probe_has_the_defaults_of_the_report() {
        let text = "[worker]\nkind = \"gateway\"\nbase_url = \"http://gateway:8080\"\n[worker.probe]\n";
        let WorkerConfig::Gateway(gateway) = NodeConfig::from_toml(text).expect("valid").worker else {
            panic!("not a gateway")
        };
        assert_eq!(gateway.probe, Some(ProbeConfig::default()));
        let refused = NodeConfig::from_toml(&format!("{text}attempts = 0")).expect_err("no attempt");
        assert_eq!(refused.to_string(), "accept `worker.probe`: attempts must be greater than zero");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_name() {
        assert_eq!(NodeConfig::from_toml("capacity = 0"), Err(NodeConfigError::Zero("capacity")));
        let refused = NodeConfig::from_toml("shutdown_grace = \"500years\"");
        assert_eq!(refused, Err(NodeConfigError::TooLong("shutdown_grace")));
        let refused = NodeConfig::from_toml("scheduler = \"ws://here\"");
        assert_eq!(refused, Err(NodeConfigError::Scheduler("ws://here".to_owned())));
        let refused = NodeConfig::from_toml("[worker]\nkind = \"gateway\"\nbase_url = \"ftp://there\"");
        assert_eq!(refused, Err(NodeConfigError::BaseUrl("ftp://there".to_owned())));
        let of = |text: &str| {
            let config = NodeConfig { scheduler: text.to_owned(), ..NodeConfig::default() };
            config.endpoint().map(|endpoint| (endpoint.scheme, endpoint.authority()))
        };
        assert_eq!(of("wss://[::1]:5010"), Ok((Scheme::Tls, "[::1]:5010".to_owned())));
        assert_eq!((of("ws://here:1"), of("here:1")), (of("here:1"), Ok((Scheme::Plain, "here:1".to_owned()))));
        assert!(of("http://here:1").is_err() && of("here").is_err() && of(":1").is_err());
        assert!(NodeConfig::from_toml("[worker]\nkind = \"magic\"").is_err());
    }
}
