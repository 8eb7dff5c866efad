//! The capsules that were promoted, played before anything else.

use super::arguments::Place;
use super::{BROKEN, CommandError, FAULTY, HELD, complain, every, play, say};
use crate::catalogue::{Catalogue, Fate, fate};
use crate::scenario::Scenario;
use crate::settings::Settings;

/// Plays the regressions of the scenarios, tells those that fail or no longer apply, and returns the exit code.
pub(super) fn play_first(
    catalogue: &Catalogue,
    scenarios: &[Scenario],
    isolate: Place,
    settings: &Settings,
) -> Result<u8, CommandError> {
    let is_chosen = |name: &str| scenarios.iter().any(|scenario| scenario.name == name);
    let regressions = catalogue.regressions(is_chosen).map_err(|mistakes| every(&mistakes))?;
    if regressions.is_empty() {
        return Ok(HELD);
    }
    let (mut held, mut stale, mut broken) = (0_usize, 0_usize, 0_usize);
    for regression in &regressions {
        let path = regression.path.display().to_string();
        let outcome = play(catalogue, &regression.plan, isolate)?;
        match fate(&outcome) {
            Fate::Held => held += 1,
            Fate::Stale(step) => {
                stale += 1;
                complain(&format!("the regression {path} no longer applies: {step}"));
            }
            Fate::Broken => {
                broken += 1;
                let line = catalogue.replay_line(&path, None, None);
                say(&format!("\nthe regression {path}\n{}", outcome.failure_report(&line)));
            }
        }
    }
    say(&format!("regressions: {held} held, {broken} broke a law, {stale} no longer apply"));
    Ok(match (broken, stale) {
        (1.., _) => BROKEN,
        (0, 1..) if settings.denies_stale => FAULTY,
        (0, _) => HELD,
    })
}
