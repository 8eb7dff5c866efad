//! One run again, as a story.

use std::path::Path;

use super::arguments::Replay;
use super::{BROKEN, HELD, Refusal, artefacts, find, play, read_folder, say};
use crate::capsule::Capsule;
use crate::catalogue::Catalogue;
use crate::plan::Plan;
use crate::settings::Settings;

pub(super) fn replay(catalogue: &Catalogue, arguments: &Replay) -> Result<u8, Refusal> {
    let plan = if arguments.what.ends_with(".toml") || Path::new(&arguments.what).exists() {
        plan_of_capsule(catalogue, arguments)?
    } else {
        plan_of_seed(catalogue, arguments)?
    };
    let mut settings = Settings::from_env()?;
    settings.watchdog = arguments.apart.watchdog.or(settings.watchdog);
    settings.apply();
    let outcome = play(catalogue, &plan, arguments.apart.isolate)?;
    if let Some(path) = &arguments.trace {
        artefacts::write_trace(&outcome.trace, path)?;
    }
    if outcome.passed() {
        say(&outcome.story());
    } else {
        let mut line = format!("cargo halfopen replay {}", arguments.what);
        if let Some(seed) = arguments.seed {
            line.push_str(&format!(" --seed {seed}"));
        }
        if let Some(specimen) = &arguments.specimen {
            line.push_str(&format!(" --specimen {specimen}"));
        }
        say(&outcome.failure_report(&line));
    }
    say(&format!("hash {}", outcome.hash));
    Ok(if outcome.passed() { HELD } else { BROKEN })
}

fn plan_of_seed(catalogue: &Catalogue, arguments: &Replay) -> Result<Plan, Refusal> {
    let scenario = find(&read_folder(catalogue)?, &arguments.what)?;
    let seed =
        arguments.seed.ok_or_else(|| Refusal(format!("replay {} needs a seed: add `--seed S`", arguments.what)))?;
    let scenario = match &arguments.specimen {
        None => scenario,
        Some(name) => {
            let specimen = scenario.specimens.iter().find(|specimen| specimen.name == *name).ok_or_else(|| {
                let known: Vec<_> = scenario.specimens.iter().map(|specimen| specimen.name.as_str()).collect();
                Refusal(format!("`{}` has no specimen `{name}`; it has: {}", scenario.name, known.join(", ")))
            })?;
            scenario.with_specimen(specimen)
        }
    };
    Ok(Plan::draw(&scenario, seed))
}

fn plan_of_capsule(catalogue: &Catalogue, arguments: &Replay) -> Result<Plan, Refusal> {
    if arguments.seed.is_some() {
        return Err(Refusal("a capsule brings its own seed: leave `--seed` out".to_owned()));
    }
    let capsule = Capsule::load(Path::new(&arguments.what))?;
    let plan = capsule.plan;
    catalogue.accepts(&plan.scenario)?;
    Ok(plan)
}
