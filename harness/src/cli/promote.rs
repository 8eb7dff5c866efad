//! A capsule kept as a regression.

use std::fs;

use super::arguments::Promote;
use super::{CommandError, HELD, artefacts, every, say, shrink};
use crate::capsule::Capsule;
use crate::catalogue::Catalogue;

pub(super) fn promote(catalogue: &Catalogue, arguments: &Promote) -> Result<u8, CommandError> {
    let capsule = Capsule::load_with(&arguments.capsule, catalogue.faults())?;
    let scenario = catalogue.accept(&capsule.plan.scenario).map_err(|mistakes| every(&mistakes))?;
    let Some(failure) = &capsule.failure else {
        let path = arguments.capsule.display();
        return Err(CommandError(format!(
            "{path} is of a run in which every law held: a regression was once a failure"
        )));
    };
    let name = match &arguments.name {
        Some(name) => checked(name)?.to_owned(),
        None => format!("{}-{}", scenario.name, shrink::file_name(failure)),
    };
    let folder = catalogue.regressions_folder();
    let path = folder.join(format!("{name}.toml"));
    if path.exists() {
        let path = path.display();
        return Err(CommandError(format!("{path} is there already: give this one another name with `--name`")));
    }
    fs::create_dir_all(&folder).map_err(|source| artefacts::failed("create", &folder, &source))?;
    fs::write(&path, capsule.to_toml()).map_err(|source| artefacts::failed("write", &path, &source))?;
    say(&format!("{} is played first by `run {}` and by its test", path.display(), scenario.name));
    Ok(HELD)
}

/// A name is that of a file.
fn checked(name: &str) -> Result<&str, CommandError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(name);
    }
    Err(CommandError(format!("`{name}` is no name of a regression: names are made of letters, digits, `_` and `-`")))
}
