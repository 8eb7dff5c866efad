//! Every number the scheduler lives by. The defaults are the documented protocol's; a configuration file may change
//! each of them, and [`Config::validate`] refuses those that contradict each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use halfopen_link::LinkConfig;
use halfopen_link::config::BadSetting;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the scheduler is told before it binds anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Port 0 lets the operating system choose.
    pub listen: SocketAddr,
    /// How long things may take.
    pub timings: Timings,
    /// How many there may be.
    pub limits: Limits,
    /// Ping, pong, close and sizes of every WebSocket.
    pub link: LinkConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5010)),
            timings: Timings::default(),
            limits: Limits::default(),
            link: LinkConfig::default(),
        }
    }
}

impl Config {
    /// Reads a TOML document and checks it.
    ///
    /// # Errors
    /// When the text is not TOML, names an unknown setting, or fails [`Config::validate`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that no setting is zero where zero means nothing, and that none contradicts another.
    ///
    /// # Errors
    /// The first setting found wrong, in a sentence.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.timings.validate()?;
        self.limits.validate()?;
        self.link.validate()?;
        if self.link.largest_message < SMALLEST_MESSAGE {
            return Err(ConfigError::SmallMessages(self.link.largest_message));
        }
        // The largest submit, and the largest result of it.
        if self.limits.session_bytes < 2 * self.link.largest_message {
            let (bytes, largest) = (self.limits.session_bytes, self.link.largest_message);
            return Err(ConfigError::SmallSessions { bytes, largest });
        }
        let burst = (2 * self.limits.window_outcomes).max(2 * self.limits.node_capacity as usize);
        if self.link.queue <= burst {
            return Err(ConfigError::ShortQueue { queue: self.link.queue, burst });
        }
        Ok(())
    }
}

/// Durations, written `"10s"` or `"5min"` in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// From the upgrade to the hello; then the connection is closed with 4008.
    #[serde(with = "humantime_serde")]
    pub hello_timeout: Duration,
    /// A waiting job without a single live node fails with `NO_AVAILABLE_NODE` after this
    /// (docs/failures.md, silent success).
    #[serde(with = "humantime_serde")]
    pub no_node_timeout: Duration,
    /// A waiting job whose live nodes are all full fails with `QUEUE_TIMEOUT` after this.
    #[serde(with = "humantime_serde")]
    pub queue_timeout: Duration,
    /// From an assignment to its `job_ack`; then the attempt is spent.
    #[serde(with = "humantime_serde")]
    pub job_ack_timeout: Duration,
    /// Silence of an acknowledged attempt; then it is spent. (docs/failures.md, silent success: this
    /// timeout of 30 s once ran from the dispatch on and fired after the result.)
    #[serde(with = "humantime_serde")]
    pub progress_timeout: Duration,
    /// A job's whole life, from its submit; then `JOB_TIMEOUT`.
    #[serde(with = "humantime_serde")]
    pub job_timeout: Duration,
    /// Silence of a node; then it is declared dead. Three of its heartbeats.
    #[serde(with = "humantime_serde")]
    pub node_timeout: Duration,
    /// Without a data message and without an outstanding job, a session's connection is closed with 1000 "idle".
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long an absent session's result is kept before it becomes `RESULT_EXPIRED`.
    #[serde(with = "humantime_serde")]
    pub result_kept: Duration,
    /// From a disconnect to forgetting the session, or the node's identity.
    #[serde(with = "humantime_serde")]
    pub forget_after: Duration,
    /// Unacknowledged outcomes without progress; then the connection is dead.
    #[serde(with = "humantime_serde")]
    pub ack_timeout: Duration,
    /// How long an HTTP client may take over its request head.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// From the order to stop to the last 1012.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Pause after a failed accept, so that a shortage of descriptors does not become a hot loop.
    #[serde(with = "humantime_serde")]
    pub accept_pause: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            hello_timeout: seconds(10),
            no_node_timeout: seconds(10),
            queue_timeout: seconds(120),
            job_ack_timeout: seconds(3),
            progress_timeout: seconds(30),
            job_timeout: seconds(600),
            node_timeout: seconds(15),
            idle_timeout: seconds(600),
            result_kept: seconds(120),
            forget_after: seconds(600),
            ack_timeout: seconds(20),
            header_timeout: seconds(10),
            shutdown_grace: seconds(10),
            accept_pause: Duration::from_millis(100),
        }
    }
}

impl Timings {
    fn validate(&self) -> Result<(), ConfigError> {
        let all = [
            ("timings.hello_timeout", self.hello_timeout),
            ("timings.no_node_timeout", self.no_node_timeout),
            ("timings.queue_timeout", self.queue_timeout),
            ("timings.job_ack_timeout", self.job_ack_timeout),
            ("timings.progress_timeout", self.progress_timeout),
            ("timings.job_timeout", self.job_timeout),
            ("timings.node_timeout", self.node_timeout),
            ("timings.idle_timeout", self.idle_timeout),
            ("timings.result_kept", self.result_kept),
            ("timings.forget_after", self.forget_after),
            ("timings.ack_timeout", self.ack_timeout),
            ("timings.header_timeout", self.header_timeout),
            ("timings.accept_pause", self.accept_pause),
        ];
        if let Some((name, _)) = all.iter().find(|(_, value)| value.is_zero()) {
            return Err(ConfigError::Zero(name));
        }
        if let Some((name, _)) = all.iter().find(|(_, value)| *value > LONGEST) {
            return Err(ConfigError::TooLong(name));
        }
        if self.shutdown_grace > LONGEST {
            return Err(ConfigError::TooLong("timings.shutdown_grace"));
        }
        if self.result_kept > self.forget_after {
            return Err(ConfigError::KeptPastForgetting);
        }
        Ok(())
    }
}

/// The longest duration a setting may have: far beyond use, and safe to add to any instant.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Bounds on memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Attempts at one job.
    pub attempts: u32,
    /// Jobs waiting for a node, over all sessions.
    pub queued_jobs: usize,
    /// Results kept for one absent session.
    pub results_kept: usize,
    /// Settled jobs remembered per session, so that a repeated submit is known.
    pub settled_kept: usize,
    /// Open jobs and unacknowledged outcomes of one session; a submit beyond closes it with 1013.
    pub unsettled_jobs: usize,
    /// Sessions, present and absent.
    pub sessions: usize,
    /// Node identities, present and absent.
    pub nodes: usize,
    /// The largest capacity a node may register.
    pub node_capacity: u32,
    /// Sockets served at a time, HTTP requests included.
    pub connections: usize,
    /// Outcomes sent on one connection and not yet acknowledged.
    pub window_outcomes: usize,
    /// The same in bytes of text; one outcome always fits.
    pub window_bytes: usize,
    /// Bytes of text that one session's open jobs and unacknowledged outcomes may hold. A submit or an outcome beyond
    /// closes it with 1013; an absent session's oldest results expire.
    pub session_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 3,
            queued_jobs: 1000,
            results_kept: 1000,
            settled_kept: 1000,
            unsettled_jobs: 3000,
            sessions: 10_000,
            nodes: 10_000,
            node_capacity: 100,
            connections: 20_000,
            window_outcomes: 64,
            window_bytes: 4 << 20,
            session_bytes: 64 << 20,
        }
    }
}

impl Limits {
    fn validate(&self) -> Result<(), ConfigError> {
        let all = [
            ("limits.attempts", self.attempts as usize),
            ("limits.queued_jobs", self.queued_jobs),
            ("limits.results_kept", self.results_kept),
            ("limits.settled_kept", self.settled_kept),
            ("limits.unsettled_jobs", self.unsettled_jobs),
            ("limits.sessions", self.sessions),
            ("limits.nodes", self.nodes),
            ("limits.node_capacity", self.node_capacity as usize),
            ("limits.connections", self.connections),
            ("limits.window_outcomes", self.window_outcomes),
            ("limits.window_bytes", self.window_bytes),
            ("limits.session_bytes", self.session_bytes),
        ];
        if let Some((name, _)) = all.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Zero(name));
        }
        Ok(())
    }
}

/// Room for the fields around a text; less could not carry the protocol's own messages.
pub(crate) const SMALLEST_MESSAGE: usize = 4096;

/// Why a configuration is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Not TOML, or a setting that does not exist.
    #[error("read the configuration: {0}")]
    Parse(String),
    /// A setting that must be more than zero.
    #[error("accept `{0}`: it must be more than zero")]
    Zero(&'static str),
    /// A duration beyond a year.
    #[error("accept `{0}`: it must be at most a year")]
    TooLong(&'static str),
    /// A result would outlive its session.
    #[error("accept `timings.result_kept`: it must not be longer than `timings.forget_after`")]
    KeptPastForgetting,
    /// A setting of the link.
    #[error("accept `link`: link.{0}")]
    Link(BadSetting),
    /// Messages too small for the protocol.
    #[error("accept `link.largest_message` = {0}: the protocol's messages need 4096")]
    SmallMessages(usize),
    /// A session could not hold one large job.
    #[error("accept `limits.session_bytes` = {bytes}: it must be at least twice `link.largest_message`, {}", 2 * largest)]
    SmallSessions {
        /// As configured.
        bytes: usize,
        /// The largest message.
        largest: usize,
    },
    /// A healthy peer could fill the queue.
    #[error("accept `link.queue` = {queue}: a healthy peer may be sent {burst} messages at once")]
    ShortQueue {
        /// As configured.
        queue: usize,
        /// What it must exceed.
        burst: usize,
    },
}

impl From<BadSetting> for ConfigError {
    fn from(setting: BadSetting) -> Self {
        Self::Link(setting)
    }
}

impl ConfigError {
    /// The settings that it is about, as dotted names, the one to be changed first.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        match self {
            Self::Parse(_) => Vec::new(),
            Self::Zero(name) | Self::TooLong(name) => vec![(*name).to_owned()],
            Self::KeptPastForgetting => vec!["timings.result_kept".to_owned(), "timings.forget_after".to_owned()],
            Self::Link(BadSetting { setting, .. }) => vec![format!("link.{setting}")],
            Self::SmallMessages(_) => vec!["link.largest_message".to_owned()],
            Self::SmallSessions { .. } => vec!["limits.session_bytes".to_owned(), "link.largest_message".to_owned()],
            Self::ShortQueue { .. } => {
                ["link.queue", "limits.window_outcomes", "limits.node_capacity"].map(str::to_owned).to_vec()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_documented_protocol() {
        let config = Config::from_toml("").expect("defaults are valid");
        assert_eq!(config, Config::default());
        assert_eq!(config.timings.no_node_timeout, Duration::from_secs(10));
        assert_eq!(config.limits.attempts, 3);
    }

    #[test]
    fn durations_are_written_for_people() {
        let config = Config::from_toml("[timings]\nidle_timeout = \"5min\"").expect("valid");
        assert_eq!(config.timings.idle_timeout, Duration::from_secs(300));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = Config::from_toml("[timings]\nidle_timeuot = \"5min\"").expect_err("a typo");
        assert!(error.to_string().contains("idle_timeuot"), "{error}");
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        assert_eq!(Config::from_toml("[limits]\nattempts = 0"), Err(ConfigError::Zero("limits.attempts")));
        assert_eq!(Config::from_toml("[timings]\nack_timeout = \"0s\""), Err(ConfigError::Zero("timings.ack_timeout")));
        assert_eq!(Config::from_toml("[timings]\nresult_kept = \"20min\""), Err(ConfigError::KeptPastForgetting));
        assert_eq!(Config::from_toml("[link]\nqueue = 64"), Err(ConfigError::ShortQueue { queue: 64, burst: 200 }));
    }
}
