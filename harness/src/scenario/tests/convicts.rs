//! Specimens that a scenario names, and what a catalogue says of them.

use super::*;

#[test]
fn a_named_specimen_is_what_the_catalogue_registers() {
    let scenario = read(&naming("deaf = \"delivery\"")).expect("no mistake");
    assert_eq!(scenario.specimens, [], "the catalogue has not been asked yet");
    let registered = scenario.with_registered(&specimens(), &HOSTS, &ACTORS).expect("all are registered");
    assert_eq!(Ok(registered.clone()), read(GOOD), "it is the same as the table that says all of it");
    let again = registered.with_registered(&specimens(), &HOSTS, &ACTORS);
    assert_eq!(again, Ok(registered), "a second time changes nothing");
}

#[test]
fn named_specimens_follow_those_that_the_file_describes_in_the_order_of_its_lines() {
    let text = format!("{GOOD}\n[convicts]\nzealous = [\"delivery\", \"stops\"]\nhasty = \"survival\"\n");
    let scenario = read(&text).expect("no mistake");
    let registered = scenario.with_registered(&specimens(), &HOSTS, &ACTORS).expect("all are registered");
    let said: Vec<_> = registered.specimens.iter().map(|of| (of.name.as_str(), of.convicted_by.join(" "))).collect();
    let expected = [("deaf", "delivery"), ("zealous", "delivery stops"), ("hasty", "survival")];
    assert_eq!(said, expected.map(|(name, by)| (name, by.to_owned())));
    assert_eq!(registered.specimens[2].host.as_str(), "alice");
    assert_eq!(registered.specimens[2].run, "specimen_hasty");
}

#[test]
fn a_scenario_whose_specimens_no_catalogue_was_asked_for_is_written_with_their_names() {
    let scenario = read(&naming("zealous = [\"delivery\", \"stops\"]\ndeaf = \"delivery\"")).expect("no mistake");
    let written = scenario.to_toml();
    let end = "\n[convicts]\nzealous = [\"delivery\", \"stops\"]\ndeaf = [\"delivery\"]\n";
    assert!(written.ends_with(end), "{written}");
    assert_eq!(read(&written), Ok(Scenario { name: "idle".to_owned(), ..scenario }));
}

#[test]
fn what_is_wrong_with_a_named_specimen_is_told_with_its_line() {
    let both = format!("{GOOD}\n[convicts]\ndeaf = \"delivery\"\n");
    let mistakes = [
        naming("deaf = \"delivry\""),
        naming("deaf = []"),
        naming("deaf = 3"),
        naming("deaf = [\"delivery\", 3]"),
        naming("\"a b\" = \"delivery\""),
        naming("deaf = \"delivery\"\nconvicted_by = { x = 1 }"),
        both,
        GOOD.replace("time_limit", "convicts = [\"deaf\"]\ntime_limit").replace("[[specimen]]", "[[spcimen]]"),
    ];
    let told = mistakes.map(|text| read(&text).expect_err("a mistake").to_string());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_specimen_that_is_not_registered_is_told_with_the_nearest_that_is() {
    let told = |lines: &str, hosts: &[&str], actors: &[&str]| {
        let registered = read(&naming(lines)).expect("no mistake").with_registered(&specimens(), hosts, actors);
        registered.expect_err("a mistake").iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let mistakes = [
        told("deef = \"delivery\"\nsomething-else = \"delivery\"", &HOSTS, &ACTORS),
        told("elsewhere = \"delivery\"", &HOSTS, &ACTORS),
        told("deaf = \"delivery\"", &[], &["specimen_deaf"]),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

const HOSTS: [&str; 3] = ["chat", "specimen_deaf", "specimen_zealous"];
const ACTORS: [&str; 2] = ["talker", "specimen_hasty"];

fn specimens() -> StandIns {
    let of =
        |(name, host, run): (&str, &str, &str)| (name.to_owned(), StandIn { host: host.into(), run: run.to_owned() });
    let registered = [
        ("deaf", "chat", "specimen_deaf"),
        ("zealous", "chat", "specimen_zealous"),
        ("hasty", "alice", "specimen_hasty"),
        ("elsewhere", "relay", "specimen_deaf"),
    ];
    registered.map(of).into_iter().collect()
}

/// The scenario without a mistake, with these lines below `[convicts]` instead of its specimen.
fn naming(lines: &str) -> String {
    let (before, _) = GOOD.split_once("[[specimen]]").expect("it has a specimen");
    format!("{before}[convicts]\n{lines}\n")
}
