//! One run again, as a story.

use std::path::Path;

use super::arguments::Replay;
use super::{BROKEN, CommandError, HELD, artefacts, every, find, play, report, say};
use crate::capsule::Capsule;
use crate::catalogue::Catalogue;
use crate::plan::Plan;
use crate::settings::Settings;

pub(super) fn replay(catalogue: &Catalogue, arguments: &Replay) -> Result<u8, CommandError> {
    let plan = if arguments.what.ends_with(".toml") || Path::new(&arguments.what).exists() {
        plan_of_capsule(catalogue, arguments)?
    } else {
        plan_of_seed(catalogue, arguments)?
    };
    let mut settings = Settings::from_env()?;
    settings.watchdog = arguments.isolation.watchdog.or(settings.watchdog);
    settings.apply();
    let outcome = play(catalogue, &plan, arguments.isolation.isolate)?;
    if let Some(path) = &arguments.trace {
        artefacts::write_trace(&outcome.trace, path)?;
    }
    let key = arguments.key.as_deref();
    if !outcome.passed() {
        let line = catalogue.replay_line(&arguments.what, arguments.seed, arguments.specimen.as_deref());
        say(&outcome.failure_report_about(key, &line));
    } else if let Some(key) = key {
        let life = outcome.life_of(key).ok_or_else(|| CommandError(format!("no record speaks of `{key}`")))?;
        say(&life);
    }
    if arguments.full || (outcome.passed() && key.is_none()) {
        say(&outcome.story());
    }
    if arguments.diagram {
        report::draw(catalogue, arguments, &plan, &outcome);
    }
    say(&format!("hash {}", outcome.hash));
    if let Some(folder) = &arguments.report {
        report::replayed(catalogue, arguments, &plan, &outcome, folder)?;
    }
    Ok(if outcome.passed() { HELD } else { BROKEN })
}

fn plan_of_seed(catalogue: &Catalogue, arguments: &Replay) -> Result<Plan, CommandError> {
    let scenario = find(catalogue, &catalogue.read_folder()?, &arguments.what)?;
    let seed = arguments
        .seed
        .ok_or_else(|| CommandError(format!("replay {} needs a seed: add `--seed S`", arguments.what)))?;
    let scenario = match &arguments.specimen {
        None => scenario,
        Some(name) => scenario.with_defect(name).ok_or_else(|| {
            let specimens = scenario.specimens.iter().map(|specimen| specimen.name.as_str());
            let known: Vec<_> = specimens.chain(scenario.opposites.iter().map(|of| of.name.as_str())).collect();
            let (name, known) = (&scenario.name, known.join(", "));
            CommandError(format!("`{name}` has no specimen and no opposite of this name; it has: {known}"))
        })?,
    };
    Ok(catalogue.draw(&scenario, seed)?)
}

fn plan_of_capsule(catalogue: &Catalogue, arguments: &Replay) -> Result<Plan, CommandError> {
    if arguments.seed.is_some() {
        return Err(CommandError("a capsule brings its own seed: leave `--seed` out".to_owned()));
    }
    let capsule = Capsule::load_with(Path::new(&arguments.what), catalogue.faults())?;
    let mut plan = capsule.plan;
    plan.scenario = catalogue.accept(&plan.scenario).map_err(|mistakes| every(&mistakes))?;
    Ok(plan)
}
