//! Room for the signal handlers of a run's threads.
//!
//! A stack overflow is told by a handler that runs on a stack of its own, and the abort that follows by another on top of it. std gives
//! them 8 KiB or little more. A processor with wide registers puts up to 3 KiB of them there for each handler, so the second one would
//! overflow in its turn, and the process would never end.

use std::cell::RefCell;
use std::mem::MaybeUninit;

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
        unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
    });
}
