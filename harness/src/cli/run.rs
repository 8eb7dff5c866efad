//! Plays scenarios and prints a line for each.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{Place, Run};
use super::table::Layout;
use super::{
    CommandError, HELD, artefacts, complain, failures, play, regressions, report, say, table, tell_mistakes,
    warn_of_mistakes,
};
use crate::catalogue::Catalogue;
use crate::settings::{COMMAND_SEEDS, Settings};
use crate::sweep::{DefectKind, Isolate, Progress, SeriesResult, Summary, Sweep};

pub(super) fn run(catalogue: &Catalogue, arguments: &Run) -> Result<u8, CommandError> {
    let settings = settings(arguments)?;
    settings.apply();
    let folder = catalogue.read_folder()?;
    let chosen = arguments.chosen.of(catalogue, &folder)?;
    let mistaken = if arguments.chosen.is_all() {
        tell_mistakes(&folder)
    } else {
        warn_of_mistakes(&folder);
        HELD
    };
    if chosen.is_empty() && mistaken != HELD {
        return Ok(mistaken);
    }
    if chosen.is_empty() {
        return Err(CommandError(format!("there are no scenarios in {}", catalogue.folder().display())));
    }
    if let Some(path) = &arguments.trace {
        let [scenario] = chosen.as_slice() else {
            return Err(CommandError("`--trace` writes one run: name one scenario and one seed".to_owned()));
        };
        let outcome = play(catalogue, &catalogue.draw(scenario, settings.seeds()[0])?, arguments.isolation.isolate)?;
        artefacts::write_trace(&outcome.trace, path)?;
    }
    let isolate = match arguments.isolation.isolate {
        Place::Process => Isolate::Process,
        Place::Thread => Isolate::Thread,
    };
    let scenarios = chosen.len();
    let regressed = regressions::play_first(catalogue, &chosen, arguments.isolation.isolate, &settings)?;
    let mut sweep = Sweep::new(catalogue, chosen, settings.seeds()).isolate(isolate);
    if let Some(jobs) = settings.jobs {
        sweep = sweep.jobs(jobs);
    }
    let (code, summaries) = play_and_tell(catalogue, &sweep, arguments, scenarios)?;
    if mistaken != HELD {
        complain("files with mistakes were not played: they are told above");
    }
    report::swept(catalogue, &folder, arguments, &summaries)?;
    Ok(code.max(mistaken).max(regressed))
}

fn settings(arguments: &Run) -> Result<Settings, CommandError> {
    let mut settings = Settings::from_env()?;
    if arguments.seed.is_some() || arguments.seeds.is_some() {
        settings.seed = arguments.seed;
        settings.seeds = arguments.seeds;
    }
    if settings.seed.is_none() {
        settings.seeds.get_or_insert(COMMAND_SEEDS);
    }
    settings.jobs = arguments.jobs.or(settings.jobs);
    settings.watchdog = arguments.isolation.watchdog.or(settings.watchdog);
    Ok(settings)
}

/// Plays a sweep, with a line for each series as it ends and a bar below them, and says what came of it: the exit code and
/// the summaries.
fn play_and_tell(
    catalogue: &Catalogue,
    sweep: &Sweep<'_>,
    arguments: &Run,
    scenarios: usize,
) -> Result<(u8, Vec<Summary>), CommandError> {
    let started = Instant::now();
    let lines = Lines {
        layout: Layout::of(sweep.names(), columns()),
        is_quiet: arguments.quiet,
        bar: progress_bar(sweep.total()),
        failures: AtomicUsize::new(0),
        told: Mutex::default(),
    };
    let summaries = sweep.run(|news| {
        let has_failed = lines.tell(news);
        if has_failed && arguments.fail_fast { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    lines.bar.finish_and_clear();
    summaries.iter().for_each(|summary| lines.series(summary));
    if !arguments.quiet {
        let defects = table::defects(&summaries);
        if !defects.is_empty() {
            say(&format!("\n{}", defects.trim_end()));
        }
    }
    let code = failures::tell(catalogue, &summaries)?;
    say(&format!("\n{}", totals(&summaries, started.elapsed())));
    let ended = summaries.iter().filter(|summary| summary.defect.is_none()).count();
    if ended < scenarios {
        let left = scenarios - ended;
        say(&format!("stopped at the first failure: {left} of {scenarios} scenarios were not played to their end"));
    }
    Ok((code, summaries))
}

/// How many columns the terminal has to which the lines are written.
fn columns() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// The lines of a sweep that is being played, and the bar below them.
struct Lines {
    layout: Layout,
    is_quiet: bool,
    bar: ProgressBar,
    /// Runs that broke a law.
    failures: AtomicUsize,
    /// The names of the series that have their line.
    told: Mutex<BTreeSet<(String, Option<String>)>>,
}

impl Lines {
    /// Tells what is done, and says whether it has failed.
    fn tell(&self, news: Progress<'_>) -> bool {
        match news {
            Progress::Run { done, scenario, has_failed } => {
                let failures =
                    self.failures.fetch_add(usize::from(has_failed), Ordering::Relaxed) + usize::from(has_failed);
                self.bar.set_position(done as u64);
                self.bar.set_message(match failures {
                    0 => scenario.to_owned(),
                    1 => format!("{scenario}, 1 failure so far"),
                    failures => format!("{scenario}, {failures} failures so far"),
                });
                has_failed
            }
            Progress::Series(summary) => {
                self.series(summary);
                summary.complaint().is_some()
            }
        }
    }

    /// Prints the line of a series, once.
    fn series(&self, summary: &Summary) {
        let name = (summary.scenario.clone(), summary.defect.as_ref().map(|defect| defect.name.clone()));
        let is_new = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        if !is_new || (self.is_quiet && summary.complaint().is_none()) {
            return;
        }
        self.bar.suspend(|| {
            say(&self.layout.line(summary));
            if let Some(untold) = table::untold(summary) {
                say(&untold);
            }
            if let Some(figures) = table::figures(summary).filter(|_| !self.is_quiet) {
                say(&figures);
            }
        });
    }
}

pub(super) fn progress_bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    // The template is a constant of ours; without it indicatif's own is used.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:20} {pos}/{len} runs, {elapsed} gone, {eta} to go: {wide_msg}")
    {
        bar.set_style(style);
    }
    bar
}

/// The last line of a sweep.
fn totals(summaries: &[Summary], wall: Duration) -> String {
    let runs: usize = summaries.iter().map(|summary| summary.runs).sum();
    let simulated: Duration = summaries.iter().map(|summary| summary.simulated).sum();
    let held = summaries.iter().filter(|summary| matches!(summary.result, SeriesResult::Held)).count();
    let scenarios = summaries.iter().filter(|summary| summary.defect.is_none()).count();
    let specimens = convicted(summaries, DefectKind::Specimen, "specimens");
    let opposites = convicted(summaries, DefectKind::Opposite, "opposites");
    format!(
        "{held} of {scenarios} scenarios held{specimens}{opposites}: {runs} runs, {} simulated in {} ({:.0} times real time)",
        table::simulated(simulated),
        table::wall(wall),
        simulated.as_secs_f64() / wall.as_secs_f64().max(f64::MIN_POSITIVE),
    )
}

/// How many defects of a kind were convicted, when there are any.
fn convicted(summaries: &[Summary], kind: DefectKind, name: &str) -> String {
    let of_kind = |summary: &&Summary| summary.defect.as_ref().is_some_and(|defect| defect.kind == kind);
    let is_convicted = |summary: &&Summary| matches!(summary.result, SeriesResult::Convicted { .. });
    let (all, convicted) =
        (summaries.iter().filter(of_kind).count(), summaries.iter().filter(of_kind).filter(is_convicted).count());
    if all == 0 { String::new() } else { format!(", {convicted} of {all} {name} convicted") }
}
