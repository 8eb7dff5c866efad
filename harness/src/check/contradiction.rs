//! What cannot all be true of one thing.

use super::Finding;
use super::fact_index::{Entry, KeyHistory, name};
use crate::fact::FactKind;
use crate::trace::{Seconds, told_apart};

/// Finds facts about an offered thing that contradict each other: an offer of nothing, a receipt of what was refused,
/// of what was not offered yet, or by a host that is not the addressee, and a refusal by those who took responsibility.
pub(super) fn contradiction(history: &KeyHistory) -> Result<(), Finding> {
    let Some(offer) = history.first(FactKind::Offered) else { return Ok(()) };
    has_a_key(offer)?;
    for receipt in history.all(FactKind::Received) {
        is_for_the_receiver(history, offer, receipt)?;
        comes_after_the_offer(history, offer, receipt)?;
    }
    let Some(refusal) = refusal_of_all(history) else { return Ok(()) };
    if let Some(receipt) = history.first(FactKind::Received) {
        return Err(both("received, though refused", history, refusal, "refused", receipt, "received"));
    }
    if let Some(acceptance) = history.first(FactKind::Accepted) {
        return Err(both("refused, though accepted", history, acceptance, "accepted", refusal, "refused"));
    }
    Ok(())
}

/// The last refusal, when every offer was refused: what is refused and then offered again may yet arrive. Several hosts
/// may tell of one refusal, so that those of one host are counted.
fn refusal_of_all<'e, 'a>(history: &'e KeyHistory<'a>) -> Option<&'e Entry<'a>> {
    let last = history.last(FactKind::Refused)?;
    let told_by = |host| history.all(FactKind::Refused).filter(|refusal| refusal.host == host).count();
    let refusals = history.all(FactKind::Refused).map(|refusal| told_by(refusal.host)).max()?;
    (refusals >= history.all(FactKind::Offered).count()).then_some(last)
}

fn has_a_key(offer: &Entry) -> Result<(), Finding> {
    if !offer.key.is_empty() {
        return Ok(());
    }
    let sentence = format!(
        "{} offered something without a key at {}: what becomes of it cannot be told from what becomes of anything else.",
        offer.by(),
        Seconds(offer.at),
    );
    Err(Finding::new("no key", sentence).witness([offer.index]).role(offer.host))
}

fn is_for_the_receiver(history: &KeyHistory, offer: &Entry, receipt: &Entry) -> Result<(), Finding> {
    if history.addressee.is_none() || history.addressee == receipt.receiver() {
        return Ok(());
    }
    let sentence = format!(
        "{} received {} at {}, which {} had offered for {}.",
        name(receipt.receiver()),
        history.key,
        Seconds(receipt.at),
        name(history.sender),
        name(history.addressee),
    );
    Err(Finding::new("wrong receiver", sentence).witness([offer.index, receipt.index]).role(receipt.receiver()))
}

/// "Before" is by virtual time: two hosts have no order within an instant.
fn comes_after_the_offer(history: &KeyHistory, offer: &Entry, receipt: &Entry) -> Result<(), Finding> {
    if receipt.at >= offer.at {
        return Ok(());
    }
    let [received, offered] = told_apart([receipt.at, offer.at]);
    let sentence = format!(
        "{} received {} at {received}, before {} offered it at {offered}.",
        receipt.by(),
        history.key,
        name(history.sender),
    );
    Err(Finding::new("received before offered", sentence).witness([receipt.index, offer.index]).role(receipt.host))
}

fn both(clause: &'static str, history: &KeyHistory, one: &Entry, did: &str, other: &Entry, also: &str) -> Finding {
    let [first, second] = told_apart([one.at, other.at]);
    let sentence = format!(
        "{} was {did}, {} says at {first}, and {also}, {} says at {second}.",
        history.key,
        one.by(),
        other.by(),
    );
    Finding::new(clause, sentence).witness([one.index, other.index]).role(one.host).role(other.host)
}
