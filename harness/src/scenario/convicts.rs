//! `[convicts]`: the specimens that a scenario names. Which host each stands in for, and what that host then runs, a
//! catalogue says once for all scenarios.

use std::collections::BTreeMap;

use super::document::{LocatedValue, Value};
use super::error::{Flaw, Mistakes, unknown};
use super::{Scenario, Specimen, section, typed, validate};
use crate::check::current_name;
use crate::name::HostName;

/// A specimen that a scenario names, and the checks that must convict it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conviction {
    pub(crate) specimen: String,
    pub(crate) by: Vec<String>,
}

/// What a catalogue says of a specimen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandIn {
    /// The host that the specimen stands in for.
    pub(crate) host: HostName,
    /// What that host then runs.
    pub(crate) run: String,
}

/// Every specimen of a catalogue, by name.
pub(crate) type StandIns = BTreeMap<String, StandIn>;

/// Reads `[convicts]`, in the order of its lines.
///
/// # Errors
///
/// Every specimen whose value is neither the name of a check nor a list of such names.
pub(super) fn read(node: &LocatedValue) -> Result<Vec<Conviction>, Mistakes> {
    let Value::Table(entries) = &node.value else {
        let sentence = "`convicts` holds the checks that must convict each specimen: write [convicts] and below it \
                        SPECIMEN = \"CHECK\"";
        return Err(node.place.error(sentence).into());
    };
    let mut mistakes = Mistakes::default();
    let mut convictions = Vec::new();
    for entry in entries {
        let by = match &entry.node.value {
            Value::Array(_) => typed::read::<Vec<String>>(&entry.node),
            Value::Scalar(_) | Value::Table(_) => typed::read(&entry.node).map(|check| vec![check]),
        };
        if let Some(by) = mistakes.keep(by.map_err(|error| section::about(&entry.key, error))) {
            let by = by.iter().map(|check| current_name(check).to_owned()).collect();
            convictions.push(Conviction { specimen: entry.key.clone(), by });
        }
    }
    mistakes.unless(convictions)
}

/// The specimens that a scenario names, as a catalogue of these hosts and actors registers them.
///
/// # Errors
///
/// One for each that is not registered, or stands in for something that the scenario does not have.
pub(super) fn registered(
    scenario: &Scenario,
    known: &StandIns,
    hosts: &[&str],
    actors: &[&str],
) -> Result<Vec<Specimen>, Vec<Flaw>> {
    let mut flaws = Vec::new();
    let mut specimens = Vec::new();
    for Conviction { specimen: name, by } in &scenario.convicts {
        let path = format!("convicts/{name}");
        let Some(StandIn { host, run }) = known.get(name) else {
            let sentence = format!("no specimen is registered under the name `{name}`");
            flaws.push(Flaw::unknown(path, unknown(sentence, name, known.keys().map(String::as_str))));
            continue;
        };
        let Some(replaced) = scenario.host_named(host) else {
            let sentence =
                format!("the specimen `{name}` stands in for `{host}`, and the scenario has no host `{host}`");
            flaws.push(Flaw::new(path, sentence));
            continue;
        };
        flaws.extend(validate::run(run, replaced.role, path, hosts, actors).err());
        let (name, host, run, convicted_by) = (name.clone(), host.clone(), run.clone(), by.clone());
        specimens.push(Specimen { name, host, run, convicted_by });
    }
    if flaws.is_empty() { Ok(specimens) } else { Err(flaws) }
}
