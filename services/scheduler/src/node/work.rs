//! The tasks that work, and what they leave on the bench.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::FutureExt;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::TARGET;
use super::bench::{Action, Assignment, Bench, Said, WorkId};
use super::config::{NodeConfig, WorkerConfig};
use super::gateway;
use halfopen_link::message::{FromNode, ToNode};

/// The bench and the tasks that work at it. It outlives connections.
#[derive(Debug)]
pub(super) struct Workshop {
    bench: Bench,
    worker: WorkerConfig,
    tasks: JoinSet<(WorkId, Result<String, String>)>,
    handles: BTreeMap<WorkId, AbortHandle>,
}

impl Workshop {
    pub(super) fn new(config: &NodeConfig) -> Self {
        Self {
            bench: Bench::new(config.capacity, config.results_kept),
            worker: config.worker.clone(),
            tasks: JoinSet::new(),
            handles: BTreeMap::new(),
        }
    }

    /// Waits for something else while the work goes on; nobody is there to hear of results, but they are kept.
    pub(super) async fn working_while<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        loop {
            tokio::select! {
                biased;
                waited = &mut waiting => return waited,
                unheard = self.next_done() => drop(unheard),
            }
        }
    }

    /// The messages about the next piece of work that comes to its end; pending while there is none. Cancel-safe.
    pub(super) async fn next_done(&mut self) -> Vec<FromNode> {
        loop {
            match self.tasks.join_next().await {
                Some(Ok((work, result))) => {
                    self.handles.remove(&work);
                    let actions = self.bench.done(work, result);
                    return self.carry_out(actions);
                }
                // Stopped on purpose.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    pub(super) fn registered(&mut self) -> Vec<FromNode> {
        let actions = self.bench.registered();
        self.carry_out(actions)
    }

    pub(super) fn told(&mut self, message: ToNode) -> Vec<FromNode> {
        let actions = self.bench.told(message);
        self.carry_out(actions)
    }

    pub(super) fn progress(&mut self) -> Vec<FromNode> {
        let actions = self.bench.progress();
        self.carry_out(actions)
    }

    /// From now on nothing new is begun.
    pub(super) fn leave(&mut self) {
        self.bench.leave();
    }

    /// Nothing is at work, and nothing waits for an acknowledgement.
    pub(super) fn is_idle(&self) -> bool {
        self.bench.is_idle()
    }

    /// Drops whatever is at work.
    pub(super) async fn close(mut self) {
        self.tasks.shutdown().await;
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> Vec<FromNode> {
        let mut messages = Vec::new();
        for action in actions {
            match action {
                Action::Send(message) => messages.push(message),
                Action::Start(work, assignment) => {
                    let working = work_on(self.worker.clone(), work, assignment);
                    self.handles.insert(work, self.tasks.spawn(working));
                }
                Action::Stop(work) => {
                    if let Some(handle) = self.handles.remove(&work) {
                        handle.abort();
                    }
                }
                Action::Say(said) => say(&said),
            }
        }
        messages
    }
}

/// Works; a panic is a failed attempt and nothing else.
async fn work_on(worker: WorkerConfig, work: WorkId, assignment: Assignment) -> (WorkId, Result<String, String>) {
    let working = AssertUnwindSafe(translate(&worker, &assignment)).catch_unwind();
    (work, working.await.unwrap_or_else(|_| Err("the worker panicked".to_owned())))
}

async fn translate(worker: &WorkerConfig, assignment: &Assignment) -> Result<String, String> {
    match worker {
        WorkerConfig::Echo { work_time } => {
            sleep(*work_time).await;
            Ok(format!("[{}] {}", assignment.tgt_lang, assignment.text))
        }
        WorkerConfig::Gateway(config) => {
            gateway::translate(config, assignment).await.map_err(|error| format!("failed to {error}"))
        }
    }
}

fn say(said: &Said) {
    match said {
        Said::Taken { job_id, attempt_id, trace_id } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, "job taken");
        }
        Said::Done { job_id, attempt_id, trace_id, ok } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, ok, "job done");
        }
        Said::Acknowledged { job_id, attempt_id, trace_id, accepted } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, accepted, "result acknowledged");
        }
        Said::LeftAlone { job_id, attempt_id, trace_id } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, "job left alone");
        }
        Said::Cancelled { job_id, attempt_id, trace_id } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, "job cancelled");
        }
    }
}
