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

/// What a wait's own next looks at a clock are answered with.
#[derive(Clone, Copy)]
struct Foresight {
    /// How many looks.
    looks: u32,
    /// Virtual nanoseconds since the start of the run.
    nanos: u64,
}

impl Foresight {
    const NONE: Self = Self { looks: 0, nanos: 0 };
}

thread_local! {
    /// The wait that the runtime is about to make.
    static WAIT: Cell<Option<Wait>> = const { Cell::new(None) };
    /// How often this wait has been told that its time is up.
    static ENDED: Cell<u32> = const { Cell::new(0) };
    static FORESIGHT: Cell<Foresight> = const { Cell::new(Foresight::NONE) };
}

/// The runtime is about to wait.
pub(crate) fn before_wait(shared: &Shared, wait: Wait) {
    shared.waiting.store(true, Ordering::Relaxed);
    ENDED.set(0);
    WAIT.set(Some(wait));
}

/// The runtime has waited.
pub(crate) fn after_wait(shared: &Shared) {
    shared.waiting.store(false, Ordering::Relaxed);
    WAIT.set(None);
    FORESIGHT.set(Foresight::NONE);
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
        let nanos = seen_nanos(shared);
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

/// What this thread's next look at a clock sees.
#[inline]
fn seen_nanos(shared: &Shared) -> u64 {
    let foresight = FORESIGHT.get();
    if foresight.looks > 0 {
        FORESIGHT.set(Foresight { looks: foresight.looks - 1, ..foresight });
        return foresight.nanos.max(shared.now_nanos());
    }
    shared.now_nanos()
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
        // The runtime's wait for its timers always has a timeout. One without is for a lock that another thread holds.
        let real = match (deadline, WAIT.get()) {
            (Some(deadline), Some(wait)) if is_over(shared, wait, deadline) => {
                // SAFETY: errno's address is valid for this thread.
                unsafe { *libc::__errno_location() = libc::ETIMEDOUT };
                return -1;
            }
            (Some(_), Some(_)) => Some(THREAD_WAIT_NANOS),
            (Some(deadline), None) => Some(deadline.saturating_sub(now)),
            (None, _) => None,
        };
        let real = real.map(|nanos| timespec(if relative { nanos } else { real_nanos(b as c_int) + nanos }));
        let timeout = real.as_ref().map_or(0, |real| &raw const *real as usize);
        // SAFETY: as the caller's, with a timeout that outlives the call.
        return unsafe { real_syscall(number, a, b, c, timeout, e, f) };
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_syscall(number, a, b, c, d, e, f) }
}

/// Whether the runtime's wait ends without a real one, with its time up.
///
/// Virtual time goes on to the deadline, or only to the network's next arrival. std believes the kernel that the time is
/// up; `parking_lot` (which tokio waits with when it has that feature) looks at the clock, sees that its deadline has not
/// come, and waits again. Whoever waits again is let go by letting it see its deadline: as many looks at the clock as it
/// has been sent away before, which is one for a loop that looks once a round. What looks next is tokio, and sees the time.
fn is_over(shared: &Shared, wait: Wait, deadline: u64) -> bool {
    let ended = ENDED.get();
    ENDED.set(ended + 1);
    if ended > 0 {
        FORESIGHT.set(Foresight { looks: ended, nanos: deadline });
        return true;
    }
    match wait {
        Wait::Until(next) => {
            shared.wait_until(deadline.min(next));
            true
        }
        Wait::ForThread => false,
    }
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

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};
    use std::time::Instant;

    use super::*;
    use crate::sim::overrides::{EntropyState, enter, leave};

    const ARRIVAL: Duration = Duration::from_millis(5);

    /// Waits as the runtime does, for a second, while the network's next arrival is sooner; how long that took, and how
    /// often it waited.
    fn wait_for_a_second(wait: impl FnOnce(Instant) -> u32 + Send + 'static) -> (Duration, u32) {
        let run = std::thread::spawn(move || {
            let shared: &'static Shared = Box::leak(Box::default());
            enter(shared, EntropyState([1; 4]), false);
            let began = Instant::now();
            before_wait(shared, Wait::Until(ARRIVAL.as_nanos() as u64));
            let waits = wait(began + Duration::from_secs(1));
            let took = began.elapsed();
            after_wait(shared);
            leave();
            (took, waits)
        });
        run.join().expect("a wait does not panic")
    }

    fn wait_until(end: Instant) {
        let lock = Mutex::new(());
        let guard = lock.lock().expect("nobody else has the lock");
        drop(Condvar::new().wait_timeout(guard, end - Instant::now()).expect("nobody else has the lock"));
    }

    #[test]
    fn a_wait_that_believes_the_kernel_ends_at_the_arrival() {
        let took = wait_for_a_second(|end| {
            wait_until(end);
            1
        });
        assert_eq!(took, (ARRIVAL, 1));
    }

    #[test]
    fn a_wait_that_looks_at_the_clock_again_ends_at_the_arrival_too() {
        let took = wait_for_a_second(|end| {
            let mut waits = 0;
            while Instant::now() < end {
                wait_until(end);
                waits += 1;
            }
            waits
        });
        assert_eq!(took, (ARRIVAL, 2));
    }

    #[test]
    fn a_wait_that_looks_twice_a_round_ends_at_the_arrival_too() {
        let took = wait_for_a_second(|end| {
            let mut waits = 0;
            loop {
                let (_, now) = (Instant::now(), Instant::now());
                if now >= end {
                    return waits;
                }
                wait_until(end);
                waits += 1;
            }
        });
        assert_eq!(took, (ARRIVAL, 3));
    }
}
