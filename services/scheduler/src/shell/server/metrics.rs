//! What the port counts, for Prometheus.
//!
//! The library's own families are hash maps, whose order differs from run to run; [`Series`] keeps its own in order, so
//! that two simulations of one plan show the same page, byte for byte. Nothing here reads a clock.

use std::collections::BTreeMap;
use std::fmt;
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
    pub(super) connected_sessions: Gauge,
    pub(super) connected_nodes: Gauge,
    pub(super) open_jobs: Gauge,
    queued_jobs: Gauge,
    undelivered_outcomes: Gauge,
    buffered_bytes: Gauge,
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
    pub(super) closes: Series<(Leg, u16)>,
    pub(super) connections_refused: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let outcomes = std::iter::once(None).chain(FAILURES.map(Some)).map(outcome_name);
        let mut registry = Registry::with_prefix("halfopen");
        let mut metrics = Self {
            registry: Arc::default(),
            connected_sessions: Gauge::default(),
            connected_nodes: Gauge::default(),
            open_jobs: Gauge::default(),
            queued_jobs: Gauge::default(),
            undelivered_outcomes: Gauge::default(),
            buffered_bytes: Gauge::default(),
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
            closes: Series::new(close_labels, []),
            connections_refused: Counter::default(),
        };
        let gauges = [
            ("connected_sessions", "Sessions with a connection", &metrics.connected_sessions),
            ("connected_nodes", "Nodes with a connection", &metrics.connected_nodes),
            ("open_jobs", "Accepted jobs without an outcome", &metrics.open_jobs),
            ("queued_jobs", "Open jobs that wait for a node", &metrics.queued_jobs),
            (
                "undelivered_outcomes",
                "Outcomes that their sessions have not acknowledged",
                &metrics.undelivered_outcomes,
            ),
            ("buffered_bytes", "Bytes of text held for open jobs and undelivered outcomes", &metrics.buffered_bytes),
            ("session_connections", "WebSockets served on /ws/session", &metrics.session_connections),
            ("node_connections", "WebSockets served on /ws/node", &metrics.node_connections),
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
            ("connections_refused", "Sockets dropped for want of room", &metrics.connections_refused),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("jobs_finished", "Jobs that have their outcome", metrics.jobs_finished.clone());
        registry.register("attempts_spent", "Attempts that count no longer", metrics.attempts_spent.clone());
        registry.register("closes", "WebSockets ended, by close code as this side saw it", metrics.closes.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }

    /// Takes over the core's own count.
    pub(super) fn set(&self, gauges: Gauges) {
        let Gauges {
            connected_sessions,
            connected_nodes,
            open_jobs,
            queued_jobs,
            undelivered_outcomes,
            buffered_bytes,
        } = gauges;
        for (gauge, value) in [
            (&self.connected_sessions, connected_sessions),
            (&self.connected_nodes, connected_nodes),
            (&self.open_jobs, open_jobs),
            (&self.queued_jobs, queued_jobs),
            (&self.undelivered_outcomes, undelivered_outcomes),
            (&self.buffered_bytes, buffered_bytes),
        ] {
            // A count beyond 2^63 is shown as that: a gauge holds no more.
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// The text format of Prometheus, version 0.0.4.
    pub(super) fn page(&self) -> String {
        let mut page = String::new();
        prometheus_text::encode(&mut page, &self.registry).expect("a string takes whatever is written to it");
        page
    }
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

fn reasons() -> [&'static str; 4] {
    use SpentReason::{Failed, NoProgress, NodeLost, NotAcknowledged};
    [NotAcknowledged, NoProgress, NodeLost, Failed(String::new())].map(|reason| reason.name())
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
