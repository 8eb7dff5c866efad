//! Calls about descriptors that are not only sockets': what is asked of a number, and of several at once.

use std::ffi::c_int;

use super::sockets::{answer, failed, is_ours, on_engine};
use super::{SHARED, Shared, next_of, runtime};
use crate::sim::kernel::{Call, Descriptor, Errno};

/// What `fcntl(2)` does with one of the run's numbers.
fn control(call: &mut Call<'_>, descriptor: Descriptor, command: c_int, argument: usize) -> Result<c_int, Errno> {
    match command {
        libc::F_GETFL => {
            let waits = !call.is_nonblocking(descriptor)?;
            Ok(libc::O_RDWR | if waits { 0 } else { libc::O_NONBLOCK })
        }
        libc::F_SETFL => call.set_nonblocking(descriptor, argument as c_int & libc::O_NONBLOCK != 0).map(|()| 0),
        libc::F_GETFD => call.is_nonblocking(descriptor).map(|_| libc::FD_CLOEXEC),
        libc::F_SETFD => call.is_nonblocking(descriptor).map(|_| 0),
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => call.duplicate(descriptor),
        _ => Err(Errno::INVALID),
    }
}

fn control_ours(descriptor: c_int, command: c_int, argument: usize) -> c_int {
    if runtime::is_runtimes(descriptor) {
        return match command {
            libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => runtime::duplicate(descriptor),
            libc::F_GETFD => libc::FD_CLOEXEC,
            _ => 0,
        };
    }
    // std asks this before it closes a descriptor, and aborts on EBADF. A socket may outlive its run, and end on any thread.
    if command == libc::F_GETFD && !is_first() {
        return libc::FD_CLOEXEC;
    }
    answer("fcntl", |call| control(call, descriptor, command, argument))
}

/// Whether this is the first thread of a run, which has the engine.
fn is_first() -> bool {
    on_engine(|_| ()).is_some()
}

macro_rules! control {
    ($function:ident, $name:literal) => {
        /// Not declared variadic: on x86_64 and aarch64 Linux the registers are the same.
        ///
        /// # Safety
        /// As `fcntl(2)`.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $function(descriptor: c_int, command: c_int, argument: usize) -> c_int {
            if is_ours(descriptor) {
                return control_ours(descriptor, command, argument);
            }
            if runtime::is_signals(command) {
                return runtime::duplicate(descriptor);
            }
            type Signature = unsafe extern "C" fn(c_int, c_int, usize) -> c_int;
            // SAFETY: libc's function of this name has this signature; the contract is the caller's.
            unsafe { next_of!($name, Signature)(descriptor, command, argument) }
        }
    };
}

control!(fcntl, c"fcntl");
control!(fcntl64, c"fcntl64");

/// # Safety
/// As `dup3(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    if is_ours(old) || is_ours(new) {
        return refused("dup3", "take the number that dup(2) gives");
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    // SAFETY: libc's `dup3` has this signature; the contract is the caller's.
    unsafe { next_of!(c"dup3", Signature)(old, new, flags) }
}

/// # Safety
/// As `dup2(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    if is_ours(old) || is_ours(new) {
        return refused("dup2", "take the number that dup(2) gives");
    }
    type Signature = unsafe extern "C" fn(c_int, c_int) -> c_int;
    // SAFETY: libc's `dup2` has this signature; the contract is the caller's.
    unsafe { next_of!(c"dup2", Signature)(old, new) }
}

/// # Safety
/// As `sendfile(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile(to: c_int, from: c_int, offset: *mut libc::off_t, count: usize) -> isize {
    if is_ours(to) || is_ours(from) {
        // std reads and writes instead.
        return failed(libc::EINVAL) as isize;
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, *mut libc::off_t, usize) -> isize;
    // SAFETY: libc's `sendfile` has this signature; the contract is the caller's.
    unsafe { next_of!(c"sendfile", Signature)(to, from, offset, count) }
}

/// # Safety
/// As `sendfile64(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile64(to: c_int, from: c_int, offset: *mut libc::off64_t, count: usize) -> isize {
    if is_ours(to) || is_ours(from) {
        return failed(libc::EINVAL) as isize;
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, *mut libc::off64_t, usize) -> isize;
    // SAFETY: libc's `sendfile64` has this signature; the contract is the caller's.
    unsafe { next_of!(c"sendfile64", Signature)(to, from, offset, count) }
}

/// # Safety
/// As `splice(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn splice(
    from: c_int,
    from_offset: *mut libc::loff_t,
    to: c_int,
    to_offset: *mut libc::loff_t,
    count: usize,
    flags: libc::c_uint,
) -> isize {
    if is_ours(to) || is_ours(from) {
        return failed(libc::EINVAL) as isize;
    }
    type Signature =
        unsafe extern "C" fn(c_int, *mut libc::loff_t, c_int, *mut libc::loff_t, usize, libc::c_uint) -> isize;
    // SAFETY: libc's `splice` has this signature; the contract is the caller's.
    unsafe { next_of!(c"splice", Signature)(from, from_offset, to, to_offset, count, flags) }
}

/// # Safety
/// As `poll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn poll(descriptors: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int {
    // SAFETY: the caller passes `count` entries.
    if let Some(polled) = unsafe { ours(descriptors, count) } {
        return poll_ours(polled, timeout == 0);
    }
    type Signature = unsafe extern "C" fn(*mut libc::pollfd, libc::nfds_t, c_int) -> c_int;
    // SAFETY: libc's `poll` has this signature; the contract is the caller's.
    unsafe { next_of!(c"poll", Signature)(descriptors, count, timeout) }
}

/// # Safety
/// As `ppoll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ppoll(
    descriptors: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // SAFETY: the caller passes `count` entries.
    if let Some(polled) = unsafe { ours(descriptors, count) } {
        // SAFETY: the caller passes null or a valid time.
        let time = unsafe { timeout.as_ref() };
        return poll_ours(polled, time.is_some_and(|time| time.tv_sec == 0 && time.tv_nsec == 0));
    }
    type Signature =
        unsafe extern "C" fn(*mut libc::pollfd, libc::nfds_t, *const libc::timespec, *const libc::sigset_t) -> c_int;
    // SAFETY: libc's `ppoll` has this signature; the contract is the caller's.
    unsafe { next_of!(c"ppoll", Signature)(descriptors, count, timeout, mask) }
}

/// The entries, if one of them is the run's.
unsafe fn ours<'a>(descriptors: *mut libc::pollfd, count: libc::nfds_t) -> Option<&'a mut [libc::pollfd]> {
    if descriptors.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    let polled = unsafe { std::slice::from_raw_parts_mut(descriptors, count as usize) };
    polled.iter().any(|entry| is_ours(entry.fd)).then_some(polled)
}

/// What is there now. To wait for it would stop every host of the run.
fn poll_ours(polled: &mut [libc::pollfd], is_at_once: bool) -> c_int {
    let ready: c_int = answer("poll", |call| {
        let mut ready = 0;
        for entry in polled.iter_mut() {
            entry.revents = 0;
            if entry.fd >= 0 {
                let events = call.poll(entry.fd, u32::from(entry.events as u16));
                entry.revents = events.map_or(libc::POLLNVAL, |events| events as libc::c_short);
            }
            ready += c_int::from(entry.revents != 0);
        }
        Ok(ready)
    });
    if ready == 0 && !is_at_once {
        return refused(
            "poll that waits for a socket",
            "a thread that waits for a socket stops every host of the run: use tokio::net",
        );
    }
    ready
}

fn refused(call: &'static str, remedy: &'static str) -> c_int {
    if let Some(shared) = SHARED.get() {
        shared.stray(call, remedy);
    }
    failed(libc::EINVAL)
}

/// A raw call that asks for a socket, or is of one of the run's numbers, which no kernel knows.
pub(super) fn refuse_raw(shared: &Shared, number: libc::c_long, first: usize) -> Option<c_int> {
    const CALLS: [libc::c_long; 22] = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_fcntl,
        libc::SYS_ioctl,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_connect,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_shutdown,
        libc::SYS_setsockopt,
        libc::SYS_getsockopt,
        libc::SYS_getsockname,
        libc::SYS_getpeername,
    ];
    const REMEDY: &str = "a system call without libc goes past the simulation: use tokio::net, or a library over libc";
    if number == libc::SYS_socket {
        shared.stray("a raw socket(2)", REMEDY);
        return Some(failed(libc::EACCES));
    }
    if c_int::try_from(first).is_ok_and(is_ours) && CALLS.contains(&number) {
        shared.stray("a raw system call on a socket of the run", REMEDY);
        return Some(failed(libc::EBADF));
    }
    None
}
