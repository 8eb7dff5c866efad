//! What the run's runtime waits with: an epoll and an eventfd that are numbers and no files of the real kernel.
//!
//! The runtime's wait is where virtual time goes on: to its next timer, or to the network's next event. The eventfd wakes it
//! from other threads: those of its run, which have their turns, and any other of the process, which a number leads to the
//! run that it is of.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::crew::{self, Waiting, Word};
use super::sockets::{answer, failed, on_engine};
use super::syscalls::refuse;
use super::{SHARED, Shared, lock, next_of, wait};
use crate::sim::kernel::{Descriptor, FIRST, FIRST_OF_RUNTIMES, Watch};

/// What wakes a run's runtime.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// How often it was rung.
    rings: AtomicU32,
    /// How often it had been when the runtime was last told.
    heard: AtomicU32,
    /// The eventfd's number; 0 before there is one.
    descriptor: AtomicI32,
    /// Whether the harness builds the runtime, which may have what no service may.
    is_building: AtomicBool,
}

impl Shared {
    /// Builds the run's runtime.
    pub(crate) fn building<T>(&self, build: impl FnOnce() -> T) -> T {
        self.alarm.is_building.store(true, Ordering::Relaxed);
        let built = build();
        self.alarm.is_building.store(false, Ordering::Relaxed);
        built
    }

    /// Whether the harness builds the run's runtime.
    pub(super) fn is_building(&self) -> bool {
        self.alarm.is_building.load(Ordering::Relaxed)
    }

    /// Wakes the runtime.
    pub(super) fn ring(&self) {
        let rings = &self.alarm.rings;
        rings.fetch_add(1, Ordering::SeqCst);
        if SHARED.get().is_some_and(|own| std::ptr::eq(own, self)) {
            crew::wake(self, rings.as_ptr() as usize, usize::MAX, u32::MAX);
        } else {
            wait::wake_word(rings);
        }
    }

    /// Whether the runtime has been woken since it was last told.
    fn hear(&self) -> bool {
        let rings = self.alarm.rings.load(Ordering::SeqCst);
        self.alarm.heard.swap(rings, Ordering::Relaxed) != rings
    }
}

/// Whose each number is, for threads of other runs and of none.
static OWNERS: Mutex<BTreeMap<Descriptor, &'static Shared>> = Mutex::new(BTreeMap::new());

/// A number that no other runtime of this process has had.
fn number(shared: &'static Shared) -> Descriptor {
    static NEXT: AtomicI32 = AtomicI32::new(FIRST_OF_RUNTIMES);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) | FIRST_OF_RUNTIMES;
    lock(&OWNERS).insert(number, shared);
    number
}

pub(super) fn is_runtimes(descriptor: c_int) -> bool {
    descriptor >= FIRST_OF_RUNTIMES
}

/// Another number for the same; and one for the process's signals, where the runtime is built.
pub(super) fn duplicate(descriptor: c_int) -> c_int {
    let owner = SHARED.get().or_else(|| lock(&OWNERS).get(&descriptor).copied());
    owner.map_or_else(|| failed(libc::EBADF), number)
}

/// Whether a real descriptor is duplicated for the runtime: that of the process's signals.
pub(super) fn is_signals(command: c_int) -> bool {
    command == libc::F_DUPFD_CLOEXEC && SHARED.get().is_some_and(Shared::is_building)
}

pub(super) fn close(descriptor: c_int) -> c_int {
    lock(&OWNERS).remove(&descriptor);
    0
}

/// A write to a runtime's eventfd.
pub(super) fn write(descriptor: c_int, length: usize) -> isize {
    let own = SHARED.get().filter(|shared| shared.alarm.descriptor.load(Ordering::Relaxed) == descriptor);
    let owner = own.or_else(|| lock(&OWNERS).get(&descriptor).copied());
    if let Some(shared) = owner {
        shared.ring();
    }
    length as isize
}

/// # Safety
/// As `epoll_create1(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_create1(flags: c_int) -> c_int {
    if let Some(shared) = SHARED.get() {
        if shared.is_building() {
            return number(shared);
        }
        return refuse(
            "epoll_create1",
            "a second runtime with IO waits for the real world: spawn on the run's own runtime (tokio::spawn, \
             Handle::current)",
        );
    }
    type Signature = unsafe extern "C" fn(c_int) -> c_int;
    // SAFETY: libc's `epoll_create1` has this signature.
    unsafe { next_of!(c"epoll_create1", Signature)(flags) }
}

/// # Safety
/// As `eventfd(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn eventfd(count: c_uint, flags: c_int) -> c_int {
    if let Some(shared) = SHARED.get().filter(|shared| shared.is_building()) {
        let number = number(shared);
        shared.alarm.descriptor.store(number, Ordering::Relaxed);
        return number;
    }
    type Signature = unsafe extern "C" fn(c_uint, c_int) -> c_int;
    // SAFETY: libc's `eventfd` has this signature.
    unsafe { next_of!(c"eventfd", Signature)(count, flags) }
}

/// # Safety
/// As `epoll_ctl(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    operation: c_int,
    descriptor: c_int,
    event: *mut libc::epoll_event,
) -> c_int {
    if epoll < FIRST {
        type Signature = unsafe extern "C" fn(c_int, c_int, c_int, *mut libc::epoll_event) -> c_int;
        // SAFETY: libc's `epoll_ctl` has this signature; the contract is the caller's.
        return unsafe { next_of!(c"epoll_ctl", Signature)(epoll, operation, descriptor, event) };
    }
    // SAFETY: the caller passes null or a valid event.
    let watch = match (operation, unsafe { event.as_ref() }) {
        (libc::EPOLL_CTL_DEL, _) => Watch::End,
        (libc::EPOLL_CTL_ADD, Some(event)) => Watch::Begin(event.events, event.u64),
        (libc::EPOLL_CTL_MOD, Some(event)) => Watch::Change(event.events, event.u64),
        _ => return failed(libc::EINVAL),
    };
    if descriptor < FIRST {
        return watch_real(watch);
    }
    answer("epoll_ctl", |call| {
        if is_runtimes(descriptor) {
            // The other is that of the process's signals, and a run is sent none.
            if SHARED.get().is_some_and(|shared| shared.alarm.descriptor.load(Ordering::Relaxed) == descriptor) {
                call.watch_waker(descriptor, watch);
            }
            return Ok(0);
        }
        call.watch(descriptor, watch).map(|()| 0)
    })
}

/// A descriptor of the real kernel, which a service waits for.
fn watch_real(watch: Watch) -> c_int {
    if watch != Watch::End
        && let Some(shared) = SHARED.get()
    {
        shared.stray(
            "epoll_ctl on a descriptor of the real kernel",
            "what becomes ready there and when is the machine's affair: put what reads from the kernel (a pipe, a terminal, \
             a timerfd) behind a trait",
        );
        return failed(libc::EPERM);
    }
    0
}

/// # Safety
/// As `epoll_wait(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut libc::epoll_event, most: c_int, timeout: c_int) -> c_int {
    if epoll < FIRST {
        type Signature = unsafe extern "C" fn(c_int, *mut libc::epoll_event, c_int, c_int) -> c_int;
        // SAFETY: libc's `epoll_wait` has this signature; the contract is the caller's.
        return unsafe { next_of!(c"epoll_wait", Signature)(epoll, events, most, timeout) };
    }
    let Some(shared) = SHARED.get() else { return failed(libc::EBADF) };
    if events.is_null() || most <= 0 {
        return failed(libc::EINVAL);
    }
    // SAFETY: the caller passes room for `most` events, which need not be initialised.
    let room =
        unsafe { std::slice::from_raw_parts_mut(events.cast::<MaybeUninit<libc::epoll_event>>(), most as usize) };
    turn(shared, room, timeout)
}

/// What is there is told; where nothing is, others have their turn, or time goes on.
fn turn(shared: &'static Shared, room: &mut [MaybeUninit<libc::epoll_event>], timeout: c_int) -> c_int {
    let told = collect(shared, room);
    if told > 0 || timeout == 0 {
        return told;
    }
    let deadline = u64::try_from(timeout).ok().map(|millis| shared.now_nanos().saturating_add(millis * 1_000_000));
    let until = [deadline, wait::network_next()].into_iter().flatten().min();
    let heard = shared.alarm.heard.load(Ordering::Relaxed);
    let word = Word { address: shared.alarm.rings.as_ptr() as usize, value: heard, bits: u32::MAX };
    if !word.has_changed() {
        shared.waits.store(shared.waits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        crew::wait(shared, Waiting { word: Some(word), until, end_of: None });
    }
    // The network goes first: what arrives at this instant is told by this very call.
    collect(shared, room)
}

fn collect(shared: &Shared, room: &mut [MaybeUninit<libc::epoll_event>]) -> c_int {
    let is_woken = shared.hear();
    let told = on_engine(|engine| {
        let mut places = room.iter_mut();
        engine.ready(places.len(), is_woken, |events, data| {
            if let Some(place) = places.next() {
                place.write(libc::epoll_event { events, u64: data });
            }
        })
    });
    told.map_or(0, |told| told as c_int)
}

/// What a run's process does about signals has no effect: it is sent none.
///
/// # Safety
/// As `sigaction(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
    /// Those that an instruction of a thread raises are real.
    const OWN: [c_int; 7] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];
    if SHARED.get().is_some() && !OWN.contains(&signal) {
        // SAFETY: the caller passes null or a valid place, and zeroes are a valid sigaction.
        if let Some(old) = unsafe { old.as_mut() } {
            // SAFETY: as above.
            *old = unsafe { std::mem::zeroed() };
        }
        return 0;
    }
    type Signature = unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;
    // SAFETY: libc's `sigaction` has this signature; the contract is the caller's.
    unsafe { next_of!(c"sigaction", Signature)(signal, new, old) }
}
