//! The museum, which no build of the workspace compiles: its files, its table and its lock file belong together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use halfopen::Scenario;
use halfopen::internals::load_dir;

#[test]
fn each_exhibit_names_its_report_in_its_first_line_and_in_the_table() {
    let table = table();
    for scenario in scenarios() {
        let text = read(&format!("{}/{}.toml", folder(&scenario), scenario.name));
        let first = text.lines().next().unwrap_or_default();
        let threads = threads(first);
        assert!(!threads.is_empty(), "{}: the first line names no report: {first}", scenario.name);
        let row = row(&table, &scenario.name);
        for thread in threads {
            assert!(
                row.report.contains(&thread) || row.acquitted.contains(&thread),
                "{thread} is not in the row of {}",
                scenario.name
            );
        }
    }
}

#[test]
fn each_exhibit_convicts_by_the_laws_that_the_table_says() {
    let table = table();
    for scenario in scenarios() {
        let row = row(&table, &scenario.name);
        let said: BTreeSet<&str> = quoted(&row.laws).collect();
        if folder(&scenario) == APART {
            // Its specimen is another crate, and the museum's own command says what convicts it.
            assert_eq!(said, BTreeSet::from(["livelock"]));
            continue;
        }
        assert!(!scenario.specimens.is_empty(), "{} convicts nobody", scenario.name);
        for specimen in &scenario.specimens {
            let convicts: BTreeSet<&str> = specimen.convicted_by.iter().map(String::as_str).collect();
            assert_eq!(said, convicts, "the laws of {} and of its row", scenario.name);
        }
    }
}

#[test]
fn the_versions_of_the_table_are_pinned_and_locked() {
    for row in table() {
        for (side, apart) in [(&row.convicted, "pool_retry/at-0_1_8"), (&row.acquitted, "pool_retry/at-0_1_21")] {
            let crate_folder = if row.scenario == "pool_retry" { apart } else { "." };
            let [manifest, lock] = ["Cargo.toml", "Cargo.lock"].map(|file| read(&format!("{crate_folder}/{file}")));
            let (name, version) = quoted(side)
                .find_map(|words| words.split_once(' '))
                .unwrap_or_else(|| panic!("the row of {} names no crate and version in `{side}`", row.scenario));
            let locked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&locked), "{}: {name} {version} is not in the lock file", row.scenario);
            // tungstenite comes with tokio-tungstenite of the same version.
            assert!(manifest.contains(&format!("\"={version}\"")), "{}: nothing is pinned to {version}", row.scenario);
        }
    }
}

#[test]
fn every_row_of_the_table_is_an_exhibit_and_no_exhibit_is_hidden() {
    let shown: BTreeSet<String> = table().into_iter().map(|row| row.scenario).collect();
    let played: BTreeSet<String> = scenarios().into_iter().map(|scenario| scenario.name).collect();
    assert_eq!(shown, played);
    for library in ["eventsource-client", "fastwebsockets", "hyper-util", "redis", "rmcp", "tungstenite"] {
        assert!(table().iter().any(|row| row.convicted.contains(library)), "{library} has left the museum");
    }
}

/// Where the scenario lies whose versions each have a lock file.
const APART: &str = "pool_retry/scenarios";

struct Row {
    scenario: String,
    report: String,
    convicted: String,
    acquitted: String,
    laws: String,
}

/// The rows of the README's table, below its head.
fn table() -> Vec<Row> {
    let readme = read("README.md");
    let rows = readme.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [scenario, report, convicted, acquitted, laws] = cells[..] else { panic!("five cells, not: {line}") };
        Row {
            scenario: scenario.trim_matches('`').to_owned(),
            report: report.to_owned(),
            convicted: convicted.to_owned(),
            acquitted: acquitted.to_owned(),
            laws: laws.to_owned(),
        }
    })
    .collect()
}

fn row<'a>(table: &'a [Row], scenario: &str) -> &'a Row {
    table.iter().find(|row| row.scenario == scenario).unwrap_or_else(|| panic!("{scenario} has no row in the table"))
}

/// The addresses of issues and pull requests in a line; `and /pull/960` is another of the same repository.
fn threads(line: &str) -> Vec<String> {
    let mut threads: Vec<String> = Vec::new();
    for word in line.split([' ', ':']).map(|word| word.trim_start_matches("//").trim_end_matches([',', ';'])) {
        let is_number = word.rsplit('/').next().is_some_and(|last| last.parse::<u32>().is_ok());
        let repository = threads.last().and_then(|last| last.split("/issues/").next()?.split("/pull/").next());
        match (is_number, repository) {
            (true, _) if word.starts_with("github.com/") => threads.push(word.to_owned()),
            (true, Some(repository)) if word.starts_with('/') => {
                // Either kind of address leads to the thread.
                threads.push(format!("{repository}{word}"));
            }
            (true | false, _) => {}
        }
    }
    threads
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn scenarios() -> Vec<Scenario> {
    let folders = ["scenarios", APART].into_iter();
    folders.flat_map(|folder| load_dir(&museum().join(folder)).unwrap_or_else(|errors| panic!("{errors:?}"))).collect()
}

/// The folder that a scenario lies in.
fn folder(scenario: &Scenario) -> &'static str {
    if scenario.name == "pool_retry" { APART } else { "scenarios" }
}

fn read(name: &str) -> String {
    fs::read_to_string(museum().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn museum() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/museum")
}
