//! What a process asks of its machine: who it is, where it runs, on how many cores.

use std::ffi::{c_char, c_int, c_long};

use super::{SHARED, Shared, lock, next_of};

/// Process numbers of a run begin behind the last that a kernel gives out (`PID_MAX_LIMIT`), so that none is that of a
/// process which is really there.
const FIRST_PROCESS: u32 = 1 << 22;
/// How many cores a run's machine has.
const CORES: usize = 4;

/// The number of the process whose code this thread runs: each life is a process.
pub(super) fn process_number(shared: &Shared) -> c_int {
    (FIRST_PROCESS + 1 + shared.life().map_or(0, |life| life + 1)) as c_int
}

/// The name of the machine whose code this thread runs.
fn host_name(shared: &Shared) -> String {
    let life = shared.life().and_then(|life| lock(&shared.lives).get(life as usize).map(|life| life.host.clone()));
    life.unwrap_or_else(|| "halfopen".to_owned())
}

/// # Safety
/// As `getpid(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpid() -> libc::pid_t {
    if let Some(shared) = SHARED.get() {
        return process_number(shared);
    }
    real_process()
}

fn real_process() -> libc::pid_t {
    type Signature = unsafe extern "C" fn() -> libc::pid_t;
    // SAFETY: libc's `getpid` has this signature.
    unsafe { next_of!(c"getpid", Signature)() }
}

/// A signal to the run's own process is one to the real one.
///
/// # Safety
/// As `kill(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn kill(process: libc::pid_t, signal: c_int) -> c_int {
    let own = SHARED.get().is_some_and(|shared| process_number(shared) == process);
    type Signature = unsafe extern "C" fn(libc::pid_t, c_int) -> c_int;
    // SAFETY: libc's `kill` has this signature; the contract is the caller's.
    unsafe { next_of!(c"kill", Signature)(if own { real_process() } else { process }, signal) }
}

/// # Safety
/// As `sysconf(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sysconf(name: c_int) -> c_long {
    if SHARED.get().is_some() && matches!(name, libc::_SC_NPROCESSORS_ONLN | libc::_SC_NPROCESSORS_CONF) {
        return CORES as c_long;
    }
    type Signature = unsafe extern "C" fn(c_int) -> c_long;
    // SAFETY: libc's `sysconf` has this signature.
    unsafe { next_of!(c"sysconf", Signature)(name) }
}

/// # Safety
/// As `sched_getaffinity(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_getaffinity(process: libc::pid_t, size: usize, set: *mut libc::cpu_set_t) -> c_int {
    if SHARED.get().is_some() && size > 0 {
        // SAFETY: the caller owns `size` bytes at `set`.
        unsafe {
            std::ptr::write_bytes(set.cast::<u8>(), 0, size);
            *set.cast::<u8>() = (1 << CORES) - 1;
        }
        return 0;
    }
    type Signature = unsafe extern "C" fn(libc::pid_t, usize, *mut libc::cpu_set_t) -> c_int;
    // SAFETY: libc's `sched_getaffinity` has this signature; the contract is the caller's.
    unsafe { next_of!(c"sched_getaffinity", Signature)(process, size, set) }
}

/// # Safety
/// As `gethostname(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn gethostname(buffer: *mut c_char, size: usize) -> c_int {
    if let Some(shared) = SHARED.get() {
        // SAFETY: the caller owns `size` bytes at `buffer`.
        unsafe { put(&host_name(shared), buffer, size) };
        return 0;
    }
    type Signature = unsafe extern "C" fn(*mut c_char, usize) -> c_int;
    // SAFETY: libc's `gethostname` has this signature; the contract is the caller's.
    unsafe { next_of!(c"gethostname", Signature)(buffer, size) }
}

/// # Safety
/// As `uname(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn uname(system: *mut libc::utsname) -> c_int {
    type Signature = unsafe extern "C" fn(*mut libc::utsname) -> c_int;
    let Some(shared) = SHARED.get() else {
        // SAFETY: libc's `uname` has this signature; the contract is the caller's.
        return unsafe { next_of!(c"uname", Signature)(system) };
    };
    // SAFETY: the caller passes a valid place; every field is an array of bytes.
    let system = unsafe {
        std::ptr::write_bytes(system, 0, 1);
        &mut *system
    };
    let name = host_name(shared);
    let words: [(&mut [c_char], &str); 5] = [
        (&mut system.sysname, "Linux"),
        (&mut system.nodename, &name),
        (&mut system.release, "6.0.0"),
        (&mut system.version, "halfopen"),
        (&mut system.machine, std::env::consts::ARCH),
    ];
    for (field, word) in words {
        // SAFETY: the field is as long as it says.
        unsafe { put(word, field.as_mut_ptr(), field.len()) };
    }
    0
}

/// Writes a word and a NUL, of a word that is too long its beginning.
unsafe fn put(word: &str, buffer: *mut c_char, size: usize) {
    let length = word.len().min(size.saturating_sub(1));
    if size > 0 {
        // SAFETY: the caller owns `size` bytes at `buffer`, and `length` is less.
        unsafe {
            std::ptr::copy_nonoverlapping(word.as_ptr(), buffer.cast(), length);
            *buffer.add(length) = 0;
        }
    }
}
