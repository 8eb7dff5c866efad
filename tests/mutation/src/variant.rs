//! What is put in the place of the real services: a mutant of cargo-mutants, or a patch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Failure, output_of};
use crate::tell;
use crate::tree::Tree;

/// One change of the services.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// What it is known by from one commit to the next.
    pub(crate) key: String,
    /// For people.
    pub(crate) name: String,
    /// The part of the services that it is counted with.
    pub(crate) part: String,
    /// The file that its judgement is kept in.
    pub(crate) records: String,
    /// As a diff.
    pub(crate) diff: String,
    /// The whole text of each file that it changes.
    pub(crate) files: BTreeMap<PathBuf, String>,
}

/// The parts of the services that are mutated: the cores, which decide, and the shells, which do. Configuration is left to the
/// tests of the crates and of the programs: no run has a configuration that must be refused.
pub(crate) const PARTS: [(&str, &[&str]); 12] = [
    ("scheduler", &["services/scheduler/src/core/broker/**"]),
    ("node", &["services/scheduler/src/core/node/**"]),
    ("client", &["services/client/src/core/**"]),
    ("gateway", &["services/gateway/src/core/**"]),
    ("link", &["services/link/src/core/**"]),
    ("health", &["services/health/src/core/**"]),
    ("scheduler-shell", &["services/scheduler/src/shell/server/**"]),
    ("node-shell", &["services/scheduler/src/shell/node/**"]),
    ("client-shell", &["services/client/src/shell/client.rs", "services/client/src/shell/driver.rs"]),
    ("gateway-shell", &["services/gateway/src/shell/**"]),
    ("link-shell", &["services/link/src/shell/**"]),
    ("health-shell", &["services/health/src/shell/**"]),
];

/// Files of configuration, and tests.
const LEFT_OUT: [&str; 4] = ["**/config.rs", "**/config/**", "**/tests/**", "**/tests.rs"];

/// A mutant as cargo-mutants lists it.
#[derive(Deserialize)]
struct Listed {
    file: PathBuf,
    name: String,
    span: Span,
    replacement: String,
    diff: String,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Counted from 1, columns in characters.
#[derive(Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// The mutants of a part that cargo-mutants finds in the tree.
pub(crate) fn mutants(tree: &Tree, part: &str) -> Result<Vec<Variant>, Failure> {
    let globs = PARTS.iter().find(|(name, _)| *name == part).map(|(_, globs)| *globs);
    let globs = globs.ok_or_else(|| Failure(format!("there is no part {part}")))?;
    let mut command = Command::new("cargo");
    command.current_dir(tree.path()).args(["mutants", "--list", "--json", "--diff", "--workspace", "--no-config"]);
    command.args(globs.iter().flat_map(|glob| ["--file", glob]));
    command.args(LEFT_OUT.iter().flat_map(|glob| ["--exclude", glob]));
    let listed: Vec<Listed> = serde_json::from_str(&output_of(&mut command)?)
        .map_err(|error| Failure(format!("read what cargo-mutants lists: {error}")))?;
    let mut namesakes = BTreeMap::new();
    listed.into_iter().map(|mutant| variant(tree, part, mutant, &mut namesakes)).collect()
}

fn variant(
    tree: &Tree,
    part: &str,
    mutant: Listed,
    namesakes: &mut BTreeMap<String, usize>,
) -> Result<Variant, Failure> {
    let Listed { file, name, span, replacement, diff } = mutant;
    let text = tree.read(&file)?;
    let range = byte_of(&text, &span.start)..byte_of(&text, &span.end);
    let mut changed = text;
    changed.replace_range(range, &replacement);
    // The same change at another line is told apart by how many of its kind come before it in its file.
    let change = name.splitn(4, ':').last().unwrap_or_default().trim().to_owned();
    let stem = format!("{}: {change}", file.display());
    let number = namesakes.entry(stem.clone()).and_modify(|number| *number += 1).or_insert(1);
    let key = format!("{stem} #{number}");
    let (records, part) = (part.to_owned(), part.to_owned());
    Ok(Variant { key, name, part, records, diff, files: BTreeMap::from([(file, changed)]) })
}

fn byte_of(text: &str, place: &Place) -> usize {
    let line: usize = text.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    let column: usize = text[line..].chars().take(place.column - 1).map(char::len_utf8).sum();
    line + column
}

/// The patches of a folder, in the order of their names. The head of a patch may say `# crate: NAME`.
pub(crate) fn patches(tree: &Tree, folder: &Path) -> Result<Vec<Variant>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure(format!("read {}: {error}", folder.display())))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    paths.sort();
    let mut variants = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let diff = fs::read_to_string(&path).map_err(|error| Failure(format!("read {}: {error}", path.display())))?;
        let part = diff.lines().find_map(|line| line.strip_prefix("# crate: ")).unwrap_or("patches").to_owned();
        let files = match tree.patched(&path) {
            Ok(files) => files,
            Err(failure) => {
                // The services have changed since: it is to be written again, and the others can be judged.
                tell(&format!("{name} is left out: {failure}"));
                continue;
            }
        };
        let records = "patches".to_owned();
        variants.push(Variant { key: name.clone(), name, part, records, diff, files });
    }
    Ok(variants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters_from_one() {
        let text = "a\nü = b\n";
        assert_eq!(byte_of(text, &Place { line: 1, column: 1 }), 0);
        assert_eq!(&text[byte_of(text, &Place { line: 2, column: 3 })..], "= b\n");
    }
}
