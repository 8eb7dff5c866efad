//! Law: what one host offers to many arrives at each of them as often as promised, and at no other host.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contradiction::contradiction;
use super::delivery::{AllowedLoss, DeliveryLaw, in_time, invented, is_refused, told_failure, unexcused};
use super::excuse::Excuses;
use super::fact_index::{Entry, FactIndex, KeyHistory, name};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::Seconds;

/// What one host offers to many arrives at each of them as often as promised, and at no other host.
///
/// Each `offered` fact without an addressee is a broadcast; one that names its addressee (`to`) is `delivery`'s affair. A
/// run in which nothing was broadcast is convicted.
///
/// ```toml
/// [checks.broadcast]
/// receivers = ["bob", "carol"]
/// within = "5s"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// Who receives each thing.
    pub receivers: Vec<HostName>,
    /// Whose things are judged; everybody's, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<HostName>,
    /// Whether a sender that is one of the receivers gets its own things, too.
    #[serde(default = "yes")]
    pub to_sender: bool,
    /// How often each thing arrives at each receiver; exactly once, without.
    #[serde(default = "exactly_once")]
    pub law: DeliveryLaw,
    /// The longest time between an offer and each receipt; any, without.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde")]
    pub within: Option<Duration>,
    /// Which losses are no violation. A reason whose host is one of the receivers excuses that receiver's losses, and
    /// everybody's of what it has offered itself; one of another host excuses everybody's, and one without a host those of the receiver to which it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_losses: Vec<AllowedLoss>,
}

fn yes() -> bool {
    true
}

fn exactly_once() -> DeliveryLaw {
    DeliveryLaw::ExactlyOnce
}

impl Check for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn law(&self) -> &'static str {
        match self.law {
            DeliveryLaw::AtMostOnce => {
                "what is offered to many arrives at each of them at most once, and a loss is told"
            }
            DeliveryLaw::AtLeastOnce => "what is offered to many arrives at each of them, and no loss is silent",
            DeliveryLaw::ExactlyOnce => {
                "what is offered to many arrives at each of them exactly once, and at no other host"
            }
        }
    }

    fn needs(&self) -> Vec<FactKind> {
        super::delivery::needs_of(&self.allowed_losses)
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let facts_by_key = FactIndex::of_deliveries(evidence.records)?;
        let excuses = Excuses::of(evidence, &facts_by_key);
        let mut spent = vec![0; self.allowed_losses.len()];
        let (mut offered, mut delivered, mut wanted) = (0, 0, 0);
        for history in facts_by_key.histories() {
            let Some(offer) = history.first(FactKind::Offered) else {
                invented(history)?;
                continue;
            };
            if history.addressee.is_some() || !self.judges(history) {
                continue;
            }
            offered += 1;
            contradiction(history)?;
            self.no_stranger(history, offer)?;
            for receiver in self.receivers.iter().filter(|receiver| self.is_meant(receiver, history)) {
                wanted += 1;
                let view = history.seen_by(receiver);
                if view.first(FactKind::Received).is_some() {
                    self.law.often_enough(&view)?;
                    in_time(&view, self.within)?;
                    delivered += 1;
                } else if !is_refused(&view) {
                    self.excuse(receiver, &view, offer, &excuses, &mut spent)?;
                }
            }
        }
        if offered == 0 && !evidence.may_lack(&[FactKind::Offered]) {
            let sentence = "no host whose broadcasts are judged offered anything to all, so the law says nothing.";
            return Err(Finding::new("says nothing", sentence));
        }
        Ok(format!("{offered} broadcasts, delivered {delivered} of {wanted}"))
    }
}

impl Broadcast {
    fn judges(&self, history: &KeyHistory) -> bool {
        self.senders.is_empty() || history.sender.is_some_and(|sender| self.senders.contains(sender))
    }

    fn is_meant(&self, receiver: &HostName, history: &KeyHistory) -> bool {
        self.to_sender || history.sender != Some(receiver)
    }

    fn no_stranger(&self, history: &KeyHistory, offer: &Entry) -> Result<(), Finding> {
        let is_one = |host: &HostName| self.receivers.contains(host) && self.is_meant(host, history);
        let stranger = history.all(FactKind::Received).find(|receipt| !receipt.receiver().is_some_and(is_one));
        let Some(receipt) = stranger else { return Ok(()) };
        let sentence = format!(
            "{} received {} at {}, which {} had not offered to it.",
            name(receipt.receiver()),
            history.key,
            Seconds(receipt.at),
            name(history.sender),
        );
        Err(Finding::new("wrong receiver", sentence).witness([offer.index, receipt.index]).role(receipt.receiver()))
    }

    fn excuse<'e>(
        &self,
        receiver: &HostName,
        view: &KeyHistory<'e>,
        offer: &Entry<'e>,
        excuses: &Excuses<'e>,
        spent: &mut [u32],
    ) -> Result<(), Finding> {
        if self.law == DeliveryLaw::AtMostOnce && told_failure(view).is_some() {
            return Ok(());
        }
        for (allowed, spent) in self.allowed_losses.iter().zip(spent) {
            let of_another =
                |host: &HostName| host != receiver && offer.host != Some(host) && self.receivers.contains(host);
            if allowed.host.as_ref().is_some_and(of_another) || allowed.at_most.is_some_and(|most| *spent >= most) {
                continue;
            }
            let host = allowed.host.as_ref().or(allowed.reason.happens_to_a_host().then_some(receiver));
            if excuses.explain(&AllowedLoss { host: host.cloned(), ..allowed.clone() }, view, offer) {
                *spent += 1;
                return Ok(());
            }
        }
        Err(unexcused(view, offer, "").role(Some(receiver)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::LossReason;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::Fact;
    use crate::fact::FactKind::{ClaimedFailed, Offered, Received, Refused};

    #[test]
    fn what_each_receiver_has_once_holds() {
        let run = told(&["bob", "carol"]);
        assert_eq!(run.held(&law()), "1 broadcasts, delivered 2 of 2");
        let refused = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1010, "alice", Refused, "m-1");
        assert_eq!(refused.held(&law()), "1 broadcasts, delivered 0 of 2");
    }

    #[test]
    fn a_receiver_that_gets_nothing_is_convicted() {
        insta::assert_snapshot!(told(&["bob"]).failure(&law()));
        assert_eq!(told(&[]).broken(&law()), "broadcast: silent loss @ alice, bob");
    }

    #[test]
    fn a_receiver_that_gets_it_twice_is_convicted_unless_that_is_allowed() {
        let twice = told(&["bob", "carol", "bob"]);
        assert_eq!(twice.broken(&law()), "broadcast: received twice @ bob");
        let often = Broadcast { law: DeliveryLaw::AtLeastOnce, ..law() };
        assert_eq!(twice.held(&often), "1 broadcasts, delivered 2 of 2");
        // Two receipts of one are not one of each.
        assert_eq!(told(&["bob", "bob"]).broken(&often), "broadcast: silent loss @ alice, carol");
    }

    #[test]
    fn a_stranger_that_gets_it_is_convicted() {
        insta::assert_snapshot!(told(&["bob", "carol", "dave"]).failure(&law()));
        assert_eq!(told(&["bob", "carol", "alice"]).broken(&law()), "broadcast: wrong receiver @ alice");
    }

    #[test]
    fn a_sender_may_be_among_its_receivers_or_not() {
        let room = Broadcast { receivers: ["alice", "bob", "carol"].map(HostName::from).to_vec(), ..law() };
        assert_eq!(told(&["bob", "carol"]).broken(&room), "broadcast: silent loss @ alice");
        assert_eq!(told(&["alice", "bob", "carol"]).held(&room), "1 broadcasts, delivered 3 of 3");
        let others = Broadcast { to_sender: false, ..room };
        assert_eq!(told(&["bob", "carol"]).held(&others), "1 broadcasts, delivered 2 of 2");
        assert_eq!(told(&["alice", "bob", "carol"]).broken(&others), "broadcast: wrong receiver @ alice");
        let both = told(&["bob", "carol"]).fact(3000, "bob", Offered, "m-2").fact(3010, "alice", Received, "m-2");
        assert_eq!(both.broken(&others), "broadcast: silent loss @ bob, carol");
        assert_eq!(both.fact(3010, "carol", Received, "m-2").held(&others), "2 broadcasts, delivered 4 of 4");
    }

    #[test]
    fn what_is_offered_to_one_is_no_broadcast() {
        let direct = told(&["bob", "carol"]).told(3000, "alice", Fact::new(Offered, "m-2").to("bob"));
        assert_eq!(direct.held(&law()), "1 broadcasts, delivered 2 of 2");
        let of_bob = Broadcast { senders: vec!["bob".into()], ..law() };
        assert_eq!(told(&["bob"]).broken(&of_bob), "broadcast: says nothing");
        assert_eq!(told(&["bob"]).optional(Offered).held(&of_bob), "0 broadcasts, delivered 0 of 0");
        assert_eq!(TraceBuilder::new().broken(&law()), "broadcast: says nothing");
    }

    #[test]
    fn what_arrives_late_early_or_from_nowhere_is_convicted() {
        let bound = Broadcast { within: Some(Duration::from_secs(5)), ..law() };
        let late = told(&["bob"]).fact(7000, "carol", Received, "m-1");
        assert_eq!(late.broken(&bound), "broadcast: late @ carol");
        let early = TraceBuilder::new().fact(500, "bob", Received, "m-1").fact(1000, "alice", Offered, "m-1");
        assert_eq!(early.broken(&law()), "broadcast: received before offered @ bob");
        let invented = told(&["bob", "carol"]).fact(3000, "bob", Received, "m-9");
        assert_eq!(invented.broken(&law()), "broadcast: never offered @ bob");
    }

    #[test]
    fn an_excuse_is_of_the_receiver_to_which_it_happened() {
        let allowing = |reason, host: Option<&str>| Broadcast {
            allowed_losses: vec![AllowedLoss { reason, host: host.map(HostName::from), at_most: None }],
            ..law()
        };
        let crashed = |who: &str| told(&["bob"]).started(1100, who).crashed(1200, who);
        assert_eq!(crashed("carol").held(&allowing(LossReason::HostDied, None)), "1 broadcasts, delivered 1 of 2");
        assert_eq!(
            crashed("carol").held(&allowing(LossReason::HostDied, Some("carol"))),
            "1 broadcasts, delivered 1 of 2"
        );
        let of_bob = "broadcast: silent loss @ alice, carol";
        assert_eq!(crashed("bob").broken(&allowing(LossReason::HostDied, None)), of_bob);
        assert_eq!(crashed("bob").broken(&allowing(LossReason::HostDied, Some("bob"))), of_bob);
        assert_eq!(
            crashed("chat").held(&allowing(LossReason::HostDied, Some("chat"))),
            "1 broadcasts, delivered 1 of 2"
        );
    }

    #[test]
    fn a_failure_for_one_receiver_excuses_that_receiver() {
        let at_most = Broadcast { law: DeliveryLaw::AtMostOnce, ..law() };
        let failed = |to: &str| told(&["bob"]).told(3000, "alice", Fact::new(ClaimedFailed, "m-1").to(to));
        assert_eq!(failed("carol").held(&at_most), "1 broadcasts, delivered 1 of 2");
        assert_eq!(failed("bob").broken(&at_most), "broadcast: silent loss @ alice, carol");
    }

    fn law() -> Broadcast {
        Broadcast {
            receivers: ["bob", "carol"].map(HostName::from).to_vec(),
            senders: Vec::new(),
            to_sender: true,
            law: DeliveryLaw::ExactlyOnce,
            within: None,
            allowed_losses: Vec::new(),
        }
    }

    /// Alice offers `m-1`, and these receive it.
    fn told(receivers: &[&str]) -> TraceBuilder {
        let offered = TraceBuilder::new().fact(1000, "alice", Offered, "m-1");
        receivers.iter().fold(offered, |run, receiver| run.fact(2000, receiver, Received, "m-1"))
    }
}
