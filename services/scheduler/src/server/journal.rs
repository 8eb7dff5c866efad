//! Happenings as log lines, one each, and the gauges. The messages and field names are an interface: dashboards and
//! scenarios read them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tracing::{debug, info};

use crate::broker::{Gauges, Happening, Leg, outcome_name};

/// The target of every line of the scheduler.
pub(super) const TARGET: &str = "halfopen_scheduler";

/// What the pages of the port show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) gauges: Gauges,
    jobs_accepted: u64,
    jobs_finished: u64,
    attempts_spent: u64,
    results_delivered: u64,
    failures_delivered: u64,
}

impl Snapshot {
    /// The text format of Prometheus, version 0.0.4.
    pub(super) fn prometheus(&self, sockets: &Sockets) -> String {
        let gauges = [
            ("connected_sessions", self.gauges.connected_sessions),
            ("connected_nodes", self.gauges.connected_nodes),
            ("open_jobs", self.gauges.open_jobs),
            ("undelivered_outcomes", self.gauges.undelivered_outcomes),
            ("session_connections", sockets.sessions.load(Ordering::Relaxed)),
            ("node_connections", sockets.nodes.load(Ordering::Relaxed)),
        ];
        let counters = [
            ("jobs_accepted", self.jobs_accepted),
            ("jobs_finished", self.jobs_finished),
            ("attempts_spent", self.attempts_spent),
            ("results_delivered", self.results_delivered),
            ("failures_delivered", self.failures_delivered),
        ];
        let mut page = String::new();
        for (name, value) in gauges {
            let _ = writeln!(page, "# TYPE halfopen_{name} gauge\nhalfopen_{name} {value}");
        }
        for (name, value) in counters {
            let _ = writeln!(page, "# TYPE halfopen_{name}_total counter\nhalfopen_{name}_total {value}");
        }
        page
    }
}

/// Writes the log and publishes the snapshot.
#[derive(Debug)]
pub(super) struct Journal {
    snapshot: Snapshot,
    published: watch::Sender<Snapshot>,
}

impl Journal {
    pub(super) fn new(published: watch::Sender<Snapshot>) -> Self {
        Self { snapshot: Snapshot::default(), published }
    }

    /// Logs the gauges that have changed, and publishes them.
    pub(super) fn gauge(&mut self, gauges: Gauges) {
        let before = std::mem::replace(&mut self.snapshot.gauges, gauges);
        gauge("connected_sessions", before.connected_sessions, gauges.connected_sessions);
        gauge("connected_nodes", before.connected_nodes, gauges.connected_nodes);
        gauge("open_jobs", before.open_jobs, gauges.open_jobs);
        gauge("undelivered_outcomes", before.undelivered_outcomes, gauges.undelivered_outcomes);
        self.published.send_replace(self.snapshot);
    }

    pub(super) fn record(&mut self, happening: &Happening) {
        match happening {
            Happening::SessionConnected { session, generation, resumed } => {
                info!(target: TARGET, session_id = %session, %generation, resumed, "session connected");
            }
            Happening::SessionLost { session, generation, ending } => {
                let (close_code, by) = (ending.close_code, ending.by);
                info!(target: TARGET, session_id = %session, %generation, close_code, %by, "session lost");
                debug!(target: TARGET, session_id = %session, detail = ending.detail, "why the session was lost");
            }
            Happening::SessionForgotten { session } => {
                info!(target: TARGET, session_id = %session, "session forgotten");
            }
            Happening::NodeRegistered { node, generation } => {
                info!(target: TARGET, node_id = %node, %generation, "node registered");
            }
            Happening::NodeLost { node, generation, ending } => {
                let (close_code, by) = (ending.close_code, ending.by);
                info!(target: TARGET, node_id = %node, %generation, close_code, %by, "node lost");
                debug!(target: TARGET, node_id = %node, detail = ending.detail, "why the node was lost");
            }
            Happening::SubmitAccepted { .. }
            | Happening::SubmitRepeated { .. }
            | Happening::JobAssigned { .. }
            | Happening::AttemptSpent { .. }
            | Happening::JobFinished { .. }
            | Happening::Delivered { .. } => self.record_job(happening),
        }
    }

    fn record_job(&mut self, happening: &Happening) {
        match happening {
            Happening::SubmitAccepted { session, job, trace } => {
                self.snapshot.jobs_accepted += 1;
                info!(target: TARGET, session_id = %session, job_id = %job, trace_id = %trace, "submit accepted");
            }
            Happening::SubmitRepeated { session, job, trace } => {
                debug!(target: TARGET, session_id = %session, job_id = %job, trace_id = %trace, "submit repeated");
            }
            Happening::JobAssigned { job, attempt, node, trace } => {
                info!(
                    target: TARGET, job_id = %job, attempt_id = %attempt, node_id = %node, trace_id = %trace,
                    "job assigned"
                );
            }
            Happening::AttemptSpent { job, attempt, trace, reason } => {
                self.snapshot.attempts_spent += 1;
                info!(
                    target: TARGET, job_id = %job, attempt_id = %attempt, trace_id = %trace, %reason,
                    "attempt spent"
                );
            }
            Happening::JobFinished { job, session, trace, failure } => {
                self.snapshot.jobs_finished += 1;
                let outcome = outcome_name(*failure);
                info!(
                    target: TARGET, job_id = %job, session_id = %session, trace_id = %trace, outcome,
                    "job finished"
                );
            }
            Happening::Delivered { session, job, seq, failure: None } => {
                self.snapshot.results_delivered += 1;
                info!(target: TARGET, session_id = %session, job_id = %job, seq, "result delivered");
            }
            Happening::Delivered { session, job, seq, failure: Some(code) } => {
                self.snapshot.failures_delivered += 1;
                let code = outcome_name(Some(*code));
                info!(target: TARGET, session_id = %session, job_id = %job, seq, code, "failure delivered");
            }
            Happening::SessionConnected { .. }
            | Happening::SessionLost { .. }
            | Happening::SessionForgotten { .. }
            | Happening::NodeRegistered { .. }
            | Happening::NodeLost { .. } => {}
        }
    }
}

fn gauge(name: &str, before: usize, value: usize) {
    if before != value {
        debug!(target: TARGET, name, value, "gauge");
    }
}

/// WebSockets being served, by leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Sockets {
    sessions: Arc<AtomicUsize>,
    nodes: Arc<AtomicUsize>,
}

impl Sockets {
    /// Counts a socket until the guard is dropped, however its task ends.
    pub(super) fn enter(&self, leg: Leg) -> Served {
        let (name, count) = match leg {
            Leg::Session => ("session_connections", &self.sessions),
            Leg::Node => ("node_connections", &self.nodes),
        };
        let value = count.fetch_add(1, Ordering::Relaxed) + 1;
        debug!(target: TARGET, name, value, "gauge");
        Served { name, count: Arc::clone(count) }
    }
}

/// A socket that is being served.
#[derive(Debug)]
pub(super) struct Served {
    name: &'static str,
    count: Arc<AtomicUsize>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let value = self.count.fetch_sub(1, Ordering::Relaxed) - 1;
        debug!(target: TARGET, name = self.name, value, "gauge");
    }
}
