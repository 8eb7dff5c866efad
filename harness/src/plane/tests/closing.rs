//! A closing handshake that neither end began.

use super::{Fixture, arriving, fault, frame, lines, masked, message, secs, text, units};
use crate::fault::{Close, Edge, Ends, FaultIndex, FrameKind, Trigger};
use crate::name::Direction;
use crate::trace::Unit;

#[test]
fn both_ends_are_sent_a_close_frame_and_each_gets_its_fin_when_it_has_answered() {
    let mut fixture = Fixture::websocket(&[fault(message(1, Direction::ToClient, Edge::After), idle(Ends::Both))]);
    let effects = fixture.server_sends(&[text("one"), text("two")].concat());
    let said = lines(&effects);
    assert_eq!(said[1], r#"alice->chat#1: close(1000, "idle")"#);
    assert_eq!(said[2], r"inject to_client \x88\x06\x03\xe8idle");
    assert!(said[3].starts_with(r"inject to_server \x88\x86"), "masked towards the server: {}", said[3]);
    assert_eq!(said[4..], ["discard to_client 5"]);
    assert_eq!(lines(&fixture.client_sends(&masked(0x81, b"in flight"))), ["discard to_server 15"]);
    let answer = fixture.client_sends(&masked(0x88, b"\x03\xe8idle"));
    assert_eq!(lines(&answer), ["discard to_server 12", "fin to client", "to_server severed"]);
    let answer = fixture.server_sends(&frame(0x88, b"\x03\xe8idle"));
    assert_eq!(lines(&answer), ["discard to_client 8", "fin to server", "to_client severed"]);
}

#[test]
fn the_frame_that_a_server_reads_is_a_legal_one() {
    let mut fixture = Fixture::websocket(&[fault(message(1, Direction::ToClient, Edge::After), idle(Ends::Both))]);
    let injected = arriving(&fixture.server_sends(&text("one")), Direction::ToServer);
    let read = Fixture::websocket(&[]).client_sends(&injected);
    assert_eq!(
        units(&read),
        [Unit::WsControl { kind: FrameKind::Close, code: Some(1000), reason: Some("idle".into()) }]
    );
}

#[test]
fn who_does_not_answer_gets_the_fin_after_two_seconds() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(10)), idle(Ends::Both))]);
    assert_eq!(lines(&fixture.wait()).len(), 3);
    let effects = fixture.wait();
    assert_eq!(fixture.now, secs(12));
    assert_eq!(lines(&effects), ["fin to client", "to_server severed", "fin to server", "to_client severed"]);
    assert_eq!(fixture.plane.next_deadline(), None);
}

#[test]
fn a_close_frame_never_stands_inside_another_frame() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), idle(Ends::Client))]);
    let long = text("a frame in passage");
    fixture.server_sends(&long[..7]);
    assert_eq!(lines(&fixture.wait()), [r#"alice->chat#1: close(1000, "idle", client only)"#]);
    let effects = fixture.server_sends(&[&long[7..], &text("more")].concat());
    let said = lines(&effects);
    assert_eq!(said[0], "forward to_client in passage".replace("in passage", &long[7..].escape_ascii().to_string()));
    assert_eq!(said[1..], [r"inject to_client \x88\x06\x03\xe8idle", "to_client silent Blackhole"]);
    assert_eq!(units(&effects).len(), 1);
}

#[test]
fn a_close_frame_may_stand_between_fragments() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), idle(Ends::Client))]);
    fixture.server_sends(&frame(0x01, b"first part"));
    assert_eq!(lines(&fixture.wait())[1], r"inject to_client \x88\x06\x03\xe8idle");
}

#[test]
fn before_a_message_the_close_frame_takes_its_place() {
    let mut fixture = Fixture::websocket(&[fault(message(1, Direction::ToClient, Edge::Before), idle(Ends::Client))]);
    let said = lines(&fixture.server_sends(&text("one")));
    assert_eq!(said[1..], [r"inject to_client \x88\x06\x03\xe8idle", "to_client silent Blackhole"]);
}

#[test]
fn the_end_that_is_not_told_hears_nothing_while_the_other_is_heard_out() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), idle(Ends::Server))]);
    let said = lines(&fixture.wait());
    assert!(said[1].starts_with("inject to_server"));
    assert_eq!(said[2..], ["to_server silent Blackhole"]);
    assert_eq!(lines(&fixture.server_sends(&text("lost"))), ["discard to_client 6"]);
    let answer = fixture.server_sends(&frame(0x88, b"\x03\xe8"));
    assert_eq!(lines(&answer), ["discard to_client 4", "fin to server", "to_client severed"]);
}

#[test]
fn a_frame_that_never_ends_is_given_up_with_the_answer() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), idle(Ends::Both))]);
    fixture.server_sends(&text("half a frame")[..5]);
    fixture.wait();
    let said = lines(&fixture.wait());
    assert_eq!(said, ["fin to client", "to_server severed", "fin to server", "to_client severed"]);
}

#[test]
fn who_finishes_instead_of_answering_gets_the_fin_at_once() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), idle(Ends::Client))]);
    fixture.wait();
    assert_eq!(lines(&fixture.fin(Direction::ToServer)), ["fin to client", "to_server severed"]);
}

#[test]
fn after_the_senders_own_close_frame_none_is_forged() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), idle(Ends::Client))]);
    fixture.server_sends(&frame(0x88, b"\x03\xe9"));
    assert_eq!(lines(&fixture.wait())[1..], ["to_client silent Blackhole"]);
    let answer = fixture.client_sends(&masked(0x88, b"\x03\xe9"));
    assert_eq!(lines(&answer)[1..], ["fin to client", "to_server severed"]);
}

#[test]
fn what_is_no_websocket_cannot_be_closed_so() {
    let mut fixture = Fixture::events(&[fault(Trigger::At(secs(1)), idle(Ends::Both))]);
    assert_eq!(fixture.wait(), []);
    assert_eq!(fixture.plane.unfired(), [FaultIndex(0)]);
    assert_eq!(fixture.plane.obstacle(FaultIndex(0)), Some("the connection is not a WebSocket"));
}

#[test]
fn right_after_the_handshake_a_close_is_possible() {
    let trigger = Trigger::HttpHead { n: 1, direction: Direction::ToClient, edge: Edge::After };
    let mut fixture = Fixture::connected(&[fault(trigger, idle(Ends::Both))]);
    fixture.client_sends(super::UPGRADE);
    assert_eq!(lines(&fixture.server_sends(super::SWITCHING)).len(), 4);
}

#[test]
fn a_long_reason_is_shortened_to_what_a_frame_holds() {
    let verb = Close { code: Some(4000), reason: "\u{e9}".repeat(100), to: Ends::Client };
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), verb)]);
    let injected = arriving(&fixture.wait(), Direction::ToClient);
    assert_eq!((injected.len(), injected[1]), (126, 124));
}

fn idle(to: Ends) -> Close {
    Close { code: Some(1000), reason: "idle".to_owned(), to }
}
