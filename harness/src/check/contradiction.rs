//! What cannot all be true of one thing.

use super::Finding;
use super::ledger::{Account, Entry, name};
use crate::fact::FactKind;
use crate::trace::{Seconds, told_apart};

/// Finds facts about an offered thing that contradict each other: an offer of nothing, a receipt of what was refused, of
/// what was not offered yet, or by somebody else than the addressee, and a refusal by those who took responsibility.
pub(super) fn contradiction(account: &Account) -> Result<(), Finding> {
    let Some(offer) = account.first(FactKind::Offered) else { return Ok(()) };
    has_a_key(offer)?;
    for receipt in account.all(FactKind::Received) {
        is_for_the_receiver(account, offer, receipt)?;
        comes_after_the_offer(account, offer, receipt)?;
    }
    let Some(refusal) = refusal_of_all(account) else { return Ok(()) };
    if let Some(receipt) = account.first(FactKind::Received) {
        return Err(both("received, though refused", account, refusal, "refused", receipt, "received"));
    }
    if let Some(acceptance) = account.first(FactKind::Accepted) {
        return Err(both("refused, though accepted", account, acceptance, "accepted", refusal, "refused"));
    }
    Ok(())
}

/// The last refusal, when every offer was refused: what is refused and then offered again may yet arrive. Several hosts
/// may tell of one refusal, so that those of one host are counted.
fn refusal_of_all<'e, 'a>(account: &'e Account<'a>) -> Option<&'e Entry<'a>> {
    let last = account.last(FactKind::Refused)?;
    let told_by = |host| account.all(FactKind::Refused).filter(|refusal| refusal.host == host).count();
    let refusals = account.all(FactKind::Refused).map(|refusal| told_by(refusal.host)).max()?;
    (refusals >= account.all(FactKind::Offered).count()).then_some(last)
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

fn is_for_the_receiver(account: &Account, offer: &Entry, receipt: &Entry) -> Result<(), Finding> {
    if account.addressee.is_none() || account.addressee == receipt.receiver() {
        return Ok(());
    }
    let sentence = format!(
        "{} received {} at {}, which {} had offered for {}.",
        name(receipt.receiver()),
        account.key,
        Seconds(receipt.at),
        name(account.sender),
        name(account.addressee),
    );
    Err(Finding::new("wrong receiver", sentence).witness([offer.index, receipt.index]).role(receipt.receiver()))
}

/// "Before" is by virtual time: two hosts have no order within an instant.
fn comes_after_the_offer(account: &Account, offer: &Entry, receipt: &Entry) -> Result<(), Finding> {
    if receipt.at >= offer.at {
        return Ok(());
    }
    let [received, offered] = told_apart([receipt.at, offer.at]);
    let sentence = format!(
        "{} received {} at {received}, before {} offered it at {offered}.",
        receipt.by(),
        account.key,
        name(account.sender),
    );
    Err(Finding::new("received before offered", sentence).witness([receipt.index, offer.index]).role(receipt.host))
}

fn both(clause: &'static str, account: &Account, one: &Entry, did: &str, other: &Entry, also: &str) -> Finding {
    let [first, second] = told_apart([one.at, other.at]);
    let sentence = format!(
        "{} was {did}, {} says at {first}, and {also}, {} says at {second}.",
        account.key,
        one.by(),
        other.by(),
    );
    Finding::new(clause, sentence).witness([one.index, other.index]).role(one.host).role(other.host)
}
