//! The law of probing, without sockets and clocks.

use std::time::Duration;

use thiserror::Error;

use crate::ProbeConfig;

/// What an attempt met instead of readiness. The text names no address and is fit for a client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Miss {
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// The connection was reset, before or inside the answer.
    #[error("the connection was reset")]
    Reset,
    /// There is no way there, a failed name lookup among the causes.
    #[error("the endpoint cannot be reached")]
    Unreachable,
    /// No whole answer within the attempt's timeout.
    #[error("there was no whole answer in time")]
    TimedOut,
    /// An answer other than 2xx.
    #[error("the answer was status {status}")]
    NotReady {
        /// The status.
        status: u16,
    },
    /// The answer ended before it was whole.
    #[error("the answer ended before it was whole")]
    Truncated,
    /// What came is no HTTP.
    #[error("the answer is no HTTP")]
    Malformed,
}

impl Miss {
    /// One word for logs and for readiness reports.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timeout",
            Self::NotReady { .. } => "status",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
        }
    }
}

/// What came of probing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint answered 2xx, and its answer was whole.
    Ready {
        /// Attempts made, the successful one included.
        attempts: u32,
    },
    /// The budget is spent.
    NotReady {
        /// Attempts made.
        attempts: u32,
        /// Why the last of them failed.
        last: Miss,
    },
}

impl Verdict {
    /// Whether the endpoint is ready.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }
}

/// What to do after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after this pause.
    TryAfter(Duration),
    /// It is decided.
    Stop(Verdict),
}

/// The attempts that are left.
#[derive(Clone, Debug)]
pub struct Budget {
    attempts: u32,
    interval: Duration,
    made: u32,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(config: &ProbeConfig) -> Self {
        Self { attempts: config.attempts, interval: config.interval, made: 0 }
    }

    /// Takes the outcome of an attempt. No miss is final: a service that starts may meet the prober with any of them.
    pub fn handle(&mut self, outcome: Result<(), Miss>) -> Next {
        self.made = self.made.saturating_add(1);
        match outcome {
            Ok(()) => Next::Stop(Verdict::Ready { attempts: self.made }),
            Err(_) if self.made < self.attempts => Next::TryAfter(self.interval),
            Err(last) => Next::Stop(Verdict::NotReady { attempts: self.made, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(attempts: u32) -> Budget {
        Budget::new(&ProbeConfig { attempts, ..ProbeConfig::default() })
    }

    #[test]
    fn every_miss_is_tried_again_until_the_budget_is_spent() {
        let misses = [
            Miss::Refused,
            Miss::Reset,
            Miss::Unreachable,
            Miss::TimedOut,
            Miss::NotReady { status: 503 },
            Miss::Truncated,
            Miss::Malformed,
        ];
        let mut budget = budget(misses.len() as u32);
        let (last, earlier) = misses.split_last().expect("misses");
        for miss in earlier {
            assert_eq!(budget.handle(Err(miss.clone())), Next::TryAfter(Duration::from_millis(500)), "{miss}");
        }
        let spent = Verdict::NotReady { attempts: 7, last: last.clone() };
        assert_eq!(budget.handle(Err(last.clone())), Next::Stop(spent));
    }

    #[test]
    fn the_first_success_decides() {
        let mut budget = budget(15);
        assert!(matches!(budget.handle(Err(Miss::Refused)), Next::TryAfter(_)));
        assert_eq!(budget.handle(Ok(())), Next::Stop(Verdict::Ready { attempts: 2 }));
    }

    #[test]
    fn a_budget_of_one_asks_once() {
        let spent = Verdict::NotReady { attempts: 1, last: Miss::Reset };
        assert_eq!(budget(1).handle(Err(Miss::Reset)), Next::Stop(spent));
    }
}
