//! Regressions: capsules of failures that were mended. They are played before anything else, for ever.

use std::fs;
use std::path::PathBuf;

use super::Catalogue;
use crate::capsule::Capsule;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::ScenarioError;

/// A capsule that was promoted.
#[derive(Clone, Debug)]
pub(crate) struct Regression {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Its plan, with everything registered that it names.
    pub(crate) plan: Plan,
}

/// What became of a regression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Every law held, and every fault struck.
    Held,
    /// A law was broken.
    Broken,
    /// No law was broken, and a fault of the plan did not strike: the conversation is not that of the capsule any more.
    Stale(String),
}

/// What a regression's run says of it.
pub(crate) fn fate(outcome: &Outcome) -> Fate {
    let stale = stale_at(outcome);
    let is_broken = outcome.violations().any(|violation| violation.check != "took_effect");
    match (is_broken, stale) {
        (true, _) => Fate::Broken,
        (false, Some(step)) => Fate::Stale(step),
        (false, None) => Fate::Held,
    }
}

/// The step at which a plan no longer applies: the first of its faults that did not strike, and why.
pub(crate) fn stale_at(outcome: &Outcome) -> Option<String> {
    let violation = outcome.violations().find(|violation| violation.check == "took_effect")?;
    Some(format!("of its {} faults, {}", outcome.faults.len(), violation.sentence.trim_end_matches('.')))
}

impl Catalogue {
    /// Where regressions lie: in `regressions`, beside the folder with the scenarios.
    pub(crate) fn regressions_folder(&self) -> PathBuf {
        self.folder().with_file_name("regressions")
    }

    /// The regressions of some scenarios, in the order of their files' names.
    ///
    /// # Errors
    /// The mistakes of the first file that has any, or the folder cannot be read.
    pub(crate) fn regressions(&self, is_of: impl Fn(&str) -> bool) -> Result<Vec<Regression>, Vec<ScenarioError>> {
        let folder = self.regressions_folder();
        let Ok(files) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
        let mut paths: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let mut regressions = Vec::new();
        for path in paths {
            let mut plan = Capsule::load_with(&path, self.faults()).map_err(|error| vec![error])?.plan;
            if is_of(&plan.scenario.name) {
                plan.scenario = self.accept(&plan.scenario)?;
                regressions.push(Regression { path, plan });
            }
        }
        Ok(regressions)
    }
}
