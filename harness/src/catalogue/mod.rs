//! What a user registers: the services and actors that scenarios name, and where the scenarios lie.
//!
//! - this file: [`Catalogue`] and what it registers;
//! - `config`: what does not fit in a host's configuration;
//! - `host_context`: what a host or actor is given;
//! - `placement`: where a fault that strikes anywhere can strike;
//! - `regressions`: failures that were mended, played first;
//! - `run`: one plan as an outcome, and one scenario as a test;
//! - `replay`: the command that plays a run again.

mod config;
mod host_context;
#[cfg(feature = "sim")]
mod placement;
#[cfg(feature = "sim")]
mod regressions;
mod replay;
#[cfg(feature = "sim")]
mod run;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;

#[cfg(feature = "sim")]
pub(crate) use self::config::Misfit;
pub use self::host_context::{ConfigError, HostContext};
#[cfg(feature = "sim")]
pub(crate) use self::host_context::{FactSink, set_fact_sink};
#[cfg(all(feature = "sim", feature = "cli"))]
pub(crate) use self::regressions::{Fate, fate, stale_at};
#[cfg(feature = "sim")]
pub(crate) use self::replay::test_line;
use crate::actors::Canned;
use crate::check::{Check, OwnChecks};
use crate::fault::{Registry, Verb};
use crate::report::Reporter;
use crate::scenario::{Folder, Scenario, ScenarioError, StandIn, StandIns};

/// The error of a host or actor.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a host or actor does: called once for each incarnation.
pub(crate) type Body = Arc<dyn Fn(HostContext) -> Pin<Box<dyn Future<Output = Result<(), BoxError>>>> + Send + Sync>;

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
    specimens: StandIns,
    own: OwnChecks,
    command: Option<String>,
    faults: Registry,
    reporter: Option<Arc<dyn Reporter>>,
}

impl Catalogue {
    /// A catalogue whose scenarios are the `*.toml` files below `folder` in `manifest_dir` (give it
    /// `env!("CARGO_MANIFEST_DIR")`).
    pub fn new(manifest_dir: &str, folder: &str) -> Self {
        let folder = PathBuf::from(manifest_dir).join(folder);
        let (hosts, actors, specimens) = Default::default();
        let (own, faults) = (OwnChecks::default(), Registry::default());
        Self { folder, hosts, actors, specimens, own, faults, command: None, reporter: None }
    }

    /// Registers a service. `body` is called once per incarnation and should return when [`HostContext::shutdown`] is
    /// cancelled; what it still owns then is dropped.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn host<F, R>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + 'static,
    {
        let taken = self.hosts.insert(name.to_owned(), boxed(body));
        assert!(taken.is_none(), "two hosts are registered as `{name}`");
        self
    }

    /// Registers an actor: a script whose end, with that of all other actors, ends the run.
    ///
    /// # Panics
    /// If the name is taken, or is that of an actor of [this crate](crate::actors).
    #[must_use]
    pub fn actor<F, R>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + 'static,
    {
        assert!(Canned::named(name).is_none(), "`{name}` is an actor of halfopen's: register yours under another name");
        let taken = self.actors.insert(name.to_owned(), boxed(body));
        assert!(taken.is_none(), "two actors are registered as `{name}`");
        self
    }

    /// Registers a specimen: a defective version of a host or actor, for every scenario that names it in `[convicts]` with
    /// the checks that must convict it. There the host `in_place_of` runs `run` instead of what it usually runs.
    ///
    /// ```
    /// use halfopen::Catalogue;
    ///
    /// // In a scenario:
    /// //     [convicts]
    /// //     deaf = "delivery"
    /// fn catalogue() -> Catalogue {
    ///     Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios")
    ///         .host("chat", async |_cx| Ok(()))
    ///         .host("deaf_chat", async |_cx| Ok(()))
    ///         .specimen("deaf", "chat", "deaf_chat")
    /// }
    /// assert_eq!(catalogue().specimen_names(), ["deaf"]);
    /// ```
    ///
    /// # Panics
    /// If the name is taken, or if neither a host nor an actor is registered as `run`.
    #[must_use]
    pub fn specimen(mut self, name: &str, in_place_of: &str, run: &str) -> Self {
        let is_registered = self.hosts.contains_key(run) || self.actors.contains_key(run);
        assert!(is_registered, "the specimen `{name}` runs `{run}`, and nothing is registered under that name");
        let stand_in = StandIn { host: in_place_of.into(), run: run.to_owned() };
        let taken = self.specimens.insert(name.to_owned(), stand_in);
        assert!(taken.is_none(), "two specimens are registered as `{name}`");
        self
    }

    /// Registers a check of your own: a scenario with a table `[checks.NAME]` is judged by it, and the check is read from
    /// that table. It may convict specimens.
    ///
    /// ```
    /// use halfopen::Catalogue;
    /// use halfopen::check::{Check, Evidence, Finding};
    /// use halfopen::FactKind;
    /// use halfopen::trace::RecordKind;
    /// use serde::Deserialize;
    ///
    /// /// Limits how often anything is received.
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
    ///         "few things are received"
    ///     }
    ///
    ///     fn needs(&self) -> Vec<FactKind> {
    ///         vec![FactKind::Received]
    ///     }
    ///
    ///     fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
    ///         let is_receipt = |what: &RecordKind| matches!(what, RecordKind::Fact(fact) if fact.kind == FactKind::Received);
    ///         let receipts = (0..).zip(evidence.records).filter(|(_, record)| is_receipt(&record.what));
    ///         let places: Vec<usize> = receipts.map(|(place, _)| place).collect();
    ///         match places.get(self.receipts_at_most) {
    ///             None => Ok(format!("{} receipts", places.len())),
    ///             Some(excess) => Err(Finding::new("too much", "too much was received.").witness([*excess])),
    ///         }
    ///     }
    /// }
    ///
    /// // In a scenario:
    /// //     [checks.quiet]
    /// //     receipts_at_most = 3
    /// let catalogue = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios").own_check::<Quiet>("quiet");
    /// ```
    ///
    /// # Panics
    /// If the name is taken, is not a name, or could be taken for a misspelt name of a check of this crate.
    #[must_use]
    pub fn own_check<C: Check + DeserializeOwned + 'static>(mut self, name: &'static str) -> Self {
        self.own.add::<C>(name);
        self
    }

    /// The registered checks of your own.
    pub(crate) fn own_checks(&self) -> &OwnChecks {
        &self.own
    }

    /// Registers a verb of one's own: a scenario may then have it under `do`, like those of this crate. Its word and keys are
    /// those of the type; it is drawn, told in stories, written in capsules and refused in the same words.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use halfopen::Catalogue;
    /// use halfopen::fault::{ConnectionVerb, Holds, Key, OnConnection, Open, Struck, Verb};
    /// use halfopen::name::Side;
    /// use serde::{Deserialize, Serialize};
    ///
    /// /// A hop pings the client as if the server had.
    /// #[derive(Clone, Debug, Serialize, Deserialize)]
    /// struct ForgedPing {
    ///     payload: String,
    /// }
    ///
    /// impl Verb for ForgedPing {
    ///     type Place = OnConnection;
    ///     const WORD: &'static str = "forged_ping";
    ///     const DOES: &'static str = "a ping that the server never sent";
    ///     const KEYS: &'static [Key] = &[Key::required("payload", Holds::Text, "what the ping carries")];
    /// }
    ///
    /// impl ConnectionVerb for ForgedPing {
    ///     fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
    ///         (!open.is_websocket()).then_some("the connection is not a WebSocket")
    ///     }
    ///
    ///     fn strike(&self, struck: &mut Struck<'_>) {
    ///         let length = u8::try_from(self.payload.len()).unwrap_or(125).min(125);
    ///         let frame = [&[0x89, length], &self.payload.as_bytes()[..length.into()]].concat();
    ///         struck.send_between_frames(Side::Client, Bytes::from(frame));
    ///     }
    /// }
    ///
    /// // In a scenario:
    /// //     [[fault]]
    /// //     link = "alice -> chat"
    /// //     when = { at = "5s" }
    /// //     do = "forged_ping"
    /// //     payload = "hello"
    /// let catalogue = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios").own_fault::<ForgedPing>();
    /// assert!(catalogue.faults().entry("forged_ping").is_some());
    /// ```
    ///
    /// # Panics
    /// If the word is taken, is no word, or is so near to that of a verb of this crate that it would pass for that verb
    /// misspelt.
    #[must_use]
    pub fn own_fault<V: Verb>(mut self) -> Self {
        self.faults.add::<V>();
        self
    }

    /// Gives the catalogue a reporter: it makes a page of each failed run, for the command and for tests.
    #[must_use]
    pub fn reporter(mut self, reporter: impl Reporter + 'static) -> Self {
        self.reporter = Some(Arc::new(reporter));
        self
    }

    /// The reporter, if there is one.
    #[cfg(feature = "sim")]
    pub(crate) fn reporter_of(&self) -> Option<&dyn Reporter> {
        self.reporter.as_deref()
    }

    /// The verbs that scenarios of this catalogue may have.
    pub fn faults(&self) -> &Registry {
        &self.faults
    }

    /// The names of the registered services.
    pub(crate) fn host_names(&self) -> Vec<&str> {
        self.hosts.keys().map(String::as_str).collect()
    }

    /// The names of the registered actors, and of those of this crate.
    pub(crate) fn actor_names(&self) -> Vec<&str> {
        self.actors.keys().map(String::as_str).chain(Canned::ALL.map(Canned::name)).collect()
    }

    /// The names of the registered specimens.
    pub fn specimen_names(&self) -> Vec<&str> {
        self.specimens.keys().map(String::as_str).collect()
    }

    /// The folder with the scenarios.
    pub(crate) fn folder(&self) -> &std::path::Path {
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
    pub(crate) fn read_folder(&self) -> Result<Folder, ScenarioError> {
        Ok(crate::scenario::load_folder(&self.folder, &self.faults)?.accepted(|scenario| self.accept(scenario)))
    }

    /// The scenario with its registered specimens, if everything that it names is registered.
    ///
    /// # Errors
    /// One for each name that is not.
    pub(crate) fn accept(&self, scenario: &Scenario) -> Result<Scenario, Vec<ScenarioError>> {
        let runs = scenario.check_runs(&self.host_names(), &self.actor_names());
        let checks = scenario.check_own_checks(&self.own);
        let mut mistakes: Vec<_> = [runs, checks].into_iter().filter_map(Result::err).flatten().collect();
        match self.with_specimens(scenario) {
            Ok(accepted) if mistakes.is_empty() => Ok(accepted),
            Ok(_) => Err(mistakes),
            Err(unregistered) => {
                mistakes.extend(unregistered);
                Err(mistakes)
            }
        }
    }

    /// The scenario with the registered specimens that it names.
    pub(crate) fn with_specimens(&self, scenario: &Scenario) -> Result<Scenario, Vec<ScenarioError>> {
        scenario.with_registered(&self.specimens, &self.host_names(), &self.actor_names())
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
    /// The mistakes in its file; those in other files do not count. A name that no scenario has is an error of the folder,
    /// and the nearest name is part of it.
    pub fn scenario(&self, name: &str) -> Result<Scenario, Vec<ScenarioError>> {
        self.find(&self.read_folder().map_err(|error| vec![error])?, name)
    }

    /// The same in a folder that was read before.
    pub(crate) fn find(&self, folder: &Folder, name: &str) -> Result<Scenario, Vec<ScenarioError>> {
        if let Some(scenario) = folder.scenarios.iter().find(|scenario| scenario.name == name) {
            return Ok(scenario.clone());
        }
        if let Some(mistakes) = folder.mistakes_of(name) {
            return Err(mistakes.to_vec());
        }
        let known: Vec<_> = folder.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        let sentence = unknown_scenario(name, &known);
        Err(vec![ScenarioError::whole(&self.folder, sentence)])
    }

    /// The body that a host's or actor's `run` names.
    #[cfg(feature = "sim")]
    pub(crate) fn body(&self, run: &str, actor: bool) -> Option<Body> {
        match (actor, Canned::named(run)) {
            (true, Some(canned)) => Some(canned.body()),
            (true, None) => self.actors.get(run).cloned(),
            (false, _) => self.hosts.get(run).cloned(),
        }
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("folder", &self.folder)
            .field("hosts", &self.host_names())
            .field("actors", &self.actor_names())
            .field("specimens", &self.specimens)
            .field("own_checks", &self.own)
            .field("command", &self.command)
            .field("faults", &self.faults)
            .field("reporter", &self.reporter)
            .finish()
    }
}

fn boxed<F, R>(body: F) -> Body
where
    F: Fn(HostContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxError>> + 'static,
{
    Arc::new(move |cx| Box::pin(body(cx)))
}

/// The sentence about a scenario that is not there, with the nearest that is.
fn unknown_scenario(name: &str, known: &[String]) -> String {
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
