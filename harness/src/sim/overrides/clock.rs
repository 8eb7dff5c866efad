//! Clocks.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::Ordering;

use super::{CLOCK_GETTIME, SHARED, Shared, next_of};

/// Virtual `CLOCK_MONOTONIC` at the start of a run, seconds: far from zero, so that a service may subtract from it.
pub(crate) const UPTIME_SECONDS: u64 = 1_000_000;

pub(super) const NANOS: u64 = 1_000_000_000;
/// How often services look at clocks in one instant before each look takes time: by then one of them waits for time to pass
/// by looking at the clock, which on a machine it would.
const FREE_LOOKS: u64 = 100_000;
/// How long each look takes from then on.
const LOOK_TAKES_NANOS: u64 = 10_000;

thread_local! {
    /// How many of a wait's own next looks at a clock are answered with a time that has not come.
    static FORESIGHT_LOOKS: Cell<u32> = const { Cell::new(0) };
    /// That time: virtual nanoseconds since the start of the run.
    static FORESIGHT_NANOS: Cell<u64> = const { Cell::new(0) };
}

/// This thread's next looks at a clock see that time.
pub(super) fn foresee(looks: u32, nanos: u64) {
    FORESIGHT_LOOKS.set(looks);
    FORESIGHT_NANOS.set(nanos);
}

/// # Safety
/// As `clock_gettime(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if let Some(shared) = SHARED.get()
        && let Some(base) = base_seconds(shared, clock)
    {
        let nanos = seen_nanos(shared);
        let ahead = if is_wall(clock) { shared.wall_ahead() } else { 0 };
        // SAFETY: the caller passes a valid timespec.
        unsafe { *time = timespec((base * NANOS + nanos).saturating_add_signed(ahead)) };
        return 0;
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_clock_gettime(clock, time) }
}

/// # Safety
/// As `time(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(result: *mut libc::time_t) -> libc::time_t {
    type Signature = unsafe extern "C" fn(*mut libc::time_t) -> libc::time_t;
    let Some(shared) = SHARED.get() else {
        // SAFETY: libc's `time` has this signature; the contract is the caller's.
        return unsafe { next_of!(c"time", Signature)(result) };
    };
    let seconds = (wall_nanos(shared) / NANOS) as libc::time_t;
    // SAFETY: the caller passes null or a valid place.
    if let Some(result) = unsafe { result.as_mut() } {
        *result = seconds;
    }
    seconds
}

/// # Safety
/// As `gettimeofday(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut libc::c_void) -> c_int {
    type Signature = unsafe extern "C" fn(*mut libc::timeval, *mut libc::c_void) -> c_int;
    let Some(shared) = SHARED.get() else {
        // SAFETY: libc's `gettimeofday` has this signature; the contract is the caller's.
        return unsafe { next_of!(c"gettimeofday", Signature)(time, zone) };
    };
    let nanos = wall_nanos(shared);
    // SAFETY: the caller passes null or a valid place.
    if let Some(time) = unsafe { time.as_mut() } {
        *time = libc::timeval { tv_sec: (nanos / NANOS) as _, tv_usec: (nanos % NANOS / 1000) as _ };
    }
    0
}

/// What this thread's next look at a clock sees.
#[inline]
pub(super) fn seen_nanos(shared: &Shared) -> u64 {
    if FORESIGHT_LOOKS.get() > 0 {
        return foreseen_nanos(shared);
    }
    if shared.is_spoken_on() {
        // One thread of a run runs at a time: a number that no other thread changes.
        let looks = shared.looks.load(Ordering::Relaxed) + 1;
        shared.looks.store(looks, Ordering::Relaxed);
        if looks > FREE_LOOKS {
            shared.now_nanos.store(shared.now_nanos() + LOOK_TAKES_NANOS, Ordering::Relaxed);
        }
    }
    shared.now_nanos()
}

#[cold]
fn foreseen_nanos(shared: &Shared) -> u64 {
    FORESIGHT_LOOKS.set(FORESIGHT_LOOKS.get() - 1);
    FORESIGHT_NANOS.get().max(shared.now_nanos())
}

/// What the wall clock says to this thread: nanoseconds since 1970.
fn wall_nanos(shared: &Shared) -> u64 {
    (shared.epoch_seconds * NANOS + seen_nanos(shared)).saturating_add_signed(shared.wall_ahead())
}

/// Whether a clock is one that can be set.
pub(super) fn is_wall(clock: libc::clockid_t) -> bool {
    matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI)
}

/// What a clock says at the start of a run; `None` for clocks that no run answers. The processors' time is that since the
/// start: a run has no other, and a real one would be another in every run.
pub(super) fn base_seconds(shared: &Shared, clock: libc::clockid_t) -> Option<u64> {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => Some(shared.epoch_seconds),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => {
            Some(UPTIME_SECONDS)
        }
        libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID => Some(0),
        _ => None,
    }
}

unsafe fn real_clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    type Signature = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;
    let address = CLOCK_GETTIME.address(c"clock_gettime");
    // SAFETY: the address is libc's `clock_gettime`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(clock, time) }
}

pub(super) fn nanos_of(time: libc::timespec) -> u64 {
    (time.tv_sec as u64).saturating_mul(NANOS).saturating_add(time.tv_nsec as u64)
}

pub(super) fn timespec(nanos: u64) -> libc::timespec {
    libc::timespec { tv_sec: (nanos / NANOS) as _, tv_nsec: (nanos % NANOS) as _ }
}
