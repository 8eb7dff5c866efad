//! Descriptors: the numbers that stand for a run's files.
//!
//! No kernel gives such numbers out (`fs.nr_open` is at most 2^20 on any machine that is not set up for it, and 2^30 cannot be
//! asked for), so whether a call is the run's is one comparison, and what reaches the real kernel past libc fails with
//! `EBADF`. A number is the same in every run of a plan, because services print them. It carries a tag of the plan, and a
//! number that has outlived its run is not given out again in this process, so that a socket in a `static` names no socket
//! of a later run.

use std::collections::{BTreeSet, VecDeque};

use super::Errno;
use crate::sim::wakers::FileIndex;

/// A descriptor, as in C.
pub(crate) type Descriptor = i32;

/// The first number of a run's own.
pub(crate) const FIRST: Descriptor = 1 << 30;
/// The first of the numbers that stand for what a run's runtime waits with.
pub(crate) const FIRST_OF_RUNTIMES: Descriptor = FIRST | 1 << 29;
const INDEX_BITS: u32 = 18;
/// How many a process may have, and more than any has by default (`ulimit -n`).
const MOST: usize = 1 << INDEX_BITS;
const TAGS: u64 = 1 << 11;

/// A run's descriptors.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    /// What every number begins with.
    base: Descriptor,
    /// Numbers of earlier runs that are still somewhere.
    taken: BTreeSet<Descriptor>,
    files: Vec<Option<FileIndex>>,
    /// Closed ones, to be given out again when no new ones are left.
    closed: VecDeque<u32>,
}

/// Why a number stands for nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is this run's, and closed.
    Closed,
    /// Another run has given it out.
    Foreign,
}

impl Descriptors {
    /// Those of a run of a plan with this tag; `taken` are not given out.
    pub(super) fn new(plan: u64, taken: BTreeSet<Descriptor>) -> Self {
        let base = FIRST | ((plan % TAGS) as Descriptor) << INDEX_BITS;
        Self { base, taken, ..Self::default() }
    }

    /// Gives out a number for a file.
    pub(super) fn insert(&mut self, file: FileIndex) -> Result<Descriptor, Errno> {
        while self.files.len() < MOST {
            let descriptor = self.base | self.files.len() as Descriptor;
            let is_free = !self.taken.contains(&descriptor);
            self.files.push(is_free.then_some(file));
            if is_free {
                return Ok(descriptor);
            }
        }
        let index = self.closed.pop_front().ok_or(Errno::TOO_MANY_FILES)?;
        self.files[index as usize] = Some(file);
        Ok(self.base | index as Descriptor)
    }

    pub(super) fn get(&self, descriptor: Descriptor) -> Result<FileIndex, Unknown> {
        let index = self.index(descriptor)?;
        self.files.get(index).copied().flatten().ok_or(Unknown::Closed)
    }

    pub(super) fn remove(&mut self, descriptor: Descriptor) -> Result<FileIndex, Unknown> {
        let index = self.index(descriptor)?;
        let file = self.files.get_mut(index).and_then(Option::take).ok_or(Unknown::Closed)?;
        self.closed.push_back(index as u32);
        Ok(file)
    }

    /// Those that are open.
    pub(super) fn open(&self) -> impl Iterator<Item = Descriptor> + '_ {
        let open = self.files.iter().enumerate().filter(|(_, file)| file.is_some());
        open.map(|(index, _)| self.base | index as Descriptor)
    }

    fn index(&self, descriptor: Descriptor) -> Result<usize, Unknown> {
        let index = descriptor ^ self.base;
        if (0..MOST as Descriptor).contains(&index) && !self.taken.contains(&descriptor) {
            Ok(index as usize)
        } else {
            Err(Unknown::Foreign)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_in_every_run_of_a_plan_and_others_in_another_plans() {
        let numbers = |plan| {
            let mut descriptors = Descriptors::new(plan, BTreeSet::new());
            [0, 1, 2].map(|file| descriptors.insert(FileIndex(file)).expect("there are many"))
        };
        assert_eq!(numbers(7), numbers(7));
        assert!(numbers(7).iter().all(|number| !numbers(8).contains(number)));
        assert!(numbers(u64::MAX).iter().all(|number| (FIRST..FIRST_OF_RUNTIMES).contains(number)));
    }

    #[test]
    fn a_number_that_has_outlived_its_run_is_given_to_nobody_else() {
        let mut first = Descriptors::new(7, BTreeSet::new());
        let kept = first.insert(FileIndex(0)).expect("there are many");
        let mut second = Descriptors::new(7, first.open().collect());
        let own = second.insert(FileIndex(0)).expect("there are many");
        assert_ne!(own, kept);
        assert_eq!(second.get(own), Ok(FileIndex(0)));
        assert_eq!(second.get(kept), Err(Unknown::Foreign));
        assert_eq!(Descriptors::new(8, BTreeSet::new()).get(kept), Err(Unknown::Foreign));
    }

    #[test]
    fn a_closed_number_is_given_out_again_only_when_no_new_one_is_left() {
        let mut descriptors = Descriptors::new(0, BTreeSet::new());
        let first = descriptors.insert(FileIndex(0)).expect("there are many");
        assert_eq!(descriptors.remove(first), Ok(FileIndex(0)));
        assert_eq!(descriptors.get(first), Err(Unknown::Closed));
        for _ in 1..MOST {
            assert_ne!(descriptors.insert(FileIndex(1)), Ok(first));
        }
        assert_eq!(descriptors.insert(FileIndex(2)), Ok(first));
        assert_eq!(descriptors.insert(FileIndex(3)), Err(Errno::TOO_MANY_FILES));
    }
}
