//! The doors to the real network, and other ways out of a run.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::Ordering;

use super::{GETADDRINFO, PTHREAD_CREATE, SHARED, SOCKET, on_run_thread};

/// # Safety
/// As `socket(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if let Some(shared) = SHARED.get()
        && matches!(domain, libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX)
    {
        let call = match kind & 0xf {
            libc::SOCK_STREAM => "socket(SOCK_STREAM)",
            libc::SOCK_DGRAM => "socket(SOCK_DGRAM)",
            _ => "socket",
        };
        shared.stray(call.to_owned(), "use the types of halfopen_net instead of tokio::net or std::net");
        // SAFETY: errno's address is valid for this thread.
        unsafe { *libc::__errno_location() = libc::EACCES };
        return -1;
    }
    type Signature = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    let address = SOCKET.address(c"socket");
    // SAFETY: the address is libc's `socket`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(domain, kind, protocol) }
}

/// # Safety
/// As `getaddrinfo(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    results: *mut *mut libc::addrinfo,
) -> c_int {
    if let Some(shared) = SHARED.get() {
        let name = if node.is_null() {
            String::new()
        } else {
            // SAFETY: a non-null node is a NUL-terminated string.
            unsafe { std::ffi::CStr::from_ptr(node) }.to_string_lossy().into_owned()
        };
        shared
            .stray(format!("getaddrinfo({name:?})"), "resolve through halfopen_net (connect by name, or lookup_host)");
        return libc::EAI_FAIL;
    }
    type Signature =
        unsafe extern "C" fn(*const c_char, *const c_char, *const libc::addrinfo, *mut *mut libc::addrinfo) -> c_int;
    let address = GETADDRINFO.address(c"getaddrinfo");
    // SAFETY: the address is libc's `getaddrinfo`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(node, service, hints, results) }
}

/// A thread of its own is outside the run: its clocks, entropy and sockets are real, and nobody decides when it runs.
/// It is let be, counted, and told of at the end.
///
/// # Safety
/// As `pthread_create(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    if let Some(shared) = SHARED.get() {
        shared.threads_created.fetch_add(1, Ordering::Relaxed);
    }
    type Signature = unsafe extern "C" fn(
        *mut libc::pthread_t,
        *const libc::pthread_attr_t,
        extern "C" fn(*mut c_void) -> *mut c_void,
        *mut c_void,
    ) -> c_int;
    let address = PTHREAD_CREATE.address(c"pthread_create");
    // SAFETY: the address is libc's `pthread_create`, which has this signature.
    unsafe { std::mem::transmute::<usize, Signature>(address)(thread, attributes, start, argument) }
}

/// Warns when a service ends the whole process from inside a run.
pub(crate) fn watch_exit() {
    extern "C" fn at_exit() {
        if on_run_thread() {
            let message = b"halfopen: violation: a service called std::process::exit inside a simulation; \
                return an error from `run` instead\n";
            // SAFETY: writes a valid buffer to the process's stderr.
            unsafe { libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len()) };
        }
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: `at_exit` is a plain function that lives as long as the process.
    ONCE.call_once(|| unsafe {
        libc::atexit(at_exit);
    });
}
