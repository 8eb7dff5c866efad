//! The ways to the real network, and other ways out of a run.

use std::ffi::{c_char, c_int, c_void};

use super::beacon::Beacon;
use super::wait::real_syscall;
use super::{SHARED, Shared, next_of, sockets};

/// Tells of a call that is refused.
pub(super) fn refuse(call: &str, remedy: &str) -> c_int {
    if let Some(shared) = SHARED.get() {
        shared.stray(call, remedy);
    }
    // SAFETY: errno's address is valid for this thread.
    unsafe { *libc::__errno_location() = libc::EACCES };
    -1
}

const UNIX_REMEDY: &str = "a Unix socket leaves the host, and the network of a run has none: use tokio::io::duplex inside a \
                           process, and a TCP connection between two";
const PROCESS_REMEDY: &str = "a process of its own is outside of the run: put what it does behind a trait, or run it as a \
                              host of the scenario";

/// # Safety
/// As `socket(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if SHARED.get().is_some() {
        match (domain, kind & 0xf) {
            (libc::AF_UNIX, _) => return refuse("socket(AF_UNIX)", UNIX_REMEDY),
            (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM) => return sockets::open(domain, kind),
            (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM) => {
                return refuse(
                    "socket(SOCK_DGRAM)",
                    "the network of a run has no UDP: put what is sent behind a trait",
                );
            }
            (libc::AF_INET | libc::AF_INET6 | libc::AF_PACKET | libc::AF_NETLINK | libc::AF_VSOCK, _) => {
                return refuse("socket", "the network of a run carries TCP: put what is sent behind a trait");
            }
            _ => {}
        }
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    // SAFETY: libc's `socket` has this signature.
    unsafe { next_of!(c"socket", Signature)(domain, kind, protocol) }
}

/// # Safety
/// As `socketpair(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
    if SHARED.get().is_some_and(|shared| !shared.is_building()) {
        return refuse("socketpair(AF_UNIX)", UNIX_REMEDY);
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_int) -> c_int;
    // SAFETY: libc's `socketpair` has this signature; the contract is the caller's.
    unsafe { next_of!(c"socketpair", Signature)(domain, kind, protocol, pair) }
}

/// # Safety
/// As `fork(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fork() -> libc::pid_t {
    if SHARED.get().is_some() {
        return refuse("fork", PROCESS_REMEDY);
    }
    type Signature = unsafe extern "C" fn() -> libc::pid_t;
    // SAFETY: libc's `fork` has this signature; the contract is the caller's.
    unsafe { next_of!(c"fork", Signature)() }
}

type Spawn = unsafe extern "C" fn(
    *mut libc::pid_t,
    *const c_char,
    *const libc::posix_spawn_file_actions_t,
    *const libc::posix_spawnattr_t,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

/// Names the program that is not started.
unsafe fn refuse_to_start(program: *const c_char) -> c_int {
    // SAFETY: a program's name is a NUL-terminated string.
    let program = unsafe { std::ffi::CStr::from_ptr(program) };
    refuse(&format!("start of the process {program:?}"), PROCESS_REMEDY);
    libc::EACCES
}

macro_rules! spawn {
    ($function:ident, $name:literal) => {
        /// # Safety
        /// As `posix_spawn(3)`.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $function(
            process: *mut libc::pid_t,
            program: *const c_char,
            actions: *const libc::posix_spawn_file_actions_t,
            attributes: *const libc::posix_spawnattr_t,
            arguments: *const *mut c_char,
            environment: *const *mut c_char,
        ) -> c_int {
            if SHARED.get().is_some() {
                // SAFETY: the contract is the caller's.
                return unsafe { refuse_to_start(program) };
            }
            // SAFETY: libc's function of this name has this signature; the contract is the caller's.
            unsafe { next_of!($name, Spawn)(process, program, actions, attributes, arguments, environment) }
        }
    };
}

spawn!(posix_spawn, c"posix_spawn");
spawn!(posix_spawnp, c"posix_spawnp");

/// The exit code of a process that a run's thread ended as if all were well.
const ENDED_BY_A_RUN: c_int = 1;

/// Tells of a service that ends the whole process from inside a run, and lets no such end pass for a success.
///
/// What a worker's supervisor sees is the end itself; in a process without one, what is said here is all there is. A process
/// that ends by a segmentation fault says nothing.
pub(crate) fn watch_exit() {
    extern "C" fn at_exit(status: c_int, _: *mut c_void) {
        if let Some(shared) = SHARED.get() {
            tell_end(shared, b"called exit");
            if !Beacon::is_shown() && status == 0 {
                end_process(ENDED_BY_A_RUN);
            }
        }
    }
    extern "C" fn at_abort(_: c_int) {
        if let Some(shared) = SHARED.get() {
            tell_end(shared, b"aborted");
        }
    }
    unsafe extern "C" {
        fn on_exit(work: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: both are plain functions that live as long as the process; an abort goes on when its handler returns.
    ONCE.call_once(|| unsafe {
        on_exit(at_exit, std::ptr::null_mut());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = at_abort as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGABRT, &raw const action, std::ptr::null_mut());
    });
}

/// # Safety
/// As `_exit(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn _exit(status: c_int) -> ! {
    end_of_run(b"called _exit", status)
}

/// # Safety
/// As `_Exit(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn _Exit(status: c_int) -> ! {
    end_of_run(b"called _Exit", status)
}

fn end_of_run(what: &[u8], status: c_int) -> ! {
    match SHARED.get() {
        Some(shared) => {
            tell_end(shared, what);
            end_process(if Beacon::is_shown() || status != 0 { status } else { ENDED_BY_A_RUN })
        }
        None => end_process(status),
    }
}

fn end_process(status: c_int) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { real_syscall(libc::SYS_exit_group, status as usize, 0, 0, 0, 0, 0) };
    }
}

/// Says who ended the process, in pieces: a process that aborts may be unable to allocate.
fn tell_end(shared: &Shared, what: &[u8]) {
    let name = shared.beacon.name();
    let speaker: &[u8] = if name.is_empty() { b"somebody" } else { name.as_bytes() };
    let pieces: [&[u8]; 7] = [
        b"halfopen: violation: ",
        speaker,
        b" ",
        what,
        b" inside ",
        shared.run.as_bytes(),
        b", which ends the process; a service returns an error from `run` instead\n",
    ];
    for piece in pieces {
        // SAFETY: writes a valid buffer to the process's stderr.
        unsafe { libc::write(libc::STDERR_FILENO, piece.as_ptr().cast(), piece.len()) };
    }
}
