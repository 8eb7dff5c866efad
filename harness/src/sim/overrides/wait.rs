//! Waits: in the runtime's own, for its timers, virtual time goes on; in every other, another thread of the run has its turn,
//! or time goes on as well.

use std::cell::Cell;
use std::ffi::{c_int, c_long};
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clock::{self, NANOS, UPTIME_SECONDS, nanos_of, timespec};
use super::crew::{self, Waiting, Woken, Word};
use super::{SHARED, SYSCALL, Shared, fill, seeded};

/// How long the thread of a run is waited for once it has said that its run is over.
const LAST_STEPS: Duration = Duration::from_secs(10);

/// How often a thread that waits for a run's thread looks whether the run has been given up, so that the thread will
/// never end.
const COURSE_LOOK: Duration = Duration::from_millis(50);

thread_local! {
    /// The runtime is about to wait, and the network has something to do at this time, or never (`u64::MAX`).
    static WAIT: Cell<Option<u64>> = const { Cell::new(None) };
    /// How often this wait has been told that its time is up.
    static ENDED: Cell<u32> = const { Cell::new(0) };
}

/// The runtime is about to wait: time goes on to its timeout, or to `next` if that is earlier (virtual nanoseconds since
/// the start).
pub(crate) fn before_wait(shared: &Shared, next: u64) {
    shared.waiting.store(true, Ordering::Relaxed);
    ENDED.set(0);
    WAIT.set(Some(next));
}

/// When the network has something to do next, if the runtime is about to wait.
pub(super) fn network_next() -> Option<u64> {
    WAIT.get().filter(|next| *next != u64::MAX)
}

/// The runtime has waited.
pub(crate) fn after_wait(shared: &Shared) {
    shared.waiting.store(false, Ordering::Relaxed);
    WAIT.set(None);
    clock::foresee(0, 0);
}

/// Waits for a run's thread to end; `false` when the time was up, or the run was given up.
pub(crate) fn join(thread: JoinHandle<()>, within: Duration, shared: &Shared) -> bool {
    let thread = thread.into_pthread_t();
    let mut left = within;
    let mut was_over = false;
    loop {
        let slice = left.min(COURSE_LOOK);
        let until = real_nanos(libc::FUTEX_CLOCK_REALTIME).saturating_add(slice.as_nanos() as u64);
        // SAFETY: the thread is joinable, because its handle was, no other code has the handle, and it was not joined
        // yet.
        if unsafe { libc::pthread_timedjoin_np(thread, std::ptr::null_mut(), &timespec(until)) } == 0 {
            return true;
        }
        left = left.saturating_sub(slice);
        let course = shared.course.load(Ordering::Acquire);
        if course == Shared::OVER && !was_over {
            was_over = true;
            left = LAST_STEPS;
        }
        if course == Shared::GIVEN_UP || left.is_zero() {
            // SAFETY: as above.
            unsafe { libc::pthread_detach(thread) };
            return false;
        }
    }
}

/// `getrandom` 0.2 asks for entropy through `syscall`, and std waits through it. The runtime's own wait, for its timers, is
/// where virtual time goes on; in every other wait another thread of the run has its turn, or time goes on as well.
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
    if let Some(shared) = SHARED.get() {
        if number == libc::SYS_futex {
            // SAFETY: the arguments are those of a futex operation.
            if let Some(result) = unsafe { futex(shared, a, b as c_int, c as u32, d, f as u32) } {
                return result;
            }
        } else if number == libc::SYS_gettid {
            return c_long::from(super::machine::process_number(shared));
        } else if let Some(refused) = super::control::refuse_raw(shared, number, a) {
            return c_long::from(refused);
        }
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_syscall(number, a, b, c, d, e, f) }
}

/// A futex operation of a run's thread; `None` when the kernel is to do it.
unsafe fn futex(shared: &Shared, address: usize, operation: c_int, value: u32, d: usize, bits: u32) -> Option<c_long> {
    const ANY: u32 = u32::MAX;
    match operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) {
        libc::FUTEX_WAKE => wake(shared, address, value, ANY),
        libc::FUTEX_WAKE_BITSET => wake(shared, address, value, bits),
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET if super::handler_stack::is_stds() => None,
        kind @ (libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET) => {
            let relative = kind == libc::FUTEX_WAIT;
            // SAFETY: the fourth argument of a futex's wait is a valid timespec when it is not null.
            let timeout = unsafe { (d as *const libc::timespec).as_ref() };
            let until = timeout.map(|timeout| virtual_deadline(shared, *timeout, operation, relative));
            let word = Word { address, value, bits: if relative { ANY } else { bits } };
            if word.has_changed() {
                return Some(failed(libc::EAGAIN));
            }
            Some(match wait(shared, word, until) {
                Woken::ByAnother => 0,
                Woken::ByTime => failed(libc::ETIMEDOUT),
            })
        }
        _ => None,
    }
}

/// Those of the run; and the kernel wakes those that are not.
fn wake(shared: &Shared, address: usize, most: u32, bits: u32) -> Option<c_long> {
    let woken = crew::wake(shared, address, most as usize, bits);
    (woken > 0 && woken == most as usize).then_some(woken as c_long)
}

fn failed(errno: c_int) -> c_long {
    // SAFETY: errno's address is valid for this thread.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// A wait of a run's thread.
///
/// The runtime's wait for its timers always has a timeout; one without is for a lock that another thread holds. Virtual
/// time goes on to the deadline, or only to the network's next arrival. std believes the kernel that the time is up;
/// `parking_lot` (which tokio waits with when it has that feature) looks at the clock, sees that its deadline has not
/// come, and waits again. A thread that waits again is let go by letting it see its deadline: as many looks at the
/// clock as it has been sent away before, which is one for a loop that looks once a round. What looks next is tokio,
/// and sees the time.
fn wait(shared: &Shared, word: Word, until: Option<u64>) -> Woken {
    let word = Some(word);
    let (Some(deadline), Some(next)) = (until, WAIT.get()) else {
        return crew::wait(shared, Waiting { word, until, end_of: None });
    };
    let ended = ENDED.get();
    if ended > 0 {
        ENDED.set(ended + 1);
        clock::foresee(ended, deadline);
        return Woken::ByTime;
    }
    shared.waits.store(shared.waits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let woken = crew::wait(shared, Waiting { word, until: Some(deadline.min(next)), end_of: None });
    if woken == Woken::ByTime {
        ENDED.set(1);
    }
    woken
}

/// A timeout as virtual nanoseconds since the start of the run.
fn virtual_deadline(shared: &Shared, timeout: libc::timespec, operation: c_int, relative: bool) -> u64 {
    let nanos = nanos_of(timeout);
    if relative {
        return shared.now_nanos().saturating_add(nanos);
    }
    let base = if operation & libc::FUTEX_CLOCK_REALTIME == 0 {
        UPTIME_SECONDS * NANOS
    } else {
        (shared.epoch_seconds * NANOS).saturating_add_signed(shared.wall_ahead())
    };
    nanos.saturating_sub(base)
}

/// What the clock of a futex operation really says.
pub(super) fn real_nanos(operation: c_int) -> u64 {
    let clock = if operation & libc::FUTEX_CLOCK_REALTIME == 0 { libc::CLOCK_MONOTONIC } else { libc::CLOCK_REALTIME };
    let mut time = timespec(0);
    // By the kernel, because the faster way reads a counter that a run's threads cannot.
    // SAFETY: `time` is valid for writing.
    unsafe { real_syscall(libc::SYS_clock_gettime, clock as usize, &raw mut time as usize, 0, 0, 0, 0) };
    nanos_of(time)
}

/// Really waits while the word at an address holds `value`; whether it was woken.
pub(super) fn wait_for_word(address: usize, value: u32, nanos: Option<u64>) -> bool {
    let timeout = nanos.map(timespec);
    let timeout = timeout.as_ref().map_or(0, |timeout| std::ptr::from_ref(timeout) as usize);
    let operation = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: the address is that of an atomic number that lives on, and the timeout outlives the call.
    unsafe { real_syscall(libc::SYS_futex, address, operation, value as usize, timeout, 0, 0) == 0 }
}

/// Really wakes the threads that wait for a word.
pub(super) fn wake_word(word: &AtomicU32) {
    let operation = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: the address is that of an atomic number that lives on.
    unsafe { real_syscall(libc::SYS_futex, word.as_ptr() as usize, operation, i32::MAX as usize, 0, 0, 0) };
}

/// Really sleeps.
pub(super) fn pause_really(nanos: u64) {
    let time = timespec(nanos);
    // SAFETY: `time` is valid; the remaining time is not asked for.
    unsafe { real_syscall(libc::SYS_nanosleep, &raw const time as usize, 0, 0, 0, 0, 0) };
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
            let shared: &'static Shared = Box::leak(Box::new(Shared::new("a wait".to_owned(), Duration::ZERO, false)));
            enter(shared, EntropyState([1; 4]));
            let began = Instant::now();
            before_wait(shared, ARRIVAL.as_nanos() as u64);
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
