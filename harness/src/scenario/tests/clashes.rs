//! Faults that can certainly, before any run, do nothing.

use std::fmt::Write as _;
use std::path::Path;

use crate::scenario::Scenario;

const HEAD: &str = "proves = \"a plan\"\ntime_limit = \"10min\"\n[host.chat]\nrun = \"chat\"\n[host.late]\nrun = \"chat\"\n\
                    start = \"40s\"\n[actor.alice]\nrun = \"talker\"\n";

#[test]
fn a_fault_that_strikes_when_nothing_is_there_is_a_mistake() {
    let plans = [
        fault("link = \"alice -> chat\"", "\"10min\"", "do = \"reset\""),
        fault("link = \"alice -> chat\"", "{ from = \"9min\", to = \"11min\" }", "do = \"reset\""),
        fault("link = \"alice -> late\"", "\"10s\"", "do = \"reset\""),
        fault("link = \"alice -> late\"", "{ from = \"10s\", to = \"40s\" }", "do = \"half_open\"\nkind = \"stall\""),
        fault("host = \"late\"", "\"39s\"", "do = \"crash\""),
    ];
    insta::assert_snapshot!(mistakes(&plans));
}

#[test]
fn two_faults_of_which_one_can_do_nothing_are_a_mistake() {
    let part =
        |at: &str, heal: &str| fault("between = [\"alice\", \"chat\"]", at, &format!("do = \"partition\"\n{heal}"));
    let freeze = |at: &str, thaw: &str| fault("host = \"chat\"", at, &format!("do = \"freeze\"\n{thaw}"));
    let crash = |at: &str, start: &str| fault("host = \"chat\"", at, &format!("do = \"crash\"\n{start}"));
    let restart = |at: &str| fault("host = \"chat\"", at, "do = \"restart\"\npause = \"1s\"");
    let reset = |at: &str| fault("link = \"alice -> chat\"", at, "do = \"reset\"");
    let plans = [
        part("\"5s\"", "heal_after = \"10s\"") + &part("\"8s\"", "heal_after = \"3s\""),
        part("\"8s\"", "heal_after = \"3s\"") + &part("\"5s\"", ""),
        freeze("\"5s\"", "thaw_after = \"10s\"") + &part("\"5s\"", "heal_after = \"10s\""),
        crash("\"10s\"", "restart_after = \"5s\"") + &crash("\"12s\"", "restart_after = \"5s\""),
        crash("\"20s\"", "") + &crash("{ from = \"5s\", to = \"10s\" }", ""),
        crash("\"10s\"", "restart_after = \"5s\"") + &restart("\"10s\""),
        reset("\"10s\"") + &reset("\"10s\""),
    ];
    insta::assert_snapshot!(mistakes(&plans));
}

#[test]
fn faults_that_may_both_do_something_are_no_mistake() {
    let part =
        |at: &str, heal: &str| fault("between = [\"alice\", \"chat\"]", at, &format!("do = \"partition\"\n{heal}"));
    let crash = |at: &str| fault("host = \"chat\"", at, "do = \"crash\"\nrestart_after = \"5s\"");
    let plans = [
        part("\"5s\"", "heal_after = \"10s\"") + &part("\"8s\"", "heal_after = \"10s\""),
        part("{ from = \"5s\", to = \"20s\" }", "heal_after = \"10s\"") + &part("\"8s\"", "heal_after = \"1s\""),
        crash("\"10s\"") + &crash("\"16s\""),
        crash("{ from = \"10s\", to = \"20s\" }") + &crash("\"16s\""),
        fault("link = \"alice -> chat\"", "\"10s\"", "do = \"delay\"\nby = \"1s\"")
            + &fault("link = \"alice -> chat\"", "\"10s\"", "do = \"reset\""),
        fault("link = \"alice -> chat\"\nconnection = 1", "\"10s\"", "do = \"reset\"")
            + &fault("link = \"alice -> chat\"\nconnection = 2", "\"10s\"", "do = \"reset\""),
        fault("link = \"alice -> late\"", "\"10s\"", "do = \"refuse\"\nlasting = \"1min\""),
        fault("link = \"alice -> late\"", "{ from = \"10s\", to = \"41s\" }", "do = \"reset\""),
    ];
    for plan in plans {
        let text = format!("{HEAD}{plan}");
        assert!(Scenario::from_toml(&text, Path::new("plan.toml")).is_ok(), "{plan}");
    }
}

fn fault(target: &str, at: &str, verb: &str) -> String {
    format!("[[fault]]\n{target}\nwhen = {{ at = {at} }}\n{verb}\n")
}

fn mistakes(plans: &[String]) -> String {
    plans.iter().fold(String::new(), |mut told, plan| {
        let error = Scenario::from_toml(&format!("{HEAD}{plan}"), Path::new("plan.toml")).err();
        let error = error.unwrap_or_else(|| panic!("no mistake is found in\n{plan}"));
        let _ = writeln!(told, "{error}");
        told
    })
}
