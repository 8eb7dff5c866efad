//! `GET /ready`: which backends could answer now.

use futures_util::future::join_all;
use halfopen_health::{ProbeConfig, Verdict, wait_until_ready};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::shell::registry::Registry;

/// What was last found out about the backends.
pub(crate) struct Readiness {
    probe: ProbeConfig,
    last: Mutex<Option<Round>>,
}

struct Round {
    ended_at: Instant,
    report: Report,
}

/// What `GET /ready` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Whether any backend could answer. One that could not costs its own requests; it is no reason to send the others
    /// somewhere else.
    pub(crate) ready: bool,
    /// Each backend with its state, in the order of their names.
    pub(crate) backends: Vec<Value>,
}

impl Readiness {
    pub(crate) fn new(probe: ProbeConfig) -> Self {
        Self { probe, last: Mutex::new(None) }
    }

    /// Asks the backends, unless that has just been done. Requests that come meanwhile get the same answer, so that
    /// their number is no load on the backends.
    pub(crate) async fn report(&self, registry: &Registry) -> Report {
        let mut last = self.last.lock().await;
        if let Some(round) = &*last
            && round.ended_at.elapsed() < self.probe.interval
        {
            return round.report.clone();
        }
        let states = join_all(registry.backends().map(|(name, backend)| async move {
            match backend.health() {
                // The built-in backend is ready when the gateway is.
                None => (true, json!({ "name": name, "ready": true })),
                Some(target) => match wait_until_ready(target, &self.probe).await {
                    Verdict::Ready { .. } => (true, json!({ "name": name, "ready": true })),
                    Verdict::NotReady { last, .. } => {
                        let (reason, message) = (last.reason(), last.to_string());
                        (false, json!({ "name": name, "ready": false, "reason": reason, "message": message }))
                    }
                },
            }
        }))
        .await;
        let ready = states.iter().any(|(ready, _)| *ready);
        let report = Report { ready, backends: states.into_iter().map(|(_, state)| state).collect() };
        *last = Some(Round { ended_at: Instant::now(), report: report.clone() });
        report
    }
}
