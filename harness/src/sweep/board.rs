//! The runs that are to be played, and what became of each.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Series;
use super::played::{Depth, Loss, Played};
use crate::sim::SimError;

/// How many lost runs of one series are told before it is given up, since each costs a process.
const LOSSES: usize = 8;

/// A defect is played until each law that must convict it has, and under at least this many seeds: its line then tells of
/// more than one lucky run.
const DEFECT_SEEDS: usize = 16;

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
    /// The place of the scenario or defect in the sweep.
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

/// The runs of one scenario or defect.
struct Row {
    /// The laws that must convict it, none for what must hold.
    laws: Vec<String>,
    reports: Vec<Option<Report>>,
    /// Seeds behind this place are not played.
    last: usize,
}

impl Board {
    /// Every series under every seed, or as many as its scenario allows; a defect under as many as it takes to convict it.
    pub(crate) fn new(series: &[Series], seeds: usize) -> Self {
        let jobs = series.iter().enumerate().flat_map(|(place, series)| {
            (0..series.seeds(seeds)).map(move |seed| Job { series: place, seed, audit: false })
        });
        let laws =
            |series: &Series| series.defect.as_ref().map(|defect| defect.convicted_by.clone()).unwrap_or_default();
        Self::of(jobs.collect(), series.iter().map(|series| (laws(series), series.seeds(seeds))))
    }

    /// `series` are the laws that must convict each, and its seeds.
    fn of(waiting: VecDeque<Job>, series: impl Iterator<Item = (Vec<String>, usize)>) -> Self {
        let row =
            |(laws, seeds)| Mutex::new(Row { laws, reports: (0..seeds).map(|_| None).collect(), last: usize::MAX });
        Self {
            total: waiting.len(),
            waiting: Mutex::new(waiting),
            done: AtomicUsize::new(0),
            series: series.map(row).collect(),
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
        Self::of(jobs.collect(), self.series.iter().map(|_| (Vec::new(), 1)))
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

    /// The place behind which no seed is played, as far as is known: the first run that stalls, eats the memory or is faulty,
    /// the last loss that is told, or the run with which a defect has been convicted often enough.
    fn end(&self) -> Option<usize> {
        let mut losses = 0;
        let mut waited_for: BTreeSet<&str> = self.laws.iter().map(String::as_str).collect();
        // Whether all runs before are known: the place does not depend on the order in which they end.
        let mut is_known = !self.laws.is_empty();
        for (place, report) in self.reports.iter().enumerate() {
            match report {
                Some(Report::Lost(loss)) => {
                    losses += 1;
                    waited_for.remove(Loss::LAW);
                    if loss.is_costly() || losses == LOSSES {
                        return Some(place);
                    }
                }
                Some(Report::Faulty(_)) => return Some(place),
                Some(Report::Played(played)) => {
                    played.broken.iter().for_each(|law| _ = waited_for.remove(law.as_str()));
                }
                None => is_known = false,
            }
            if is_known && waited_for.is_empty() && place + 1 >= DEFECT_SEEDS {
                return Some(place);
            }
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Defect, DefectKind};
    use super::*;
    use crate::scenario::Scenario;
    use crate::sweep::How;

    /// A board of one defect that two laws must convict.
    fn board(seeds: usize) -> Board {
        let defect = Defect {
            kind: DefectKind::Specimen,
            name: "deaf".to_owned(),
            breaks: None,
            convicted_by: vec!["delivery".to_owned(), "integrity".to_owned()],
        };
        Board::new(&[Series { scenario: Scenario::new("calm", "x"), defect: Some(defect) }], seeds)
    }

    fn played(broken: &[&str]) -> Report {
        Report::Played(Box::new(Played {
            fired: 0,
            planned: 0,
            simulated: Duration::ZERO,
            wall: Duration::ZERO,
            broken: broken.iter().map(|law| (*law).to_owned()).collect(),
            reached: BTreeSet::new(),
            figures: Vec::new(),
            strayed: false,
            difference: None,
            hash: crate::trace::TraceHash::default(),
            words: None,
            whole: None,
        }))
    }

    /// How many runs are counted when each run of the defect comes out so, in threads that end in any order.
    fn counted(seeds: usize, report: impl Fn(usize) -> Report + Sync) -> Vec<usize> {
        [1, 2, 3, 8]
            .map(|jobs| {
                let board = board(seeds);
                board.play(NonZeroUsize::new(jobs).expect("not 0"), || |job: Job| report(job.seed), |_| {});
                board.reports()[0].len()
            })
            .to_vec()
    }

    #[test]
    fn a_defect_is_played_until_each_law_has_convicted_it() {
        let lost = || Report::Lost(Loss { how: How::Exited(1), host: None, at: Duration::ZERO });
        let by_both = |seed| if seed == 3 { lost() } else { played(&["delivery"]) };
        assert_eq!(counted(64, by_both), [DEFECT_SEEDS; 4], "each law in the first runs");
        let late = |seed| if seed == 40 { lost() } else { played(&["delivery"]) };
        assert_eq!(counted(64, late), [41; 4], "the second law in run 41");
        assert_eq!(counted(64, |_| played(&["delivery"])), [64; 4], "the second law never");
        assert_eq!(counted(4, by_both), [4; 4], "no more seeds than are asked for");
    }

    #[test]
    fn a_scenario_is_played_under_no_more_seeds_than_it_allows() {
        let played_of = |most, asked| {
            let mut scenario = Scenario::new("costly", "x");
            scenario.seeds = most;
            let board = Board::new(&[Series { scenario, defect: None }], asked);
            board.play(NonZeroUsize::MIN, || |_: Job| played(&[]), |_| {});
            (board.done.load(Ordering::Relaxed), board.reports()[0].len())
        };
        assert_eq!([played_of(Some(2), 8), played_of(Some(8), 2), played_of(None, 8)], [(2, 2), (2, 2), (8, 8)]);
    }
}
