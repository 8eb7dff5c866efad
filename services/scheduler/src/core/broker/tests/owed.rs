//! What the model believes that the core owes each session.

use super::*;

/// Results that an absent session may have waiting.
pub(super) const KEPT: usize = 3;

/// What a session is owed: the outcome of each seq, from 1. A result that waits for its absent session too long, or
/// among too many, has turned into a failure.
#[derive(Default)]
pub(super) struct Owed {
    pub(super) entries: Vec<(String, Option<FailureCode>, Instant)>,
    pub(super) acknowledged: usize,
    pub(super) absent_since: Option<Instant>,
}

impl Owed {
    pub(super) fn outcome(&self, seq: u64) -> Option<(&str, Option<FailureCode>)> {
        let (job, failure, _) = self.entries.get(usize::try_from(seq).ok()?.checked_sub(1)?)?;
        Some((job, *failure))
    }

    pub(super) fn expire_by_age(&mut self, now: Instant) {
        let Some(absent_since) = self.absent_since else { return };
        for (_, failure, ready_at) in &mut self.entries[self.acknowledged..] {
            if failure.is_none() && absent_since.max(*ready_at) + 120 * SECOND <= now {
                *failure = Some(FailureCode::ResultExpired);
            }
        }
    }

    pub(super) fn expire_by_number(&mut self) {
        if self.absent_since.is_none() {
            return;
        }
        let waiting = &mut self.entries[self.acknowledged..];
        let results = waiting.iter().filter(|(_, failure, _)| failure.is_none()).count();
        let oldest = waiting.iter_mut().filter(|(_, failure, _)| failure.is_none());
        for (_, failure, _) in oldest.take(results.saturating_sub(KEPT)) {
            *failure = Some(FailureCode::ResultExpired);
        }
    }
}
