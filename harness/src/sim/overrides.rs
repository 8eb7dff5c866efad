//! The libc symbols that a run answers itself: entropy, clocks, and the doors to the real network.
//!
//! A library crate that defines a libc symbol is preferred by the linker over the shared library, so these functions
//! serve the whole process. On a thread that belongs to no run they forward to the next definition (which keeps the
//! vDSO); on a run's threads they answer from the run. Everything thread-local here is `const`, `Copy` and without a
//! destructor, so the functions work even while a thread's locals are being torn down, and none of them calls tokio,
//! which reads the clock while it holds its own locks.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

#[cfg(target_feature = "crt-static")]
compile_error!("halfopen's `sim` feature needs a dynamically linked libc: remove `-C target-feature=+crt-static`");

/// Virtual `CLOCK_REALTIME` at the start of a run, seconds since 1970: 2023-11-14T22:13:20Z, a round number in the past.
pub(crate) const EPOCH_SECONDS: u64 = 1_700_000_000;
/// Virtual `CLOCK_MONOTONIC` at the start of a run, seconds: far from zero, so that a service may subtract from it.
pub(crate) const UPTIME_SECONDS: u64 = 1_000_000;

const NANOS: u64 = 1_000_000_000;
/// How long the run's thread really waits, at most, while another thread works for it.
const THREAD_WAIT_NANOS: u64 = 1_000_000;

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

/// What a wait of the run's thread comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Time goes on to the caller's timeout, or to this many virtual nanoseconds since the start if that is earlier.
    Until(u64),
    /// Another thread works for the run: time stands, and the wait is a real one, of a millisecond at most.
    ForThread,
}

thread_local! {
    /// The wait that the runtime is about to make.
    static WAIT: Cell<Option<Wait>> = const { Cell::new(None) };
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

/// The runtime is about to wait.
pub(crate) fn before_wait(shared: &Shared, wait: Wait) {
    shared.waiting.store(true, Ordering::Relaxed);
    WAIT.set(Some(wait));
}

/// The runtime has waited.
pub(crate) fn after_wait(shared: &Shared) {
    shared.waiting.store(false, Ordering::Relaxed);
    WAIT.set(None);
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

/// # Safety
/// As `clock_gettime(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if let (Some(shared), Some(base)) = (SHARED.get(), base_seconds(clock)) {
        let nanos = shared.now_nanos.load(Ordering::Relaxed);
        // SAFETY: the caller passes a valid timespec.
        unsafe {
            (*time).tv_sec = (base + nanos / NANOS) as _;
            (*time).tv_nsec = (nanos % NANOS) as _;
        }
        return 0;
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_clock_gettime(clock, time) }
}

/// Where a virtual clock starts; `None` for the clocks that stay real (CPU time).
fn base_seconds(clock: libc::clockid_t) -> Option<u64> {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Some(EPOCH_SECONDS),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => {
            Some(UPTIME_SECONDS)
        }
        _ => None,
    }
}

unsafe fn real_clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    type Signature = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;
    let address = CLOCK_GETTIME.address(c"clock_gettime");
    // SAFETY: the address is libc's `clock_gettime`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(clock, time) }
}

/// `getrandom` 0.2 asks for entropy through `syscall`, and std waits through it. The runtime's own wait, for its timers, is
/// where virtual time goes on; other timed waits hand the kernel an absolute deadline of the virtual clock, which has to
/// become one of the real clock.
///
/// Not declared variadic: on x86_64 and aarch64 Linux the registers are the same.
///
/// # Safety
/// As `syscall(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    if number == libc::SYS_getrandom && seeded() {
        fill(a as *mut u8, b);
        return b as c_long;
    }
    if number == libc::SYS_futex
        && let Some(shared) = SHARED.get()
        && let Some(relative) = is_relative_wait(b as c_int)
    {
        // SAFETY: the fourth argument of a futex's wait is a valid timespec when it is not null.
        let timeout = unsafe { (d as *const libc::timespec).as_ref() };
        let now = shared.now_nanos();
        let deadline = timeout.map(|timeout| virtual_deadline(*timeout, b as c_int, relative, now));
        let real = match WAIT.get() {
            Some(Wait::Until(next)) => {
                if let Some(at) =
                    deadline.map_or(Some(next), |deadline| Some(deadline.min(next))).filter(|at| *at < u64::MAX)
                {
                    shared.wait_until(at);
                    // SAFETY: errno's address is valid for this thread.
                    unsafe { *libc::__errno_location() = libc::ETIMEDOUT };
                    return -1;
                }
                // Nothing will ever happen; the watchdog tells of it.
                None
            }
            Some(Wait::ForThread) => Some(THREAD_WAIT_NANOS),
            None => deadline.map(|deadline| deadline.saturating_sub(now)),
        };
        let real = real.map(|nanos| timespec(if relative { nanos } else { real_nanos(b as c_int) + nanos }));
        let timeout = real.as_ref().map_or(0, |real| &raw const *real as usize);
        // SAFETY: as the caller's, with a timeout that outlives the call.
        return unsafe { real_syscall(number, a, b, c, timeout, e, f) };
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_syscall(number, a, b, c, d, e, f) }
}

/// Whether a futex operation that waits takes a relative timeout; `None` for operations that do not wait.
fn is_relative_wait(operation: c_int) -> Option<bool> {
    match operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) {
        libc::FUTEX_WAIT => Some(true),
        libc::FUTEX_WAIT_BITSET => Some(false),
        _ => None,
    }
}

/// A timeout as virtual nanoseconds since the start of the run.
fn virtual_deadline(timeout: libc::timespec, operation: c_int, relative: bool, now: u64) -> u64 {
    let nanos = (timeout.tv_sec as u64).saturating_mul(NANOS).saturating_add(timeout.tv_nsec as u64);
    if relative {
        return now.saturating_add(nanos);
    }
    let base = if operation & libc::FUTEX_CLOCK_REALTIME == 0 { UPTIME_SECONDS } else { EPOCH_SECONDS };
    nanos.saturating_sub(base * NANOS)
}

/// What the clock of a futex operation really says.
fn real_nanos(operation: c_int) -> u64 {
    let clock = if operation & libc::FUTEX_CLOCK_REALTIME == 0 { libc::CLOCK_MONOTONIC } else { libc::CLOCK_REALTIME };
    let mut time = timespec(0);
    // SAFETY: `time` is valid for writing.
    unsafe { real_clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * NANOS + time.tv_nsec as u64
}

fn timespec(nanos: u64) -> libc::timespec {
    libc::timespec { tv_sec: (nanos / NANOS) as _, tv_nsec: (nanos % NANOS) as _ }
}

unsafe fn real_syscall(n: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    type Signature = unsafe extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long;
    let address = SYSCALL.address(c"syscall");
    // SAFETY: the address is libc's `syscall`; see the note on variadics above.
    unsafe { std::mem::transmute::<usize, Signature>(address)(n, a, b, c, d, e, f) }
}

/// # Safety
/// As `socket(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if let Some(shared) = SHARED.get()
        && matches!(domain, libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX)
    {
        let call = match kind & 0xf {
            libc::SOCK_STREAM => "socket(SOCK_STREAM)",
            libc::SOCK_DGRAM => "socket(SOCK_DGRAM)",
            _ => "socket",
        };
        shared.stray(call.to_owned(), "use the types of halfopen_net instead of tokio::net or std::net");
        // SAFETY: errno's address is valid for this thread.
        unsafe { *libc::__errno_location() = libc::EACCES };
        return -1;
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    let address = SOCKET.address(c"socket");
    // SAFETY: the address is libc's `socket`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(domain, kind, protocol) }
}

/// # Safety
/// As `getaddrinfo(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    results: *mut *mut libc::addrinfo,
) -> c_int {
    if let Some(shared) = SHARED.get() {
        let name = if node.is_null() {
            String::new()
        } else {
            // SAFETY: a non-null node is a NUL-terminated string.
            unsafe { std::ffi::CStr::from_ptr(node) }.to_string_lossy().into_owned()
        };
        shared
            .stray(format!("getaddrinfo({name:?})"), "resolve through halfopen_net (connect by name, or lookup_host)");
        return libc::EAI_FAIL;
    }
    type Signature =
        unsafe extern "C" fn(*const c_char, *const c_char, *const libc::addrinfo, *mut *mut libc::addrinfo) -> c_int;
    let address = GETADDRINFO.address(c"getaddrinfo");
    // SAFETY: the address is libc's `getaddrinfo`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(node, service, hints, results) }
}

/// A thread of its own is outside the run: its clocks, entropy and sockets are real, and nobody decides when it runs.
/// It is let be, counted, and told of at the end.
///
/// # Safety
/// As `pthread_create(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    if let Some(shared) = SHARED.get() {
        shared.threads_created.fetch_add(1, Ordering::Relaxed);
    }
    type Signature = unsafe extern "C" fn(
        *mut libc::pthread_t,
        *const libc::pthread_attr_t,
        extern "C" fn(*mut c_void) -> *mut c_void,
        *mut c_void,
    ) -> c_int;
    let address = PTHREAD_CREATE.address(c"pthread_create");
    // SAFETY: the address is libc's `pthread_create`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(thread, attributes, start, argument) }
}

/// Warns when a service ends the whole process from inside a run.
pub(crate) fn watch_exit() {
    extern "C" fn at_exit() {
        if on_run_thread() {
            let message = b"halfopen: violation: a service called std::process::exit inside a simulation; \
                return an error from `run` instead\n";
            // SAFETY: writes a valid buffer to the process's stderr.
            unsafe { libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len()) };
        }
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: `at_exit` is a plain function that lives as long as the process.
    ONCE.call_once(|| unsafe {
        libc::atexit(at_exit);
    });
}
