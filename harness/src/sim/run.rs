//! One simulation: one fresh thread, one paused runtime, one engine.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::LocalRuntime;
#[cfg(tokio_unstable)]
use tokio::runtime::{Builder, RngSeed};

use super::director::{Cast, Director};
use super::engine::{self, Engine, Livelock};
use super::fabric::{Links, Network};
use super::overrides::{self, EntropyState, Shared};
use super::seam::EngineSeam;
use super::{SimError, panics, recorder};
use crate::catalogue::{Catalogue, set_fact_sink};
use crate::check::{FinalState, RunEnd};
use crate::plan::Plan;
use crate::plane::Plane;
use crate::seed::{Seed, SeedTree};
use crate::trace::{Record, TraceHash, What};

#[cfg(not(tokio_unstable))]
compile_error!(
    "halfopen's `sim` feature needs tokio's task hooks: add `rustflags = [\"--cfg\", \"tokio_unstable\"]` under `[build]` \
     in .cargo/config.toml; a RUSTFLAGS variable in the environment replaces that file, so add the cfg there as well"
);

/// The wall time that one run may take before it is given up.
const WATCHDOG: Duration = Duration::from_secs(60);

/// What came out of a run, before anybody judges it.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) records: Vec<Record>,
    pub(crate) hash: TraceHash,
    pub(crate) last: FinalState,
    pub(crate) simulated: Duration,
    /// Task polls.
    pub(crate) polls: u64,
}

/// Runs a plan on a thread of its own.
pub(crate) fn execute(catalogue: &Catalogue, plan: &Plan) -> Result<Raw, SimError> {
    panics::watch();
    overrides::watch_exit();
    warm_up(catalogue, plan)?;
    on_fresh_thread(catalogue, plan, false)
}

/// Process-wide lazies (a hasher's key, say) draw from whichever run comes first. So the first run of each scenario in a
/// process is thrown away, and its entropy is the same bytes for every call: what it leaves behind does not depend on
/// its course.
fn warm_up(catalogue: &Catalogue, plan: &Plan) -> Result<(), SimError> {
    static WARM: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // Held while the warm-up runs: nobody's first counted run of a scenario may overtake it.
    let mut warm = lock(&WARM);
    let name = format!("{}/{}", plan.scenario.name, plan.variant());
    if warm.contains(&name) {
        return Ok(());
    }
    let cold = Plan { seed: Seed(0), faults: Vec::new(), ..plan.clone() };
    on_fresh_thread(catalogue, &cold, true)?;
    warm.insert(name);
    Ok(())
}

fn on_fresh_thread(catalogue: &Catalogue, plan: &Plan, warm_up: bool) -> Result<Raw, SimError> {
    let result = Arc::new(Mutex::new(None));
    let shared: &'static Shared = Box::leak(Box::default());
    let (catalogue, owned, told) = (catalogue.clone(), plan.clone(), Arc::clone(&result));
    let thread = std::thread::Builder::new()
        .name("simulation".to_owned())
        .spawn(move || {
            let run = catch_unwind(AssertUnwindSafe(|| on_this_thread(&catalogue, &owned, shared, warm_up)));
            overrides::leave();
            let run = run.unwrap_or_else(|panic| Err(SimError::Defect { message: panics::text(&*panic) }));
            *lock(&told) = Some(run);
        })
        .map_err(|source| SimError::Thread { source })?;
    let ended = overrides::join(thread, WATCHDOG);
    let result = lock(&result).take();
    match result {
        Some(result) => result,
        None if ended => Err(SimError::Defect { message: "a simulation's thread ended without a result".to_owned() }),
        None if shared.waits_unseen() => Err(SimError::Unseen),
        None => Err(SimError::Watchdog { scenario: plan.scenario.name.clone(), seed: plan.seed, wall: WATCHDOG }),
    }
}

/// Locks what a panic may have poisoned and cannot have broken.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_this_thread(catalogue: &Catalogue, plan: &Plan, shared: &'static Shared, warm_up: bool) -> Result<Raw, SimError> {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    let seeds = SeedTree::new(plan.seed);
    let cast = Cast::new(catalogue, plan)?;
    overrides::enter(shared, entropy(&seeds.child("harness")), warm_up);
    // std draws a thread's hash keys once. Drawn here, they shift no host's stream.
    let _ = std::hash::RandomState::new();
    let network =
        Network::new(Plane::new(&plan.faults), links(plan), &seeds.child("network"), plan.scenario.network.interleaved);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let engine = Rc::new(Engine::new(network, shared, seeds.clone(), run, &plan.faults));
    engine::install(Rc::clone(&engine));
    let seam = halfopen_net::engine::install(Rc::new(EngineSeam(Rc::clone(&engine))));
    set_fact_sink(Some(Rc::new(super::director::Facts(Rc::clone(&engine)))));
    let recorder = tracing::dispatcher::set_default(recorder::dispatch());
    let runtime = runtime(&seeds, shared, warm_up).map_err(|source| SimError::Runtime { source })?;

    engine.watch(runtime.metrics());

    let directed = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { Director::new(Rc::clone(&engine), cast, plan).run().await })
    }));
    let sampled = match directed {
        Ok(last) => Ok(last),
        Err(panic) if panic.is::<Livelock>() => Ok(Director::sample(&engine, RunEnd::Livelock)),
        Err(panic) => Err(SimError::Defect { message: panics::text(&*panic) }),
    };
    let simulated = engine.now();
    // What the runtime's end does is in tokio's own order, so nothing of it may be recorded.
    note_strays(&engine);
    engine.network.borrow_mut().journal.absorb(overrides::draws_digest());
    if let Ok(last) = &sampled {
        engine.network.borrow_mut().journal.absorb_last(last);
    }
    engine.network.borrow_mut().journal.seal();
    // A panic while tasks are dropped is not the run's any more; the run is sealed.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
    set_fact_sink(None);
    drop(recorder);
    drop(seam);
    let uninstalled = engine::uninstall();
    drop(uninstalled);
    overrides::leave();

    if let Some(defect) = engine.defect.borrow_mut().take() {
        return Err(defect);
    }
    let last = sampled?;
    let (records, hash) = engine.network.borrow_mut().journal.take();
    Ok(Raw { records, hash, last, simulated, polls: engine.polls() })
}

fn entropy(seeds: &SeedTree) -> EntropyState {
    let mut draws = seeds.child("entropy").draws();
    EntropyState([draws.next_u64(), draws.next_u64(), draws.next_u64(), draws.next_u64() | 1])
}

fn links(plan: &Plan) -> Links {
    let scenario = &plan.scenario;
    let pairs = scenario.links.iter().map(|link| {
        let (one, other) = &link.between;
        (link.between.clone(), scenario.link(one, other))
    });
    Links { usual: scenario.network.link, pairs: pairs.collect() }
}

fn note_strays(engine: &Engine) {
    engine.shared.count_threads();
    for stray in engine.shared.take_strays() {
        let detail = format!("{} left the simulation; {}", stray.call, stray.remedy);
        engine.record(None, What::Violation { rule: "stray".to_owned(), detail });
    }
}

/// Never built: the error above says what to do, and this keeps others from standing beside it.
#[cfg(not(tokio_unstable))]
fn runtime(_: &SeedTree, _: &'static Shared, _: bool) -> std::io::Result<LocalRuntime> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// A current-thread runtime whose hooks tell the engine who speaks and when nothing is left to do.
#[cfg(tokio_unstable)]
fn runtime(seeds: &SeedTree, shared: &'static Shared, warm_up: bool) -> std::io::Result<LocalRuntime> {
    let mut draws = seeds.child("runtime").draws();
    let blocking = Arc::new(AtomicU64::new(0));
    let blocking_seeds = seeds.child("blocking");
    Builder::new_current_thread()
        .enable_time()
        .rng_seed(RngSeed::from_bytes(&draws.next_u64().to_le_bytes()))
        .on_task_spawn(|meta| with(|engine| engine.on_task_spawn(meta.id())))
        .on_before_task_poll(|meta| with(|engine| engine.before_poll(meta.id())))
        .on_after_task_poll(|_| with(|engine| engine.after_poll()))
        .on_task_terminate(|meta| with(|engine| engine.on_task_terminate(meta.id())))
        .on_thread_park(|| with(|engine| guarded(engine, Engine::on_park)))
        .on_thread_unpark(|| with(|engine| guarded(engine, Engine::on_unpark)))
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::from_secs(24 * 3600))
        .on_thread_start(move || {
            let nth = blocking.fetch_add(1, Ordering::Relaxed);
            shared.own_thread();
            overrides::enter(shared, entropy(&blocking_seeds.child(&nth.to_string())), warm_up);
        })
        .build_local(Default::default())
}

fn with(work: impl FnOnce(&Engine)) {
    engine::with_current(work);
}

/// A panic in a hook around a wait would cost the runtime its core, so it is kept and ends the run in an orderly way.
fn guarded(engine: &Engine, work: impl FnOnce(&Engine)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(engine))) {
        *engine.defect.borrow_mut() = Some(SimError::Defect { message: panics::text(&*panic) });
        engine.end(RunEnd::Finished);
    }
}
