//! Whether a loss may be excused: an excuse names the loss's own cause.
//!
//! What excuses a loss must lie on the way that the thing takes, in the time in which it is on it, and before the run is
//! judged. What came through there later than the thing was offered shows that the thing was not lost there.

use std::collections::{BTreeMap, BTreeSet};

use super::Evidence;
use super::deaths::{Connections, Death, pair_of};
use super::delivery::{AllowedLoss, LossReason};
use super::fact_index::{Entry, FactIndex, KeyHistory};
use super::process_timeline::ProcessTimeline;
use super::ways::Ways;
use crate::fact::FactKind;
use crate::name::{HostName, Side};

/// Where the trace says why something could be lost.
pub(super) struct Excuses<'a> {
    /// The place from which on the hosts are stopped.
    judged: usize,
    processes: ProcessTimeline<'a>,
    connections: Connections<'a>,
    ways: Ways<'a>,
    /// By sender: every host that told something about one of its things.
    stations: BTreeMap<&'a HostName, BTreeSet<&'a HostName>>,
    passages: Vec<Passage<'a>>,
}

/// A thing that arrived.
struct Passage<'a> {
    sender: &'a HostName,
    receiver: &'a HostName,
    offered: usize,
    received: usize,
}

impl<'a> Excuses<'a> {
    pub(super) fn of(evidence: &Evidence<'a>, facts_by_key: &FactIndex<'a>) -> Self {
        let processes = ProcessTimeline::of(evidence.records);
        let connections = Connections::of(evidence, &processes);
        let mut stations: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut passages = Vec::new();
        for history in facts_by_key.histories() {
            let Some(offer) = history.first(FactKind::Offered) else { continue };
            let Some(sender) = offer.host else { continue };
            stations.entry(sender).or_default().extend(history.entries().iter().filter_map(|entry| entry.host));
            let receipts = history.all(FactKind::Received);
            passages.extend(receipts.filter_map(|receipt| {
                let receiver = receipt.host?;
                Some(Passage { sender, receiver, offered: offer.index, received: receipt.index })
            }));
        }
        Self {
            judged: evidence.records.partition_point(|record| record.at <= evidence.last.at),
            processes,
            connections,
            ways: Ways::of(evidence.records),
            stations,
            passages,
        }
    }

    /// Whether this reason explains why a thing that was offered has not arrived.
    pub(super) fn explain(&self, allowed: &AllowedLoss, history: &KeyHistory<'a>, offer: &Entry<'a>) -> bool {
        let meant = |host: &HostName| allowed.host.as_ref().is_none_or(|named| named == host);
        let told =
            |entry: &&Entry| entry.index < self.judged && (allowed.host.is_none() || entry.host.is_some_and(meant));
        match allowed.reason {
            LossReason::NotAccepted => !history.all(FactKind::Accepted).any(|entry| told(&entry)),
            LossReason::Told => history.all(FactKind::ClaimedFailed).any(|entry| told(&entry) && entry.at >= offer.at),
            LossReason::HostDied => {
                let dead = self.processes.hosts().filter(|host| meant(host) && self.is_station(host, allowed, offer));
                let mut kills = dead.flat_map(|host| self.processes.kills(host).map(move |kill| (host, kill)));
                kills.any(|(host, kill)| self.dies_with_host(host, kill, history, offer))
            }
            LossReason::ConnectionLost => {
                let deaths = self.connections.deaths.iter();
                let mut own = deaths.filter(|death| self.carries(death, allowed, offer));
                own.any(|death| self.dies_with(death, history, offer) || self.falls_into_gap(death, offer))
            }
        }
    }

    /// Whether a connection lies on the way of a sender's things.
    fn carries(&self, death: &Death, allowed: &AllowedLoss, offer: &Entry) -> bool {
        let link = &death.id.link;
        if let Some(named) = &allowed.host
            && *named != link.client
            && *named != link.server
        {
            return false;
        }
        self.lies_on_way(allowed, offer, |from, to| self.ways.leads_over(from, to, pair_of(death.id)))
    }

    /// Whether a host lies on the way of a sender's things.
    fn is_station(&self, host: &HostName, allowed: &AllowedLoss, offer: &Entry) -> bool {
        self.lies_on_way(allowed, offer, |from, to| self.ways.leads_through(from, to, host))
    }

    fn lies_on_way(&self, allowed: &AllowedLoss, offer: &Entry, leads: impl Fn(&HostName, &HostName) -> bool) -> bool {
        let Some(sender) = offer.host.filter(|_| !self.ways.is_empty()) else { return true };
        let told = self.stations.get(sender).into_iter().flatten().copied();
        let ends: BTreeSet<_> = told.chain([sender]).chain(allowed.host.as_ref()).collect();
        // Only the sender tells of its things, so their way is unknown.
        ends.len() == 1 || ends.iter().any(|from| ends.iter().any(|to| from < to && leads(from, to)))
    }

    /// The thing was on its way through a process when a fault killed it, or was offered while it was down.
    fn dies_with_host(&self, host: &HostName, kill: usize, history: &KeyHistory, offer: &Entry) -> bool {
        let up_again = self.processes.starts_after(host, kill);
        let in_time = kill < self.judged && up_again.is_none_or(|start| offer.index < start);
        let through = |passage: &Passage| self.ways.leads_through(passage.sender, passage.receiver, host);
        in_time && !(offer.index < kill && self.is_overtaken(history, offer, kill, through))
    }

    /// The thing was offered when the connection was there or awaited, and can have been on it when it was lost.
    fn dies_with(&self, death: &Death<'a>, history: &KeyHistory, offer: &Entry) -> bool {
        let since = self.connections.awaited_since(death.id);
        let pair = pair_of(death.id);
        let over = |passage: &Passage| {
            self.ways.leads_over(passage.sender, passage.receiver, pair)
                && self.connections.is_alone(death.id, offer.index, passage.received)
        };
        (since..death.index).contains(&offer.index) && !self.is_overtaken(history, offer, death.index, over)
    }

    /// Whether something that the same host offered later had come through before. What a host has accepted is worked
    /// on, and what makes a round trip waits for an answer: neither keeps to an order.
    fn is_overtaken(
        &self,
        history: &KeyHistory,
        offer: &Entry,
        before: usize,
        leads: impl Fn(&Passage) -> bool,
    ) -> bool {
        let later = |passage: &&Passage| {
            Some(passage.sender) == offer.host
                && passage.receiver != passage.sender
                && passage.offered > offer.index
                && passage.received < before
        };
        history.first(FactKind::Accepted).is_none() && self.passages.iter().filter(later).any(leads)
    }

    /// The thing was offered after the loss, and before the end that connects could be in touch again. An end that was
    /// not told of the loss has nothing to come back for.
    fn falls_into_gap(&self, death: &Death<'a>, offer: &Entry) -> bool {
        if offer.index < death.index || death.told != Side::Client {
            return false;
        }
        let pair = pair_of(death.id);
        let (again, until) = match self.connections.connected_again(pair, death.index) {
            Some((again, settling)) => (again.index, Some(again.at + settling)),
            None => (self.judged, None),
        };
        // Who hears of something that was said after the loss is in touch.
        let proof = self.passages.iter().any(|passage| {
            passage.offered > death.index
                && passage.offered < offer.index
                && passage.received < again
                && self.ways.leads_over(passage.sender, passage.receiver, pair)
        });
        !proof && until.is_none_or(|until| offer.at <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::check::{Delivery, DeliveryLaw};
    use crate::fact::FactKind::{Accepted, ClaimedFailed, Offered, Received};
    use crate::fault::{HalfOpen, HalfOpenKind};
    use crate::trace::ConnectionEvent::{Attempted, Closed, Established, Fin, Forgotten, GaveUp, Rst};
    use crate::trace::GaveUpOn;

    const LOST: &str = "delivery: silent loss @ news";
    const EXCUSED: &str = "delivered 1 of 2, 1 lost with a reason";

    #[test]
    fn a_connection_that_its_kernel_gave_up_excuses_what_was_on_it_and_what_was_said_until_it_was_back() {
        for why in [GaveUpOn::Keepalive, GaveUpOn::Retransmission, GaveUpOn::UserTimeout] {
            let dead = |offered| {
                told_at(offered)
                    .connection(40_000, "bob", "news", 1, GaveUp { by: Side::Client, why })
                    .connection(41_000, "bob", "news", 2, Attempted)
                    .connection(104_000, "bob", "news", 2, Established)
            };
            assert_eq!(dead(35_000).held(&lost_with("bob")), EXCUSED);
            let later = |offered| {
                let run = told_at(10_000);
                run.connection(40_000, "bob", "news", 1, GaveUp { by: Side::Client, why })
                    .connection(41_000, "bob", "news", 2, Attempted)
                    .fact(if offered < 104_000 { offered } else { 103_999 }, "news", Offered, "gap")
                    .fact(103_999, "news", Offered, "still-gap")
                    .connection(104_000, "bob", "news", 2, Established)
                    .fact(104_100, "news", Offered, "not-yet-subscribed")
                    .fact(offered.max(104_100), "news", Offered, "late")
            };
            assert_eq!(later(104_150).held(&lost_with("bob")), "delivered 1 of 6, 5 lost with a reason");
            assert_eq!(later(104_200).broken(&lost_with("bob")), LOST);
        }
    }

    #[test]
    fn a_reset_that_the_actors_own_end_draws_excuses_nothing() {
        let closes = told_at(35_000).connection(400_000, "bob", "news", 1, Closed { by: Side::Client });
        let answered = closes.connection(400_040, "bob", "news", 1, Rst { to: Side::Client, forged: false });
        assert_eq!(answered.clone().exited(400_041, "bob", None).broken(&lost_with("bob")), LOST);
        // Input that it had not read makes its kernel reset the other end.
        let unread = told_at(35_000)
            .connection(400_000, "bob", "news", 1, Closed { by: Side::Client })
            .exited(400_000, "bob", None)
            .connection(400_020, "bob", "news", 1, Rst { to: Side::Server, forged: false });
        assert_eq!(unread.broken(&lost_with("bob")), LOST);
        assert_eq!(unread.broken(&lost_with("news")), LOST);
    }

    #[test]
    fn a_reset_excuses_what_was_under_way_and_not_what_it_came_too_late_for() {
        let reset =
            |run: TraceBuilder, at| run.connection(at, "bob", "news", 1, Rst { to: Side::Client, forged: true });
        assert_eq!(reset(told_at(35_000), 36_000).held(&lost_with("bob")), EXCUSED);
        let overtaken = told_at(35_000).fact(45_000, "news", Offered, "m-3").fact(45_020, "bob", Received, "m-3");
        assert_eq!(reset(overtaken.clone(), 50_000).broken(&lost_with("bob")), LOST);
        // Who has accepted it works on it, and may be overtaken.
        let at_work = overtaken.fact(45_030, "news", Accepted, "m-2");
        assert_eq!(reset(at_work, 50_000).held(&lost_with("bob")), "delivered 2 of 3, 1 lost with a reason");
        // When the run is over it is over.
        assert_eq!(reset(told_at(35_000), 36_000).ending(35_500).broken(&lost_with("bob")), LOST);
    }

    #[test]
    fn another_connection_of_the_host_excuses_nothing() {
        let run = told_at(35_000).connection(1, "bob", "metrics", 1, Established).connection(
            36_000,
            "bob",
            "metrics",
            1,
            Rst { to: Side::Client, forged: true },
        );
        assert_eq!(run.broken(&lost_with("bob")), LOST);
        let other_host = told_at(35_000).connection(1, "carol", "news", 1, Established).connection(
            36_000,
            "carol",
            "news",
            1,
            Rst { to: Side::Client, forged: true },
        );
        assert_eq!(other_host.broken(&lost_with("bob")), LOST);
        // The one that came after it was not there when it was lost.
        let next = told_at(35_000)
            .connection(50_000, "bob", "news", 1, Closed { by: Side::Client })
            .connection(51_000, "bob", "news", 2, Attempted)
            .connection(51_040, "bob", "news", 2, Established)
            .connection(60_000, "bob", "news", 2, Rst { to: Side::Client, forged: true });
        assert_eq!(next.broken(&lost_with("bob")), LOST);
    }

    #[test]
    fn a_process_that_gives_up_a_silenced_connection_has_lost_it() {
        let silence = HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after: None };
        let silenced = |healed: Option<u64>| {
            let run = TraceBuilder::new()
                .connection(0, "bob", "news", 1, Attempted)
                .connection(40, "bob", "news", 1, Established)
                .fact(10_000, "news", Offered, "m-1")
                .fact(10_020, "bob", Received, "m-1")
                .struck(20_000, "bob", "news", silence.clone())
                .fact(35_000, "news", Offered, "m-2");
            let run = match healed {
                Some(at) => run.healed(at, 0),
                None => run,
            };
            run.connection(60_000, "bob", "news", 1, Closed { by: Side::Client })
        };
        assert_eq!(silenced(None).held(&lost_with("bob")), EXCUSED);
        let forgotten = |connection| {
            told_at(35_000).connection(20_000, "bob", "news", connection, Forgotten).connection(
                60_000,
                "bob",
                "news",
                1,
                Closed { by: Side::Client },
            )
        };
        assert_eq!(forgotten(1).held(&lost_with("bob")), EXCUSED);
        assert_eq!(forgotten(2).broken(&lost_with("bob")), LOST);
        assert_eq!(silenced(Some(50_000)).broken(&lost_with("bob")), LOST);
        assert_eq!(silenced(None).exited(60_000, "bob", None).broken(&lost_with("bob")), LOST);
    }

    #[test]
    fn a_fin_is_a_loss_when_a_fault_made_it_or_killed_who_sent_it() {
        let fin =
            |run: TraceBuilder, forged| run.connection(36_020, "bob", "news", 1, Fin { by: Side::Server, forged });
        assert_eq!(fin(told_at(35_000), true).held(&lost_with("bob")), EXCUSED);
        assert_eq!(fin(told_at(35_000), false).broken(&lost_with("bob")), LOST);
        let crashed = told_at(35_000).started(35_500, "news").crashed(36_000, "news");
        let crashed = crashed.connection(36_000, "bob", "news", 1, Closed { by: Side::Server });
        assert_eq!(fin(crashed, false).held(&lost_with("bob")), EXCUSED);
    }

    #[test]
    fn a_death_excuses_what_the_dead_were_carrying() {
        let law = |host: &str| allowing(LossReason::HostDied, Some(host));
        let dies = |offered, at| told_at(offered).crashed(at, "news").started(at + 5000, "news");
        assert_eq!(dies(35_000, 36_000).held(&law("news")), EXCUSED);
        assert_eq!(dies(35_000, 36_000).broken(&law("bob")), LOST);
        let overtaken = told_at(35_000).fact(45_000, "news", Offered, "m-3").fact(45_020, "bob", Received, "m-3");
        assert_eq!(overtaken.crashed(50_000, "news").broken(&law("news")), LOST);
        let after = told_at(10_000).crashed(20_000, "bob").started(25_000, "bob");
        assert_eq!(after.fact(35_000, "news", Offered, "m-9").broken(&law("bob")), LOST);
        // The death of a host that has no part in it excuses nothing.
        let stranger = told_at(35_000).connection(36_000, "bob", "metrics", 1, Established).crashed(37_000, "metrics");
        assert_eq!(stranger.broken(&allowing(LossReason::HostDied, None)), LOST);
    }

    #[test]
    fn what_was_told_before_it_was_offered_is_not_told() {
        let law = allowing(LossReason::Told, None);
        let told = |at: u64| {
            let run = TraceBuilder::new().fact(500, "news", Offered, "m-0").fact(510, "bob", Received, "m-0");
            let early = if at < 1000 { run.fact(at, "news", ClaimedFailed, "m-1") } else { run };
            let offered = early.fact(1000, "news", Offered, "m-1");
            if at < 1000 { offered } else { offered.fact(at, "news", ClaimedFailed, "m-1") }
        };
        assert_eq!(told(1500).held(&law), EXCUSED);
        assert_eq!(told(900).broken(&law), LOST);
    }

    /// Bob is connected and has heard `m-1`; `m-2` is offered then (or, at 10 s, is `m-1`), and no host receives it.
    fn told_at(offered: u64) -> TraceBuilder {
        let run = TraceBuilder::new()
            .connection(0, "bob", "news", 1, Attempted)
            .connection(40, "bob", "news", 1, Established)
            .fact(9000, "news", Offered, "m-1")
            .fact(9020, "bob", Received, "m-1");
        run.fact(offered, "news", Offered, "m-2")
    }

    fn lost_with(host: &str) -> Delivery {
        allowing(LossReason::ConnectionLost, Some(host))
    }

    fn allowing(reason: LossReason, host: Option<&str>) -> Delivery {
        Delivery {
            allowed_losses: vec![AllowedLoss { reason, host: host.map(HostName::from), at_most: None }],
            ..Delivery::of(DeliveryLaw::ExactlyOnce)
        }
    }
}
