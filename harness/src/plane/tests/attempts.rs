//! Connections that come to nothing, or to nothing good.

use super::{Fixture, UPGRADE, connection, fault, key, lines, secs};
use crate::fault::{AcceptThenReset, ConnectHang, Delay, Fault, FaultIndex, HandshakeStall, Refuse, Trigger};
use crate::name::Direction;
use crate::plane::{ConnectVerdict, Plane};

const HANG: ConnectHang = ConnectHang { lasting: None };
const STALL: HandshakeStall = HandshakeStall { lasting: None };
const RESET: AcceptThenReset = AcceptThenReset { lasting: None };

#[test]
fn an_attempt_that_hangs_hangs_to_its_end() {
    let mut fixture = fixture(&[fault(Trigger::Connect, HANG)]);
    let (verdict, effects) = fixture.connect(1);
    assert_eq!(verdict, ConnectVerdict::Hang(FaultIndex(0)));
    assert_eq!(lines(&effects), ["alice->chat#1: connect_hang"]);
    for _ in 0..6 {
        assert_eq!(retry(&mut fixture, 1), ConnectVerdict::Hang(FaultIndex(0)));
    }
    assert_eq!(fixture.connect(2).0, ConnectVerdict::Proceed);
    assert_eq!(retry(&mut fixture, 2), ConnectVerdict::Proceed);
}

#[test]
fn attempts_that_hang_for_a_time_go_on_after_it() {
    let mut fixture = fixture(&[
        fault(Trigger::At(secs(1)), ConnectHang { lasting: Some(secs(5)) }),
        fault(Trigger::Connect, Delay { by: secs(1), lasting: None }),
    ]);
    assert_eq!(fixture.connect(1).0, ConnectVerdict::Proceed);
    assert_eq!(lines(&fixture.wait()), ["alice->chat: connect_hang(for 5s)"]);
    assert_eq!(retry(&mut fixture, 1), ConnectVerdict::Hang(FaultIndex(0)), "its first SYN went unanswered before");
    assert_eq!(fixture.connect(2).0, ConnectVerdict::Hang(FaultIndex(0)));
    assert_eq!(retry(&mut fixture, 2), ConnectVerdict::Hang(FaultIndex(0)));
    assert_eq!(lines(&fixture.wait()), ["healed"]);
    assert_eq!(retry(&mut fixture, 2), ConnectVerdict::Proceed);
    assert_eq!(lines(&fixture.send_on(2, Direction::ToServer, UPGRADE)).len(), 1, "from then on it is like any other");
    fixture.plane.ended(key(2));
    assert_eq!(retry(&mut fixture, 1), ConnectVerdict::Proceed);
}

#[test]
fn what_strikes_at_an_attempt_that_hangs_strikes_when_it_goes_on() {
    let mut second = fault(Trigger::Connect, Delay { by: secs(1), lasting: None });
    second.act.connections().nth = Some(1);
    let mut fixture = fixture(&[fault(Trigger::Connect, ConnectHang { lasting: Some(secs(5)) }), second]);
    assert_eq!(lines(&fixture.connect(1).1), ["alice->chat#1: connect_hang(for 5s)"]);
    fixture.wait();
    let mut out = Vec::new();
    let verdict = fixture.plane.retry(key(1), &connection(1), fixture.now, &mut out);
    assert_eq!((verdict, lines(&out)[0].as_str()), (ConnectVerdict::Proceed, "alice->chat#1: delay(1s)"));
}

#[test]
fn a_refusal_in_force_answers_what_is_tried_again() {
    let mut fixture = fixture(&[fault(Trigger::At(secs(1)), Refuse { lasting: Some(secs(5)) })]);
    fixture.connect(1);
    fixture.wait();
    assert_eq!(retry(&mut fixture, 1), ConnectVerdict::Refuse(FaultIndex(0)));
}

#[test]
fn a_handshake_that_stalls_lets_nothing_through() {
    let mut fixture = fixture(&[fault(Trigger::Connect, STALL)]);
    let (verdict, effects) = fixture.connect(1);
    assert_eq!(verdict, ConnectVerdict::Proceed);
    assert_eq!(lines(&effects), ["alice->chat#1: handshake_stall", "to_server silent Stall", "to_client silent Stall"]);
    let mut out = Vec::new();
    fixture.plane.established(key(1), fixture.now, &mut out);
    assert_eq!(out, []);
    assert_eq!(fixture.connect(2).1, []);
}

#[test]
fn those_that_stalled_stay_so() {
    let mut fixture = fixture(&[fault(Trigger::At(secs(1)), HandshakeStall { lasting: Some(secs(5)) })]);
    fixture.wait();
    assert_eq!(fixture.connect(1).1.len(), 2);
    assert_eq!(fixture.connect(2).1.len(), 2);
    assert_eq!(lines(&fixture.wait()), ["healed"]);
    assert_eq!(fixture.connect(3).1, []);
}

#[test]
fn what_is_accepted_and_reset_is_reset_once_it_is_established() {
    let mut fixture = fixture(&[fault(Trigger::Connect, RESET)]);
    assert_eq!(lines(&fixture.connect(1).1)[0], "alice->chat#1: accept_then_reset");
    let mut out = Vec::new();
    fixture.plane.established(key(1), fixture.now, &mut out);
    assert_eq!(lines(&out), ["rst to client", "to_server severed", "rst to server", "to_client severed"]);
    out.clear();
    fixture.plane.established(key(1), fixture.now, &mut out);
    assert_eq!(out, []);
}

fn fixture(faults: &[Fault]) -> Fixture {
    Fixture { plane: Plane::new(faults), now: secs(0), rest: bytes::Bytes::new() }
}

fn retry(fixture: &mut Fixture, nth: u32) -> ConnectVerdict {
    fixture.plane.retry(key(nth), &connection(nth), fixture.now, &mut Vec::new())
}
