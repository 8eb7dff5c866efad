//! What is said of faults that have not fired.

use std::time::Duration;

use super::*;
use crate::fault::{Close, Connections, Ends, Refuse, Reset};

const RESET: Reset = Reset { to: Ends::Both };

#[test]
fn a_trigger_that_counts_says_how_far_it_came() {
    let mut fixture = planned(&[
        fault(Trigger::Bytes { n: 1000, direction: Direction::ToServer }, RESET),
        fault(message(3, Direction::ToServer, Edge::After), RESET),
        fault(Trigger::HttpHead { n: 2, direction: Direction::ToClient, edge: Edge::After }, RESET),
    ]);
    fixture.connect(1);
    fixture.client_sends(b"hello");
    // What was counted on a connection outlives it.
    fixture.plane.ended(key(1));
    fixture.connect(2);
    insta::assert_snapshot!(told(&fixture.plane));
}

#[test]
fn a_link_that_nobody_connects_says_so() {
    let reversed = Link { client: "chat".into(), server: "alice".into() };
    let of = |link: Link, nth| Fault::new(Connections { link, nth }, Trigger::Connect, Refuse { lasting: None });
    let stranger = Link { client: "bob".into(), server: "chat".into() };
    let mut fixture = planned(&[of(reversed, None), of(link(), Some(9)), of(stranger, None)]);
    fixture.connect(1);
    fixture.connect(2);
    insta::assert_snapshot!(told(&fixture.plane));
}

#[test]
fn a_moment_at_which_nothing_could_be_done_is_told_with_what_was_there() {
    let at = Trigger::At(secs(10));
    let close = Close { code: Some(1000), reason: String::new(), to: Ends::Both };
    let mut fixture = planned(&[fault(at.clone(), RESET)]);
    fixture.wait();
    insta::assert_snapshot!(told(&fixture.plane));
    let mut raw = planned(&[fault(at, close), fault(Trigger::At(secs(40)), RESET)]);
    raw.connect(1);
    raw.client_sends(b"hello");
    raw.wait();
    insta::assert_snapshot!(told(&raw.plane));
}

#[test]
fn an_event_that_did_not_come_says_how_often_it_did() {
    let event = |message: &str, host: Option<&str>, n, after| Trigger::Event {
        message: message.to_owned(),
        host: host.map(Into::into),
        fields: Vec::new(),
        n,
        after,
    };
    let mut fixture = planned(&[
        fault(event("no such event", None, 1, Duration::ZERO), RESET),
        fault(event("ready", Some("bob"), 1, Duration::ZERO), RESET),
        fault(event("ready", None, 3, Duration::ZERO), RESET),
        fault(event("ready", None, 2, secs(60)), RESET),
    ]);
    let ready = crate::trace::LogEvent {
        level: crate::trace::Level::Info,
        target: "chat".to_owned(),
        message: "ready".to_owned(),
        fields: Vec::new(),
    };
    for _ in 0..2 {
        fixture.plane.event(&"chat".into(), &ready, Duration::ZERO, &mut Vec::new());
    }
    insta::assert_snapshot!(told(&fixture.plane));
}

/// A plane that has seen no connection.
fn planned(faults: &[Fault]) -> Fixture {
    Fixture { plane: Plane::new(faults), now: Duration::ZERO, rest: Bytes::new() }
}

fn told(plane: &Plane) -> String {
    let reasons = plane.reasons().into_iter().map(|(fault, why)| format!("{}: {why}", fault.0 + 1));
    reasons.collect::<Vec<_>>().join("\n")
}
