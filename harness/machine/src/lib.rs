//! The contract of a *machine*: a core that decides everything and touches nothing.
//!
//! A machine takes one input or one timeout at a time, each with the time at which it came, and answers with outputs that are drained one by one.
//! It reads no clock, opens no socket, draws no randomness of the operating system, writes no log and starts no task: its shell does that.
//! So one machine runs in a service, in a simulation, in a property test and in a replay, and does the same in all of them.
//!
//! The driver of a machine calls, in this order and for ever:
//!
//! 1. [`Machine::handle`] with an input that has come, or [`Machine::handle_timeout`] when [`Machine::next_timeout`] has been reached;
//! 2. [`Machine::poll_output`] until it answers `None`, carrying each output out.
//!
//! - [`shell::drive`] (feature `shell`) does this on tokio's clock; [`Polled`] does it for a machine that is pulled by a reader.
//! - [`testing::Strict`] (feature `testing`) asserts the contract at every call of a test.
//! - A state that a machine's own rules exclude is a [`Bug`]: [`OrBug::or_bug`], [`ensure`].
//! - A machine that needs random numbers is given a seed, and draws from a [`SplitMix64`].
//!
//! ```
//! use std::time::{Duration, Instant};
//! use halfopen_machine::{Bug, Machine};
//!
//! /// Rings once, a second after it was last wound up.
//! struct Alarm { rings_at: Option<Instant>, rings: u32 }
//!
//! impl Machine for Alarm {
//!     type Time = Instant;
//!     type Input = ();
//!     type Output = &'static str;
//!
//!     fn handle(&mut self, (): (), now: Instant) -> Result<(), Bug> {
//!         self.rings_at = Some(now + Duration::from_secs(1));
//!         Ok(())
//!     }
//!
//!     fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
//!         if self.rings_at.take_if(|at| *at <= now).is_some() {
//!             self.rings += 1;
//!         }
//!         Ok(())
//!     }
//!
//!     fn poll_output(&mut self) -> Option<&'static str> {
//!         let rings = self.rings.checked_sub(1)?;
//!         self.rings = rings;
//!         Some("ring")
//!     }
//!
//!     fn next_timeout(&self) -> Option<Instant> {
//!         self.rings_at
//!     }
//! }
//!
//! let start = Instant::now();
//! let mut alarm = Alarm { rings_at: None, rings: 0 };
//! alarm.handle((), start)?;
//! let at = alarm.next_timeout().expect("it is wound up");
//! alarm.handle_timeout(at)?;
//! assert_eq!(alarm.poll_output(), Some("ring"));
//! assert_eq!(alarm.poll_output(), None);
//! # Ok::<(), Bug>(())
//! ```

#![deny(clippy::disallowed_methods)]

mod bug;
#[cfg(feature = "shell")]
#[expect(clippy::disallowed_methods, reason = "a shell has the clock and the tasks")]
mod polled;
#[cfg(feature = "shell")]
#[expect(clippy::disallowed_methods, reason = "a shell has the clock and the tasks")]
pub mod shell;
mod split_mix;
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::disallowed_methods, reason = "a test needs a time to start from")]
pub mod testing;

pub use bug::{Bug, OrBug, ensure};
#[cfg(feature = "shell")]
pub use polled::{Polled, PolledShell};
pub use split_mix::SplitMix64;

/// A core that decides without sockets, clocks and randomness.
pub trait Machine {
    /// How the machine's times are told: `std::time::Instant` in a service, the `Duration` since the start of a run in a simulation.
    type Time: Copy + Ord;
    /// What can happen to the machine, its deadlines apart.
    type Input;
    /// What the machine asks of its shell, or tells it.
    type Output;

    /// Takes one input in. `now` is at or after every time that the machine was given before.
    ///
    /// # Errors
    ///
    /// [`Bug`], if the machine has reached a state that cannot be. The shell logs it and ends the connection that the input came from; the
    /// machine goes on with what it can.
    fn handle(&mut self, input: Self::Input, now: Self::Time) -> Result<(), Bug>;

    /// Does what is due at `now`; nothing, if nothing is.
    ///
    /// # Errors
    ///
    /// As of [`handle`](Self::handle).
    fn handle_timeout(&mut self, now: Self::Time) -> Result<(), Bug>;

    /// The oldest output that has not been taken.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// When [`handle_timeout`](Self::handle_timeout) has something to do if no input comes before; `None` if only an input can change anything.
    /// Asked only when every output has been taken.
    fn next_timeout(&self) -> Option<Self::Time>;
}
