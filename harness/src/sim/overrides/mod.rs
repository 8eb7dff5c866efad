//! The libc symbols that a run answers itself: entropy, clocks, and the ways to the real network.
//!
//! A library crate that defines a libc symbol is preferred by the linker over the shared library, so these functions
//! serve the whole process. On a thread that belongs to no run they forward to the next definition (which keeps the
//! vDSO); on a run's threads they answer from the run. Everything thread-local here is `const`, `Copy` and without a
//! destructor, so the functions work even while a thread's locals are being torn down, and none of them calls tokio,
//! which reads the clock while it holds its own locks.
//!
//! - this file: what a run's threads share;
//! - `entropy`: what is random;
//! - `clock`: clocks; `wait`: the waits in which they go on;
//! - `crew`, `threads`: the threads of a run take turns; what a service does with threads;
//! - `machine`, `files`: what a process asks of the machine that it runs on;
//! - `counter`: the processor's own clock;
//! - `sockets`, `control`: socket calls, which the simulated kernel answers; `memory`: what their pointers lead to; `resolver`: names;
//! - `runtime`: what the run's runtime waits with;
//! - `syscalls`: ways to the real network, processes, the end of the process; `callers`: whose call it was;
//! - `belongings`: what the whole process has one of: its environment, its working directory, its program;
//! - `beacon`: which host is running, for the process that finds this one dead;
//! - `worker`: what a process needs to play runs for another.

mod beacon;
mod belongings;
mod callers;
mod clock;
mod control;
mod counter;
mod crew;
mod entropy;
mod files;
mod handler_stack;
mod machine;
mod memory;
mod resolver;
mod runtime;
mod sockets;
mod syscalls;
mod threads;
mod wait;
mod wall;
#[cfg(feature = "cli")]
mod worker;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use beacon::{Beacon, Speaking};
pub(crate) use crew::{disband, give_way, has_helped, helpers};
pub(crate) use entropy::{EntropyState, seed_generators, swap_entropy};
use entropy::{draws_digest, fill, seeded};
pub(crate) use resolver::{Errand, Resolved};
pub(crate) use sockets::{outlive, outlived};
pub(crate) use syscalls::watch_exit;
pub(crate) use wait::{after_wait, before_wait, join};
#[cfg(feature = "cli")]
pub(crate) use worker::{MEMORY_MIB, Page, become_worker, memory_file, prepare_worker, readable};

use self::wall::Wall;
use super::run::lock;
use crate::name::{HostName, Incarnation};
use crate::seed::SeedTree;
use crate::trace::RecordKind;

#[cfg(target_feature = "crt-static")]
compile_error!("halfopen's `sim` feature needs a dynamically linked libc: remove `-C target-feature=+crt-static`");

/// What the threads of one run share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Which run it is, for callers that cannot tell otherwise.
    run: String,
    /// The host that is running, for the process that finds this one dead.
    pub(crate) beacon: &'static Beacon,
    /// The life that the beacon's last slot names.
    named: AtomicU32,
    /// Virtual nanoseconds since the start of the run.
    now_nanos: AtomicU64,
    /// Virtual `CLOCK_REALTIME` at the start of the run, seconds since 1970.
    epoch_seconds: u64,
    /// How often clocks have been looked at since time has last gone on.
    looks: AtomicU64,
    /// How often time has gone on.
    moves: AtomicU64,
    /// What the processor's counter said last, nanoseconds since the start of the run.
    counter: AtomicU64,
    /// How far apart two looks at it are in one instant.
    counter_noise: counter::Noise,
    /// Whether the runtime is about to wait, or does.
    waiting: AtomicBool,
    /// How often it has been seen to wait.
    waits: AtomicU64,
    /// Whether every draw is the same.
    warm_up: bool,
    crew: crew::Crew,
    alarm: runtime::Alarm,
    /// What other threads ask of the engine.
    errands: resolver::Errands,
    /// The life that speaks on the run's first thread, or [`NO_LIFE`].
    speaking: AtomicU32,
    /// What every life's threads need to know of it, by its number.
    lives: Mutex<Vec<Life>>,
    /// What was told outside of the engine's hands: by other threads, and from inside of libc's functions.
    told: Mutex<Vec<Told>>,
    has_told: AtomicBool,
    /// The calls that are in `told`, or were: each is told once of a life.
    strays: Mutex<BTreeSet<(Option<u32>, String)>>,
    /// Whether a machine's wall clock was set.
    has_jumped: AtomicBool,
    /// What the other threads have drawn.
    draws: AtomicU64,
    /// Descriptors of the machine's own source of randomness, by the number behind the descriptor; 0 where there is none.
    random_files: [AtomicI32; 8],
    /// A thread of another run was given work.
    forsaken: AtomicBool,
    /// [`Shared::GOES_ON`], [`Shared::OVER`] or [`Shared::GIVEN_UP`].
    course: AtomicU32,
    /// The run is to be given up by its first thread.
    surrendered: AtomicBool,
}

/// What a life's threads need to know of it.
#[derive(Debug)]
struct Life {
    /// Its host's name.
    host: String,
    seeds: SeedTree,
    threads: u32,
    wall: Wall,
}

/// No host is running.
const NO_LIFE: u32 = u32::MAX;

/// Something that the engine has to take down.
#[derive(Debug)]
pub(crate) struct Told {
    /// The virtual time.
    pub(crate) at: Duration,
    /// The process that it belongs to.
    pub(crate) whose: Whose,
    /// The record to write.
    pub(crate) what: RecordKind,
}

/// Of whom something is told.
#[derive(Debug)]
pub(crate) enum Whose {
    /// No known host.
    Nobodys,
    /// A life, by its number.
    Life(u32),
    /// The incarnation of a host that told it.
    Incarnation(HostName, Incarnation),
}

impl Shared {
    const GOES_ON: u32 = 0;
    const OVER: u32 = 1;
    const GIVEN_UP: u32 = 2;

    /// For a run that is called `run`, whose wall clock begins at `epoch` (since 1970).
    pub(crate) fn new(run: String, epoch: Duration, warm_up: bool) -> Self {
        callers::ask();
        Self {
            run,
            beacon: Beacon::of_run(),
            named: AtomicU32::new(NO_LIFE),
            now_nanos: AtomicU64::new(0),
            epoch_seconds: epoch.as_secs(),
            looks: AtomicU64::new(0),
            moves: AtomicU64::new(0),
            counter: AtomicU64::new(0),
            counter_noise: counter::Noise::default(),
            waiting: AtomicBool::new(false),
            waits: AtomicU64::new(0),
            warm_up,
            crew: crew::Crew::default(),
            alarm: runtime::Alarm::default(),
            errands: resolver::Errands::default(),
            speaking: AtomicU32::new(NO_LIFE),
            lives: Mutex::default(),
            told: Mutex::default(),
            has_told: AtomicBool::new(false),
            strays: Mutex::default(),
            has_jumped: AtomicBool::new(false),
            draws: AtomicU64::new(0),
            random_files: Default::default(),
            forsaken: AtomicBool::new(false),
            course: AtomicU32::new(Self::GOES_ON),
            surrendered: AtomicBool::new(false),
        }
    }

    /// Time goes on. One thread of a run runs at a time, so no other thread changes these numbers meanwhile.
    fn wait_until(&self, nanos: u64) {
        if self.now_nanos() < nanos {
            self.now_nanos.store(nanos, Ordering::Relaxed);
            self.looks.store(0, Ordering::Relaxed);
            self.moves.store(self.moves() + 1, Ordering::Relaxed);
            self.beacon.set_now(nanos);
        }
    }

    /// Whether the runtime waits and has never been seen to wait.
    pub(crate) fn waits_unseen(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) && self.waits.load(Ordering::Relaxed) == 0
    }

    /// What the run's clocks say: virtual nanoseconds since its start.
    #[inline]
    pub(crate) fn now_nanos(&self) -> u64 {
        self.now_nanos.load(Ordering::Relaxed)
    }

    /// How often time has gone on by a wait.
    #[inline]
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    /// A life begins; they are numbered from 0.
    pub(crate) fn begin_life(&self, host: &str, seeds: SeedTree) {
        let mut lives = lock(&self.lives);
        if lives.len() < Beacon::LAST {
            self.beacon.set_name(lives.len(), host);
        }
        lives.push(Life { host: host.to_owned(), seeds, threads: 0, wall: Wall::default() });
    }

    /// Says who speaks on the run's first thread from now on.
    #[inline]
    pub(crate) fn speak(&self, life: Option<u32>) {
        self.speaking.store(life.unwrap_or(NO_LIFE), Ordering::Relaxed);
        self.show(life);
    }

    /// Says on the beacon whose code runs.
    #[inline]
    fn show(&self, life: Option<u32>) {
        let Some(life) = life else { return self.beacon.set_speaking(None) };
        let slot = (life as usize).min(Beacon::LAST);
        if slot == Beacon::LAST && self.named.load(Ordering::Relaxed) != life {
            self.name(life);
        }
        self.beacon.set_speaking(Some(slot));
    }

    #[cold]
    fn name(&self, life: u32) {
        self.named.store(life, Ordering::Relaxed);
        if let Some(Life { host, .. }) = lock(&self.lives).get(life as usize) {
            self.beacon.set_name(Beacon::LAST, host);
        }
    }

    /// Whether this thread runs the code of a service, and not that of the runtime.
    #[inline]
    fn is_spoken_on(&self) -> bool {
        self.speaking.load(Ordering::Relaxed) != NO_LIFE || !crew::is_first()
    }

    /// Whose code this thread runs.
    pub(crate) fn life(&self) -> Option<u32> {
        if crew::is_first() {
            Some(self.speaking.load(Ordering::Relaxed)).filter(|life| *life != NO_LIFE)
        } else {
            crew::life(self)
        }
    }

    /// A call that would have left the simulation, and what to use instead.
    pub(crate) fn stray(&self, call: &str, remedy: &str) {
        let life = self.life();
        if lock(&self.strays).insert((life, call.to_owned())) {
            let detail = format!("{call} left the simulation; {remedy}");
            self.tell(RecordKind::BrokenRule { rule: "stray".to_owned(), detail });
            if !self.warm_up {
                callers::tell(call);
            }
        }
    }

    /// Tells of the host whose code this thread runs.
    pub(crate) fn tell(&self, what: RecordKind) {
        self.tell_of(self.life().map_or(Whose::Nobodys, Whose::Life), what);
    }

    /// Tells of somebody.
    pub(crate) fn tell_of(&self, whose: Whose, what: RecordKind) {
        let told = Told { at: Duration::from_nanos(self.now_nanos()), whose, what };
        lock(&self.told).push(told);
        self.has_told.store(true, Ordering::Relaxed);
    }

    /// Whether there is something to take.
    #[inline]
    pub(crate) fn has_told(&self) -> bool {
        self.has_told.load(Ordering::Relaxed)
    }

    /// What was told since the last time.
    pub(crate) fn take_told(&self) -> Vec<Told> {
        self.has_told.store(false, Ordering::Relaxed);
        std::mem::take(&mut *lock(&self.told))
    }

    /// A digest of the draws made on this thread, and on the others that have ended, since the run began.
    pub(crate) fn draws(&self) -> u64 {
        self.draws.load(Ordering::Relaxed) ^ draws_digest()
    }

    /// The result of the run is there; its thread ends.
    pub(crate) fn finish(&self) {
        self.set_course(Self::OVER);
    }

    fn set_course(&self, course: u32) {
        self.course.store(course, Ordering::Release);
    }

    /// A thread of the run waits for a lock that no thread will release: the run is over, and its threads stay where
    /// they are.
    fn give_up(&self) -> ! {
        GIVEN_UP_BEFORE.store(true, Ordering::Relaxed);
        if crew::is_first() {
            let what = if self.is_forsaken() {
                "a thread that an earlier run has started and that belongs to no run any more (a pool or worker that is made \
                 once for the whole process, such as rayon's global pool): make it in the service's `run` and end it there, \
                 or do the work in tokio::task::spawn_blocking"
            } else {
                "a lock, a channel or a thread that nothing in its run will release (a std Mutex that is held across an \
                 await, a blocking receive whose sender needs the runtime): wait with tokio's types, or in \
                 tokio::task::spawn_blocking"
            };
            let last_words = LAST_WORDS.with(|words| words.borrow_mut().take());
            if let Some(last_words) = last_words {
                last_words(what);
            }
            self.set_course(Self::GIVEN_UP);
        } else {
            self.surrendered.store(true, Ordering::Relaxed);
            crew::surrender(self);
        }
        loop {
            wait::pause_really(3_600_000_000_000);
        }
    }

    fn is_surrendered(&self) -> bool {
        self.surrendered.load(Ordering::Relaxed)
    }

    fn has_given_up_before() -> bool {
        GIVEN_UP_BEFORE.load(Ordering::Relaxed)
    }

    fn work_for_another_run(&self) {
        self.forsaken.store(true, Ordering::Relaxed);
        self.stray(
            "work for a thread that an earlier run has started",
            "a pool or worker that is made once for the whole process (rayon's global pool, a `static` sender) belongs to \
             no run: make it in the service's `run` and end it there",
        );
    }

    fn is_forsaken(&self) -> bool {
        self.forsaken.load(Ordering::Relaxed)
    }
}

/// Whether a run of this process was given up.
static GIVEN_UP_BEFORE: AtomicBool = AtomicBool::new(false);

/// Keeps what is known of a run that is given up; it is told what the run waits for, in words behind "waits for ever for".
pub(crate) type LastWords = Box<dyn FnOnce(&'static str)>;

thread_local! {
    static LAST_WORDS: RefCell<Option<LastWords>> = const { RefCell::new(None) };
}

/// What to do when this thread's run is given up.
pub(crate) fn set_last_words(words: Option<LastWords>) {
    let before = LAST_WORDS.with(|slot| std::mem::replace(&mut *slot.borrow_mut(), words));
    drop(before);
}

thread_local! {
    static SHARED: Cell<Option<&'static Shared>> = const { Cell::new(None) };
}

/// Makes this thread the first of a run. The shared part is leaked by the caller: it is a few words per run, and no
/// destructor order has to be reasoned about.
pub(crate) fn enter(shared: &'static Shared, state: EntropyState) {
    crew::muster();
    SHARED.set(Some(shared));
    entropy::enter(state, shared.warm_up);
    seed_generators();
    handler_stack::enlarge();
    counter::watch();
}

/// Makes this thread, which another thread of the run has started, one of the run.
fn enter_helper(shared: &'static Shared, life: Option<u32>) {
    SHARED.set(Some(shared));
    let seeds = {
        let mut lives = lock(&shared.lives);
        life.and_then(|life| lives.get_mut(life as usize)).map(|life| {
            life.threads += 1;
            life.seeds.child("thread").child(&life.threads.to_string())
        })
    };
    entropy::enter(seeds.map_or(EntropyState([1; 4]), |seeds| EntropyState::of(&seeds)), shared.warm_up);
    counter::watch();
    super::helpers::begin(shared);
}

/// This thread has done its last in the run.
fn leave_helper(shared: &Shared) {
    let draws = shared.draws.load(Ordering::Relaxed);
    shared.draws.store(draws.rotate_left(5) ^ draws_digest(), Ordering::Relaxed);
    entropy::leave();
}

/// Gives the thread back to the real world.
pub(crate) fn leave() {
    if SHARED.replace(None).is_some() {
        crew::dismiss();
        counter::unwatch();
    }
    entropy::leave();
}

/// The run that this thread belongs to.
#[inline]
pub(crate) fn shared() -> Option<&'static Shared> {
    SHARED.get()
}

/// A symbol's next definition. Those that everything else stands on are looked up before `main`, so that `dlsym` never runs
/// inside of them; the others when they are first called.
struct Next(AtomicUsize);

impl Next {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn resolve(&self, name: &CStr) {
        // SAFETY: `name` is a NUL-terminated string; RTLD_NEXT is a valid pseudo-handle.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        self.0.store(address as usize, Ordering::Relaxed);
    }

    /// The definition's address, looked up now if something ran before the constructors.
    fn address(&self, name: &CStr) -> usize {
        if self.0.load(Ordering::Relaxed) == 0 {
            self.resolve(name);
        }
        self.0.load(Ordering::Relaxed)
    }
}

/// The next definition of a function, as one of type `$signature`.
macro_rules! next_of {
    ($name:literal, $signature:ty) => {{
        static NEXT: $crate::sim::overrides::Next = $crate::sim::overrides::Next::new();
        std::mem::transmute::<usize, $signature>(NEXT.address($name))
    }};
}
use next_of;

static CLOCK_GETTIME: Next = Next::new();
static SYSCALL: Next = Next::new();
static WRITE: Next = Next::new();

#[used]
#[unsafe(link_section = ".init_array")]
static RESOLVE: extern "C" fn() = {
    extern "C" fn resolve() {
        CLOCK_GETTIME.resolve(c"clock_gettime");
        SYSCALL.resolve(c"syscall");
        WRITE.resolve(c"write");
    }
    resolve
};
