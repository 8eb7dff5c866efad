//! A scenario whose faults are replaced, again and again: what is known of it, and what is played.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::arguments::{Place, Probe};
use super::{CommandError, artefacts, complain, play, run};
use crate::catalogue::Catalogue;
use crate::check::{Evidence, Expectations, Signature};
use crate::error::chain;
use crate::explore::cases::{Case, Cases};
use crate::explore::known::{Failure, Known};
use crate::explore::laws::{self, Bench, Wanted};
use crate::explore::learn::Course;
use crate::explore::ledger::{self, Entry, Ledger};
use crate::fault::Fault;
use crate::mapping::FactSource;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::settings::Settings;
use crate::sweep::{Isolate, Report, Trials};

/// What is known of one scenario.
pub(super) struct Probed<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) bench: Bench,
    /// The plan without the faults that are added to it.
    pub(super) base: Plan,
    pub(super) course: Course,
    pub(super) cases: Cases,
    pub(super) isolate: Isolate,
    /// The failures that are known of the catalogue.
    known: Known,
}

/// The scenarios that are named, each with the time until which it may be played, and how many are played at a time.
pub(super) struct Round {
    pub(super) scenarios: Vec<Scenario>,
    pub(super) jobs: NonZeroUsize,
    began: Instant,
    lasting: Option<Duration>,
}

impl Round {
    pub(super) fn of(catalogue: &Catalogue, probe: &Probe) -> Result<Self, CommandError> {
        let mut settings = Settings::from_env()?;
        settings.watchdog = probe.isolation.watchdog.or(settings.watchdog);
        settings.apply();
        let jobs = probe.jobs.or(settings.jobs);
        let jobs = jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let scenarios = probe.chosen.of(catalogue, &catalogue.read_folder()?)?;
        if scenarios.is_empty() {
            return Err(CommandError(format!("there are no scenarios in {}", catalogue.folder().display())));
        }
        Ok(Self { scenarios, jobs, began: Instant::now(), lasting: probe.lasting })
    }

    /// Until when the scenario at this place may be played: what one leaves of its share goes to those behind it.
    pub(super) fn deadline(&self, place: usize) -> Option<Instant> {
        let left = u32::try_from(self.scenarios.len() - place).unwrap_or(u32::MAX);
        self.lasting.map(|all| Instant::now() + all.saturating_sub(self.began.elapsed()) / left)
    }

    /// How long it has taken.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What is known of a scenario. Of several, one that cannot be explored is told and passed over.
    pub(super) fn learn<'a>(
        &self,
        catalogue: &'a Catalogue,
        scenario: &Scenario,
        probe: &Probe,
    ) -> Result<Option<Probed<'a>>, CommandError> {
        match Probed::learn(catalogue, scenario, probe) {
            Ok(probed) => Ok(Some(probed)),
            Err(CommandError(sentence)) if self.scenarios.len() > 1 => {
                complain(&sentence);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl<'a> Probed<'a> {
    /// Plays the base run, and finds out where it can be struck and which laws can judge.
    fn learn(catalogue: &'a Catalogue, scenario: &Scenario, probe: &Probe) -> Result<Self, CommandError> {
        let scenario = match &probe.specimen {
            None => scenario.clone(),
            Some(name) => scenario.with_defect(name).ok_or_else(|| {
                CommandError(format!("`{}` has no specimen and no opposite of the name `{name}`", scenario.name))
            })?,
        };
        let failed = |sentence: String| CommandError(format!("{}: {sentence}", scenario.name));
        let wanted = Wanted { keeps_faults: probe.keep_faults, is_strict: probe.strict, without: &probe.without };
        let mut bench = Bench::of(&scenario, catalogue.own_checks(), wanted).map_err(CommandError)?;
        let mut base = Plan::draw(&bench.scenario, probe.seed);
        let outcome = play(catalogue, &base, probe.isolation.isolate)?;
        let facts = bench.scenario.facts.clone();
        bench.settle(|checks| broken_by(catalogue, checks, &facts, &outcome)).map_err(|signature| {
            failed(format!("the run without another fault breaks a law ({signature}), so nothing is learned from it"))
        })?;
        base.scenario.checks = bench.scenario.checks.clone();
        base.scenario.facts = bench.scenario.facts.clone();
        base.scenario.settle += probe.settle;
        base.scenario.time_limit += probe.settle;
        let course = Course::of(&outcome.trace.records, outcome.last.at);
        if let Some(sentence) = laws::nothing_to_break(&course) {
            return Err(failed(sentence.to_owned()));
        }
        let hosts: Vec<_> = base.scenario.hosts.iter().map(|host| host.name.clone()).collect();
        let cases = Cases::of(&course, &hosts, &base.scenario.actors());
        let isolate = match probe.isolation.isolate {
            Place::Process => Isolate::Process,
            Place::Thread => Isolate::Thread,
        };
        Ok(Self { catalogue, bench, base, course, cases, isolate, known: known(catalogue)? })
    }

    /// The faults of the plan to which those of these cases are added.
    pub(super) fn faults(&self, cases: &[usize]) -> Vec<Fault> {
        let is_alone = cases.len() == 1;
        let fault = |case: &Case| if is_alone { case.fault.clone() } else { case.behind_others() };
        let added = cases.iter().map(|place| fault(&self.cases.all[*place]));
        self.base.faults.iter().cloned().chain(added).collect()
    }

    /// The same plan with these faults.
    pub(super) fn plan(&self, faults: Vec<Fault>) -> Plan {
        Plan { faults, ..self.base.clone() }
    }

    pub(super) fn trials(&self) -> Trials<'_> {
        Trials { catalogue: self.catalogue, base: &self.base, isolate: self.isolate }
    }

    /// Plays what `next` gives out until the time is up, and adds what became of it to a ledger and its file. `next` answers
    /// with the number of a trial, and `cases_of` with its cases.
    pub(super) fn play(
        &self,
        until: (NonZeroUsize, Option<Instant>),
        total: usize,
        next: impl Fn() -> Option<usize> + Sync,
        cases_of: impl Fn(usize) -> Vec<usize> + Sync,
        kept: (Ledger, Option<File>),
    ) -> Result<Ledger, CommandError> {
        let ((jobs, deadline), (ledger, file)) = (until, kept);
        let bar = run::progress_bar(total);
        let desk = Mutex::new(Desk { ledger, file, error: None });
        let next = || {
            let is_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
            let trial = is_time.then(&next).flatten()?;
            Some((trial, self.faults(&cases_of(trial))))
        };
        self.trials().play(jobs, next, |trial, report| {
            bar.inc(1);
            let judged = judged(report, || self.plan(self.faults(&cases_of(trial))));
            desk.lock().unwrap_or_else(PoisonError::into_inner).take(trial, judged)
        });
        bar.finish_and_clear();
        let desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
        desk.error.map_or(Ok(desk.ledger), Err)
    }

    /// A ledger without what is known, and lines that tell how often that was met.
    pub(super) fn news(&self, ledger: &Ledger, cases_of: impl Fn(usize) -> Vec<usize>) -> (Ledger, Vec<String>) {
        let verbs_of = |trial| cases_of(trial).into_iter().map(|case| self.cases.all[case].fault.act.word()).collect();
        let (rest, met) = self.known.taken_from(ledger, &self.base.scenario.name, verbs_of);
        let line = |(failure, runs): (&Failure, usize)| {
            format!("known, in {runs} runs: {}: {}", failure.signature(), failure.why)
        };
        let lines = met.into_iter().map(line).collect();
        (rest, lines)
    }

    /// Where the files of the scenario lie.
    pub(super) fn folder(&self) -> PathBuf {
        artefacts::folder().join(&self.base.scenario.name)
    }
}

/// The failures that are known of a catalogue: `known.toml`, beside the folder with its scenarios.
fn known(catalogue: &Catalogue) -> Result<Known, CommandError> {
    let path = catalogue.folder().with_file_name("known.toml");
    match fs::read_to_string(&path) {
        Ok(text) => Known::read(&text).map_err(|sentence| CommandError(format!("{}: {sentence}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Known::default()),
        Err(error) => Err(artefacts::failed("read", &path, &error)),
    }
}

/// The laws that an outcome breaks when it is judged by some.
fn broken_by(catalogue: &Catalogue, checks: &Expectations, facts: &[FactSource], outcome: &Outcome) -> Vec<Signature> {
    let evidence = Evidence { sources: facts, ..outcome.evidence() };
    let verdicts = checks.judge_with(&evidence, catalogue.own_checks());
    verdicts.iter().filter_map(|verdict| Some(verdict.violation()?.signature.clone())).collect()
}

/// What a run broke, and what tells whether another is the same run.
pub(super) fn judged(report: Report, plan: impl Fn() -> Plan) -> Result<(Vec<Signature>, String), CommandError> {
    match report {
        Report::Played(played) => {
            let effect = played.effect.map(|effect| effect.to_string()).unwrap_or_default();
            Ok((played.signatures, effect))
        }
        Report::Lost(loss) => {
            let outcome = loss.outcome(&plan());
            let signatures = outcome.violations().map(|violation| violation.signature.clone()).collect();
            Ok((signatures, loss.sentence()))
        }
        Report::Faulty(error) => {
            let faults: Vec<_> = plan().faults.iter().map(ToString::to_string).collect();
            Err(CommandError(format!("failed to play {}: {}", faults.join(", "), chain(&error))))
        }
    }
}

/// Where the results come in.
struct Desk {
    ledger: Ledger,
    file: Option<File>,
    error: Option<CommandError>,
}

impl Desk {
    fn take(&mut self, trial: usize, judged: Result<(Vec<Signature>, String), CommandError>) -> ControlFlow<()> {
        let kept = judged.and_then(|(signatures, effect)| {
            let entry = Entry::new(trial, &signatures, effect);
            let write = |file: &mut File| file.write_all(ledger::line_of(&entry).as_bytes());
            self.file.as_mut().map_or(Ok(()), write)?;
            self.ledger.add(entry);
            Ok(())
        });
        match kept {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }
}
