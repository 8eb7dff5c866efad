//! What a service does with threads: it starts them, waits for their end, sleeps and yields.

use std::ffi::{c_int, c_void};

use super::crew::{self, Waiting};
use super::{SHARED, Shared, enter_helper, leave_helper, next_of};

type Start = extern "C" fn(*mut c_void) -> *mut c_void;

/// What a new thread has to know.
struct Birth {
    shared: &'static Shared,
    number: usize,
    turn: &'static std::sync::atomic::AtomicU32,
    /// Whose thread it is, and which of that life's.
    life: Option<u32>,
    start: Start,
    argument: *mut c_void,
}

unsafe extern "C" {
    /// glibc's: what is registered first runs last, before the thread is gone.
    fn __cxa_thread_atexit_impl(
        run: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
        library: *mut c_void,
    ) -> c_int;
}

/// Has a function called at this thread's end, before those that were registered earlier.
///
/// # Safety
/// The function lives as long as the process, and is called with null.
pub(super) unsafe fn at_thread_exit(run: unsafe extern "C" fn(*mut c_void)) {
    // SAFETY: the caller's.
    unsafe { __cxa_thread_atexit_impl(run, std::ptr::null_mut(), std::ptr::null_mut()) };
}

/// A thread that a run's thread starts belongs to the run: its clocks, entropy and turns are the run's.
///
/// # Safety
/// As `pthread_create(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    type Signature =
        unsafe extern "C" fn(*mut libc::pthread_t, *const libc::pthread_attr_t, Start, *mut c_void) -> c_int;
    // SAFETY: this is the signature of libc's `pthread_create`.
    let real = unsafe { next_of!(c"pthread_create", Signature) };
    let Some(shared) = SHARED.get() else {
        // SAFETY: forwards the caller's arguments; the contract is the caller's.
        return unsafe { real(thread, attributes, start, argument) };
    };
    let life = shared.life();
    let (number, turn) = crew::enlist(shared, life);
    let birth = Box::into_raw(Box::new(Birth { shared, number, turn, life, start, argument }));
    // SAFETY: as the caller's, with a start that takes what it is given.
    let failed = unsafe { real(thread, attributes, begin, birth.cast()) };
    if failed == 0 {
        // SAFETY: the call has succeeded, so the caller's handle is filled in.
        crew::started(shared, number, Some(unsafe { *thread }));
    } else {
        // SAFETY: no thread was started, so the box is still this function's.
        drop(unsafe { Box::from_raw(birth) });
        crew::started(shared, number, None);
    }
    failed
}

extern "C" fn begin(birth: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` above gave this box to this thread alone.
    let Birth { shared, number, turn, life, start, argument } = *unsafe { Box::from_raw(birth.cast::<Birth>()) };
    crew::begin(number, turn);
    enter_helper(shared, life);
    // SAFETY: a function that lives as long as the process. No library can be unloaded under it.
    unsafe { at_thread_exit(finish) };
    super::handler_stack::begin_thread();
    start(argument)
}

/// The last that a thread does in its run, after the destructors of its locals.
unsafe extern "C" fn finish(_: *mut c_void) {
    if let Some(shared) = SHARED.get() {
        leave_helper(shared);
        crew::end(shared);
    }
}

/// # Safety
/// As `pthread_join(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_join(thread: libc::pthread_t, value: *mut *mut c_void) -> c_int {
    if let Some(shared) = SHARED.get()
        && let Some((number, has_ended)) = crew::find(shared, thread)
    {
        if !has_ended {
            crew::wait(shared, Waiting { end_of: Some(number), ..Waiting::default() });
        }
        crew::joined(shared, number);
    }
    type Signature = unsafe extern "C" fn(libc::pthread_t, *mut *mut c_void) -> c_int;
    // SAFETY: libc's `pthread_join` has this signature; the contract is the caller's.
    unsafe { next_of!(c"pthread_join", Signature)(thread, value) }
}

/// A sleep moves virtual time.
fn sleep(shared: &Shared, nanos: u64) {
    if nanos == 0 {
        crew::give_way(shared);
    } else {
        crew::wait(shared, Waiting { until: Some(shared.now_nanos().saturating_add(nanos)), ..Waiting::default() });
    }
}

/// # Safety
/// As `nanosleep(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(time: *const libc::timespec, rest: *mut libc::timespec) -> c_int {
    if let Some(shared) = SHARED.get() {
        // SAFETY: the caller passes a valid timespec.
        sleep(shared, super::clock::nanos_of(unsafe { *time }));
        return 0;
    }
    type Signature = unsafe extern "C" fn(*const libc::timespec, *mut libc::timespec) -> c_int;
    // SAFETY: libc's `nanosleep` has this signature; the contract is the caller's.
    unsafe { next_of!(c"nanosleep", Signature)(time, rest) }
}

/// # Safety
/// As `clock_nanosleep(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: c_int,
    time: *const libc::timespec,
    rest: *mut libc::timespec,
) -> c_int {
    if let Some(shared) = SHARED.get()
        && let Some(base) = super::clock::base_seconds(shared, clock)
    {
        // SAFETY: the caller passes a valid timespec.
        let nanos = super::clock::nanos_of(unsafe { *time });
        let absolute = flags & libc::TIMER_ABSTIME != 0;
        let ahead = if absolute && super::clock::is_wall(clock) { shared.wall_ahead() } else { 0 };
        let now = if absolute { (base * 1_000_000_000 + shared.now_nanos()).saturating_add_signed(ahead) } else { 0 };
        sleep(shared, nanos.saturating_sub(now));
        return 0;
    }
    type Signature = unsafe extern "C" fn(libc::clockid_t, c_int, *const libc::timespec, *mut libc::timespec) -> c_int;
    // SAFETY: libc's `clock_nanosleep` has this signature; the contract is the caller's.
    unsafe { next_of!(c"clock_nanosleep", Signature)(clock, flags, time, rest) }
}

/// # Safety
/// As `usleep(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn usleep(micros: libc::c_uint) -> c_int {
    if let Some(shared) = SHARED.get() {
        sleep(shared, u64::from(micros) * 1000);
        return 0;
    }
    type Signature = unsafe extern "C" fn(libc::c_uint) -> c_int;
    // SAFETY: libc's `usleep` has this signature.
    unsafe { next_of!(c"usleep", Signature)(micros) }
}

/// # Safety
/// As `sleep(3)`.
#[unsafe(export_name = "sleep")]
unsafe extern "C" fn sleep_seconds(seconds: libc::c_uint) -> libc::c_uint {
    if let Some(shared) = SHARED.get() {
        sleep(shared, u64::from(seconds) * 1_000_000_000);
        return 0;
    }
    type Signature = unsafe extern "C" fn(libc::c_uint) -> libc::c_uint;
    // SAFETY: libc's `sleep` has this signature.
    unsafe { next_of!(c"sleep", Signature)(seconds) }
}

/// # Safety
/// As `sched_yield(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_yield() -> c_int {
    if let Some(shared) = SHARED.get()
        && !super::handler_stack::is_stds()
    {
        crew::give_way(shared);
        return 0;
    }
    type Signature = unsafe extern "C" fn() -> c_int;
    // SAFETY: libc's `sched_yield` has this signature.
    unsafe { next_of!(c"sched_yield", Signature)() }
}
