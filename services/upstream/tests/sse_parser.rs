//! The event parser against every split of its input, and against the cases of the standard.

use halfopen_upstream::sse::{EventTooLarge, SseEvent, SseParser, encode_data};
use proptest::prelude::*;

#[test]
fn every_split_of_a_stream_gives_the_same_events() {
    let stream = "\u{feff}: hello\r\ndata: one\r\ndata: zwei ü\r\n\r\nevent: x\rdata:three\r\rdata\ndata\n\nid: 7\nretry: 5\ndata: four\n\ndata: lost".as_bytes();
    let whole = events(&[stream]);
    assert_eq!(
        whole,
        [event("", "one\nzwei ü"), event("x", "three"), event("", "\n"), event("", "four")],
        "the events of the unsplit stream"
    );
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(events(&pieces), whole, "split at {first} and {second}");
        }
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(events(&bytes), whole, "byte by byte");
}

#[test]
fn the_examples_of_the_standard_parse_as_it_says() {
    assert_eq!(events(&[b"data: YHOO\ndata: +2\ndata: 10\n\n"]), [event("", "YHOO\n+2\n10")]);
    assert_eq!(
        events(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"]),
        [event("", "first event"), event("", "second event"), event("", " third event")]
    );
    // Two blank-data events are not dispatched, and the last one has no blank line after it.
    assert_eq!(events(&[b"data\n\ndata\ndata\n\ndata:"]), [event("", "\n")]);
    assert_eq!(events(&[b"data:test\n\ndata: test\n\n"]), [event("", "test"), event("", "test")]);
}

#[test]
fn a_byte_order_mark_counts_only_at_the_very_start() {
    assert_eq!(events(&[b"\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n"]), [event("", "a")]);
    // Half a mark is the start of an unknown field.
    assert_eq!(events(&[b"\xEF\xBBdata: a\n\ndata: b\n\n"]), [event("", "b")]);
}

#[test]
fn a_carriage_return_dispatches_without_waiting_for_a_line_feed() {
    let mut parser = SseParser::new(100);
    let mut found = Vec::new();
    parser.push(b"data: now\r\r", &mut found).expect("small");
    assert_eq!(found, [event("", "now")]);
    assert!(!parser.has_partial());
    parser.push(b"\ndata: la", &mut found).expect("small");
    assert!(parser.has_partial());
}

#[test]
fn an_event_beyond_the_bound_is_refused_for_good() {
    let mut parser = SseParser::new(10);
    let mut found = Vec::new();
    let error = parser.push(b"data: ok\n\ndata: 123456789\n\n", &mut found).expect_err("too large");
    assert_eq!(error, EventTooLarge { limit_bytes: 10 });
    assert_eq!(found, [event("", "ok")], "what was complete before it is kept");
    assert!(parser.push(b"data: x\n\n", &mut found).is_err());
    assert_eq!(found.len(), 1);
}

#[test]
fn an_event_of_exactly_the_bound_is_taken() {
    let mut found = Vec::new();
    SseParser::new(10).push(b"data: 1234\n\n", &mut found).expect("ten bytes");
    assert_eq!(found, [event("", "1234")]);
    SseParser::new(9).push(b"data: 1234\n\n", &mut found).expect_err("ten bytes");
}

#[test]
fn comments_inside_an_event_do_not_hide_its_size() {
    let mut parser = SseParser::new(100);
    let mut pushes = (0..100).map(|_| parser.push(b"data: 12345\n: comment\n", &mut Vec::new()));
    assert_eq!(pushes.find(Result::is_err), Some(Err(EventTooLarge { limit_bytes: 100 })));
}

#[test]
fn a_stream_stands_inside_an_event_from_its_first_byte_to_its_blank_line() {
    for (bytes, partial) in [
        (&b""[..], false),
        (b"\xEF", true),
        (b"\xEF\xBB\xBF", false),
        (b"d", true),
        (b"data: x\n", true),
        (b"data: x\n\n", false),
        (b"data: x\n\nda", true),
    ] {
        let mut parser = SseParser::new(100);
        parser.push(bytes, &mut Vec::new()).expect("small");
        assert_eq!(parser.has_partial(), partial, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn comments_do_not_add_up_to_an_event_that_is_too_large() {
    let mut parser = SseParser::new(20);
    let mut found = Vec::new();
    for _ in 0..100 {
        parser.push(b": heartbeat\n", &mut found).expect("each comment is small");
    }
}

#[test]
fn bytes_that_are_no_text_become_replacement_characters() {
    assert_eq!(events(&[b"data: a\xFFb\n\n"]), [event("", "a\u{fffd}b")]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_read_back(data in "[^\r]{1,60}") {
        let encoded = encode_data(&data);
        prop_assert_eq!(events(&[encoded.as_bytes()]), [event("", &data)]);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_what_they_give_in_one(
        bytes in proptest::collection::vec(prop_oneof![
            4 => proptest::sample::select(b"\r\n:d ata\xEF\xBB\xBF".to_vec()),
            1 => any::<u8>(),
        ], 0..120),
        cuts in proptest::collection::vec(0_usize..120, 0..6),
    ) {
        let pieces = cut(&bytes, cuts);
        prop_assert_eq!(events(&pieces), events(&[&bytes]));
    }
}

fn cut(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.retain(|&at| at <= bytes.len());
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

fn events(pieces: &[&[u8]]) -> Vec<SseEvent> {
    let mut parser = SseParser::new(1 << 20);
    let mut found = Vec::new();
    for piece in pieces {
        parser.push(piece, &mut found).expect("no event of these tests is large");
    }
    found
}

fn event(name: &str, data: &str) -> SseEvent {
    SseEvent { name: name.to_owned(), data: data.to_owned() }
}
