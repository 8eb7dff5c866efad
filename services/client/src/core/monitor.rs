//! The second line of detection: every 5 s it looks whether the connection in use has ended although it did not say so.
//!
//! The first line is the connection's own report. This one asks the connection and the task that drives it, never
//! whether *we* have closed: a client that asks that notices no close by the peer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use halfopen_machine::{Bug, Machine};

/// What can be seen of a connection from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It takes messages.
    Open,
    /// It takes none any more; it may still be finding out why.
    Closed,
    /// Nothing drives it any more: what it had to report has been reported.
    Gone,
}

/// What happens to the connection that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A new connection is in use.
    Connected,
    /// No connection is in use any more.
    Disconnected,
    /// The answer to [`Output::Look`].
    Seen(Liveness),
}

/// What the monitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Look at the connection in use, and answer with [`Input::Seen`].
    Look,
    /// The connection is to be treated as lost.
    Lost,
}

/// Looks at one connection after the other.
#[derive(Debug)]
pub struct Monitor {
    interval: Duration,
    /// How long a connection may take to report its ending.
    patience: Duration,
    watch: Option<Watch>,
    outputs: VecDeque<Output>,
}

/// The connection in use.
#[derive(Debug)]
struct Watch {
    next_look: Instant,
    closed_since: Option<Instant>,
}

impl Monitor {
    /// A monitor that looks every `interval`, and gives a connection that is closed `patience` to say so itself.
    #[must_use]
    pub fn new(interval: Duration, patience: Duration) -> Self {
        Self { interval, patience, watch: None, outputs: VecDeque::new() }
    }

    fn seen(&mut self, liveness: Liveness, now: Instant) {
        // Legal without a connection: it was given up between the look and its answer.
        let Some(watch) = &mut self.watch else { return };
        let is_lost = match liveness {
            Liveness::Open => {
                watch.closed_since = None;
                false
            }
            Liveness::Closed => now - *watch.closed_since.get_or_insert(now) > self.patience,
            Liveness::Gone => true,
        };
        if is_lost {
            self.outputs.push_back(Output::Lost);
        }
    }
}

impl Machine for Monitor {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Bug> {
        match input {
            Input::Connected => self.watch = Some(Watch { next_look: now + self.interval, closed_since: None }),
            Input::Disconnected => self.watch = None,
            Input::Seen(liveness) => self.seen(liveness, now),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        if let Some(watch) = self.watch.as_mut().filter(|watch| watch.next_look <= now) {
            watch.next_look = now + self.interval;
            self.outputs.push_back(Output::Look);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.watch.as_ref().map(|watch| watch.next_look)
    }
}

#[cfg(test)]
mod tests {
    use halfopen_machine::testing::{Strict, start};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    /// A monitor with a connection, and the time.
    struct Fixture {
        monitor: Strict<Monitor>,
        now: Instant,
    }

    impl Fixture {
        fn new(patience: Duration) -> Self {
            let mut monitor = Strict::new(Monitor::new(INTERVAL, patience));
            assert_eq!((monitor.take_outputs(), monitor.next_timeout()), (vec![], None), "there is nothing to watch");
            let mut fixture = Self { monitor, now: start() };
            fixture.told(Input::Connected);
            fixture
        }

        fn told(&mut self, input: Input) -> Vec<Output> {
            self.monitor.handle(input, self.now).expect("no bug");
            self.monitor.take_outputs()
        }

        /// Whether the connection is lost at the next look, if this is what is seen.
        fn looks(&mut self, liveness: Liveness) -> bool {
            assert_eq!(self.monitor.next_timeout(), Some(self.now + INTERVAL), "every five seconds");
            self.now += INTERVAL;
            self.monitor.handle_timeout(self.now).expect("no bug");
            assert_eq!(self.monitor.take_outputs(), [Output::Look]);
            match self.told(Input::Seen(liveness))[..] {
                [] => false,
                [Output::Lost] => true,
                ref outputs => panic!("{outputs:?}"),
            }
        }
    }

    fn looks(sights: &[Liveness]) -> Vec<bool> {
        let mut fixture = Fixture::new(Duration::from_secs(2));
        sights.iter().map(|liveness| fixture.looks(*liveness)).collect()
    }

    #[test]
    fn an_open_connection_is_left_alone() {
        assert_eq!(looks(&[Liveness::Open; 3]), [false; 3]);
    }

    #[test]
    fn one_without_a_driver_is_lost_at_the_first_look() {
        assert_eq!(looks(&[Liveness::Open, Liveness::Gone]), [false, true]);
    }

    #[test]
    fn one_that_is_closed_gets_the_time_of_a_close_to_say_so() {
        assert_eq!(looks(&[Liveness::Closed, Liveness::Closed]), [false, true]);
        assert_eq!(looks(&[Liveness::Closed, Liveness::Open, Liveness::Closed]), [false; 3], "another connection");
    }

    #[test]
    fn a_new_connection_starts_afresh() {
        let mut fixture = Fixture::new(Duration::from_secs(2));
        assert!(!fixture.looks(Liveness::Closed));
        fixture.told(Input::Connected);
        assert!(!fixture.looks(Liveness::Closed));
    }

    #[test]
    fn one_that_is_closed_gets_the_whole_of_that_time() {
        let mut fixture = Fixture::new(2 * INTERVAL);
        let lost = [(); 4].map(|()| fixture.looks(Liveness::Closed));
        assert_eq!(lost, [false, false, false, true]);
    }

    #[test]
    fn without_a_connection_there_is_nothing_to_look_at() {
        let mut fixture = Fixture::new(Duration::ZERO);
        fixture.told(Input::Disconnected);
        assert_eq!(fixture.monitor.next_timeout(), None);
        assert_eq!(fixture.told(Input::Seen(Liveness::Gone)), [], "it was given up between the look and its answer");
    }
}
