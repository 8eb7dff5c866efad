//! States that cannot be.

use std::error::Error;
use std::fmt;
use std::panic::Location;

/// A machine has reached a state that its own rules exclude: a bug of its author, never a mistake of its peer or its user.
///
/// With debug assertions (tests, debug builds) making one panics, so that a test that provokes it fails with the broken rule. A released
/// service gets the value, logs it as a bug and ends one connection.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use = "a bug that is passed over in silence is found by a user"]
pub struct Bug {
    rule: &'static str,
    at: &'static Location<'static>,
}

impl Bug {
    /// The rule that has been broken, as a sentence that says what always holds.
    ///
    /// # Panics
    ///
    /// With debug assertions.
    #[track_caller]
    pub fn new(rule: &'static str) -> Self {
        let at = Location::caller();
        if cfg!(debug_assertions) {
            panic!("broken rule: {rule}");
        }
        Self { rule, at }
    }

    /// The rule that has been broken.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken rule: {} ({}:{})", self.rule, self.at.file(), self.at.line())
    }
}

impl fmt::Debug for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Bug {}

/// Turns what must be there into a [`Bug`] where it is not.
pub trait OrBug<T> {
    /// The value, or the broken rule.
    ///
    /// # Errors
    ///
    /// [`Bug`], if there is no value.
    ///
    /// # Panics
    ///
    /// With debug assertions, if there is no value.
    fn or_bug(self, rule: &'static str) -> Result<T, Bug>;
}

impl<T> OrBug<T> for Option<T> {
    #[track_caller]
    fn or_bug(self, rule: &'static str) -> Result<T, Bug> {
        match self {
            Some(value) => Ok(value),
            None => Err(Bug::new(rule)),
        }
    }
}

/// Asserts a rule that always holds.
///
/// # Errors
///
/// [`Bug`], if it does not.
///
/// # Panics
///
/// With debug assertions, if it does not.
#[track_caller]
pub fn ensure(holds: bool, rule: &'static str) -> Result<(), Bug> {
    if holds { Ok(()) } else { Err(Bug::new(rule)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_no_bug() {
        assert_eq!(Some(1).or_bug("one is there"), Ok(1));
        assert_eq!(ensure(true, "one is one"), Ok(()));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "broken rule: a job in the queue is in the table")]
    fn a_broken_rule_is_loud_in_a_test() {
        let _bug = None::<u8>.or_bug("a job in the queue is in the table");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "broken rule: a queue holds no job twice")]
    fn a_rule_that_does_not_hold_is_loud_in_a_test() {
        let _bug = ensure(false, "a queue holds no job twice");
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn a_broken_rule_is_a_value_in_a_release() {
        let bug = None::<u8>.or_bug("a job in the queue is in the table").expect_err("there is nothing");
        assert!(
            bug.to_string().starts_with("broken rule: a job in the queue is in the table (harness/machine/src/bug.rs:")
        );
    }
}
