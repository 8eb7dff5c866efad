//! Where in the bytes a fault strikes, for each trigger and edge; and how cuts, resets and drops end a connection.

use super::{
    CHUNKED_EVENTS, Fixture, SWITCHING, UPGRADE, arriving, chunk, fault, frame, key, lines, masked, message, text,
    units,
};
use crate::fault::{Cut, CutEnding, Delay, Drop, Edge, Ends, Fault, FaultIndex, FrameKind, Reset, Trigger};
use crate::name::Direction;
use crate::plane::Effect;

const CUT: Cut = Cut { ending: CutEnding::Fin };
const TO_CLIENT: Direction = Direction::ToClient;
const CUT_SHORT: [&str; 5] =
    ["alice->chat#1: cut(fin)", "fin to client", "to_server severed", "fin to server", "to_client severed"];

#[test]
fn before_a_message_none_of_it_passes() {
    let mut fixture = Fixture::websocket(&[fault(message(2, TO_CLIENT, Edge::Before), CUT)]);
    let effects = fixture.server_sends(&[text("one"), text("two")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), text("one"));
    assert_eq!(units(&effects).len(), 1);
    assert_eq!(lines(&effects)[1..], CUT_SHORT);
}

#[test]
fn inside_a_message_exactly_k_bytes_of_it_pass() {
    for k in 1..5 {
        let mut fixture = Fixture::websocket(&[fault(message(2, TO_CLIENT, Edge::Inside(k)), CUT)]);
        let effects = fixture.server_sends(&[text("one"), text("two")].concat());
        assert_eq!(arriving(&effects, TO_CLIENT), [&text("one"), &text("two")[..k as usize]].concat());
        assert_eq!(units(&effects).len(), 1);
        assert_eq!(lines(&effects)[1..], CUT_SHORT);
    }
}

#[test]
fn after_a_message_all_of_it_passes_and_nothing_more() {
    let mut fixture = Fixture::websocket(&[fault(message(2, TO_CLIENT, Edge::After), CUT)]);
    let effects = fixture.server_sends(&[text("one"), text("two"), text("three")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), [text("one"), text("two")].concat());
    assert_eq!(units(&effects).len(), 2);
    assert_eq!(lines(&effects)[1..], CUT_SHORT);
    assert_eq!(fixture.server_sends(&text("four")), []);
    assert_eq!(fixture.client_sends(&masked(0x81, b"hello?")), []);
}

#[test]
fn beyond_the_end_of_a_message_the_fault_strikes_at_its_end() {
    let mut fixture = Fixture::websocket(&[fault(message(1, TO_CLIENT, Edge::Inside(900)), CUT)]);
    let effects = fixture.server_sends(&[text("one"), text("two")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), text("one"));
}

#[test]
fn messages_are_counted_and_neither_pings_nor_fragments() {
    let mut fixture = Fixture::websocket(&[fault(message(2, TO_CLIENT, Edge::Before), CUT)]);
    let one = [frame(0x01, b"o"), frame(0x89, b"still there?"), frame(0x00, b"n"), frame(0x80, b"e"), frame(0x8A, b"")];
    assert_eq!(arriving(&fixture.server_sends(&one.concat()), TO_CLIENT), one.concat());
    fixture.client_sends(&masked(0x81, b"the other way"));
    assert_eq!(fixture.plane.fired(), 0);
    assert_eq!(lines(&fixture.server_sends(&frame(0x82, b"two"))), CUT_SHORT);
    assert_eq!((fixture.plane.fired(), fixture.plane.unfired()), (1, vec![]));
}

#[test]
fn frames_are_counted_by_their_kind() {
    let kind = FrameKind::Ping;
    for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(1), 1), (Edge::After, 2)] {
        let mut fixture = Fixture::websocket(&[fault(Trigger::Frame { kind, n: 2, direction: TO_CLIENT, edge }, CUT)]);
        let before = [frame(0x89, b""), text("one"), frame(0x8A, b"")].concat();
        let effects = fixture.server_sends(&[before.clone(), frame(0x89, b"")].concat());
        assert_eq!(arriving(&effects, TO_CLIENT), [&before, &frame(0x89, b"")[..passing]].concat());
        assert_eq!(lines(&effects)[1..], CUT_SHORT);
    }
}

#[test]
fn events_with_data_are_counted_and_no_comments() {
    let stream = [chunk(": hi\n\n"), chunk("data: one\n\n"), chunk(":\n\nid: 3\n\ndata: two\n\n")];
    for (edge, passing) in [(Edge::Before, ""), (Edge::Inside(6), "data: "), (Edge::After, "data: two\n\n")] {
        let mut fixture = Fixture::events(&[fault(Trigger::sse_event(2, edge), CUT)]);
        let effects = fixture.server_sends(&stream.concat());
        let last = format!("16\r\n:\n\nid: 3\n\n{passing}");
        let last = last.replacen("16", &format!("{:x}", ":\n\nid: 3\n\ndata: two\n\n".len()), 1);
        assert_eq!(arriving(&effects, TO_CLIENT), [&stream[0], &stream[1], last.as_bytes()].concat());
        assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Fired { .. })).count(), 1);
    }
}

#[test]
fn what_may_be_the_event_waits_until_it_is_whole() {
    let trigger = Trigger::sse_event(1, Edge::Inside(2));
    let mut fixture = Fixture::events(&[fault(trigger, CUT)]);
    assert_eq!(arriving(&fixture.server_sends(b"2d\r\nid: 1\n"), TO_CLIENT), b"2d\r\nid");
    assert_eq!(fixture.server_sends(b"event: x\nda"), []);
    assert_eq!(fixture.server_sends(b"ta: y"), []);
    assert_eq!(fixture.server_sends(b"\n"), []);
    assert_eq!(lines(&fixture.server_sends(b"\n")), CUT_SHORT);
}

#[test]
fn what_turns_out_to_be_no_event_goes_on() {
    let mut fixture = Fixture::events(&[fault(Trigger::sse_event(1, Edge::Before), CUT)]);
    fixture.server_sends(b"9\r\n");
    assert_eq!(fixture.server_sends(b": hello"), []);
    assert_eq!(arriving(&fixture.server_sends(b"\n\n\r\n"), TO_CLIENT), b": hello\n\n\r\n");
}

#[test]
fn heads_are_struck_before_inside_and_after() {
    for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(12), 12), (Edge::After, CHUNKED_EVENTS.len())] {
        let mut fixture = Fixture::connected(&[fault(Trigger::HttpHead { n: 1, direction: TO_CLIENT, edge }, CUT)]);
        fixture.client_sends(UPGRADE);
        let response = [b"HTTP/1.1 103 Early Hints\r\n\r\n", CHUNKED_EVENTS, b"0\r\n\r\n"].concat();
        let interim = response.len() - CHUNKED_EVENTS.len() - 5;
        assert_eq!(arriving(&fixture.server_sends(&response), TO_CLIENT), &response[..interim + passing]);
        assert_eq!(fixture.plane.fired(), 1);
    }
}

#[test]
fn the_request_of_a_handshake_is_the_first_head() {
    let trigger = Trigger::HttpHead { n: 1, direction: Direction::ToServer, edge: Edge::Before };
    let mut fixture = Fixture::connected(&[fault(trigger, CUT)]);
    let effects = fixture.client_sends(UPGRADE);
    let reader_first =
        ["alice->chat#1: cut(fin)", "fin to server", "to_client severed", "fin to client", "to_server severed"];
    assert_eq!(lines(&effects), reader_first);
}

#[test]
fn bytes_are_counted_from_the_first() {
    for n in [0, 1, 20] {
        let mut fixture = Fixture::connected(&[fault(Trigger::Bytes { n, direction: TO_CLIENT }, CUT)]);
        fixture.client_sends(UPGRADE);
        let effects = fixture.server_sends(SWITCHING);
        assert_eq!(arriving(&effects, TO_CLIENT), &SWITCHING[..n as usize]);
        assert_eq!(fixture.plane.fired(), 1);
    }
}

#[test]
fn a_cut_may_end_with_resets_or_in_silence() {
    let after_one = |ending| [fault(message(1, TO_CLIENT, Edge::After), Cut { ending })];
    let mut fixture = Fixture::websocket(&after_one(CutEnding::Rst));
    let effects = lines(&fixture.server_sends(&text("one")));
    let resets = ["rst to client", "to_server severed", "rst to server", "to_client severed"];
    assert_eq!(effects[2..], resets);
    let mut fixture = Fixture::websocket(&after_one(CutEnding::Silence));
    let effects = lines(&fixture.server_sends(&text("one")));
    assert_eq!(effects[2..], ["to_server silent Blackhole", "to_client silent Blackhole"]);
}

#[test]
fn a_reset_or_drop_tells_both_ends_or_one_and_leaves_the_other_in_silence() {
    let at = || message(1, TO_CLIENT, Edge::After);
    let cases: [(Fault, &[&str]); 6] = [
        (
            fault(at(), Reset { to: Ends::Both }),
            &["reset", "rst to client", "to_server severed", "rst to server", "to_client severed"],
        ),
        (
            fault(at(), Reset { to: Ends::Client }),
            &["reset(client only)", "rst to client", "to_server severed", "to_client silent Blackhole"],
        ),
        (
            fault(at(), Reset { to: Ends::Server }),
            &["reset(server only)", "rst to server", "to_client severed", "to_server silent Blackhole"],
        ),
        (
            fault(at(), Drop { to: Ends::Both }),
            &["drop", "fin to client", "to_server severed", "fin to server", "to_client severed"],
        ),
        (
            fault(at(), Drop { to: Ends::Client }),
            &["drop(client only)", "fin to client", "to_server severed", "to_client silent Blackhole"],
        ),
        (
            fault(at(), Drop { to: Ends::Server }),
            &["drop(server only)", "fin to server", "to_client severed", "to_server silent Blackhole"],
        ),
    ];
    for (fault, expected) in cases {
        let mut fixture = Fixture::websocket(&[fault]);
        let effects = lines(&fixture.server_sends(&[text("one"), text("two")].concat()));
        let expected: Vec<_> = [format!("alice->chat#1: {}", expected[0])]
            .into_iter()
            .chain(expected[1..].iter().map(|line| (*line).to_owned()))
            .collect();
        assert_eq!(effects[1..], expected);
    }
}

#[test]
fn a_fault_strikes_the_first_connection_on_which_its_trigger_comes_true_and_no_other() {
    let mut fixture = Fixture::websocket(&[fault(message(2, TO_CLIENT, Edge::After), CUT)]);
    fixture.connect(2);
    fixture.send_on(2, Direction::ToServer, UPGRADE);
    fixture.send_on(2, TO_CLIENT, SWITCHING);
    fixture.server_sends(&text("one"));
    let effects = fixture.send_on(2, TO_CLIENT, &[text("one"), text("two")].concat());
    assert!(matches!(&effects[3], Effect::Fired { on, .. } if on == "alice->chat#2"), "{effects:#?}");
    assert_eq!(arriving(&fixture.server_sends(&[text("two"), text("three")].concat()), TO_CLIENT).len(), 12);
    assert_eq!(fixture.plane.fired(), 1);
}

#[test]
fn a_fault_on_the_second_connection_leaves_the_first_alone() {
    let mut second = fault(message(1, TO_CLIENT, Edge::After), CUT);
    second.act.connections().nth = Some(2);
    let mut fixture = Fixture::websocket(&[second]);
    fixture.server_sends(&text("one"));
    assert_eq!(fixture.plane.unfired(), [FaultIndex(0)]);
}

#[test]
fn bytes_that_wait_for_a_fault_go_on_when_it_has_struck_elsewhere() {
    let trigger = Trigger::sse_event(1, Edge::Before);
    let mut fixture = Fixture::events(&[fault(trigger, CUT)]);
    fixture.connect(2);
    fixture.send_on(2, Direction::ToServer, super::ASK);
    fixture.send_on(2, TO_CLIENT, CHUNKED_EVENTS);
    assert_eq!(arriving(&fixture.send_on(2, TO_CLIENT, b"20\r\nid: 5\n"), TO_CLIENT), b"20\r\n");
    let effects = fixture.server_sends(&chunk("data: x\n\n"));
    let waiting = effects.last().expect("the held bytes go on");
    assert!(
        matches!(waiting, Effect::Forward { connection, bytes, .. } if *connection == key(2) && bytes == "id: 5\n"),
        "{effects:#?}"
    );
}

#[test]
fn two_faults_at_one_point_strike_in_the_order_of_the_plan() {
    let reset = Reset { to: Ends::Client };
    let delay = Delay { by: super::secs(1), lasting: None };
    let at = || message(1, TO_CLIENT, Edge::After);
    let faults = [fault(at(), delay), fault(at(), reset)];
    let mut fixture = Fixture::websocket(&faults);
    let effects = lines(&fixture.server_sends(&text("one")));
    assert_eq!(effects[1..4], ["alice->chat#1: delay(1s)", "shape to_server Delay(1s)", "shape to_client Delay(1s)"]);
    assert_eq!(effects[4], "alice->chat#1: reset(client only)");
}
