//! Room for the signal handlers of a run's threads.
//!
//! A stack overflow is told by a handler that runs on a stack of its own, and the abort that follows by another on top of it. std gives
//! them 8 KiB or little more. A processor with wide registers puts up to 3 KiB of them there for each handler, so the second one would
//! overflow in its turn, and the process would never end.
//!
//! It is also where std is seen to begin and to end a thread. It keeps a list of all threads of the process then, behind a lock at
//! which it yields: threads of other runs hold it, so waiting for it is real, and costs no turn.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

use super::next_of;

const BYTES: usize = 64 << 10;

thread_local! {
    /// Freed when the thread is over: by then std has told the kernel that the thread has no such stack any more.
    static ROOM: RefCell<Option<Box<[MaybeUninit<u8>]>>> = const { RefCell::new(None) };
}

/// Gives this thread's signal handlers enough room, until it ends.
pub(super) fn enlarge() {
    ROOM.with_borrow_mut(|room| {
        if room.is_some() {
            return;
        }
        let room = room.insert(Box::new_uninit_slice(BYTES));
        let stack = libc::stack_t { ss_sp: room.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
        // SAFETY: the memory lives as long as the thread, and nothing else uses it. Where it is refused, std's stack stays.
        unsafe { really(&raw const stack, std::ptr::null_mut()) };
    });
}

thread_local! {
    /// Whether std begins this thread, which a run has started, or ends it.
    static IS_STDS: Cell<bool> = const { Cell::new(false) };
    /// Whether it is such a thread.
    static IS_HELPER: Cell<bool> = const { Cell::new(false) };
}

/// std is about to begin this thread.
pub(super) fn begin_thread() {
    IS_HELPER.set(true);
    IS_STDS.set(true);
}

/// Whether what this thread waits for is std's list of threads.
pub(super) fn is_stds() -> bool {
    IS_STDS.get()
}

unsafe fn really(new: *const libc::stack_t, old: *mut libc::stack_t) -> c_int {
    type Signature = unsafe extern "C" fn(*const libc::stack_t, *mut libc::stack_t) -> c_int;
    // SAFETY: libc's `sigaltstack` has this signature; the contract is the caller's.
    unsafe { next_of!(c"sigaltstack", Signature)(new, old) }
}

/// std asks for the handlers' stack when the thread is on its list, gives the thread one, and takes it away before the thread
/// is off the list.
///
/// # Safety
/// As `sigaltstack(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaltstack(new: *const libc::stack_t, old: *mut libc::stack_t) -> c_int {
    // SAFETY: the contract is the caller's.
    let result = unsafe { really(new, old) };
    if IS_HELPER.get() {
        // SAFETY: the caller passes null or a valid stack.
        match unsafe { new.as_ref() } {
            Some(new) if new.ss_flags & libc::SS_DISABLE != 0 => {
                IS_STDS.set(true);
                // SAFETY: a function that lives as long as the process; it runs before all that the thread has registered.
                unsafe { super::threads::at_thread_exit(is_off_the_list) };
            }
            Some(_) => enlarge(),
            None => IS_STDS.set(false),
        }
    }
    result
}

unsafe extern "C" fn is_off_the_list(_: *mut c_void) {
    IS_STDS.set(false);
}
