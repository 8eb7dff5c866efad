//! The second line of detection: every 5 s it looks whether the connection in use has ended although nobody said so.
//!
//! The first line is the connection's own report. This one asks the connection and the task that drives it, never
//! whether *we* have closed: a client that asks that notices no close by the peer. Pure: the caller brings the time.

use std::time::Duration;

use tokio::time::Instant;

/// What can be seen of a connection from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It takes messages.
    Open,
    /// It takes none any more; it may still be finding out why.
    Closed,
    /// Nothing drives it any more: what it had to report has been reported.
    Gone,
}

/// Looks at one connection after the other.
#[derive(Debug)]
pub(crate) struct Monitor {
    interval: Duration,
    /// How long a connection may take to report its ending.
    patience: Duration,
    next: Instant,
    closed_since: Option<Instant>,
}

impl Monitor {
    pub(crate) fn new(interval: Duration, patience: Duration, now: Instant) -> Self {
        Self { interval, patience, next: now + interval, closed_since: None }
    }

    /// A new connection is in use.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.next = now + self.interval;
        self.closed_since = None;
    }

    /// When to look.
    pub(crate) fn next_look(&self) -> Instant {
        self.next
    }

    /// Takes in what is to be seen; whether the connection is to be treated as lost.
    pub(crate) fn look(&mut self, sight: Sight, now: Instant) -> bool {
        self.next = now + self.interval;
        match sight {
            Sight::Open => {
                self.closed_since = None;
                false
            }
            Sight::Closed => now - *self.closed_since.get_or_insert(now) > self.patience,
            Sight::Gone => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn looks(sights: &[Sight]) -> Vec<bool> {
        let mut now = Instant::now();
        let mut monitor = Monitor::new(INTERVAL, Duration::from_secs(2), now);
        let look = |sight: &Sight| {
            assert_eq!(monitor.next_look(), now + INTERVAL, "every five seconds");
            now = monitor.next_look();
            monitor.look(*sight, now)
        };
        sights.iter().map(look).collect()
    }

    #[test]
    fn an_open_connection_is_left_alone() {
        assert_eq!(looks(&[Sight::Open; 3]), [false; 3]);
    }

    #[test]
    fn one_that_nobody_drives_is_lost_at_the_first_look() {
        assert_eq!(looks(&[Sight::Open, Sight::Gone]), [false, true]);
    }

    #[test]
    fn one_that_is_closed_gets_the_time_of_a_close_to_say_so() {
        assert_eq!(looks(&[Sight::Closed, Sight::Closed]), [false, true]);
        assert_eq!(looks(&[Sight::Closed, Sight::Open, Sight::Closed]), [false; 3], "another connection");
    }

    #[test]
    fn a_new_connection_starts_afresh() {
        let now = Instant::now();
        let mut monitor = Monitor::new(INTERVAL, Duration::from_secs(2), now);
        assert!(!monitor.look(Sight::Closed, now + INTERVAL));
        monitor.restart(now + 2 * INTERVAL);
        assert_eq!(monitor.next_look(), now + 3 * INTERVAL);
        assert!(!monitor.look(Sight::Closed, now + 3 * INTERVAL));
    }

    #[test]
    fn one_that_is_closed_gets_the_whole_of_that_time() {
        let start = Instant::now();
        let mut monitor = Monitor::new(INTERVAL, 2 * INTERVAL, start);
        let lost = [1, 2, 3, 4].map(|looks| monitor.look(Sight::Closed, start + looks * INTERVAL));
        assert_eq!(lost, [false, false, false, true]);
    }
}
