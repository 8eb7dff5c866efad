//! Files that are no files: what the kernel tells of the machine, its randomness, its time zone, the terminal.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::Ordering;

use super::{SHARED, Shared, fill, memory, next_of, sockets};

/// What a run answers for a path.
enum Answer {
    /// It is a file like any other.
    Open,
    /// It is the machine's randomness, and what is read from it is the run's.
    Random,
    /// There is no such file: the machine of a run has no time zone but UTC, and no limits of a container.
    Missing,
    /// It tells of the real machine, which is another in every run.
    Told,
}

fn answer(path: &[u8]) -> Answer {
    const RANDOM: [&[u8]; 2] = [b"/dev/urandom", b"/dev/random"];
    const MISSING: [&[u8]; 2] = [b"/etc/localtime", b"/etc/timezone"];
    // What std itself reads: for a backtrace, and for how many threads to use.
    const OWN: [&[u8]; 2] = [b"/proc/self/maps", b"/proc/self/exe"];
    const LIMITS: [&[u8]; 3] = [b"/proc/self/cgroup", b"/proc/self/mountinfo", b"/sys/fs/cgroup"];
    if RANDOM.contains(&path) {
        Answer::Random
    } else if MISSING.contains(&path) || LIMITS.iter().any(|limit| path.starts_with(limit)) {
        Answer::Missing
    } else if OWN.contains(&path) || !(path.starts_with(b"/proc/") || path.starts_with(b"/sys/")) {
        Answer::Open
    } else {
        Answer::Told
    }
}

/// Opens a path by `open`, which is libc's, unless the run has another answer.
unsafe fn guarded(path: *const c_char, open: impl FnOnce() -> c_int) -> c_int {
    let Some(shared) = SHARED.get().filter(|_| !path.is_null()) else { return open() };
    // SAFETY: a path is a NUL-terminated string.
    let path = unsafe { CStr::from_ptr(path) };
    let refused = match answer(path.to_bytes()) {
        Answer::Open => return open(),
        Answer::Random => {
            let file = open();
            if file >= 0 {
                remember(shared, file);
            }
            return file;
        }
        Answer::Missing => libc::ENOENT,
        Answer::Told => {
            shared.stray(
                &format!("open({path:?})"),
                "what the kernel says of this machine is another in every run: take it from the service's configuration",
            );
            libc::EACCES
        }
    };
    // SAFETY: errno's address is valid for this thread.
    unsafe { *libc::__errno_location() = refused };
    -1
}

fn remember(shared: &Shared, file: c_int) {
    let free = |place: &&std::sync::atomic::AtomicI32| {
        place.compare_exchange(0, file + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    if shared.random_files.iter().find(free).is_none() {
        shared.stray("open of the machine's randomness, many times at once", "draw from getrandom(2)");
    }
}

fn place(shared: &Shared, file: c_int) -> Option<&std::sync::atomic::AtomicI32> {
    shared.random_files.iter().find(|place| place.load(Ordering::Relaxed) == file + 1)
}

type Open = unsafe extern "C" fn(*const c_char, c_int, libc::mode_t) -> c_int;
type OpenAt = unsafe extern "C" fn(c_int, *const c_char, c_int, libc::mode_t) -> c_int;

/// Not declared variadic, nor are the three below: on x86_64 and aarch64 Linux the registers are the same.
///
/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: libc's `open` has this signature; the contract is the caller's.
    unsafe { guarded(path, || next_of!(c"open", Open)(path, flags, mode)) }
}

/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: libc's `open64` has this signature; the contract is the caller's.
    unsafe { guarded(path, || next_of!(c"open64", Open)(path, flags, mode)) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat(at: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: libc's `openat` has this signature; the contract is the caller's.
    unsafe { guarded(path, || next_of!(c"openat", OpenAt)(at, path, flags, mode)) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(at: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: libc's `openat64` has this signature; the contract is the caller's.
    unsafe { guarded(path, || next_of!(c"openat64", OpenAt)(at, path, flags, mode)) }
}

/// # Safety
/// As `read(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn read(file: c_int, buffer: *mut c_void, length: usize) -> isize {
    if sockets::is_ours(file) {
        // SAFETY: the contract is the caller's.
        return sockets::read_ours(file, unsafe { memory::room(buffer, length) });
    }
    if let Some(shared) = SHARED.get() {
        if file == libc::STDIN_FILENO {
            shared.stray("read(stdin)", "the terminal is outside of the run: tell the service what it is to read");
            return 0;
        }
        if place(shared, file).is_some() {
            fill(buffer.cast(), length);
            return length as isize;
        }
    }
    type Signature = unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize;
    // SAFETY: libc's `read` has this signature; the contract is the caller's.
    unsafe { next_of!(c"read", Signature)(file, buffer, length) }
}

/// # Safety
/// As `close(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(file: c_int) -> c_int {
    if sockets::is_ours(file) {
        return sockets::close_ours(file);
    }
    if let Some(place) = SHARED.get().and_then(|shared| place(shared, file)) {
        place.store(0, Ordering::Relaxed);
    }
    type Signature = unsafe extern "C" fn(c_int) -> c_int;
    // SAFETY: libc's `close` has this signature; the contract is the caller's.
    unsafe { next_of!(c"close", Signature)(file) }
}
