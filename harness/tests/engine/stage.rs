//! A stage: hosts and actors made of closures, faults at given instants, and what was told when all was over.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use halfopen::fault::{Act, Fault, HostVerb, OnHost, Partition, Place, Trigger, Verb};
use halfopen::internals::{Arrivals, HostSpec, LinkParameters};
use halfopen::trace::{ConnectionEvent, RecordKind};
use halfopen::{BoxError, Catalogue, FactKind, HostContext, Outcome, Plan, Scenario, Seed, SimError};
use halfopen_net::{TcpListener, TcpStream};

/// One way, between any two hosts of a stage.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// A run in the making. Nothing in it is left to chance unless it is [interleaved](Stage::interleaved).
pub(crate) struct Stage {
    catalogue: Catalogue,
    scenario: Scenario,
    faults: Vec<Fault>,
    seed: u64,
}

impl Stage {
    /// An empty stage. Two stages of different bodies need different names: a process warms up once for each.
    pub(crate) fn new(name: &str) -> Self {
        let mut scenario = Scenario::new(name, "what its test is called");
        scenario.network.link.latency = LATENCY;
        scenario.network.interleaved = false;
        scenario.settle = Duration::from_secs(1);
        Self { catalogue: Catalogue::new("", ""), scenario, faults: Vec::new(), seed: 1 }
    }

    pub(crate) fn host<F, R>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + 'static,
    {
        self.catalogue = self.catalogue.host(name, body);
        self.scenario = self.scenario.with_host(HostSpec::host(name, name));
        self
    }

    pub(crate) fn actor<F, R>(mut self, name: &str, body: F) -> Self
    where
        F: Fn(HostContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + 'static,
    {
        self.catalogue = self.catalogue.actor(name, body);
        self.scenario = self.scenario.with_host(HostSpec::actor(name, name));
        self
    }

    /// Adds a fault of a host.
    pub(crate) fn strike<V: Verb<Place = OnHost> + HostVerb>(self, at: Duration, host: &str, verb: V) -> Self {
        self.fault(Trigger::At(at), host, verb)
    }

    /// Adds a partition between two hosts.
    pub(crate) fn part(self, at: Duration, hosts: (&str, &str), heal_after: Option<Duration>) -> Self {
        let pair = (hosts.0.into(), hosts.1.into());
        self.fault(Trigger::At(at), pair, Partition { one_way: false, heal_after })
    }

    pub(crate) fn fault<V: Verb>(
        mut self,
        trigger: Trigger,
        on: impl Into<<V::Place as Place<V>>::On>,
        verb: V,
    ) -> Self {
        self.faults.push(Fault::new(on, trigger, verb));
        self
    }

    pub(crate) fn act(mut self, trigger: Trigger, act: Act) -> Self {
        self.faults.push(Fault { trigger, act });
        self
    }

    /// What the network between any two hosts is like.
    pub(crate) fn link(&mut self) -> &mut LinkParameters {
        &mut self.scenario.network.link
    }

    /// When packets arrive that are due while tasks run.
    pub(crate) fn arrivals(&mut self, arrivals: Arrivals) {
        self.scenario.network.arrivals = Some(arrivals);
    }

    /// What the wall clock says at the start of the run, since 1970.
    pub(crate) fn starts_at(&mut self, date: Duration) {
        self.scenario.starts_at = date;
    }

    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    pub(crate) fn interleaved(mut self) -> Self {
        self.scenario.network.interleaved = true;
        self
    }

    /// The kinds of facts that a host or actor tells.
    pub(crate) fn tells(mut self, name: &str, kinds: &[FactKind]) -> Self {
        for host in self.scenario.hosts.iter_mut().filter(|host| host.name.as_str() == name) {
            host.tells.extend(kinds);
        }
        self
    }

    /// The laws that must hold, as a scenario writes them below `checks`.
    pub(crate) fn checks(mut self, checks: &str) -> Self {
        self.scenario.checks = toml::from_str(checks).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    pub(crate) fn time_limit(mut self, limit: Duration) -> Self {
        self.scenario.time_limit = limit;
        self
    }

    pub(crate) fn plan(&self) -> Plan {
        let scenario = self.scenario.clone().checked().unwrap_or_else(|error| panic!("{error}"));
        Plan { scenario, seed: Seed(self.seed), faults: self.faults.clone() }
    }

    #[track_caller]
    pub(crate) fn run(&self) -> Outcome {
        self.try_run().unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_run(&self) -> Result<Outcome, SimError> {
        self.catalogue.run(&self.plan())
    }
}

/// A server that gives its first connection to one closure, and a client that gives its own to another.
pub(crate) fn pair<S, RS, C, RC>(name: &str, server: S, client: C) -> Stage
where
    S: Fn(HostContext, TcpStream) -> RS + Clone + Send + Sync + 'static,
    RS: Future<Output = Result<(), BoxError>> + 'static,
    C: Fn(HostContext, TcpStream) -> RC + Clone + Send + Sync + 'static,
    RC: Future<Output = Result<(), BoxError>> + 'static,
{
    Stage::new(name)
        .host("server", move |cx| {
            let server = server.clone();
            async move {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (stream, _) = listener.accept().await?;
                server(cx.clone(), stream).await?;
                cx.stopped().await;
                Ok(())
            }
        })
        .actor("client", move |cx| {
            let client = client.clone();
            async move { client(cx, TcpStream::connect("server:80").await?).await }
        })
}

/// Tells a value; read with [`Told`].
pub(crate) fn tell(cx: &HostContext, key: &str, value: impl Display) {
    cx.fact(FactKind::Gauge, key, value);
}

/// What was told, and what the network saw.
pub(crate) trait Told {
    /// Every value of a key with its instant.
    fn told(&self, key: &str) -> Vec<(Duration, String)>;
    /// Every value of a key.
    fn words(&self, key: &str) -> Vec<String>;
    /// The only value of a key, with its instant.
    fn only(&self, key: &str) -> (Duration, String);
    /// How often something happened to connections.
    fn count(&self, wanted: &ConnectionEvent) -> usize;
    /// The details of the violations of a rule.
    fn violated(&self, rule: &str) -> Vec<String>;
    /// The names of the laws that were broken.
    fn broken(&self) -> Vec<String>;
}

impl Told for Outcome {
    fn told(&self, key: &str) -> Vec<(Duration, String)> {
        let told = self.trace.records.iter().filter_map(|record| match &record.what {
            RecordKind::Fact(fact) if fact.key == key => Some((record.at, fact.value.clone().unwrap_or_default())),
            _ => None,
        });
        told.collect()
    }

    fn words(&self, key: &str) -> Vec<String> {
        self.told(key).into_iter().map(|(_, value)| value).collect()
    }

    #[track_caller]
    fn only(&self, key: &str) -> (Duration, String) {
        let mut told = self.told(key);
        assert_eq!(told.len(), 1, "`{key}` was told {told:?}");
        told.remove(0)
    }

    fn count(&self, wanted: &ConnectionEvent) -> usize {
        let wanted = |what: &RecordKind| matches!(what, RecordKind::Connection { event, .. } if event == wanted);
        self.trace.records.iter().filter(|record| wanted(&record.what)).count()
    }

    fn violated(&self, rule: &str) -> Vec<String> {
        let details = self.trace.records.iter().filter_map(|record| match &record.what {
            RecordKind::BrokenRule { rule: broken, detail } if broken == rule => Some(detail.clone()),
            _ => None,
        });
        details.collect()
    }

    fn broken(&self) -> Vec<String> {
        self.violations().map(|violation| violation.signature.to_string()).collect()
    }
}

/// A call's result in a word: `Ok(3)`, or the kind of error.
pub(crate) fn word<T: std::fmt::Debug>(result: &std::io::Result<T>) -> String {
    match result {
        Ok(value) => format!("Ok({value:?})"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
