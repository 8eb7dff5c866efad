//! Law: who loses a server tries again, ever more slowly, and not for ever.

mod outage;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::outage::Outage;
use super::timing::Occurrences;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::occurrence::WrittenLink;

/// The rules about reconnecting that a scenario names.
///
/// A host that has lost its connection of a link, or has failed to get one, tries again. The pause before the first such
/// attempt is `first`, before each further one twice as long, up to `longest`; to each up to `jitter_percent` is added, but the
/// sum is not longer than `longest`. An attempt that comes sooner or later, that never comes, or that is one too many breaks the
/// rule. Attempts count from 1 again when the host is in service (it tells `recovered`) for `stable_after` before it loses the
/// connection again.
///
/// The pause begins when the host says (`detected`, `retried`) that the connection or attempt before is over; when it says
/// nothing, as soon as it could know: at the FIN, RST, refusal or timeout, or when it closes its socket.
///
/// A host that is told to stop, ends or dies owes no attempt, nor does one for which `unless` has come. A jitter must show: of
/// three pauses or more not all are the bare ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Backoff(pub BTreeMap<String, BackoffRule>);

/// How the client of one link tries again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackoffRule {
    /// The link whose client it is.
    pub link: WrittenLink,
    /// The pause before the first attempt after a loss.
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    /// No pause is longer.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
    /// The most that is added to a pause, in percent of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub jitter_percent: u32,
    /// How many attempts an outage has; without it they go on until one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How long the host has to be in service until its attempts count from 1 again.
    #[serde(default, with = "humantime_serde")]
    pub stable_after: Duration,
    /// What ends the obligation to try again: any of these.
    #[serde(default, skip_serializing_if = "Occurrences::is_empty")]
    pub unless: Occurrences,
    /// The name of another rule, whose host loses the same server: of three pauses or more the two hosts must not add the same
    /// to each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart_from: Option<String>,
    /// Whether a run without an attempt to judge is in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

fn is_zero(percent: &u32) -> bool {
    *percent == 0
}

/// What a timer of whole milliseconds and the steps between two records add to a pause.
const SLACK: Duration = Duration::from_millis(5);

impl BackoffRule {
    /// The bare pause before the nth attempt, from 1.
    fn bare(&self, nth: u32) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.longest)
    }

    /// The longest pause before the nth attempt.
    fn most(&self, nth: u32) -> Duration {
        let bare = self.bare(nth);
        bare.saturating_add(bare / 100 * self.jitter_percent).min(self.longest).saturating_add(SLACK)
    }

    /// Whether all of the jitter can show in the pause before the nth attempt.
    fn shows_jitter(&self, nth: u32) -> bool {
        let bare = self.bare(nth);
        self.jitter_percent > 0 && bare + bare / 100 * self.jitter_percent <= self.longest
    }
}

impl Check for Backoff {
    fn name(&self) -> &'static str {
        "backoff"
    }

    fn law(&self) -> &'static str {
        "who loses a server tries again, ever more slowly, and not for ever"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Recovered]
    }

    // It bounds what the faults of its scenario lead to.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let judged = self.0.iter().map(|(name, rule)| {
            let mut outage = Outage::of(name, rule);
            for (index, record) in evidence.records.iter().enumerate() {
                if record.at > evidence.last.at {
                    break;
                }
                outage.take(index, record)?;
            }
            let added = outage.added().to_vec();
            Ok((name, rule, added, outage.conclude(evidence.last.at)?))
        });
        let judged = judged.collect::<Result<Vec<_>, Finding>>()?;
        for (name, rule, added, _) in &judged {
            let Some(other) = &rule.apart_from else { continue };
            let others = judged.iter().find(|(name, ..)| *name == other).map(|(_, _, others, _)| others.as_slice());
            outage::keep_apart((name, rule, added), (other, others))?;
        }
        Ok(judged.into_iter().map(|(.., summary)| summary).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests;
