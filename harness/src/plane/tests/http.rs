//! What the trace tells of HTTP and its events.

use super::{ASK, CHUNKED_EVENTS, Fixture, chunk, units};
use crate::trace::Unit;

#[test]
fn heads_and_chunks_are_told() {
    let mut fixture = Fixture::connected(&[]);
    let request = Unit::HttpRequest { method: "GET".into(), target: "/events".into() };
    assert_eq!(units(&fixture.client_sends(ASK)), [request]);
    let answer = [CHUNKED_EVENTS, b"0\r\n\r\n"].concat();
    let told = [Unit::HttpResponse { status: 200 }, Unit::HttpChunk { bytes: 0 }];
    assert_eq!(units(&fixture.server_sends(&answer)), told);
}

#[test]
fn events_are_told_with_their_fields_and_comments_as_comments() {
    let told = of_events("event: token\ndata: a\ndata:b\nid: 1\n\n: heartbeat\n\ndata\n\n");
    assert_eq!(told[0], event(Some("token"), Some("a\nb"), None));
    assert_eq!(told[1], event(None, None, Some("heartbeat")));
    assert_eq!(told[2], event(None, Some(""), None));
}

#[test]
fn every_line_end_ends_a_line_and_a_byte_order_mark_is_none_of_the_text() {
    for end in ["\n", "\r", "\r\n"] {
        let told = of_events(&format!("\u{FEFF}data: a{end}{end}data: b{end}{end}"));
        assert_eq!(told[..2], [event(None, Some("a"), None), event(None, Some("b"), None)], "{end:?}");
    }
}

#[test]
fn a_field_that_only_begins_like_data_is_another_field() {
    assert_eq!(of_events("database: x\n\n")[0], event(None, None, None));
}

#[test]
fn events_in_a_compressed_body_are_not_guessed_at() {
    let mut fixture = Fixture::connected(&[]);
    fixture.client_sends(ASK);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";
    assert_eq!(units(&fixture.server_sends(&[head.as_slice(), b"data: x\n\n"].concat())).len(), 1);
}

#[test]
fn a_response_is_read_by_its_request() {
    let mut fixture = Fixture::connected(&[]);
    fixture.client_sends(b"HEAD / HTTP/1.1\r\n\r\nCONNECT chat:80 HTTP/1.1\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    let told = units(&fixture.server_sends(&[head.as_slice(), head, head].concat()));
    assert_eq!(told.len(), 2, "after CONNECT nothing can be read: {told:?}");
    assert_eq!(units(&fixture.client_sends(ASK)), []);
}

#[test]
fn contradictory_lengths_are_not_guessed_at() {
    let mut fixture = Fixture::connected(&[]);
    fixture.client_sends(ASK);
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(units(&fixture.server_sends(answer)).len(), 1);
}

#[test]
fn a_client_that_speaks_before_the_handshake_is_answered_is_not_understood() {
    let mut fixture = Fixture::connected(&[]);
    fixture.client_sends(&[super::UPGRADE, &super::masked(0x81, b"early")].concat());
    fixture.server_sends(super::SWITCHING);
    assert_eq!(units(&fixture.client_sends(&super::masked(0x81, b"late"))), []);
    assert_eq!(units(&fixture.server_sends(&super::text("heard"))).len(), 1);
}

/// The units of the events in one chunk.
fn of_events(body: &str) -> Vec<Unit> {
    units(&Fixture::events(&[]).server_sends(&chunk(body)))
}

fn event(name: Option<&str>, data: Option<&str>, comment: Option<&str>) -> Unit {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Unit::SseEvent { name: owned(name), data: owned(data), comment: owned(comment) }
}
