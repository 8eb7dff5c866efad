//! Scenarios built in Rust.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Lines;
use super::error::Mistakes;
use super::validate::{self, Places};
use super::{FaultRule, HostSpec, Network, Role, Scenario, ScenarioError};
use crate::check::Expectations;
use crate::name::HostName;

impl Scenario {
    /// An empty scenario. Add to it, then have it [checked](Self::checked).
    ///
    /// ```
    /// use std::time::Duration;
    /// use halfopen::fault::{Fault, Partition, Trigger};
    /// use halfopen::Scenario;
    /// use halfopen::internals::HostSpec;
    ///
    /// let scenario = Scenario::new("reset", "a reset is survived")
    ///     .with_host(HostSpec::host("chat", "chat"))
    ///     .with_host(HostSpec::actor("alice", "talker"))
    ///     .with_rule(Fault::new(
    ///         ("alice".into(), "chat".into()),
    ///         Trigger::At(Duration::from_secs(3)),
    ///         Partition { one_way: false, heal_after: Some(Duration::from_secs(10)) },
    ///     ))
    ///     .checked()
    ///     .unwrap();
    /// assert_eq!(scenario.hosts.len(), 2);
    /// ```
    pub fn new(name: impl Into<String>, proves: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            proves: proves.into(),
            network: Network::default(),
            hosts: Vec::new(),
            links: Vec::new(),
            rules: Vec::new(),
            facts: Vec::new(),
            checks: Expectations::default(),
            specimens: Vec::new(),
            opposites: Vec::new(),
            convicts: Vec::new(),
            starts_at: Self::STARTS_AT,
            time_limit: Self::TIME_LIMIT,
            settle: Self::SETTLE,
            seeds: None,
            tags: Vec::new(),
            lines: Lines::default(),
        }
    }

    /// Adds a host or actor.
    #[must_use]
    pub fn with_host(mut self, host: HostSpec) -> Self {
        self.hosts.push(host);
        self
    }

    /// Adds a fault, or a rule for one.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Into<FaultRule>) -> Self {
        self.rules.push(rule.into());
        self
    }

    /// The scenario with its hosts in order, if it has no mistake.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn checked(self) -> Result<Self, ScenarioError> {
        let file = self.file().map_or_else(|| PathBuf::from(&self.name), Path::to_path_buf);
        let places = Places::of(&self);
        self.checked_at(&places).map_err(|mistakes| mistakes.first(&file))
    }

    /// The same, with every mistake. `places` says where its parts stand in their lists.
    pub(super) fn checked_at(mut self, places: &Places) -> Result<Self, Mistakes> {
        self.hosts.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
        let mut mistakes = Mistakes::default();
        let flaws = validate::scenario(&self, places);
        mistakes.extend(flaws.into_iter().map(|flaw| self.lines.error(flaw, &self.name)));
        mistakes.unless(self)
    }

    /// The same, with the place of each rule's table in its file.
    pub(super) fn with_fault_tables(mut self, tables: Vec<usize>) -> Self {
        self.lines = self.lines.with_fault_tables(tables);
        self
    }

    /// The same, written in a file.
    pub(super) fn written_at(mut self, lines: Lines) -> Self {
        self.lines = lines;
        self
    }
}

impl HostSpec {
    /// A service that starts at once.
    pub fn host(name: impl Into<HostName>, run: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            run: run.into(),
            role: Role::Host,
            start: Duration::ZERO,
            config: toml::Table::new(),
            tells: Vec::new(),
        }
    }

    /// An actor that starts at once.
    pub fn actor(name: impl Into<HostName>, run: impl Into<String>) -> Self {
        Self { role: Role::Actor, ..Self::host(name, run) }
    }

    /// Sets its configuration.
    #[must_use]
    pub fn with_config(mut self, config: toml::Table) -> Self {
        self.config = config;
        self
    }
}
