//! The runs that are to be played, and what became of each.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Series;
use super::played::{Depth, Loss, Played};
use crate::sim::{SimError, lock};

/// How many lost runs of one series are told before it is given up, since each costs a process.
const LOSSES: usize = 8;

/// A defect is played until each law that must convict it has, and under at least this many seeds: its line then tells of
/// more than one lucky run. Where fewer are played, no verdict is given on what some seed must show.
pub(super) const DEFECT_SEEDS: usize = 16;

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
    is_stopped: AtomicBool,
    series: Vec<Mutex<Row>>,
}

/// What a board tells while it is played.
#[derive(Debug)]
pub(crate) enum Told {
    /// A run is done, or need not be played.
    Run {
        /// How many runs are done.
        done: usize,
        /// The place of its series.
        series: usize,
        /// Whether a law was broken, or the run has no end of its own.
        is_broken: bool,
    },
    /// All runs of a series are done: one report for each seed, up to the one at which the series was given up. That place
    /// does not depend on the number of runs at a time.
    Series {
        /// The place of the series.
        series: usize,
        /// The reports.
        reports: Vec<Option<Report>>,
    },
}

/// The runs of one scenario or defect.
struct Row {
    /// The laws that must convict it, none for what must hold.
    laws: Vec<String>,
    reports: Vec<Option<Report>>,
    /// Seeds behind this place are not played.
    last: usize,
    /// How many runs are neither done nor known not to be needed.
    open: usize,
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
        let row = |(laws, seeds)| Row { laws, reports: (0..seeds).map(|_| None).collect(), last: usize::MAX, open: 0 };
        let mut series: Vec<Row> = series.map(row).collect();
        waiting.iter().for_each(|job| series[job.series].open += 1);
        Self {
            total: waiting.len(),
            waiting: Mutex::new(waiting),
            done: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
            series: series.into_iter().map(Mutex::new).collect(),
        }
    }

    /// The first seed of the series that can be compared, once more: the last series first, so that each is played in a
    /// process with another past.
    #[cfg(feature = "cli")]
    pub(crate) fn audits(series: usize, is_comparable: impl Fn(usize) -> bool) -> Self {
        let comparable = (0..series).rev().filter(|series| is_comparable(*series));
        let jobs = comparable.map(|series| Job { series, seed: 0, audit: true });
        Self::of(jobs.collect(), (0..series).map(|_| (Vec::new(), 1)))
    }

    /// Plays everything, `jobs` at a time, each with a player of its own. `told` hears of each run and each series that is
    /// done; when it breaks, no other run is begun.
    pub(crate) fn play<P>(
        &self,
        jobs: NonZeroUsize,
        player: impl Fn() -> P + Sync,
        told: impl Fn(Told) -> ControlFlow<()> + Sync,
    ) where
        P: FnMut(Job) -> Report,
    {
        let tell = |news| {
            if told(news).is_break() {
                self.is_stopped.store(true, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs.get().min(self.total) {
                scope.spawn(|| {
                    let mut player = player();
                    while let Some(job) = self.take() {
                        let row = &self.series[job.series];
                        let is_needed = job.seed <= lock(row).last;
                        let report = is_needed.then(|| player(job));
                        let is_broken = report.as_ref().is_some_and(Report::is_broken);
                        let is_over = lock(row).close(job.seed, report);
                        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                        tell(Told::Run { done, series: job.series, is_broken });
                        if is_over {
                            tell(Told::Series { series: job.series, reports: lock(row).take_reports() });
                        }
                    }
                });
            }
        });
    }

    fn take(&self) -> Option<Job> {
        if self.is_stopped.load(Ordering::Relaxed) { None } else { lock(&self.waiting).pop_front() }
    }

    /// The series that were begun and, because the board was stopped, not ended, with what became of their runs.
    pub(crate) fn begun(self) -> Vec<(usize, Vec<Option<Report>>)> {
        let rows = self.series.into_iter().map(|row| row.into_inner().unwrap_or_else(PoisonError::into_inner));
        let begun = rows.enumerate().filter(|(_, row)| row.reports.iter().any(Option::is_some));
        begun.map(|(series, mut row)| (series, row.take_reports())).collect()
    }
}

impl Report {
    fn is_broken(&self) -> bool {
        match self {
            Self::Played(played) => !played.broken.is_empty(),
            Self::Lost(_) | Self::Faulty(_) => true,
        }
    }
}

impl Row {
    /// Notes what became of a run, if it was played, and says whether it was the last of its series.
    fn close(&mut self, seed: usize, report: Option<Report>) -> bool {
        self.open -= 1;
        if let Some(report) = report {
            self.reports[seed] = Some(report);
            if let Some(end) = self.end() {
                self.last = self.last.min(end);
            }
        }
        self.open == 0
    }

    /// The reports up to the place at which the series was given up.
    fn take_reports(&mut self) -> Vec<Option<Report>> {
        self.reports.truncate(self.end().map_or(usize::MAX, |end| end + 1));
        std::mem::take(&mut self.reports)
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
            signature: None,
            signatures: Vec::new(),
            effect: None,
            reached: BTreeSet::new(),
            figures: Vec::new(),
            untold: BTreeSet::new(),
            placed: None,
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
                let counted = AtomicUsize::new(0);
                let told = |news| {
                    if let Told::Series { reports, .. } = news {
                        counted.fetch_add(reports.len(), Ordering::Relaxed);
                    }
                    ControlFlow::Continue(())
                };
                board(seeds).play(NonZeroUsize::new(jobs).expect("not 0"), || |job: Job| report(job.seed), told);
                counted.into_inner()
            })
            .to_vec()
    }

    #[test]
    fn a_board_that_is_stopped_begins_no_other_run_and_keeps_what_was_played() {
        let board = board(64);
        let told = |news| match news {
            Told::Run { done: 5.., .. } => ControlFlow::Break(()),
            Told::Run { .. } | Told::Series { .. } => ControlFlow::Continue(()),
        };
        board.play(NonZeroUsize::MIN, || |_| played(&[]), told);
        let begun = board.begun();
        let played: Vec<_> =
            begun.iter().map(|(series, reports)| (*series, reports.iter().flatten().count())).collect();
        assert_eq!(played, [(0, 5)]);
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
            let counted = AtomicUsize::new(0);
            let told = |news| {
                if let Told::Series { reports, .. } = news {
                    counted.fetch_add(reports.len(), Ordering::Relaxed);
                }
                ControlFlow::Continue(())
            };
            board.play(NonZeroUsize::MIN, || |_: Job| played(&[]), told);
            (board.done.load(Ordering::Relaxed), counted.into_inner())
        };
        assert_eq!([played_of(Some(2), 8), played_of(Some(8), 2), played_of(None, 8)], [(2, 2), (2, 2), (8, 8)]);
    }
}
