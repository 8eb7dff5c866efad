//! Single messages and events that arrive changed, several times or elsewhere.

use super::{ASK, Fixture, OnLink, act, arriving, chunk, fault, frame, lines, masked, message, text, units};
use crate::fault::{Corrupt, DuplicateMessage, Edge, Fault, FaultIndex, FrameKind, ReorderMessages, Trigger, Upstream};
use crate::name::Direction;
use crate::plane::Effect;
use crate::trace::Unit;

const TWICE: DuplicateMessage = DuplicateMessage { copies: 1 };
const TO_CLIENT: Direction = Direction::ToClient;

#[test]
fn one_message_is_corrupted_and_no_other() {
    let mut fixture = Fixture::websocket(&[at_message(2, Corrupt)]);
    let effects = fixture.server_sends(&[text("one"), text("two"), text("three")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), [text("one"), text("txo"), text("three")].concat());
    assert_eq!(lines(&effects)[0], "alice->chat#1: corrupt");
    assert_eq!(texts(&effects), ["one", "txo", "three"]);
}

#[test]
fn a_message_waits_until_it_is_whole() {
    let mut fixture = Fixture::websocket(&[at_message(1, Corrupt)]);
    assert_eq!(lines(&fixture.server_sends(&text("one")[..4])), [] as [&str; 0]);
    let effects = fixture.server_sends(&text("one")[4..]);
    assert_eq!(arriving(&effects, TO_CLIENT), text("ooe"));
    assert_eq!(lines(&effects), ["alice->chat#1: corrupt", "discard to_client 5", r"inject to_client \x81\x03ooe"]);
}

#[test]
fn a_client_s_message_is_corrupted_under_its_mask() {
    let trigger = message(1, Direction::ToServer, Edge::After);
    let mut fixture = Fixture::websocket(&[fault(trigger, Corrupt)]);
    let effects = fixture.client_sends(&masked(0x81, b"one"));
    assert_eq!(arriving(&effects, Direction::ToServer), masked(0x81, b"ooe"));
}

#[test]
fn an_empty_message_cannot_be_corrupted() {
    let mut fixture = Fixture::websocket(&[at_message(1, Corrupt)]);
    assert_eq!(arriving(&fixture.server_sends(&text("")), TO_CLIENT), text(""));
    assert!(fixture.plane.obstacle(FaultIndex(0)).is_some_and(|reason| reason.contains("empty")));
}

#[test]
fn a_message_arrives_several_times() {
    let mut fixture = Fixture::websocket(&[at_message(1, DuplicateMessage { copies: 2 })]);
    let effects = fixture.server_sends(&[text("one"), text("two")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), [text("one"), text("one"), text("one"), text("two")].concat());
    assert_eq!(texts(&effects), ["one", "one", "one", "two"]);
}

#[test]
fn fragments_arrive_together_and_control_frames_before_them() {
    let parts = [frame(0x01, b"in "), frame(0x89, b"?"), frame(0x80, b"parts")].concat();
    let whole = [frame(0x01, b"in "), frame(0x80, b"parts")].concat();
    let mut fixture = Fixture::websocket(&[at_message(1, TWICE)]);
    let effects = fixture.server_sends(&parts);
    assert_eq!(arriving(&effects, TO_CLIENT), [frame(0x89, b"?"), whole.clone(), whole].concat());
    let told = units(&effects);
    assert!(matches!(told[0], Unit::WsControl { kind: FrameKind::Ping, .. }));
    assert_eq!(texts(&effects), ["in parts", "in parts"]);
}

#[test]
fn a_message_arrives_behind_those_that_follow() {
    let mut fixture = Fixture::websocket(&[at_message(1, ReorderMessages { by: 2 })]);
    assert_eq!(arriving(&fixture.server_sends(&text("one")), TO_CLIENT), b"");
    assert_eq!(arriving(&fixture.server_sends(&text("two")), TO_CLIENT), text("two"));
    let effects = fixture.server_sends(&[text("three"), text("four")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), [text("three"), text("one"), text("four")].concat());
    assert_eq!(texts(&effects), ["three", "one", "four"]);
}

#[test]
fn if_too_few_follow_it_arrives_before_the_close_frame() {
    let mut fixture = Fixture::websocket(&[at_message(1, ReorderMessages { by: 2 })]);
    let close = frame(0x88, b"\x03\xe8");
    let effects = fixture.server_sends(&[text("one"), text("two"), close.clone()].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), [text("two"), text("one"), close].concat());
}

#[test]
fn or_before_the_fin() {
    let mut fixture = Fixture::websocket(&[at_message(1, ReorderMessages { by: 2 })]);
    fixture.server_sends(&[text("one"), text("two")].concat());
    let effects = fixture.fin(TO_CLIENT);
    assert_eq!(lines(&effects), [r"inject to_client \x81\x03one", "forward fin to_client"]);
    assert_eq!(texts(&effects), ["one"]);
}

#[test]
fn but_never_inside_a_frame() {
    let mut fixture = Fixture::websocket(&[at_message(1, ReorderMessages { by: 2 })]);
    fixture.server_sends(&[&text("one"), &text("two")[..3]].concat());
    assert_eq!(lines(&fixture.fin(TO_CLIENT)), ["forward fin to_client"]);
}

#[test]
fn what_is_too_long_to_wait_is_not_changed() {
    let mut fixture = Fixture::websocket(&[at_message(1, TWICE)]);
    let long = frame(0x82, &vec![7; 1024 * 1024 + 1]);
    let mut arrived = Vec::new();
    for piece in long.chunks(64 * 1024) {
        arrived.extend(arriving(&fixture.server_sends(piece), TO_CLIENT));
    }
    assert!(arrived == long, "it passes as it is");
    assert_eq!(fixture.plane.unfired(), [FaultIndex(0)]);
    assert!(fixture.plane.obstacle(FaultIndex(0)).is_some_and(|reason| reason.contains("longer")));
}

#[test]
fn an_event_in_a_chunk_of_its_own() {
    for (verb, arrives) in [
        (act(Corrupt), vec!["data: one\n\n", "data: txo\n\n", "data: three\n\n"]),
        (act(TWICE), vec!["data: one\n\n", "data: two\n\ndata: two\n\n", "data: three\n\n"]),
        (act(ReorderMessages { by: 1 }), vec!["data: one\n\n", "data: three\n\ndata: two\n\n"]),
        (act(ReorderMessages { by: 7 }), vec!["data: one\n\n", "data: three\n\n", "data: two\n\n"]),
    ] {
        let events = ["data: one\n\n", "data: two\n\n", "data: three\n\n"].map(chunk).concat();
        let arrived = through(&[at_event(2, verb)], &[events, LAST.to_vec()].concat());
        let expected = arrives.into_iter().map(chunk).collect::<Vec<_>>().concat();
        assert_eq!(arrived, [&expected, LAST].concat());
    }
}

#[test]
fn an_event_among_others_in_one_chunk() {
    let one = chunk("data: one\n\ndata: two\n\ndata: three\n\n");
    for (verb, arrives) in [
        (act(Corrupt), "data: one\n\ndata: txo\n\ndata: three\n\n"),
        (act(TWICE), "data: one\n\ndata: two\n\ndata: two\n\ndata: three\n\n"),
        (act(ReorderMessages { by: 1 }), "data: one\n\ndata: three\n\ndata: two\n\n"),
    ] {
        let arrived = through(&[at_event(2, verb)], &[&one, LAST].concat());
        assert_eq!(payload(&arrived), arrives, "{}", arrived.escape_ascii());
    }
}

#[test]
fn an_event_across_chunks() {
    let body = ["id: 1\ndata: one\n\nid", ": 2\nda", "ta: two\n\n: hi\n\ndata: th", "ree\n\n"].map(chunk).concat();
    for (verb, arrives) in [
        (act(Corrupt), "id: 1\ndata: one\n\nid: 2\ndata: txo\n\n: hi\n\ndata: three\n\n"),
        (act(TWICE), "id: 1\ndata: one\n\nid: 2\ndata: two\n\nid: 2\ndata: two\n\n: hi\n\ndata: three\n\n"),
        (act(ReorderMessages { by: 1 }), "id: 1\ndata: one\n\n: hi\n\ndata: three\n\nid: 2\ndata: two\n\n"),
    ] {
        let arrived = through(&[at_event(2, verb)], &[&body, LAST].concat());
        assert_eq!(payload(&arrived), arrives, "{}", arrived.escape_ascii());
    }
}

#[test]
fn a_body_that_ends_with_its_connection_has_no_sizes() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    for (verb, arrives) in [
        (act(TWICE), "data: one\n\ndata: one\n\ndata: two\n\n"),
        (act(ReorderMessages { by: 1 }), "data: two\n\ndata: one\n\n"),
        (act(ReorderMessages { by: 5 }), "data: two\n\ndata: one\n\n"),
    ] {
        let mut fixture = Fixture::connected(&[at_event(1, verb)]);
        fixture.client_sends(ASK);
        let mut effects = fixture.server_sends(format!("{head}data: one\n\ndata: two\n\n").as_bytes());
        effects.extend(fixture.fin(TO_CLIENT));
        assert_eq!(arriving(&effects, TO_CLIENT), format!("{head}{arrives}").into_bytes());
        assert_eq!(lines(&effects).last().map(String::as_str), Some("forward fin to_client"));
    }
}

#[test]
fn a_body_of_known_length_keeps_its_length() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 22\r\n\r\n";
    for (verb, arrives) in [
        (act(TWICE), "data: one\n\ndata: two\n\n"),
        (act(Corrupt), "data: ooe\n\ndata: two\n\n"),
        (act(ReorderMessages { by: 5 }), "data: two\n\ndata: one\n\n"),
    ] {
        let mut fixture = Fixture::connected(&[at_event(1, verb.clone())]);
        fixture.client_sends(ASK);
        let effects = fixture.server_sends(format!("{head}data: one\n\ndata: two\n\n").as_bytes());
        assert_eq!(arriving(&effects, TO_CLIENT), format!("{head}{arrives}").into_bytes());
        assert_eq!(fixture.plane.obstacle(FaultIndex(0)).is_some(), verb == act(TWICE));
    }
}

#[test]
fn done_is_left_out_wherever_it_stands() {
    let trigger = Trigger::HttpHead { n: 1, direction: TO_CLIENT, edge: Edge::After };
    let fault = fault(trigger, Upstream::MissingDone);
    for pieces in [
        vec!["data: [DO]\n\n", "data: [DONE]\n\n"],
        vec!["data: [DO]\n\ndata: [DONE]\n\n"],
        vec!["data: [DO]\n\nda", "ta: [DONE]\n\n"],
        vec!["data: [DO]\n\ndata: [DONE]\n\n: bye\n\n"],
    ] {
        let body = pieces.iter().map(|piece| chunk(piece)).collect::<Vec<_>>().concat();
        let arrived = through(std::slice::from_ref(&fault), &[&body, LAST].concat());
        let wanted = pieces.concat().replace("data: [DONE]\n\n", "");
        assert_eq!(payload(&arrived), wanted, "{}", arrived.escape_ascii());
    }
}

#[test]
fn the_done_of_another_response_stays() {
    let trigger = Trigger::HttpHead { n: 2, direction: TO_CLIENT, edge: Edge::After };
    let fault = fault(trigger, Upstream::MissingDone);
    let body = [&chunk("data: [DONE]\n\n"), LAST].concat();
    assert_eq!(through(&[fault], &body), body);
}

#[test]
fn two_faults_may_change_two_messages() {
    let faults = [at_message(1, ReorderMessages { by: 2 }), at_message(3, TWICE)];
    let effects = Fixture::websocket(&faults).server_sends(&["1", "2", "3", "4"].map(text).concat());
    assert_eq!(texts(&effects), ["2", "3", "3", "1", "4"]);
    let faults = [at_event(1, ReorderMessages { by: 2 }), at_event(3, TWICE)];
    let events = ["data: 1\n\ndata: 2\n\n", "data: 3\n\ndata: 4\n\n", "data: 5\n\n"].map(chunk).concat();
    let arrived = through(&faults, &[&events, LAST].concat());
    assert_eq!(payload(&arrived).matches("data: 1").count(), 1, "{}", arrived.escape_ascii());
    assert_eq!(payload(&arrived).matches("data: 3").count(), 2);
}

const LAST: &[u8] = b"0\r\n\r\n";

fn at_message(n: u32, verb: impl OnLink) -> Fault {
    fault(message(n, TO_CLIENT, Edge::After), verb)
}

fn at_event(n: u32, verb: impl OnLink) -> Fault {
    fault(Trigger::sse_event(n, Edge::After), verb)
}

/// What arrives of a chunked body, which must be the same however it is cut.
fn through(faults: &[Fault], body: &[u8]) -> Vec<u8> {
    let whole = arriving(&Fixture::events(faults).server_sends(body), TO_CLIENT);
    for cut in 1..body.len() {
        let mut fixture = Fixture::events(faults);
        let effects = [fixture.server_sends(&body[..cut]), fixture.server_sends(&body[cut..])].concat();
        assert_eq!(
            arriving(&effects, TO_CLIENT).escape_ascii().to_string(),
            whole.escape_ascii().to_string(),
            "cut at {cut}"
        );
    }
    let told =
        |effects: &[Effect]| units(effects).into_iter().filter(|unit| matches!(unit, Unit::SseEvent { .. })).count();
    let effects = Fixture::events(faults).server_sends(body);
    let arrived = Fixture::events(&[]).server_sends(&arriving(&effects, TO_CLIENT));
    assert_eq!(told(&effects), told(&arrived), "the trace tells of what arrives");
    whole
}

/// The payload of a chunked body that must be whole.
fn payload(body: &[u8]) -> String {
    let (mut rest, mut payload) = (std::str::from_utf8(body).expect("the body is text"), String::new());
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a number");
        payload.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").expect("a chunk's line end");
        if size == 0 {
            assert_eq!(rest, "");
            return payload;
        }
    }
}

fn texts(effects: &[Effect]) -> Vec<String> {
    let text = |unit| match unit {
        Unit::WsMessage { text, .. } => text,
        _ => None,
    };
    units(effects).into_iter().filter_map(text).collect()
}
