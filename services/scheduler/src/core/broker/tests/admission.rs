//! Who makes room, and what all sessions together may hold.

use super::*;

#[test]
fn the_session_that_has_been_absent_longest_makes_room_if_nothing_is_owed_to_it() {
    let mut fixture = Fixture::with(Limits { sessions: 3, ..Limits::default() });
    let (owed, first, second) = (fixture.client(), fixture.client(), fixture.client());
    fixture.submit(&owed, "job-1");
    for client in [&owed, &first, &second] {
        fixture.lose(client.connection);
        fixture.pass(SECOND);
    }
    let new = fixture.client();
    assert_eq!((warnings(&mut fixture), fixture.core.gauges().known_sessions), (vec!["sessions"], 3));
    let resumed = fixture.resume(&second, 0);
    assert!(resumed.resumed, "the youngest is there");
    assert!(fixture.resume(&owed, 0).resumed, "and the one that is owed its outcome");
    let connection = fixture.open(Leg::Session);
    assert!(fixture.greet(connection, None).is_none(), "all three are present");
    assert_eq!(fixture.closed(), [(connection, code::TRY_LATER)]);
    assert!(warnings(&mut fixture).is_empty(), "one warning a minute");
    fixture.lose(new.connection);
    let back = fixture.resume(&first, 0);
    assert!(!back.resumed, "the oldest made room, and is a new session");
}

#[test]
fn a_hundred_thousand_forgotten_sessions_keep_nobody_out() {
    let mut fixture = Fixture::with(Limits { sessions: 100, ..Limits::default() });
    for _ in 0..1000 {
        let client = fixture.client();
        fixture.lose(client.connection);
        fixture.said.clear();
    }
    assert_eq!(fixture.core.gauges().known_sessions, 100);
    fixture.pass(601 * SECOND);
    assert_eq!((fixture.core.gauges().known_sessions, fixture.core.idle_absent.len()), (0, 0));
}

#[test]
fn the_node_that_has_been_absent_longest_makes_room() {
    let mut fixture = Fixture::with(Limits { nodes: 2, ..Limits::default() });
    let (first, second) = (fixture.worker(1), fixture.worker(1));
    assert!(fixture.register(None, 1).is_none(), "both are present");
    fixture.lose(second.connection);
    fixture.pass(SECOND);
    fixture.handle(Input::FromNode(first.connection, FromNode::NodeHeartbeat));
    fixture.lose(first.connection);
    let third = fixture.worker(1);
    let again = fixture.register(Some((&first.node, &first.token)), 1).expect("known");
    assert_eq!(again.node, first.node);
    assert_ne!(third.node, second.node);
}

#[test]
fn all_sessions_together_hold_no_more_than_the_bound_and_who_holds_little_has_room() {
    const MIB: usize = 1 << 20;
    let mut fixture = Fixture::with(Limits { total_bytes: 8 * MIB, session_bytes: 8 * MIB, ..Limits::default() });
    let mut hogs = 0;
    for _ in 0..10 {
        let client = fixture.client();
        for number in 0..16 {
            fixture.submit_text(&client, &format!("job-{number}"), "x".repeat(MIB / 2));
        }
        hogs += usize::from(fixture.closed().contains(&(client.connection, code::TRY_LATER)));
        assert!(fixture.core.gauges().buffered_bytes <= 8 * MIB);
    }
    assert_eq!(hogs, 10);
    assert_eq!(warnings(&mut fixture), ["total_bytes"], "one, and not one a session");
    let modest = fixture.client();
    fixture.submit(&modest, "job-1");
    assert_eq!(fixture.closed(), []);
}

fn warnings(fixture: &mut Fixture) -> Vec<&'static str> {
    fixture.drain(|output| match output {
        Output::Event(Event::BoundMet { bound }) => Some(*bound),
        _ => None,
    })
}
