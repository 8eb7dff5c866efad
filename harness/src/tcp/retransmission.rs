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
/// How often a SYN is sent again whose waits double (`tcp_syn_retries`); those of `tcp_syn_linear_timeouts` come before.
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

/// The wait after the nth SYN, n from 1. The first waits (`linear_timeouts` more than one) are equal; `None` when there are
/// no more.
pub(crate) fn syn_wait(n: u32, linear_timeouts: u32) -> Option<Duration> {
    let doublings = (n - 1).saturating_sub(linear_timeouts);
    (doublings <= SYN_RETRIES).then(|| Duration::from_secs(1 << doublings))
}

/// Whether the wait after the nth SYN ends the attempt.
pub(crate) fn syn_gives_up(n: u32, linear_timeouts: u32) -> bool {
    n > SYN_RETRIES + linear_timeouts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_that_nobody_answers_fails_when_the_kernels_documentation_says() {
        // `tcp_syn_retries`: the last SYN leaves after 67 s with four linear timeouts, and the attempt fails after 131.
        let seconds = |linear| (1..).map_while(|n| syn_wait(n, linear)).map(|wait| wait.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(4), [1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(seconds(4).iter().sum::<u64>(), 131);
        assert!(!syn_gives_up(10, 4) && syn_gives_up(11, 4));
        // As before Linux 6.5.
        assert_eq!(seconds(0).iter().sum::<u64>(), 127);
        assert!(!syn_gives_up(6, 0) && syn_gives_up(7, 0));
    }

    #[test]
    fn lost_data_is_sent_again_at_doubling_distances() {
        let since = Duration::from_secs(10);
        let at = |now_ms| next_attempt(since, Duration::from_millis(now_ms)).as_millis();
        assert_eq!([at(10_000), at(10_200), at(10_601), at(13_000)], [10_200, 10_600, 11_400, 16_200]);
    }
}
