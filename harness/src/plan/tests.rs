use std::path::Path;

use super::*;
use crate::scenario::arbitrary;

#[test]
fn one_seed_draws_one_plan_for_ever() {
    insta::assert_snapshot!(Plan::draw(&arbitrary::scenario(), Seed(42)).to_toml(), @r#"
    [[fault]]
    link = "alice -> chat"
    connection = 2
    when = { message = 8, direction = "to_client", edge = "before" }
    do = "half_open"
    kind = "stall"
    heal_after = "30s"

    [[fault]]
    host = "chat"
    when = { at = "2s 928ms" }
    do = "power_loss"
    "#);
}

#[test]
fn a_fault_of_several_connections_is_drawn_as_if_each_had_a_table_of_its_own() {
    let hosts = "proves = \"x\"\n[host.chat]\nrun = \"chat\"\n[actor.alice]\nrun = \"talker\"\n";
    let fault = |connection: &str| {
        format!(
            "[[fault]]\nlink = \"alice -> chat\"\nconnection = {connection}\n\
             when = {{ message = {{ type = \"result\" }}, n = {{ from = 1, to = 9 }}, to = \"alice\" }}\n\
             do = [\"reset\", \"drop\"]\n"
        )
    };
    let draw = |faults: String| {
        let scenario = Scenario::from_toml(&format!("{hosts}{faults}"), Path::new("several.toml")).expect("no mistake");
        (0..20).map(|seed| Plan::draw(&scenario, Seed(seed)).faults).collect::<Vec<_>>()
    };
    let each = draw(["2", "3", "4"].map(fault).concat());
    assert_eq!(draw(fault("\"2..=4\"")), each);
    assert_eq!(draw(fault("[2, 3, 4]")), each);
    assert!(each.iter().any(|faults| faults[0].trigger != faults[1].trigger), "each is drawn by itself");
}

#[test]
fn another_seed_draws_another_plan_and_every_choice_is_drawn_sometimes() {
    let scenario = arbitrary::scenario();
    let mut verbs = std::collections::BTreeSet::new();
    for seed in 0..100 {
        verbs.extend(Plan::draw(&scenario, Seed(seed)).faults.iter().map(|fault| fault.act.verb().to_string()));
    }
    let drawn: Vec<_> = verbs.iter().map(String::as_str).collect();
    let all = [
        "crash(restarts after 2s)",
        "freeze",
        "half_open(blackhole, heals after 30s)",
        "half_open(stall, heals after 30s)",
        "power_loss",
    ];
    assert_eq!(drawn, all);
}

#[test]
fn a_rule_more_moves_no_draw_of_the_others() {
    let scenario = arbitrary::scenario();
    let longer = scenario.rules.iter().fold(scenario.clone(), |longer, rule| longer.with_rule(rule.clone()));
    for seed in (0..20).map(Seed) {
        let (plan, longer) = (Plan::draw(&scenario, seed), Plan::draw(&longer, seed));
        assert_eq!(plan.faults[..], longer.faults[..plan.faults.len()]);
    }
}
