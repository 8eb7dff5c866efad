//! Every timing and limit of the client. Files are TOML, durations "10s", unknown keys errors.

use std::path::PathBuf;
use std::time::Duration;

use halfopen_link::LinkConfig;
use halfopen_link::config::{BadSetting, check_duration};
use halfopen_tls::Scheme;
use http::Uri;
use serde::{Deserialize, Serialize};

/// The client's configuration. The defaults are those of the deployed system.
///
/// ```
/// let config: halfopen_client::Config = toml::from_str(
///     r#"
///     url = "ws://scheduler.example:5010/ws/session"
///     order = "utterance"
///     [reconnect]
///     first_delay = "500ms"
///     "#,
/// )?;
/// config.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The scheduler's session endpoint, `ws://host[:port]/path`; over TLS `wss://`.
    pub url: String,
    /// Certificates of authorities, PEM, that prove a scheduler over TLS beside those of the system. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The environment variable that holds the key which the scheduler asks sessions for. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Language of the sentences, a BCP 47 tag. Default "zh".
    pub src_lang: String,
    /// Language of the translations, a BCP 47 tag. Default "en".
    pub tgt_lang: String,
    /// Connect and upgrade together. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// From the upgrade to the scheduler's hello. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub hello_timeout: Duration,
    /// How often the monitor looks whether the connection has ended unnoticed. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub monitor_interval: Duration,
    /// When and how often to try again.
    pub reconnect: Reconnect,
    /// In which order handles resolve. Default completion.
    pub order: Order,
    /// Jobs that may be without an outcome at a time; one more is refused. Default 1,000.
    pub open_jobs: usize,
    /// Events kept for a slow receiver. Default 64.
    pub events: usize,
    /// Seed of the jitter; drawn once from the operating system if absent.
    pub seed: Option<u64>,
    /// Keepalive, close and size limits of a connection.
    pub link: LinkConfig,
}

/// When and how often to try again after a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reconnect {
    /// The first delay; every further one is twice the one before. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub first_delay: Duration,
    /// No delay is longer. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub longest_delay: Duration,
    /// The most that is added to a delay, in percent, by the client's own generator. Default and most: 10.
    pub jitter_percent: u32,
    /// Attempts before giving up. Default 10.
    pub attempts: u32,
    /// How long a session has to be Ready until the attempts are forgotten. Not at the hello, so that a server that
    /// accepts, greets and drops is not retried for ever. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub stable_after: Duration,
}

/// In which order handles resolve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As jobs complete.
    #[default]
    Completion,
    /// As jobs were submitted; one that fails releases its place.
    Utterance,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "ws://127.0.0.1:5010/ws/session".into(),
            ca_file: None,
            key_env: None,
            src_lang: "zh".into(),
            tgt_lang: "en".into(),
            connect_timeout: Duration::from_secs(10),
            hello_timeout: Duration::from_secs(10),
            monitor_interval: Duration::from_secs(5),
            reconnect: Reconnect::default(),
            order: Order::default(),
            open_jobs: 1_000,
            events: 64,
            seed: None,
            link: LinkConfig::default(),
        }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(30),
            jitter_percent: 10,
            attempts: 10,
            stable_after: Duration::from_secs(10),
        }
    }
}

/// Why a configuration is refused. The texts complete "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint cannot be used.
    #[error("accept url = {url:?}: it {problem}")]
    Url {
        /// As configured.
        url: String,
        /// The reason, in words.
        problem: &'static str,
    },
    /// A language is no BCP 47 tag.
    #[error("accept {setting} = {value:?}: it must be a BCP 47 tag such as \"zh\" or \"pt-BR\"")]
    Language {
        /// The setting's name as it stands in a file.
        setting: &'static str,
        /// As configured.
        value: String,
    },
    /// TLS to the scheduler.
    #[error("speak TLS: {0}")]
    Tls(String),
    /// A setting is out of range.
    #[error("accept the settings")]
    Setting(#[from] BadSetting),
    /// One of the connection's settings is out of range.
    #[error("accept the settings of [link]")]
    Link(#[source] BadSetting),
}

impl ConfigError {
    /// The settings that it is about, as dotted names, the one to be changed first.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        match self {
            Self::Url { .. } => vec!["url".to_owned()],
            Self::Tls(_) => vec!["ca_file".to_owned(), "url".to_owned()],
            Self::Language { setting, .. } => vec![(*setting).to_owned()],
            Self::Setting(BadSetting { setting: "reconnect.longest_delay", .. }) => {
                vec!["reconnect.longest_delay".to_owned(), "reconnect.first_delay".to_owned()]
            }
            Self::Setting(BadSetting { setting, .. }) => vec![(*setting).to_owned()],
            Self::Link(BadSetting { setting, .. }) => vec![format!("link.{setting}")],
        }
    }
}

impl Config {
    /// Rejects what could not work, before anything is opened.
    ///
    /// # Errors
    /// Names the first setting that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.endpoint()?;
        for (setting, value) in [("src_lang", &self.src_lang), ("tgt_lang", &self.tgt_lang)] {
            if !is_language(value) {
                return Err(ConfigError::Language { setting, value: value.clone() });
            }
        }
        let durations = [
            ("connect_timeout", self.connect_timeout),
            ("hello_timeout", self.hello_timeout),
            ("monitor_interval", self.monitor_interval),
            ("reconnect.first_delay", self.reconnect.first_delay),
            ("reconnect.longest_delay", self.reconnect.longest_delay),
            ("reconnect.stable_after", self.reconnect.stable_after),
        ];
        for (setting, value) in durations {
            check_duration(setting, value)?;
        }
        let rules = [
            (
                self.reconnect.first_delay <= self.reconnect.longest_delay,
                "reconnect.longest_delay",
                "at least first_delay",
            ),
            (self.reconnect.jitter_percent <= 10, "reconnect.jitter_percent", "at most 10"),
            (self.reconnect.attempts >= 1, "reconnect.attempts", "at least 1"),
            ((1..=10_000).contains(&self.open_jobs), "open_jobs", "between 1 and 10000"),
            ((1..=65_536).contains(&self.events), "events", "between 1 and 65536"),
        ];
        for (holds, setting, rule) in rules {
            if !holds {
                return Err(BadSetting { setting, rule }.into());
            }
        }
        self.link.validate().map_err(ConfigError::Link)
    }

    /// Scheme, host and port of [`url`](Self::url).
    ///
    /// # Errors
    /// If the URL is not `ws://` or `wss://` with a host.
    pub fn endpoint(&self) -> Result<(Scheme, String, u16), ConfigError> {
        let wrong = |problem| ConfigError::Url { url: self.url.clone(), problem };
        let uri: Uri = self.url.parse().map_err(|_| wrong("is not a URL"))?;
        let scheme = uri.scheme_str().filter(|name| name.starts_with("ws")).and_then(Scheme::of);
        let scheme = scheme.ok_or_else(|| wrong("must start with ws:// or wss://"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok((scheme, host.to_owned(), uri.port_u16().unwrap_or(scheme.default_port())))
    }
}

/// Whether a language has the form of a tag: subtags of one to eight letters and digits (RFC 5646, section 2.1).
fn is_language(tag: &str) -> bool {
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.split('-').all(subtag)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_protocol() {
        let config: Config = toml::from_str("").expect("an empty file");
        assert_eq!(config, Config::default());
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.endpoint(), Ok((Scheme::Plain, "127.0.0.1".into(), 5010)));
        assert_eq!(config.link.silence_bound(), Duration::from_secs(40));
    }

    #[test]
    fn the_example_shows_every_setting_at_its_default() {
        let example = include_str!("../../client.example.toml");
        let config: Config = toml::from_str(example).expect("a good example");
        assert_eq!(config, Config::default());
        let shown: toml::Table = example.parse().expect("a good example");
        let all = toml::Table::try_from(Config::default()).expect("plain data");
        for (key, value) in &all {
            let inner = value.as_table().map(|table| table.keys().collect::<Vec<_>>());
            let shown = shown.get(key).unwrap_or_else(|| panic!("`{key}` is not shown"));
            assert_eq!(shown.as_table().map(|table| table.keys().collect::<Vec<_>>()), inner, "{key}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = toml::from_str::<Config>("[reconnect]\nattemps = 3\n").unwrap_err().to_string();
        assert!(error.contains("attemps") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_bad_setting_is_named_with_its_rule() {
        let cases = [
            ("url = \"http://x/\"", "accept url = \"http://x/\": it must start with ws:// or wss://"),
            ("url = \"::\"", "accept url = \"::\": it is not a URL"),
            ("hello_timeout = \"0s\"", "accept the settings: hello_timeout must be between 1ms and 1day"),
            ("open_jobs = 0", "accept the settings: open_jobs must be between 1 and 10000"),
            ("[reconnect]\nattempts = 0", "accept the settings: reconnect.attempts must be at least 1"),
            ("[reconnect]\njitter_percent = 11", "accept the settings: reconnect.jitter_percent must be at most 10"),
            (
                "[reconnect]\nfirst_delay = \"31s\"",
                "accept the settings: reconnect.longest_delay must be at least first_delay",
            ),
            ("[link]\nqueue = 0", "accept the settings of [link]: queue must be at least 1"),
            ("src_lang = \"\"", "accept src_lang = \"\": it must be a BCP 47 tag such as \"zh\" or \"pt-BR\""),
            (
                "tgt_lang = \"en_US\"",
                "accept tgt_lang = \"en_US\": it must be a BCP 47 tag such as \"zh\" or \"pt-BR\"",
            ),
            ("monitor_interval = \"0s\"", "accept the settings: monitor_interval must be between 1ms and 1day"),
        ];
        for (text, message) in cases {
            let config: Config = toml::from_str(text).expect("well-formed");
            let error = config.validate().unwrap_err();
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            assert_eq!(format!("{error}{cause}"), message);
            // The line in a file of one of these shows what to change.
            let written = |name: &String| text.contains(name.rsplit('.').next().unwrap_or_default());
            assert!(error.settings().iter().any(written), "{text} is refused for {:?}", error.settings());
        }
    }

    #[test]
    fn a_literal_ipv6_host_is_understood() {
        let config = Config { url: "ws://[::1]:9/ws".into(), ..Config::default() };
        assert_eq!(config.endpoint(), Ok((Scheme::Plain, "::1".into(), 9)));
    }
}
