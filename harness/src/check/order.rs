//! The order in which one sender's things arrive.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::fact_index::{Entry, facts, name};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::Record;

/// A sender and a receiver.
type Pair<'a> = (Option<&'a HostName>, Option<&'a HostName>);

/// Between one sender that is judged and one receiver, the first receipts come in the order of the offers.
pub(super) fn in_order(records: &[Record], is_judged: impl Fn(&HostName) -> bool) -> Result<(), Finding> {
    // By key, each sender with the place of its first offer. Where a key has several, receipts name whose they are.
    let mut offers: BTreeMap<&str, BTreeMap<Option<&HostName>, usize>> = BTreeMap::new();
    // For each sender and receiver the receipt of what was offered last, with the place of that offer.
    let mut newest: BTreeMap<Pair, (usize, Entry)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in facts(records).filter(|entry| entry.kind == FactKind::Offered) {
        offers.entry(entry.key).or_default().entry(entry.from.or(entry.host)).or_insert(entry.index);
    }
    for receipt in facts(records).filter(|entry| entry.kind == FactKind::Received) {
        let Some(senders) = offers.get(receipt.key) else { continue };
        let named = |sender: &Option<&HostName>| receipt.from.is_none() || *sender == receipt.from;
        let Some((&sender, &offered)) = senders.iter().find(|(sender, _)| named(sender)) else { continue };
        if !sender.is_none_or(&is_judged) || !seen.insert((sender, receipt.receiver(), receipt.key)) {
            continue;
        }
        match newest.get(&(sender, receipt.receiver())) {
            Some((later, overtaker)) if *later > offered => {
                let sentence = format!(
                    "{} received {} before {}, which {} had offered earlier.",
                    name(receipt.receiver()),
                    overtaker.key,
                    receipt.key,
                    name(sender),
                );
                return Err(Finding::new("out of order", sentence)
                    .witness([offered, *later, overtaker.index, receipt.index])
                    .role(receipt.receiver()));
            }
            Some(_) | None => newest.insert((sender, receipt.receiver()), (offered, receipt)),
        };
    }
    Ok(())
}
