//! One simulation: one fresh thread, one paused runtime, one engine.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::runtime::LocalRuntime;
#[cfg(tokio_unstable)]
use tokio::runtime::{Builder, RngSeed};

use super::engine::{self, Engine, Livelock};
use super::kernel::Kernel;
use super::network::Network;
use super::overrides::{self, EntropyState, LastWords, Shared, Speaking};
use super::runner::{HostSetups, Runner};
use super::seam::EngineSeam;
use super::{SimError, panics, recorder};
use crate::catalogue::{Catalogue, set_fact_sink};
use crate::fabric::{Fabric, Links};
use crate::name::Incarnation;
use crate::plan::Plan;
use crate::plane::Plane;
use crate::scenario;
use crate::seed::{Seed, SeedTree};
use crate::trace::{FinalState, Record, RecordKind, RunEnd, TraceHash};

#[cfg(not(tokio_unstable))]
compile_error!(
    "halfopen's `sim` feature needs tokio's task hooks: add `rustflags = [\"--cfg\", \"tokio_unstable\"]` under `[build]` \
     in .cargo/config.toml; a RUSTFLAGS variable in the environment replaces that file, so add the cfg there as well"
);

/// The wall time that one run may take before it is given up, by default.
const WATCHDOG: Duration = Duration::from_secs(60);
/// The virtual time that blocking jobs have to end in when everything else has.
const LAST_JOBS: Duration = Duration::from_secs(5);

/// The same as configured, in milliseconds; 0 when it is not.
static WATCHDOG_MILLIS: AtomicU64 = AtomicU64::new(0);

/// Gives each run of this process so much wall time.
pub(crate) fn set_watchdog(wall: Duration) {
    WATCHDOG_MILLIS.store(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The wall time that a run of this process may take.
pub(crate) fn watchdog() -> Duration {
    match WATCHDOG_MILLIS.load(Ordering::Relaxed) {
        0 => WATCHDOG,
        millis => Duration::from_millis(millis),
    }
}

/// What came out of a run, before anybody judges it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunOutput {
    pub(crate) records: Vec<Record>,
    pub(crate) hash: TraceHash,
    pub(crate) last: FinalState,
    pub(crate) simulated: Duration,
    /// Task polls.
    pub(crate) polls: u64,
    /// Threads of the services that were still there when everything had ended.
    pub(crate) left: usize,
}

/// Runs a plan on a thread of its own.
pub(crate) fn execute(catalogue: &Catalogue, plan: &Plan) -> Result<RunOutput, SimError> {
    panics::watch();
    overrides::watch_exit();
    let left = warm_up(catalogue, plan)?;
    let name = format!("`{}` with seed {}", plan.scenario.name, plan.seed);
    on_fresh_thread(catalogue, plan, name, Round::Counted { left })
}

/// Process-wide lazies (a hasher's key, say) draw from whichever run comes first. So the first run of each scenario in a
/// process is thrown away, and its entropy is the same bytes for every call: what it leaves behind does not depend on
/// its course. How many threads it has left behind.
fn warm_up(catalogue: &Catalogue, plan: &Plan) -> Result<usize, SimError> {
    static WARM: Mutex<BTreeMap<String, Result<usize, Speaking>>> = Mutex::new(BTreeMap::new());
    // Held while the warm-up runs: no first counted run of a scenario may overtake it.
    let mut warm = lock(&WARM);
    let name = format!("{}/{}", plan.scenario.name, plan.variant());
    // One that did not end is not tried again, at the price of another watchdog.
    if let Some(warmed) = warm.get(&name) {
        return warmed.clone().map_err(|speaking| stalled(plan, speaking));
    }
    let cold = Plan { seed: Seed(0), faults: Vec::new(), ..plan.clone() };
    // A search for the cause of its end has this run's seed.
    let called = format!("`{}` with seed {} (the warm-up before it)", plan.scenario.name, plan.seed);
    let warmed = match on_fresh_thread(catalogue, &cold, called, Round::WarmUp) {
        Ok(raw) => Ok(raw.left),
        Err(SimError::Watchdog { host, at, .. }) => Err(Speaking { host, at }),
        Err(error) => return Err(error),
    };
    warm.insert(name, warmed.clone());
    warmed.map_err(|speaking| stalled(plan, speaking))
}

fn stalled(plan: &Plan, speaking: Speaking) -> SimError {
    let Speaking { host, at } = speaking;
    SimError::Watchdog { scenario: plan.scenario.name.clone(), seed: plan.seed, wall: watchdog(), host, at }
}

/// Whether a run counts.
#[derive(Clone, Copy)]
enum Round {
    /// It is thrown away.
    WarmUp,
    /// It is judged; the warm-up before it has left this number of threads behind.
    Counted { left: usize },
}

fn on_fresh_thread(catalogue: &Catalogue, plan: &Plan, name: String, round: Round) -> Result<RunOutput, SimError> {
    let result = Arc::new(Mutex::new(None));
    let warm_up = matches!(round, Round::WarmUp);
    let shared: &'static Shared = Box::leak(Box::new(Shared::new(name, plan.scenario.starts_at, warm_up)));
    let (catalogue, owned, told) = (catalogue.clone(), plan.clone(), Arc::clone(&result));
    let thread = std::thread::Builder::new()
        .name("simulation".to_owned())
        .spawn(move || {
            let run = catch_unwind(AssertUnwindSafe(|| on_this_thread(&catalogue, &owned, shared, round, &told)));
            overrides::leave();
            let run = run.unwrap_or_else(|panic| Err(SimError::Defect { message: panics::text(&*panic) }));
            *lock(&told) = Some(run);
            shared.finish();
        })
        .map_err(|source| SimError::Thread { source })?;
    let ended = overrides::join(thread, watchdog(), shared);
    let result = lock(&result).take();
    match result {
        Some(result) => result,
        None if ended => Err(SimError::Defect { message: "a simulation's thread ended without a result".to_owned() }),
        None if shared.waits_unseen() => Err(SimError::Unseen),
        None => Err(stalled(plan, shared.beacon.read())),
    }
}

/// Locks what a panic may have poisoned and cannot have broken.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a run's result is left for the thread that waits for it.
type Told = Arc<Mutex<Option<Result<RunOutput, SimError>>>>;

fn on_this_thread(
    catalogue: &Catalogue,
    plan: &Plan,
    shared: &'static Shared,
    round: Round,
    told: &Told,
) -> Result<RunOutput, SimError> {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    let seeds = SeedTree::new(plan.seed);
    let hosts = HostSetups::new(catalogue, plan)?;
    overrides::enter(shared, EntropyState::of(&seeds.child("harness")));
    draw_hash_keys();
    let network = network(plan, &seeds.child("network"));
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let kernel = Kernel::new(tag(plan), overrides::outlived());
    let engine = Rc::new(Engine::new(network, kernel, shared, seeds.clone(), run, &plan.faults));
    engine::install(Rc::clone(&engine));
    let seam = halfopen_net::engine::install(Rc::new(EngineSeam(Rc::clone(&engine))));
    set_fact_sink(Some(Rc::new(super::runner::Facts(Rc::clone(&engine)))));
    let recorder = tracing::dispatcher::set_default(recorder::dispatch());
    let runtime = shared.building(|| runtime(&seeds)).map_err(|source| SimError::Runtime { source })?;

    engine.watch(runtime.metrics());
    overrides::set_last_words(Some(last_words(&engine, plan, round, told)));

    let directed = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { Runner::new(Rc::clone(&engine), hosts, plan).run().await })
    }));
    let sampled = match directed {
        Ok(last) => Ok(last),
        Err(panic) if panic.is::<Livelock>() => Ok(Runner::sample(&engine, RunEnd::Livelock)),
        Err(panic) => Err(SimError::Defect { message: panics::text(&*panic) }),
    };
    if !panics::are_heard() {
        shared.stray(
            "std::panic::set_hook",
            "a hook is the whole process's, and the harness hears of panics through its own: set one in the program's \
             `main`, beside what installs its tracing subscriber",
        );
    }
    // What the runtime's end does is in tokio's own order, so nothing of it may be recorded.
    let raw = sampled.map(|last| seal(&engine, round, last));
    overrides::set_last_words(Some(words_after_the_end(plan, told)));
    // No host is left to answer for a panic while tasks are dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| runtime.shutdown_timeout(LAST_JOBS)));
    set_fact_sink(None);
    drop(recorder);
    drop(seam);
    engine.outlive();
    let uninstalled = engine::uninstall();
    drop(uninstalled);
    let left = overrides::disband(shared);
    overrides::set_last_words(None);
    overrides::leave();

    if let Some(defect) = engine.defect.borrow_mut().take() {
        return Err(defect);
    }
    raw.map(|raw| RunOutput { left, ..late_panics(&engine, raw) })
}

/// What tells a plan's descriptors from those of most others.
fn tag(plan: &Plan) -> u64 {
    SeedTree::new(plan.seed).child("descriptors").child(plan.scenario.name.as_str()).draws().next_u64()
}

/// std draws a thread's hash keys once. Drawn here, they shift no host's stream.
#[expect(clippy::disallowed_types, reason = "what is drawn is thrown away")]
fn draw_hash_keys() {
    let _ = std::hash::RandomState::new();
}

/// Tells of destructors that panicked while the run was taken apart. Which came first is tokio's own affair, so they are
/// told in the order of their words, and each once.
fn late_panics(engine: &Engine, mut raw: RunOutput) -> RunOutput {
    let panics = std::mem::take(&mut *engine.panics.borrow_mut());
    let messages: BTreeSet<_> = panics.into_iter().map(|(_, _, message)| message).collect();
    for message in messages {
        let detail = format!("a task that was still there at the end panicked when it was dropped: {message}");
        let what = RecordKind::BrokenRule { rule: "panic".to_owned(), detail };
        let record = Record { at: raw.simulated, host: None, incarnation: Incarnation::default(), what };
        raw.hash.absorb_value(&record);
        raw.records.push(record);
    }
    raw
}

/// Ends the records and the hash; what comes later is not the run's.
fn seal(engine: &Engine, round: Round, last: FinalState) -> RunOutput {
    let simulated = engine.now();
    note_threads(engine, round);
    engine.note_told();
    let mut network = engine.network.borrow_mut();
    network.journal.absorb(engine.shared.draws());
    network.journal.absorb_last(&last);
    network.journal.seal();
    let (records, hash) = network.journal.take();
    RunOutput { records, hash, last, simulated, polls: engine.polls(), left: 0 }
}

/// What is left of a run whose thread waits for ever: everything up to there, and why.
fn last_words(engine: &Rc<Engine>, plan: &Plan, round: Round, told: &Told) -> LastWords {
    let (engine, told) = (Rc::clone(engine), Arc::clone(told));
    let (scenario, seed) = (plan.scenario.name.clone(), plan.seed);
    Box::new(move |what| {
        let result = if engine.network.try_borrow_mut().is_ok() {
            let detail = format!("{} waits for ever for {what}", waiting(&engine));
            engine.record(engine.speaking(), RecordKind::BrokenRule { rule: "stuck".to_owned(), detail });
            let last = Runner::sample(&engine, RunEnd::Watchdog);
            Ok(seal(&engine, round, last))
        } else {
            Err(SimError::Stuck { scenario, seed, what })
        };
        *lock(&told) = Some(result);
    })
}

fn waiting(engine: &Engine) -> String {
    engine.speaking().map_or_else(
        || "a thread of the run".to_owned(),
        |life| engine.network.borrow().hosts.name_of_life(life).0.to_string(),
    )
}

/// The same when the run is sealed: a destructor waits.
fn words_after_the_end(plan: &Plan, told: &Told) -> LastWords {
    let (scenario, seed, told) = (plan.scenario.name.clone(), plan.seed, Arc::clone(told));
    Box::new(move |what| *lock(&told) = Some(Err(SimError::Stuck { scenario, seed, what })))
}

/// Tells of threads that the warm-up has started and left, when this run has not started as many of its own: they are
/// made once for the whole process, and a run that gives them work waits for a thread that is in no run.
fn note_threads(engine: &Engine, round: Round) {
    let Round::Counted { left } = round else { return };
    let own = overrides::helpers(engine.shared);
    if own < left {
        let detail = format!(
            "threads that a run has started are left behind ({left}) and belong to the whole process, so that no other run \
             decides when they run: make pools and workers in the service's `run`, and end them there"
        );
        engine.record(None, RecordKind::BrokenRule { rule: "threads".to_owned(), detail });
    }
}

fn network(plan: &Plan, seeds: &SeedTree) -> Network {
    let scenario::Network { interleaved, arrivals, .. } = plan.scenario.network;
    let fabric = Fabric::new(Plane::new(&plan.faults), links(plan), seeds, arrivals.unwrap_or_default());
    Network::new(fabric, interleaved)
}

fn links(plan: &Plan) -> Links {
    let scenario = &plan.scenario;
    let pairs = scenario.links.iter().map(|link| {
        let (one, other) = &link.between;
        (link.between.clone(), scenario.link(one, other))
    });
    Links { usual: scenario.network.link, pairs: pairs.collect() }
}

/// Never built: the error above says what to do, and this keeps others from standing beside it.
#[cfg(not(tokio_unstable))]
fn runtime(_: &SeedTree) -> std::io::Result<LocalRuntime> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// A current-thread runtime whose hooks tell the engine who speaks and when nothing is left to do.
///
/// A thread for blocking work ends with its job, so that none of them works for two hosts: what it draws, tells and is
/// called is that of the host whose job it does.
#[cfg(tokio_unstable)]
fn runtime(seeds: &SeedTree) -> std::io::Result<LocalRuntime> {
    let mut draws = seeds.child("runtime").draws();
    Builder::new_current_thread()
        .enable_time()
        .enable_io()
        .rng_seed(RngSeed::from_bytes(&draws.next_u64().to_le_bytes()))
        .on_task_spawn(|meta| with(|engine| engine.on_task_spawn(meta.id())))
        .on_before_task_poll(|meta| with(|engine| engine.before_poll(meta.id())))
        .on_after_task_poll(|_| with(|engine| engine.after_poll()))
        .on_task_terminate(|meta| with(|engine| engine.on_task_terminate(meta.id())))
        .on_thread_park(|| with(|engine| guarded(engine, Engine::on_park)))
        .on_thread_unpark(|| with(|engine| guarded(engine, Engine::on_unpark)))
        .thread_keep_alive(Duration::ZERO)
        .on_thread_start(overrides::seed_generators)
        .build_local(Default::default())
}

#[inline]
fn with(work: impl FnOnce(&Engine)) {
    engine::with_current(work);
}

/// A panic in a hook around a wait would cost the runtime its core, so it is kept and ends the run in an orderly way.
#[inline]
fn guarded(engine: &Engine, work: impl FnOnce(&Engine)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(engine))) {
        engine.end_by_defect(&*panic);
    }
}
