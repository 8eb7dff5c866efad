//! The libc symbols that a run answers itself: entropy, clocks, and the doors to the real network.
//!
//! A library crate that defines a libc symbol is preferred by the linker over the shared library, so these functions
//! serve the whole process. On a thread that belongs to no run they forward to the next definition (which keeps the
//! vDSO); on a run's threads they answer from the run. Everything thread-local here is `const`, `Copy` and without a
//! destructor, so the functions work even while a thread's locals are being torn down, and none of them calls tokio,
//! which reads the clock while it holds its own locks.
//!
//! - this file: what a run's threads share, and entropy;
//! - `clock`: clocks, and the waits in which they go on;
//! - `doors`: sockets, names, threads, the end of the process.

mod clock;
mod doors;

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use clock::real_syscall;
pub(crate) use clock::{Wait, after_wait, before_wait, join};
pub(crate) use doors::watch_exit;

#[cfg(target_feature = "crt-static")]
compile_error!("halfopen's `sim` feature needs a dynamically linked libc: remove `-C target-feature=+crt-static`");

/// What the threads of one run share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Virtual nanoseconds since the start of the run.
    now_nanos: AtomicU64,
    /// Whether the runtime is about to wait, or does.
    waiting: AtomicBool,
    /// How often it has been seen to wait.
    waits: AtomicU64,
    /// Calls that tried to leave the simulation.
    strays: Mutex<Vec<Stray>>,
    /// Threads that the run's threads have started.
    threads_created: AtomicU64,
    /// Those of them that are the runtime's own.
    threads_owned: AtomicU64,
}

/// A call that would have left the simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stray {
    /// The call, with what it asked for.
    pub(crate) call: String,
    /// What to use instead.
    pub(crate) remedy: &'static str,
}

impl Shared {
    /// Time goes on.
    fn wait_until(&self, nanos: u64) {
        self.now_nanos.fetch_max(nanos, Ordering::Relaxed);
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the runtime waits and has never been seen to wait.
    pub(crate) fn waits_unseen(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) && self.waits.load(Ordering::Relaxed) == 0
    }

    /// What the run's clocks say: virtual nanoseconds since its start.
    pub(crate) fn now_nanos(&self) -> u64 {
        self.now_nanos.load(Ordering::Relaxed)
    }

    pub(crate) fn stray(&self, call: String, remedy: &'static str) {
        let mut strays = self.strays.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let stray = Stray { call, remedy };
        if !strays.contains(&stray) {
            strays.push(stray);
        }
    }

    /// The calling thread was started by the runtime, which has given it to the run.
    pub(crate) fn own_thread(&self) {
        self.threads_owned.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells of threads that are not the runtime's. A thread of the runtime has said so before time can go on, so none
    /// is taken for another.
    pub(crate) fn count_threads(&self) {
        if self.threads_created.load(Ordering::Relaxed) > self.threads_owned.load(Ordering::Relaxed) {
            self.stray("pthread_create".to_owned(), "spawn a tokio task instead of a real thread");
        }
    }

    pub(crate) fn take_strays(&self) -> Vec<Stray> {
        std::mem::take(&mut *self.strays.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// A generator's state (xoshiro256**), small enough to live in a thread-local.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntropyState(pub(crate) [u64; 4]);

/// How a thread's entropy is made.
#[derive(Clone, Copy)]
enum Entropy {
    /// From the operating system.
    Real,
    /// From the state of whichever host is speaking.
    Seeded(EntropyState),
    /// The same bytes for every call: a warm-up leaves nothing in process-wide lazies that depends on its own course.
    Constant,
}

thread_local! {
    static SHARED: Cell<Option<&'static Shared>> = const { Cell::new(None) };
    static ENTROPY: Cell<Entropy> = const { Cell::new(Entropy::Real) };
    static DRAWS: Cell<u64> = const { Cell::new(0) };
}

/// Makes this thread a thread of a run. The shared part is leaked by the caller: it is a few words per run, and no
/// destructor order has to be reasoned about.
pub(crate) fn enter(shared: &'static Shared, entropy: EntropyState, warm_up: bool) {
    SHARED.set(Some(shared));
    ENTROPY.set(if warm_up { Entropy::Constant } else { Entropy::Seeded(entropy) });
    DRAWS.set(0);
}

/// Gives the thread back to the real world.
pub(crate) fn leave() {
    SHARED.set(None);
    ENTROPY.set(Entropy::Real);
}

/// Whether this thread belongs to a run.
pub(crate) fn on_run_thread() -> bool {
    SHARED.get().is_some()
}

/// Puts the state of the host that speaks next into place and returns that of the one that spoke last.
pub(crate) fn swap_entropy(next: EntropyState) -> EntropyState {
    match ENTROPY.get() {
        Entropy::Seeded(last) => {
            ENTROPY.set(Entropy::Seeded(next));
            last
        }
        Entropy::Real | Entropy::Constant => next,
    }
}

/// A digest of the draws made on this thread since the run began; part of the run's hash.
pub(crate) fn draws_digest() -> u64 {
    DRAWS.get()
}

fn fill(buffer: *mut u8, length: usize) {
    let mut state = match ENTROPY.get() {
        Entropy::Seeded(state) => state,
        Entropy::Constant | Entropy::Real => {
            EntropyState([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 1])
        }
    };
    let mut written = 0;
    while written < length {
        let word = next(&mut state.0);
        DRAWS.set(DRAWS.get().rotate_left(5) ^ word);
        let bytes = word.to_le_bytes();
        let n = (length - written).min(bytes.len());
        // SAFETY: the caller of getrandom owns `length` bytes at `buffer`, and `written + n <= length`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.add(written), n) };
        written += n;
    }
    if let Entropy::Seeded(_) = ENTROPY.get() {
        ENTROPY.set(Entropy::Seeded(state));
    }
}

fn next(s: &mut [u64; 4]) -> u64 {
    let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3].rotate_left(45);
    result
}

fn seeded() -> bool {
    !matches!(ENTROPY.get(), Entropy::Real)
}

/// A symbol's next definition, looked up before `main`, so that `dlsym` never runs inside one of these functions.
struct Next(AtomicUsize);

impl Next {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn resolve(&self, name: &std::ffi::CStr) {
        // SAFETY: `name` is a NUL-terminated string; RTLD_NEXT is a valid pseudo-handle.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        self.0.store(address as usize, Ordering::Relaxed);
    }

    /// The definition's address, looked up now if something ran before the constructors.
    fn address(&self, name: &std::ffi::CStr) -> usize {
        if self.0.load(Ordering::Relaxed) == 0 {
            self.resolve(name);
        }
        self.0.load(Ordering::Relaxed)
    }
}

static CLOCK_GETTIME: Next = Next::new();
static SYSCALL: Next = Next::new();
static SOCKET: Next = Next::new();
static GETADDRINFO: Next = Next::new();
static PTHREAD_CREATE: Next = Next::new();

#[used]
#[unsafe(link_section = ".init_array")]
static RESOLVE: extern "C" fn() = {
    extern "C" fn resolve() {
        CLOCK_GETTIME.resolve(c"clock_gettime");
        SYSCALL.resolve(c"syscall");
        SOCKET.resolve(c"socket");
        GETADDRINFO.resolve(c"getaddrinfo");
        PTHREAD_CREATE.resolve(c"pthread_create");
    }
    resolve
};

/// # Safety
/// As `getrandom(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: u32) -> isize {
    if seeded() {
        fill(buffer.cast(), length);
        return length as isize;
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_syscall(libc::SYS_getrandom, buffer as usize, length, flags as usize, 0, 0, 0) as isize }
}

/// # Safety
/// As `getentropy(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    if seeded() {
        fill(buffer.cast(), length);
        return 0;
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    let got = unsafe { real_syscall(libc::SYS_getrandom, buffer as usize, length, 0, 0, 0, 0) };
    if got == length as c_long { 0 } else { -1 }
}
