//! By which connections things get from one host to another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::name::HostName;
use crate::trace::{ConnectionEvent, Record, RecordKind};

/// Who was ever connected with whom.
#[derive(Debug, Default)]
pub(super) struct Ways<'a> {
    neighbours: BTreeMap<&'a HostName, BTreeSet<&'a HostName>>,
}

/// Two hosts, whichever of them connects to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair<'a>(&'a HostName, &'a HostName);

impl<'a> Pair<'a> {
    pub(super) fn of(one: &'a HostName, other: &'a HostName) -> Self {
        if one <= other { Self(one, other) } else { Self(other, one) }
    }

    pub(super) fn has(self, host: &HostName) -> bool {
        self.0 == host || self.1 == host
    }
}

impl<'a> Ways<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut ways = Self::default();
        for record in records {
            if let RecordKind::Connection { id, event: ConnectionEvent::Established } = &record.what {
                let (client, server) = (&id.link.client, &id.link.server);
                ways.neighbours.entry(client).or_default().insert(server);
                ways.neighbours.entry(server).or_default().insert(client);
            }
        }
        ways
    }

    /// Whether no host was ever connected.
    pub(super) fn is_empty(&self) -> bool {
        self.neighbours.is_empty()
    }

    /// Whether a shortest way between two hosts leads over the connections of a pair.
    pub(super) fn leads_over(&self, from: &HostName, to: &HostName, pair: Pair) -> bool {
        let (out, back) = (self.distances(from), self.distances(to));
        let Some(whole) = out.get(to) else { return false };
        let over = |near: &HostName, far: &HostName| {
            out.get(near).zip(back.get(far)).is_some_and(|(near, far)| near + 1 + far == *whole)
        };
        over(pair.0, pair.1) || over(pair.1, pair.0)
    }

    /// Whether a shortest way between two hosts leads through a third, or to it.
    pub(super) fn leads_through(&self, from: &HostName, to: &HostName, host: &HostName) -> bool {
        let (out, back) = (self.distances(from), self.distances(to));
        let Some(whole) = out.get(to) else { return false };
        out.get(host).zip(back.get(host)).is_some_and(|(here, there)| here + there == *whole)
    }

    /// How many connections lie between a host and each that it reaches.
    fn distances(&self, from: &HostName) -> BTreeMap<&HostName, usize> {
        let mut distances = BTreeMap::new();
        let mut next: VecDeque<_> =
            self.neighbours.get_key_value(from).map(|(host, _)| (*host, 0)).into_iter().collect();
        while let Some((host, distance)) = next.pop_front() {
            if distances.contains_key(host) {
                continue;
            }
            distances.insert(host, distance);
            next.extend(self.neighbours.get(host).into_iter().flatten().map(|neighbour| (*neighbour, distance + 1)));
        }
        distances
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;

    #[test]
    fn a_way_leads_over_what_lies_between_its_ends_and_over_nothing_else() {
        let run = [("alice", "chat"), ("bob", "chat"), ("bob", "metrics"), ("alice", "metrics")]
            .into_iter()
            .fold(TraceBuilder::new(), |run, (client, server)| {
                run.connection(1, client, server, 1, ConnectionEvent::Established)
            });
        let ways = Ways::of(&run.records);
        let name = |name: &str| HostName::from(name);
        let [alice, bob, chat, metrics, nobody] = ["alice", "bob", "chat", "metrics", "nobody"].map(name);
        assert!(ways.leads_over(&alice, &chat, Pair::of(&chat, &alice)));
        assert!(!ways.leads_over(&alice, &chat, Pair::of(&alice, &metrics)));
        assert!(ways.leads_over(&alice, &bob, Pair::of(&bob, &chat)));
        assert!(ways.leads_through(&alice, &bob, &chat) && ways.leads_through(&alice, &bob, &bob));
        assert!(!ways.leads_through(&alice, &chat, &bob));
        assert!(!ways.leads_over(&alice, &nobody, Pair::of(&alice, &chat)));
    }
}
