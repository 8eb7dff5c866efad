//! Changes under which a scenario's sentence is false.

use super::*;
use crate::fault::Act;

/// Lines behind the scenario without a mistake.
fn with(lines: &str) -> String {
    format!("{GOOD}\n{lines}\n")
}

#[test]
fn an_opposite_is_the_scenario_with_its_changes() {
    let text = with(
        "[opposite.late]\nhost.chat.config.port = 81\nfault = [{ link = \"alice -> chat\", when = { at = \"1s\" }, do = \"delay\", by = \"9s\" }]\n\
         [convicts]\nlate = { by = \"delivery\", breaks = \"is noticed\" }",
    );
    let scenario = read(&text).expect("no mistake");
    let [late] = &scenario.opposites[..] else { panic!("one opposite: {:?}", scenario.opposites) };
    assert_eq!((late.name.as_str(), late.breaks.as_deref()), ("late", Some("is noticed")));
    assert_eq!(late.convicted_by, ["delivery"]);
    assert_eq!(scenario.convicts, [], "no catalogue is asked for it");
    let good = read(GOOD).expect("no mistake");
    let (host, original) = (&late.scenario.hosts[0], &good.hosts[0]);
    assert_eq!(host.config["port"].as_integer(), Some(81));
    assert_eq!((&host.run, &late.scenario.checks), (&original.run, &good.checks));
    let words: Vec<_> = late.scenario.rules.iter().flat_map(FaultRule::acts).map(Act::word).collect();
    assert_eq!(words, ["close", "delay"], "its fault follows those of the scenario");
    assert_eq!(late.scenario.specimens, [], "the specimens are the scenario's");
    assert_eq!(scenario.with_defect("late"), Some(late.scenario.clone()));
    assert_eq!(scenario.with_defect("early"), None);
}

#[test]
fn an_empty_list_of_faults_takes_them_away_and_a_link_replaces_that_of_the_same_hosts() {
    let text = with(
        "[opposite.calm]\nfault = []\nlink = [{ between = [\"chat\", \"alice\"], latency = \"1s\" }]\n[convicts]\ncalm = \"delivery\"",
    );
    let scenario = read(&text).expect("no mistake");
    let calm = &scenario.opposites[0].scenario;
    assert_eq!(calm.rules, []);
    assert_eq!(calm.links.len(), 1);
    assert_eq!(calm.links[0].latency, Some(Duration::from_secs(1)));
}

#[test]
fn an_opposite_that_the_scenario_describes_and_does_not_convict_is_a_mistake() {
    let error = read(&with("[opposite.late]\nsettle = \"5min\"")).expect_err("a mistake").to_string();
    assert!(
        error.contains("no run plays the opposite `late`: say under `[convicts]` which law convicts it"),
        "{error}"
    );
    let misspelt = "[opposite.late]\nsetle = \"5min\"\n[convicts]\nlate = \"delivery\"";
    let error = read(&with(misspelt)).expect_err("a mistake").to_string();
    assert!(error.contains("an opposite has no key `setle`; did you mean `settle`?"), "{error}");
}

#[test]
fn what_is_wrong_with_an_opposite_is_told_with_its_line() {
    let convicted = |changes: &str| with(&format!("[opposite.late]\n{changes}\n[convicts]\nlate = \"delivery\""));
    let mistakes = [
        convicted(""),
        convicted("checks.delivery.law = \"at_most_once\""),
        convicted("actor.bob.config.x = 1"),
        convicted("fault = [{ link = \"alice -> chat\", when = { at = \"1s\" }, do = \"dely\", by = \"9s\" }]"),
        convicted("fault = [{ link = \"alice -> chta\", when = { at = \"1s\" }, do = \"reset\" }]"),
        convicted("settle = 5"),
        with("[opposite]\nlate = 3\n[convicts]\nlate = \"delivery\""),
        with("[opposite.late]\nsettle = \"5min\"\n[convicts]\nlate = \"delivry\""),
        with("[opposite.late]\nsettle = \"5min\"\n[convicts]\nlate = { breaks = \"is noticed\" }"),
        with("[opposite.late]\nsettle = \"5min\"\n[convicts]\nlate = { by = \"delivery\", breaks = \"is seen\" }"),
        with("[opposite.deaf]\nsettle = \"5min\"\n[convicts]\ndeaf = \"delivery\""),
    ];
    let told = mistakes.map(|text| read(&text).expect_err("a mistake").to_string());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_base_describes_opposites_and_a_scenario_plays_those_that_it_names() {
    let base = LocatedValue::parse(
        "[opposite.late]\nsettle = \"5min\"\n[opposite.early]\nsettle = \"1s\"\n",
        Path::new("_base/b.toml"),
    );
    let own = LocatedValue::parse(&with("[convicts]\nlate = \"delivery\""), Path::new("idle.toml")).expect("TOML");
    let whole = own.over(base.expect("TOML"));
    let scenario = read::scenario(&whole, Some("idle"), &Registry::default()).expect("no mistake");
    let names: Vec<_> = scenario.opposites.iter().map(|of| (of.name.as_str(), of.scenario.settle.as_secs())).collect();
    assert_eq!(names, [("late", 300)]);
}
