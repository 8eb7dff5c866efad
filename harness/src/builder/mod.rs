//! A test in ten lines: a scenario that is built in Rust instead of a file.
//!
//! ```no_run
//! use halfopen::builder::*;
//! # mod chat { pub(super) async fn run() -> std::io::Result<()> { std::future::pending().await } }
//!
//! # fn main() {
//! halfopen::test("chat")
//!     .host_without_shutdown("chat", |_cx| chat::run())
//!     .actor("alice", ws_client("ws://chat:8080/").says(5))
//!     .actor("bob", ws_client("ws://chat:8080/").hears())
//!     .fault("alice -> chat", one_of![reset(), drop(), half_open()], anywhere())
//!     .check();
//! # }
//! ```
//!
//! What it makes is a [`Scenario`] like that of a file, played by the same engine and judged by the same laws. It can be
//! [written as such a file](Test::to_toml).
//!
//! - this file: [`test()`] and [`Test`];
//! - `laws`: the laws that hold when nothing else is said;
//! - `words`: what faults do, and when.

mod laws;
mod words;

use std::future::Future;
use std::time::Duration;

pub use self::words::{
    Moment, Word, Words, anywhere, at, close, crash, cut, drop, freeze, half_open, partition, refuse, reset,
};
pub use crate::actors::{Actor, http_client, sse_reader, ws_client};
use crate::catalogue::{BoxError, Catalogue, HostContext, test_line};
use crate::check::{DeliveryLaw, Expectations};
use crate::fact::FactKind;
use crate::fault::Target;
use crate::name::{HostName, Link};
pub use crate::one_of;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::scenario::{HostSpec, Scenario, ScenarioError};

/// Begins a test. Its name is that of its scenario: letters, digits, `_` and `-`, and different for each test of a program.
pub fn test(name: &str) -> Test {
    let proves = format!("{name} keeps its promises whatever breaks");
    Test {
        catalogue: Catalogue::new("", ""),
        scenario: Scenario::new(name, proves),
        without_shutdown: Vec::new(),
        law: DeliveryLaw::ExactlyOnce,
        checks: None,
        seeds: None,
        mistakes: Vec::new(),
    }
}

/// A test that is being built. [`check`](Self::check) plays it.
#[derive(Debug)]
#[must_use = "a test is played by `check`"]
pub struct Test {
    catalogue: Catalogue,
    scenario: Scenario,
    without_shutdown: Vec<HostName>,
    law: DeliveryLaw,
    checks: Option<Expectations>,
    seeds: Option<u32>,
    /// What is wrong with what it was told, in sentences.
    mistakes: Vec<String>,
}

impl Test {
    /// Adds a service. `body` is called once for each life of the host, and returns when [`HostContext::shutdown`] is
    /// cancelled, having ended what it has begun.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn host<F, R, E>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: Into<BoxError> + 'static,
    {
        self.catalogue = self.catalogue.host(name, move |cx| ends(body(cx)));
        self.scenario = self.scenario.with_host(HostSpec::host(name, name));
        self
    }

    /// Adds a service that has no shutdown of its own. When the host is asked to stop it is dropped where it stands, and
    /// what it leaves behind is not judged.
    ///
    /// It is the same as [`host`](Self::host) with one `select!` around the service:
    ///
    /// ```no_run
    /// # async fn serve() -> Result<(), halfopen::BoxError> { std::future::pending().await }
    /// # let test = halfopen::test("chat");
    /// test.host("chat", async |cx| tokio::select! {
    ///     ended = serve() => ended,
    ///     () = cx.stopped() => Ok(()),
    /// })
    /// # ;
    /// ```
    ///
    /// # Panics
    /// If the name is taken.
    pub fn host_without_shutdown<F, R, E>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: Into<BoxError> + 'static,
    {
        self.without_shutdown.push(name.into());
        self.host(name, move |cx| {
            let service = body(cx.clone());
            async move { cx.until_stopped(service).await }
        })
    }

    /// Adds an actor of this crate.
    pub fn actor(mut self, name: &str, actor: impl Actor) -> Self {
        match actor.config() {
            Ok(config) => {
                let host = HostSpec::actor(name, actor.run()).with_config(config);
                self.scenario = self.scenario.with_host(host);
            }
            Err(error) => self.mistakes.push(format!("the actor `{name}` cannot be written as TOML: {error}")),
        }
        self
    }

    /// Adds an actor of your own: a script that tells its facts itself ([`HostContext::offered`] and the like).
    ///
    /// # Panics
    /// If the name is taken.
    pub fn script<F, R, E>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: Into<BoxError> + 'static,
    {
        self.catalogue = self.catalogue.actor(name, move |cx| ends(body(cx)));
        self.scenario = self.scenario.with_host(HostSpec::actor(name, name));
        self
    }

    /// Says which facts a script or a service tells itself, so that laws read them: `delivery` is judged where some host tells what
    /// is offered and another what is received. Who tells none of such a kind in a run is convicted.
    ///
    /// ```
    /// use halfopen::FactKind;
    ///
    /// let test = halfopen::test("shop")
    ///     .host_without_shutdown("shop", async |cx| -> std::io::Result<()> { Ok(cx.received("order-1")) })
    ///     .script("customer", async |cx| -> std::io::Result<()> { Ok(cx.offered("order-1")) })
    ///     .tells("shop", &[FactKind::Received])
    ///     .tells("customer", &[FactKind::Offered]);
    /// assert!(test.scenario().unwrap().checks.delivery.is_some());
    /// ```
    pub fn tells(mut self, host: &str, kinds: &[FactKind]) -> Self {
        match self.scenario.hosts.iter_mut().find(|spec| spec.name.as_str() == host) {
            Some(spec) => spec.tells.extend(kinds),
            None => self.mistakes.push(format!("no host is called `{host}`: say what it tells after it is added")),
        }
        self
    }

    /// Adds a fault: on a link (`"alice -> chat"`, who connects to whom), on a host (`"chat"`), or on everything between two
    /// hosts (`"alice <-> chat"`).
    pub fn fault(mut self, strikes: &str, does: impl Into<Words>, when: impl Into<Moment>) -> Self {
        match words::rule(strikes, &does.into(), when.into()) {
            Ok(rule) => self.scenario = self.scenario.with_rule(rule),
            Err(sentence) => self.mistakes.push(sentence),
        }
        self
    }

    /// Adds faults as files write them: what the report of a failed test shows can be pasted here.
    ///
    /// ```no_run
    /// halfopen::test("chat").faults(
    ///     r#"
    ///     [[fault]]
    ///     link = "alice -> chat"
    ///     when = { message = 3, direction = "to_server", edge = "before" }
    ///     do = "reset"
    ///     "#,
    /// )
    /// # ;
    /// ```
    pub fn faults(mut self, tables: &str) -> Self {
        match words::tables(tables, self.catalogue.faults()) {
            Ok(rules) => self.scenario.rules.extend(rules),
            Err(mistakes) => self.mistakes.extend(mistakes.iter().map(ScenarioError::to_string)),
        }
        self
    }

    /// The sentence that it proves.
    pub fn proves(mut self, sentence: &str) -> Self {
        sentence.clone_into(&mut self.scenario.proves);
        self
    }

    /// What is offered may arrive more than once, as where a service plays its history to who comes back.
    pub fn at_least_once(mut self) -> Self {
        self.law = DeliveryLaw::AtLeastOnce;
        self
    }

    /// What is offered arrives once or not at all, and the host that loses it says so.
    pub fn at_most_once(mut self) -> Self {
        self.law = DeliveryLaw::AtMostOnce;
        self
    }

    /// The laws, as files write them below `[checks]`, instead of those that hold when nothing is said.
    pub fn checks(mut self, tables: &str) -> Self {
        match toml::from_str(tables) {
            Ok(checks) => self.checks = Some(checks),
            Err(error) => self.mistakes.push(format!("the checks cannot be read: {error}")),
        }
        self
    }

    /// How long a packet takes one way, between any two hosts; 20 ms without.
    pub fn latency(mut self, one_way: Duration) -> Self {
        self.scenario.network.link.latency = one_way;
        self
    }

    /// The virtual time at which a run is ended; 30 minutes without.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.scenario.time_limit = limit;
        self
    }

    /// The virtual time between the end of the last actor and the judgement; a minute without.
    pub fn settle(mut self, time: Duration) -> Self {
        self.scenario.settle = time;
        self
    }

    /// Under how many seeds it is played, where the environment does not say (`HALFOPEN_TEST_NUM`); 64 without.
    pub fn seeds(mut self, seeds: u32) -> Self {
        self.seeds = Some(seeds);
        self
    }

    /// Gives it a reporter, which makes a page of a failed run.
    pub fn reporter(mut self, reporter: impl Reporter + 'static) -> Self {
        self.catalogue = self.catalogue.reporter(reporter);
        self
    }

    /// The scenario that it is.
    ///
    /// # Errors
    /// What is wrong with what it was told, a sentence each.
    pub fn scenario(&self) -> Result<Scenario, Vec<String>> {
        if !self.mistakes.is_empty() {
            return Err(self.mistakes.clone());
        }
        let mut scenario = self.scenario.clone();
        laws::tell(&mut scenario)?;
        scenario.checks = match &self.checks {
            Some(checks) => checks.clone(),
            None => laws::usual(&scenario, self.law, &self.without_shutdown),
        };
        scenario.checked().map_err(|mistake| vec![mistake.to_string()])
    }

    /// What its scenario runs. Together they can be [drawn](Catalogue::draw) and [run](Catalogue::run).
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// It as a scenario's file. A catalogue that registers its hosts and scripts under the names that they have here plays it.
    ///
    /// # Errors
    /// As [`scenario`](Self::scenario).
    pub fn to_toml(&self) -> Result<String, Vec<String>> {
        self.scenario().map(|scenario| scenario.to_toml())
    }

    /// Plays it under 64 seeds, or as `HALFOPEN_TEST_SEED` and `HALFOPEN_TEST_NUM` say.
    ///
    /// # Panics
    /// If a law is broken, with the failure's report and the faults to paste; if it was told something that makes no sense.
    #[track_caller]
    pub fn check(self) {
        if let Err(report) = self.try_check() {
            panic!("{report}");
        }
    }

    fn try_check(&self) -> Result<(), String> {
        let scenario = self.scenario().map_err(|sentences| sentences.join("\n"))?;
        self.catalogue.try_scenario(scenario, self.seeds, &test_line, &advice)
    }
}

/// What to do with the plan of a failed test.
fn advice(plan: &Plan) -> String {
    if plan.faults.is_empty() {
        return String::new();
    }
    format!(
        "to play these faults alone, put them into the test instead of its own:\n.faults(r#\"\n{}\"#)\n",
        plan.to_toml()
    )
}

async fn ends<E: Into<BoxError>>(body: impl Future<Output = Result<(), E>>) -> Result<(), BoxError> {
    body.await.map_err(Into::into)
}

/// What a string names: a link, two hosts or one.
enum Named {
    Link(Link),
    Between(HostName, HostName),
    Host(HostName),
}

impl Named {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some((one, other)) = text.split_once("<->") {
            return Ok(Self::Between(one.trim().into(), other.trim().into()));
        }
        if let Some(link) = Link::parse(text) {
            return Ok(Self::Link(link));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !text.is_empty() && text.chars().all(is_plain) {
            return Ok(Self::Host(text.into()));
        }
        Err(format!(
            "`{text}` is neither a link (\"alice -> chat\"), nor a host (\"chat\"), nor what is between two (\"alice <-> chat\")"
        ))
    }

    fn target(&self) -> Target<'_> {
        match self {
            Self::Link(link) => Target::Link { link, connection: None },
            Self::Between(one, other) => Target::Between(one, other),
            Self::Host(host) => Target::Host(host),
        }
    }
}
