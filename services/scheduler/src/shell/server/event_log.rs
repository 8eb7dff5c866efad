//! The events of the broker as log lines, one each, and counted. The messages and field names are an interface: dashboards and
//! scenarios read them.

use std::time::Duration;

use halfopen_link::message::ToSession;
use prometheus_client::metrics::gauge::Gauge;
use tracing::{debug, info, warn};

use super::metrics::{self, Metrics};
use crate::core::broker::{Event, Gauges, Leg, outcome_name};

/// The target of every line of the scheduler.
pub(super) const TARGET: &str = "halfopen_scheduler";

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const SESSIONS_SERVED: &str = "session_connections";
const NODES_SERVED: &str = "node_connections";

/// Writes the log and counts.
#[derive(Debug)]
pub(super) struct EventLog {
    /// As they were told last.
    told: Option<Gauges>,
    metrics: Metrics,
}

impl EventLog {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { told: None, metrics }
    }

    /// Logs the gauges that have changed, all of them at first, and publishes all.
    pub(super) fn gauge(&mut self, gauges: Gauges) {
        let before = self.told.replace(gauges);
        if before == Some(gauges) {
            return;
        }
        let before = before.map(metrics::named);
        for (index, (name, value)) in metrics::named(gauges).into_iter().enumerate() {
            if before.is_none_or(|before| before[index].1 != value) {
                gauge(name, value);
            }
        }
        self.metrics.set(gauges);
    }

    /// Counts the end of a WebSocket that had got as far as the core.
    pub(super) fn closed(&self, leg: Leg, close_code: u16) {
        self.metrics.closes.count((leg, close_code));
    }

    /// Counts what a session is sent.
    pub(super) fn sent(&self, message: &ToSession) {
        if matches!(message, ToSession::Result { redelivered: true, .. }) {
            self.metrics.results_redelivered.inc();
        }
    }

    pub(super) fn record(&mut self, event: &Event) {
        match event {
            Event::SessionConnected { session, generation, resumed } => {
                info!(target: TARGET, session_id = %session, %generation, resumed, "session connected");
            }
            Event::SessionLost { session, generation, end } => {
                let (close_code, by) = (end.close_code, end.by);
                info!(target: TARGET, session_id = %session, %generation, close_code, %by, "session lost");
                debug!(target: TARGET, session_id = %session, detail = end.detail, "why the session was lost");
            }
            Event::SessionForgotten { session } => {
                self.metrics.sessions_forgotten.inc();
                info!(target: TARGET, session_id = %session, "session forgotten");
            }
            Event::NodeRegistered { node, generation } => {
                info!(target: TARGET, node_id = %node, %generation, "node registered");
            }
            Event::NodeLost { node, generation, end } => {
                let (close_code, by) = (end.close_code, end.by);
                info!(target: TARGET, node_id = %node, %generation, close_code, %by, "node lost");
                debug!(target: TARGET, node_id = %node, detail = end.detail, "why the node was lost");
            }
            Event::BoundMet { bound } => {
                self.metrics.bounds_met.count(bound);
                warn!(target: TARGET, bound, "a bound is met: who comes is refused, or somebody makes room");
            }
            Event::NodeBenched { node, pause, strikes } => {
                let pause_ms = millis(*pause);
                info!(target: TARGET, node_id = %node, pause_ms, strikes, "node benched");
            }
            Event::NodeTrusted { node } => info!(target: TARGET, node_id = %node, "node trusted again"),
            Event::NodePaused { node, pause } => {
                let pause_ms = millis(*pause);
                info!(target: TARGET, node_id = %node, pause_ms, "node paused");
            }
            Event::NodeForgotten { node } => {
                self.metrics.nodes_forgotten.inc();
                info!(target: TARGET, node_id = %node, "node forgotten");
            }
            Event::SubmitAccepted { .. }
            | Event::SubmitRepeated { .. }
            | Event::JobAssigned { .. }
            | Event::AttemptSpent { .. }
            | Event::ResultRefused { .. }
            | Event::JobFinished { .. }
            | Event::Delivered { .. }
            | Event::ResultExpired { .. } => self.record_job(event),
        }
    }

    fn record_job(&mut self, event: &Event) {
        match event {
            Event::SubmitAccepted { session, job, trace } => {
                self.metrics.jobs_accepted.inc();
                info!(target: TARGET, session_id = %session, job_id = %job, trace_id = %trace, "submit accepted");
            }
            Event::SubmitRepeated { session, job, trace } => {
                self.metrics.submits_repeated.inc();
                debug!(target: TARGET, session_id = %session, job_id = %job, trace_id = %trace, "submit repeated");
            }
            Event::JobAssigned { session, job, attempt, node, trace } => {
                info!(
                    target: TARGET, job_id = %job, attempt_id = %attempt, node_id = %node, trace_id = %trace,
                    session_id = %session,
                    "job assigned"
                );
            }
            Event::AttemptSpent { session, job, attempt, node, trace, reason } => {
                self.metrics.attempts_spent.count(reason.name());
                info!(
                    target: TARGET, job_id = %job, attempt_id = %attempt, node_id = %node, trace_id = %trace, %reason,
                    session_id = %session, "attempt spent"
                );
            }
            Event::ResultRefused { job, attempt, node } => {
                self.metrics.results_refused.inc();
                debug!(target: TARGET, job_id = %job, attempt_id = %attempt, node_id = %node, "result refused");
            }
            Event::JobFinished { job, session, trace, attempt, failure } => {
                let outcome = outcome_name(*failure);
                self.metrics.jobs_finished.count(outcome);
                let attempt = attempt.as_ref().map_or("none", |attempt| attempt.as_str());
                info!(
                    target: TARGET, job_id = %job, session_id = %session, trace_id = %trace, attempt_id = attempt, outcome,
                    "job finished"
                );
            }
            Event::Delivered { session, job, seq, trace, failure: None } => {
                self.metrics.results_delivered.inc();
                info!(target: TARGET, session_id = %session, job_id = %job, seq, trace_id = %trace, "result delivered");
            }
            Event::Delivered { session, job, seq, trace, failure: Some(code) } => {
                self.metrics.failures_delivered.inc();
                let code = outcome_name(Some(*code));
                info!(target: TARGET, session_id = %session, job_id = %job, seq, code, trace_id = %trace, "failure delivered");
            }
            Event::ResultExpired { session, job, seq, trace } => {
                self.metrics.results_expired.inc();
                info!(target: TARGET, session_id = %session, job_id = %job, seq, trace_id = %trace, "result expired");
            }
            Event::SessionConnected { .. }
            | Event::SessionLost { .. }
            | Event::SessionForgotten { .. }
            | Event::NodeRegistered { .. }
            | Event::NodeLost { .. }
            | Event::BoundMet { .. }
            | Event::NodeBenched { .. }
            | Event::NodeTrusted { .. }
            | Event::NodePaused { .. }
            | Event::NodeForgotten { .. } => {}
        }
    }
}

fn gauge(name: &str, value: usize) {
    debug!(target: TARGET, name, value, "gauge");
}

/// A socket that is being served: counted until this is dropped, however its task ends.
#[derive(Debug)]
pub(super) struct Served {
    name: &'static str,
    count: Gauge,
}

impl Served {
    /// Tells that none is served yet.
    pub(super) fn none() {
        gauge(SESSIONS_SERVED, 0);
        gauge(NODES_SERVED, 0);
    }

    pub(super) fn enter(metrics: &Metrics, leg: Leg) -> Self {
        let (name, count) = match leg {
            Leg::Session => (SESSIONS_SERVED, metrics.session_connections.clone()),
            Leg::Node => (NODES_SERVED, metrics.node_connections.clone()),
        };
        let value = count.inc().unsigned_abs() + 1;
        debug!(target: TARGET, name, value, "gauge");
        Self { name, count }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let value = self.count.dec().unsigned_abs() - 1;
        debug!(target: TARGET, name = self.name, value, "gauge");
    }
}
