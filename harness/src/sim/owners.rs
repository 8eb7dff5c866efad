//! Whose a task is.

#![expect(
    clippy::disallowed_types,
    reason = "it is asked at every poll; its hasher is constant, and it is never iterated"
)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::fabric::LifeId;

/// The owners of all tasks that live.
pub(crate) type Owners = HashMap<tokio::task::Id, Owner, BuildHasherDefault<IdHasher>>;

/// Which task this is: its life and its place among that life's tasks (the root is 0).
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) life: LifeId,
    pub(crate) ordinal: u64,
}

/// Task ids are small counters: a multiplication spreads them well enough, and no process-wide hash key is involved.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
