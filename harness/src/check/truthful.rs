//! Law: what is claimed to be delivered was received, and what is claimed to have failed was not.

use serde::{Deserialize, Serialize};

use super::fact_index::{Entry, FactIndex, KeyHistory};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::told_apart;

/// What is claimed to be delivered was received before the claim, and what is claimed to have failed was not received.
///
/// "Before" is by virtual time: a receipt at the very instant of the claim counts, since two hosts have no order within
/// an instant. A claim that comes true later was a lie when it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truthful {
    /// Whether the receiver recognises what it has seen, so that a thing that is claimed to have failed may still arrive
    /// (once) by a retry.
    #[serde(default)]
    pub deduplicated: bool,
    /// The hosts that hold back what has come before its turn, so that their receipts may follow the claim. They must
    /// follow all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back_by: Vec<HostName>,
}

impl Check for Truthful {
    fn name(&self) -> &'static str {
        "truthful"
    }

    fn law(&self) -> &'static str {
        "what is claimed to be delivered was received, and what is claimed to have failed was not"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::ClaimedDelivered, FactKind::Received]
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let kinds = [FactKind::ClaimedDelivered, FactKind::ClaimedFailed, FactKind::Received, FactKind::Offered];
        let (mut delivered, mut failed) = (0, 0);
        for history in FactIndex::of_things(evidence.records, &kinds)?.histories() {
            delivered += self.delivered_claims(history)?;
            failed += self.failed_claims(history)?;
        }
        if delivered + failed == 0 {
            evidence.must_tell(&[FactKind::ClaimedDelivered, FactKind::ClaimedFailed])?;
        }
        Ok(format!("claims were true: {delivered} delivered, {failed} failed"))
    }
}

impl Truthful {
    fn failed_claims(&self, history: &KeyHistory) -> Result<u32, Finding> {
        let Some(claim) = history.first(FactKind::ClaimedFailed) else { return Ok(0) };
        let mut receipts = history.all(FactKind::Received);
        let first = receipts.next();
        let lie = if self.deduplicated { receipts.next() } else { first };
        let Some(receipt) = lie else { return Ok(1) };
        let [claimed, received] = told_apart([claim.at, receipt.at]);
        let sentence = format!(
            "{} claimed at {claimed} that {} had failed, but {} received it at {received}.",
            claim.by(),
            history.key,
            receipt.by(),
        );
        Err(Finding::new("failed, yet received", sentence)
            .witness([claim.index, receipt.index])
            .role(claim.host)
            .role(receipt.host))
    }

    fn delivered_claims(&self, history: &KeyHistory) -> Result<u32, Finding> {
        let mut claims = 0;
        for claim in history.all(FactKind::ClaimedDelivered) {
            claims += 1;
            let is_right = |receipt: &&Entry| history.addressee.is_none() || history.addressee == receipt.receiver();
            let receipt = history.all(FactKind::Received).find(is_right);
            if receipt.is_some_and(|receipt| receipt.at <= claim.at || self.holds_back(receipt)) {
                continue;
            }
            let [claimed, received] = told_apart([claim.at, receipt.map_or(claim.at, |late| late.at)]);
            let start = format!("{} claimed at {claimed} that {} was delivered, but", claim.by(), history.key);
            let (sentence, late) = match receipt {
                Some(late) => (format!("{start} {} received it only at {received}.", late.by()), Some(late.index)),
                None => (format!("{start} no host ever received it."), None),
            };
            let offer = history.first(FactKind::Offered).map(|offer| offer.index);
            return Err(Finding::new("claimed, not received", sentence)
                .witness(offer.into_iter().chain([claim.index]).chain(late))
                .role(claim.host));
        }
        Ok(claims)
    }

    fn holds_back(&self, receipt: &Entry) -> bool {
        receipt.host.is_some_and(|host| self.held_back_by.contains(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::Fact;
    use crate::fact::FactKind::{ClaimedDelivered, ClaimedFailed, Offered, Received};

    #[test]
    fn a_claim_after_the_receipt_is_true() {
        let run = TraceBuilder::new().fact(1000, "alice", Received, "job-1").fact(
            1010,
            "scheduler",
            ClaimedDelivered,
            "job-1",
        );
        assert_eq!(run.held(&Truthful::default()), "claims were true: 1 delivered, 0 failed");
    }

    #[test]
    fn a_successful_send_that_reached_nobody_is_a_lie() {
        let run = TraceBuilder::new().fact(1000, "alice", Offered, "job-9F4E0EE2").fact(
            38_000,
            "scheduler",
            ClaimedDelivered,
            "job-9F4E0EE2",
        );
        insta::assert_snapshot!(run.failure(&Truthful::default()));
    }

    #[test]
    fn a_claim_that_comes_true_later_was_a_lie() {
        let run = TraceBuilder::new()
            .fact(1000, "scheduler", ClaimedDelivered, "job-1")
            .fact(1010, "alice", Received, "job-1");
        assert_eq!(run.broken(&Truthful::default()), "truthful: claimed, not received @ scheduler");
    }

    #[test]
    fn a_claim_a_millisecond_early_names_times_that_differ() {
        let run = TraceBuilder::new().fact(1500, "alice", ClaimedDelivered, "m-1").fact(1501, "bob", Received, "m-1");
        insta::assert_snapshot!(run.failure(&Truthful::default()));
    }

    #[test]
    fn a_claim_is_of_its_own_sender_and_addressee() {
        let both = || TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1000, "carol", Offered, "m-1");
        let run = both().told(2000, "bob", Fact::new(Received, "m-1").from("carol"));
        let other = run.clone().fact(3000, "alice", ClaimedDelivered, "m-1");
        assert_eq!(other.broken(&Truthful::default()), "truthful: claimed, not received @ alice");
        let own = run.fact(3000, "carol", ClaimedDelivered, "m-1");
        assert_eq!(own.held(&Truthful::default()), "claims were true: 1 delivered, 0 failed");
        let astray = TraceBuilder::new().told(1000, "alice", Fact::new(Offered, "m-1").to("bob"));
        let astray = astray.fact(2000, "carol", Received, "m-1").fact(3000, "chat", ClaimedDelivered, "m-1");
        assert_eq!(astray.broken(&Truthful::default()), "truthful: claimed, not received @ chat");
    }

    #[test]
    fn a_run_without_a_claim_says_nothing() {
        let silent = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1010, "bob", Received, "m-1");
        assert_eq!(silent.broken(&Truthful::default()), "truthful: says nothing");
        assert_eq!(
            silent.optional(ClaimedDelivered).held(&Truthful::default()),
            "claims were true: 0 delivered, 0 failed"
        );
    }

    #[test]
    fn a_failure_that_arrives_all_the_same_is_a_lie_unless_the_receiver_deduplicates() {
        let run =
            TraceBuilder::new().fact(1000, "scheduler", ClaimedFailed, "job-1").fact(1010, "alice", Received, "job-1");
        assert_eq!(run.broken(&Truthful::default()), "truthful: failed, yet received @ scheduler, alice");
        let deduplicated = Truthful { deduplicated: true, ..Truthful::default() };
        assert_eq!(run.held(&deduplicated), "claims were true: 0 delivered, 1 failed");
        let twice = run.fact(1020, "alice", Received, "job-1");
        assert_eq!(twice.broken(&deduplicated), "truthful: failed, yet received @ scheduler, alice");
    }

    #[test]
    fn who_holds_back_may_receive_after_the_claim_but_must_receive() {
        let late = TraceBuilder::new()
            .fact(1000, "scheduler", ClaimedDelivered, "job-1")
            .fact(9000, "alice", Received, "job-1");
        let never = TraceBuilder::new().fact(1000, "scheduler", ClaimedDelivered, "job-1");
        let law = Truthful { held_back_by: vec!["alice".into()], ..Truthful::default() };
        assert_eq!(late.held(&law), "claims were true: 1 delivered, 0 failed");
        assert_eq!(never.broken(&law), "truthful: claimed, not received @ scheduler");
        let other = Truthful { held_back_by: vec!["bob".into()], ..Truthful::default() };
        assert_eq!(late.broken(&other), "truthful: claimed, not received @ scheduler");
    }
}
