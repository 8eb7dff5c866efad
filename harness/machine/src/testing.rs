//! For the tests of machines: the contract asserted at every call, and a time to start from.

use std::fmt::Debug;
use std::ops::Deref;
use std::time::Instant;

use crate::{Bug, Machine};

/// A machine whose contract is asserted at every call, on both sides: of the machine, and of the test that drives it.
///
/// - The driver takes every output before it calls again, and its times do not go back.
/// - A timeout that comes before [`Machine::next_timeout`] changes nothing.
/// - A timeout that comes at it moves it: otherwise a shell would spin.
/// - [`Machine::poll_output`] answers `None` until something has happened.
///
/// # Panics
///
/// Each call panics with the part of the contract that it finds broken.
#[derive(Debug)]
pub struct Strict<M: Machine> {
    machine: M,
    /// The latest time that the machine was given.
    latest: Option<M::Time>,
    /// Whether every output has been taken.
    drained: bool,
    /// What the last timeout has to have done once its outputs are taken.
    promise: Promise<M::Time>,
}

/// What has to be true of a machine once its outputs are taken.
#[derive(Debug)]
enum Promise<T> {
    None,
    /// Nothing was due: there is no output, and the next timeout is still this one.
    Unchanged(Option<T>),
    /// What was due at this time is done: the next timeout is later.
    LaterThan(T),
}

impl<M: Machine> Strict<M>
where
    M::Time: Debug,
{
    /// Observes a machine from now on. It may have outputs of its beginning, which are taken first.
    pub fn new(machine: M) -> Self {
        Self { machine, latest: None, drained: false, promise: Promise::None }
    }

    /// Every output that there is.
    pub fn take_outputs(&mut self) -> Vec<M::Output> {
        std::iter::from_fn(|| self.poll_output()).collect()
    }

    fn starts(&mut self, now: M::Time, promise: Promise<M::Time>) {
        assert!(self.drained, "the driver calls a machine only once all its outputs are taken");
        assert!(self.latest.is_none_or(|latest| latest <= now), "time goes back from {:?} to {now:?}", self.latest);
        self.latest = Some(now);
        self.drained = false;
        self.promise = promise;
    }

    fn ends(&mut self) {
        assert!(self.machine.poll_output().is_none(), "a machine without outputs has one when it is asked again");
        let next = self.machine.next_timeout();
        match std::mem::replace(&mut self.promise, Promise::None) {
            Promise::None => {}
            Promise::Unchanged(before) => {
                assert!(next == before, "a timeout before its time moved the next one from {before:?} to {next:?}");
            }
            Promise::LaterThan(now) => {
                assert!(next.is_none_or(|next| now < next), "a timeout at {now:?} left the next one at {next:?}");
            }
        }
        self.drained = true;
    }
}

impl<M: Machine> Machine for Strict<M>
where
    M::Time: Debug,
{
    type Time = M::Time;
    type Input = M::Input;
    type Output = M::Output;

    fn handle(&mut self, input: M::Input, now: M::Time) -> Result<(), Bug> {
        self.starts(now, Promise::None);
        self.machine.handle(input, now)
    }

    fn handle_timeout(&mut self, now: M::Time) -> Result<(), Bug> {
        let due = self.machine.next_timeout();
        let is_due = due.is_some_and(|due| due <= now);
        self.starts(now, if is_due { Promise::LaterThan(now) } else { Promise::Unchanged(due) });
        self.machine.handle_timeout(now)
    }

    fn poll_output(&mut self) -> Option<M::Output> {
        let output = self.machine.poll_output();
        if output.is_none() {
            self.ends();
        } else {
            assert!(!matches!(self.promise, Promise::Unchanged(_)), "a timeout before its time has an output");
        }
        output
    }

    fn next_timeout(&self) -> Option<M::Time> {
        assert!(self.drained, "the driver asks for the next timeout only once all outputs are taken");
        self.machine.next_timeout()
    }
}

impl<M: Machine> Deref for Strict<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

/// A time for a test to start from. An [`Instant`] cannot be made otherwise than by a clock; tests look only at differences.
#[must_use]
pub fn start() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks at 10, and says so; then again at the time that it has been told.
    struct Ticker {
        at: u32,
        then: u32,
        ticks: u32,
        early: bool,
    }

    impl Machine for Ticker {
        type Time = u32;
        type Input = ();
        type Output = u32;

        fn handle(&mut self, (): (), _now: u32) -> Result<(), Bug> {
            self.ticks += 1;
            Ok(())
        }

        fn handle_timeout(&mut self, now: u32) -> Result<(), Bug> {
            if self.at <= now || self.early {
                self.at = self.then;
                self.ticks += 1;
            }
            Ok(())
        }

        fn poll_output(&mut self) -> Option<u32> {
            self.ticks = self.ticks.checked_sub(1)?;
            Some(self.ticks)
        }

        fn next_timeout(&self) -> Option<u32> {
            Some(self.at)
        }
    }

    fn strict(then: u32, early: bool) -> Strict<Ticker> {
        let mut machine = Strict::new(Ticker { at: 10, then, ticks: 0, early });
        assert_eq!(machine.take_outputs(), []);
        machine
    }

    #[test]
    fn a_machine_that_keeps_its_contract_passes() {
        let mut machine = strict(20, false);
        machine.handle_timeout(9).expect("no bug");
        assert_eq!(machine.take_outputs(), []);
        machine.handle((), 9).expect("no bug");
        assert_eq!(machine.take_outputs(), [0]);
        machine.handle_timeout(10).expect("no bug");
        assert_eq!((machine.take_outputs(), machine.next_timeout()), (vec![0], Some(20)));
    }

    #[test]
    #[should_panic(expected = "a timeout at 10 left the next one at Some(10)")]
    fn a_machine_that_would_spin_is_caught() {
        let mut machine = strict(10, false);
        machine.handle_timeout(10).expect("no bug");
        machine.take_outputs();
    }

    #[test]
    #[should_panic(expected = "a timeout before its time has an output")]
    fn a_machine_that_acts_before_its_time_is_caught() {
        let mut machine = strict(20, true);
        machine.handle_timeout(9).expect("no bug");
        machine.take_outputs();
    }

    #[test]
    #[should_panic(expected = "only once all its outputs are taken")]
    fn a_driver_that_leaves_outputs_is_caught() {
        let mut machine = strict(20, false);
        machine.handle((), 1).expect("no bug");
        machine.handle((), 2).expect("no bug");
    }

    #[test]
    #[should_panic(expected = "time goes back from Some(2) to 1")]
    fn a_driver_whose_time_goes_back_is_caught() {
        let mut machine = strict(20, false);
        machine.handle((), 2).expect("no bug");
        machine.take_outputs();
        machine.handle((), 1).expect("no bug");
    }
}
