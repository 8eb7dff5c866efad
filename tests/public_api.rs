//! What `halfopen` exports, as text: a change of the public surface is a change of `harness/public-api.txt`, for a reviewer
//! to see. `INSTA_UPDATE=always cargo test -p halfopen-tests --test public_api` writes the file again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::Builder;

/// The list, below the repository's root.
const LIST: &str = "harness/public-api.txt";
/// What `halfopen` exports at its root, without its modules. A crate that is tested with it needs no more.
const NAMES_AT_THE_ROOT: usize = 16;

#[test]
fn the_public_surface_is_the_one_that_was_reviewed() {
    let exported = exported();
    let path = root().join(LIST);
    if std::env::var("INSTA_UPDATE").is_ok_and(|wish| wish == "always") {
        fs::write(&path, &exported).expect("the list can be written");
    }
    let reviewed = fs::read_to_string(&path).expect("there is a list");
    let only = |one: &str, other: &str, sign: char| -> Vec<String> {
        one.lines()
            .filter(|line| other.lines().all(|known| known != *line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    let changes = [only(&reviewed, &exported, '-'), only(&exported, &reviewed, '+')].concat();
    assert!(
        exported == reviewed,
        "what halfopen exports has changed; `INSTA_UPDATE=always cargo test -p halfopen-tests --test public_api` writes \
         {LIST} again:\n{}",
        changes.join("\n")
    );
}

#[test]
fn few_names_stand_at_the_root_and_no_part_of_the_engine_is_among_them() {
    let reviewed = fs::read_to_string(root().join(LIST)).expect("there is a list");
    let modules: Vec<_> = reviewed.lines().filter_map(|line| line.strip_prefix("pub mod halfopen::")).collect();
    let wanted =
        ["actors", "builder", "check", "cli", "fault", "fault::time", "fault::time::option", "name", "report", "trace"];
    assert_eq!(modules, wanted);
    let at_root = |line: &&str| {
        let path = line.split_whitespace().find_map(|word| word.strip_prefix("halfopen::"));
        let is_type =
            ["pub struct ", "pub enum ", "pub type ", "pub trait ", "pub fn "].iter().any(|kind| line.contains(kind));
        is_type && path.is_some_and(|path| !path.contains("::"))
    };
    let names: Vec<_> = reviewed.lines().filter(at_root).collect();
    assert!(!names.is_empty() && names.len() <= NAMES_AT_THE_ROOT, "{names:#?}");
}

#[test]
fn what_is_exported_names_only_what_is_exported() {
    let reviewed = fs::read_to_string(root().join(LIST)).expect("there is a list");
    let modules: Vec<_> = reviewed.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    // A scenario that is built in Rust has parts that are for this repository's tests only (the feature `internals`).
    let others = reviewed.lines().filter(|line| !line.contains("halfopen::Scenario::"));
    let hidden: Vec<_> = others
        .filter(|line| {
            line.match_indices("halfopen::").any(|(at, _)| !modules.contains(&module_of(&line[at..]).as_str()))
        })
        .collect();
    assert!(hidden.is_empty(), "{hidden:#?}");
}

/// What `internals` opens is for tests: nothing that is not a test is built with it.
#[test]
fn only_tests_open_the_internals() {
    let manifests = ["harness", "reports", "scenarios", "examples/adopter", "examples/libraries", "examples/museum"];
    for folder in manifests {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("it has a manifest");
        let manifest: toml::Table = manifest.parse().expect("manifests are TOML");
        let opens = |table: &str| {
            let halfopen = manifest.get(table).and_then(|table| table.get("halfopen"));
            halfopen.is_some_and(|halfopen| halfopen.to_string().contains("internals"))
        };
        assert!(!opens("dependencies"), "{folder} opens halfopen's internals to what it exports");
        let default = manifest.get("features").and_then(|features| features.get("default"));
        assert!(default.is_none_or(|default| !default.to_string().contains("internals")), "{folder}");
    }
}

/// Every public item of `halfopen`, one a line, as rustdoc knows them.
fn exported() -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder for tests lies in its target");
    let built = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "--package", "halfopen", "--lib", "--all-features", "--target-dir"])
        .arg(target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .env("RUSTDOC", rustdoc())
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let api = Builder::from_rustdoc_json(target.join("doc/halfopen.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .expect("rustdoc's JSON has the format that the pinned `public-api` reads");
    let items: Vec<_> = api.items().map(|item| item.to_string()).collect();
    let modules: Vec<_> = items.iter().filter_map(|item| item.strip_prefix("pub mod ")).collect();
    let mut listed = BTreeSet::new();
    let mut implementing: Option<&str> = None;
    let mut list = String::new();
    for item in &items {
        if item.starts_with("impl") {
            implementing = item.rsplit_once(" for ").map(|(_, subject)| subject);
        }
        let is_the_traits = implementing.is_some_and(|subject| is_function_of(subject, item));
        // An implementation is listed with its type and with its trait.
        if modules.contains(&module_of(item).as_str()) && !is_the_traits && listed.insert(item) {
            list.extend([item, "\n"]);
        }
    }
    list
}

/// Whether an item is a function or constant of a type. In an implementation of a trait, the trait says which there are.
fn is_function_of(subject: &str, item: &str) -> bool {
    let is_one = ["pub fn ", "pub const "].iter().any(|kind| item.starts_with(kind));
    let subject = subject.split(" where ").next().unwrap_or(subject);
    is_one && item.contains(&format!("{subject}::"))
}

/// The module that an item lies in. What a private type implements of a public trait is listed, too, and cannot be named.
fn module_of(item: &str) -> String {
    let subject = item.split_once(" for ").map_or(item, |(_, subject)| subject);
    let path = subject.find("halfopen").map_or("", |at| &subject[at..]);
    let is_module = |part: &&str| part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    path.split("::").take_while(is_module).collect::<Vec<_>>().join("::")
}

/// A rustdoc that writes JSON, which is unstable. The variable that allows it is not set for all of cargo: it would have
/// every dependency built again that asks for it.
fn rustdoc() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rustdoc-json");
    fs::write(&path, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n").expect("the scratch folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the script can be made to run");
    path
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}
