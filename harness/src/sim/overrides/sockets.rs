//! libc's socket calls, of numbers that the run has given out: the simulated kernel answers them.
//!
//! Each of them looks at the number and passes what is not the run's on. No panic leaves one: the run is told of it and ends.

use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::ReadBuf;

use super::syscalls::refuse;
use super::{SHARED, lock, memory, next_of, runtime};
use crate::sim::engine::{self, Engine};
use crate::sim::kernel::{Call, Descriptor, Errno, FIRST, Family, Half};

/// Numbers that were still open when their run was over.
static OUTLIVED: Mutex<BTreeSet<Descriptor>> = Mutex::new(BTreeSet::new());
/// How many there are.
static OUTLIVED_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Numbers that have outlived their runs, which no later run gives out.
pub(crate) fn outlived() -> BTreeSet<Descriptor> {
    lock(&OUTLIVED).clone()
}

/// A run is over, and these numbers are still open.
pub(crate) fn outlive(open: impl Iterator<Item = Descriptor>) {
    let mut outlived = lock(&OUTLIVED);
    outlived.extend(open);
    OUTLIVED_COUNT.store(outlived.len(), Ordering::Relaxed);
}

/// A number is closed at last.
fn forget(descriptor: Descriptor) {
    if OUTLIVED_COUNT.load(Ordering::Relaxed) > 0 {
        let mut outlived = lock(&OUTLIVED);
        outlived.remove(&descriptor);
        OUTLIVED_COUNT.store(outlived.len(), Ordering::Relaxed);
    }
}

const STREAM_REMEDY: &str = "use tokio::net on the run's own thread, in a task of a host: a thread of a service's own has no \
                             network";
const ELSEWHERE: &str =
    "use a socket on the run's own thread, in a task of a host: a thread of a service's own has no network";

/// Whether a number is one that a run has given out.
#[inline]
pub(super) fn is_ours(descriptor: c_int) -> bool {
    descriptor >= FIRST
}

pub(super) fn failed(errno: c_int) -> c_int {
    // SAFETY: errno's address is valid for this thread.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Works with this thread's engine, if it has one. No panic may leave a function of libc's: the run is told of it, and ends.
#[inline]
pub(super) fn on_engine<T>(work: impl FnOnce(&Engine) -> T) -> Option<T> {
    let mut done = None;
    engine::with_current(|engine| match catch_unwind(AssertUnwindSafe(|| work(engine))) {
        Ok(value) => done = Some(value),
        Err(panic) => engine.end_by_defect(&*panic),
    });
    done
}

/// Answers a call on one of the run's numbers.
#[inline]
pub(super) fn answer<T: Failing>(name: &'static str, work: impl FnOnce(&mut Call<'_>) -> Result<T, Errno>) -> T {
    match on_engine(|engine| engine.on_kernel(work)) {
        Some(Ok(value)) => value,
        Some(Err(Errno(errno))) => T::failing(failed(errno)),
        None => elsewhere(name),
    }
}

/// What a call answers when it fails.
pub(super) trait Failing {
    fn failing(minus_one: c_int) -> Self;
}

impl Failing for c_int {
    fn failing(minus_one: c_int) -> Self {
        minus_one
    }
}

impl Failing for isize {
    fn failing(minus_one: c_int) -> Self {
        minus_one as Self
    }
}

#[cold]
fn elsewhere<T: Failing>(name: &'static str) -> T {
    if let Some(shared) = SHARED.get() {
        shared.stray(&format!("{name} on a thread of a service's own"), ELSEWHERE);
    }
    // Not EBADF: std takes that for a descriptor that was closed twice, and aborts.
    T::failing(failed(libc::ENOTCONN))
}

/// A new socket of TCP; `None` when it is not to be one of the run's.
pub(super) fn open(domain: c_int, kind: c_int) -> c_int {
    let family = if domain == libc::AF_INET6 { Family::V6 } else { Family::V4 };
    let is_nonblocking = kind & libc::SOCK_NONBLOCK != 0;
    match on_engine(|engine| engine.on_kernel(|call| call.socket(family, is_nonblocking))) {
        Some(Ok(descriptor)) => descriptor,
        Some(Err(errno)) if errno != Errno::ACCESS => failed(errno.0),
        Some(Err(_)) | None => refuse("socket(SOCK_STREAM)", STREAM_REMEDY),
    }
}

/// What a call reads into.
fn read(
    call: &mut Call<'_>,
    descriptor: Descriptor,
    room: &mut [std::mem::MaybeUninit<u8>],
    peek: bool,
) -> Result<isize, Errno> {
    let mut buf = ReadBuf::uninit(room);
    call.read(descriptor, &mut buf, peek)?;
    Ok(buf.filled().len() as isize)
}

/// Reads into several buffers: as much as there is, and no more than one call would.
unsafe fn scatter(
    call: &mut Call<'_>,
    descriptor: Descriptor,
    pieces: &[libc::iovec],
    peek: bool,
) -> Result<isize, Errno> {
    if pieces.iter().all(|piece| piece.iov_len == 0) {
        // A read of nothing waits, and fails, as any other.
        return read(call, descriptor, &mut [], peek);
    }
    let mut total = 0;
    for piece in pieces.iter().filter(|piece| piece.iov_len > 0) {
        // SAFETY: each of them leads to its bytes.
        let room = unsafe { memory::room(piece.iov_base, piece.iov_len) };
        match read(call, descriptor, room, peek) {
            Ok(n) => {
                total += n;
                if n < piece.iov_len as isize || peek {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(total)
}

unsafe fn gather(call: &mut Call<'_>, descriptor: Descriptor, pieces: &[libc::iovec]) -> Result<isize, Errno> {
    // SAFETY: the caller's.
    let (joined, is_all) = unsafe { memory::gather(pieces) };
    let written = call.write(descriptor, &joined)?;
    if !is_all && written == joined.len() {
        call.gathered_in_part(descriptor);
    }
    Ok(written as isize)
}

macro_rules! symbols {
    ($($text:literal fn $name:ident($descriptor:ident $(, $argument:ident: $type:ty)*) -> $result:ty = |$call:ident| $work:expr;)*) => {
        $(
            /// # Safety
            /// As libc's function of this name.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($descriptor: c_int $(, $argument: $type)*) -> $result {
                if is_ours($descriptor) {
                    // SAFETY: the contract is the caller's.
                    return answer(stringify!($name), |$call| unsafe { $work });
                }
                type Signature = unsafe extern "C" fn(c_int $(, $type)*) -> $result;
                // SAFETY: libc's function of this name has this signature; the contract is the caller's.
                unsafe { next_of!($text, Signature)($descriptor $(, $argument)*) }
            }
        )*
    };
}

symbols! {
    c"bind" fn bind(descriptor, address: *const libc::sockaddr, length: libc::socklen_t) -> c_int = |call| {
        call.bind(descriptor, memory::address(address, length)?).map(|()| 0)
    };
    c"accept4" fn accept4(descriptor, address: *mut libc::sockaddr, length: *mut libc::socklen_t, flags: c_int) -> c_int = |call| {
        let (accepted, peer) = call.accept(descriptor, flags & libc::SOCK_NONBLOCK != 0)?;
        memory::put_address(peer, address, length);
        Ok(accepted)
    };
    c"accept" fn accept(descriptor, address: *mut libc::sockaddr, length: *mut libc::socklen_t) -> c_int = |call| {
        let (accepted, peer) = call.accept(descriptor, false)?;
        memory::put_address(peer, address, length);
        Ok(accepted)
    };
    c"connect" fn connect(descriptor, address: *const libc::sockaddr, length: libc::socklen_t) -> c_int = |call| {
        call.connect(descriptor, memory::address(address, length)?).map(|()| 0)
    };
    c"recv" fn recv(descriptor, buffer: *mut c_void, count: usize, flags: c_int) -> isize = |call| {
        read(call, descriptor, memory::room(buffer, count), flags & libc::MSG_PEEK != 0)
    };
    c"recvfrom" fn recvfrom(descriptor, buffer: *mut c_void, count: usize, flags: c_int, address: *mut libc::sockaddr, length: *mut libc::socklen_t) -> isize = |call| {
        // A stream says nothing about who has sent.
        let _ = address;
        if let Some(length) = length.as_mut() {
            *length = 0;
        }
        read(call, descriptor, memory::room(buffer, count), flags & libc::MSG_PEEK != 0)
    };
    c"readv" fn readv(descriptor, buffers: *const libc::iovec, count: c_int) -> isize = |call| {
        scatter(call, descriptor, memory::pieces(buffers, count.max(0) as usize), false)
    };
    c"recvmsg" fn recvmsg(descriptor, message: *mut libc::msghdr, flags: c_int) -> isize = |call| {
        let message = message.as_mut().ok_or(Errno::INVALID)?;
        (message.msg_namelen, message.msg_controllen, message.msg_flags) = (0, 0, 0);
        scatter(call, descriptor, memory::pieces(message.msg_iov, message.msg_iovlen), flags & libc::MSG_PEEK != 0)
    };
    c"send" fn send(descriptor, buffer: *const c_void, count: usize, flags: c_int) -> isize = |call| {
        let _ = flags;
        call.write(descriptor, memory::bytes(buffer, count)).map(|n| n as isize)
    };
    c"sendto" fn sendto(descriptor, buffer: *const c_void, count: usize, flags: c_int, address: *const libc::sockaddr, length: libc::socklen_t) -> isize = |call| {
        // A stream that is connected sends to its peer.
        let _ = (flags, address, length);
        call.write(descriptor, memory::bytes(buffer, count)).map(|n| n as isize)
    };
    c"writev" fn writev(descriptor, buffers: *const libc::iovec, count: c_int) -> isize = |call| {
        gather(call, descriptor, memory::pieces(buffers, count.max(0) as usize))
    };
    c"sendmsg" fn sendmsg(descriptor, message: *const libc::msghdr, flags: c_int) -> isize = |call| {
        let _ = flags;
        let message = message.as_ref().ok_or(Errno::INVALID)?;
        gather(call, descriptor, memory::pieces(message.msg_iov, message.msg_iovlen))
    };
    c"setsockopt" fn setsockopt(descriptor, level: c_int, name: c_int, value: *const c_void, length: libc::socklen_t) -> c_int = |call| {
        call.set_option(descriptor, level, name, memory::value(level, name, value, length)?).map(|()| 0)
    };
    c"getsockopt" fn getsockopt(descriptor, level: c_int, name: c_int, value: *mut c_void, length: *mut libc::socklen_t) -> c_int = |call| {
        memory::put_value(call.option(descriptor, level, name)?, value, length)
    };
    c"getsockname" fn getsockname(descriptor, address: *mut libc::sockaddr, length: *mut libc::socklen_t) -> c_int = |call| {
        memory::put_address(call.local_address(descriptor)?, address, length);
        Ok(0)
    };
    c"getpeername" fn getpeername(descriptor, address: *mut libc::sockaddr, length: *mut libc::socklen_t) -> c_int = |call| {
        memory::put_address(call.peer_address(descriptor)?, address, length);
        Ok(0)
    };
    // Not declared variadic: on x86_64 and aarch64 Linux the registers are the same.
    c"ioctl" fn ioctl(descriptor, request: libc::c_ulong, argument: usize) -> c_int = |call| match request {
        libc::FIONBIO => call.set_nonblocking(descriptor, *(argument as *const c_int) != 0).map(|()| 0),
        _ => Err(Errno::NO_TERMINAL),
    };
}

/// # Safety
/// As `listen(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn listen(descriptor: c_int, backlog: c_int) -> c_int {
    if is_ours(descriptor) {
        return answer("listen", |call| call.listen(descriptor, backlog).map(|()| 0));
    }
    type Signature = unsafe extern "C" fn(c_int, c_int) -> c_int;
    // SAFETY: libc's `listen` has this signature.
    unsafe { next_of!(c"listen", Signature)(descriptor, backlog) }
}

/// # Safety
/// As `shutdown(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn shutdown(descriptor: c_int, how: c_int) -> c_int {
    if is_ours(descriptor) {
        let half = match how {
            libc::SHUT_RD => Half::Read,
            libc::SHUT_WR => Half::Write,
            libc::SHUT_RDWR => Half::Both,
            _ => return failed(libc::EINVAL),
        };
        return answer("shutdown", |call| call.shutdown(descriptor, half).map(|()| 0));
    }
    type Signature = unsafe extern "C" fn(c_int, c_int) -> c_int;
    // SAFETY: libc's `shutdown` has this signature.
    unsafe { next_of!(c"shutdown", Signature)(descriptor, how) }
}

/// # Safety
/// As `dup(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup(descriptor: c_int) -> c_int {
    if is_ours(descriptor) {
        return answer("dup", |call| call.duplicate(descriptor));
    }
    type Signature = unsafe extern "C" fn(c_int) -> c_int;
    // SAFETY: libc's `dup` has this signature.
    unsafe { next_of!(c"dup", Signature)(descriptor) }
}

/// # Safety
/// As `write(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(descriptor: c_int, buffer: *const c_void, count: usize) -> isize {
    if is_ours(descriptor) {
        if runtime::is_runtimes(descriptor) {
            return runtime::write(descriptor, count);
        }
        // SAFETY: the contract is the caller's.
        let bytes = unsafe { memory::bytes(buffer, count) };
        return answer("write", |call| call.write(descriptor, bytes).map(|n| n as isize));
    }
    type Signature = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
    // SAFETY: libc's `write` has this signature; the contract is the caller's.
    unsafe { std::mem::transmute::<usize, Signature>(super::WRITE.address(c"write"))(descriptor, buffer, count) }
}

/// `read(2)` of one of the run's numbers.
pub(super) fn read_ours(descriptor: c_int, room: &mut [std::mem::MaybeUninit<u8>]) -> isize {
    answer("read", |call| read(call, descriptor, room, false))
}

/// `close(2)` of one of the run's numbers. What another thread drops, or the network itself, is closed a little later.
pub(super) fn close_ours(descriptor: c_int) -> c_int {
    if runtime::is_runtimes(descriptor) {
        return runtime::close(descriptor);
    }
    forget(descriptor);
    match on_engine(|engine| engine.close(descriptor)) {
        Some(Ok(())) => 0,
        Some(Err(Errno(errno))) => failed(errno),
        None => {
            if let Some(shared) = SHARED.get() {
                shared.close_later(descriptor);
            }
            0
        }
    }
}
