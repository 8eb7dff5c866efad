//! Law: what is offered arrives as often as promised, in the promised order, and nothing is lost in silence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::excuse::Excuses;
use super::ledger::{Account, Entry, Ledger, facts};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::fault::spelling;
use crate::name::HostName;
use crate::trace::{Record, Seconds};

/// What is offered arrives as often as promised, in the promised order, and nothing is lost in silence.
///
/// A loss is silent when the thing was offered and is neither received nor refused, and nobody claimed that it failed.
/// `at_most_once` lets a thing fail when that is told; the other laws want a typed reason for that as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// How often each thing arrives.
    pub law: DeliveryLaw,
    /// Whether things of one sender arrive in the order in which it offered them.
    #[serde(default)]
    pub order: bool,
    /// The senders whose things arrive in the order in which they offered them, when it is not all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_of: Vec<HostName>,
    /// Which losses are no violation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_losses: Vec<AllowedLoss>,
}

/// How often each offered thing arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryLaw {
    /// Once or, when that is told, not at all.
    AtMostOnce,
    /// Once or more.
    AtLeastOnce,
    /// Once.
    ExactlyOnce,
}

/// A loss that is no violation, and what must be in the trace for it to count.
///
/// A reason must be the loss's own: it lies on the shortest way from the sender to the hosts that tell of its things (and
/// to `host`), in the time from the offer to the judgement, and nothing that the sender offered later and that nobody had
/// accepted has come through there before. A source of `accepted` facts is how a service that works on things in an
/// order of its own says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedLoss {
    /// Why it may be lost.
    pub reason: LossReason,
    /// The host that the reason speaks of; any, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// How many may be lost for this reason in one run; any number, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
}

/// Why a thing may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// No service had taken responsibility (no `accepted` fact; by `host`).
    NotAccepted,
    /// Somebody claimed that it failed (`host` did).
    Told,
    /// After the offer a fault ended the life of a process (of `host`), or the process was still down when it was made.
    HostDied,
    /// After the offer a connection (of `host`) was lost: to an end that still held it came an RST, a fault's FIN or that
    /// of a process that a fault had killed, its kernel gave up (keepalive, retransmission, `TCP_USER_TIMEOUT`), or its
    /// process did while a fault kept the connection silent. What was offered until the end that connects was back is
    /// covered too, if that end was told. What draws the answer to an actor's own leaving covers nothing.
    ConnectionLost,
}

impl Check for Delivery {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn law(&self) -> &'static str {
        match self.law {
            DeliveryLaw::AtMostOnce => "what is offered arrives at most once, and a loss is told",
            DeliveryLaw::AtLeastOnce => "what is offered arrives, and no loss is silent",
            DeliveryLaw::ExactlyOnce => "what is offered arrives exactly once, and no loss is silent",
        }
    }

    fn needs(&self) -> Vec<FactKind> {
        let mut needs = vec![FactKind::Offered, FactKind::Received];
        for allowed in &self.allowed_losses {
            match allowed.reason {
                LossReason::NotAccepted => needs.push(FactKind::Accepted),
                LossReason::Told => needs.push(FactKind::ClaimedFailed),
                LossReason::HostDied | LossReason::ConnectionLost => {}
            }
        }
        needs
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let ledger = Ledger::of(
            evidence.records,
            &[FactKind::Offered, FactKind::Accepted, FactKind::Received, FactKind::Refused, FactKind::ClaimedFailed],
        );
        let excuses = Excuses::of(evidence, &ledger);
        let mut spent = vec![0; self.allowed_losses.len()];
        let (mut offered, mut delivered, mut refused, mut lost) = (0, 0, 0, 0);
        for account in ledger.accounts() {
            let Some(offer) = account.first(FactKind::Offered) else {
                invented(account)?;
                continue;
            };
            offered += 1;
            if account.first(FactKind::Received).is_some() {
                self.often_enough(account)?;
                delivered += 1;
            } else if account.first(FactKind::Refused).is_some() {
                refused += 1;
            } else {
                self.excuse(account, offer, &excuses, &mut spent)?;
                lost += 1;
            }
        }
        if self.order || !self.order_of.is_empty() {
            in_order(evidence.records, |sender| self.order || self.order_of.contains(sender))?;
        }
        let mut summary = format!("delivered {delivered} of {offered}");
        for (count, word) in [(refused, "refused"), (lost, "lost with a reason")] {
            if count > 0 {
                summary.push_str(&format!(", {count} {word}"));
            }
        }
        Ok(summary)
    }
}

impl Delivery {
    /// That reasons are allowed, and none is the loss's own.
    fn unexcused(&self) -> String {
        let reasons = self.allowed_losses.iter().map(|allowed| match &allowed.host {
            Some(host) => format!("`{}` of {host}", spelling(&allowed.reason)),
            None => format!("`{}`", spelling(&allowed.reason)),
        });
        match reasons.collect::<Vec<_>>() {
            none if none.is_empty() => String::new(),
            some => format!("; {} did not cause it, or more often than is allowed", some.join(" and ")),
        }
    }

    fn often_enough(&self, account: &Account) -> Result<(), Finding> {
        match self.law {
            DeliveryLaw::AtLeastOnce => return Ok(()),
            DeliveryLaw::AtMostOnce | DeliveryLaw::ExactlyOnce => {}
        }
        let mut receipts = account.all(FactKind::Received);
        let (Some(first), Some(second)) = (receipts.next(), receipts.next()) else { return Ok(()) };
        let times = 2 + receipts.count();
        let sentence = format!(
            "{} was received {times} times, first by {} at {}, again by {} at {}.",
            account.key,
            first.by(),
            Seconds(first.at),
            second.by(),
            Seconds(second.at),
        );
        Err(Finding::new("received twice", sentence).witness([first.index, second.index]).role(second.host))
    }

    fn excuse<'e>(
        &self,
        account: &Account<'e>,
        offer: &Entry<'e>,
        excuses: &Excuses<'e>,
        spent: &mut [u32],
    ) -> Result<(), Finding> {
        let told = account.first(FactKind::ClaimedFailed);
        if told.is_some() && self.law == DeliveryLaw::AtMostOnce {
            return Ok(());
        }
        for (allowed, spent) in self.allowed_losses.iter().zip(spent) {
            if excuses.explain(allowed, account, offer) && allowed.at_most.is_none_or(|most| *spent < most) {
                *spent += 1;
                return Ok(());
            }
        }
        let start = format!("{}, offered by {} at {}, was", account.key, offer.by(), Seconds(offer.at));
        Err(match told {
            Some(told) => Finding::new(
                "lost",
                format!(
                    "{start} lost: {} said so at {}, but nothing allows it{}.",
                    told.by(),
                    Seconds(told.at),
                    self.unexcused()
                ),
            )
            .witness([offer.index, told.index])
            .role(told.host),
            None => Finding::new(
                "silent loss",
                format!("{start} neither received nor refused, and nobody said that it failed{}.", self.unexcused()),
            )
            .witness(account.entries().iter().take(3).map(|entry| entry.index)),
        }
        .role(offer.host))
    }
}

fn invented(account: &Account) -> Result<(), Finding> {
    let Some(receipt) = account.first(FactKind::Received) else { return Ok(()) };
    let sentence =
        format!("{} received {} at {}, which nobody offered.", receipt.by(), account.key, Seconds(receipt.at));
    Err(Finding::new("never offered", sentence).witness([receipt.index]).role(receipt.host))
}

/// A sender and a receiver.
type Pair<'a> = (Option<&'a HostName>, Option<&'a HostName>);

/// Between one sender that is judged and one receiver, the first receipts come in the order of the offers.
fn in_order(records: &[Record], is_judged: impl Fn(&HostName) -> bool) -> Result<(), Finding> {
    let mut offers: BTreeMap<&str, (Option<&HostName>, usize)> = BTreeMap::new();
    // For each sender and receiver the receipt of what was offered last, with the place of that offer.
    let mut newest: BTreeMap<Pair, (usize, Entry)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in facts(records).filter(|entry| entry.kind == FactKind::Offered) {
        offers.entry(entry.key).or_insert((entry.host, entry.index));
    }
    for receipt in facts(records).filter(|entry| entry.kind == FactKind::Received) {
        let Some(&(sender, offered)) = offers.get(receipt.key) else { continue };
        if !sender.is_none_or(&is_judged) {
            continue;
        }
        if !seen.insert((receipt.host, receipt.key)) {
            continue;
        }
        match newest.get(&(sender, receipt.host)) {
            Some((later, overtaker)) if *later > offered => {
                let sentence = format!(
                    "{} received {} before {}, which {} had offered earlier.",
                    receipt.by(),
                    overtaker.key,
                    receipt.key,
                    sender.map_or("nobody in particular", HostName::as_str),
                );
                return Err(Finding::new("out of order", sentence)
                    .witness([offered, *later, overtaker.index, receipt.index])
                    .role(receipt.host));
            }
            Some(_) | None => newest.insert((sender, receipt.host), (offered, receipt)),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tale::Tale;
    use crate::fact::FactKind::{Accepted, ClaimedFailed, Offered, Received, Refused};

    #[test]
    fn each_message_received_once_is_exactly_once() {
        let tale = Tale::new().fact(1000, "alice", Offered, "m-1").fact(1010, "chat", Received, "m-1");
        assert_eq!(tale.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
    }

    #[test]
    fn a_message_that_vanishes_without_a_word_is_convicted() {
        let tale = Tale::new()
            .fact(1000, "alice", Offered, "m-1")
            .fact(1010, "chat", Received, "m-1")
            .fact(2000, "alice", Offered, "m-2")
            .fact(2010, "chat", Accepted, "m-2")
            .pending("alice", "received m-2");
        insta::assert_snapshot!(tale.failure(&law(DeliveryLaw::ExactlyOnce)));
    }

    #[test]
    fn a_message_received_twice_breaks_exactly_once_and_keeps_at_least_once() {
        let tale = Tale::new()
            .fact(1000, "alice", Offered, "m-1")
            .fact(1010, "chat", Received, "m-1")
            .fact(3000, "chat", Received, "m-1");
        insta::assert_snapshot!(tale.failure(&law(DeliveryLaw::ExactlyOnce)));
        assert_eq!(tale.held(&law(DeliveryLaw::AtLeastOnce)), "delivered 1 of 1");
    }

    #[test]
    fn a_loss_that_is_told_keeps_at_most_once_and_breaks_at_least_once() {
        let tale = Tale::new().fact(1000, "alice", Offered, "m-1").fact(2000, "alice", ClaimedFailed, "m-1");
        assert_eq!(tale.held(&law(DeliveryLaw::AtMostOnce)), "delivered 0 of 1, 1 lost with a reason");
        assert_eq!(tale.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: lost @ alice");
    }

    #[test]
    fn a_refused_message_is_not_lost() {
        let tale = Tale::new().fact(1000, "alice", Offered, "m-1").fact(1000, "alice", Refused, "m-1");
        assert_eq!(tale.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 0 of 1, 1 refused");
    }

    #[test]
    fn a_message_that_overtakes_another_is_out_of_order() {
        let tale = Tale::new()
            .fact(1000, "alice", Offered, "m-1")
            .fact(1100, "alice", Offered, "m-2")
            .fact(1200, "chat", Received, "m-2")
            .fact(1300, "chat", Received, "m-1");
        let ordered = Delivery { order: true, ..law(DeliveryLaw::ExactlyOnce) };
        assert_eq!(tale.broken(&ordered), "delivery: out of order @ chat");
        let of = |sender: &str| Delivery { order_of: vec![sender.into()], ..law(DeliveryLaw::ExactlyOnce) };
        assert_eq!(tale.broken(&of("alice")), "delivery: out of order @ chat");
        assert_eq!(tale.held(&of("bob")), tale.held(&law(DeliveryLaw::ExactlyOnce)));
        assert_eq!(tale.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 2 of 2");
    }

    #[test]
    fn a_message_from_nowhere_is_convicted() {
        let tale = Tale::new().fact(1000, "chat", Received, "m-1");
        assert_eq!(tale.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: never offered @ chat");
    }

    #[test]
    fn an_allowed_loss_needs_its_reason_in_the_trace_and_is_counted() {
        let one_death = Delivery {
            allowed_losses: vec![AllowedLoss {
                reason: LossReason::HostDied,
                host: Some("chat".into()),
                at_most: Some(1),
            }],
            ..law(DeliveryLaw::ExactlyOnce)
        };
        let one = Tale::new().fact(1000, "alice", Offered, "m-1").crashed(1500, "chat");
        assert_eq!(one.held(&one_death), "delivered 0 of 1, 1 lost with a reason");
        let other_host = Tale::new().fact(1000, "alice", Offered, "m-1").crashed(1500, "bob");
        assert_eq!(other_host.broken(&one_death), "delivery: silent loss @ alice");
        let two =
            Tale::new().fact(1000, "alice", Offered, "m-1").fact(1000, "alice", Offered, "m-2").crashed(1500, "chat");
        assert_eq!(two.broken(&one_death), "delivery: silent loss @ alice");
    }

    fn law(law: DeliveryLaw) -> Delivery {
        Delivery { law, order: false, order_of: Vec::new(), allowed_losses: Vec::new() }
    }
}
