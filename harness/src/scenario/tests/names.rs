//! Moments and lists of verbs that have names, faults that are several, and states that a sentence stands for.

use super::{GOOD, read};
use crate::fault::{Edge, Target};
use crate::scenario::*;

const WHEN: &str = r#"when = { message = 3, direction = "to_server", edge = "before" }"#;
const VERB: &str = "do = \"close\"\ncode = 1000\nreason = \"idle\"\n";
const MOMENT: &str = r#"
[moment.first_result]
link = "alice -> chat"
message = { type = "result" }
to = "alice"

[moment.started]
event = "ready"
host = "chat"
"#;
const VERBS: &str = r#"
[verbs]
ends = [{ do = "reset" }, { do = "cut", ending = ["fin", "rst"] }]
silence = [{ do = "half_open", kind = "stall" }]
"#;

#[test]
fn a_moment_is_the_trigger_that_it_names() {
    let named = with(&[(WHEN, "when = \"first_result\"")]).expect("no mistake");
    let written = r#"when = { message = { type = "result" }, to = "alice" }"#;
    assert_eq!(named.rules, with(&[(WHEN, written)]).expect("no mistake").rules);
    let other = with(&[(WHEN, r#"when = { moment = "first_result", edge = ["before", { inside = 3 }], n = 2 }"#)]);
    let written = r#"when = { message = { type = "result" }, to = "alice", edge = ["before", { inside = 3 }], n = 2 }"#;
    assert_eq!(other.expect("no mistake").rules, with(&[(WHEN, written)]).expect("no mistake").rules);
    let either = with(&[(
        WHEN,
        r#"when = { one_of = ["first_result", { at = "1s" }, { moment = "started", after = "5ms" }] }"#,
    )]);
    assert_eq!(either.expect("no mistake").rules[0].when.len(), 3);
    let drawn = with(&[(WHEN, r#"when = { moment = ["first_result", "started"] }"#)]);
    assert_eq!(drawn.expect("no mistake").rules[0].when.len(), 2);
}

#[test]
fn a_fault_without_a_link_strikes_that_of_its_moment() {
    let fault = "link = \"alice -> chat\"\nconnection = 2\nwhen = { message = 3, direction = \"to_server\", edge = \"before\" }";
    let named = with(&[(fault, "when = \"first_result\"")]).expect("no mistake");
    assert_eq!(named.rules[0].acts[0].target().to_string(), "alice->chat");
    let named = with(&[(fault, "connection = 2\nwhen = \"first_result\"")]).expect("no mistake");
    assert_eq!(named.rules[0].acts[0].target().to_string(), "alice->chat#2");
}

#[test]
fn a_list_of_verbs_is_drawn_from_by_its_name() {
    let verbs = |choices: &str| {
        let scenario = with(&[(VERB, &format!("do = {{ one_of = {choices} }}\n"))]).expect("no mistake");
        scenario.rules[0].acts.iter().map(|act| act.verb().to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(verbs(r#""ends""#), "reset cut(fin) cut(rst)");
    assert_eq!(verbs(r#"["silence", { do = "drop" }, "ends"]"#), "half_open(stall) drop reset cut(fin) cut(rst)");
}

#[test]
fn a_fault_of_several_connections_is_one_for_each() {
    let connections = |written: &str| {
        let scenario = with(&[("connection = 2", written)]).expect("no mistake");
        let nth = |rule: &FaultRule| match rule.acts[0].target() {
            Target::Link { connection, .. } => connection,
            Target::Between(..) | Target::Host(_) => None,
        };
        scenario.rules.iter().map(nth).collect::<Vec<_>>()
    };
    assert_eq!(connections("connection = \"2..=4\""), [Some(2), Some(3), Some(4)]);
    assert_eq!(connections("connection = [4, 2]"), [Some(4), Some(2)]);
    assert_eq!(connections("connection = \"3..=3\""), [Some(3)]);
    assert_eq!(connections(""), [None]);
}

#[test]
fn a_mistake_behind_a_fault_of_several_connections_has_its_own_line() {
    let second = "\n[[fault]]\nlink = \"alice -> chta\"\ndo = \"reset\"\nwhen = { at = \"1s\" }\n\n[[facts]]";
    let error = with(&[("connection = 2", "connection = [1, 2, 3]"), ("\n[[facts]]", second)]).expect_err("a mistake");
    insta::assert_snapshot!(error, @"idle.toml:28: there is no host `chta`; did you mean `chat`?");
    let itself = with(&[("connection = 2", "connection = [1, 0]")]).expect_err("a mistake");
    insta::assert_snapshot!(itself, @"idle.toml:21: connections are counted from 1");
}

#[test]
fn a_sentence_stands_for_each_verb_of_each_fault() {
    let ends =
        format!("{VERB_OF_ENDS}\n[[fault]]\nhost = \"chat\"\ndo = [\"crash\", \"freeze\"]\nwhen = {{ at = \"3s\" }}\n");
    let states = |sometimes: &str| {
        let checks = format!("[checks]\n{sometimes}\n\n[checks.delivery]");
        let scenario = with(&[(VERB, ends.as_str()), ("[checks.delivery]", checks.as_str())]).expect("no mistake");
        let states = scenario.checks.sometimes.clone().expect("states").0;
        assert_eq!(scenario, Scenario::from_toml(&scenario.to_toml(), "written.toml".as_ref()).expect("no mistake"));
        states.into_keys().collect::<Vec<_>>()
    };
    let each = ["crash on chat", "cut on alice -> chat", "freeze on chat", "reset on alice -> chat"];
    assert_eq!(states("sometimes = \"each verb of each fault\""), each);
    let more = states("sometimes = { struck = \"each verb of each fault\", zeal = { fault = \"crash\" } }");
    assert_eq!(more, [&each[..], &["zeal"]].concat());
}

const VERB_OF_ENDS: &str = "do = { one_of = \"ends\" }\n";

#[test]
fn what_is_wrong_with_a_name_is_told_with_its_line() {
    let mistakes = [
        (WHEN, "when = \"first_reslt\""),
        (WHEN, "when = { moment = \"first_reslt\" }"),
        (WHEN, "when = { moment = 3 }"),
        (WHEN, "when = { moment = \"first_result\", at = \"3s\" }"),
        (WHEN, "when = { moment = \"first_result\", egde = \"before\" }"),
        ("link = \"alice -> chat\"\nconnection = 2", "link = \"chat -> alice\"\nconnection = 2"),
        ("link = \"alice -> chat\"\nconnection = 2", "host = \"chat\""),
        ("[moment.started]\nevent", "[moment.started]\nevnet"),
        ("[moment.started]\nevent = \"ready\"\nhost = \"chat\"", "[moment]\nstarted = 3"),
        ("[moment.first_result]\nlink = \"alice -> chat\"", "[moment.first_result]"),
        ("message = { type = \"result\" }\nto = \"alice\"", "message = { type = \"result\" }\nto = \"bob\""),
        (VERB, "do = { one_of = \"end\" }\n"),
        (VERB, "do = { one_of = [\"sillence\"] }\n"),
        (VERB, "do = { one_of = [] }\n"),
        ("do = \"half_open\"", "do = \"half_opne\""),
        ("silence = [{ do = \"half_open\", kind = \"stall\" }]", "silence = []"),
        ("connection = 2", "connection = \"2..7\""),
        ("connection = 2", "connection = \"7..=2\""),
        ("connection = 2", "connection = \"1..=9999\""),
        ("connection = 2", "connection = [2, 3, 2]"),
        ("connection = 2", "connection = []"),
        ("connection = 2", "connection = \"second\""),
        ("[checks.delivery]", "[checks]\nsometimes = \"each verb\"\n\n[checks.delivery]"),
        ("[checks.delivery]", "[checks.sometimes]\nstruck = 3\n\n[checks.delivery]"),
    ];
    let errors = mistakes.map(|mistake| {
        let named = (WHEN, "when = \"first_result\"");
        let mistakes = if mistake.0 == WHEN { vec![mistake] } else { vec![mistake, named] };
        with(&mistakes).expect_err(mistake.1).to_string()
    });
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn an_edge_of_the_faults_own_takes_the_place_of_the_moments() {
    let moment = ("to = \"alice\"\n", "to = \"alice\"\nedge = [\"before\", \"after\"]\n");
    let edges = |when: &str| {
        let rules = with(&[moment, (WHEN, when)]).expect("no mistake").rules;
        let whens = rules[0].when.iter();
        whens
            .map(|when| match when.trigger {
                crate::fault::Trigger::Message { edge, .. } => edge,
                _ => panic!("it is a message"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(edges("when = \"first_result\""), [Edge::Before, Edge::After]);
    assert_eq!(edges("when = { moment = \"first_result\", edge = { inside = 2 } }"), [Edge::Inside(2)]);
}

fn with(changes: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
    let mut text = format!("{GOOD}{MOMENT}{VERBS}");
    for (find, replace) in changes {
        assert!(text.contains(find), "{find} is not in the scenario");
        text = text.replacen(find, replace, 1);
    }
    read(&text)
}
