//! The facts of a run, by what they speak of.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Finding;
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::{Record, Seconds};

/// One fact with where and when it was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The place of its record in the trace.
    pub(super) index: usize,
    pub(super) at: Duration,
    pub(super) host: Option<&'a HostName>,
    pub(super) kind: FactKind,
    pub(super) key: &'a str,
    pub(super) value: Option<&'a str>,
    /// Who offered it, when the fact says so.
    pub(super) from: Option<&'a HostName>,
    /// For whom it is, when the fact says so.
    pub(super) to: Option<&'a HostName>,
}

impl<'a> Entry<'a> {
    /// The host in a sentence.
    pub(super) fn by(&self) -> &str {
        name(self.host)
    }

    /// Who has it, of a receipt.
    pub(super) fn receiver(&self) -> Option<&'a HostName> {
        self.to.or(self.host)
    }

    /// Who offered it, of an offer.
    fn sender(&self) -> Option<&'a HostName> {
        self.from.or(self.host)
    }
}

/// A host in a sentence.
pub(super) fn name(host: Option<&HostName>) -> &str {
    host.map_or("an unnamed host", HostName::as_str)
}

/// Every fact, in the order of the trace.
pub(super) fn facts(records: &[Record]) -> impl Iterator<Item = Entry<'_>> {
    records.iter().enumerate().filter_map(|(index, record)| {
        let fact = record.what.fact()?;
        Some(Entry {
            index,
            at: record.at,
            host: record.host.as_ref(),
            kind: fact.kind,
            key: &fact.key,
            value: fact.value.as_deref(),
            from: fact.from.as_ref(),
            to: fact.to.as_ref(),
        })
    })
}

/// All that was told about one key, or about one thing, in the order of the trace.
#[derive(Debug)]
pub(super) struct KeyHistory<'a> {
    pub(super) key: &'a str,
    /// The host that offered it.
    pub(super) sender: Option<&'a HostName>,
    /// For whom it was offered; for anybody, without.
    pub(super) addressee: Option<&'a HostName>,
    entries: Vec<Entry<'a>>,
}

impl<'a> KeyHistory<'a> {
    fn new(key: &'a str, sender: Option<&'a HostName>, addressee: Option<&'a HostName>) -> Self {
        Self { key, sender, addressee, entries: Vec::new() }
    }

    /// The facts of one kind.
    pub(super) fn all(&self, kind: FactKind) -> impl DoubleEndedIterator<Item = &Entry<'a>> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// The first fact of a kind.
    pub(super) fn first(&self, kind: FactKind) -> Option<&Entry<'a>> {
        self.all(kind).next()
    }

    /// The last fact of a kind.
    pub(super) fn last(&self, kind: FactKind) -> Option<&Entry<'a>> {
        self.all(kind).next_back()
    }

    /// Every fact.
    pub(super) fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// What concerns one of several receivers: all but what is of the others, with this host as the addressee.
    pub(super) fn seen_by(&self, receiver: &'a HostName) -> Self {
        let concerns = |entry: &&Entry| match entry.kind {
            FactKind::Offered => true,
            FactKind::Received => entry.receiver() == Some(receiver),
            FactKind::Accepted
            | FactKind::ClaimedDelivered
            | FactKind::ClaimedFailed
            | FactKind::Refused
            | FactKind::Outcome
            | FactKind::Detected
            | FactKind::Recovered
            | FactKind::Retried
            | FactKind::StreamOpened
            | FactKind::StreamProduced
            | FactKind::StreamEvent
            | FactKind::StreamTerminator
            | FactKind::StreamError
            | FactKind::StreamEnded
            | FactKind::StreamLeft
            | FactKind::StreamCancelled
            | FactKind::Gauge => entry.to.is_none_or(|to| to == receiver),
        };
        let entries = self.entries.iter().filter(concerns).copied().collect();
        Self { key: self.key, sender: self.sender, addressee: Some(receiver), entries }
    }
}

/// Accounts, in the order in which their keys first appear: keys are often random, and their own order would make the
/// first violation a matter of chance.
#[derive(Debug)]
pub(super) struct FactIndex<'a> {
    histories: Vec<KeyHistory<'a>>,
}

impl<'a> FactIndex<'a> {
    /// Reads the facts of the given kinds, an account a key.
    pub(super) fn of(records: &'a [Record], kinds: &[FactKind]) -> Self {
        let mut places = BTreeMap::new();
        let mut histories: Vec<KeyHistory<'a>> = Vec::new();
        for entry in facts(records).filter(|entry| kinds.contains(&entry.kind)) {
            let place = *places.entry(entry.key).or_insert(histories.len());
            if place == histories.len() {
                histories.push(KeyHistory::new(entry.key, None, None));
            }
            histories[place].entries.push(entry);
        }
        Self { histories }
    }

    /// Reads what decides whether something was delivered, told to have failed, or lost.
    pub(super) fn of_deliveries(records: &'a [Record]) -> Result<Self, Finding> {
        Self::of_things(records, &[FactKind::Accepted, FactKind::Received, FactKind::Refused, FactKind::ClaimedFailed])
    }

    /// Reads the facts of the given kinds and the offers, an account a thing: a key of one sender, for one addressee when
    /// the offers name any.
    ///
    /// Several senders may use one key. Then each fact must show whose thing it speaks of, by its `from` or by being told
    /// by a sender.
    pub(super) fn of_things(records: &'a [Record], kinds: &[FactKind]) -> Result<Self, Finding> {
        let mut facts_by_key = Self { histories: Vec::new() };
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for offer in facts(records).filter(|entry| entry.kind == FactKind::Offered) {
            let known = places.entry(offer.key).or_default();
            let is_it = |history: &KeyHistory| history.sender == offer.sender() && history.addressee == offer.to;
            if !known.iter().any(|place| is_it(&facts_by_key.histories[*place])) {
                known.push(facts_by_key.histories.len());
                facts_by_key.histories.push(KeyHistory::new(offer.key, offer.sender(), offer.to));
            }
        }
        for entry in facts(records).filter(|entry| entry.kind == FactKind::Offered || kinds.contains(&entry.kind)) {
            let known = places.entry(entry.key).or_default();
            let mut meant = facts_by_key.meant(&entry, known)?;
            if meant.is_empty() {
                meant.push(facts_by_key.histories.len());
                known.push(facts_by_key.histories.len());
                facts_by_key.histories.push(KeyHistory::new(entry.key, entry.from, None));
            }
            for place in meant {
                facts_by_key.histories[place].entries.push(entry);
            }
        }
        facts_by_key.histories.sort_by_key(|history| history.entries.first().map(|entry| entry.index));
        Ok(facts_by_key)
    }

    /// Which of the accounts of its key a fact speaks of.
    fn meant(&self, entry: &Entry<'a>, known: &[usize]) -> Result<Vec<usize>, Finding> {
        let history = |place: &usize| &self.histories[*place];
        if entry.kind == FactKind::Offered {
            let is_it = |place: &usize| history(place).sender == entry.sender() && history(place).addressee == entry.to;
            return Ok(known.iter().copied().filter(is_it).collect());
        }
        let of = |sender| known.iter().copied().filter(move |place| history(place).sender == sender).collect();
        let ofs: Vec<usize> = match entry.from {
            Some(sender) => of(Some(sender)),
            None => {
                let own: Vec<usize> = if entry.kind == FactKind::Received { Vec::new() } else { of(entry.host) };
                let first = known.first().map(|place| history(place).sender);
                let stranger = known.iter().find(|place| Some(history(place).sender) != first);
                match (own.is_empty(), first, stranger) {
                    (false, _, _) => own,
                    (true, Some(_), Some(stranger)) => return Err(self.whose(entry, known[0], *stranger)),
                    (true, _, _) => known.to_vec(),
                }
            }
        };
        let party = if entry.kind == FactKind::Received { entry.receiver() } else { entry.to };
        let addressed: Vec<usize> =
            ofs.iter().copied().filter(|place| party.is_some() && history(place).addressee == party).collect();
        let open: Vec<usize> = ofs.iter().copied().filter(|place| history(place).addressee.is_none()).collect();
        Ok(match (entry.kind, addressed.is_empty(), open.is_empty()) {
            (_, false, _) => addressed,
            (FactKind::Received, true, false) => open,
            // A host that is no addressee received it: one history tells of that.
            (FactKind::Received, true, true) => ofs.into_iter().take(1).collect(),
            (_, true, _) => ofs,
        })
    }

    fn whose(&self, entry: &Entry, one: usize, other: usize) -> Finding {
        let offer = |place: usize| {
            let history = &self.histories[place];
            let by = name(history.sender);
            match history.first(FactKind::Offered) {
                Some(offer) => (format!("by {by} at {}", Seconds(offer.at)), Some(offer.index)),
                None => (format!("by {by}"), None),
            }
        };
        let ((first, a), (second, b)) = (offer(one), offer(other));
        let sentence = format!(
            "{} was offered {first} and {second}, and what {} tells of it at {} does not say whose it is: a key names one \
             thing, or the facts about it name its sender (`from`).",
            entry.key,
            entry.by(),
            Seconds(entry.at),
        );
        Finding::new("one key, two senders", sentence)
            .witness(a.into_iter().chain(b).chain([entry.index]))
            .role(entry.host)
    }

    /// Account by account.
    pub(super) fn histories(&self) -> &[KeyHistory<'a>] {
        &self.histories
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::Fact;
    use crate::fact::FactKind::{ClaimedFailed, Offered, Received};

    #[test]
    fn a_key_of_one_sender_is_one_thing_however_often_it_is_offered() {
        let run = TraceBuilder::new()
            .fact(1, "alice", Offered, "m-1")
            .fact(2, "alice", Offered, "m-1")
            .fact(3, "bob", Received, "m-1")
            .fact(4, "bob", Received, "m-2");
        assert_eq!(histories(&run), ["m-1 of alice: 3", "m-2 of an unnamed host: 1"]);
    }

    #[test]
    fn a_key_of_two_senders_is_two_things_and_facts_name_whose() {
        let two = || TraceBuilder::new().fact(1, "alice", Offered, "m-1").fact(2, "carol", Offered, "m-1");
        let named = two()
            .told(3, "bob", Fact::new(Received, "m-1").from("carol"))
            .fact(4, "alice", ClaimedFailed, "m-1")
            .told(5, "bob", Fact::new(Received, "m-1").from("mallory"));
        assert_eq!(histories(&named), ["m-1 of alice: 2", "m-1 of carol: 2", "m-1 of mallory: 1"]);
        let unnamed = two().fact(3, "bob", Received, "m-1");
        let refused = FactIndex::of_things(&unnamed.records, &[Received]).expect_err("whose it is cannot be told");
        insta::assert_debug_snapshot!(refused);
        let by_a_sender = two().fact(3, "carol", Received, "m-1");
        assert!(FactIndex::of_things(&by_a_sender.records, &[Received]).is_err(), "carol has alice's, or her own");
    }

    #[test]
    fn a_thing_for_two_addressees_is_two_things() {
        let run = TraceBuilder::new()
            .told(1, "alice", Fact::new(Offered, "m-1").to("bob"))
            .told(1, "alice", Fact::new(Offered, "m-1").to("carol"))
            .fact(2, "carol", Received, "m-1")
            .fact(3, "dave", Received, "m-1")
            .fact(4, "alice", ClaimedFailed, "m-1");
        assert_eq!(histories(&run), ["m-1 of alice for bob: 3", "m-1 of alice for carol: 3"]);
    }

    fn histories(run: &TraceBuilder) -> Vec<String> {
        let facts_by_key = FactIndex::of_things(&run.records, &[Received, ClaimedFailed]).expect("all are told apart");
        let line = |history: &KeyHistory| {
            let to = history.addressee.map(|to| format!(" for {to}")).unwrap_or_default();
            format!("{} of {}{to}: {}", history.key, name(history.sender), history.entries().len())
        };
        facts_by_key.histories().iter().map(line).collect()
    }
}
