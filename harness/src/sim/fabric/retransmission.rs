//! When Linux sends again: loss is delay, and a long loss is `ETIMEDOUT`.

use std::time::Duration;

/// Linux's smallest retransmission timeout (`TCP_RTO_MIN`).
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
/// Linux's largest (`TCP_RTO_MAX`).
const LONGEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long unacknowledged data is sent again before the connection fails: `tcp_retries2 = 15`, which the kernel's
/// documentation puts at 924.6 s.
pub(crate) const RETRY_BUDGET: Duration = Duration::from_millis(924_600);
/// The same for a socket that its process has closed: `tcp_orphan_retries` of 8.
pub(crate) const ORPHAN_BUDGET: Duration = Duration::from_millis(102_200);
/// Waits between SYNs: `tcp_syn_retries = 6` gives up after 127 s.
const SYN_RETRIES: u32 = 6;

/// When data first lost at `lost_since` is sent again after `now`.
pub(crate) fn next_attempt(lost_since: Duration, now: Duration) -> Duration {
    let mut at = lost_since;
    let mut timeout = FIRST_TIMEOUT;
    loop {
        at += timeout;
        if at > now {
            return at;
        }
        timeout = (timeout * 2).min(LONGEST_TIMEOUT);
    }
}

/// The wait before the nth SYN is sent again, n from 1; `None` when the attempt is given up instead.
pub(crate) fn syn_wait(n: u32) -> Option<Duration> {
    (n <= SYN_RETRIES + 1).then(|| Duration::from_secs(1 << (n - 1)))
}

/// Whether the wait after the nth SYN ends the attempt.
pub(crate) fn syn_gives_up(n: u32) -> bool {
    n > SYN_RETRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_that_nobody_answers_fails_after_127_seconds() {
        let total: Duration = (1..).map_while(syn_wait).sum();
        assert_eq!(total, Duration::from_secs(127));
        assert!(!syn_gives_up(6) && syn_gives_up(7));
    }

    #[test]
    fn lost_data_is_sent_again_at_doubling_distances() {
        let since = Duration::from_secs(10);
        let at = |now_ms| next_attempt(since, Duration::from_millis(now_ms)).as_millis();
        assert_eq!([at(10_000), at(10_200), at(10_601), at(13_000)], [10_200, 10_600, 11_400, 16_200]);
    }
}
