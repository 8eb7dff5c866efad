//! What the port counts, for Prometheus.
//!
//! The library's own families are hash maps, whose order differs from run to run; [`Series`] keeps its own in order, so
//! that two simulations of one plan show the same page, byte for byte. Nothing here reads a clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_link::message::FailureCode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::core::broker::{Gauges, Leg, SpentReason, outcome_name};

/// The content type of [`Metrics::page`].
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// All of it; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    /// What the core holds, in the order of [`named`].
    held: [Gauge; HELD],
    pub(super) session_connections: Gauge,
    pub(super) node_connections: Gauge,
    pub(super) jobs_accepted: Counter,
    pub(super) submits_repeated: Counter,
    pub(super) jobs_finished: Series<&'static str>,
    pub(super) attempts_spent: Series<&'static str>,
    pub(super) results_delivered: Counter,
    pub(super) failures_delivered: Counter,
    pub(super) results_redelivered: Counter,
    pub(super) results_expired: Counter,
    pub(super) sessions_forgotten: Counter,
    pub(super) nodes_forgotten: Counter,
    pub(super) results_refused: Counter,
    pub(super) accept_errors: Counter,
    pub(super) closes: Series<(Leg, u16)>,
    pub(super) connections_refused: Counter,
    pub(super) bounds_met: Series<&'static str>,
    pub(super) waiting_connections: Gauge,
    log_lines_dropped: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let outcomes = std::iter::once(None).chain(FAILURES.map(Some)).map(outcome_name);
        let mut registry = Registry::with_prefix("halfopen");
        let mut metrics = Self {
            registry: Arc::default(),
            held: std::array::from_fn(|_| Gauge::default()),
            session_connections: Gauge::default(),
            node_connections: Gauge::default(),
            jobs_accepted: Counter::default(),
            submits_repeated: Counter::default(),
            jobs_finished: Series::new(|outcome| vec![("outcome", (*outcome).to_owned())], outcomes),
            attempts_spent: Series::new(|reason| vec![("reason", (*reason).to_owned())], reasons()),
            results_delivered: Counter::default(),
            failures_delivered: Counter::default(),
            results_redelivered: Counter::default(),
            results_expired: Counter::default(),
            sessions_forgotten: Counter::default(),
            nodes_forgotten: Counter::default(),
            results_refused: Counter::default(),
            accept_errors: Counter::default(),
            closes: Series::new(close_labels, []),
            connections_refused: Counter::default(),
            bounds_met: Series::new(|bound| vec![("bound", (*bound).to_owned())], ["sessions", "nodes", "total_bytes"]),
            waiting_connections: Gauge::default(),
            log_lines_dropped: Counter::default(),
        };
        for (index, (name, _)) in named(Gauges::default()).into_iter().enumerate() {
            registry.register(name, HELP[index], metrics.held[index].clone());
        }
        let gauges = [
            ("session_connections", "WebSockets served on /ws/session", &metrics.session_connections),
            ("node_connections", "WebSockets served on /ws/node", &metrics.node_connections),
            ("waiting_connections", "Sockets that are no WebSockets, or not yet", &metrics.waiting_connections),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let counters = [
            ("jobs_accepted", "Jobs accepted for the first time", &metrics.jobs_accepted),
            ("submits_repeated", "Submits of jobs that were known already", &metrics.submits_repeated),
            ("results_delivered", "Results that their sessions have acknowledged", &metrics.results_delivered),
            ("failures_delivered", "Failures that their sessions have acknowledged", &metrics.failures_delivered),
            ("results_redelivered", "Results sent once more after a lost connection", &metrics.results_redelivered),
            ("results_expired", "Results that waited too long for absent sessions", &metrics.results_expired),
            ("sessions_forgotten", "Sessions forgotten after their leave or absence", &metrics.sessions_forgotten),
            ("nodes_forgotten", "Nodes forgotten after their absence", &metrics.nodes_forgotten),
            ("results_refused", "Results of nodes that changed nothing", &metrics.results_refused),
            ("accept_errors", "Errors of the listener", &metrics.accept_errors),
            ("connections_refused", "Sockets dropped for want of room", &metrics.connections_refused),
            ("log_lines_dropped", "Lines of this log that nobody read fast enough", &metrics.log_lines_dropped),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("jobs_finished", "Jobs that have their outcome", metrics.jobs_finished.clone());
        registry.register("attempts_spent", "Attempts that count no longer", metrics.attempts_spent.clone());
        registry.register("bounds_met", "Times that a bound was met and told of", metrics.bounds_met.clone());
        registry.register("closes", "WebSockets ended, by close code as this side saw it", metrics.closes.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }

    /// Takes over the core's own count.
    pub(super) fn set(&self, gauges: Gauges) {
        for (gauge, (_, value)) in self.held.iter().zip(named(gauges)) {
            // A count beyond 2^63 is shown as that: a gauge holds no more.
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// The latest value of one of the core's gauges; nothing for another name.
    pub(super) fn held(&self, name: &str) -> Option<i64> {
        let index = named(Gauges::default()).iter().position(|(known, _)| *known == name)?;
        Some(self.held[index].get())
    }

    /// The text format of Prometheus, version 0.0.4.
    pub(super) fn page(&self) -> String {
        self.log_lines_dropped.inner().store(halfopen_process::log::dropped_lines(), Ordering::Relaxed);
        let mut page = String::new();
        prometheus_text::encode(&mut page, &self.registry).expect("a string takes whatever is written to it");
        page
    }
}

const HELD: usize = 14;

/// What each of the core's gauges counts, in the order of [`named`].
const HELP: [&str; HELD] = [
    "Sessions with a connection",
    "Nodes with a connection",
    "Nodes with a connection that are given no work because of what they have done",
    "WebSockets on record, those without a hello among them",
    "Sessions that can be resumed",
    "Nodes whose identity is remembered",
    "Accepted jobs without an outcome",
    "Open jobs that wait for a node",
    "Attempts that nodes are at work on",
    "Attempts at open jobs, spent ones included",
    "Outcomes that their sessions have not acknowledged",
    "Undelivered outcomes of sessions without a connection",
    "Bytes of text held for undelivered outcomes",
    "Bytes of text held for open jobs and undelivered outcomes",
];

/// The core's gauges by the names that the log and the page give them.
pub(super) fn named(gauges: Gauges) -> [(&'static str, usize); HELD] {
    let Gauges {
        connected_sessions,
        connected_nodes,
        benched_nodes,
        open_connections,
        known_sessions,
        known_nodes,
        open_jobs,
        queued_jobs,
        busy_slots,
        open_attempts,
        undelivered_outcomes,
        outcomes_of_absent_sessions,
        outbox_bytes,
        buffered_bytes,
    } = gauges;
    [
        ("connected_sessions", connected_sessions),
        ("connected_nodes", connected_nodes),
        ("benched_nodes", benched_nodes),
        ("open_connections", open_connections),
        ("known_sessions", known_sessions),
        ("known_nodes", known_nodes),
        ("open_jobs", open_jobs),
        ("queued_jobs", queued_jobs),
        ("busy_slots", busy_slots),
        ("open_attempts", open_attempts),
        ("undelivered_outcomes", undelivered_outcomes),
        ("outcomes_of_absent_sessions", outcomes_of_absent_sessions),
        ("outbox_bytes", outbox_bytes),
        ("buffered_bytes", buffered_bytes),
    ]
}

const FAILURES: [FailureCode; 7] = [
    FailureCode::NoAvailableNode,
    FailureCode::QueueTimeout,
    FailureCode::JobTimeout,
    FailureCode::NodeUnavailable,
    FailureCode::ResultExpired,
    FailureCode::SessionClosed,
    FailureCode::Rejected,
];

fn reasons() -> [&'static str; 5] {
    use SpentReason::{Deferred, Failed, NoProgress, NodeLost, NotAcknowledged};
    [NotAcknowledged, NoProgress, NodeLost, Failed(String::new()), Deferred(String::new())].map(|reason| reason.name())
}

fn close_labels((leg, close_code): &(Leg, u16)) -> Labels {
    let leg = match leg {
        Leg::Session => "session",
        Leg::Node => "node",
    };
    vec![("leg", leg.to_owned()), ("code", close_code.to_string())]
}

type Labels = Vec<(&'static str, String)>;

/// Counters that differ in a label, in the order of their keys. Keys come from a fixed set: no peer can add one that is
/// not a close code.
pub(super) struct Series<K> {
    counts: Arc<Mutex<BTreeMap<K, u64>>>,
    labels: fn(&K) -> Labels,
}

impl<K: Ord> Series<K> {
    /// Counters. Those of `known` are shown before they have counted anything.
    fn new(labels: fn(&K) -> Labels, known: impl IntoIterator<Item = K>) -> Self {
        let counts = known.into_iter().map(|key| (key, 0)).collect();
        Self { counts: Arc::new(Mutex::new(counts)), labels }
    }

    pub(super) fn count(&self, key: K) {
        *self.lock().entry(key).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Clone for Series<K> {
    fn clone(&self) -> Self {
        Self { counts: Arc::clone(&self.counts), labels: self.labels }
    }
}

impl<K: fmt::Debug> fmt::Debug for Series<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Series").field(&self.counts).finish()
    }
}

impl<K: Ord> EncodeMetric for Series<K> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (key, count) in self.lock().iter() {
            let labels = (self.labels)(key);
            ConstCounter::new(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_the_same_order_whatever_came_first() {
        let codes = [1012, 1000, 4001, 1006, 1013];
        let page = |codes: &[u16]| {
            let metrics = Metrics::new();
            for close_code in codes {
                metrics.closes.count((Leg::Session, *close_code));
            }
            metrics.page()
        };
        let mut backwards = codes;
        backwards.reverse();
        assert_eq!(page(&codes), page(&backwards));
        let sorted = page(&codes);
        let shown: Vec<&str> = sorted.lines().filter(|line| line.starts_with("halfopen_closes_total{")).collect();
        assert_eq!(shown.len(), codes.len());
        assert!(shown.is_sorted(), "{shown:?}");
    }

    #[test]
    fn every_outcome_and_reason_is_shown_before_it_has_happened() {
        let page = Metrics::new().page();
        for line in [
            "# TYPE halfopen_jobs_finished_total counter",
            "halfopen_jobs_finished_total{outcome=\"result\"} 0",
            "halfopen_jobs_finished_total{outcome=\"RESULT_EXPIRED\"} 0",
            "halfopen_attempts_spent_total{reason=\"no_progress\"} 0",
            "# TYPE halfopen_buffered_bytes gauge",
            "halfopen_buffered_bytes 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not on the page:\n{page}");
        }
    }
}
