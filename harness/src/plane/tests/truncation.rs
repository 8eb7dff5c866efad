//! Bodies that end too early and look whole.

use super::{ASK, Fixture, arriving, chunk, fault, lines, secs, units};
use crate::fault::{Edge, Fault, FaultIndex, Trigger, TruncateClean};
use crate::name::Direction;

const ENDINGS: [&str; 4] = ["fin to client", "to_server severed", "fin to server", "to_client severed"];

#[test]
fn after_an_event_the_last_chunk_follows() {
    let mut fixture = Fixture::events(&[at_event(1, Edge::After)]);
    let effects = fixture.server_sends(&[chunk("data: one\n\n"), chunk("data: two\n\n")].concat());
    assert_eq!(arriving(&effects, Direction::ToClient), b"b\r\ndata: one\n\n\r\n0\r\n\r\n");
    assert_eq!(lines(&effects)[0], "alice->chat#1: truncate_clean");
    assert!(lines(&effects).ends_with(&ENDINGS.map(str::to_owned)));
    assert_eq!(units(&effects).len(), 1);
}

#[test]
fn before_an_event_at_a_chunks_beginning_the_chunk_is_left_out() {
    let mut fixture = Fixture::events(&[at_event(2, Edge::Before)]);
    let effects = fixture.server_sends(&[chunk("data: one\n\n"), chunk("data: two\n\n")].concat());
    assert_eq!(arriving(&effects, Direction::ToClient), b"b\r\ndata: one\n\n\r\n0\r\n\r\n");
}

#[test]
fn inside_a_chunk_its_size_is_written_anew() {
    for (edge, passing) in [(Edge::Before, 11), (Edge::Inside(8), 19), (Edge::After, 22)] {
        let mut fixture = Fixture::events(&[at_event(2, edge)]);
        let events = "data: one\n\ndata: two\n\ndata: three\n\n";
        let effects = fixture.server_sends(&chunk(events));
        let expected = [chunk(&events[..passing]), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(arriving(&effects, Direction::ToClient), expected);
        assert_eq!(lines(&effects)[1], "discard to_client 4", "the old size");
    }
}

#[test]
fn only_the_chunk_that_may_be_struck_waits() {
    let mut fixture = Fixture::events(&[at_event(2, Edge::After)]);
    let one = chunk("data: one\n\n");
    assert_eq!(fixture.server_sends(&one[..9]), []);
    assert_eq!(arriving(&fixture.server_sends(&one[9..]), Direction::ToClient), one);
}

#[test]
fn an_event_that_shows_a_chunk_late_is_cut_where_it_began() {
    let mut fixture = Fixture::events(&[at_event(1, Edge::Before)]);
    let effects = fixture.server_sends(&[chunk(": hi\n\nid: 1\n"), chunk("data: one\n\n")].concat());
    let expected = [chunk(": hi\n\n"), b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(arriving(&effects, Direction::ToClient), expected);
}

#[test]
fn a_chunk_whose_size_has_passed_passes_whole() {
    let mut fixture = Fixture::events(&[fault(Trigger::At(secs(1)), TruncateClean)]);
    let long = chunk("data: one\n\ndata: two\n\n");
    fixture.server_sends(&long[..8]);
    assert_eq!(lines(&fixture.wait()), ["alice->chat#1: truncate_clean"]);
    let effects = fixture.server_sends(&[&long[8..], &chunk("data: three\n\n")].concat());
    assert_eq!(arriving(&effects, Direction::ToClient), [&long[8..], b"0\r\n\r\n"].concat());
    assert!(lines(&effects).ends_with(&ENDINGS.map(str::to_owned)));
}

#[test]
fn between_chunks_the_body_ends_at_once() {
    let mut fixture = Fixture::events(&[fault(Trigger::At(secs(1)), TruncateClean)]);
    fixture.server_sends(&chunk("data: one\n\n"));
    let said = lines(&fixture.wait());
    assert_eq!(said[1], r"inject to_client 0\r\n\r\n");
    assert_eq!(said[2..], ENDINGS);
}

#[test]
fn by_bytes_the_chunk_around_the_point_is_resized() {
    let head = super::CHUNKED_EVENTS.len() as u64;
    let trigger = Trigger::Bytes { n: head + 7, direction: Direction::ToClient };
    let mut fixture = Fixture::events(&[fault(trigger, TruncateClean)]);
    let effects = fixture.server_sends(&chunk("data: one\n\n"));
    assert_eq!(arriving(&effects, Direction::ToClient), b"4\r\ndata\r\n0\r\n\r\n");
}

#[test]
fn a_body_that_ends_with_its_connection_is_simply_ended() {
    let mut fixture = Fixture::connected(&[at_event(1, Edge::After)]);
    fixture.client_sends(ASK);
    let body = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\ndata: two\n\n";
    let effects = fixture.server_sends(body);
    assert_eq!(arriving(&effects, Direction::ToClient), &body[..body.len() - 11]);
    assert!(lines(&effects).ends_with(&ENDINGS.map(str::to_owned)));
}

#[test]
fn a_body_of_known_length_cannot_end_early_and_look_whole() {
    let mut fixture = Fixture::connected(&[at_event(1, Edge::After)]);
    fixture.client_sends(ASK);
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 22\r\n\r\ndata: one\n\n";
    assert_eq!(arriving(&fixture.server_sends(answer), Direction::ToClient), answer);
    assert_eq!(fixture.plane.unfired(), [FaultIndex(0)]);
    assert!(fixture.plane.obstacle(FaultIndex(0)).is_some_and(|reason| reason.contains("chunked")));
}

#[test]
fn no_more_than_a_mebibyte_waits() {
    let mut fixture = Fixture::events(&[at_event(1, Edge::After)]);
    let mut effects = fixture.server_sends(b"200000\r\ndata: ");
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..17 {
        effects.extend(fixture.server_sends(&piece));
    }
    assert!(arriving(&effects, Direction::ToClient).len() >= 1024 * 1024);
    let effects = fixture.server_sends(b"\n\n");
    assert_eq!(lines(&effects)[0], "alice->chat#1: truncate_clean");
    let rest = vec![b'y'; 0x20_0000 - 6 - 17 * 64 * 1024 - 2];
    let effects = fixture.server_sends(&[rest.as_slice(), b"\r\n"].concat());
    assert!(arriving(&effects, Direction::ToClient).ends_with(b"yy\r\n0\r\n\r\n"));
}

fn at_event(n: u32, edge: Edge) -> Fault {
    fault(Trigger::sse_event(n, edge), TruncateClean)
}
