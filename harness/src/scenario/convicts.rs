//! `[convicts]`: the defects that a scenario names. What an opposite changes, the file or its base says; which host a
//! specimen stands in for, and what that host then runs, a catalogue says once for all scenarios.

use std::collections::BTreeMap;

use super::document::{LocatedValue, Value};
use super::error::{Flaw, Mistakes, ScenarioError, unknown};
use super::language::tables;
use super::section::Section;
use super::{Scenario, Specimen, section, typed, validate};
use crate::check::current_name;
use crate::name::HostName;

/// A specimen or an opposite that a scenario names, and the checks that must convict it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conviction {
    pub(crate) of: String,
    pub(crate) by: Vec<String>,
    /// The part of the sentence that it breaks.
    pub(crate) breaks: Option<String>,
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
/// Every defect whose value is neither the name of a check, nor a list of such names, nor a table that has one of both.
pub(super) fn read(node: &LocatedValue) -> Result<Vec<Conviction>, Mistakes> {
    let Value::Table(entries) = &node.value else {
        let sentence = "`convicts` holds the checks that must convict each defect: write [convicts] and below it \
                        DEFECT = \"CHECK\"";
        return Err(node.place.error(sentence).into());
    };
    let mut mistakes = Mistakes::default();
    let mut convictions = Vec::new();
    for entry in entries {
        if let Some((by, breaks)) = mistakes.keep(conviction(&entry.key, &entry.node)) {
            convictions.push(Conviction { of: entry.key.clone(), by, breaks });
        }
    }
    mistakes.unless(convictions)
}

/// The checks that must convict, and the part of the sentence that is broken.
fn conviction(name: &str, node: &LocatedValue) -> Result<(Vec<String>, Option<String>), Mistakes> {
    match &node.value {
        Value::Table(_) => {
            let section = Section::open(node, &tables::CONVICTION)?;
            Ok((checks(section.node("by")?)?, section.optional("breaks")?))
        }
        Value::Array(_) | Value::Scalar(_) => Ok((checks(node).map_err(|error| section::about(name, error))?, None)),
    }
}

/// One check, or a list of them.
pub(super) fn checks(node: &LocatedValue) -> Result<Vec<String>, ScenarioError> {
    let checks = match &node.value {
        Value::Array(_) => typed::read::<Vec<String>>(node)?,
        Value::Scalar(_) | Value::Table(_) => vec![typed::read(node)?],
    };
    Ok(checks.iter().map(|check| current_name(check).to_owned()).collect())
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
    for Conviction { of: name, by, breaks } in &scenario.convicts {
        let path = format!("convicts/{name}");
        let Some(StandIn { host, run }) = known.get(name) else {
            let sentence =
                format!("no specimen is registered under the name `{name}`, and there is no [opposite.{name}]");
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
        specimens.push(Specimen { name, host, run, convicted_by, breaks: breaks.clone() });
    }
    if flaws.is_empty() { Ok(specimens) } else { Err(flaws) }
}
