//! Events and heads are counted as their standards read them, whatever the bodies say, and a fault that strikes nothing
//! changes nothing.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{ASK, Fixture, arriving, fault, lines, secs, units};
use crate::fault::{Corrupt, Cut, CutEnding, Edge, Fault, Trigger, TruncateClean, Upstream};
use crate::name::Direction;
use crate::plane::Effect;
use crate::trace::Unit;

const CUT: Cut = Cut { ending: CutEnding::Fin };
const TO_CLIENT: Direction = Direction::ToClient;

#[test]
fn an_event_that_its_body_s_end_cuts_off_counts_nothing() {
    let (first, second) = (response("data: x\n", false), response("data: y\n\n", false));
    for edge in [Edge::Before, Edge::Inside(3), Edge::After] {
        let mut fixture = Fixture::connected(&[fault(Trigger::sse_event(1, edge), CUT)]);
        fixture.client_sends(&[ASK, ASK].concat());
        assert_eq!(arriving(&fixture.server_sends(&first), TO_CLIENT), first);
        let head = second.len() - "data: y\n\n".len();
        let passing = match edge {
            Edge::Before => 0,
            Edge::Inside(k) => k as usize,
            Edge::After => "data: y\n\n".len(),
        };
        assert_eq!(arriving(&fixture.server_sends(&second), TO_CLIENT), second[..head + passing]);
        assert_eq!(fixture.plane.fired(), 1);
    }
    let mut fixture = Fixture::connected(&[fault(Trigger::sse_event(2, Edge::After), CUT)]);
    fixture.client_sends(&[ASK, ASK].concat());
    fixture.server_sends(&[first, second].concat());
    assert_eq!(fixture.plane.fired(), 0);
}

#[test]
fn the_sender_s_fin_ends_an_event_whose_blank_line_is_a_cr_and_none_that_has_no_blank_line() {
    for (body, fired) in [("data: x\r\n\r", 1), ("data: x\r\n", 0)] {
        let mut fixture = Fixture::connected(&[fault(Trigger::sse_event(1, Edge::After), CUT)]);
        fixture.client_sends(ASK);
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        fixture.server_sends(&[head.as_slice(), body.as_bytes()].concat());
        assert_eq!(fixture.plane.fired(), 0);
        fixture.fin(TO_CLIENT);
        assert_eq!(fixture.plane.fired(), fired, "{body:?}");
    }
}

#[test]
fn raw_bytes_do_not_wait_for_a_head() {
    for direction in Direction::BOTH {
        for edge in [Edge::Before, Edge::Inside(3), Edge::After] {
            let mut fixture = Fixture::connected(&[fault(Trigger::HttpHead { n: 1, direction, edge }, CUT)]);
            for raw in [b"ping".as_slice(), b"x", b"hello", b"\0\x01"] {
                assert_eq!(arriving(&fixture.send(direction, raw), direction), raw, "{edge:?}");
            }
        }
    }
}

#[test]
fn raw_bytes_that_begin_like_a_head_wait_for_a_second_at_most() {
    let trigger = Trigger::HttpHead { n: 1, direction: Direction::ToServer, edge: Edge::Before };
    let mut fixture = Fixture::connected(&[fault(trigger, CUT)]);
    assert_eq!(fixture.client_sends(b"GET some"), []);
    assert_eq!(lines(&fixture.wait()), ["forward to_server GET some"]);
    assert_eq!(fixture.now, secs(1));
    // A head it is after all: the fault strikes where the bytes are.
    let effects = fixture.client_sends(b"thing HTTP/1.1\r\n\r\n");
    assert_eq!((arriving(&effects, Direction::ToServer), fixture.plane.fired()), (vec![], 1));
}

#[test]
fn comments_that_keep_a_stream_alive_arrive_though_an_event_is_waited_for() {
    let mut fixture = Fixture::events(&[fault(Trigger::sse_event(1, Edge::Before), CUT)]);
    fixture.server_sends(b"a\r\n");
    assert_eq!(fixture.server_sends(b":\n"), []);
    assert_eq!(lines(&fixture.wait()), ["forward to_client :\\n"]);
    // What shows data is held for as long as it takes to be whole.
    let mut fixture = Fixture::events(&[fault(Trigger::sse_event(1, Edge::Before), CUT)]);
    fixture.server_sends(b"a\r\n");
    fixture.server_sends(b"data: x\n");
    assert_eq!((fixture.plane.next_deadline(), fixture.plane.fired()), (None, 0));
    assert_eq!((fixture.server_sends(b"\n").is_empty(), fixture.plane.fired()), (false, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn events_are_counted_as_whatwg_reads_them(
        bodies in vec((body(), any::<bool>()), 1..5), n in 1..6_u32, inside in 1..9_u64, which in 0..3_usize,
        cuts in vec(1..300_usize, 0..8),
    ) {
        let whole: usize = bodies.iter().map(|(body, _)| events(body)).sum();
        let sent: Vec<u8> = bodies.iter().flat_map(|(body, chunked)| response(body, *chunked)).collect();
        let edge = [Edge::Before, Edge::Inside(inside), Edge::After][which];
        let mut fixture = Fixture::connected(&[fault(Trigger::sse_event(n, edge), CUT)]);
        fixture.client_sends(&ASK.repeat(bodies.len()));
        let effects = send_in_pieces(&mut fixture, TO_CLIENT, &sent, &cuts);
        let told = units(&effects).iter().filter(|unit| matches!(unit, Unit::SseEvent { data: Some(_), .. })).count();
        if n as usize <= whole {
            prop_assert_eq!(fixture.plane.fired(), 1);
            let passed = n as usize - usize::from(edge == Edge::Before || !ends_with_the_event(&effects, told, n));
            prop_assert_eq!(told, passed);
            prop_assert!(sent.starts_with(&arriving(&effects, TO_CLIENT)));
        } else {
            prop_assert_eq!((fixture.plane.fired(), told), (0, whole));
            prop_assert_eq!(arriving(&effects, TO_CLIENT), sent);
        }
    }

    #[test]
    fn a_fault_that_never_fires_changes_no_raw_bytes(
        pieces in vec((any::<bool>(), raw()), 0..20), which in 0..1000_usize,
    ) {
        let faults = faults();
        let mut fixture = Fixture::connected(&[faults[which % faults.len()].clone()]);
        let mut sent = [Vec::new(), Vec::new()];
        let mut arrived = [Vec::new(), Vec::new()];
        for (to_client, bytes) in &pieces {
            sent[usize::from(*to_client)].extend_from_slice(bytes);
            let direction = if *to_client { Direction::ToClient } else { Direction::ToServer };
            arrive(&mut arrived, &fixture.send(direction, bytes));
        }
        while fixture.plane.next_deadline().is_some() {
            arrive(&mut arrived, &fixture.wait());
        }
        prop_assert_eq!(fixture.plane.fired(), 0);
        prop_assert_eq!(arrived, sent);
    }
}

fn arrive(arrived: &mut [Vec<u8>; 2], effects: &[Effect]) {
    arrived[0].extend(arriving(effects, Direction::ToServer));
    arrived[1].extend(arriving(effects, Direction::ToClient));
}

/// A point that lies behind the end of its event is at its end: then the event has passed whole.
fn ends_with_the_event(effects: &[Effect], told: usize, n: u32) -> bool {
    told == n as usize && effects.iter().any(|effect| matches!(effect, Effect::Fired { .. }))
}

fn send_in_pieces(fixture: &mut Fixture, direction: Direction, sent: &[u8], cuts: &[usize]) -> Vec<Effect> {
    let mut within: Vec<_> = cuts.iter().map(|cut| cut % (sent.len() + 1)).chain([0, sent.len()]).collect();
    within.sort_unstable();
    within.windows(2).flat_map(|ends| fixture.send(direction, &sent[ends[0]..ends[1]])).collect()
}

/// A response with a body of events.
fn response(body: &str, chunked: bool) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    if !chunked {
        return format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    }
    let mut text = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.as_bytes().chunks(7) {
        text.push_str(&format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
    }
    text.push_str("0\r\n\r\n");
    text.into_bytes()
}

/// How many events WHATWG HTML (9.2.6) reads in a body: what an unfinished block would have been is discarded.
fn events(body: &str) -> usize {
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in body.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some("") => blocks.push(Vec::new()),
            Some(line) => blocks.last_mut().expect("one at least").push(line),
            None => {}
        }
    }
    blocks.pop();
    let has_data = |block: &&Vec<&str>| block.iter().any(|line| line.split(':').next() == Some("data"));
    blocks.iter().filter(has_data).count()
}

fn body() -> impl Strategy<Value = String> {
    let words = ["data: x", "data", "data:", "event: e", "id: 1", ": comment", "retry: 5", "database: no"];
    let line = prop_oneof![3 => proptest::sample::select(words.to_vec()), 2 => Just("")];
    let end = proptest::sample::select(vec!["\n", "\r\n", "\r"]);
    (vec(line, 0..10), end, any::<bool>()).prop_map(|(lines, end, ended)| {
        let body = lines.join(end);
        if ended { body + end } else { body }
    })
}

/// Bytes that are no HTTP, though they may look like the beginning of it.
fn raw() -> impl Strategy<Value = Vec<u8>> {
    let words: [&[u8]; 9] =
        [b"ping", b"GET", b"POST x", b"HTTP/1", b"\x16\x03\x01", b"*1\r\n$4\r\nPING\r\n", b"\0", b"data: x", b" "];
    let likely = vec(proptest::sample::select(words.to_vec()), 1..4).prop_map(|words| words.concat());
    prop_oneof![likely, vec(any::<u8>(), 1..20)]
}

/// Faults whose triggers are units that raw bytes do not have.
fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for edge in [Edge::Before, Edge::Inside(2), Edge::After] {
        for direction in Direction::BOTH {
            for n in 1..3 {
                let triggers = [
                    Trigger::HttpHead { n, direction, edge },
                    Trigger::message(n, direction, edge),
                    Trigger::sse_event(n, edge),
                    Trigger::Chunk { n, direction, edge },
                    Trigger::Line { n, direction, edge },
                ];
                faults.extend(triggers.map(|trigger| fault(trigger, CUT)));
            }
        }
    }
    let head = Trigger::HttpHead { n: 1, direction: TO_CLIENT, edge: Edge::After };
    faults.push(fault(head.clone(), Upstream::Status { status: 500 }));
    faults.push(fault(head.clone(), Upstream::SlowHead { by: secs(3) }));
    faults.push(fault(head, Upstream::MissingDone));
    faults.push(fault(Trigger::sse_event(1, Edge::After), TruncateClean));
    faults.push(fault(Trigger::sse_event(1, Edge::After), Corrupt));
    faults
}
