//! Law: a load is served: each of its connections that stays is answered, and what was sent arrived or was lost with its connection.

use std::collections::{BTreeMap, BTreeSet};

use halfopen::FactKind;
use halfopen::check::{Check, Evidence, Figure, Finding};
use halfopen::name::HostName;
use halfopen::trace::RecordKind;
use serde::Deserialize;

/// What an actor that plays a load is held to. It tells the gauges `connections`, `dropped` and `succeeded` beside what it
/// offers, receives and gives up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// The actor.
    by: HostName,
    /// How many connections it makes.
    connections: u64,
    /// The least and the greatest share of them that it drops, in percent: without abrupt ends it would be no load.
    dropped_percent: [u64; 2],
    /// The least share of what it sends that arrives, in percent.
    received_percent: u64,
}

/// What a load came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    connections: u64,
    dropped: u64,
    succeeded: u64,
    sent: u64,
    received: u64,
    lost: u64,
}

impl Check for Load {
    fn name(&self) -> &'static str {
        "load"
    }

    fn law(&self) -> &'static str {
        "each connection of a load that stays is answered, and what was sent arrived or was lost with its connection"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Gauge, FactKind::Offered, FactKind::Received]
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let counts = self.counts(evidence);
        match self.complaint(counts) {
            None => Ok(counts.sentence()),
            Some((clause, sentence)) => Err(Finding::new(clause, sentence).role(Some(&self.by))),
        }
    }

    fn figures(&self, evidence: &Evidence) -> Vec<Figure> {
        let Counts { connections, dropped, succeeded, sent, received, lost } = self.counts(evidence);
        vec![
            Figure::share("succeeded", succeeded, connections - dropped),
            Figure::count("dropped", dropped),
            Figure::count("sent", sent),
            Figure::count("received", received),
            Figure::count("lost", lost),
        ]
    }
}

impl Load {
    fn counts(&self, evidence: &Evidence) -> Counts {
        let (mut gauges, mut keys) = (BTreeMap::new(), BTreeMap::<FactKind, BTreeSet<&str>>::new());
        for record in evidence.records.iter().filter(|record| record.host.as_ref() == Some(&self.by)) {
            let RecordKind::Fact(fact) = &record.what else { continue };
            if fact.kind == FactKind::Gauge {
                let value = fact.value.as_ref().and_then(|value| value.parse().ok());
                gauges.insert(fact.key.as_str(), value.unwrap_or(0));
            } else {
                keys.entry(fact.kind).or_default().insert(&fact.key);
            }
        }
        let gauge = |name| gauges.get(name).copied().unwrap_or(0);
        let count = |kind| keys.get(&kind).map_or(0, |keys| keys.len() as u64);
        Counts {
            connections: gauge("connections"),
            dropped: gauge("dropped"),
            succeeded: gauge("succeeded"),
            sent: count(FactKind::Offered),
            received: count(FactKind::Received),
            lost: count(FactKind::ClaimedFailed),
        }
    }

    /// The clause that the load broke, and how.
    fn complaint(&self, counts: Counts) -> Option<(&'static str, String)> {
        let Counts { connections, dropped, succeeded, sent, received, lost } = counts;
        let [least, most] = self.dropped_percent;
        if connections != self.connections {
            let wanted = self.connections;
            return Some(("no such load", format!("{connections} connections were made, and not {wanted}.")));
        }
        if dropped * 100 < connections * least || dropped * 100 > connections * most {
            let sentence =
                format!("{dropped} of {connections} connections were dropped, and not {least} to {most} percent.");
            return Some(("no such load", sentence));
        }
        if succeeded != connections - dropped {
            let stayed = connections - dropped;
            return Some(("unanswered", format!("of {stayed} connections that stayed {succeeded} were answered.")));
        }
        if sent != received + lost {
            let sentence = format!("{sent} messages were sent, {received} arrived and {lost} were given up.");
            return Some(("unaccounted", sentence));
        }
        (received * 100 < sent * self.received_percent).then(|| {
            let wanted = self.received_percent;
            ("lost", format!("{received} of {sent} messages arrived, which is less than {wanted} percent."))
        })
    }
}

impl Counts {
    fn sentence(self) -> String {
        let Self { connections, dropped, succeeded, sent, received, lost } = self;
        let stayed = connections - dropped;
        format!(
            "{succeeded} of {stayed} that stayed succeeded, {dropped} dropped; sent {sent}, received {received}, lost {lost}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: &str = "by = 'crowd'\nconnections = 10\ndropped_percent = [10, 30]\nreceived_percent = 90";
    const GOOD: Counts = Counts { connections: 10, dropped: 2, succeeded: 8, sent: 30, received: 28, lost: 2 };

    fn clause(counts: Counts) -> Option<&'static str> {
        let law: Load = toml::from_str(LAW).expect("well-formed");
        law.complaint(counts).map(|(clause, _)| clause)
    }

    #[test]
    fn a_load_that_is_served_is_in_order_and_told_in_figures() {
        assert_eq!(clause(GOOD), None);
        assert_eq!(GOOD.sentence(), "8 of 8 that stayed succeeded, 2 dropped; sent 30, received 28, lost 2");
    }

    #[test]
    fn a_connection_that_stayed_and_was_not_answered_is_convicted() {
        assert_eq!(clause(Counts { succeeded: 7, ..GOOD }), Some("unanswered"));
    }

    #[test]
    fn a_message_that_is_neither_here_nor_given_up_is_convicted_and_so_are_many_that_were() {
        assert_eq!(clause(Counts { lost: 1, ..GOOD }), Some("unaccounted"));
        assert_eq!(clause(Counts { received: 26, lost: 4, ..GOOD }), Some("lost"));
    }

    #[test]
    fn a_load_that_was_none_proves_nothing() {
        assert_eq!(clause(Counts { dropped: 0, succeeded: 10, ..GOOD }), Some("no such load"));
        assert_eq!(clause(Counts { dropped: 4, succeeded: 6, ..GOOD }), Some("no such load"));
        assert_eq!(clause(Counts { connections: 0, dropped: 0, succeeded: 0, ..GOOD }), Some("no such load"));
    }
}
