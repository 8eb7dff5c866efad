//! Which scenarios a command is about: names, patterns, folders, files and tags.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::arguments::Chosen;
use super::{CommandError, every};
use crate::catalogue::Catalogue;
use crate::scenario::{Folder, Scenario};

impl Chosen {
    /// Whether the whole catalogue is meant.
    pub(super) fn is_all(&self) -> bool {
        self.names.is_empty() && self.tags.is_empty()
    }

    /// The scenarios that are meant, each once, in the order in which they were named; those of a pattern, a folder or the
    /// whole catalogue by name.
    ///
    /// # Errors
    /// If a word names nothing, or a file with a mistake.
    pub(super) fn of(&self, catalogue: &Catalogue, folder: &Folder) -> Result<Vec<Scenario>, CommandError> {
        let mut chosen: Vec<Scenario> = Vec::new();
        if self.names.is_empty() {
            chosen.clone_from(&folder.scenarios);
        }
        for word in &self.names {
            for scenario in named(word, catalogue, folder)? {
                if chosen.iter().all(|known| known.name != scenario.name) {
                    chosen.push(scenario);
                }
            }
        }
        if self.tags.is_empty() {
            return Ok(chosen);
        }
        for tag in &self.tags {
            if !folder.scenarios.iter().any(|scenario| scenario.tags.contains(tag)) {
                return Err(unknown_tag(tag, folder));
            }
        }
        chosen.retain(|scenario| self.tags.iter().any(|tag| scenario.tags.contains(tag)));
        if chosen.is_empty() {
            let tags = self.tags.join("` or `");
            return Err(CommandError(format!("none of the scenarios that are named has the tag `{tags}`")));
        }
        Ok(chosen)
    }
}

/// How a pattern fits the way of a file: `*` stays in its folder, `**` does not.
const BY_FOLDER: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The scenarios that one word names.
fn named(word: &str, catalogue: &Catalogue, folder: &Folder) -> Result<Vec<Scenario>, CommandError> {
    if folder.scenarios.iter().any(|scenario| scenario.name == word) {
        return catalogue.find(folder, word).map(|found| vec![found]).map_err(|mistakes| every(&mistakes));
    }
    if let Some(place) = place(word, catalogue.folder()) {
        return at(word, &place, catalogue, folder);
    }
    let root = catalogue.folder();
    if is_path(word) && !word.contains(['*', '?', '[']) {
        let root = root.display();
        return Err(CommandError(format!("there is no file or folder `{word}`, neither here nor in {root}")));
    }
    if !word.contains(['*', '?', '[']) {
        return catalogue.find(folder, word).map(|found| vec![found]).map_err(|mistakes| every(&mistakes));
    }
    let pattern = Pattern::new(word).map_err(|error| {
        CommandError(format!("`{word}` is no pattern: {} at its character {}", error.msg, error.pos + 1))
    })?;
    let matches = |scenario: &&Scenario| {
        let way = way(scenario, root);
        pattern.matches(&scenario.name) || pattern.matches_with(&way, BY_FOLDER)
    };
    let found: Vec<_> = folder.scenarios.iter().filter(matches).cloned().collect();
    if found.is_empty() {
        let count = folder.scenarios.len();
        return Err(CommandError(format!("none of the {count} scenarios matches `{word}`: `list` names them")));
    }
    Ok(found)
}

/// The file or folder that a word names, from here or from the catalogue's folder.
fn place(word: &str, root: &Path) -> Option<PathBuf> {
    let inside = root.join(word);
    if inside.exists() && (is_path(word) || inside.is_dir()) {
        return inside.canonicalize().ok();
    }
    if is_path(word) { Path::new(word).canonicalize().ok() } else { None }
}

/// Whether a word can only be the path of a file or folder.
fn is_path(word: &str) -> bool {
    word.contains(std::path::MAIN_SEPARATOR) || word.ends_with(".toml")
}

/// The scenarios of a file, or below a folder.
fn at(word: &str, place: &Path, catalogue: &Catalogue, folder: &Folder) -> Result<Vec<Scenario>, CommandError> {
    let is_there = |file: &Path| file.canonicalize().is_ok_and(|file| file.starts_with(place));
    let found: Vec<_> =
        folder.scenarios.iter().filter(|scenario| scenario.file().is_some_and(is_there)).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(faulty) = folder.faulty.iter().find(|faulty| is_there(&faulty.file)) {
        return Err(every(&faulty.mistakes));
    }
    let root = catalogue.folder().display();
    Err(CommandError(format!("`{word}` holds no scenario of this catalogue, whose folder is {root}")))
}

/// Where a scenario lies in the catalogue's folder, without `.toml`: `idle/idle_close_1000`.
fn way(scenario: &Scenario, root: &Path) -> String {
    let file = scenario.file().unwrap_or(Path::new(""));
    file.strip_prefix(root).unwrap_or(file).with_extension("").to_string_lossy().into_owned()
}

fn unknown_tag(tag: &str, folder: &Folder) -> CommandError {
    let mut known: Vec<&str> =
        folder.scenarios.iter().flat_map(|scenario| &scenario.tags).map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    let known =
        if known.is_empty() { "no scenario has any".to_owned() } else { format!("there are `{}`", known.join("`, `")) };
    CommandError(format!("no scenario has the tag `{tag}`; {known}"))
}
