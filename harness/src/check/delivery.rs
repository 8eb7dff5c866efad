//! Law: what is offered arrives as often as promised, in the promised order, and nothing is lost in silence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contradiction::contradiction;
use super::excuse::Excuses;
use super::fact_index::{Entry, FactIndex, KeyHistory, name};
use super::order::in_order;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::fault::to_word;
use crate::name::HostName;
use crate::trace::{Seconds, told_apart};

/// What is offered arrives as often as promised, in the promised order, and nothing is lost in silence.
///
/// A thing is a key of one sender, for one addressee when the offers name any; a host that is not the addressee must
/// not receive it. Several senders may use one key when the other facts name whose thing they speak of (`from`).
///
/// A loss is silent when the thing was offered and is neither received nor refused, and no host claimed that it failed
/// since it was offered last. `at_most_once` lets a thing fail when that is told; the other laws want a typed reason
/// for that as well. What was received before it was offered, or though every offer of it was refused, and what was
/// refused though it had been accepted, is convicted; and so is a run in which nothing was offered.
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
    /// The longest time between an offer and the receipt; any, without.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde")]
    pub within: Option<Duration>,
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
/// A reason must be the loss's own: it lies on the shortest way from the sender to the hosts that tell of its things
/// (and to `host`), in the time from the offer to the judgement, and nothing that the sender offered later and that no
/// host had accepted has come through there before. A source of `accepted` facts is how a service that works on things
/// in an order of its own says so.
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

/// The facts without which no loss can be judged, when these losses are excused.
pub(super) fn needs_of(allowed: &[AllowedLoss]) -> Vec<FactKind> {
    let reasons = allowed.iter().filter_map(|allowed| allowed.reason.needs());
    [FactKind::Offered, FactKind::Received].into_iter().chain(reasons).collect()
}

/// Why a thing may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// No service had taken responsibility (no `accepted` fact; by `host`).
    NotAccepted,
    /// A host claimed that it failed (`host`, where given).
    Told,
    /// After the offer a fault ended the life of a process (of `host`), or the process was still down when it was made.
    HostDied,
    /// After the offer a connection (of `host`) was lost: to an end that still held it came an RST, a fault's FIN or that
    /// of a process that a fault had killed, its kernel gave up (keepalive, retransmission, `TCP_USER_TIMEOUT`), or its
    /// process did while a fault kept the connection silent. What was offered until the end that connects was back is
    /// covered too, if that end was told. What draws the answer to an actor's own leaving covers nothing.
    ConnectionLost,
}

impl LossReason {
    /// The facts without which the reason says nothing.
    pub(super) fn needs(self) -> Option<FactKind> {
        match self {
            Self::NotAccepted => Some(FactKind::Accepted),
            Self::Told => Some(FactKind::ClaimedFailed),
            Self::HostDied | Self::ConnectionLost => None,
        }
    }

    /// Whether it speaks of what happened to a host, and not of what one told.
    pub(super) fn happens_to_a_host(self) -> bool {
        match self {
            Self::HostDied | Self::ConnectionLost => true,
            Self::NotAccepted | Self::Told => false,
        }
    }
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
        needs_of(&self.allowed_losses)
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let facts_by_key = FactIndex::of_deliveries(evidence.records)?;
        let excuses = Excuses::of(evidence, &facts_by_key);
        let mut spent = vec![0; self.allowed_losses.len()];
        let (mut offered, mut delivered, mut refused, mut lost) = (0, 0, 0, 0);
        for history in facts_by_key.histories() {
            let Some(offer) = history.first(FactKind::Offered) else {
                invented(history)?;
                continue;
            };
            offered += 1;
            contradiction(history)?;
            if history.first(FactKind::Received).is_some() {
                self.law.often_enough(history)?;
                in_time(history, self.within)?;
                delivered += 1;
            } else if is_refused(history) {
                refused += 1;
            } else {
                self.excuse(history, offer, &excuses, &mut spent)?;
                lost += 1;
            }
        }
        if offered == 0 {
            evidence.must_tell(&[FactKind::Offered])?;
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

impl DeliveryLaw {
    /// What arrives arrives no more than once, where that is the law.
    pub(super) fn often_enough(self, history: &KeyHistory) -> Result<(), Finding> {
        match self {
            Self::AtLeastOnce => return Ok(()),
            Self::AtMostOnce | Self::ExactlyOnce => {}
        }
        let mut receipts = history.all(FactKind::Received);
        let (Some(first), Some(second)) = (receipts.next(), receipts.next()) else { return Ok(()) };
        let times = 2 + receipts.count();
        let [earlier, later] = told_apart([first.at, second.at]);
        let sentence = format!(
            "{} was received {times} times, first by {} at {earlier}, again by {} at {later}.",
            history.key,
            first.by(),
            second.by(),
        );
        Err(Finding::new("received twice", sentence).witness([first.index, second.index]).role(second.host))
    }
}

/// What arrives does so within the bound, counted from the offer that stands: the first one, or the first after a refusal.
pub(super) fn in_time(history: &KeyHistory, within: Option<Duration>) -> Result<(), Finding> {
    let Some(bound) = within else { return Ok(()) };
    let Some(receipt) = history.first(FactKind::Received) else { return Ok(()) };
    let refusal = history.all(FactKind::Refused).rfind(|refusal| refusal.index < receipt.index);
    let since = refusal.map_or(0, |refusal| refusal.index);
    let stands = history.all(FactKind::Offered).find(|offer| offer.index >= since && offer.index < receipt.index);
    let Some(offer) = stands.or_else(|| history.first(FactKind::Offered)) else { return Ok(()) };
    let took = receipt.at.saturating_sub(offer.at);
    if took <= bound {
        return Ok(());
    }
    let [took, bound] = told_apart([took, bound]);
    let sentence = format!(
        "{} received {} {took} after {} had offered it at {} (bound {bound}).",
        receipt.by(),
        history.key,
        name(history.sender),
        Seconds(offer.at),
    );
    Err(Finding::new("late", sentence).witness([offer.index, receipt.index]).role(receipt.host))
}

/// Whether the last that was offered was turned away.
pub(super) fn is_refused(history: &KeyHistory) -> bool {
    let offer = history.last(FactKind::Offered).map(|offer| offer.at);
    history.last(FactKind::Refused).is_some_and(|refusal| Some(refusal.at) >= offer)
}

/// Who claimed that it failed, since it was offered last.
pub(super) fn told_failure<'e, 'a>(history: &'e KeyHistory<'a>) -> Option<&'e Entry<'a>> {
    let offer = history.last(FactKind::Offered).map(|offer| offer.at);
    history.all(FactKind::ClaimedFailed).find(|claim| Some(claim.at) >= offer)
}

/// The conviction of a loss that nothing excuses.
pub(super) fn unexcused(history: &KeyHistory, offer: &Entry, why: &str) -> Finding {
    let to = history.addressee.map(|to| format!(" for {to}")).unwrap_or_default();
    let start = format!("{}, offered by {}{to} at {}, was", history.key, offer.by(), Seconds(offer.at));
    match told_failure(history) {
        Some(told) => Finding::new(
            "lost",
            format!("{start} lost: {} said so at {}, but nothing allows it{why}.", told.by(), Seconds(told.at)),
        )
        .witness([offer.index, told.index])
        .role(told.host),
        None => Finding::new(
            "silent loss",
            format!("{start} neither received nor refused, and no host said that it failed{why}."),
        )
        .witness(history.entries().iter().take(3).map(|entry| entry.index)),
    }
    .role(offer.host)
}

impl Delivery {
    /// The law alone: in any order, after any time, and without an allowed loss.
    pub fn of(law: DeliveryLaw) -> Self {
        Self { law, order: false, order_of: Vec::new(), within: None, allowed_losses: Vec::new() }
    }

    fn excuse<'e>(
        &self,
        history: &KeyHistory<'e>,
        offer: &Entry<'e>,
        excuses: &Excuses<'e>,
        spent: &mut [u32],
    ) -> Result<(), Finding> {
        if self.law == DeliveryLaw::AtMostOnce && told_failure(history).is_some() {
            return Ok(());
        }
        for (allowed, spent) in self.allowed_losses.iter().zip(spent) {
            if excuses.explain(allowed, history, offer) && allowed.at_most.is_none_or(|most| *spent < most) {
                *spent += 1;
                return Ok(());
            }
        }
        Err(unexcused(history, offer, &self.useless_reasons()))
    }

    /// That reasons are allowed, and none is the loss's own.
    fn useless_reasons(&self) -> String {
        let reasons = self.allowed_losses.iter().map(|allowed| match &allowed.host {
            Some(host) => format!("`{}` of {host}", to_word(&allowed.reason)),
            None => format!("`{}`", to_word(&allowed.reason)),
        });
        match reasons.collect::<Vec<_>>() {
            none if none.is_empty() => String::new(),
            some => format!("; {} did not cause it, or more often than is allowed", some.join(" and ")),
        }
    }
}

/// A receipt has an offer.
pub(super) fn invented(history: &KeyHistory) -> Result<(), Finding> {
    let Some(receipt) = history.first(FactKind::Received) else { return Ok(()) };
    let missing = history.sender.map_or("no host offered".to_owned(), |sender| format!("{sender} never offered"));
    let sentence = format!("{} received {} at {}, which {missing}.", receipt.by(), history.key, Seconds(receipt.at));
    Err(Finding::new("never offered", sentence).witness([receipt.index]).role(receipt.host))
}

#[cfg(test)]
mod tests;
