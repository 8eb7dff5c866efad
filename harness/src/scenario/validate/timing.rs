//! What is wrong with rules about time and about reconnecting though each of their words is right.

use super::{Checked, Places, Scenario, known, pair};
use crate::occurrence::Occurrence;
use crate::scenario::error::Flaw;

/// Finds the hosts, links and faults that rules name and that are not there.
pub(super) fn rules(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let rules = scenario.checks.timing.iter().flat_map(|timing| &timing.0);
    let mut flaws = Vec::new();
    for (name, rule) in rules {
        let path = format!("checks/timing/{name}");
        flaws.extend(super::name(name, &path).err());
        for occurrence in rule.occurrences() {
            flaws.extend(occurs(occurrence, &path, scenario, places).err());
        }
        if let Some(same) = &rule.same {
            let judged = rule.after.0.iter().chain(&rule.follows.0);
            flaws.extend(judged.filter_map(|occurrence| has(occurrence, same, &path).err()));
        }
    }
    for (name, rule) in scenario.checks.backoff.iter().flat_map(|backoff| &backoff.0) {
        let path = format!("checks/backoff/{name}");
        flaws.extend(super::name(name, &path).err());
        let link = &rule.link.0;
        flaws.extend(pair(&link.client, &link.server, &path, scenario).err());
        for occurrence in &rule.unless.0 {
            flaws.extend(occurs(occurrence, &path, scenario, places).err());
        }
    }
    flaws
}

fn occurs(occurrence: &Occurrence, path: &str, scenario: &Scenario, places: &Places) -> Checked {
    occurrence.host.iter().try_for_each(|host| known(host, path, scenario))?;
    occurrence.link.iter().try_for_each(|link| pair(&link.0.client, &link.0.server, path, scenario))?;
    let faults = scenario.rules.len();
    match occurrence.fault.filter(|_| places.are_all) {
        Some(fault) if usize::try_from(fault).is_ok_and(|fault| fault >= faults) => {
            let sentence = format!("there is no fault {fault}: the scenario has {faults}, and they are counted from 0");
            Err(Flaw::new(path, sentence))
        }
        Some(_) | None => Ok(()),
    }
}

/// What never has a value under a name is never about the same thing.
fn has(occurrence: &Occurrence, same: &str, path: &str) -> Checked {
    let on_the_wire = occurrence.unit.is_some() || occurrence.connection.is_some();
    let has = match same {
        "connection" | "link" => on_the_wire,
        "host" => !on_the_wire && occurrence.fault.is_none(),
        _ => occurrence.event.is_some() || occurrence.unit.is_some() || occurrence.fact.is_some(),
    };
    if has {
        return Ok(());
    }
    Err(Flaw::new(path, format!("`same`: {occurrence} has no `{same}`")))
}
