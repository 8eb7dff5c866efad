//! Scenarios: who takes part, what breaks, how facts are known, and which laws must hold.
//!
//! A [`Scenario`] is data. It is read from a TOML file ([`Scenario::load`], [`load_dir`]) or built in Rust
//! ([`Scenario::new`]); both are checked by the same laws, and every mistake is one [`ScenarioError`] with its line.
//! What a scenario leaves to chance (its [`FaultRule`]s) is drawn when a [`Plan`](crate::plan::Plan) is made.
//!
//! # The file
//!
//! Durations are strings with a unit, in whole milliseconds of virtual time. Names are made of letters, digits, `_` and
//! `-`. Unknown keys are mistakes.
//!
//! | table | keys |
//! |---|---|
//! | (top) | `proves`; `name` (else the file's stem), `base`, `starts_at` (a date in UTC), `time_limit`, `settle` |
//! | `[network]` | `latency` (one way), `send_buffer_bytes`, `receive_buffer_bytes`, `tcp_syn_linear_timeouts`, `idle_timeout` (with `forgets`), `interleaved`, `arrivals` |
//! | `[host.NAME]`, `[actor.NAME]` | `run`; `start`, `tells` (kinds of facts), `config` (any table) |
//! | `[[link]]` | `between` (two hosts); `latency`, `send_buffer_bytes`, `receive_buffer_bytes`, `tcp_syn_linear_timeouts`, `idle_timeout` (with `forgets`) |
//! | `[[fault]]` | `link` (`"alice -> chat"`; `connection`, from 1), `between` or `host`; `when`; `do` and its parameters |
//! | `[moment.NAME]` | `link`, and a trigger with what stands beside it |
//! | `[verbs]` | a list of verbs for each name |
//! | `[[facts]]` | `fact`; `event` (`host`, `target`), `unit` (`link`, `direction`, `at`) or `connection` (`link`, `at`); `where`, `key`, `as`, `numbered`, `value`, `from`, `to`, `optional` |
//! | `[checks.NAME]` | those of the [check](crate::check), or of a [check of the catalogue's own](crate::Catalogue::own_check) |
//! | `[[specimen]]` | `name`, `host`, `run`, `convicted_by` |
//!
//! | trigger (`when`) | beside it |
//! |---|---|
//! | `at` | |
//! | `message` (a number, or what it says) | `direction` or `to`; `n` (of those that say it), `edge` |
//! | `http_head` | `direction` or `to`; `edge` |
//! | `frame` (a kind of frame) | `direction` or `to`; `n`, `edge` |
//! | `sse_event` (a number, or what its data says) | `n` (of those that say it), `edge` |
//! | `chunk`, `line` (of HTTP bodies) | `direction` (without: `"to_client"`) or `to`; `edge` |
//! | `bytes` | `direction` or `to` |
//! | `event` (a message) | `host`, `where`, `n`, `after` |
//! | `connect = true` | |
//! | `idle` (a time) | |
//!
//! An `edge` is `"before"`, `"after"` (also without one) or `{ inside = K }`. `to` names the host that receives, in place of
//! `direction`. What a message says is written as under `where`: `message = { type = "result" }`; the fields `from` and `to` of
//! a message as `/from` and `/to`, because a table with `from` and `to` is a range of numbers.
//!
//! `when = "first_result"` is the moment of that name, and `when = { moment = "first_result", edge = "before" }` that moment with
//! something different about it. A fault that names no `link` strikes its moment's. `do = { one_of = "breaks" }` is the list of
//! that name under `[verbs]`; a list of choices may hold names of lists, too.
//!
//! A `connection` may be a list (`[2, 4]`) or a range (`"2..=7"`): then the table is a fault for each of them, and the seed
//! draws for each by itself.
//!
//! | verb (`do`) | parameters |
//! |---|---|
//! | `reset`, `drop` | `to` |
//! | `close` | `code` (without: an empty Close frame), `reason`, `to` |
//! | `half_close` | `by` |
//! | `half_open` | `kind`; `direction`, `heal_after` |
//! | `illegal` | `kind`; `to` |
//! | `cut` | `ending` |
//! | `truncate_clean` | |
//! | `refuse`, `connect_hang`, `handshake_stall`, `accept_then_reset` | `lasting` |
//! | `lookup_fails` | `kind` (without: `"no_such_name"`), `lasting` |
//! | `lookup_moves` | `to` (a host); `lasting` |
//! | `buffer` | `bytes`; `flush_after`, `direction`, `lasting` |
//! | `throttle` | `bytes_per_second`; `direction`, `lasting` |
//! | `drip` | `every`; `bytes`, `direction`, `lasting` |
//! | `split` | `bytes`; `direction`, `lasting` |
//! | `corrupt` | |
//! | `duplicate_message` | `copies` |
//! | `reorder_messages` | `by` |
//! | `upstream` | `kind` and what that takes: `status` (`status`), `slow_head` (`by`), `missing_done`, `error_event` (`message`), `stall` (`heal_after`) |
//! | `delay`, `jitter` | `by` or `up_to`; `lasting` |
//! | `io_error` | `call`, `kind`, `side` (not for `accept` and `connect`); `nth`, `lasting` |
//! | `partition` (`between`) | `one_way`, `heal_after` |
//! | `freeze` (`host`) | `thaw_after` |
//! | `crash`, `power_loss` (`host`) | `restart_after` |
//! | `clock_jump` (`host`) | `forward` or `back` |
//! | `restart` (`host`) | `pause` |
//!
//! A seed draws one item wherever a trigger or a verb has a list for a value, one table of `{ one_of = [...] }` as a
//! whole `when` or `do`, and a number or time of `{ from = A, to = B }` in what a trigger counts. Of several lists each
//! combination is as likely as any other.
//!
//! A `base` is a file in a folder `_base` (or `base`) beside or above the scenario, and may have a `base` itself. It has no faults
//! and no specimens. Where both files say something the scenario counts, key by key, and a list takes the place of the
//! base's list. But its `[[facts]]` and `[[link]]`s are added to those of the base, of which a link between the same two
//! hosts goes, and `checks.NAME = false` drops a check of the base.
//!
//! The key of a mapped fact: `key` names the fields of an event (or the pointer into a unit) that hold it, `as` gives it;
//! without either it is the event's message, the unit's connection, the connection's link. `numbered = true` adds the
//! number of the occurrence on its host, or of the connection. A `connection` is `attempted` (as `retried`: but for the
//! first of its link), `established`, `refused`, `timed_out`, `finished`, `reset`, `given_up` or `closed`.
//!
//! Under `where` stand the fields that must have a value; in `[[facts]]`, and in what a message says, `"!x"` is any value but
//! `x`. Of a unit they are JSON pointers or the names of fields of the whole, and `{ present = true }` wants any value,
//! `{ present = false }` none.
//!
//! `sometimes = "each verb of each fault"` under `[checks]` stands for a state of each verb that a fault may draw, on what
//! it strikes.
//!
//! # The code
//!
//! From text to scenario: `document` (TOML with lines), `section` and `typed` (tables and values), `verb`, `trigger`,
//! `pattern`, `names`, `rule`, `facts` and `read` (the words), `validate` (what no single word shows). `folder` finds files and bases,
//! `build` is for Rust, `write` goes the other way.

mod build;
mod date;
mod document;
mod duration;
mod error;
mod facts;
mod folder;
mod language;
mod names;
mod pattern;
mod read;
mod rule;
mod section;
mod trigger;
mod typed;
mod validate;
mod verb;
mod write;

use std::path::Path;
use std::time::Duration;

pub use error::ScenarioError;
pub use folder::{FaultyFile, Folder, load_dir, load_folder};
pub use language::{base_schema, reference, schema};
pub use rule::{FaultRule, When};

#[cfg(test)]
pub(crate) mod arbitrary;

pub(crate) use document::Node;
pub(crate) use error::nearest;
use error::{Flaw, Mistakes};
pub(crate) use folder::text_of;
pub(crate) use read::{faults, in_document};
pub(crate) use section::Section;
pub(crate) use write::{document, fault_tables};

use serde::{Deserialize, Serialize};

use crate::check::{Expectations, OwnChecks};
use crate::fact::FactKind;
use crate::fault::Middlebox;
use crate::mapping::FactSource;
use crate::name::HostName;
use document::Lines;

/// A complete scenario. Two are equal when they say the same, wherever they are written.
///
/// ```
/// use std::path::Path;
/// use halfopen::scenario::Scenario;
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
    /// Pairs of hosts between which the network is another than elsewhere.
    pub links: Vec<LinkSpec>,
    /// What breaks.
    pub rules: Vec<FaultRule>,
    /// What is known from events and units.
    pub facts: Vec<FactSource>,
    /// The laws that must hold.
    pub checks: Expectations,
    /// Defective hosts that the checks must convict.
    pub specimens: Vec<Specimen>,
    /// What the wall clock says at the start of a run, since 1970; whole seconds.
    pub starts_at: Duration,
    /// The virtual time after which a run is ended.
    pub time_limit: Duration,
    /// The virtual time between the end of the last actor and the judgement.
    pub settle: Duration,
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

/// Two hosts between which the network is another than elsewhere. What is `None` is as elsewhere.
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
        Self::whole_from_toml(text, path).map_err(|mistakes| mistakes.first(path))
    }

    /// As [`load`](Self::load), with every mistake.
    fn load_whole(path: &Path) -> Result<Self, Vec<ScenarioError>> {
        let text = text_of(path).map_err(|error| vec![error])?;
        Self::whole_from_toml(&text, path).map_err(|mistakes| mistakes.sorted(path))
    }

    fn whole_from_toml(text: &str, path: &Path) -> Result<Self, Mistakes> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut mistakes = Mistakes::default();
        let whole = folder::with_base(Node::parse(text, path)?, path, &mut mistakes)?;
        match mistakes.keep(read::scenario(&whole, stem.as_deref())) {
            Some(scenario) => mistakes.unless(scenario),
            None => Err(mistakes),
        }
    }

    /// The scenario as a file that says the same, whole: without a base, with every default written out.
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

    /// Checks that everything that is run, specimens included, is in a catalogue of these hosts and actors.
    ///
    /// # Errors
    ///
    /// One for each `run` that is not.
    pub fn check_runs(&self, hosts: &[&str], actors: &[&str]) -> Result<(), Vec<ScenarioError>> {
        self.without_flaws(validate::runs(self, hosts, actors))
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
