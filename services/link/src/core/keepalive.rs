//! When to ping, and when a leg counts as dead.
//!
//! Pings are queued at a fixed rate that no blocked write can delay, and a pong is owed from the moment its ping was queued. So a leg that
//! falls silent is noticed within `interval + timeout`, whatever the writer is doing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use halfopen_machine::{Bug, Machine};

/// The pings of one connection.
///
/// Its shell handles a timeout only once everything that has arrived has been read: a process that was stopped for a minute finds its pongs
/// waiting, and must not call the leg dead.
#[derive(Debug)]
pub struct Keepalive {
    interval: Duration,
    timeout: Duration,
    next_ping: Instant,
    last_ping: u64,
    /// Pings without a pong, oldest first, each with the instant by which its pong is owed.
    unanswered: VecDeque<(u64, Instant)>,
    is_silent: bool,
    outputs: VecDeque<Output>,
}

/// What has been read from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A pong with the number of a ping; see [`ping_number`].
    Pong(u64),
    /// Any other frame. It is no pong, and does not show that the peer reads; but a reader that is too busy to reach its timer pings all the same.
    Frame,
}

/// What the keepalive asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Queue a ping with this number as its payload; see [`ping_payload`].
    Ping(u64),
    /// A pong is overdue: the leg is dead. Nothing follows.
    Silent,
}

impl Keepalive {
    /// Starts counting at `now`; the first ping is due one interval later.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            next_ping: now + interval,
            last_ping: 0,
            unanswered: VecDeque::new(),
            is_silent: false,
            outputs: VecDeque::new(),
        }
    }

    fn ping_if_due(&mut self, now: Instant) {
        if self.is_silent || now < self.next_ping {
            return;
        }
        while self.next_ping <= now {
            self.next_ping += self.interval;
        }
        self.last_ping += 1;
        self.unanswered.push_back((self.last_ping, now + self.timeout));
        self.outputs.push_back(Output::Ping(self.last_ping));
    }

    /// A pong answers its ping and every earlier one (RFC 6455, section 5.5.3). One that answers nothing we sent, an unsolicited heartbeat,
    /// is legal and changes nothing.
    fn pong_received(&mut self, number: u64) {
        if number > self.last_ping {
            return;
        }
        while self.unanswered.pop_front_if(|(ping, _)| *ping <= number).is_some() {}
    }
}

impl Machine for Keepalive {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Bug> {
        self.ping_if_due(now);
        match input {
            Input::Pong(number) => self.pong_received(number),
            Input::Frame => {}
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        if self.unanswered.front().is_some_and(|(_, owed)| *owed <= now) {
            if !self.is_silent {
                self.outputs.push_back(Output::Silent);
            }
            self.is_silent = true;
        }
        self.ping_if_due(now);
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        let owed = self.unanswered.front().map(|(_, owed)| *owed);
        (!self.is_silent).then(|| owed.map_or(self.next_ping, |owed| self.next_ping.min(owed)))
    }
}

/// The payload of the ping with this number.
#[must_use]
pub fn ping_payload(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of the ping that a pong with this payload answers; `None` for a payload that is none of ours.
#[must_use]
pub fn ping_number(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use halfopen_machine::testing::{Strict, start};
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(20);
    const TIMEOUT: Duration = Duration::from_secs(20);

    fn keepalive(interval: Duration, now: Instant) -> Strict<Keepalive> {
        let mut keepalive = Strict::new(Keepalive::new(interval, TIMEOUT, now));
        assert_eq!(keepalive.take_outputs(), []);
        keepalive
    }

    fn told(keepalive: &mut Strict<Keepalive>, input: Input, now: Instant) -> Vec<Output> {
        keepalive.handle(input, now).expect("no bug");
        keepalive.take_outputs()
    }

    fn timed_out(keepalive: &mut Strict<Keepalive>, now: Instant) -> Vec<Output> {
        keepalive.handle_timeout(now).expect("no bug");
        keepalive.take_outputs()
    }

    #[test]
    fn pings_keep_a_fixed_rate_however_late_the_caller_is() {
        let start = start();
        let mut keepalive = keepalive(INTERVAL, start);
        let late = start + Duration::from_secs(23);
        assert_eq!(timed_out(&mut keepalive, late), [Output::Ping(1)]);
        assert_eq!(timed_out(&mut keepalive, late), []);
        assert_eq!(told(&mut keepalive, Input::Pong(1), late), []);
        assert_eq!(keepalive.next_timeout(), Some(start + 2 * INTERVAL));
    }

    #[test]
    fn an_unanswered_ping_means_silence_twenty_seconds_after_it_was_queued() {
        let start = start();
        let mut keepalive = keepalive(INTERVAL, start);
        assert_eq!(timed_out(&mut keepalive, start + INTERVAL), [Output::Ping(1)]);
        assert_eq!(timed_out(&mut keepalive, start + INTERVAL + TIMEOUT), [Output::Silent]);
        assert_eq!(keepalive.next_timeout(), None, "a dead leg is called dead once");
        assert_eq!(timed_out(&mut keepalive, start + 3 * INTERVAL), []);
    }

    #[test]
    fn a_pong_for_a_later_ping_answers_the_earlier_ones() {
        let start = start();
        let mut keepalive = keepalive(Duration::from_secs(5), start);
        assert_eq!(told(&mut keepalive, Input::Frame, start + Duration::from_secs(5)), [Output::Ping(1)]);
        assert_eq!(told(&mut keepalive, Input::Frame, start + Duration::from_secs(10)), [Output::Ping(2)]);
        assert_eq!(told(&mut keepalive, Input::Pong(2), start + Duration::from_secs(10)), []);
        assert_eq!(keepalive.next_timeout(), Some(start + Duration::from_secs(15)));
    }

    #[test]
    fn a_pong_that_answers_nothing_changes_nothing() {
        let start = start();
        let mut keepalive = keepalive(INTERVAL, start);
        assert_eq!(told(&mut keepalive, Input::Frame, start + INTERVAL), [Output::Ping(1)]);
        assert_eq!(told(&mut keepalive, Input::Pong(9), start + INTERVAL), []);
        assert_eq!(timed_out(&mut keepalive, start + INTERVAL + TIMEOUT), [Output::Silent]);
    }

    #[test]
    fn only_a_payload_of_ours_has_a_number() {
        assert_eq!(ping_number(&ping_payload(7)), Some(7));
        assert_eq!(ping_number(b"hello"), None);
    }

    proptest! {
        /// The law: from the last sign of life, silence is called within `interval + timeout` and never before `timeout`.
        #[test]
        fn silence_is_noticed_within_the_sum_and_never_early(
            interval in 1_u64..60, timeout in 1_u64..60, answered in 0_u64..20,
        ) {
            let (interval, timeout) = (Duration::from_secs(interval), Duration::from_secs(timeout));
            let start = start();
            let mut keepalive = Strict::new(Keepalive::new(interval, timeout, start));
            prop_assert_eq!(keepalive.take_outputs(), []);
            let mut alive_at = start;
            let mut silent_at = None;
            while let Some(now) = keepalive.next_timeout() {
                let outputs = timed_out(&mut keepalive, now);
                prop_assert!(!outputs.is_empty(), "something is due at a deadline");
                for output in outputs {
                    match output {
                        Output::Ping(number) if number <= answered => {
                            prop_assert_eq!(told(&mut keepalive, Input::Pong(number), now), []);
                            alive_at = now;
                        }
                        Output::Ping(_) => {}
                        Output::Silent => silent_at = Some(now),
                    }
                }
            }
            let silent_for = silent_at.expect("silence is noticed") - alive_at;
            prop_assert!(timeout <= silent_for && silent_for <= interval + timeout, "{:?}", silent_for);
        }
    }
}
