//! Scenarios in a folder, and the bases that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Scenario;
use super::document::{Entry, LocatedValue, Value};
use super::error::{Mistakes, ScenarioError, unknown};
use super::files::{Listing, text_of};
use super::language::tables::BASE;
use super::section::Section;
use super::typed;
use crate::fault::Registry;

/// The names that a folder of bases may have, beside the scenarios or above them; the first sorts before every family.
pub(super) const BASE_FOLDERS: [&str; 2] = ["_base", "base"];

/// The scenarios of a folder, and the files in it that are none because of a mistake.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folder {
    /// Sorted by name.
    pub scenarios: Vec<Scenario>,
    /// Sorted by path.
    pub faulty: Vec<FaultyFile>,
}

/// A scenario's file with its mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultyFile {
    /// The file.
    pub file: PathBuf,
    /// Never empty; a mistake may stand in a base of the file.
    pub mistakes: Vec<ScenarioError>,
}

impl Folder {
    /// The mistakes of all files; one in a base is told once, however many scenarios stand on it.
    pub(crate) fn mistakes(&self) -> Vec<ScenarioError> {
        let mut mistakes = Vec::new();
        for mistake in self.faulty.iter().flat_map(|faulty| &faulty.mistakes) {
            if !mistakes.contains(mistake) {
                mistakes.push(mistake.clone());
            }
        }
        mistakes
    }

    /// The mistakes of the file that would be the scenario of a name, if that file has any.
    pub(crate) fn mistakes_of(&self, name: &str) -> Option<&[ScenarioError]> {
        let faulty = self.faulty.iter().find(|faulty| faulty.file.file_stem().is_some_and(|stem| stem == name));
        faulty.map(|faulty| faulty.mistakes.as_slice())
    }

    /// Keeps the scenarios that are accepted, as they then are; the files of the others are faulty.
    #[must_use]
    pub(crate) fn accepted(mut self, accept: impl Fn(&Scenario) -> Result<Scenario, Vec<ScenarioError>>) -> Self {
        let read = std::mem::take(&mut self.scenarios);
        for scenario in read {
            match accept(&scenario) {
                Ok(accepted) => self.scenarios.push(accepted),
                Err(mistakes) => {
                    let file = scenario.file().map(Path::to_path_buf).unwrap_or_default();
                    self.faulty.push(FaultyFile { file, mistakes });
                }
            }
        }
        self.faulty.sort_by(|one, other| one.file.cmp(&other.file));
        self
    }
}

/// Reads every scenario (`*.toml`) in a folder and the folders below it, `_base` and `base` folders excepted. A file with a mistake
/// keeps no other from being read; of two scenarios of one name the second is a mistake, too. Their faults have these verbs.
///
/// # Errors
///
/// If a folder cannot be read.
pub(crate) fn load_folder(path: &Path, registry: &Registry) -> Result<Folder, ScenarioError> {
    let Listing { files, strange } = Listing::of(path)?;
    let mut scenarios: BTreeMap<String, Scenario> = BTreeMap::new();
    let mut faulty: Vec<_> =
        strange.into_iter().map(|mistake| FaultyFile { file: mistake.file.clone(), mistakes: vec![mistake] }).collect();
    for file in files {
        match Scenario::load_whole(&file, registry) {
            Err(mistakes) => faulty.push(FaultyFile { file, mistakes }),
            Ok(scenario) => {
                if let Some(earlier) = scenarios.get(&scenario.name) {
                    let other = earlier.file().unwrap_or(path).display();
                    let sentence = format!("`{}` is also the name of the scenario in {other}", scenario.name);
                    let mistakes = vec![ScenarioError::whole(&file, sentence)];
                    faulty.push(FaultyFile { file, mistakes });
                } else {
                    scenarios.insert(scenario.name.clone(), scenario);
                }
            }
        }
    }
    faulty.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(Folder { scenarios: scenarios.into_values().collect(), faulty })
}

/// Reads every scenario of a folder, as `load_folder` does, with the verbs of this crate, sorted by name.
///
/// # Errors
///
/// The mistakes of all files.
pub fn load_dir(path: &Path) -> Result<Vec<Scenario>, Vec<ScenarioError>> {
    let folder = load_folder(path, &Registry::default()).map_err(|error| vec![error])?;
    let mistakes = folder.mistakes();
    if mistakes.is_empty() { Ok(folder.scenarios) } else { Err(mistakes) }
}

/// Lays a scenario's document over that of the base which it names.
///
/// # Errors
///
/// If there is no such base, or it is no TOML. What a base may not hold is left out and told in `mistakes`.
pub(super) fn with_base(own: LocatedValue, path: &Path, mistakes: &mut Mistakes) -> Result<LocatedValue, Mistakes> {
    over_bases(own, path, &mut BTreeSet::new(), mistakes)
}

/// A base may stand on another; `below` are the files that are being read already.
fn over_bases(
    own: LocatedValue,
    path: &Path,
    below: &mut BTreeSet<PathBuf>,
    mistakes: &mut Mistakes,
) -> Result<LocatedValue, Mistakes> {
    let Some(name) = own.get("base") else { return Ok(own) };
    let (base, file) = load_base(name, path, mistakes)?;
    if !below.insert(file.clone()) {
        return Err(name.place.error("this base stands on itself").into());
    }
    let base = over_bases(base, &file, below, mistakes)?;
    let merged = own.clone().over(without_overridden_links(base, &own));
    Ok(without_dropped_checks(merged))
}

fn load_base(name: &LocatedValue, path: &Path, mistakes: &mut Mistakes) -> Result<(LocatedValue, PathBuf), Mistakes> {
    let word: String = typed::read(name)?;
    let folders: Vec<_> =
        path.ancestors().skip(1).flat_map(|folder| BASE_FOLDERS.map(|bases| folder.join(bases))).collect();
    let file = folders.iter().map(|folder| folder.join(format!("{word}.toml"))).find(|file| file.is_file());
    let Some(file) = file else {
        let mut files = Vec::new();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            files.extend(Listing::of(folder)?.files);
        }
        let known: BTreeSet<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
        let sentence = format!("there is no base `{word}` in a folder `_base` (or `base`) beside or above this file");
        return Err(name.place.error_meaning(unknown(sentence, &word, known)).into());
    };
    let mut base = LocatedValue::parse(&text_of(&file)?, &file)?;
    let keys: Vec<_> = BASE.keys().map(|key| key.name).collect();
    mistakes.extend(Section::any(&base, BASE.what)?.strangers(&keys));
    if let Value::Table(entries) = &mut base.value {
        entries.retain(|entry| keys.contains(&entry.key.as_str()));
    }
    Ok((base, file))
}

/// A link that the scenario describes itself is not described by its base.
pub(super) fn without_overridden_links(mut base: LocatedValue, own: &LocatedValue) -> LocatedValue {
    let ends = |link: &LocatedValue| -> Option<BTreeSet<String>> { typed::read(link.get("between")?).ok() };
    let Some(Value::Array(own)) = own.get("link").map(|links| &links.value) else { return base };
    let described: BTreeSet<_> = own.iter().filter_map(ends).collect();
    if let Value::Table(entries) = &mut base.value {
        for entry in entries.iter_mut().filter(|entry| entry.key == "link") {
            if let Value::Array(links) = &mut entry.node.value {
                links.retain(|link| ends(link).is_none_or(|ends| !described.contains(&ends)));
            }
        }
    }
    base
}

/// `checks.delivery = false` in a scenario drops a check of its base, and `checks.timing.NAME = false` a rule of `timing`.
fn without_dropped_checks(mut merged: LocatedValue) -> LocatedValue {
    if let Some(checks) = merged.table_of("checks") {
        checks.retain(|check| !is_dropped(check));
    }
    for law in ["timing", "backoff"] {
        if let Some(rules) = merged.get_mut("checks").and_then(|checks| checks.table_of(law)) {
            rules.retain(|rule| !is_dropped(rule));
        }
    }
    merged
}

fn is_dropped(entry: &Entry) -> bool {
    entry.node.value == Value::Scalar(toml::Value::Boolean(false))
}
