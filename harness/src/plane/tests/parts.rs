//! Chunks and lines of HTTP bodies, hops that keep what they are sent, ends that close one way, frames without a code.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{ASK, Fixture, arriving, chunk, fault, frame, lines, masked, message, secs};
use crate::fault::{Buffer, Close, Cut, CutEnding, Edge, Ends, Fault, HalfClose, Trigger, TruncateClean, Verb};
use crate::name::{Direction, Side};

const CUT: Cut = Cut { ending: CutEnding::Fin };
const TO_CLIENT: Direction = Direction::ToClient;
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn chunks_are_struck_before_inside_and_after() {
    let (one, two) = (chunk("one"), chunk("twotwo"));
    for (edge, passing) in [(Edge::Before, 0), (Edge::Inside(2), 5), (Edge::Inside(99), 11), (Edge::After, 11)] {
        let mut fixture = asked(Trigger::Chunk { n: 2, direction: TO_CLIENT, edge }, CUT);
        let effects = fixture.server_sends(&[CHUNKED, &one, &two, b"0\r\n\r\n"].concat());
        assert_eq!(arriving(&effects, TO_CLIENT), [CHUNKED, &one, &two[..passing]].concat(), "{edge:?}");
    }
}

#[test]
fn the_chunk_that_ends_a_body_is_not_counted_and_the_next_body_goes_on_counting() {
    let bodies = [CHUNKED, &chunk("one"), b"0\r\n\r\n", CHUNKED, &chunk("two"), b"0\r\n\r\n"].concat();
    let mut fixture = asked(Trigger::Chunk { n: 2, direction: TO_CLIENT, edge: Edge::Before }, CUT);
    let passing = CHUNKED.len() * 2 + chunk("one").len() + 5;
    assert_eq!(arriving(&fixture.server_sends(&bodies), TO_CLIENT), bodies[..passing]);
    let mut fixture = asked(Trigger::Chunk { n: 3, direction: TO_CLIENT, edge: Edge::Before }, CUT);
    assert_eq!(arriving(&fixture.server_sends(&bodies), TO_CLIENT), bodies);
}

#[test]
fn lines_are_counted_across_chunks_without_empty_ones_and_the_last_needs_no_end() {
    let chunks = [chunk("{\"a\":"), chunk("1}\n\r\n\n{\"b\":2}\r\n{\"c"), chunk("\":3}")];
    let body = [CHUNKED, &chunks.concat(), b"0\r\n\r\n"].concat();
    let start = CHUNKED.len() + chunks[0].len();
    for (n, edge, passing) in [
        (1, Edge::Inside(6), start + 5),
        (1, Edge::After, start + 4 + 3),
        (2, Edge::Before, start + 4 + 6),
        (2, Edge::After, start + 4 + 15),
        (3, Edge::Inside(2), start + 4 + 17),
        (3, Edge::After, body.len()),
    ] {
        let mut fixture = asked(Trigger::Line { n, direction: TO_CLIENT, edge }, CUT);
        let arrived = arriving(&fixture.server_sends(&body), TO_CLIENT);
        assert_eq!((arrived.len(), fixture.plane.fired()), (passing, 1), "line {n} {edge:?}");
    }
    let mut fixture = asked(Trigger::Line { n: 4, direction: TO_CLIENT, edge: Edge::Before }, CUT);
    assert_eq!((arriving(&fixture.server_sends(&body), TO_CLIENT), fixture.plane.fired()), (body, 0));
}

#[test]
fn requests_have_chunks_and_lines_too() {
    let upload = b"POST /a HTTP/1.1\r\nContent-Length: 8\r\n\r\none\ntwo\n";
    let trigger = Trigger::Line { n: 1, direction: Direction::ToServer, edge: Edge::After };
    let mut fixture = Fixture::connected(&[fault(trigger, CUT)]);
    assert_eq!(arriving(&fixture.client_sends(upload), Direction::ToServer), upload[..upload.len() - 4]);
}

#[test]
fn a_body_is_truncated_behind_a_line() {
    let mut fixture = asked(Trigger::Line { n: 1, direction: TO_CLIENT, edge: Edge::After }, TruncateClean);
    let effects = fixture.server_sends(&[CHUNKED, &chunk("one\ntwo\n"), b"0\r\n\r\n"].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), [CHUNKED, &chunk("one\n"), b"0\r\n\r\n"].concat());
}

#[test]
fn a_hop_passes_on_whole_pieces_and_the_end_of_a_message() {
    let verb = Buffer { bytes: 100, flush_after: None, direction: Some(TO_CLIENT), lasting: None };
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), verb)]);
    fixture.wait();
    assert_eq!(arriving(&fixture.client_sends(ASK), Direction::ToServer), ASK);
    assert_eq!(lines(&fixture.server_sends(CHUNKED)), ["keep to_client"]);
    let whole = [CHUNKED, &chunk(&"x".repeat(80))].concat();
    assert_eq!(arriving(&fixture.server_sends(&whole[CHUNKED.len()..]), TO_CLIENT), whole[..100]);
    let rest = [&whole[100..], b"0\r\n\r\n"].concat();
    assert_eq!(arriving(&fixture.server_sends(b"0\r\n\r\n"), TO_CLIENT), rest);
    fixture.client_sends(ASK);
    fixture.server_sends(b"HTTP/1.1 200 OK\r\n\r\nuntil");
    assert_eq!(lines(&fixture.fin(TO_CLIENT)).last().map(String::as_str), Some("forward fin to_client"));
}

#[test]
fn a_hop_passes_on_what_it_has_when_nothing_is_added_and_when_it_is_gone() {
    let (flush_after, lasting) = (Some(secs(2)), Some(secs(60)));
    let verb = Buffer { bytes: 9000, flush_after, direction: None, lasting };
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), verb)]);
    fixture.wait();
    let said = frame(0x81, b"hello");
    assert_eq!(lines(&fixture.server_sends(&said)), ["keep to_client"]);
    fixture.now = secs(2);
    assert_eq!(lines(&fixture.server_sends(&said)), ["keep to_client"]);
    assert_eq!((fixture.wait(), fixture.now), (vec![], secs(3)));
    assert_eq!(arriving(&fixture.wait(), TO_CLIENT), [said.clone(), said.clone()].concat());
    assert_eq!(fixture.now, secs(4));
    fixture.now = secs(60);
    fixture.client_sends(&masked(0x81, b"last"));
    let effects = fixture.wait();
    assert_eq!((fixture.now, arriving(&effects, Direction::ToServer)), (secs(61), masked(0x81, b"last")));
    assert_eq!(arriving(&fixture.server_sends(&said), TO_CLIENT), said);
}

proptest! {
    #[test]
    fn a_hop_loses_nothing_and_keeps_the_order(
        pieces in vec((any::<bool>(), vec(any::<u8>(), 1..40), 0..4_u64), 0..30), bytes in 1..70_u32,
        flush in proptest::option::of(1..3_u64),
    ) {
        let verb = Buffer { bytes, flush_after: flush.map(secs), direction: None, lasting: Some(secs(1000)) };
        let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), verb)]);
        fixture.wait();
        let (mut sent, mut arrived) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let mut take = |effects: &[crate::plane::Effect]| {
            arrived[0].extend(arriving(effects, Direction::ToServer));
            arrived[1].extend(arriving(effects, TO_CLIENT));
        };
        for (to_client, piece, pause) in &pieces {
            while fixture.plane.next_deadline().is_some_and(|at| at <= fixture.now) {
                take(&fixture.wait());
            }
            sent[usize::from(*to_client)].extend_from_slice(piece);
            take(&fixture.send(if *to_client { TO_CLIENT } else { Direction::ToServer }, piece));
            fixture.now += secs(*pause);
        }
        while fixture.plane.next_deadline().is_some() {
            take(&fixture.wait());
        }
        prop_assert_eq!(arrived, sent);
    }
}

proptest! {
    #[test]
    fn lines_and_chunks_are_counted_however_they_are_cut(
        words in vec(prop_oneof![Just("a"), Just("{\"b\":1}"), Just("\n"), Just("\r\n")], 0..20), size in 1..9_usize,
        n in 1..8_u32, cuts in vec(1..400_usize, 0..8), of_lines in any::<bool>(),
    ) {
        let body = words.concat();
        let lines = body.split('\n').filter(|line| !line.trim_start_matches('\r').is_empty()).count();
        let chunks: Vec<_> = body.as_bytes().chunks(size).map(|part| chunk(&String::from_utf8_lossy(part))).collect();
        let sent = [CHUNKED, &chunks.concat(), b"0\r\n\r\n"].concat();
        let (direction, edge) = (TO_CLIENT, Edge::After);
        let (trigger, whole) = match of_lines {
            true => (Trigger::Line { n, direction, edge }, lines),
            false => (Trigger::Chunk { n, direction, edge }, chunks.len()),
        };
        let mut fixture = asked(trigger, CUT);
        let mut within: Vec<_> = cuts.iter().map(|cut| cut % (sent.len() + 1)).chain([0, sent.len()]).collect();
        within.sort_unstable();
        let effects: Vec<_> =
            within.windows(2).flat_map(|ends| fixture.server_sends(&sent[ends[0]..ends[1]])).collect();
        prop_assert_eq!(fixture.plane.fired(), usize::from(n as usize <= whole));
        let arrived = arriving(&effects, TO_CLIENT);
        prop_assert!(sent.starts_with(&arrived));
        if n as usize > whole {
            prop_assert_eq!(arrived, sent);
        } else if !of_lines {
            prop_assert_eq!(arrived, [CHUNKED, &chunks[..n as usize].concat()].concat());
        }
    }
}

#[test]
fn one_end_s_fin_arrives_and_the_other_way_goes_on() {
    for (by, told) in [(Side::Client, "fin to server"), (Side::Server, "fin to client")] {
        let trigger = Trigger::Bytes { n: 2, direction: by.sends() };
        let mut fixture = Fixture::connected(&[fault(trigger, HalfClose { by })]);
        let effects = fixture.send(by.sends(), b"ask");
        assert_eq!(arriving(&effects, by.sends()), b"as");
        assert!(lines(&effects).contains(&told.to_owned()), "{effects:?}");
        assert_eq!(arriving(&fixture.send(by.peer().sends(), b"answer"), by.peer().sends()), b"answer");
        let late = fixture.send(by.sends(), b"more");
        assert_eq!(lines(&late), [format!("discard {} 4", by.sends())]);
        assert_eq!(fixture.fin(by.sends()), []);
        assert_eq!(lines(&fixture.fin(by.peer().sends())), [format!("forward fin {}", by.peer().sends())]);
    }
}

#[test]
fn an_end_that_has_finished_by_itself_cannot_be_half_closed() {
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), HalfClose { by: Side::Client })]);
    fixture.fin(Direction::ToServer);
    assert_eq!((fixture.wait(), fixture.plane.fired()), (vec![], 0));
    assert_eq!(fixture.plane.obstacle(crate::fault::FaultIndex(0)), Some("that end has finished by itself"));
}

#[test]
fn a_close_without_a_code_is_an_empty_frame() {
    let verb = Close { code: None, reason: String::new(), to: Ends::Both };
    let mut fixture = Fixture::websocket(&[fault(message(1, TO_CLIENT, Edge::After), verb)]);
    let effects = fixture.server_sends(&frame(0x81, b"one"));
    assert_eq!(arriving(&effects, TO_CLIENT), [frame(0x81, b"one"), vec![0x88, 0]].concat());
    let to_server = arriving(&effects, Direction::ToServer);
    assert_eq!((to_server[..2].to_vec(), to_server.len()), (vec![0x88, 0x80], 6), "a client's frame is masked");
}

/// A connection on which two questions have been asked.
fn asked(trigger: Trigger, verb: impl Verb) -> Fixture {
    let faults: [Fault; 1] = [fault(trigger, verb)];
    let mut fixture = Fixture::connected(&faults);
    fixture.client_sends(&[ASK, ASK].concat());
    fixture
}
