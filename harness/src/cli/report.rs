//! Pages and files of runs and sweeps, by the catalogue's reporter.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::arguments::{Place, Replay, Run};
use super::{CommandError, find, play, say, table};
use crate::catalogue::Catalogue;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::report::{self, Artefact, DefectReport, Failed, FailedRun, SeriesReport, SignatureReport, SweepReport};
use crate::scenario::{Folder, Scenario};
use crate::seed::Seed;
use crate::sweep::{Complaint, Defect, Failure, SeriesResult, Summary};

/// Distinct signatures whose pages a sweep leaves: more are not read.
const PAGES: usize = 32;

/// Reports the run that was replayed, if it broke a law, and says where the page is.
pub(super) fn replayed(
    catalogue: &Catalogue,
    arguments: &Replay,
    plan: &Plan,
    outcome: &Outcome,
    folder: &Path,
) -> Result<(), CommandError> {
    let line = catalogue.replay_line(&arguments.what, arguments.seed, arguments.specimen.as_deref());
    let real = |name| -> Result<_, CommandError> {
        let scenario = find(catalogue, &catalogue.read_folder()?, &arguments.what)?;
        Ok((name, catalogue.draw(&scenario, plan.seed)?))
    };
    let defect = arguments.specimen.as_deref().map(real).transpose()?;
    let failed = Failed { plan, outcome, defect, replay_line: &line };
    if let Some(page) = pages(catalogue, &failed, folder, arguments.isolation.isolate)?.first() {
        say(&format!("page: {}", page.display()));
    }
    Ok(())
}

/// Draws the run that was replayed.
pub(super) fn draw(catalogue: &Catalogue, arguments: &Replay, plan: &Plan, outcome: &Outcome) {
    let defect = arguments.specimen.as_deref();
    let line = catalogue.replay_line(&arguments.what, arguments.seed, defect);
    let run = FailedRun { plan, outcome, defect, twin: None, replay_line: &line };
    let drawn = catalogue.reporter_of().and_then(|reporter| reporter.diagram(&run));
    say(&drawn.unwrap_or_else(|| "this catalogue has no reporter that draws".to_owned()));
}

/// Reports a sweep, and says where its first file is. Without `--report` it is reported only when a law was broken.
pub(super) fn swept(
    catalogue: &Catalogue,
    scenarios: &Folder,
    arguments: &Run,
    summaries: &[Summary],
) -> Result<(), CommandError> {
    let Some(reporter) = catalogue.reporter_of() else { return Ok(()) };
    let is_broken = |summary: &Summary| matches!(summary.result, SeriesResult::Broken(_));
    if arguments.report.is_none() && !summaries.iter().any(is_broken) {
        return Ok(());
    }
    let folder = arguments.report.clone().unwrap_or_else(report::folder);
    let mut sweep =
        Sweep { catalogue, scenarios, arguments, folder: &folder, told: BTreeSet::new(), texts: Vec::new() };
    let mut series = Vec::new();
    for summary in summaries {
        series.push(sweep.series(summary)?);
    }
    let artefacts = reporter.sweep(&SweepReport { series });
    let paths = report::write(&folder, &artefacts).map_err(|source| unwritten(&folder, &source))?;
    add_to_job_summary(&artefacts, &sweep.texts)?;
    if let Some(first) = paths.first() {
        say(&format!("report: {}", first.display()));
    }
    Ok(())
}

/// What is needed to report the series of a sweep.
struct Sweep<'a> {
    catalogue: &'a Catalogue,
    scenarios: &'a Folder,
    arguments: &'a Run,
    folder: &'a Path,
    /// The signatures that have a page.
    told: BTreeSet<String>,
    /// What reporters say of failures in Markdown.
    texts: Vec<PathBuf>,
}

impl Sweep<'_> {
    fn series(&mut self, summary: &Summary) -> Result<SeriesReport, CommandError> {
        let scenario = self.scenarios.scenarios.iter().find(|scenario| scenario.name == summary.scenario);
        let complaint = summary.complaint();
        let (convictions, page) = match (&summary.result, &summary.defect) {
            (SeriesResult::Convicted { by }, Some(defect)) => (by.clone(), self.defect(scenario, defect, by)?),
            _ => (Vec::new(), None),
        };
        let signatures = match &summary.result {
            SeriesResult::Broken(failures) => {
                failures.iter().map(|failure| self.signature(failure)).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        Ok(SeriesReport {
            scenario: summary.scenario.clone(),
            proves: summary.proves.clone(),
            defect: summary.defect.as_ref().map(|defect| DefectReport {
                kind: defect.kind.word().to_owned(),
                name: defect.name.clone(),
                convicted_by: defect.convicted_by.clone(),
            }),
            verdict: table::word(summary).to_owned(),
            passed: complaint.is_none(),
            complaint: complaint.and_then(|complaint| match complaint {
                Complaint::Broken(_) => None,
                Complaint::ProvesNothing(sentence) | Complaint::HarnessAtFault(sentence) => Some(sentence),
            }),
            runs: summary.runs,
            fired: summary.fired,
            planned: summary.planned,
            simulated: summary.simulated,
            wall: summary.wall,
            figures: summary.figures.iter().map(ToString::to_string).collect(),
            faults: scenario.map(legs).unwrap_or_default(),
            convictions: convictions.into_iter().map(|(law, seed)| (law, seed.to_string())).collect(),
            signatures,
            page,
        })
    }

    fn signature(&mut self, failure: &Failure) -> Result<SignatureReport, CommandError> {
        let signature = failure.outcome.signature().map(ToString::to_string).unwrap_or_default();
        let line = self.catalogue.replay_line(&failure.outcome.scenario, Some(failure.plan.seed), None);
        let failed = Failed { plan: &failure.plan, outcome: &failure.outcome, defect: None, replay_line: &line };
        let is_new = self.told.len() < PAGES && self.told.insert(signature.clone());
        let page = if is_new { self.page(&failed)? } else { None };
        let first = failure.outcome.violations().next();
        Ok(SignatureReport {
            signature,
            check: first.map(|first| first.check.to_owned()).unwrap_or_default(),
            sentence: first.map(|first| first.sentence.clone()).unwrap_or_default(),
            seed: failure.plan.seed.to_string(),
            page,
        })
    }

    /// The page of the first run in which a law convicted a defect, where reports were asked for.
    fn defect(
        &mut self,
        scenario: Option<&Scenario>,
        defect: &Defect,
        by: &[(String, Seed)],
    ) -> Result<Option<String>, CommandError> {
        let (Some(scenario), Some((_, seed)), true) = (scenario, by.first(), self.arguments.report.is_some()) else {
            return Ok(None);
        };
        let Some(defective) = scenario.with_defect(&defect.name) else { return Ok(None) };
        let Ok(plan) = self.catalogue.draw(&defective, *seed) else { return Ok(None) };
        let Ok(outcome) = play(self.catalogue, &plan, self.arguments.isolation.isolate) else { return Ok(None) };
        let real = Some((defect.name.as_str(), self.catalogue.draw(scenario, *seed)?));
        let line = self.catalogue.replay_line(&scenario.name, Some(*seed), Some(&defect.name));
        self.page(&Failed { plan: &plan, outcome: &outcome, defect: real, replay_line: &line })
    }

    /// The page's path below the folder.
    fn page(&mut self, failed: &Failed<'_>) -> Result<Option<String>, CommandError> {
        let paths = pages(self.catalogue, failed, self.folder, self.arguments.isolation.isolate)?;
        if failed.defect.is_none() {
            self.texts.extend(paths.iter().filter(|path| path.extension().is_some_and(|end| end == "md")).cloned());
        }
        let below = |page: PathBuf| page.strip_prefix(self.folder).map(|path| path.display().to_string()).ok();
        Ok(paths.into_iter().next().and_then(below))
    }
}

/// Where the faults of a scenario strike, with their verbs.
fn legs(scenario: &Scenario) -> Vec<(String, String)> {
    let acts = scenario.rules.iter().flat_map(crate::scenario::FaultRule::acts);
    let legs: BTreeSet<_> = acts
        .map(|act| {
            let target = act.target();
            let leg = target.link().map_or_else(|| target.to_string(), ToString::to_string);
            (leg, act.word().to_owned())
        })
        .collect();
    legs.into_iter().collect()
}

/// Has a failed run reported, and says which files that made, first the page; none for a run in which every law held, or without
/// a reporter.
fn pages(
    catalogue: &Catalogue,
    failed: &Failed<'_>,
    folder: &Path,
    isolate: Place,
) -> Result<Vec<PathBuf>, CommandError> {
    let Some(reporter) = catalogue.reporter_of().filter(|_| !failed.outcome.passed()) else { return Ok(Vec::new()) };
    let again = |plan: &Plan| play(catalogue, plan, isolate).ok();
    failed.keep(reporter, folder, &again).map_err(|source| unwritten(folder, &source))
}

/// Failures that the summary of a job tells in full.
const TOLD_IN_SUMMARY: usize = 3;

/// Adds what is in `summary.md`, and the texts of the first failures, to the summary of the job, where GitHub Actions says that
/// there is one.
fn add_to_job_summary(artefacts: &[Artefact], texts: &[PathBuf]) -> Result<(), CommandError> {
    let summary = artefacts.iter().find(|artefact| artefact.name == "summary.md");
    let (Some(path), Some(summary)) = (std::env::var_os("GITHUB_STEP_SUMMARY"), summary) else { return Ok(()) };
    let path = PathBuf::from(path);
    let add = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(&summary.bytes)?;
        for text in texts.iter().take(TOLD_IN_SUMMARY) {
            file.write_all(b"\n")?;
            file.write_all(&std::fs::read(text)?)?;
        }
        Ok(())
    };
    add().map_err(|source| unwritten(&path, &source))
}

fn unwritten(path: &Path, source: &std::io::Error) -> CommandError {
    CommandError(format!("failed to write the report to {}: {source}", path.display()))
}
