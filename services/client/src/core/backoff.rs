//! How long to wait before the next attempt, and when to stop trying.

use std::time::Duration;

use halfopen_machine::SplitMix64;

use super::config::Reconnect;

/// The attempts since the last session that proved stable.
#[derive(Debug)]
pub(crate) struct Backoff {
    rules: Reconnect,
    jitter: SplitMix64,
    spent: u32,
}

impl Backoff {
    pub(crate) fn new(rules: Reconnect, seed: u64) -> Self {
        Self { rules, jitter: SplitMix64::new(seed), spent: 0 }
    }

    /// The next attempt's number and the delay before it; `None` once all are spent.
    pub(crate) fn next(&mut self) -> Option<(u32, Duration)> {
        if self.spent >= self.rules.attempts {
            return None;
        }
        self.spent += 1;
        // Beyond 32 doublings the delay is the longest one in any case.
        let doubled = self.rules.first_delay.saturating_mul(1_u32.checked_shl(self.spent - 1).unwrap_or(u32::MAX));
        let base = doubled.min(self.rules.longest_delay);
        let jitter = self.jitter.duration_up_to(base * self.rules.jitter_percent / 100);
        // The cap holds for the sum: clients that lost the same server are apart already by the jitter of earlier attempts.
        Some((self.spent, (base + jitter).min(self.rules.longest_delay)))
    }

    /// Attempts spent so far.
    pub(crate) fn spent(&self) -> u32 {
        self.spent
    }

    /// The session has proved stable.
    pub(crate) fn reset(&mut self) {
        self.spent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_one_second_to_thirty_with_at_most_ten_percent_more() {
        let mut backoff = Backoff::new(Reconnect::default(), 1);
        for (attempt, seconds) in (1..=10).zip([1, 2, 4, 8, 16, 30, 30, 30, 30, 30]) {
            let (number, delay) = backoff.next().expect("ten attempts");
            let base = Duration::from_secs(seconds);
            assert_eq!(number, attempt);
            assert!(
                delay >= base && delay <= base * 11 / 10 && delay <= Duration::from_secs(30),
                "{attempt}: {delay:?}"
            );
        }
        assert_eq!(backoff.next(), None);
    }

    #[test]
    fn the_jitter_is_the_seeds_own() {
        let delays = |seed| {
            let mut backoff = Backoff::new(Reconnect::default(), seed);
            std::iter::from_fn(|| backoff.next()).collect::<Vec<_>>()
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[test]
    fn many_attempts_do_not_overflow_the_doubling() {
        let mut backoff = Backoff::new(Reconnect { attempts: 100, ..Reconnect::default() }, 1);
        assert!(std::iter::from_fn(|| backoff.next()).all(|(_, delay)| delay <= Duration::from_secs(30)));
    }

    #[test]
    fn the_jitter_is_spread_over_all_of_its_ten_percent() {
        let first = |seed| Backoff::new(Reconnect::default(), seed).next().expect("ten attempts").1;
        let delays: Vec<Duration> = (0..200).map(first).collect();
        assert!(delays.iter().any(|delay| *delay < Duration::from_millis(1_010)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay > Duration::from_millis(1_090)), "{delays:?}");
    }
}
