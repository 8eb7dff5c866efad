//! What lies in a folder of scenarios and is none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::GOOD;
use crate::fault::Registry;
use crate::scenario::load_folder;

#[test]
fn what_is_no_scenario_is_left_out_or_told_and_keeps_no_other_from_being_read() {
    let folder = empty("strange");
    fs::write(folder.join("good.toml"), GOOD).expect("a file");
    for left_out in [".#good.toml", "good.toml~", "#good.toml#", ".good.toml.swp", "notes.md"] {
        fs::write(folder.join(left_out), "no scenario").expect("a file");
    }
    fs::create_dir(folder.join(".git")).expect("a folder");
    fs::write(folder.join(".git/x.toml"), "no scenario").expect("a file");
    fs::write(folder.join("loud.TOML"), GOOD).expect("a file");
    fs::write(folder.join("latin.toml"), GOOD.replace("idle", "\u{e4}").chars().map(|c| c as u8).collect::<Vec<_>>())
        .expect("a file");
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(GOOD.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(folder.join("utf16.toml"), utf16).expect("a file");
    fs::write(folder.join("old_mac.toml"), GOOD.replace('\n', "\r")).expect("a file");
    fs::write(folder.join("nul.toml"), GOOD.replace("idle", "\0")).expect("a file");
    symlink("nowhere.toml", folder.join("dangling.toml")).expect("a link");
    symlink(&folder, folder.join("loop")).expect("a link");
    let read = load_folder(&folder, &Registry::default()).expect("the folder can be read");
    let names: Vec<_> = read.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    let told = read.mistakes().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(told.replace(&folder.display().to_string(), "scenarios"));
}

/// A folder of this test's own, empty.
fn empty(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/scenario-files").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder.canonicalize().expect("it is there")
}

#[test]
fn a_mistake_is_shown_with_its_line_and_a_caret_under_what_is_meant() {
    let folder = empty("excerpts");
    let bad = GOOD
        .replace("[\"offered\"]", "[\"offerd\"]")
        .replace("edge = \"before\"", "egde = \"before\"")
        .replace("[network]", "# \u{fc}ber\n[network]");
    fs::write(folder.join("bad.toml"), bad).expect("a file");
    let read = load_folder(&folder, &Registry::default()).expect("the folder can be read");
    let told = crate::scenario::excerpts(&read.mistakes()).replace(&folder.display().to_string(), "scenarios");
    insta::assert_snapshot!(told);
}
