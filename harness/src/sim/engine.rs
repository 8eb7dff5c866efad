//! The engine of one run: who is speaking, what time it is, and when packets move.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::runtime::RuntimeMetrics;
use tokio::sync::Notify;

use super::SimError;
use super::hosts::State;
use super::kernel::Kernel;
use super::network::Network;
use super::overrides::{self, EntropyState, Shared, Told, Whose};
use super::owners::{Owner, Owners};
use super::scripts::Scripts;
use crate::fabric::{HostId, LifeId};
use crate::fault::{Fault, Trigger};
use crate::seed::SeedTree;
use crate::trace::{RecordKind, RunEnd};

/// The engine.
pub(crate) struct Engine {
    pub(crate) network: RefCell<Network>,
    /// What stands between libc's socket calls and the network.
    pub(super) kernel: RefCell<Kernel>,
    pub(crate) shared: &'static Shared,
    pub(crate) seeds: SeedTree,
    /// Tells this run's sockets from those of another.
    pub(crate) run: u64,
    /// The plan's faults.
    pub(super) faults: Vec<Fault>,
    pub(super) scripts: Scripts,
    /// Whether one of them waits for a tracing event.
    pub(crate) events_trigger: bool,
    budget: Budget,
    pub(super) speaking: Cell<Option<LifeId>>,
    /// The incarnation whose entropy is in place, if any.
    drawing: Cell<Option<LifeId>>,
    /// The thread's own entropy, while that of an incarnation is in place.
    entropy_of_nobody: Cell<EntropyState>,
    owners: RefCell<Owners>,
    /// Virtual time since the start of the run, as of the last time that the runtime waited: between two waits it stands.
    now: Cell<Duration>,
    /// The same as the run's clocks have it.
    now_nanos: Cell<u64>,
    /// Kept for its capacity.
    waking: Cell<Vec<Waker>>,
    polls: Cell<u64>,
    idle_polls: Cell<u64>,
    /// How often virtual time had gone on by a wait when it was last looked at.
    moves: Cell<u64>,
    /// What counts the wakes that come from other threads.
    metrics: OnceCell<RuntimeMetrics>,
    /// How many of them are known to be those of the run's own threads.
    wakes: Cell<u64>,
    /// Hosts whose next life is to begin; the runner starts them.
    pub(crate) starts: RefCell<Vec<HostId>>,
    /// Something for the runner: a start, an exit, the end.
    pub(crate) news: Notify,
    pub(crate) ended: Cell<Option<RunEnd>>,
    /// Panics of tasks, told by the panic hook.
    pub(crate) panics: RefCell<Vec<(Option<LifeId>, bool, String)>>,
    /// What makes the run worthless: a panic of the harness itself, or a configuration that no service can read.
    pub(crate) defect: RefCell<Option<SimError>>,
}

/// What a run may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Polls without time advancing: beyond it nothing will ever advance.
    pub(crate) idle_polls: u64,
    /// Bytes that sockets and paths may hold together.
    pub(crate) buffered_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { idle_polls: 1_000_000, buffered_bytes: 512 * 1024 * 1024 }
    }
}

thread_local! {
    static ENGINE: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

/// Makes `engine` this thread's.
pub(crate) fn install(engine: Rc<Engine>) {
    ENGINE.with(|slot| *slot.borrow_mut() = Some(engine));
}

/// Takes this thread's engine away; its destructor runs after the slot is free again.
pub(crate) fn uninstall() -> Option<Rc<Engine>> {
    ENGINE.with(|slot| slot.borrow_mut().take())
}

/// Works with this thread's engine, if it has one.
#[inline]
pub(crate) fn with_current(work: impl FnOnce(&Engine)) {
    // Fails while the thread's locals are being destroyed: then no run goes on.
    let _ = ENGINE.try_with(|slot| {
        if let Ok(engine) = slot.try_borrow()
            && let Some(engine) = engine.as_ref()
        {
            work(engine);
        }
    });
}

/// This thread's engine.
pub(crate) fn current() -> Option<Rc<Engine>> {
    ENGINE.try_with(|slot| slot.try_borrow().ok().and_then(|engine| engine.clone())).ok().flatten()
}

/// What a poll hook throws to end a run that stands still.
pub(crate) struct Livelock;

impl Engine {
    pub(crate) fn new(
        network: Network,
        kernel: Kernel,
        shared: &'static Shared,
        seeds: SeedTree,
        run: u64,
        faults: &[Fault],
    ) -> Self {
        Self {
            network: RefCell::new(network),
            kernel: RefCell::new(kernel),
            shared,
            seeds,
            run,
            events_trigger: faults.iter().any(|fault| matches!(fault.trigger, Trigger::Event { .. })),
            faults: faults.to_vec(),
            scripts: Scripts::default(),
            budget: Budget::default(),
            speaking: Cell::new(None),
            drawing: Cell::new(None),
            entropy_of_nobody: Cell::new(EntropyState([1; 4])),
            owners: RefCell::default(),
            now: Cell::new(Duration::ZERO),
            now_nanos: Cell::new(0),
            waking: Cell::default(),
            polls: Cell::new(0),
            idle_polls: Cell::new(0),
            moves: Cell::new(0),
            metrics: OnceCell::new(),
            wakes: Cell::new(0),
            starts: RefCell::default(),
            news: Notify::new(),
            ended: Cell::new(None),
            panics: RefCell::default(),
            defect: RefCell::default(),
        }
    }

    /// Tells which runtime is the run's.
    pub(crate) fn watch(&self, runtime: RuntimeMetrics) {
        // A second runtime is never built for an engine.
        let _ = self.metrics.set(runtime);
    }

    /// Virtual time since the start of the run.
    #[inline]
    pub(crate) fn now(&self) -> Duration {
        self.now.get()
    }

    /// Task polls so far.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.get()
    }

    #[inline]
    pub(crate) fn speaking(&self) -> Option<LifeId> {
        self.speaking.get()
    }

    /// Runs `spawn` as if `life` had called it, so that what it spawns belongs to `life`.
    pub(crate) fn speaking_as<T>(&self, life: LifeId, spawn: impl FnOnce() -> T) -> T {
        let before = self.speaking.get();
        self.speak(Some(life));
        let result = spawn();
        self.speak(before);
        result
    }

    #[inline]
    fn speak(&self, life: Option<LifeId>) {
        self.speaking.set(life);
        self.shared.speak(life.map(|life| life.0));
    }

    /// Takes down what was told since, and does what the network has due: a sleep in the middle of a poll lets time go on.
    #[inline]
    fn catch_up(&self) {
        if self.shared.has_told() {
            self.take_told();
        }
        let now = self.shared.now_nanos();
        if self.now_nanos.get() != now {
            self.go_on_to(now);
        }
    }

    fn go_on_to(&self, now: u64) {
        self.now_nanos.set(now);
        self.now.set(Duration::from_nanos(now));
        self.deliver_due(true);
    }

    /// The same at the run's end, where time stands.
    pub(crate) fn note_told(&self) {
        self.take_told();
    }

    /// Takes down what the run's other threads and calls of libc have told.
    #[cold]
    fn take_told(&self) {
        for Told { at, whose, what } in self.shared.take_told() {
            let mut network = self.network.borrow_mut();
            let hosts = &network.hosts;
            let life = match whose {
                Whose::Nobodys => None,
                Whose::Life(life) => Some(LifeId(life)),
                Whose::Incarnation(host, incarnation) => hosts.life_of(&host, incarnation),
            };
            let alive = life.is_some_and(|life| hosts.life(life).state == State::Alive);
            if matches!(what, RecordKind::Event(_) | RecordKind::Fact(_)) && !alive {
                // A dead process says nothing, however long its threads live on.
                continue;
            }
            network.record(at, life, what.clone());
            if let (Some(life), RecordKind::Event(event), true) = (life, &what, self.events_trigger) {
                let host = network.hosts.life(life).host;
                network.fabric.observe_event(host, event);
            }
            self.let_go(network);
        }
        self.run_errands();
    }

    /// Works on the network at the present time, then wakes whom that woke.
    #[inline]
    pub(crate) fn with_network<T>(&self, work: impl FnOnce(&mut Network) -> T) -> T {
        self.catch_up();
        let mut network = self.network.borrow_mut();
        network.fabric.now = self.now();
        let result = work(&mut network);
        self.let_go(network);
        result
    }

    /// Ends the work on the network, then wakes whom that woke.
    #[inline]
    fn let_go(&self, mut network: RefMut<'_, Network>) {
        network.carry_out();
        if network.to_wake.len() <= 1 {
            let waker = network.to_wake.pop();
            drop(network);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else {
            self.wake_many(network);
        }
    }

    fn wake_many(&self, mut network: RefMut<'_, Network>) {
        let mut wakers = std::mem::replace(&mut network.to_wake, self.waking.take());
        drop(network);
        wakers.drain(..).for_each(Waker::wake);
        self.waking.set(wakers);
    }

    pub(crate) fn record(&self, life: Option<LifeId>, what: RecordKind) {
        self.with_network(|network| network.record(network.fabric.now, life, what));
    }

    // ---- tokio's hooks ----

    pub(crate) fn on_task_spawn(&self, id: tokio::task::Id) {
        let Some(life) = self.speaking.get() else { return };
        let Ok(mut network) = self.network.try_borrow_mut() else { return };
        let entry = network.hosts.life_mut(life);
        let ordinal = entry.spawned;
        entry.spawned += 1;
        entry.tasks += 1;
        self.owners.borrow_mut().insert(id, Owner { life, ordinal });
    }

    #[inline]
    pub(crate) fn before_poll(&self, id: tokio::task::Id) {
        self.polls.set(self.polls.get() + 1);
        let idle = self.idle_polls.get() + 1;
        self.idle_polls.set(idle);
        if idle > self.budget.idle_polls {
            self.end_livelock();
        }
        self.catch_up();
        let owner = self.owners.borrow().get(&id).copied();
        let Some(Owner { life, ordinal }) = owner else {
            self.speak(None);
            if self.drawing.get().is_some() {
                self.put_entropy(None, &mut self.network.borrow_mut());
            }
            return;
        };
        self.speak(Some(life));
        if let Ok(mut network) = self.network.try_borrow_mut() {
            network.journal.absorb_poll(life.0, ordinal);
            if self.drawing.get() != Some(life) {
                self.put_entropy(Some(life), &mut network);
            }
        }
    }

    #[cold]
    fn end_livelock(&self) -> ! {
        self.ended.set(Some(RunEnd::Livelock));
        std::panic::resume_unwind(Box::new(Livelock))
    }

    /// What the poll has given to other threads is done now.
    #[inline]
    pub(crate) fn after_poll(&self) {
        self.speak(None);
        overrides::give_way(self.shared);
    }

    /// Each life draws from a stream of its own, and the harness from another.
    fn put_entropy(&self, of: Option<LifeId>, network: &mut Network) {
        let next = match of {
            Some(life) => network.hosts.life(life).entropy,
            None => self.entropy_of_nobody.get(),
        };
        let last = overrides::swap_entropy(next);
        match self.drawing.replace(of) {
            Some(life) => network.hosts.life_mut(life).entropy = last,
            None => self.entropy_of_nobody.set(last),
        }
    }

    pub(crate) fn on_task_terminate(&self, id: tokio::task::Id) {
        let owner = self.owners.try_borrow_mut().ok().and_then(|mut owners| owners.remove(&id));
        if let Some(Owner { life, .. }) = owner
            && let Ok(mut network) = self.network.try_borrow_mut()
        {
            let entry = network.hosts.life_mut(life);
            entry.tasks = entry.tasks.saturating_sub(1);
        }
    }

    /// The runtime has waited: time may have gone on, and what the network has due then is done before any task runs.
    pub(crate) fn on_unpark(&self) {
        overrides::after_wait(self.shared);
        let moves = self.shared.moves();
        if self.moves.replace(moves) != moves {
            self.idle_polls.set(0);
        }
        self.catch_up();
    }

    /// The runtime is about to wait: what the network has due now is done, and the wait ends when more is.
    pub(crate) fn on_park(&self) {
        overrides::give_way(self.shared);
        self.watch_wakes();
        self.catch_up();
        let now = self.now();
        let next = loop {
            let mut network = self.network.borrow_mut();
            network.fabric.now = now;
            network.fabric.arrive_postponed();
            let orders = network.fabric.take_orders();
            let next = network.fabric.next_at();
            let due = next.is_some_and(|at| at <= now);
            let overfull = network.fabric.buffered_bytes() > self.budget.buffered_bytes;
            network.carry_out();
            let full = network.journal.is_full();
            self.let_go(network);
            if full && self.ended.get().is_none() {
                self.end(RunEnd::Finished);
            }
            if overfull && self.ended.get().is_none() {
                self.end_overfull();
            }
            if orders.is_empty() && !due {
                break next;
            }
            orders.into_iter().for_each(|order| self.obey(order));
            self.deliver_due(false);
        };
        if !self.panics.borrow().is_empty() {
            self.note_panics();
        }
        overrides::before_wait(self.shared, next.map_or(u64::MAX, |next| next.as_nanos() as u64));
    }

    /// A wake from another thread is either that of a thread of the run, which had its turn, or a stranger's, whose time is
    /// the machine's.
    fn watch_wakes(&self) {
        let Some(metrics) = self.metrics.get() else { return };
        let wakes = metrics.remote_schedule_count();
        if self.wakes.replace(wakes) != wakes && !overrides::has_helped(self.shared) {
            self.shared.stray(
                "a wake by a thread that is not of the run",
                "the thread was started outside of the run, or by another one, and nobody decides when it runs: start it in \
                 the service's `run` and end it there",
            );
        }
    }

    /// Does what the network has due by now, before tasks are polled or when they have been.
    fn deliver_due(&self, before_polls: bool) {
        let mut network = self.network.borrow_mut();
        let now = self.now();
        network.fabric.now = now;
        // What is left over is of an earlier instant now.
        network.fabric.arrive_postponed();
        if network.fabric.next_at().is_none_or(|at| at > now) {
            self.let_go(network);
            return;
        }
        let starts = network.fabric.advance(now, before_polls);
        self.let_go(network);
        if !starts.is_empty() {
            self.starts.borrow_mut().extend(starts);
            self.news.notify_one();
        }
    }

    fn end_overfull(&self) {
        let detail = format!("sockets hold more than {} bytes", self.budget.buffered_bytes);
        self.record(None, RecordKind::BrokenRule { rule: "memory".to_owned(), detail });
        self.end(RunEnd::Finished);
    }

    pub(crate) fn end(&self, why: RunEnd) {
        if self.ended.get().is_none() {
            self.ended.set(Some(why));
        }
        self.news.notify_one();
    }
}
