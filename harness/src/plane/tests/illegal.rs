//! Bytes that no endpoint may send.

use super::{Fixture, arriving, fault, frame, lines, message, secs, text, units};
use crate::fault::{Close, Edge, Ends, FaultIndex, Illegal, IllegalKind, Trigger};
use crate::name::Direction;

#[test]
fn they_stand_between_frames_and_the_connection_goes_on() {
    let mut fixture = Fixture::websocket(&[fault(message(1, Direction::ToClient, Edge::After), to(Ends::Client))]);
    let effects = fixture.server_sends(&[text("one"), text("two")].concat());
    let illegal = frame(0x83, b"reserved opcode");
    assert_eq!(arriving(&effects, Direction::ToClient), [text("one"), illegal, text("two")].concat());
    assert_eq!(units(&effects).len(), 2);
}

#[test]
fn inside_a_frame_they_wait_for_its_end() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), to(Ends::Client))]);
    fixture.server_sends(&text("one")[..3]);
    assert_eq!(lines(&fixture.wait()), ["alice->chat#1: illegal(reserved_opcode, client only)"]);
    let effects = fixture.server_sends(&text("one")[3..]);
    assert_eq!(arriving(&effects, Direction::ToClient), [&text("one")[3..], &frame(0x83, b"reserved opcode")].concat());
}

#[test]
fn both_ends_get_them_each_as_if_from_the_other() {
    let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), to(Ends::Both))]);
    let effects = fixture.wait();
    assert_eq!(arriving(&effects, Direction::ToClient)[..2], [0x83, 15]);
    assert_eq!(arriving(&effects, Direction::ToServer)[..2], [0x83, 0x80 | 15]);
}

#[test]
fn each_kind_breaks_its_own_rule() {
    for (kind, begins) in [
        (IllegalKind::Close1005, vec![0x88, 2, 0x03, 0xED]),
        (IllegalKind::Close1006, vec![0x88, 2, 0x03, 0xEE]),
        (IllegalKind::HalfCloseCode, vec![0x88, 1, 0x03]),
        (IllegalKind::ReservedOpcode, vec![0x83]),
        (IllegalKind::ReservedBit, vec![0xC1]),
        (IllegalKind::InvalidUtf8, vec![0x81]),
        (IllegalKind::WrongMask, vec![0x81, 0x80 | 10]),
        (IllegalKind::OversizeControl, vec![0x89, 126, 0, 126]),
        (IllegalKind::FragmentedControl, vec![0x09]),
        (IllegalKind::HugeLength, [vec![0x82, 127, 0x7F], vec![0xFF; 7]].concat()),
    ] {
        let verb = Illegal { kind, to: Ends::Client };
        let mut fixture = Fixture::websocket(&[fault(Trigger::At(secs(1)), verb)]);
        let bytes = arriving(&fixture.wait(), Direction::ToClient);
        assert_eq!(bytes[..begins.len()], begins, "{kind:?}");
        if kind == IllegalKind::InvalidUtf8 {
            assert!(std::str::from_utf8(&bytes[2..]).is_err());
        }
    }
    let verb = Illegal { kind: IllegalKind::WrongMask, to: Ends::Server };
    let bytes = arriving(&Fixture::websocket(&[fault(Trigger::At(secs(1)), verb)]).wait(), Direction::ToServer);
    assert_eq!(bytes, frame(0x81, b"wrong mask"));
}

#[test]
fn what_is_no_websocket_takes_none() {
    let mut fixture = Fixture::events(&[fault(Trigger::At(secs(1)), to(Ends::Both))]);
    assert_eq!(fixture.wait(), []);
    assert_eq!(fixture.plane.obstacle(FaultIndex(0)), Some("the connection is not a WebSocket"));
}

#[test]
fn a_close_frame_and_illegal_bytes_may_wait_for_the_same_boundary() {
    let close = Close { code: Some(1000), reason: String::new(), to: Ends::Client };
    let mut fixture =
        Fixture::websocket(&[fault(Trigger::At(secs(1)), to(Ends::Client)), fault(Trigger::At(secs(1)), close)]);
    fixture.server_sends(&text("one")[..3]);
    fixture.wait();
    let effects = fixture.server_sends(&text("one")[3..]);
    let said = lines(&effects);
    assert_eq!(said[1], r"inject to_client \x83\x0freserved opcode");
    assert_eq!(said[2], r"inject to_client \x88\x02\x03\xe8");
}

fn to(to: Ends) -> Illegal {
    Illegal { kind: IllegalKind::ReservedOpcode, to }
}
