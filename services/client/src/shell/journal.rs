//! What the client writes to its log: one event for each thing that happens, by names that stay.

use halfopen_link::ConnectionEnd;
use halfopen_link::message::{FromSession, Submit};

use crate::core::{NewJob, Settled};
use crate::event::Event;

const TARGET: &str = "halfopen_client";

pub(crate) fn offered(job: &NewJob) {
    tracing::info!(target: TARGET, job_id = %job.job_id, trace_id = %job.trace_id, "job offered");
}

pub(crate) fn sent(message: &FromSession) {
    if let FromSession::Submit(Submit { job_id, trace_id, .. }) = message {
        tracing::debug!(target: TARGET, job_id = %job_id, trace_id = %trace_id, "submit sent");
    }
}

pub(crate) fn accepted(job_id: &str, trace_id: &str) {
    tracing::info!(target: TARGET, job_id = %job_id, trace_id = %trace_id, "submit acknowledged");
}

pub(crate) fn complaint(code: &str, message: &str) {
    tracing::warn!(target: TARGET, code, message, "the scheduler reports an error");
}

pub(crate) fn settled(settled: &Settled) {
    let Settled { job_id, trace_id, outcome, seq, redelivered } = settled;
    tracing::info!(
        target: TARGET,
        job_id = %job_id, trace_id = %trace_id, outcome = outcome.name(), seq, redelivered,
        "outcome received"
    );
}

pub(crate) fn event(event: &Event) {
    match event {
        Event::Ready { session_id, resumed } => {
            tracing::info!(target: TARGET, session_id = %session_id, resumed, "session ready");
        }
        Event::Lost { session_id, ending } => lost(session_id.as_deref().unwrap_or("none"), ending),
        Event::ConnectFailed { detail } => tracing::debug!(target: TARGET, detail = %detail, "connect failed"),
        Event::Reconnecting { attempt, delay } => {
            // A delay is at most a day.
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(target: TARGET, attempt, delay_ms, "reconnecting");
        }
        Event::GaveUp { attempts } => tracing::warn!(target: TARGET, attempts, "gave up"),
        Event::Refused { status } => tracing::warn!(target: TARGET, status, "refused"),
        Event::Replaced => tracing::info!(target: TARGET, "replaced"),
        Event::Closed => tracing::debug!(target: TARGET, "closed"),
        Event::Lagged(_) => {}
    }
}

/// What a client holds; all return to zero when it is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Jobs whose handle has not resolved.
    pub(crate) unsettled_jobs: usize,
    /// Messages that wait for room in the connection's queue.
    pub(crate) unsent_messages: usize,
}

/// Tells the gauges that have changed, all of them at first.
pub(crate) fn held(before: Option<Held>, now: Held) {
    gauge("unsettled_jobs", before.map(|told| told.unsettled_jobs), now.unsettled_jobs);
    gauge("unsent_messages", before.map(|told| told.unsent_messages), now.unsent_messages);
}

fn gauge(name: &str, before: Option<usize>, value: usize) {
    if before != Some(value) {
        tracing::debug!(target: TARGET, name, value, "gauge");
    }
}

fn lost(session_id: &str, ending: &ConnectionEnd) {
    let ConnectionEnd { close_code, by, detail } = ending;
    if ending.is_routine() {
        tracing::info!(target: TARGET, session_id = %session_id, close_code, by = %by, detail = %detail, "session lost");
    } else {
        tracing::warn!(target: TARGET, session_id = %session_id, close_code, by = %by, detail = %detail, "session lost");
    }
}
