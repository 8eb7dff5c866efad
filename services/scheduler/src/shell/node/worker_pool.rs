//! The tasks that work.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use halfopen_link::message::WorkFailure;
use halfopen_tls::Dialer;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::config::WorkerConfig;
use super::gateway;
use crate::core::node::{Assignment, WorkId};

/// The tasks that work, by the numbers that the machine has given them. They outlive connections.
#[derive(Debug)]
pub(super) struct WorkerPool {
    worker: WorkerConfig,
    dialer: Dialer,
    tasks: JoinSet<(WorkId, Result<String, WorkFailure>)>,
    handles: BTreeMap<WorkId, AbortHandle>,
}

impl WorkerPool {
    pub(super) fn new(worker: WorkerConfig, dialer: Dialer) -> Self {
        Self { worker, dialer, tasks: JoinSet::new(), handles: BTreeMap::new() }
    }

    pub(super) fn start(&mut self, work: WorkId, assignment: Assignment) {
        let working = work_on(self.worker.clone(), self.dialer.clone(), work, assignment);
        self.handles.insert(work, self.tasks.spawn(working));
    }

    pub(super) fn stop(&mut self, work: WorkId) {
        // Legal: it may have ended at this very moment.
        if let Some(handle) = self.handles.remove(&work) {
            handle.abort();
        }
    }

    /// The tasks that have not come to their end.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// The next piece of work that comes to its end; pending while there is none. Cancel-safe.
    pub(super) async fn next_finished(&mut self) -> (WorkId, Result<String, WorkFailure>) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok((work, result))) => {
                    self.handles.remove(&work);
                    return (work, result);
                }
                // It was stopped: `work_on` lets no panic out.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Stops all work.
    pub(super) async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Works; a panic is a failed attempt and nothing else.
async fn work_on(
    worker: WorkerConfig,
    dialer: Dialer,
    work: WorkId,
    assignment: Assignment,
) -> (WorkId, Result<String, WorkFailure>) {
    let working = AssertUnwindSafe(translate(&worker, &dialer, &assignment)).catch_unwind();
    (work, working.await.unwrap_or_else(|_| Err(WorkFailure::again("the worker panicked"))))
}

async fn translate(worker: &WorkerConfig, dialer: &Dialer, assignment: &Assignment) -> Result<String, WorkFailure> {
    match worker {
        WorkerConfig::Echo { work_time } => {
            sleep(*work_time).await;
            Ok(format!("[{}] {}", assignment.tgt_lang, assignment.text))
        }
        WorkerConfig::Gateway(config) => {
            gateway::translate(config, dialer, assignment).await.map_err(|error| error.told())
        }
    }
}
