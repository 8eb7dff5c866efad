//! How long a kernel waits for a peer that says nothing: retry budgets, `TCP_USER_TIMEOUT`, keepalive.

use std::io;
use std::time::Duration;

use super::endpoint::{EndState, Endpoint, Fin};
use super::retransmission::{ORPHAN_BUDGET, RETRY_BUDGET};

/// What keepalive does when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepaliveStep {
    /// Nothing until then.
    Rest(Duration),
    /// A probe leaves; the next step comes then.
    Probe(Duration),
    /// The peer has not answered: the end is to give up.
    Dead,
}

impl Endpoint {
    /// The end is open, or its options were set. When keepalive looks at it first, after now.
    pub(crate) fn begin_timers(&mut self) -> Option<Duration> {
        self.is_probed = self.options.keepalive.is_some();
        self.options.keepalive.map(|keepalive| keepalive.time)
    }

    /// Something has come from the peer.
    #[inline]
    pub(crate) fn heard(&mut self, at: Duration) {
        if self.is_probed {
            self.last_heard = self.last_heard.max(at);
            self.probes = 0;
        }
    }

    /// How long unacknowledged data is sent again.
    pub(crate) fn retry_budget(&self) -> Duration {
        match self.state {
            EndState::Closed => ORPHAN_BUDGET,
            EndState::Connecting | EndState::SynReceived | EndState::Established | EndState::Forgotten => {
                self.options.user_timeout.unwrap_or(RETRY_BUDGET)
            }
        }
    }

    /// Keepalive looks at the end; `None` if it has nothing to do here any more.
    pub(crate) fn keep_alive(&mut self, now: Duration) -> Option<KeepaliveStep> {
        let keepalive = self.options.keepalive.filter(|_| self.state == EndState::Established && !self.reset)?;
        let idle = now.saturating_sub(self.last_heard);
        if self.unacknowledged > 0 || self.unsent_bytes > 0 || self.fin == Fin::Queued {
            // Data on its way asks the same question.
            self.probes = 0;
            return Some(KeepaliveStep::Rest(now + keepalive.time));
        }
        if self.probes == 0 && idle < keepalive.time {
            return Some(KeepaliveStep::Rest(now + (keepalive.time - idle)));
        }
        let is_dead = match self.options.user_timeout {
            Some(timeout) => idle >= timeout && self.probes > 0,
            None => self.probes >= keepalive.retries,
        };
        if is_dead {
            return Some(KeepaliveStep::Dead);
        }
        self.probes += 1;
        Some(KeepaliveStep::Probe(now + keepalive.interval))
    }

    /// `ETIMEDOUT`: the peer has not answered in time. How many unsent bytes are thrown away, if the connection was not over already.
    pub(crate) fn give_up(&mut self) -> Option<usize> {
        if self.reset {
            return None;
        }
        self.reset = true;
        self.error = Some(io::ErrorKind::TimedOut);
        self.unacknowledged = 0;
        Some(self.discard_unsent())
    }
}
