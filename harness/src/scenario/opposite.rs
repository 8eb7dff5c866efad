//! `[opposite.NAME]`: changes of a scenario under which its sentence is false. A base describes those that its family
//! shares; a scenario plays those that its `[convicts]` names.

use super::convicts::Conviction;
use super::document::{LocatedValue, Value};
use super::error::Mistakes;
use super::language::tables::OPPOSITE;
use super::section::Section;
use super::{Opposite, folder, read};
use crate::fault::Registry;

/// What only the scenario itself has, and its opposites do not.
const OF_THE_SCENARIO: [&str; 3] = ["convicts", "opposite", "specimen"];

/// Takes the opposites out of what a scenario convicts and reads each. `document` is the scenario's, bases included.
///
/// # Errors
///
/// Every mistake in an opposite, and in what a scenario with its changes is.
pub(super) fn read(
    document: &LocatedValue,
    name: &str,
    convicts: &mut Vec<Conviction>,
    registry: &Registry,
) -> Result<Vec<Opposite>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let described = mistakes.keep(Section::any(document, "a scenario")?.named("opposite")).unwrap_or_default();
    for (name, place, changes) in &described {
        mistakes.keep(changed_keys(changes));
        let is_of_a_base = place.file != document.place.file;
        if !is_of_a_base && convicts.iter().all(|conviction| conviction.of != *name) {
            let sentence = format!("no run plays the opposite `{name}`: say under `[convicts]` which law convicts it");
            mistakes.extend([place.error(sentence)]);
        }
    }
    mistakes.unless(())?;
    let mut mistakes = Mistakes::default();
    let mut opposites = Vec::new();
    let mut specimens = Vec::new();
    for conviction in std::mem::take(convicts) {
        let Some((_, _, changes)) = described.iter().find(|(name, _, _)| *name == conviction.of) else {
            specimens.push(conviction);
            continue;
        };
        let Conviction { of, by, breaks } = conviction;
        if let Some(scenario) = mistakes.keep(read::scenario(&changed(document, changes), Some(name), registry)) {
            opposites.push(Opposite { name: of, breaks, convicted_by: by, scenario });
        }
    }
    *convicts = specimens;
    mistakes.unless(opposites)
}

/// An opposite changes something, and only what is around the laws.
fn changed_keys(changes: &LocatedValue) -> Result<(), Mistakes> {
    let section = Section::open(changes, &OPPOSITE)?;
    if section.keys().next().is_none() {
        return Err(section.place.error("an opposite changes something").into());
    }
    Ok(())
}

/// The document with the changes laid over it, by the rules by which a scenario lies over its base: its faults and links
/// follow those of the scenario.
fn changed(document: &LocatedValue, changes: &LocatedValue) -> LocatedValue {
    let mut own = document.clone();
    if let Value::Table(entries) = &mut own.value {
        entries.retain(|entry| !OF_THE_SCENARIO.contains(&entry.key.as_str()));
    }
    changes.clone().over(folder::without_overridden_links(own, changes))
}
