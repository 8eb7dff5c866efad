//! Half-opens: who hears nothing, and what a heal brings back.

use super::{CHUNKED_EVENTS, Fixture, SWITCHING, arriving, fault, frame, lines, masked, message, secs, text, units};
use crate::fault::{Delay, Edge, FaultIndex, HalfOpen, HalfOpenKind, Trigger};
use crate::name::Direction;

const TO_CLIENT: Direction = Direction::ToClient;

#[test]
fn a_blackhole_silences_both_directions_until_it_heals() {
    let verb = half_open(HalfOpenKind::Blackhole, None, Some(30));
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(5)), verb)]);
    let fired = [
        "alice->chat#1: half_open(blackhole, heals after 30s)",
        "to_server silent Blackhole",
        "to_client silent Blackhole",
    ];
    assert_eq!(lines(&fixture.wait()), fired);
    assert_eq!(lines(&fixture.wait()), ["to_server passes", "to_client passes", "healed"]);
    assert_eq!(fixture.now, secs(35));
    assert_eq!(units(&fixture.server_sends(&text("again"))).len(), 1);
}

#[test]
fn a_stall_may_take_one_direction_only() {
    let verb = half_open(HalfOpenKind::Stall, Some(TO_CLIENT), None);
    let mut fixture = Fixture::websocket(&[fault(message(1, TO_CLIENT, Edge::After), verb)]);
    let said = lines(&fixture.server_sends(&text("one")));
    assert_eq!(said[1..], ["alice->chat#1: half_open(stall, to_client)", "to_client silent Stall"]);
    assert_eq!(units(&fixture.client_sends(&masked(0x81, b"still heard"))).len(), 1);
    assert_eq!(fixture.plane.next_deadline(), None);
}

#[test]
fn the_rest_of_a_piece_stays_with_the_actuator_and_is_read_when_it_comes_again() {
    let verb = half_open(HalfOpenKind::Blackhole, Some(TO_CLIENT), Some(1));
    let mut fixture = Fixture::websocket(&[fault(message(2, TO_CLIENT, Edge::Inside(3)), verb)]);
    let stream = [text("one"), text("two"), text("three")].concat();
    let effects = fixture.server_sends(&stream);
    assert_eq!(arriving(&effects, TO_CLIENT), &stream[..8]);
    assert_eq!(fixture.rest, &stream[8..]);
    assert_eq!(lines(&fixture.wait()), ["to_client passes", "healed"]);
    let effects = fixture.server_sends(&stream[8..]);
    assert_eq!(arriving(&effects, TO_CLIENT), &stream[8..]);
    assert_eq!(units(&effects).len(), 2, "the message around the silence is whole");
}

#[test]
fn bytes_that_were_read_before_they_were_given_back_are_not_read_twice() {
    let verb = half_open(HalfOpenKind::Blackhole, Some(TO_CLIENT), Some(1));
    let mut fixture = Fixture::events(&[fault(Trigger::sse_event(1, Edge::Before), verb)]);
    assert_eq!(arriving(&fixture.server_sends(b"14\r\nid: 1\n"), TO_CLIENT), b"14\r\n");
    let rest = b"data: 012345\n\n\r\n0\r\n\r\n";
    let effects = fixture.server_sends(rest);
    assert_eq!(arriving(&effects, TO_CLIENT), b"");
    assert_eq!(fixture.rest, &rest[..]);
    let healed = fixture.wait();
    assert_eq!(arriving(&healed, TO_CLIENT), b"id: 1\n", "what came in an earlier call is the plane's");
    let again = fixture.server_sends(rest);
    assert_eq!(arriving(&again, TO_CLIENT), rest);
    assert_eq!(units(&again).len(), 3, "two chunks, and an event: {again:#?}");
}

#[test]
fn a_discard_acknowledges_everything_and_passes_nothing() {
    let verb = half_open(HalfOpenKind::Discard, Some(TO_CLIENT), Some(10));
    let mut fixture = Fixture::websocket(&[fault(message(1, TO_CLIENT, Edge::After), verb)]);
    let effects = fixture.server_sends(&[text("one"), text("two")].concat());
    let said = lines(&effects);
    assert_eq!(said[1..], ["alice->chat#1: half_open(discard, to_client, heals after 10s)", "discard to_client 5"]);
    assert_eq!(units(&effects).len(), 1);
    assert_eq!(lines(&fixture.server_sends(&text("three")[..4])), ["discard to_client 4"]);
    assert_eq!(lines(&fixture.wait()), ["healed"]);
    let effects = fixture.server_sends(&[&text("three")[4..], &text("four")].concat());
    assert_eq!(arriving(&effects, TO_CLIENT).len(), 3 + 6);
    assert_eq!(units(&effects).len(), 1, "of the broken message nobody speaks: {effects:#?}");
}

#[test]
fn what_is_discarded_is_not_counted() {
    let discard = half_open(HalfOpenKind::Discard, Some(TO_CLIENT), Some(1));
    let delay = Delay { by: secs(1), lasting: None };
    let passing = (SWITCHING.len() + text("one").len() + text("three").len()) as u64;
    let faults = [
        fault(message(1, TO_CLIENT, Edge::After), discard),
        fault(message(2, TO_CLIENT, Edge::After), delay.clone()),
        fault(Trigger::Bytes { n: passing, direction: TO_CLIENT }, delay),
    ];
    let mut fixture = Fixture::websocket(&faults);
    fixture.server_sends(&[text("one"), text("two"), frame(0x82, &[0; 80])].concat());
    fixture.wait();
    fixture.server_sends(&text("three")[..6]);
    assert_eq!(fixture.plane.unfired(), [FaultIndex(1), FaultIndex(2)]);
    fixture.server_sends(&text("three")[6..]);
    assert_eq!(fixture.plane.unfired(), []);
}

#[test]
fn a_fin_waits_for_the_heal() {
    let verb = half_open(HalfOpenKind::Discard, None, Some(10));
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), verb)]);
    fixture.wait();
    assert_eq!(fixture.fin(TO_CLIENT), []);
    assert_eq!(lines(&fixture.wait()), ["healed", "forward fin to_client"]);
}

#[test]
fn a_fin_passes_with_everything_that_waited_before_it() {
    let mut fixture =
        Fixture::events(&[fault(Trigger::sse_event(1, Edge::Before), half_open(HalfOpenKind::Stall, None, None))]);
    fixture.server_sends(b"20\r\nid: 1\n");
    assert_eq!(lines(&fixture.fin(TO_CLIENT)), [r"forward to_client id: 1\n", "forward fin to_client"]);
}

#[test]
fn an_older_silence_outlives_a_younger_one() {
    let long = half_open(HalfOpenKind::Blackhole, Some(TO_CLIENT), Some(60));
    let short = half_open(HalfOpenKind::Stall, Some(TO_CLIENT), Some(1));
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), long), fault(Trigger::At(secs(2)), short)]);
    assert_eq!(lines(&fixture.wait())[1..], ["to_client silent Blackhole"]);
    assert_eq!(lines(&fixture.wait())[1..], ["to_client silent Stall"]);
    assert_eq!(lines(&fixture.wait()), ["to_client silent Blackhole", "healed"]);
    assert_eq!(lines(&fixture.wait()), ["to_client passes", "healed"]);
}

#[test]
fn an_event_stream_goes_on_after_a_discard_at_its_boundaries() {
    let verb = half_open(HalfOpenKind::Discard, None, Some(1));
    let mut fixture = Fixture::connected(&[fault(Trigger::sse_event(1, Edge::After), verb)]);
    fixture.client_sends(super::ASK);
    fixture.server_sends(CHUNKED_EVENTS);
    let event = super::chunk("data: x\n\n");
    let effects = fixture.server_sends(&[event.clone(), event.clone()].concat());
    assert_eq!(arriving(&effects, TO_CLIENT), &event[..event.len() - 2]);
    fixture.wait();
    assert_eq!(units(&fixture.server_sends(&event)).len(), 2);
}

fn half_open(kind: HalfOpenKind, direction: Option<Direction>, heal_after_secs: Option<u64>) -> HalfOpen {
    HalfOpen { kind, direction, heal_after: heal_after_secs.map(secs) }
}
