//! However the network cuts a stream into pieces, the same boundaries are found and the same faults strike.

use proptest::collection::vec;
use proptest::prelude::*;

use super::streams::{self, Conversation};
use super::{Fixture, act, arriving, fault, frame, lines, masked, units};
use crate::fault::{
    Close, Corrupt, Cut, CutEnding, DuplicateMessage, Edge, Ends, Fault, FrameKind, HalfClose, HalfOpen, HalfOpenKind,
    Illegal, IllegalKind, ReorderMessages, Reset, Trigger, TruncateClean, Upstream,
};
use crate::name::{Direction, Side};
use crate::pattern::{Pattern, Wanted};
use crate::plane::Effect;
use crate::trace::Unit;

#[test]
fn every_conversation_passes_unchanged_and_has_the_units_that_it_has() {
    for conversation in streams::all() {
        let effects = play(&[], &conversation, &[]);
        for (direction, sent) in conversation.sent() {
            assert_eq!(arriving(&effects, direction), sent, "{} {direction}", conversation.name);
        }
        let units = units(&effects);
        assert_eq!(units.len(), conversation.units, "{}: {units:#?}", conversation.name);
    }
}

#[test]
fn a_cut_at_any_byte_changes_no_unit() {
    for conversation in streams::all() {
        let whole = units(&play(&[], &conversation, &[]));
        for cut in 1..conversation.length() {
            let effects = play(&[], &conversation, &[cut]);
            assert_eq!(units(&effects), whole, "{} cut at {cut}", conversation.name);
            for (direction, sent) in conversation.sent() {
                assert_eq!(arriving(&effects, direction), sent, "{} cut at {cut}", conversation.name);
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_changes_nothing_about_a_fault() {
    for conversation in streams::all() {
        for fault in faults_inside_streams() {
            let faults = [fault];
            let whole = outcome(&play(&faults, &conversation, &[]));
            for cut in 1..conversation.length() {
                let cut_outcome = outcome(&play(&faults, &conversation, &[cut]));
                assert_eq!(cut_outcome, whole, "{} cut at {cut} under {}", conversation.name, faults[0]);
            }
        }
    }
}

#[test]
fn without_faults_a_piece_passes_as_one_slice_of_what_came() {
    let mut fixture = Fixture::websocket(&[]);
    let piece = [super::text("one"), super::text("two"), frame(0x89, b"")].concat();
    let effects = fixture.server_sends(&piece);
    assert_eq!(lines(&effects), [format!("forward to_client {}", piece.escape_ascii())]);
    assert_eq!(units(&effects).len(), 3);
}

#[test]
fn a_frame_of_63_bits_of_length_passes_without_being_kept() {
    let mut fixture = Fixture::websocket(&[]);
    let header = [&[0x81, 127], (u64::MAX >> 1).to_be_bytes().as_slice()].concat();
    fixture.server_sends(&header);
    let payload = vec![b'a'; 100_000];
    for _ in 0..50 {
        assert_eq!(arriving(&fixture.server_sends(&payload), Direction::ToClient).len(), payload.len());
    }
    let kept = format!("{:?}", fixture.plane).len();
    assert!(kept < 64 * 1024, "the plane holds on to {kept} bytes of itself in words");
}

#[test]
fn long_texts_are_counted_and_not_kept() {
    let mut fixture = Fixture::websocket(&[]);
    let kept = fixture.server_sends(&frame(0x81, &vec![b'a'; 64 * 1024]));
    assert!(
        matches!(&units(&kept)[..], [Unit::WsMessage { text: Some(text), bytes: 65536, .. }] if text.len() == 65536)
    );
    let long = fixture.client_sends(&masked(0x81, &vec![b'a'; 64 * 1024 + 1]));
    assert!(matches!(&units(&long)[..], [Unit::WsMessage { text: None, bytes: 65537, .. }]));
}

#[test]
fn frames_are_read_in_all_their_parts() {
    let mut fixture = Fixture::websocket(&[]);
    let close = units(&fixture.client_sends(&masked(0x88, b"\x03\xe8idle")));
    assert_eq!(close, [Unit::WsControl { kind: FrameKind::Close, code: Some(1000), reason: Some("idle".into()) }]);
    let parts = [frame(0x01, "gr\u{fc}".as_bytes()), frame(0x8A, b"x"), frame(0x80, "\u{df}e".as_bytes())].concat();
    let greeting = Unit::WsMessage { kind: FrameKind::Text, text: Some("gr\u{fc}\u{df}e".into()), bytes: 7 };
    let pong = Unit::WsControl { kind: FrameKind::Pong, code: None, reason: None };
    assert_eq!(units(&fixture.server_sends(&parts)), [pong, greeting]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn many_cuts_change_no_unit(cuts in vec(1..2000_usize, 0..40), which in 0..5_usize) {
        let conversation = &streams::all()[which];
        let effects = play(&[], conversation, &cuts);
        prop_assert_eq!(units(&effects), units(&play(&[], conversation, &[])));
        for (direction, sent) in conversation.sent() {
            prop_assert_eq!(arriving(&effects, direction), sent);
        }
    }

    #[test]
    fn many_cuts_change_nothing_about_a_fault(cuts in vec(1..2000_usize, 0..40), which in 0..5_usize) {
        let conversation = &streams::all()[which];
        for fault in faults_inside_streams() {
            let faults = [fault];
            let whole = outcome(&play(&faults, conversation, &[]));
            prop_assert_eq!(outcome(&play(&faults, conversation, &cuts)), whole);
        }
    }

    #[test]
    fn any_bytes_pass_unchanged(pieces in vec((any::<bool>(), vec(any::<u8>(), 0..60)), 0..30)) {
        pass_unchanged(Fixture::connected(&[]), &pieces)?;
        pass_unchanged(Fixture::websocket(&[]), &pieces)?;
        pass_unchanged(Fixture::events(&[]), &pieces)?;
    }

    #[test]
    fn likely_bytes_pass_unchanged(pieces in vec((any::<bool>(), likely_bytes()), 0..30)) {
        pass_unchanged(Fixture::connected(&[]), &pieces)?;
        pass_unchanged(Fixture::events(&[]), &pieces)?;
    }

    #[test]
    fn no_bytes_confuse_a_plane_under_faults(pieces in vec((any::<bool>(), likely_bytes()), 0..30)) {
        let faults = faults_inside_streams();
        for mut fixture in [Fixture::connected(&faults), Fixture::websocket(&faults), Fixture::events(&faults)] {
            let mut sent = 0;
            let mut accounted = 0;
            for (to_client, bytes) in &pieces {
                let direction = if *to_client { Direction::ToClient } else { Direction::ToServer };
                sent += bytes.len();
                for effect in fixture.send(direction, bytes) {
                    accounted += match effect {
                        Effect::Forward { bytes, .. } => bytes.len(),
                        Effect::Discard { bytes, .. } => bytes,
                        _ => 0,
                    };
                }
                prop_assert!(accounted <= sent);
            }
        }
    }
}

fn pass_unchanged(mut fixture: Fixture, pieces: &[(bool, Vec<u8>)]) -> Result<(), TestCaseError> {
    for (to_client, bytes) in pieces {
        let direction = if *to_client { Direction::ToClient } else { Direction::ToServer };
        let effects = fixture.send(direction, bytes);
        prop_assert_eq!(&arriving(&effects, direction), bytes);
    }
    Ok(())
}

/// Bytes that reach the far corners of the parsers more often than any bytes do.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let words: [&[u8]; 20] = [
        b"GET / HTTP/1.1\r\n",
        b"CONNECT x HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 S\r\n",
        b"Upgrade: websocket\r\n",
        b"Content-Length: 7\r\n",
        b"Content-Length: 18446744073709551615\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Type: text/event-stream\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"5\r\n",
        b"ffffffffffffffff\r\n",
        b"data: x",
        b"event: y\r",
        b": z",
        b"\xEF\xBB",
        b"\x81\x85",
        b"\x88\x02\x03\xe8",
    ];
    vec(proptest::sample::select(words.to_vec()), 0..6).prop_map(|words| words.concat())
}

/// One fault for each kind of trigger and edge, with verbs that show where they struck.
fn faults_inside_streams() -> Vec<Fault> {
    let mut faults = Vec::new();
    for edge in [Edge::Before, Edge::Inside(1), Edge::Inside(9), Edge::Inside(1000), Edge::After] {
        let direction = Direction::ToClient;
        let cut = || Cut { ending: CutEnding::Fin };
        faults.push(fault(Trigger::sse_event(2, edge), cut()));
        faults.push(fault(Trigger::sse_event(3, edge), TruncateClean));
        faults.push(fault(Trigger::message(2, direction, edge), cut()));
        faults.push(fault(Trigger::message(2, direction, edge), close()));
        let words = Pattern::default().with("", Wanted::Is("in three parts".to_owned()));
        faults.push(fault(Trigger::Message { n: 1, direction, edge, content: words }, cut()));
        let greeting = Pattern::default().with("", Wanted::Present);
        faults.push(fault(Trigger::Message { n: 1, direction: Direction::ToServer, edge, content: greeting }, close()));
        for words in ["two\nmore", "[DONE]", "cut"] {
            let content = Pattern::default().with("", Wanted::Is(words.to_owned()));
            faults.push(fault(Trigger::SseEvent { n: 1, edge, content }, cut()));
        }
        faults.push(fault(Trigger::HttpHead { n: 2, direction, edge }, cut()));
        faults.push(fault(Trigger::Chunk { n: 2, direction, edge }, cut()));
        faults.push(fault(Trigger::Chunk { n: 1, direction: Direction::ToServer, edge }, cut()));
        faults.push(fault(Trigger::Line { n: 1, direction, edge }, cut()));
        faults
            .push(fault(Trigger::Line { n: 1, direction: Direction::ToServer, edge }, HalfClose { by: Side::Client }));
        let kind = FrameKind::Ping;
        faults.push(fault(Trigger::Frame { kind, n: 1, direction: Direction::ToServer, edge }, cut()));
    }
    for act in [
        act(Corrupt),
        act(DuplicateMessage { copies: 2 }),
        act(ReorderMessages { by: 1 }),
        act(ReorderMessages { by: 9 }),
    ] {
        let first = Direction::BOTH.map(|direction| Trigger::message(1, direction, Edge::After));
        let second = Trigger::message(2, Direction::ToClient, Edge::After);
        let content = Pattern::default().with("", Wanted::Present);
        let third = Trigger::Message { n: 2, direction: Direction::ToClient, edge: Edge::After, content };
        let triggers = first.into_iter().chain([second, Trigger::sse_event(2, Edge::After), third]);
        faults.extend(triggers.map(|trigger| Fault { trigger, act: act.clone() }));
    }
    let illegal = Illegal { kind: IllegalKind::Close1006, to: Ends::Both };
    faults.push(fault(Trigger::message(2, Direction::ToClient, Edge::Inside(2)), illegal));
    let message = "gone".to_owned();
    let error = Upstream::ErrorEvent { message };
    faults.push(fault(Trigger::sse_event(2, Edge::After), error));
    let head = |n| Trigger::HttpHead { n, direction: Direction::ToClient, edge: Edge::After };
    faults.push(fault(head(2), Upstream::Status { status: 500 }));
    faults.push(fault(head(1), Upstream::MissingDone));
    let discard = HalfOpen { kind: HalfOpenKind::Discard, direction: None, heal_after: None };
    faults.push(fault(Trigger::Bytes { n: 150, direction: Direction::ToClient }, discard));
    faults.push(fault(Trigger::Bytes { n: 0, direction: Direction::ToClient }, Reset { to: Ends::Both }));
    faults
}

fn close() -> Close {
    Close { code: Some(1001), reason: "away".into(), to: Ends::Both }
}

/// What does not depend on how bytes are sliced.
fn outcome(effects: &[Effect]) -> (Vec<Vec<u8>>, Vec<Unit>, Vec<String>) {
    let arriving = Direction::BOTH.map(|direction| arriving(effects, direction)).to_vec();
    let mut others = lines(effects);
    others.retain(|line| !line.starts_with("forward ") && !line.starts_with("discard "));
    (arriving, units(effects), others)
}

/// Plays a conversation, cut where `cuts` say (offsets in all turns together).
fn play(faults: &[Fault], conversation: &Conversation, cuts: &[usize]) -> Vec<Effect> {
    let mut fixture = Fixture::connected(faults);
    let mut effects = Vec::new();
    let mut offset = 0;
    for (direction, sent) in &conversation.turns {
        let mut within: Vec<_> = cuts.iter().filter_map(|cut| cut.checked_sub(offset)).collect();
        within.extend([0, sent.len()]);
        within.retain(|cut| *cut <= sent.len());
        within.sort_unstable();
        for ends in within.windows(2) {
            effects.extend(fixture.send(*direction, &sent[ends[0]..ends[1]]));
        }
        offset += sent.len();
    }
    effects
}

impl Conversation {
    fn sent(&self) -> [(Direction, Vec<u8>); 2] {
        Direction::BOTH.map(|of| {
            let turns = self.turns.iter().filter(|(direction, _)| *direction == of);
            (of, turns.flat_map(|(_, sent)| sent.clone()).collect())
        })
    }

    fn length(&self) -> usize {
        self.turns.iter().map(|(_, sent)| sent.len()).sum()
    }
}
