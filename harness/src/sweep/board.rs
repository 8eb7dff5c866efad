//! The runs that are to be played, and what became of each.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::played::{Depth, Loss, Played};
use crate::sim::SimError;

/// How many lost runs of one series are told before it is given up, since each costs a process.
const LOSSES: usize = 8;

/// What became of a run.
#[derive(Debug)]
pub(crate) enum Report {
    /// It came to its end.
    Played(Box<Played>),
    /// It took its process with it, or never came to its end.
    Lost(Loss),
    /// The harness or its input is at fault.
    Faulty(SimError),
}

/// A run that is to be played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// The place of the scenario or specimen in the sweep.
    pub(crate) series: usize,
    /// The place of the seed.
    pub(crate) seed: usize,
    audit: bool,
}

impl Job {
    /// How closely the run is looked at.
    pub(crate) fn depth(self) -> Depth {
        match (self.audit, self.seed) {
            (true, _) => Depth::Worded,
            (false, 0) => Depth::Twice,
            (false, _) => Depth::Once,
        }
    }
}

/// All the runs of a sweep.
pub(crate) struct Board {
    total: usize,
    waiting: Mutex<VecDeque<Job>>,
    done: AtomicUsize,
    series: Vec<Mutex<Row>>,
}

/// The runs of one scenario or specimen.
struct Row {
    reports: Vec<Option<Report>>,
    /// Seeds behind this place are not played.
    last: usize,
}

impl Board {
    /// Every series under every seed.
    pub(crate) fn new(series: usize, seeds: usize) -> Self {
        let jobs = (0..series).flat_map(|series| (0..seeds).map(move |seed| Job { series, seed, audit: false }));
        Self::of(jobs.collect(), series, seeds)
    }

    fn of(waiting: VecDeque<Job>, series: usize, seeds: usize) -> Self {
        let row = || Mutex::new(Row { reports: (0..seeds).map(|_| None).collect(), last: usize::MAX });
        Self {
            total: waiting.len(),
            waiting: Mutex::new(waiting),
            done: AtomicUsize::new(0),
            series: (0..series).map(|_| row()).collect(),
        }
    }

    /// The first seed of each series that can be compared, once more: the last series first, so that each is played in a
    /// process with another past.
    #[cfg(feature = "cli")]
    pub(crate) fn audits(&self) -> Self {
        let comparable = |series: &usize| match lock(&self.series[*series]).reports.first() {
            Some(Some(Report::Played(played))) => !played.strayed && played.difference.is_none(),
            Some(Some(Report::Lost(_) | Report::Faulty(_)) | None) | None => false,
        };
        let jobs = (0..self.series.len()).rev().filter(comparable).map(|series| Job { series, seed: 0, audit: true });
        Self::of(jobs.collect(), self.series.len(), 1)
    }

    /// Plays everything, `jobs` at a time, each with a player of its own. `progress` is told how many are done.
    pub(crate) fn play<P>(&self, jobs: NonZeroUsize, player: impl Fn() -> P + Sync, progress: impl Fn(usize) + Sync)
    where
        P: FnMut(Job) -> Report,
    {
        std::thread::scope(|scope| {
            for _ in 0..jobs.get().min(self.total) {
                scope.spawn(|| {
                    let mut player = player();
                    while let Some(job) = self.take() {
                        if job.seed <= lock(&self.series[job.series]).last {
                            let report = player(job);
                            lock(&self.series[job.series]).note(job.seed, report);
                        }
                        progress(self.done.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                });
            }
        });
    }

    fn take(&self) -> Option<Job> {
        lock(&self.waiting).pop_front()
    }

    /// What became of the runs: for each series, one report a seed, up to the one at which it was given up. That place does
    /// not depend on the number of runs at a time.
    pub(crate) fn reports(self) -> Vec<Vec<Option<Report>>> {
        let rows = self.series.into_iter().map(|row| row.into_inner().unwrap_or_else(PoisonError::into_inner));
        rows.map(|mut row| {
            row.reports.truncate(row.end().map_or(usize::MAX, |end| end + 1));
            row.reports
        })
        .collect()
    }
}

impl Row {
    fn note(&mut self, seed: usize, report: Report) {
        self.reports[seed] = Some(report);
        if let Some(end) = self.end() {
            self.last = self.last.min(end);
        }
    }

    /// The place at which the series is given up, as far as is known: at the first run that stalls, eats the memory or is faulty, or at the
    /// last loss that is told.
    fn end(&self) -> Option<usize> {
        let mut losses = 0;
        self.reports.iter().position(|report| match report {
            Some(Report::Lost(loss)) => {
                losses += 1;
                loss.is_costly() || losses == LOSSES
            }
            Some(Report::Faulty(_)) => true,
            Some(Report::Played(_)) | None => false,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
