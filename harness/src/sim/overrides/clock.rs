//! Clocks, and the waits in which they go on.

use std::cell::Cell;
use std::ffi::{c_int, c_long};
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::{CLOCK_GETTIME, SHARED, SYSCALL, Shared, fill, seeded};

/// Virtual `CLOCK_REALTIME` at the start of a run, seconds since 1970: 2023-11-14T22:13:20Z, a round number in the past.
pub(crate) const EPOCH_SECONDS: u64 = 1_700_000_000;
/// Virtual `CLOCK_MONOTONIC` at the start of a run, seconds: far from zero, so that a service may subtract from it.
pub(crate) const UPTIME_SECONDS: u64 = 1_000_000;

const NANOS: u64 = 1_000_000_000;
/// How long the run's thread really waits, at most, while another thread works for it.
const THREAD_WAIT_NANOS: u64 = 1_000_000;

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

/// Waits for a thread to end, which is one wait, and by itself knows no bound; `false` when the time was up.
pub(crate) fn join(thread: JoinHandle<()>, within: Duration) -> bool {
    let deadline = real_nanos(libc::FUTEX_CLOCK_REALTIME).saturating_add(within.as_nanos() as u64);
    let thread = thread.into_pthread_t();
    // SAFETY: the thread is joinable, because its handle was, and nobody else has the handle.
    let joined = unsafe { libc::pthread_timedjoin_np(thread, std::ptr::null_mut(), &timespec(deadline)) } == 0;
    if !joined {
        // SAFETY: as above; it was not joined.
        unsafe { libc::pthread_detach(thread) };
    }
    joined
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

pub(super) unsafe fn real_syscall(n: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    type Signature = unsafe extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long;
    let address = SYSCALL.address(c"syscall");
    // SAFETY: the address is libc's `syscall`; see the note on variadics above.
    unsafe { std::mem::transmute::<usize, Signature>(address)(n, a, b, c, d, e, f) }
}
