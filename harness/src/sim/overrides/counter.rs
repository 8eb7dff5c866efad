//! The processor's own clock, which crates like `quanta` and `minstant` read without asking libc.
//!
//! On x86-64 Linux lets a thread be denied the instruction (`PR_SET_TSC`): it then raises a SIGSEGV, whose handler answers
//! with the run's time, as a counter that counts nanoseconds. Looks at the same instant are some nanoseconds apart, which
//! are the same in every run: there are libraries that look at nothing but how far two looks are apart, to draw from it, and that end
//! the process when it is always the same.

use std::sync::atomic::AtomicU64;
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::Ordering;

/// Small numbers that are hard to tell from random ones, and the same in every run.
#[derive(Debug)]
pub(super) struct Noise(AtomicU64);

impl Default for Noise {
    fn default() -> Self {
        Self(AtomicU64::new(0x9e37_79b9_7f4a_7c15))
    }
}

impl Noise {
    #[cfg(target_arch = "x86_64")]
    fn next(&self) -> u32 {
        // Knuth's MMIX; the upper half is the better one.
        let state = self.0.load(Ordering::Relaxed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0.store(state, Ordering::Relaxed);
        (state >> 32) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod answered {
    pub(in super::super) fn watch() {}
    pub(in super::super) fn unwatch() {}
}

#[cfg(target_arch = "x86_64")]
mod answered {
    use std::ffi::{c_int, c_void};
    use std::sync::Once;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::clock::UPTIME_SECONDS;
    use super::super::{SHARED, Shared};

    /// The handler that was there before.
    static BEFORE: AtomicUsize = AtomicUsize::new(0);

    /// From now on this thread's looks at the counter are answered by its run.
    pub(in super::super) fn watch() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: zeroes are a valid sigaction.
            let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: zeroes are a valid sigaction.
            let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
            ours.sa_sigaction = handle as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            // SAFETY: both are valid; the handler is a function that lives as long as the process.
            unsafe { libc::sigaction(libc::SIGSEGV, std::ptr::null(), &mut before) };
            BEFORE.store(Box::into_raw(Box::new(before)) as usize, Ordering::Release);
            // SAFETY: as above.
            unsafe { libc::sigaction(libc::SIGSEGV, &ours, std::ptr::null_mut()) };
        });
        deny(libc::PR_TSC_SIGSEGV);
    }

    /// This thread reads the real counter again.
    pub(in super::super) fn unwatch() {
        deny(libc::PR_TSC_ENABLE);
    }

    fn deny(how: c_int) {
        // SAFETY: changes what this thread may do, and touches no memory. Where it is refused, the counter stays real.
        unsafe { libc::prctl(libc::PR_SET_TSC, how) };
    }

    extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel passes a valid context to a handler with SA_SIGINFO.
        let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        if let Some(shared) = SHARED.get() {
            let at = registers[libc::REG_RIP as usize] as *const u8;
            // SAFETY: the general protection fault of a denied instruction has the address 0 and no other fault code; the
            // instruction pointer is that of code that was being executed, which is readable for at least this byte.
            let length = unsafe { counter_instruction(info, at) };
            if let Some(length) = length {
                answer(shared, registers, length);
                return;
            }
        }
        let before = BEFORE.load(Ordering::Acquire) as *const libc::sigaction;
        // SAFETY: stored before this handler was installed, and never freed.
        unsafe { go_on(&*before, signal, info, context) };
    }

    /// How long the instruction at `at` is if it reads the counter: RDTSC or RDTSCP.
    unsafe fn counter_instruction(info: *const libc::siginfo_t, at: *const u8) -> Option<i64> {
        // A page that is not there has another code (1, 2); the kernel's own (128) is what a denied instruction has.
        // SAFETY: the kernel passes a valid siginfo.
        if unsafe { (*info).si_code } != 128 || at.is_null() {
            return None;
        }
        // SAFETY: as the caller says; the bytes behind the first are looked at only where the first says that they belong
        // to the instruction.
        unsafe {
            match (*at, *at.add(1)) {
                (0x0f, 0x31) => Some(2),
                (0x0f, 0x01) if *at.add(2) == 0xf9 => Some(3),
                _ => None,
            }
        }
    }

    fn answer(shared: &Shared, registers: &mut [i64], length: i64) {
        let count = UPTIME_SECONDS * 1_000_000_000 + next_count(shared);
        registers[libc::REG_RAX as usize] = (count & 0xffff_ffff) as i64;
        registers[libc::REG_RDX as usize] = (count >> 32) as i64;
        if length == 3 {
            // Which core it was.
            registers[libc::REG_RCX as usize] = 0;
        }
        registers[libc::REG_RIP as usize] += length;
    }

    /// One thread of a run runs at a time: numbers that no other thread changes.
    fn next_count(shared: &Shared) -> u64 {
        let (last, now) = (shared.counter.load(Ordering::Relaxed), shared.now_nanos());
        let count = now.max(last + 1 + u64::from(shared.counter_noise.next() >> 24));
        shared.counter.store(count, Ordering::Relaxed);
        count
    }

    /// What would have happened without this handler.
    unsafe fn go_on(before: &libc::sigaction, signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        match before.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // The instruction is executed again, and faults again, without a handler. SAFETY: puts back what was
                // there.
                unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
            }
            handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
                // SAFETY: a handler with SA_SIGINFO has this signature.
                unsafe { std::mem::transmute::<usize, Handler>(handler)(signal, info, context) };
            }
            handler => {
                // SAFETY: a handler without SA_SIGINFO has this signature.
                unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler)(signal) };
            }
        }
    }
}

pub(super) use answered::{unwatch, watch};
