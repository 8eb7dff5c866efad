//! Plays scenarios and prints a line for each.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{Place, Run};
use super::{
    BROKEN, CommandError, FAULTY, HELD, artefacts, complain, find, play, report as reports, say, table, tell_mistakes,
    warn_of_mistakes,
};
use crate::catalogue::Catalogue;
use crate::plan::Plan;
use crate::settings::{COMMAND_SEEDS, Settings};
use crate::sweep::{Complaint, DefectKind, Isolate, SeriesResult, Summary, Sweep};

pub(super) fn run(catalogue: &Catalogue, arguments: &Run) -> Result<u8, CommandError> {
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
    settings.apply();
    let folder = catalogue.read_folder()?;
    let chosen: Vec<_> = if arguments.names.is_empty() {
        folder.scenarios.clone()
    } else {
        arguments.names.iter().map(|name| find(catalogue, &folder, name)).collect::<Result<_, _>>()?
    };
    let mistaken = if arguments.names.is_empty() {
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
        let outcome = play(catalogue, &Plan::draw(scenario, settings.seeds()[0]), arguments.isolation.isolate)?;
        artefacts::write_trace(&outcome.trace, path)?;
    }
    let isolate = match arguments.isolation.isolate {
        Place::Process => Isolate::Process,
        Place::Thread => Isolate::Thread,
    };
    let mut sweep = Sweep::new(catalogue, chosen, settings.seeds()).isolate(isolate);
    if let Some(jobs) = settings.jobs {
        sweep = sweep.jobs(jobs);
    }
    let started = Instant::now();
    let bar = progress_bar(sweep.total());
    let summaries = sweep.run(|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let code = report(catalogue, &summaries, started.elapsed(), settings.seed.is_some())?;
    if mistaken != HELD {
        complain("files with mistakes were not played: they are told above");
    }
    reports::swept(catalogue, &folder, arguments, &summaries)?;
    Ok(code.max(mistaken))
}

fn progress_bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    // The template is a constant of ours; without it indicatif's own is used.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {elapsed} gone, {eta} to go") {
        bar.set_style(style);
    }
    bar
}

/// Prints the summaries, and returns the exit code.
fn report(catalogue: &Catalogue, summaries: &[Summary], wall: Duration, one_seed: bool) -> Result<u8, CommandError> {
    let width = table::width(summaries);
    for summary in summaries {
        say(&table::line(summary, width));
        if let Some(figures) = table::figures(summary) {
            say(&figures);
        }
    }
    let defects = table::defects(summaries);
    if !defects.is_empty() {
        say(&format!("\n{}", defects.trim_end()));
    }
    let mut code = HELD;
    for summary in summaries {
        code = code.max(explain(catalogue, summary, one_seed)?);
    }
    let runs: usize = summaries.iter().map(|summary| summary.runs).sum();
    let simulated: Duration = summaries.iter().map(|summary| summary.simulated).sum();
    let held = summaries.iter().filter(|summary| matches!(summary.result, SeriesResult::Held)).count();
    let scenarios = summaries.iter().filter(|summary| summary.defect.is_none()).count();
    let specimens = convicted(summaries, DefectKind::Specimen, "specimens");
    let opposites = convicted(summaries, DefectKind::Opposite, "opposites");
    say(&format!(
        "\n{held} of {scenarios} scenarios held{specimens}{opposites}: {runs} runs, {} simulated in {} ({:.0} times real time)",
        table::simulated(simulated),
        table::wall(wall),
        simulated.as_secs_f64() / wall.as_secs_f64().max(f64::MIN_POSITIVE),
    ));
    Ok(code)
}

/// How many defects of a kind were convicted, when there are any.
fn convicted(summaries: &[Summary], kind: DefectKind, name: &str) -> String {
    let of_kind = |summary: &&Summary| summary.defect.as_ref().is_some_and(|defect| defect.kind == kind);
    let is_convicted = |summary: &&Summary| matches!(summary.result, SeriesResult::Convicted { .. });
    let (all, convicted) =
        (summaries.iter().filter(of_kind).count(), summaries.iter().filter(of_kind).filter(is_convicted).count());
    if all == 0 { String::new() } else { format!(", {convicted} of {all} {name} convicted") }
}

/// Prints why a series does not pass, and returns the exit code.
fn explain(catalogue: &Catalogue, summary: &Summary, one_seed: bool) -> Result<u8, CommandError> {
    match summary.complaint(one_seed) {
        None => Ok(HELD),
        Some(Complaint::Broken(failures)) => {
            for failure in failures {
                let line = catalogue.replay_line(&summary.scenario, Some(failure.plan.seed), None);
                say(&format!("\n{}", failure.outcome.failure_report(&line)));
                let capsule = artefacts::keep(failure)?.display().to_string();
                say(&format!("capsule: {capsule} ({})", catalogue.replay_line(&capsule, None, None)));
            }
            Ok(BROKEN)
        }
        Some(Complaint::ProvesNothing(sentence)) => {
            complain(&sentence);
            Ok(BROKEN)
        }
        Some(Complaint::HarnessAtFault(sentence)) => {
            complain(&sentence);
            Ok(FAULTY)
        }
    }
}
