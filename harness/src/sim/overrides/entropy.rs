//! What is random: a stream for each life, and one for each thread that a life starts.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};

use super::wait::real_syscall;
use crate::seed::SeedTree;

/// A generator's state (xoshiro256**), small enough to live in a thread-local.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntropyState(pub(crate) [u64; 4]);

impl EntropyState {
    /// The stream of a node of the seed's tree.
    pub(crate) fn of(seeds: &SeedTree) -> Self {
        let mut draws = seeds.child("entropy").draws();
        Self([draws.next_u64(), draws.next_u64(), draws.next_u64(), draws.next_u64() | 1])
    }
}

/// How a thread's entropy is made.
#[derive(Clone, Copy)]
enum Entropy {
    /// From the operating system.
    Real,
    /// From the state of whichever host is speaking.
    Seeded(EntropyState),
    /// The same bytes for every call: a warm-up leaves nothing in process-wide lazies that depends on its own course.
    Constant,
}

thread_local! {
    static ENTROPY: Cell<Entropy> = const { Cell::new(Entropy::Real) };
    static DRAWS: Cell<u64> = const { Cell::new(0) };
}

/// This thread draws from `state` from now on, or the same for ever.
pub(super) fn enter(state: EntropyState, constant: bool) {
    ENTROPY.set(if constant { Entropy::Constant } else { Entropy::Seeded(state) });
    DRAWS.set(0);
}

/// `fastrand`, from which `tempfile` draws, seeds itself by the number of the thread, which counts the threads of the whole
/// process. It asks std which thread this is, so std must have begun the thread.
pub(crate) fn seed_generators() {
    match ENTROPY.get() {
        Entropy::Seeded(state) => fastrand::seed(state.0[0] ^ state.0[2]),
        Entropy::Constant => fastrand::seed(1),
        Entropy::Real => {}
    }
}

/// This thread draws from the operating system.
pub(super) fn leave() {
    ENTROPY.set(Entropy::Real);
}

/// Puts the state of the host that speaks next into place and returns that of the one that spoke last.
pub(crate) fn swap_entropy(next: EntropyState) -> EntropyState {
    match ENTROPY.get() {
        Entropy::Seeded(last) => {
            ENTROPY.set(Entropy::Seeded(next));
            last
        }
        Entropy::Real | Entropy::Constant => next,
    }
}

/// A digest of the draws made on this thread since it entered its run.
pub(super) fn draws_digest() -> u64 {
    DRAWS.get()
}

pub(super) fn fill(buffer: *mut u8, length: usize) {
    let mut state = match ENTROPY.get() {
        Entropy::Seeded(state) => state,
        Entropy::Constant | Entropy::Real => {
            EntropyState([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 1])
        }
    };
    let mut written = 0;
    while written < length {
        let word = next(&mut state.0);
        DRAWS.set(DRAWS.get().rotate_left(5) ^ word);
        let bytes = word.to_le_bytes();
        let n = (length - written).min(bytes.len());
        // SAFETY: the caller of getrandom owns `length` bytes at `buffer`, and `written + n <= length`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.add(written), n) };
        written += n;
    }
    if let Entropy::Seeded(_) = ENTROPY.get() {
        ENTROPY.set(Entropy::Seeded(state));
    }
}

fn next(s: &mut [u64; 4]) -> u64 {
    let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3].rotate_left(45);
    result
}

pub(super) fn seeded() -> bool {
    !matches!(ENTROPY.get(), Entropy::Real)
}

/// # Safety
/// As `getrandom(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: u32) -> isize {
    if seeded() {
        fill(buffer.cast(), length);
        return length as isize;
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    unsafe { real_syscall(libc::SYS_getrandom, buffer as usize, length, flags as usize, 0, 0, 0) as isize }
}

/// # Safety
/// As `getentropy(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    if seeded() {
        fill(buffer.cast(), length);
        return 0;
    }
    // SAFETY: forwards the caller's arguments; the contract is the caller's.
    let got = unsafe { real_syscall(libc::SYS_getrandom, buffer as usize, length, 0, 0, 0, 0) };
    if got == length as c_long { 0 } else { -1 }
}
