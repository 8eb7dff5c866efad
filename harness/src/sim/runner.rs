//! The course of a run: hosts start, actors play, faults strike, everything settles, hosts are stopped.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SimError;
use super::engine::{Engine, Livelock};
use super::hosts::State;
use crate::catalogue::{Body, Catalogue, ConfigError, FactSink, HostContext, Misfit};
use crate::error::chain;
use crate::fabric::{Deadline, HostId, LifeId};
use crate::fact::Fact;
use crate::name::{HostName, Incarnation};
use crate::plan::Plan;
use crate::scenario::Role;
use crate::trace::{FinalState, Pending, ProcessEvent, RecordKind, RunEnd, Unfired};

/// Between the sampling of the final state and the stopping of the hosts: the least that virtual time can tell apart, so
/// that what hosts record while they stop is later than what is judged.
const STOP_DELAY: Duration = Duration::from_millis(1);
/// How long hosts are waited for at least once they are asked to stop; longer than any grace period of the services'
/// defaults, so that a report can say how late they are.
const STOP_GRACE: Duration = Duration::from_secs(60);
/// How long tasks may take to end after their host's root has.
const TASK_GRACE: Duration = Duration::from_millis(100);

/// Further than any scenario goes.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a host's lives begin with.
struct HostSetup {
    name: HostName,
    actor: bool,
    start: Duration,
    config: toml::Table,
    body: Body,
}

/// The hosts and actors of a scenario, in its order.
pub(crate) struct HostSetups(Vec<HostSetup>);

impl HostSetups {
    pub(crate) fn new(catalogue: &Catalogue, plan: &Plan) -> Result<Self, SimError> {
        let mut setups = Vec::new();
        for host in &plan.scenario.hosts {
            let actor = host.role == Role::Actor;
            let body =
                catalogue.body(&host.run, actor).ok_or_else(|| SimError::UnknownRun { run: host.run.clone() })?;
            setups.push(HostSetup {
                name: host.name.clone(),
                actor,
                start: host.start,
                config: host.config.clone(),
                body,
            });
        }
        Ok(Self(setups))
    }
}

/// Drives one run.
pub(crate) struct Runner {
    engine: Rc<Engine>,
    setups: BTreeMap<HostId, HostSetup>,
    time_limit: Duration,
    settle: Duration,
    /// How long hosts are waited for when all is over.
    stop_grace: Duration,
}

impl Runner {
    pub(crate) fn new(engine: Rc<Engine>, hosts: HostSetups, plan: &Plan) -> Self {
        let setups = hosts.0.into_iter().map(|setup| {
            let host = engine.with_network(|network| network.add_host(setup.name.clone()));
            (host, setup)
        });
        let setups: BTreeMap<_, _> = setups.collect();
        let longest = plan.scenario.checks.stops.clone().unwrap_or_default().longest();
        // Longer than any may take, so that a host that is still running has had its time.
        let stop_grace = STOP_GRACE.max(longest + STOP_DELAY);
        Self { engine, setups, time_limit: plan.scenario.time_limit, settle: plan.scenario.settle, stop_grace }
    }

    /// Plays the run to its end and says in which state it ended.
    pub(crate) async fn run(self) -> FinalState {
        // Without any timer tokio would wait until it is woken, and only the network would know when.
        let mut never = std::pin::pin!(tokio::time::sleep(NEVER));
        poll_fn(|cx| Poll::Ready(never.as_mut().poll(cx).is_pending())).await;
        for (host, setup) in &self.setups {
            if setup.start.is_zero() {
                self.start(*host);
            } else {
                let at = setup.start;
                self.engine.with_network(|network| network.fabric.schedule.push(at, Deadline::Start(*host)));
            }
        }
        let began = Instant::now();
        let limit = began + self.time_limit;
        let mut ended = self.play(limit).await;
        if ended == RunEnd::Finished {
            self.run_until(Instant::now() + self.settle, |_| false).await;
        }
        if ended == RunEnd::Finished && self.engine.ended.get().is_none() && self.somebody_listens() {
            // Those who only listen have heard what there was. They leave, and their leaving settles, too.
            self.engine.scripts.dismiss();
            ended = self.play(limit + self.settle).await;
            self.run_until(Instant::now() + self.settle, |_| false).await;
        }
        if self.engine.ended.get().is_none() {
            self.ask_who_waits().await;
        }
        let mut last = Self::sample(&self.engine, self.engine.ended.get().unwrap_or(ended));
        if ended == RunEnd::TimeLimit {
            let unfinished = self.setups.iter().filter(|(host, setup)| setup.actor && !self.is_over(**host));
            let scripts: Vec<_> = unfinished
                .map(|(_, setup)| Pending { host: setup.name.clone(), on: "the end of its script".to_owned() })
                .collect();
            last.pending.splice(0..0, scripts);
        }
        self.run_until(Instant::now() + STOP_DELAY, |_| false).await;
        self.stop().await;
        last.tasks = self.survivors();
        last
    }

    /// Of tokio's own sockets it is known who waits when they are woken and look: one that reads finds nothing, and waits
    /// again.
    async fn ask_who_waits(&self) {
        if self.engine.on_kernel(|call| call.rouse()) {
            // What is ready is told in the runtime's next turn, and tasks are polled in the one after it.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Until every actor's script has ended, or only listens.
    async fn play(&self, limit: Instant) -> RunEnd {
        let is_done = |runner: &Self, host| runner.is_over(host) || runner.listens(host);
        let over = self
            .run_until(limit, |runner| runner.setups.iter().all(|(host, setup)| !setup.actor || is_done(runner, *host)))
            .await;
        if over { RunEnd::Finished } else { RunEnd::TimeLimit }
    }

    /// Starts hosts as they become due until `done`, the end of the run, or `limit`; whether it was not the limit.
    async fn run_until(&self, limit: Instant, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            for host in std::mem::take(&mut *self.engine.starts.borrow_mut()) {
                if self.engine.network.borrow().hosts.running(host).is_none() {
                    self.start(host);
                }
            }
            if done(self) || self.engine.ended.get().is_some() {
                return true;
            }
            tokio::select! {
                biased;
                () = self.engine.news.notified() => {}
                () = tokio::time::sleep_until(limit) => return false,
            }
        }
    }

    /// An actor is over when its script has returned, or it is dead and nothing will start it again.
    fn is_over(&self, host: HostId) -> bool {
        self.engine.network.borrow().hosts.host(host).finished
    }

    /// Whether an actor has done its part and has not been told that it may go.
    fn listens(&self, host: HostId) -> bool {
        let network = self.engine.network.borrow();
        let Some(life) = network.hosts.running(host) else { return false };
        let (name, incarnation) = network.hosts.name_of_life(life);
        self.engine.scripts.listens(name, incarnation)
    }

    fn somebody_listens(&self) -> bool {
        self.setups.keys().any(|host| self.listens(*host))
    }

    fn start(&self, host: HostId) {
        let setup = &self.setups[&host];
        let life = self.engine.begin_life(host);
        let (shutdown, incarnation) = {
            let network = self.engine.network.borrow();
            let entry = network.hosts.life(life);
            (entry.shutdown.clone(), entry.incarnation)
        };
        let cx = HostContext::new(setup.name.clone(), incarnation, setup.config.clone(), shutdown);
        let engine = Rc::clone(&self.engine);
        let root = self.engine.speaking_as(life, || {
            let body = std::sync::Arc::clone(&setup.body);
            tokio::task::spawn_local(async move {
                let error = match AssertUnwindSafe(async { body(cx).await }).catch_unwind().await {
                    Ok(ended) => ended.err(),
                    Err(panic) if panic.is::<Livelock>() => resume_unwind(panic),
                    Err(_) => return engine.root_panicked(life),
                };
                if let Some(ConfigError { host, misfit, .. }) = error.as_deref().and_then(|error| error.downcast_ref())
                {
                    let Misfit { path, sentence, suggestion } = Misfit::clone(misfit);
                    *engine.defect.borrow_mut() =
                        Some(SimError::Config { host: host.clone(), path, sentence, suggestion });
                    engine.end(RunEnd::Finished);
                }
                engine.exited(life, error.map(|error| chain(&*error)));
            })
        });
        self.engine.with_network(|network| network.hosts.life_mut(life).root = Some(root.abort_handle()));
    }

    /// Asks every host to stop, and waits until their roots have returned. Whose has not in its time is the law `stops`'s to
    /// tell.
    async fn stop(&self) {
        for life in self.alive() {
            self.engine.ask_to_stop(life);
        }
        self.engine.ended.set(None);
        let limit = Instant::now() + self.stop_grace;
        while !self.alive().is_empty() && Instant::now() < limit {
            tokio::select! {
                biased;
                () = self.engine.news.notified() => {}
                () = tokio::time::sleep_until(limit) => {}
            }
        }
        tokio::time::sleep(TASK_GRACE).await;
    }

    fn alive(&self) -> Vec<LifeId> {
        let network = self.engine.network.borrow();
        network.hosts.life_ids().filter(|life| network.hosts.life(*life).state == State::Alive).collect()
    }

    /// The tasks that outlived their host. Those of a process that a fault killed are only counted in the records: a real
    /// kernel would have taken them along, which tokio cannot.
    fn survivors(&self) -> Vec<(HostName, Incarnation, u32)> {
        let survivors: Vec<_> = {
            let network = self.engine.network.borrow();
            let lives = network.hosts.life_ids().filter(|life| network.hosts.life(*life).tasks > 0);
            lives.map(|life| (life, network.hosts.life(life).tasks)).collect()
        };
        for (life, tasks) in &survivors {
            self.engine.record(Some(*life), RecordKind::Process(ProcessEvent::Survivors { tasks: *tasks }));
        }
        let network = self.engine.network.borrow();
        survivors
            .into_iter()
            .filter(|(life, _)| network.hosts.life(*life).state != State::Dead)
            .map(|(life, tasks)| {
                let (host, incarnation) = network.hosts.name_of_life(life);
                (host.clone(), incarnation, tasks)
            })
            .collect()
    }

    /// The state of sockets and waits as it is now.
    pub(crate) fn sample(engine: &Engine, ended: RunEnd) -> FinalState {
        // Not the network's own clock, which is that of its last event.
        let at = engine.now();
        let network = engine.network.borrow();
        let unfired = network.fabric.plane.reasons().into_iter().map(|(fault, why)| Unfired { fault, why }).collect();
        let (sockets, pending) = (network.sockets(at), network.waiting());
        let unreached = network.fabric.unreached();
        FinalState { at, ended, sockets, tasks: Vec::new(), pending, unfired, unreached }
    }
}

/// Takes the facts that actors and hosts tell into the records.
pub(crate) struct Facts(pub(crate) Rc<Engine>);

impl FactSink for Facts {
    fn rests(&self, host: &HostName, incarnation: Incarnation) {
        self.0.scripts.rest(host, incarnation);
        self.0.news.notify_one();
    }

    fn is_offered(&self, key: &str) -> bool {
        self.0.scripts.is_offered(key)
    }

    fn dismissed(&self) -> CancellationToken {
        self.0.scripts.dismissed()
    }

    fn fact(&self, host: &HostName, incarnation: Incarnation, fact: Fact) {
        self.0.scripts.hear(&fact);
        self.0.with_network(|network| {
            // A dead process says nothing, however long its tasks live on.
            if network.hosts.speaks(host, incarnation) {
                let life = network.hosts.life_of(host, incarnation);
                network.record(network.fabric.now, life, RecordKind::Fact(fact));
            }
        });
    }
}
