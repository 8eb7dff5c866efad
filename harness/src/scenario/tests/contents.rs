//! Triggers by what a message says, and by who receives it.

use super::{GOOD, read};
use crate::fault::{Edge, Trigger};
use crate::mapping::Origin;
use crate::name::Direction;
use crate::pattern::{Pattern, Wanted};
use crate::scenario::*;

const WHEN: &str = r#"{ message = 3, direction = "to_server", edge = "before" }"#;

#[test]
fn a_message_is_named_by_what_it_says_and_who_receives_it() {
    let whens = |when: &str| with(when).expect("no mistake").rules.swap_remove(0).when;
    let content = Pattern::default().with("type", Wanted::Is("result".to_owned()));
    let message =
        |n, direction, edge, content: &Pattern| Trigger::Message { n, direction, edge, content: content.clone() };
    let one = |trigger| [When { trigger, most: None }];
    assert_eq!(
        whens(r#"{ message = { type = "result" }, to = "alice" }"#),
        one(message(1, Direction::ToClient, Edge::After, &content))
    );
    assert_eq!(
        whens(r#"{ message = { "/type" = "result" }, n = 2, direction = "to_server", edge = "before" }"#),
        one(message(2, Direction::ToServer, Edge::Before, &content))
    );
    let several = content.with("seq", Wanted::Is("7".to_owned())).with("ok", Wanted::IsNot("true".to_owned()));
    let several = several.with("/a/b", Wanted::Present).with("error", Wanted::Absent);
    let conditions =
        r#"type = "result", seq = 7, ok = "!true", "/a/b" = { present = true }, error = { present = false }"#;
    assert_eq!(
        whens(&format!(r#"{{ message = {{ {conditions} }}, to = "chat" }}"#)),
        one(message(1, Direction::ToServer, Edge::After, &several))
    );
}

#[test]
fn which_of_several_messages_is_drawn_as_a_number_is() {
    let whens = |when: &str| with(when).expect("no mistake").rules.swap_remove(0).when;
    let numbers =
        whens(r#"{ message = [{ type = "a" }, { type = "b" }], n = { from = 1, to = 3 }, to = ["alice", "chat"] }"#);
    assert_eq!(numbers.len(), 4);
    assert!(numbers.iter().all(|when| (when.trigger.number(), when.most) == (1, Some(3))));
    assert_eq!(whens(r#"{ message = { type = "a" }, n = [1, 3], to = "alice" }"#).len(), 2);
    assert_eq!(whens(r#"{ sse_event = { "" = "[DONE]" }, n = 2 }"#)[0].trigger.number(), 2);
}

#[test]
fn every_unit_that_has_a_direction_may_name_its_receiver() {
    let units = ["message = 1", r#"frame = "ping""#, "http_head = 1", "chunk = 1", "line = 1", "bytes = 1"];
    for unit in units {
        let whens = |way: &str| with(&format!("{{ {unit}, {way} }}")).expect("no mistake").rules.swap_remove(0).when;
        assert_eq!(whens(r#"to = "alice""#), whens(r#"direction = "to_client""#));
        assert_eq!(whens(r#"to = "chat""#), whens(r#"direction = "to_server""#));
    }
    assert!(with(r#"{ sse_event = 1, to = "alice" }"#).is_ok());
}

#[test]
fn a_source_of_facts_reads_the_same_conditions() {
    let facts = |conditions: &str| {
        let unit = format!("unit = \"ws_text\"\nwhere = {{ {conditions} }}\nkey = \"/job_id\"");
        let scenario =
            read(&GOOD.replacen("event = \"result delivered\"\nkey = \"job_id\"", &unit, 1)).expect("no mistake");
        let Origin::Unit(unit) = &scenario.facts[0].from else { panic!("it is read from units") };
        unit.matching.clone()
    };
    let pattern = Pattern::default().with("type", Wanted::Is("result".to_owned())).with("error", Wanted::Absent);
    assert_eq!(facts(r#"type = "result", "/error" = { present = false }"#), pattern);
    assert_eq!(facts(r#""/type" = "result", error = { present = false }"#), pattern);
}

#[test]
fn what_is_wrong_with_a_description_is_told_with_its_line() {
    let mistakes = [
        r#"{ message = {}, to = "alice" }"#,
        r#"{ message = { type = 1.5 }, to = "alice" }"#,
        r#"{ message = { type = { presnt = true } }, to = "alice" }"#,
        r#"{ message = { type = "a", "/type" = "b" }, to = "alice" }"#,
        r#"{ message = { from = "bob" }, to = "alice" }"#,
        r#"{ message = { type = "a" }, n = 0, to = "alice" }"#,
        r#"{ message = { type = "a" }, n = { from = 3, to = 1 }, to = "alice" }"#,
        r#"{ message = 3, n = 1, to = "alice" }"#,
        r#"{ message = { type = "a" } }"#,
        r#"{ message = { type = "a" }, to = "alcie" }"#,
        r#"{ message = { type = "a" }, to = "alice", direction = "to_client" }"#,
        r#"{ message = { type = "a" }, tp = "alice" }"#,
        r#"{ message = { type = "a" }, to = "alice", edge = { inside = 0 } }"#,
        r#"{ sse_event = { done = true }, to = "chat" }"#,
        r#"{ chunk = { done = true }, to = "chat" }"#,
    ];
    let errors = mistakes.map(|when| with(when).expect_err(when).to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_receiver_is_an_end_of_the_link_that_is_struck() {
    let host = GOOD.replacen("link = \"alice -> chat\"\nconnection = 2", "host = \"chat\"", 1);
    let host = host.replacen("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"freeze\"", 1);
    let error = read(&host.replacen(WHEN, r#"{ message = 1, to = "chat" }"#, 1)).expect_err("a mistake");
    insta::assert_snapshot!(error, @"idle.toml:21: `to` names the receiving end of a `link`, and none is struck here");
}

fn with(when: &str) -> Result<Scenario, ScenarioError> {
    let reset = GOOD.replacen("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"reset\"", 1);
    read(&reset.replacen(WHEN, when, 1))
}
