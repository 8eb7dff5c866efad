//! Servers that fail as HTTP servers do.

use super::{ASK, CHUNKED_EVENTS, Fixture, arriving, chunk, fault, lines, secs, units};
use crate::fault::{Edge, Fault, Trigger, Upstream};
use crate::name::Direction;
use crate::trace::Unit;

const TO_CLIENT: Direction = Direction::ToClient;
const ENDINGS: [&str; 4] = ["fin to client", "to_server severed", "fin to server", "to_client severed"];

#[test]
fn another_answer_takes_the_place_of_the_servers() {
    let mut fixture = Fixture::connected(&[at_head(1, Upstream::Status { status: 503 })]);
    fixture.client_sends(ASK);
    let effects = fixture.server_sends(&[CHUNKED_EVENTS, &chunk("data: one\n\n")].concat());
    let arrived = String::from_utf8(arriving(&effects, TO_CLIENT)).expect("the answer is text");
    let (head, body) = arrived.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).expect("the body is JSON");
    assert_eq!(body["error"]["type"], "server_error");
    assert_eq!(units(&effects), [Unit::HttpResponse { status: 503 }]);
    assert!(lines(&effects).ends_with(&ENDINGS.map(str::to_owned)));
}

#[test]
fn the_second_answer_may_be_the_bad_one() {
    let mut fixture = Fixture::connected(&[at_head(2, Upstream::Status { status: 429 })]);
    fixture.client_sends(&[ASK, ASK].concat());
    let good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(arriving(&fixture.server_sends(good), TO_CLIENT), good);
    assert!(arriving(&fixture.server_sends(good), TO_CLIENT).starts_with(b"HTTP/1.1 429 Too Many Requests\r\n"));
}

#[test]
fn a_slow_head_begins_later() {
    let mut fixture = Fixture::connected(&[at_head(1, Upstream::SlowHead { by: secs(9) })]);
    fixture.client_sends(ASK);
    let effects = fixture.server_sends(CHUNKED_EVENTS);
    assert_eq!(lines(&effects), ["alice->chat#1: upstream(slow_head, 9s)", "to_client silent Stall"]);
    assert_eq!(fixture.rest, CHUNKED_EVENTS);
    assert_eq!(lines(&fixture.wait()), ["to_client passes", "healed"]);
    assert_eq!(fixture.now, secs(9));
    assert_eq!(arriving(&fixture.server_sends(CHUNKED_EVENTS), TO_CLIENT), CHUNKED_EVENTS);
}

#[test]
fn a_stream_stalls_behind_an_event() {
    let mut fixture = Fixture::events(&[at_event(1, Upstream::Stall { heal_after: Some(secs(30)) })]);
    let events = chunk("data: one\n\ndata: two\n\n");
    let effects = fixture.server_sends(&events);
    assert_eq!(arriving(&effects, TO_CLIENT), events[..15]);
    assert_eq!(fixture.rest, events[15..]);
    fixture.wait();
    assert_eq!(arriving(&fixture.server_sends(&events[15..]), TO_CLIENT), events[15..]);
}

#[test]
fn an_error_event_ends_the_body_in_order() {
    let error = Upstream::ErrorEvent { message: "the \"model\" is gone".to_owned() };
    let data = r#"{"error":{"message":"the \"model\" is gone","type":"server_error","param":null,"code":null}}"#;
    let event = format!("data: {data}\n\n");
    for pieces in [vec!["data: one\n\n", "data: two\n\n"], vec!["data: one\n\ndata: two\n\n"]] {
        let mut fixture = Fixture::events(&[at_event(1, error.clone())]);
        let effects = fixture.server_sends(&pieces.iter().map(|piece| chunk(piece)).collect::<Vec<_>>().concat());
        let expected = [chunk("data: one\n\n"), chunk(&event), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(arriving(&effects, TO_CLIENT), expected);
        let told = Unit::SseEvent { name: None, data: Some(data.to_owned()), comment: None };
        assert!(units(&effects).contains(&told));
        assert!(lines(&effects).ends_with(&ENDINGS.map(str::to_owned)));
    }
}

#[test]
fn an_error_event_ends_a_body_without_chunks_too() {
    let mut fixture = Fixture::connected(&[at_event(1, Upstream::ErrorEvent { message: "gone".to_owned() })]);
    fixture.client_sends(ASK);
    let body = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\ndata: two\n\n";
    let arrived = arriving(&fixture.server_sends(body), TO_CLIENT);
    assert!(arrived.starts_with(&[&body[..body.len() - 11], br#"data: {"error":"#].concat()));
    assert!(arrived.ends_with(b"}\n\n"));
}

fn at_head(n: u32, upstream: Upstream) -> Fault {
    fault(Trigger::HttpHead { n, direction: TO_CLIENT, edge: Edge::After }, upstream)
}

fn at_event(n: u32, upstream: Upstream) -> Fault {
    fault(Trigger::sse_event(n, Edge::After), upstream)
}
