//! Messages and events that are meant by what they say.

use std::time::Duration;

use super::{Fixture, OnLink, act, arriving, chunk, fault, frame, lines, masked, text, units};
use crate::fault::{Corrupt, Cut, CutEnding, Edge, Fault, FaultIndex, Trigger};
use crate::name::Direction;
use crate::pattern::{Pattern, Wanted};

const CUT: Cut = Cut { ending: CutEnding::Fin };
const TO_CLIENT: Direction = Direction::ToClient;
const FIRED: &str = "alice->chat#1: cut(fin)";
const RESULT: &str = r#"{"type":"result"}"#;
const HELLO: &str = r#"{"type":"hello"}"#;

#[test]
fn only_messages_that_say_so_are_counted() {
    for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(5), 5), (Edge::After, text(RESULT).len())] {
        let mut fixture = Fixture::websocket(&[at_result(2, TO_CLIENT, edge, CUT)]);
        let before = [text(HELLO), text(RESULT), text("no JSON"), text(HELLO)].concat();
        assert_eq!(arriving(&fixture.server_sends(&before), TO_CLIENT), before);
        let effects = fixture.server_sends(&[text(RESULT), text(HELLO)].concat());
        assert_eq!(arriving(&effects, TO_CLIENT), text(RESULT)[..passing]);
        assert!(lines(&effects).contains(&FIRED.to_owned()));
    }
}

#[test]
fn what_may_be_the_message_waits_until_it_is_whole() {
    for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(5), 5)] {
        let mut fixture = Fixture::websocket(&[at_result(1, TO_CLIENT, edge, CUT)]);
        let (hello, result) = (text(HELLO), text(RESULT));
        assert_eq!(arriving(&fixture.server_sends(&hello[..9]), TO_CLIENT), hello[..passing]);
        assert_eq!(arriving(&fixture.server_sends(&hello[9..]), TO_CLIENT), hello[passing..]);
        assert_eq!(arriving(&fixture.server_sends(&result[..9]), TO_CLIENT), result[..passing]);
        assert_eq!(lines(&fixture.server_sends(&result[9..]))[0], FIRED);
    }
}

#[test]
fn behind_a_message_nothing_waits() {
    let mut fixture = Fixture::websocket(&[at_result(1, TO_CLIENT, Edge::After, CUT)]);
    let result = text(RESULT);
    assert_eq!(arriving(&fixture.server_sends(&result[..9]), TO_CLIENT), result[..9]);
    let effects = fixture.server_sends(&result[9..]);
    assert_eq!(arriving(&effects, TO_CLIENT), result[9..]);
    assert_eq!(lines(&effects)[1], FIRED);
}

#[test]
fn the_fragments_of_a_message_say_it_together() {
    let parts = [frame(0x01, b"{\"type\""), frame(0x89, b"there?"), frame(0x00, b":\"res"), frame(0x80, b"ult\"}")];
    for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(12), 12), (Edge::After, parts.concat().len())] {
        let mut fixture = Fixture::websocket(&[at_result(1, TO_CLIENT, edge, CUT)]);
        let mut arrived = Vec::new();
        for part in &parts {
            assert_eq!(fixture.plane.fired(), 0);
            arrived.extend(arriving(&fixture.server_sends(part), TO_CLIENT));
        }
        assert_eq!(arrived, parts.concat()[..passing]);
        assert_eq!(fixture.plane.fired(), 1);
    }
}

#[test]
fn a_client_s_mask_hides_nothing() {
    let mut fixture = Fixture::websocket(&[at_result(1, Direction::ToServer, Edge::Before, CUT)]);
    let hello = masked(0x81, HELLO.as_bytes());
    assert_eq!(arriving(&fixture.client_sends(&hello), Direction::ToServer), hello);
    assert_eq!(lines(&fixture.client_sends(&masked(0x81, RESULT.as_bytes())))[0], FIRED);
}

#[test]
fn what_cannot_be_read_is_not_meant_and_does_not_wait() {
    let long = format!(r#"{{"type":"result","text":"{}"}}"#, "a".repeat(64 * 1024));
    let binary = frame(0x82, RESULT.as_bytes());
    let compressed = frame(0xC1, RESULT.as_bytes());
    for unreadable in [binary, compressed, text(&long)] {
        for (edge, verb) in [(Edge::Before, act(CUT)), (Edge::After, act(Corrupt))] {
            let mut fixture = Fixture::websocket(&[at_result(1, TO_CLIENT, edge, verb)]);
            let (beginning, rest) = unreadable.split_at(12);
            assert_eq!(arriving(&fixture.server_sends(beginning), TO_CLIENT), beginning);
            assert_eq!(arriving(&fixture.server_sends(rest), TO_CLIENT), rest);
            fixture.server_sends(&text(RESULT));
            assert_eq!(fixture.plane.fired(), 1);
        }
    }
}

#[test]
fn a_message_that_comes_slowly_waits_for_a_second_at_most() {
    let mut fixture = Fixture::websocket(&[at_result(1, TO_CLIENT, Edge::Before, CUT)]);
    let parts = [frame(0x01, b"{\"type\""), frame(0x89, b"there?"), frame(0x80, b":\"result\"}")];
    assert_eq!(arriving(&fixture.server_sends(&parts[..2].concat()), TO_CLIENT), b"");
    let effects = fixture.wait();
    assert_eq!(fixture.now, Duration::from_secs(1));
    assert_eq!(arriving(&effects, TO_CLIENT), parts[..2].concat());
    // It is the message after all: the fault strikes where the bytes are now.
    assert_eq!(lines(&fixture.server_sends(&parts[2]))[0], FIRED);
}

#[test]
fn a_message_is_changed_by_what_it_says() {
    let mut fixture = Fixture::websocket(&[at_result(2, TO_CLIENT, Edge::After, Corrupt)]);
    let effects = fixture.server_sends(&[text(RESULT), text(HELLO), text(RESULT), text(RESULT)].concat());
    let changed = text(r#"{"type":"rfsult"}"#);
    assert_eq!(arriving(&effects, TO_CLIENT), [text(RESULT), text(HELLO), changed, text(RESULT)].concat());
    assert_eq!(units(&effects).len(), 4);
}

#[test]
fn a_fault_counts_on_each_connection_by_itself() {
    let mut fixture = Fixture::websocket(&[at_result(2, TO_CLIENT, Edge::Before, CUT)]);
    fixture.server_sends(&text(RESULT));
    fixture.connect(2);
    fixture.send_on(2, Direction::ToServer, super::UPGRADE);
    fixture.send_on(2, TO_CLIENT, super::SWITCHING);
    fixture.send_on(2, TO_CLIENT, &text(RESULT));
    assert_eq!(fixture.plane.fired(), 0);
    assert_eq!(lines(&fixture.send_on(2, TO_CLIENT, &text(RESULT)))[0], "alice->chat#2: cut(fin)");
}

#[test]
fn events_are_meant_by_their_data() {
    let done = Pattern::default().with("", Wanted::Is("[DONE]".to_owned()));
    let result = pattern();
    let event = "event: x\ndata: {\"type\":\ndata: \"result\"}\n\n";
    for (content, meant) in [(done, "data: [DONE]\n\n"), (result, event)] {
        for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(7), 7), (Edge::After, meant.len())] {
            let trigger = Trigger::SseEvent { n: 1, edge, content: content.clone() };
            let mut fixture = Fixture::events(&[fault(trigger, CUT)]);
            let other = [chunk(": hi\n\n"), chunk("data: {\"type\":\"hello\"}\n\n"), chunk("data: 1\n\n")].concat();
            assert_eq!(arriving(&fixture.server_sends(&other), TO_CLIENT), other);
            let size = format!("{:x}\r\n", meant.len());
            let mut arrived = Vec::new();
            for piece in chunk(meant).chunks(5) {
                arrived.extend(arriving(&fixture.server_sends(piece), TO_CLIENT));
            }
            assert_eq!(arrived, [size.as_bytes(), &meant.as_bytes()[..passing]].concat());
            assert_eq!(fixture.plane.fired(), 1);
        }
    }
}

#[test]
fn a_pattern_that_nothing_meets_says_what_passed_instead() {
    let faults = [at_result(1, TO_CLIENT, Edge::Before, CUT), at_result(3, TO_CLIENT, Edge::After, CUT)];
    let mut fixture = Fixture::websocket(&faults[..1]);
    fixture.server_sends(&[text(HELLO), frame(0x82, b"x"), text(HELLO)].concat());
    let mut other = Fixture::websocket(&faults[1..]);
    other.server_sends(&[text(HELLO), text(RESULT)].concat());
    let reasons = [fixture.plane.reasons(), other.plane.reasons()].concat();
    let reasons: Vec<_> = reasons.into_iter().map(|(FaultIndex(_), reason)| reason).collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    it waited for 1 WebSocket message to_client with type=result, and none was seen among the 3 that passed on alice->chat#1; of the connections alice -> chat, 1 attempted, 0 established
    of the 3 WebSocket messages to_client with type=result that it waited for at most 1 were seen, on alice->chat#1; of the connections alice -> chat, 1 attempted, 0 established
    ");
}

fn pattern() -> Pattern {
    Pattern::default().with("type", Wanted::Is("result".to_owned()))
}

fn at_result(n: u32, direction: Direction, edge: Edge, verb: impl OnLink) -> Fault {
    fault(Trigger::Message { n, direction, edge, content: pattern() }, verb)
}
