//! Every number the scheduler lives by. The defaults are the documented protocol's; a configuration file may change
//! each of them, and [`Config::validate`] refuses those that contradict each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use halfopen_door::{KeySource, Site};
use halfopen_link::LinkConfig;
use halfopen_link::config::BadSetting;
use halfopen_tls::Identity;
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
    /// Who may come in.
    pub access: Access,
    /// The certificate and key under which sessions and nodes are served over TLS. Without them they speak plain `ws://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Identity>,
    /// Ping, pong, close and sizes of every WebSocket.
    pub link: LinkConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5010)),
            timings: Timings::default(),
            limits: Limits::default(),
            access: Access::default(),
            tls: None,
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
        if self.limits.total_bytes < 2 * self.link.largest_message {
            let (bytes, largest) = (self.limits.total_bytes, self.link.largest_message);
            return Err(ConfigError::SmallTotal { bytes, largest });
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
    /// How long a job rests at most after its first failed attempt: a random time between half of it and all of it. Each further
    /// failure doubles it.
    #[serde(with = "humantime_serde")]
    pub retry_first: Duration,
    /// The longest rest between two attempts at a job.
    #[serde(with = "humantime_serde")]
    pub retry_longest: Duration,
    /// How long a node is given no work that did not acknowledge, fell silent at work, or failed what another did. Each further
    /// time until it has done a job doubles it.
    #[serde(with = "humantime_serde")]
    pub bench_first: Duration,
    /// The longest time on the bench.
    #[serde(with = "humantime_serde")]
    pub bench_longest: Duration,
    /// The longest that a node is left alone at its own request.
    #[serde(with = "humantime_serde")]
    pub pause_longest: Duration,
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
    /// Pause after a failed accept, so that a shortage of descriptors does not become a hot loop; also how long the first
    /// connection without room waits for one that has left.
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
            retry_first: Duration::from_millis(500),
            retry_longest: seconds(10),
            bench_first: seconds(1),
            bench_longest: seconds(60),
            pause_longest: seconds(300),
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
            ("timings.retry_first", self.retry_first),
            ("timings.retry_longest", self.retry_longest),
            ("timings.bench_first", self.bench_first),
            ("timings.bench_longest", self.bench_longest),
            ("timings.pause_longest", self.pause_longest),
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
    /// WebSockets served at a time.
    pub connections: usize,
    /// Sockets at a time that are no WebSockets: those that are slow to ask take nothing from those who have been admitted.
    pub waiting_connections: usize,
    /// Sockets of one address at a time: of one IPv4 address, or of one IPv6 network of 64 bits.
    pub connections_per_address: usize,
    /// Outcomes sent on one connection and not yet acknowledged.
    pub window_outcomes: usize,
    /// The same in bytes of text; one outcome always fits.
    pub window_bytes: usize,
    /// Bytes of text that one session's open jobs and unacknowledged outcomes may hold. A submit or an outcome beyond
    /// closes it with 1013; an absent session's oldest results expire.
    pub session_bytes: usize,
    /// Bytes of text that all sessions' open jobs and unacknowledged outcomes may hold. Each session may hold as much as is left
    /// free, so that the more there is held the less one may hold, and there is always room for who holds little.
    pub total_bytes: usize,
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
            waiting_connections: 2000,
            connections_per_address: 5000,
            window_outcomes: 64,
            window_bytes: 4 << 20,
            session_bytes: 64 << 20,
            total_bytes: 128 << 20,
        }
    }
}

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Nodes have to show one of these keys.
    pub node_keys: KeySource,
    /// Sessions have to show one of these keys.
    pub session_keys: KeySource,
    /// The hosts that requests may be meant for, and the pages that may send them.
    pub site: Site,
    /// Nodes need no key although others can reach the port.
    pub open: bool,
}

impl Config {
    /// Refuses to serve nodes without keys on an address that others can reach: who is a node is given every user's texts, and
    /// answers them.
    ///
    /// # Errors
    /// [`ConfigError::Open`].
    pub fn guarded(&self) -> Result<(), ConfigError> {
        let is_private = self.listen.ip().to_canonical().is_loopback();
        if is_private || self.access.node_keys.is_set() || self.access.open {
            return Ok(());
        }
        Err(ConfigError::Open(self.listen))
    }
}

impl Limits {
    /// Stays within the descriptors that the process has: what is beyond would fail at its accept.
    #[must_use]
    pub fn within(mut self, descriptors: usize) -> Self {
        let sockets = descriptors.saturating_sub(DESCRIPTORS_KEPT).max(4);
        self.waiting_connections = self.waiting_connections.min(sockets / 4);
        self.connections = self.connections.min(sockets - sockets / 4);
        self
    }

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
            ("limits.waiting_connections", self.waiting_connections),
            ("limits.connections_per_address", self.connections_per_address),
            ("limits.window_outcomes", self.window_outcomes),
            ("limits.window_bytes", self.window_bytes),
            ("limits.session_bytes", self.session_bytes),
            ("limits.total_bytes", self.total_bytes),
        ];
        if let Some((name, _)) = all.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Zero(name));
        }
        Ok(())
    }
}

/// Descriptors for everything that is no admitted connection: files, timers, and those who are told that there is no room.
const DESCRIPTORS_KEPT: usize = 96;

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
    /// All sessions together could not hold one large job.
    #[error("accept `limits.total_bytes` = {bytes}: it must be at least twice `link.largest_message`, {}", 2 * largest)]
    SmallTotal {
        /// As configured.
        bytes: usize,
        /// The largest message.
        largest: usize,
    },
    /// Others could reach the port, and nothing would ask them who they are.
    #[error(
        "serve nodes without keys on {0}, which others can reach: set access.node_keys, or say --open if that is meant"
    )]
    Open(SocketAddr),
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
            Self::SmallTotal { .. } => vec!["limits.total_bytes".to_owned(), "link.largest_message".to_owned()],
            Self::Open(_) => vec!["listen".to_owned()],
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
    fn nodes_without_keys_are_not_served_on_an_address_that_others_can_reach() {
        let guarded = |text: &str| Config::from_toml(text).expect("valid").guarded();
        assert_eq!(guarded("listen = \"127.0.0.1:5010\""), Ok(()));
        assert_eq!(guarded("listen = \"[::1]:5010\""), Ok(()));
        let refused = guarded("listen = \"0.0.0.0:5010\"").expect_err("anyone could be a node");
        assert!(refused.to_string().contains("0.0.0.0:5010") && refused.to_string().contains("--open"), "{refused}");
        assert_eq!(guarded("listen = \"0.0.0.0:5010\"\n[access]\nopen = true"), Ok(()));
        assert_eq!(guarded("listen = \"0.0.0.0:5010\"\n[access.node_keys]\nenv = \"NODE_KEYS\""), Ok(()));
    }

    #[test]
    fn connections_stay_within_the_descriptors() {
        let limits = |descriptors| {
            let Limits { connections, waiting_connections, .. } = Limits::default().within(descriptors);
            (connections, waiting_connections)
        };
        assert_eq!([limits(256), limits(1 << 20), limits(0)], [(120, 40), (20_000, 2000), (3, 1)]);
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
