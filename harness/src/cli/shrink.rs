//! A plan that fails, made smaller as long as it fails for the same reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::arguments::{Place, Shrink};
use super::probe::judged;
use super::{BROKEN, CommandError, artefacts, every, play, run, say};
use crate::capsule::Capsule;
use crate::catalogue::{Catalogue, stale_at};
use crate::check::Signature;
use crate::explore::shrink::{self, Shrunk, Tried};
use crate::plan::Plan;
use crate::settings::Settings;
use crate::sweep::{Isolate, Trials};

pub(super) fn shrink(catalogue: &Catalogue, arguments: &Shrink) -> Result<u8, CommandError> {
    let mut settings = Settings::from_env()?;
    settings.watchdog = arguments.isolation.watchdog.or(settings.watchdog);
    settings.apply();
    let isolate = arguments.isolation.isolate;
    let (plan, signature) = failing(catalogue, &arguments.capsule, isolate)?;
    say(&format!("{signature}  {} under seed {}", plan.scenario.name, plan.seed));
    plan.faults.iter().for_each(|fault| say(&format!("  {fault}")));
    let base = Plan { faults: Vec::new(), ..plan.clone() };
    let isolation = match isolate {
        Place::Process => Isolate::Process,
        Place::Thread => Isolate::Thread,
    };
    let trials = Trials { catalogue, base: &base, isolate: isolation };
    let search = Search { trials, signature: &signature, until: Instant::now() + arguments.lasting };
    let smaller = search.shrink(plan);
    let to = arguments.to.clone().unwrap_or_else(|| beside(&arguments.capsule));
    tell(catalogue, &smaller, &signature, isolate, &to)?;
    Ok(BROKEN)
}

/// The plan of a capsule that still fails, and the reason.
fn failing(catalogue: &Catalogue, path: &Path, isolate: Place) -> Result<(Plan, Signature), CommandError> {
    let capsule = Capsule::load_with(path, catalogue.faults())?;
    let mut plan = capsule.plan;
    plan.scenario = catalogue.accept(&plan.scenario).map_err(|mistakes| every(&mistakes))?;
    let outcome = play(catalogue, &plan, isolate)?;
    let has = |wanted: &Signature| outcome.violations().any(|violation| violation.signature == *wanted);
    let path = path.display();
    match (capsule.failure, outcome.signature()) {
        (Some(wanted), _) if has(&wanted) => Ok((plan, wanted)),
        (None, Some(first)) => Ok((plan, first.clone())),
        (wanted, found) => {
            let wanted = wanted.map_or_else(|| "fail".to_owned(), |wanted| format!("break `{wanted}`"));
            let instead = match (stale_at(&outcome), found) {
                (Some(step), _) => step,
                (None, Some(found)) => format!("it breaks `{found}`"),
                (None, None) => "every law holds".to_owned(),
            };
            Err(CommandError(format!("{path} does not {wanted} any more, so there is nothing to shrink: {instead}")))
        }
    }
}

/// A search for a smaller plan.
pub(super) struct Search<'a> {
    pub(super) trials: Trials<'a>,
    pub(super) signature: &'a Signature,
    pub(super) until: Instant,
}

/// The smaller plan, and how it was found.
pub(super) struct Smaller {
    plan: Plan,
    before: usize,
    shrunk: Shrunk,
}

impl Search<'_> {
    /// Makes a plan smaller, one candidate at a time, with a bar.
    pub(super) fn shrink(&self, plan: Plan) -> Smaller {
        let mut player = self.trials.player();
        let bar = run::progress_bar(0);
        let before = plan.faults.len();
        let play = |faults: &[crate::fault::Fault]| {
            if Instant::now() >= self.until {
                return Tried::OutOfTime;
            }
            bar.inc(1);
            bar.set_message(format!("{} of {before} faults", faults.len()));
            let of = || Plan { faults: faults.to_vec(), ..plan.clone() };
            // A candidate that cannot be played is none.
            match judged(player(faults), of) {
                Ok((signatures, _)) if signatures.contains(self.signature) => Tried::Same,
                Ok(_) | Err(_) => Tried::Other,
            }
        };
        let registry = self.trials.catalogue.faults();
        let read = |table: &str| plan.with_faults(table, Path::new("a smaller plan"), registry).ok()?.faults.pop();
        let shrunk = shrink::shrink(plan.faults.clone(), play, read);
        bar.finish_and_clear();
        Smaller { plan: Plan { faults: shrunk.faults.clone(), ..plan.clone() }, before, shrunk }
    }
}

/// Prints the smaller plan, its run and its capsule.
pub(super) fn tell(
    catalogue: &Catalogue,
    smaller: &Smaller,
    signature: &Signature,
    isolate: Place,
    to: &Path,
) -> Result<(), CommandError> {
    let Smaller { plan, before, shrunk } = smaller;
    let end = if shrunk.is_cut_short { "until the time was up" } else { "until nothing smaller failed so" };
    say(&format!(
        "shrunk from {before} to {} faults: {} candidates were played, {end}",
        plan.faults.len(),
        shrunk.played
    ));
    say(plan.to_toml().trim_end());
    let outcome = play(catalogue, plan, isolate)?;
    let capsule = Capsule::new(plan.clone(), Some(signature.clone()));
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|source| artefacts::failed("create", folder, &source))?;
    }
    fs::write(to, capsule.to_toml()).map_err(|source| artefacts::failed("write", to, &source))?;
    let path = to.display().to_string();
    let line = catalogue.replay_line(&path, None, None);
    say(&format!("\n{}", outcome.failure_report(&line)));
    say(&format!("capsule: {path} ({line})"));
    Ok(())
}

/// The name of a capsule's file that fails so.
pub(super) fn file_name(signature: &Signature) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let words: String = signature.as_str().chars().map(letter).collect();
    words.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

fn beside(capsule: &Path) -> PathBuf {
    let stem = capsule.file_stem().unwrap_or_default().to_string_lossy();
    capsule.with_file_name(format!("{stem}-shrunk.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capsule_is_named_after_the_law() {
        let alice = "alice".into();
        let signature = Signature::new("delivery", "silent loss", [&alice]);
        assert_eq!(file_name(&signature), "delivery_silent_loss_alice");
        assert_eq!(beside(Path::new("a/b.toml")), Path::new("a/b-shrunk.toml"));
    }
}
