//! The laws, one file each, and what they are judged on.
//!
//! A check knows no protocol: it reads the facts, the faults and the process life in a run's [`Evidence`], and answers
//! with a [`Verdict`]. A scenario says in its [`Expectations`] which laws it is held to; `integrity` and `took_effect` bind
//! every run, [`Sometimes`] a whole sweep. Each check reads the records a bounded number of times, so that a sweep can afford all of them.
//!
//! Times are compared up to [`FinalState::at`](crate::trace::FinalState::at): what is recorded later belongs to the stopping of the hosts.

#[cfg(test)]
mod adversary;
mod attempt;
pub(crate) mod backoff;
mod broadcast;
mod close_code;
mod contradiction;
mod deaths;
pub(crate) mod delivery;
mod detect;
mod evidence;
mod excuse;
pub(crate) mod expectations;
mod fact_index;
mod fault_timeline;
mod figure;
mod gauge;
mod hygiene;
mod inert;
mod integrity;
pub(crate) mod leaks;
mod livelock;
mod order;
mod outage;
mod own;
mod process_timeline;
mod recover;
mod service;
pub(crate) mod sometimes;
mod stops;
mod stream;
mod survival;
mod terminal;
pub(crate) mod timing;
mod took_effect;
#[cfg(test)]
pub(crate) mod trace_builder;
mod truthful;
mod verdict;
mod ways;

pub(crate) use backoff::Backoff;
pub(crate) use broadcast::Broadcast;
pub(crate) use close_code::CloseCode;
pub(crate) use delivery::{AllowedLoss, Delivery, DeliveryLaw, LossReason};
pub(crate) use detect::Detect;
pub use evidence::Evidence;
pub(crate) use expectations::Expectations;
pub use figure::Figure;
pub(crate) use hygiene::Hygiene;
pub(crate) use integrity::RunIntegrity;
pub(crate) use leaks::{GaugeLaw, Leaks, SocketLaw};
pub(crate) use livelock::Livelock;
pub(crate) use own::NoCheck;
pub(crate) use own::OwnChecks;
pub(crate) use recover::{Recover, RecoverySince};
pub(crate) use sometimes::{Sign, Sometimes};
pub(crate) use stops::Stops;
pub(crate) use stream::Stream;
pub(crate) use survival::{Health, Survival};
pub(crate) use terminal::Terminal;
pub(crate) use timing::Timing;
pub(crate) use took_effect::TookEffect;
pub(crate) use truthful::Truthful;
pub use verdict::{Finding, Signature, Verdict, Violation};

use crate::fact::FactKind;

/// The present name of a check that scenarios and capsules may still call by its earlier one.
pub(crate) fn current_name(check: &str) -> &str {
    match check {
        "bite" => "took_effect",
        "conduct" => "integrity",
        _ => check,
    }
}

/// One law.
///
/// ```
/// use halfopen::check::{Check, Evidence, Finding};
///
/// struct Brevity;
///
/// impl Check for Brevity {
///     fn name(&self) -> &'static str {
///         "brevity"
///     }
///
///     fn law(&self) -> &'static str {
///         "a run has at most a thousand records"
///     }
///
///     fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
///         match evidence.records.len() {
///             n @ ..=1000 => Ok(format!("{n} records")),
///             n => Err(Finding::new("too long", format!("the run has {n} records")).witness([1000])),
///         }
///     }
/// }
/// ```
pub trait Check {
    /// The check's name, as scenarios write it.
    fn name(&self) -> &'static str;

    /// Its law, a sentence without its full stop.
    fn law(&self) -> &'static str;

    /// The kinds of facts without which the law says nothing. A scenario that expects it must have a source of each.
    fn needs(&self) -> Vec<FactKind> {
        Vec::new()
    }

    /// Looks at a run: what there was to hold, in a few words, or how the law was broken.
    ///
    /// # Errors
    ///
    /// The first way in which the law was broken.
    fn examine(&self, evidence: &Evidence) -> Result<String, Finding>;

    /// Whether it holds whatever breaks. A law that speaks of what the faults of its own scenario lead to, or bounds times that
    /// other faults may stretch, does not; `exhaust` and `sweep` judge by such a law only when they are asked to.
    fn withstands_any_fault(&self) -> bool {
        true
    }

    /// What a sweep adds up of its runs, and tells below the scenario's line; nothing for most laws.
    fn figures(&self, _evidence: &Evidence) -> Vec<Figure> {
        Vec::new()
    }

    /// The verdict on a run.
    fn judge(&self, evidence: &Evidence) -> Verdict {
        match self.examine(evidence) {
            Ok(summary) => Verdict::held(self.name(), summary),
            Err(finding) => Verdict::Broken(finding.of(self.name(), self.law())),
        }
    }
}
