//! Plays scenarios and prints a line for each.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{Isolation, Run};
use super::{
    BROKEN, FAULTY, HELD, Refusal, artefacts, complain, find, play, read_folder, say, table, tell_mistakes,
    warn_of_mistakes,
};
use crate::campaign::{Campaign, Isolate, Judgement, Summary};
use crate::catalogue::Catalogue;
use crate::causes::chain;
use crate::plan::Plan;
use crate::settings::Settings;

/// Seeds of each scenario when nobody says: more than a test plays, since who runs a catalogue wants to know.
const SEEDS: u32 = 256;

pub(super) fn run(catalogue: &Catalogue, arguments: &Run) -> Result<u8, Refusal> {
    let mut settings = Settings::from_env()?;
    if arguments.seed.is_some() || arguments.seeds.is_some() {
        settings.seed = arguments.seed;
        settings.seeds = arguments.seeds;
    }
    if settings.seed.is_none() {
        settings.seeds.get_or_insert(SEEDS);
    }
    settings.jobs = arguments.jobs.or(settings.jobs);
    settings.watchdog = arguments.apart.watchdog.or(settings.watchdog);
    settings.apply();
    let folder = read_folder(catalogue)?;
    let chosen: Vec<_> = if arguments.names.is_empty() {
        folder.scenarios.clone()
    } else {
        arguments.names.iter().map(|name| find(&folder, name)).collect::<Result<_, _>>()?
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
        return Err(Refusal(format!("there are no scenarios in {}", catalogue.folder().display())));
    }
    if let Some(path) = &arguments.trace {
        let [scenario] = chosen.as_slice() else {
            return Err(Refusal("`--trace` writes one run: name one scenario and one seed".to_owned()));
        };
        let outcome = play(catalogue, &Plan::draw(scenario, settings.seeds()[0]), arguments.apart.isolate)?;
        artefacts::write_trace(&outcome.trace, path)?;
    }
    let isolate = match arguments.apart.isolate {
        Isolation::Process => Isolate::Process,
        Isolation::Thread => Isolate::Thread,
    };
    let mut campaign = Campaign::new(catalogue, chosen, settings.seeds()).isolate(isolate);
    if let Some(jobs) = settings.jobs {
        campaign = campaign.jobs(jobs);
    }
    let started = Instant::now();
    let bar = progress_bar(campaign.total());
    let summaries = campaign.run(|progress| bar.set_position(progress.done as u64));
    bar.finish_and_clear();
    let verdict = report(&summaries, started.elapsed(), settings.seed.is_some())?;
    if mistaken != HELD {
        complain("files with mistakes were not played: they are told above");
    }
    Ok(verdict.max(mistaken))
}

fn progress_bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    // The template is a constant of ours; without it indicatif's own is used.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {elapsed} gone, {eta} to go") {
        bar.set_style(style);
    }
    bar
}

/// `one_seed` was asked for: it need not be one under which a specimen is convicted, nor one that reaches every state.
fn report(summaries: &[Summary], wall: Duration, one_seed: bool) -> Result<u8, Refusal> {
    let width = table::width(summaries);
    for summary in summaries {
        say(&table::line(summary, width));
    }
    let defects = table::defects(summaries);
    if !defects.is_empty() {
        say(&format!("\n{}", defects.trim_end()));
    }
    let mut code = HELD;
    for summary in summaries {
        let free = matches!(summary.verdict, Judgement::WentFree { .. } | Judgement::NeverReached { .. });
        if !(one_seed && free) {
            code = code.max(explain(summary)?);
        }
    }
    let runs: usize = summaries.iter().map(|summary| summary.runs).sum();
    let simulated: Duration = summaries.iter().map(|summary| summary.simulated).sum();
    let held = summaries.iter().filter(|summary| matches!(summary.verdict, Judgement::Held)).count();
    let scenarios = summaries.iter().filter(|summary| summary.specimen.is_none()).count();
    let convicted = summaries.iter().filter(|summary| matches!(summary.verdict, Judgement::Convicted { .. })).count();
    let specimens = summaries.len() - scenarios;
    say(&format!(
        "\n{held} of {scenarios} scenarios held, {convicted} of {specimens} specimens convicted: {runs} runs, {} simulated in {} ({:.0} times real time)",
        table::simulated(simulated),
        table::wall(wall),
        simulated.as_secs_f64() / wall.as_secs_f64().max(f64::MIN_POSITIVE),
    ));
    Ok(code)
}

/// Prints what a person needs to know of a summary that is not as expected, and answers with the exit code.
fn explain(summary: &Summary) -> Result<u8, Refusal> {
    match &summary.verdict {
        Judgement::Held | Judgement::Convicted { .. } => Ok(HELD),
        Judgement::Broken(failures) => {
            for failure in failures {
                let line = format!("cargo halfopen replay {} --seed {}", summary.scenario, failure.plan.seed);
                say(&format!("\n{}", failure.outcome.failure_report(&line)));
                let capsule = artefacts::keep(failure)?;
                say(&format!("capsule: {0} (cargo halfopen replay {0})", capsule.display()));
            }
            Ok(BROKEN)
        }
        Judgement::WentFree { missing } => {
            let specimen = summary.specimen.as_ref().map(|specimen| specimen.name.as_str()).unwrap_or_default();
            complain(&format!(
                "{}: the specimen `{specimen}` was not convicted by {} under any seed: the check cannot see this defect",
                summary.scenario,
                missing.join(", ")
            ));
            Ok(BROKEN)
        }
        Judgement::NeverReached { missing } => {
            complain(&format!(
                "{}: no run reached {}: play more seeds, or a scenario that leads there",
                summary.scenario,
                missing.join(", ")
            ));
            Ok(BROKEN)
        }
        Judgement::Nondeterministic { seed, difference } => {
            let suspects = crate::suspects::of(difference);
            complain(&format!("{}: two runs under seed {seed} differ: {difference}. {suspects}", summary.scenario));
            Ok(FAULTY)
        }
        Judgement::Faulty(error) => {
            complain(&format!("{}: {}", summary.scenario, chain(error)));
            Ok(FAULTY)
        }
    }
}
