//! Scenarios: who takes part, what breaks, how facts are known, and which laws must hold.
//!
//! A [`Scenario`] is data. It is read from a TOML file ([`Scenario::load`], [`load_dir`]) or built in Rust
//! ([`Scenario::new`]); both are checked by the same laws, and every mistake is one [`ScenarioError`] with its line.
//! What a scenario leaves to chance (its [`FaultRule`]s) is drawn when a [`Plan`](crate::plan::Plan) is made.
//!
//! # The file
//!
//! `docs/scenarios.md` lists every table and key, with its type, its default and an example; [`reference()`] writes it, and
//! [`schema()`] writes the JSON schema that editors use. Both are made from the tables by which the parser reads.
//!
//! # The code
//!
//! From text to scenario: `document` (TOML with lines), `section` and `typed` (tables and values), `verb`, `trigger`,
//! `pattern`, `names`, `rule`, `facts`, `timing`, `backoff`, `convicts`, `opposite` and `read` (the words; `language` holds their keys), `validate` (what no single word
//! shows). `files` finds files, `folder` their bases, `build` is for Rust, `write` goes the other way.

mod backoff;
mod build;
mod convicts;
mod date;
mod document;
mod duration;
mod error;
mod excerpt;
mod facts;
mod files;
mod folder;
mod language;
mod names;
mod opposite;
mod pattern;
mod read;
mod rule;
mod section;
mod timing;
mod trigger;
mod typed;
mod validate;
mod verb;
mod write;

use std::path::Path;
use std::time::Duration;

pub use error::ScenarioError;
#[cfg(feature = "sim")]
pub(crate) use excerpt::excerpts;
pub use folder::load_dir;
pub(crate) use folder::{Folder, load_folder};
pub use language::{base_schema, reference, schema};
pub use rule::FaultRule;
pub(crate) use rule::When;

#[cfg(test)]
pub(crate) mod arbitrary;

pub(crate) use convicts::{StandIn, StandIns};
pub(crate) use document::{Entry, LocatedValue, Place, Value, as_key};
pub(crate) use duration::Millis;
use error::{Flaw, Mistakes};
pub(crate) use error::{nearest, unknown};
pub(crate) use files::text_of;
#[cfg(feature = "sim")]
pub(crate) use read::fault_rules;
pub(crate) use read::{faults, in_document};
pub(crate) use rule::BESIDE_A_VERB;
pub(crate) use section::Section;
pub(crate) use typed::read as read_value;
pub(crate) use verb::list_parameters;
pub(crate) use write::{document, fault_tables};

use serde::{Deserialize, Serialize};

#[cfg(feature = "sim")]
use crate::catalogue::Misfit;
use crate::check::{Expectations, OwnChecks};
use crate::fact::FactKind;
#[cfg(feature = "sim")]
use crate::fault::Fault;
use crate::fault::{Middlebox, Registry};
use crate::mapping::FactSource;
use crate::name::HostName;
use convicts::Conviction;
use document::Lines;

/// A complete scenario. Two are equal when they say the same, wherever they are written.
///
/// ```
/// use std::path::Path;
/// use halfopen::Scenario;
///
/// let scenario = Scenario::from_toml(
///     r#"
///     proves = "an idle close is noticed"
///
///     [host.chat]
///     run = "chat"
///
///     [actor.alice]
///     run = "talker"
///
///     [[fault]]
///     link = "alice -> chat"
///     when = { at = "11min" }
///     do = "close"
///     code = 1000
///     "#,
///     Path::new("scenarios/idle_close.toml"),
/// )
/// .unwrap();
/// assert_eq!(scenario.name, "idle_close");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What a run of it proves, in a sentence.
    pub proves: String,
    /// What the network between the hosts is like.
    pub network: Network,
    /// Hosts, then actors, each sorted by name: in this order they start.
    pub hosts: Vec<HostSpec>,
    /// Pairs of hosts with network parameters of their own.
    pub links: Vec<LinkSpec>,
    /// What breaks.
    pub rules: Vec<FaultRule>,
    /// What is known from events and units.
    pub facts: Vec<FactSource>,
    /// The laws that must hold.
    pub checks: Expectations,
    /// Defective hosts that the checks must convict.
    pub specimens: Vec<Specimen>,
    /// The scenario with changes under which its sentence is false, and which the checks must convict.
    pub opposites: Vec<Opposite>,
    /// Specimens that the file names and no catalogue has been asked for yet.
    pub(crate) convicts: Vec<Conviction>,
    /// What the wall clock says at the start of a run, since 1970; whole seconds.
    pub starts_at: Duration,
    /// The virtual time after which a run is ended.
    pub time_limit: Duration,
    /// The virtual time between the end of the last actor and the judgement.
    pub settle: Duration,
    /// The most seeds under which a sweep plays it, at least 1; as many as are asked for, if it does not say.
    pub seeds: Option<u32>,
    /// Words by which the command's `--tag` chooses scenarios.
    pub tags: Vec<String>,
    lines: Lines,
}

/// What the network between the hosts is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// What holds between two hosts that no [`LinkSpec`] names.
    pub link: LinkParameters,
    /// Whether the seed also decides when tasks yield, how much a read returns and how much a write takes.
    pub interleaved: bool,
    /// When packets arrive that are due while tasks run. `None`: between polls, or, in a scenario that is interleaved, as
    /// the plan draws it.
    pub arrivals: Option<Arrivals>,
}

/// When a packet arrives that is due at an instant at which tasks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Before any of them is polled.
    #[default]
    BetweenPolls,
    /// Sometimes as well between two socket calls of one poll, as on a machine whose network does not wait for a process:
    /// a read has nothing, and the write after it fails. The seed decides which.
    BetweenCalls,
}

impl Default for Network {
    /// The defaults of [`LinkParameters`]; interleaved.
    fn default() -> Self {
        Self { link: LinkParameters::default(), interleaved: true, arrivals: None }
    }
}

/// What a network between two hosts is like, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkParameters {
    /// How long a packet takes one way; whole milliseconds.
    pub latency: Duration,
    /// How much a process can write before any of it is acknowledged, bytes. A socket's `SO_SNDBUF` takes its place.
    pub send_buffer_bytes: u32,
    /// How much a kernel takes in for a process that does not read, bytes. A socket's `SO_RCVBUF` takes its place.
    pub receive_buffer_bytes: u32,
    /// A hop that forgets connections which carry nothing for a while, if there is one on the way.
    pub middlebox: Option<Middlebox>,
    /// How many SYNs are sent again a second after the one before, until the waits double: the sysctl of this name, which
    /// Linux has since 6.5. At most 127.
    pub tcp_syn_linear_timeouts: u32,
}

impl Default for LinkParameters {
    /// 20 ms one way, as between neighbouring regions of a cloud, and what sockets of Linux take on a local network: a
    /// writer got rid of 3.87 MB into a connection that acknowledged nothing, and a stopped process's kernel acknowledged
    /// 127 KB. The SYNs of Linux 6.5 and later.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            send_buffer_bytes: 3_800_000,
            receive_buffer_bytes: 128 * 1024,
            middlebox: None,
            tcp_syn_linear_timeouts: 4,
        }
    }
}

/// One host of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSpec {
    /// Its name, by which the others connect to it: letters, digits, `_` and `-`.
    pub name: HostName,
    /// What it runs: a name in the catalogue.
    pub run: String,
    /// Whether it serves or acts.
    pub role: Role,
    /// The virtual time at which it starts.
    pub start: Duration,
    /// What is handed to the function that it runs.
    pub config: toml::Table,
    /// The kinds of facts that its function tells itself.
    pub tells: Vec<FactKind>,
}

/// What a host is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A service: runs until it is stopped.
    Host,
    /// A script: when all have ended, the run ends.
    Actor,
}

/// Overrides the network's parameters between two hosts; `None` keeps the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// The hosts; their order means nothing.
    pub between: (HostName, HostName),
    /// How long a packet takes one way; whole milliseconds.
    pub latency: Option<Duration>,
    /// As [`LinkParameters::send_buffer_bytes`].
    pub send_buffer_bytes: Option<u32>,
    /// As [`LinkParameters::receive_buffer_bytes`].
    pub receive_buffer_bytes: Option<u32>,
    /// As [`LinkParameters::middlebox`].
    pub middlebox: Option<Middlebox>,
    /// As [`LinkParameters::tcp_syn_linear_timeouts`].
    pub tcp_syn_linear_timeouts: Option<u32>,
}

impl LinkSpec {
    /// Whether it is the link of these two.
    pub(crate) fn joins(&self, one: &HostName, other: &HostName) -> bool {
        let (a, b) = (&self.between.0, &self.between.1);
        (a, b) == (one, other) || (a, b) == (other, one)
    }
}

/// A defective version of one host, which the checks must convict under the same plan and seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specimen {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// The host that it stands in for.
    pub host: HostName,
    /// What that host then runs.
    pub run: String,
    /// The checks that must find the defect.
    pub convicted_by: Vec<String>,
    /// The part of the scenario's sentence that is false with it, if the scenario says so.
    pub breaks: Option<String>,
}

/// A scenario with other numbers, hosts or faults, so that its sentence is false: what a law that holds the sentence must
/// convict.
#[derive(Clone, Debug, PartialEq)]
pub struct Opposite {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// The part of the sentence that is false, if the scenario says so.
    pub breaks: Option<String>,
    /// The checks that must find it.
    pub convicted_by: Vec<String>,
    /// The changed scenario. It has no specimens and opposites of its own.
    pub scenario: Scenario,
}

impl Scenario {
    /// What the wall clock says at the start of a run when the scenario does not say, since 1970: 2027-01-01T00:00:00Z. A
    /// fixed day, because the same plan is the same run for ever; the first of the year behind this version, so that the
    /// certificates and tokens that there are when it is used are valid already, and such of a year are still.
    pub const STARTS_AT: Duration = Duration::from_secs(1_798_761_600);
    /// The virtual time after which a run is ended when the scenario does not say: six times the
    /// longest timeout of docs/failures.md (300 s).
    pub const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);
    /// The time for everything to converge when the scenario does not say: longer than the usual keepalive (20 s) and
    /// the usual longest pause between two attempts to reconnect (30 s) together.
    pub const SETTLE: Duration = Duration::from_secs(60);

    /// Reads a scenario from a file, with the base that it may name.
    ///
    /// # Errors
    ///
    /// The first mistake in it.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Self::from_toml(&text_of(path)?, path)
    }

    /// Reads a scenario from a file's text. `path` gives it its name, and says where its base is looked for.
    ///
    /// # Errors
    ///
    /// The first mistake in it.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ScenarioError> {
        Self::from_toml_with(text, path, &Registry::default())
    }

    /// The same, with these verbs: those of a catalogue that has [some of its own](crate::Catalogue::own_fault).
    ///
    /// # Errors
    ///
    /// The first mistake in it.
    pub fn from_toml_with(text: &str, path: &Path, registry: &Registry) -> Result<Self, ScenarioError> {
        Self::whole_from_toml(text, path, registry).map_err(|mistakes| mistakes.first(path))
    }

    /// As [`load`](Self::load), with every mistake.
    fn load_whole(path: &Path, registry: &Registry) -> Result<Self, Vec<ScenarioError>> {
        let text = text_of(path).map_err(|error| vec![error])?;
        Self::whole_from_toml(&text, path, registry).map_err(|mistakes| mistakes.sorted(path))
    }

    fn whole_from_toml(text: &str, path: &Path, registry: &Registry) -> Result<Self, Mistakes> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut mistakes = Mistakes::default();
        let whole = folder::with_base(LocatedValue::parse(text, path)?, path, &mut mistakes)?;
        match mistakes.keep(read::scenario(&whole, stem.as_deref(), registry)) {
            Some(scenario) => mistakes.unless(scenario),
            None => Err(mistakes),
        }
    }

    /// The scenario as a file that says the same, whole: without a base, with every default written out. Its
    /// [opposites](Self::opposites) are left out: their changes are told by the names of the file that describes them.
    pub fn to_toml(&self) -> String {
        document(self, "")
    }

    /// The file that it was read from.
    pub fn file(&self) -> Option<&Path> {
        self.lines.file()
    }

    /// The host or actor of a name.
    pub fn host_named(&self, name: &HostName) -> Option<&HostSpec> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// The actors' names, sorted.
    pub fn actors(&self) -> Vec<HostName> {
        self.hosts.iter().filter(|host| host.role == Role::Actor).map(|host| host.name.clone()).collect()
    }

    /// Whether it has faults that strike anywhere: a run must show first where they can.
    #[cfg(feature = "sim")]
    pub(crate) fn strikes_anywhere(&self) -> bool {
        self.rules.iter().any(|rule| rule.anywhere)
    }

    /// Whether a fault has no mistake in this scenario.
    #[cfg(feature = "sim")]
    pub(crate) fn takes(&self, fault: &Fault) -> bool {
        validate::rule(&FaultRule::from(fault.clone()), "fault", self).is_ok()
    }

    /// What the network between two hosts is like.
    pub fn link(&self, one: &HostName, other: &HostName) -> LinkParameters {
        let usual = self.network.link;
        let Some(own) = self.links.iter().find(|link| link.joins(one, other)) else { return usual };
        LinkParameters {
            latency: own.latency.unwrap_or(usual.latency),
            send_buffer_bytes: own.send_buffer_bytes.unwrap_or(usual.send_buffer_bytes),
            receive_buffer_bytes: own.receive_buffer_bytes.unwrap_or(usual.receive_buffer_bytes),
            middlebox: own.middlebox.or(usual.middlebox),
            tcp_syn_linear_timeouts: own.tcp_syn_linear_timeouts.unwrap_or(usual.tcp_syn_linear_timeouts),
        }
    }

    /// The same scenario with a specimen in the place of its host.
    #[must_use]
    pub fn with_specimen(&self, specimen: &Specimen) -> Self {
        let mut scenario = self.clone();
        for host in scenario.hosts.iter_mut().filter(|host| host.name == specimen.host) {
            host.run.clone_from(&specimen.run);
        }
        scenario
    }

    /// Checks that the checks that are not of this crate are a catalogue's own, that their tables configure them, and that
    /// what they need is told.
    ///
    /// # Errors
    ///
    /// One for each check that is not, or is not so.
    pub fn check_own_checks(&self, own: &OwnChecks) -> Result<(), Vec<ScenarioError>> {
        self.without_flaws(validate::own_checks(self, own))
    }

    /// The same scenario with one of its specimens, or as one of its opposites; `None` if it has neither of this name.
    #[must_use]
    pub fn with_defect(&self, name: &str) -> Option<Self> {
        let specimen = self.specimens.iter().find(|specimen| specimen.name == name);
        let opposite = self.opposites.iter().find(|opposite| opposite.name == name);
        let of_opposite = || opposite.map(|opposite| opposite.scenario.clone());
        specimen.map(|specimen| self.with_specimen(specimen)).or_else(of_opposite)
    }

    /// Checks that everything that is run, specimens and opposites included, is in a catalogue of these hosts and actors.
    ///
    /// # Errors
    ///
    /// One for each `run` that is not.
    pub fn check_runs(&self, hosts: &[&str], actors: &[&str]) -> Result<(), Vec<ScenarioError>> {
        self.without_flaws(validate::runs(self, hosts, actors))?;
        self.opposites.iter().try_for_each(|opposite| opposite.scenario.check_runs(hosts, actors))
    }

    /// The scenario with the specimens that it names in `[convicts]` as a catalogue of these hosts and actors registers them.
    ///
    /// # Errors
    ///
    /// One for each specimen that is not registered, or that stands in for something that the scenario does not have.
    pub(crate) fn with_registered(
        &self,
        specimens: &StandIns,
        hosts: &[&str],
        actors: &[&str],
    ) -> Result<Self, Vec<ScenarioError>> {
        match convicts::registered(self, specimens, hosts, actors) {
            Ok(registered) => {
                let specimens = self.specimens.iter().cloned().chain(registered).collect();
                Ok(Self { specimens, convicts: Vec::new(), ..self.clone() })
            }
            Err(flaws) => Err(flaws.into_iter().map(|flaw| self.lines.error(flaw, &self.name)).collect()),
        }
    }

    /// What does not fit in a host's configuration, with its place in the file.
    #[cfg(feature = "sim")]
    pub(crate) fn misfit(&self, host: &HostName, misfit: &Misfit) -> ScenarioError {
        let role = match self.host_named(host).map(|host| host.role) {
            Some(Role::Actor) => "actor",
            Some(Role::Host) | None => "host",
        };
        let path = format!("{role}/{host}/config/{}", misfit.path);
        let sentence = match misfit.path.rsplit('/').next().filter(|key| !key.is_empty()) {
            Some(key) if !misfit.sentence.contains(&format!("`{key}`")) => {
                format!("the configuration of `{host}`: `{key}`: {}", misfit.sentence)
            }
            Some(_) | None => format!("the configuration of `{host}`: {}", misfit.sentence),
        };
        self.lines.error(Flaw { path, sentence, suggestion: misfit.suggestion.clone() }, &self.name)
    }

    fn without_flaws(&self, flaws: Vec<Flaw>) -> Result<(), Vec<ScenarioError>> {
        if flaws.is_empty() {
            return Ok(());
        }
        Err(flaws.into_iter().map(|flaw| self.lines.error(flaw, &self.name)).collect())
    }
}

#[cfg(test)]
mod tests;
