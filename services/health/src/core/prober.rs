//! When to ask, and when it is decided.

use std::time::{Duration, Instant};

use halfopen_machine::{Bug, Machine, ensure};

use super::config::ProbeConfig;
use super::verdict::{Miss, Verdict};

/// The attempts that are left. It asks at once: [`Output::Ask`] waits from the start.
///
/// No miss is final: a service that starts may meet the prober with any of them.
#[derive(Debug)]
pub struct Prober {
    attempts: u32,
    interval: Duration,
    made: u32,
    phase: Phase,
    output: Option<Output>,
}

#[derive(Debug)]
enum Phase {
    Asking,
    Pausing { until: Instant },
    Decided,
}

/// The inputs of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The attempt that was asked for has ended.
    Outcome(Result<(), Miss>),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make an attempt, and answer with [`Input::Outcome`].
    Ask,
    /// It is decided. Nothing follows.
    Decided(Verdict),
}

impl Prober {
    /// A prober that has spent none of its attempts.
    #[must_use]
    pub fn new(config: &ProbeConfig) -> Self {
        Self {
            attempts: config.attempts,
            interval: config.interval,
            made: 0,
            phase: Phase::Asking,
            output: Some(Output::Ask),
        }
    }

    fn outcome(&mut self, outcome: Result<(), Miss>, now: Instant) {
        self.made += 1;
        let verdict = match outcome {
            Ok(()) => Verdict::Ready { attempts: self.made },
            Err(_) if self.made < self.attempts => {
                self.phase = Phase::Pausing { until: now + self.interval };
                return;
            }
            Err(last) => Verdict::NotReady { attempts: self.made, last },
        };
        self.phase = Phase::Decided;
        self.output = Some(Output::Decided(verdict));
    }
}

impl Machine for Prober {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, Input::Outcome(outcome): Input, now: Instant) -> Result<(), Bug> {
        ensure(matches!(self.phase, Phase::Asking), "an outcome belongs to the attempt that was asked for")?;
        self.outcome(outcome, now);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.phase = Phase::Asking;
            self.output = Some(Output::Ask);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.output.take()
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Pausing { until } => Some(until),
            Phase::Asking | Phase::Decided => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use halfopen_machine::testing::{Strict, start};

    use super::*;

    /// Meets these outcomes one after the other; gives when it asked and what it decided.
    fn probed(attempts: u32, outcomes: &[Result<(), Miss>]) -> (Vec<Duration>, Option<Verdict>) {
        let start = start();
        let mut now = start;
        let mut prober = Strict::new(Prober::new(&ProbeConfig { attempts, ..ProbeConfig::default() }));
        let mut outcomes = outcomes.iter();
        let mut asked = Vec::new();
        loop {
            match prober.take_outputs()[..] {
                [Output::Ask] => {
                    asked.push(now - start);
                    let Some(outcome) = outcomes.next() else { return (asked, None) };
                    prober.handle(Input::Outcome(outcome.clone()), now).expect("no bug");
                }
                [Output::Decided(ref verdict)] => {
                    assert_eq!(prober.next_timeout(), None, "nothing is due when it is decided");
                    return (asked, Some(verdict.clone()));
                }
                [] => {
                    now = prober.next_timeout().expect("a pause");
                    prober.handle_timeout(now).expect("no bug");
                }
                ref outputs => panic!("{outputs:?}"),
            }
        }
    }

    #[test]
    fn every_miss_is_tried_again_until_the_attempts_are_spent() {
        let misses = [
            Miss::Refused,
            Miss::Reset,
            Miss::Unreachable,
            Miss::TimedOut,
            Miss::NotReady { status: 503 },
            Miss::Truncated,
            Miss::Malformed,
        ];
        let (asked, verdict) = probed(misses.len() as u32, &misses.clone().map(Err));
        let expected: Vec<Duration> = (0..7).map(|attempt| Duration::from_millis(500) * attempt).collect();
        assert_eq!(asked, expected, "half a second apart");
        assert_eq!(verdict, Some(Verdict::NotReady { attempts: 7, last: misses[6].clone() }));
    }

    #[test]
    fn the_first_success_decides() {
        let (_, verdict) = probed(15, &[Err(Miss::Refused), Ok(())]);
        assert_eq!(verdict, Some(Verdict::Ready { attempts: 2 }));
    }

    #[test]
    fn a_prober_with_one_attempt_asks_once() {
        let (asked, verdict) = probed(1, &[Err(Miss::Reset)]);
        assert_eq!(asked.len(), 1);
        assert_eq!(verdict, Some(Verdict::NotReady { attempts: 1, last: Miss::Reset }));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "broken rule: an outcome belongs to the attempt that was asked for")]
    fn an_outcome_that_was_not_asked_for_is_a_bug() {
        let start = start();
        let mut prober = Prober::new(&ProbeConfig::default());
        assert_eq!(prober.poll_output(), Some(Output::Ask));
        prober.handle(Input::Outcome(Err(Miss::Refused)), start).expect("no bug");
        let _bug = prober.handle(Input::Outcome(Err(Miss::Refused)), start);
    }
}
