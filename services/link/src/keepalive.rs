//! When to ping, and when a link counts as dead. Pure: the caller brings the time.
//!
//! Pings are queued at a fixed rate that no blocked write can delay, and a pong is owed from the moment its ping was
//! queued. So a link that falls silent is noticed within `interval + timeout`, whatever the writer is doing.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The pings of one connection.
#[derive(Debug)]
pub struct Keepalive {
    interval: Duration,
    timeout: Duration,
    next_ping: Instant,
    last_ping: u64,
    /// Pings without a pong, oldest first, each with the instant by which its pong is owed.
    unanswered: VecDeque<(u64, Instant)>,
}

/// What [`Keepalive::handle_timeout`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Queue a ping with this number as its payload.
    Ping(u64),
    /// A pong is overdue: the link is dead.
    Silent,
}

impl Keepalive {
    /// Starts counting at `now`; the first ping is due one interval later.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, next_ping: now + interval, last_ping: 0, unanswered: VecDeque::new() }
    }

    /// The next instant at which [`handle_timeout`](Self::handle_timeout) has something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.unanswered.front().map_or(self.next_ping, |(_, owed)| self.next_ping.min(*owed))
    }

    /// What is due at `now`; to be called until it answers `None`. To be called only once everything that has arrived
    /// has been read: a process that was stopped for a minute finds its pongs waiting, and must not call the link dead.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        if self.unanswered.front().is_some_and(|(_, owed)| *owed <= now) {
            return Some(Due::Silent);
        }
        self.ping_due(now).map(Due::Ping)
    }

    /// The ping that is due at `now`, if one is. For a reader that is too busy to reach its timer.
    pub fn ping_due(&mut self, now: Instant) -> Option<u64> {
        if now < self.next_ping {
            return None;
        }
        while self.next_ping <= now {
            self.next_ping += self.interval;
        }
        self.last_ping += 1;
        self.unanswered.push_back((self.last_ping, now + self.timeout));
        Some(self.last_ping)
    }

    /// A pong has come. It answers its ping and every earlier one (RFC 6455, section 5.5.3); one that answers nothing
    /// we sent (an unsolicited heartbeat) changes nothing.
    pub fn pong_received(&mut self, payload: &[u8]) {
        let Ok(number) = payload.try_into().map(u64::from_be_bytes) else { return };
        if number > self.last_ping {
            return;
        }
        while self.unanswered.front().is_some_and(|(ping, _)| *ping <= number) {
            self.unanswered.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(20);
    const TIMEOUT: Duration = Duration::from_secs(20);

    #[test]
    fn pings_keep_a_fixed_rate_however_late_the_caller_is() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, start);
        let late = start + Duration::from_secs(23);
        assert_eq!(keepalive.handle_timeout(late), Some(Due::Ping(1)));
        assert_eq!(keepalive.handle_timeout(late), None);
        keepalive.pong_received(&1_u64.to_be_bytes());
        assert_eq!(keepalive.next_deadline(), start + 2 * INTERVAL);
    }

    #[test]
    fn an_unanswered_ping_means_silence_twenty_seconds_after_it_was_queued() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, start);
        assert_eq!(keepalive.handle_timeout(start + INTERVAL), Some(Due::Ping(1)));
        assert_eq!(keepalive.handle_timeout(start + INTERVAL + TIMEOUT), Some(Due::Silent));
    }

    #[test]
    fn a_pong_for_a_later_ping_answers_the_earlier_ones() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(Duration::from_secs(5), TIMEOUT, start);
        assert_eq!(keepalive.ping_due(start + Duration::from_secs(5)), Some(1));
        assert_eq!(keepalive.ping_due(start + Duration::from_secs(10)), Some(2));
        keepalive.pong_received(&2_u64.to_be_bytes());
        assert_eq!(keepalive.next_deadline(), start + Duration::from_secs(15));
    }

    #[test]
    fn a_pong_that_nobody_asked_for_changes_nothing() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, start);
        assert_eq!(keepalive.ping_due(start + INTERVAL), Some(1));
        keepalive.pong_received(b"hello");
        keepalive.pong_received(&9_u64.to_be_bytes());
        assert_eq!(keepalive.handle_timeout(start + INTERVAL + TIMEOUT), Some(Due::Silent));
    }

    proptest! {
        /// The law: from the last sign of life, silence is called within `interval + timeout` and never before `timeout`.
        #[test]
        fn silence_is_noticed_within_the_sum_and_never_early(
            interval in 1_u64..60, timeout in 1_u64..60, answered in 0_u64..20,
        ) {
            let (interval, timeout) = (Duration::from_secs(interval), Duration::from_secs(timeout));
            let mut now = Instant::now();
            let mut keepalive = Keepalive::new(interval, timeout, now);
            let mut alive_at = now;
            loop {
                now = keepalive.next_deadline();
                match keepalive.handle_timeout(now).expect("something is due at a deadline") {
                    Due::Ping(number) if number <= answered => {
                        keepalive.pong_received(&number.to_be_bytes());
                        alive_at = now;
                    }
                    Due::Ping(_) => {}
                    Due::Silent => break,
                }
            }
            prop_assert!(now - alive_at <= interval + timeout);
            prop_assert!(now - alive_at >= timeout);
        }
    }
}
