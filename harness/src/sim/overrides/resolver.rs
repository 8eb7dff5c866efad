//! Names: `getaddrinfo(3)` is answered by the scenario's hosts, and by the faults of lookups.
//!
//! A resolver asks on a thread of its own, mostly; the engine, which knows, is on the run's first. So the asking thread
//! leaves its question, and has its next turn when the answer is there.

use std::ffi::{CStr, CString, c_char, c_int};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::crew::{self, Waiting, Word};
use super::sockets::on_engine;
use super::{SHARED, Shared, lock, next_of};
use crate::fabric::LifeId;
use crate::fault::LookupError;
use crate::sim::kernel::Descriptor;

/// What a name leads to, and how long that takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) after: Duration,
    /// `None`: no host has the name.
    pub(crate) answer: Option<Result<IpAddr, LookupError>>,
    /// The hosts that there are.
    pub(crate) hosts: String,
}

/// What other threads leave for the engine.
#[derive(Debug, Default)]
pub(super) struct Errands(Mutex<Vec<Errand>>);

/// Something that only the engine can do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A socket was dropped on another thread, or while the network was at work.
    Close(Descriptor),
    /// A life looks a name up.
    LookUp { asker: LifeId, name: String, reply: Arc<Reply> },
}

/// Where an answer is put for the thread that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    is_there: AtomicU32,
    resolved: Mutex<Resolved>,
}

impl Reply {
    /// Puts the answer there and wakes who waits for it.
    pub(crate) fn give(&self, shared: &Shared, resolved: Resolved) {
        *lock(&self.resolved) = resolved;
        self.is_there.store(1, Ordering::SeqCst);
        crew::wake(shared, self.is_there.as_ptr() as usize, usize::MAX, u32::MAX);
    }
}

impl Shared {
    /// What was left for the engine since the last time.
    pub(crate) fn take_errands(&self) -> Vec<Errand> {
        std::mem::take(&mut *lock(&self.errands.0))
    }

    fn leave(&self, errand: Errand) {
        lock(&self.errands.0).push(errand);
        self.has_told.store(true, Ordering::Relaxed);
    }

    /// A number is closed when the engine next looks.
    pub(crate) fn close_later(&self, descriptor: Descriptor) {
        self.leave(Errand::Close(descriptor));
    }

    /// Looks a name up, on whichever thread of the run this is.
    fn resolve(&self, name: &str) -> Resolved {
        let resolved = on_engine(|engine| engine.resolve(name)).unwrap_or_else(|| self.ask(name));
        if !resolved.after.is_zero() {
            let until = self.now_nanos().saturating_add(resolved.after.as_nanos() as u64);
            crew::wait(self, Waiting { until: Some(until), ..Waiting::default() });
        }
        resolved
    }

    fn ask(&self, name: &str) -> Resolved {
        let Some(asker) = self.life().map(LifeId) else { return Resolved::default() };
        let reply = Arc::new(Reply::default());
        self.leave(Errand::LookUp { asker, name: name.to_owned(), reply: Arc::clone(&reply) });
        self.ring();
        let word = Some(Word { address: reply.is_there.as_ptr() as usize, value: 0, bits: u32::MAX });
        while reply.is_there.load(Ordering::SeqCst) == 0 {
            crew::wait(self, Waiting { word, ..Waiting::default() });
        }
        lock(&reply.resolved).clone()
    }
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
    let Some(shared) = SHARED.get() else {
        // SAFETY: the contract is the caller's.
        return unsafe { really(node, service, hints, results) };
    };
    let name = if node.is_null() {
        None
    } else {
        // SAFETY: a non-null node is a NUL-terminated string.
        Some(unsafe { CStr::from_ptr(node) }.to_string_lossy())
    };
    let name = name.as_deref().filter(|name| name.parse::<IpAddr>().is_err());
    let address = match name.map(|name| resolve(shared, name)) {
        None => None,
        Some(Ok(address)) => CString::new(address.to_string()).ok(),
        Some(Err(error)) => return error,
    };
    let node = address.as_deref().map_or(node, CStr::as_ptr);
    // SAFETY: zeroes are valid hints, and the caller passes null or valid ones.
    let mut numeric = unsafe { hints.as_ref().copied().unwrap_or_else(|| std::mem::zeroed()) };
    // No file, no name server and no interface of the machine is asked.
    numeric.ai_flags |= libc::AI_NUMERICHOST;
    numeric.ai_flags &= !(libc::AI_ADDRCONFIG | libc::AI_CANONNAME);
    // SAFETY: all pointers are valid or null, as the caller's were.
    unsafe { really(node, service, &numeric, results) }
}

unsafe fn really(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    results: *mut *mut libc::addrinfo,
) -> c_int {
    type Signature =
        unsafe extern "C" fn(*const c_char, *const c_char, *const libc::addrinfo, *mut *mut libc::addrinfo) -> c_int;
    // SAFETY: libc's `getaddrinfo` has this signature; the contract is the caller's.
    unsafe { next_of!(c"getaddrinfo", Signature)(node, service, hints, results) }
}

/// The address of a name, or the error of `getaddrinfo`.
fn resolve(shared: &Shared, name: &str) -> Result<IpAddr, c_int> {
    let Resolved { answer, hosts, .. } = shared.resolve(name);
    match answer {
        Some(Ok(address)) => Ok(address),
        Some(Err(LookupError::NoSuchName)) => Err(libc::EAI_NONAME),
        Some(Err(LookupError::NoAddress)) => Err(libc::EAI_NODATA),
        Some(Err(LookupError::ServerFailure | LookupError::NoAnswer)) => Err(libc::EAI_AGAIN),
        None => {
            let remedy =
                format!("no host of the scenario has that name (hosts: {hosts}): give the service the name of one");
            shared.stray(&format!("getaddrinfo({name:?})"), &remedy);
            Err(libc::EAI_NONAME)
        }
    }
}
