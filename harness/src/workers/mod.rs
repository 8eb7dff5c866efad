//! Runs in processes of their own: whatever a service does to its process is told, and the sweep goes on.
//!
//! A worker is this program once more, told by a variable of its environment to play what it is asked for. It gets requests
//! and gives answers over two pipes, a JSON line each; a page of memory that both see tells who is speaking, so that this is
//! known even of a process that is no more.
//!
//! - this file: the crew of a sweep, and single runs;
//! - `message`: what is asked and answered;
//! - `process`: a worker from outside, and how it ended;
//! - `serve`: a worker from inside.

mod message;
mod process;
mod serve;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::message::{Reply, Request};
use self::process::Worker;
pub(crate) use self::serve::{is_worker, serve};
use crate::capsule::Capsule;
use crate::error::chain;
use crate::fault::Fault;
use crate::plan::Plan;
use crate::scenario;
use crate::seed::Seed;
use crate::sim::SimError;
use crate::sweep::{Depth, Job, Report, Series};

/// The workers of a sweep.
pub(crate) struct Crew<'a> {
    series: &'a [Series],
    seeds: &'a [Seed],
    /// Workers that did not even begin: a program whose `main` does not come to the command line again.
    stillborn: AtomicUsize,
}

/// After this many workers that do not begin, the command gives up.
const STILLBORN: usize = 3;

impl<'a> Crew<'a> {
    pub(crate) fn new(series: &'a [Series], seeds: &'a [Seed]) -> Self {
        Self { series, seeds, stillborn: AtomicUsize::new(0) }
    }

    /// A player with a worker of its own, which is replaced when a run has ended it.
    pub(crate) fn member(&self) -> impl FnMut(Job) -> Report {
        let mut worker = None;
        move |job| {
            let series = &self.series[job.series];
            let open = || {
                let plan = Plan { scenario: series.scenario.clone(), seed: Seed(0), faults: Vec::new() };
                Request::Open { series: job.series, capsule: Capsule::new(plan, None).to_toml(), drawn: true }
            };
            let play = Request::Play { series: job.series, seed: self.seeds[job.seed], depth: job.depth() };
            if self.stillborn.load(Ordering::Relaxed) >= STILLBORN {
                return Report::Faulty(no_worker(io::Error::other("several have ended before they began")));
            }
            match ask(&mut worker, job.series, open, &play) {
                Ok(report) => report,
                Err(source) => {
                    self.stillborn.fetch_add(1, Ordering::Relaxed);
                    Report::Faulty(no_worker(source))
                }
            }
        }
    }
}

/// Plays one plan with other faults, again and again, in a process of its own.
pub(crate) struct Trier<'a> {
    base: &'a Plan,
    worker: Option<Worker>,
}

impl<'a> Trier<'a> {
    pub(crate) fn new(base: &'a Plan) -> Self {
        Self { base, worker: None }
    }

    /// Plays the plan with these faults instead of its own.
    pub(crate) fn play(&mut self, faults: &[Fault], depth: Depth) -> Report {
        let open =
            || Request::Open { series: 0, capsule: Capsule::new(self.base.clone(), None).to_toml(), drawn: false };
        let play = Request::PlayWith { series: 0, faults: scenario::fault_tables(faults), depth };
        ask(&mut self.worker, 0, open, &play).unwrap_or_else(|source| Report::Faulty(no_worker(source)))
    }
}

/// Plays one plan in a process of its own and passes on what the process said on its standard output and error. A run that
/// comes to its end is answered whole.
pub(crate) fn play(plan: &Plan) -> Result<Report, SimError> {
    let mut worker = None;
    let open = || Request::Open { series: 0, capsule: Capsule::new(plan.clone(), None).to_toml(), drawn: false };
    let play = Request::Play { series: 0, seed: plan.seed, depth: Depth::Whole };
    let report = ask(&mut worker, 0, open, &play).map_err(no_worker)?;
    if let Some(worker) = &mut worker {
        worker.pass_on();
    }
    Ok(report)
}

/// Asks a worker, which is started if there is none. One that has lost a run is let go.
fn ask(slot: &mut Option<Worker>, series: usize, open: impl FnOnce() -> Request, play: &Request) -> io::Result<Report> {
    let mut worker = match slot.take() {
        Some(worker) => worker,
        None => Worker::start()?,
    };
    worker.open(series, open);
    let report = match worker.ask(play) {
        Ok(Reply::Played(played)) => Report::Played(played),
        Ok(Reply::Faulty(sentence)) => Report::Faulty(SimError::Worker { sentence }),
        Ok(Reply::Misfit { host, path, sentence, suggestion }) => {
            Report::Faulty(SimError::Config { host, path, sentence, suggestion })
        }
        // Its thread is gone for good.
        Ok(Reply::Lost(loss)) | Err(loss) => {
            worker.end();
            *slot = None;
            return Ok(Report::Lost(loss));
        }
        Ok(Reply::Ready) => Report::Faulty(SimError::Worker { sentence: "a worker began twice".to_owned() }),
    };
    *slot = Some(worker);
    Ok(report)
}

fn no_worker(source: io::Error) -> SimError {
    let why = chain(&source);
    SimError::Worker {
        sentence: format!("failed to start a worker process ({why}); `--isolate thread` plays without any"),
    }
}
