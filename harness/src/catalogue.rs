//! What a user registers: the services and actors that scenarios name, and where the scenarios lie.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::check::{Check, OwnChecks};
use crate::fact::{Fact, FactKind};
use crate::name::{HostName, Incarnation};
use crate::scenario::{Folder, Scenario, ScenarioError};

/// The error of a host or actor.
pub type BoxError = Box<dyn Error + Send + Sync>;

type Body = Arc<dyn Fn(Cx) -> Pin<Box<dyn Future<Output = Result<(), BoxError>>>> + Send + Sync>;

/// The services and actors that scenarios may name, and the folder with the scenarios.
///
/// ```no_run
/// use halfopen::Catalogue;
///
/// fn catalogue() -> Catalogue {
///     Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios")
///         .host("clock", async |cx| {
///             cx.stopped().await;
///             Ok(())
///         })
///         .actor("alice", async |cx| {
///             cx.offered("greeting");
///             Ok(())
///         })
/// }
/// ```
#[derive(Clone)]
pub struct Catalogue {
    folder: PathBuf,
    hosts: BTreeMap<String, Body>,
    actors: BTreeMap<String, Body>,
    own: OwnChecks,
}

impl Catalogue {
    /// A catalogue whose scenarios are the `*.toml` files below `folder` in `manifest_dir` (give it
    /// `env!("CARGO_MANIFEST_DIR")`).
    pub fn new(manifest_dir: &str, folder: &str) -> Self {
        let folder = PathBuf::from(manifest_dir).join(folder);
        Self { folder, hosts: BTreeMap::new(), actors: BTreeMap::new(), own: OwnChecks::default() }
    }

    /// Registers a service. `body` is called once per incarnation and should return when [`Cx::shutdown`] is
    /// cancelled; what it still owns then is dropped.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn host<F, R>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(Cx) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + 'static,
    {
        let taken = self.hosts.insert(name.to_owned(), boxed(body));
        assert!(taken.is_none(), "two hosts are registered as `{name}`");
        self
    }

    /// Registers an actor: a script whose end, with that of all other actors, ends the run.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn actor<F, R>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(Cx) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + 'static,
    {
        let taken = self.actors.insert(name.to_owned(), boxed(body));
        assert!(taken.is_none(), "two actors are registered as `{name}`");
        self
    }

    /// Registers a check of one's own: a scenario with a table `[checks.NAME]` is held to it, and the table is what the
    /// check is read from. Specimens may be convicted by it, too.
    ///
    /// ```
    /// use halfopen::Catalogue;
    /// use halfopen::check::{Check, Evidence, Finding};
    /// use halfopen::fact::FactKind;
    /// use halfopen::trace::What;
    /// use serde::Deserialize;
    ///
    /// /// Nobody is told a thing more than so often.
    /// #[derive(Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Quiet {
    ///     receipts_at_most: usize,
    /// }
    ///
    /// impl Check for Quiet {
    ///     fn name(&self) -> &'static str {
    ///         "quiet"
    ///     }
    ///
    ///     fn law(&self) -> &'static str {
    ///         "nobody is told more than is good"
    ///     }
    ///
    ///     fn needs(&self) -> Vec<FactKind> {
    ///         vec![FactKind::Received]
    ///     }
    ///
    ///     fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
    ///         let is_receipt = |what: &What| matches!(what, What::Fact(fact) if fact.kind == FactKind::Received);
    ///         let receipts = (0..).zip(evidence.records).filter(|(_, record)| is_receipt(&record.what));
    ///         let places: Vec<usize> = receipts.map(|(place, _)| place).collect();
    ///         match places.get(self.receipts_at_most) {
    ///             None => Ok(format!("{} receipts", places.len())),
    ///             Some(excess) => Err(Finding::new("too much", "too much was told.").witness([*excess])),
    ///         }
    ///     }
    /// }
    ///
    /// // In a scenario:
    /// //     [checks.quiet]
    /// //     receipts_at_most = 3
    /// let catalogue = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios").own_check::<Quiet>("quiet");
    /// assert_eq!(catalogue.own_checks().names().collect::<Vec<_>>(), ["quiet"]);
    /// ```
    ///
    /// # Panics
    /// If the name is taken, is no name, or is so near to that of a check of this crate that it would pass for that
    /// check misspelt.
    #[must_use]
    pub fn own_check<C: Check + DeserializeOwned + 'static>(mut self, name: &'static str) -> Self {
        self.own.add::<C>(name);
        self
    }

    /// The registered checks of one's own.
    pub fn own_checks(&self) -> &OwnChecks {
        &self.own
    }

    /// The names of the registered services.
    pub fn host_names(&self) -> Vec<&str> {
        self.hosts.keys().map(String::as_str).collect()
    }

    /// The names of the registered actors.
    pub fn actor_names(&self) -> Vec<&str> {
        self.actors.keys().map(String::as_str).collect()
    }

    /// The folder with the scenarios.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Every scenario of the folder, sorted by name, with all that can be checked before a run checked.
    ///
    /// # Errors
    /// One sentence per mistake, each with file and line.
    pub fn scenarios(&self) -> Result<Vec<Scenario>, Vec<ScenarioError>> {
        let folder = self.read_folder().map_err(|error| vec![error])?;
        let mistakes = folder.mistakes();
        if mistakes.is_empty() { Ok(folder.scenarios) } else { Err(mistakes) }
    }

    /// The scenarios of the folder that have no mistake, and the files that have.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn read_folder(&self) -> Result<Folder, ScenarioError> {
        Ok(crate::scenario::load_folder(&self.folder)?.checked(|scenario| self.accepts(scenario)))
    }

    /// Checks that everything that a scenario names is registered.
    pub(crate) fn accepts(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        scenario.check_runs(&self.host_names(), &self.actor_names())?;
        scenario.check_own_checks(&self.own)
    }

    /// The scenario of this name.
    ///
    /// ```no_run
    /// use halfopen::{Catalogue, Plan, Seed};
    ///
    /// fn plan(catalogue: &Catalogue) -> Plan {
    ///     Plan::draw(&catalogue.scenario("idle_close").expect("the scenarios are in order"), Seed(7))
    /// }
    /// ```
    ///
    /// # Errors
    /// The mistakes in its file: those of other files are no matter here. A name that no scenario has is an error of the
    /// folder, with the nearest name.
    pub fn scenario(&self, name: &str) -> Result<Scenario, Vec<ScenarioError>> {
        let folder = self.read_folder().map_err(|error| vec![error])?;
        if let Some(scenario) = folder.scenarios.iter().find(|scenario| scenario.name == name) {
            return Ok(scenario.clone());
        }
        if let Some(mistakes) = folder.mistakes_of(name) {
            return Err(mistakes.to_vec());
        }
        let known: Vec<_> = folder.scenarios.into_iter().map(|scenario| scenario.name).collect();
        let sentence = unknown_scenario(name, &known);
        Err(vec![ScenarioError { file: self.folder.clone(), line: 0, sentence, suggestion: None }])
    }

    /// The body that a host's or actor's `run` names.
    #[cfg(feature = "sim")]
    pub(crate) fn body(&self, run: &str, actor: bool) -> Option<Body> {
        if actor { self.actors.get(run) } else { self.hosts.get(run) }.cloned()
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("folder", &self.folder)
            .field("hosts", &self.host_names())
            .field("actors", &self.actor_names())
            .field("own_checks", &self.own)
            .finish()
    }
}

fn boxed<F, R>(body: F) -> Body
where
    F: Fn(Cx) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxError>> + 'static,
{
    Arc::new(move |cx| Box::pin(body(cx)))
}

/// The sentence about a scenario that is not there, with the nearest that is.
pub(crate) fn unknown_scenario(name: &str, known: &[String]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness > 0.7);
    match nearest {
        Some((_, candidate)) => format!("no scenario is called `{name}`; did you mean `{candidate}`?"),
        None => format!("no scenario is called `{name}`; there are {}", known.join(", ")),
    }
}

/// What a host or actor is given: its name, its configuration, and the means to tell facts.
#[derive(Clone, Debug)]
pub struct Cx {
    name: HostName,
    incarnation: Incarnation,
    config: toml::Table,
    shutdown: CancellationToken,
}

/// A host's configuration does not fit what its service wants.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the configuration of `{host}`")]
pub struct ConfigError {
    /// Whose configuration it is.
    pub host: HostName,
    /// What does not fit.
    pub source: toml::de::Error,
}

impl Cx {
    /// A context, as an engine makes it for each incarnation.
    pub fn new(name: HostName, incarnation: Incarnation, config: toml::Table, shutdown: CancellationToken) -> Self {
        Self { name, incarnation, config, shutdown }
    }

    /// This host's name in the scenario.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Which life of the host this is, from 0.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The host's `config` table as the service's own type.
    ///
    /// # Errors
    /// If the table does not fit the type.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.config.clone().try_into().map_err(|source| ConfigError { host: self.name.clone(), source })
    }

    /// Returns when the host is asked to stop.
    pub async fn stopped(&self) {
        self.shutdown.cancelled().await;
    }

    /// Cancelled when the host is asked to stop; for services that take a token.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Somebody asked for `key` to be carried.
    pub fn offered(&self, key: impl fmt::Display) {
        self.tell(Fact::new(FactKind::Offered, key));
    }

    /// The receiving application has `key`.
    pub fn received(&self, key: impl fmt::Display) {
        self.tell(Fact::new(FactKind::Received, key));
    }

    /// `key` was turned away, and the one who offered it knows.
    pub fn refused(&self, key: impl fmt::Display) {
        self.tell(Fact::new(FactKind::Refused, key));
    }

    /// Somebody asked for `key` to be carried to this host and no other.
    pub fn offered_to(&self, key: impl fmt::Display, addressee: impl Into<HostName>) {
        self.tell(Fact::new(FactKind::Offered, key).to(addressee));
    }

    /// The receiving application has the `key` that this host offered; others may have offered things with the same key.
    pub fn received_from(&self, key: impl fmt::Display, sender: impl Into<HostName>) {
        self.tell(Fact::new(FactKind::Received, key).from(sender));
    }

    /// Any fact with a value.
    pub fn fact(&self, kind: FactKind, key: impl fmt::Display, value: impl fmt::Display) {
        self.tell(Fact::new(kind, key).value(value));
    }

    /// Any fact.
    pub fn tell(&self, fact: Fact) {
        let sink = SINK.with(|slot| slot.borrow().clone());
        if let Some(sink) = sink {
            sink.fact(&self.name, self.incarnation, fact);
        }
    }
}

/// Where facts go.
pub trait FactSink {
    /// Takes a fact of a host.
    fn fact(&self, host: &HostName, incarnation: Incarnation, fact: Fact);
}

thread_local! {
    static SINK: RefCell<Option<Rc<dyn FactSink>>> = const { RefCell::new(None) };
}

/// Sends the facts of this thread's hosts and actors to `sink`, or nowhere.
pub fn set_fact_sink(sink: Option<Rc<dyn FactSink>>) {
    let before = SINK.with(|slot| std::mem::replace(&mut *slot.borrow_mut(), sink));
    drop(before);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_is_not_there_is_answered_with_the_nearest_or_with_all() {
        let known = ["idle_close".to_owned(), "reset".to_owned()];
        assert_eq!(
            unknown_scenario("idle_clsoe", &known),
            "no scenario is called `idle_clsoe`; did you mean `idle_close`?"
        );
        assert_eq!(unknown_scenario("zzz", &known), "no scenario is called `zzz`; there are idle_close, reset");
    }

    #[test]
    fn a_catalogue_without_its_folder_says_which_folder_it_wants() {
        let errors = Catalogue::new("/nowhere", "scenarios").scenario("reset").expect_err("there is no such folder");
        assert!(errors[0].to_string().contains("/nowhere/scenarios"), "{}", errors[0]);
    }
}
