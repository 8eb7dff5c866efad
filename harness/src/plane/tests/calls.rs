//! Connect calls that fail by themselves, and lookups.

use super::{Fixture, fault, lines, secs};
use crate::fault::{ConnectError, Fault, FaultIndex, IoErrorKind, LookupError, LookupFails, LookupMoves, Trigger};
use crate::plane::ConnectVerdict;

const FAILS: ConnectVerdict = ConnectVerdict::Fail(FaultIndex(0), IoErrorKind::NetworkUnreachable);

#[test]
fn the_nth_connect_call_fails_and_those_around_it_do_not() {
    let mut fixture = Fixture::connected(&[unreachable(2, None)]);
    fixture.wait();
    let verdicts = [2, 3, 4].map(|nth| fixture.connect(nth).0);
    assert_eq!(verdicts, [ConnectVerdict::Proceed, FAILS, ConnectVerdict::Proceed]);
    assert_eq!(fixture.plane.fired(), 1);
}

#[test]
fn from_the_nth_on_every_connect_call_fails_for_a_while() {
    let mut fixture = Fixture::connected(&[unreachable(2, Some(secs(30)))]);
    fixture.wait();
    let verdicts = [2, 3, 4].map(|nth| fixture.connect(nth).0);
    assert_eq!(verdicts, [ConnectVerdict::Proceed, FAILS, FAILS]);
    assert!(lines(&fixture.wait()).contains(&"healed".to_owned()));
    assert_eq!((fixture.now, fixture.connect(5).0), (secs(31), ConnectVerdict::Proceed));
}

#[test]
fn a_call_that_has_been_made_does_not_fail_any_more() {
    let mut fixture = Fixture::connected(&[unreachable(1, Some(secs(30)))]);
    fixture.wait();
    let mut out = Vec::new();
    let id = super::connection(1);
    assert_eq!(fixture.plane.retry(super::key(1), &id, fixture.now, &mut out), ConnectVerdict::Proceed);
}

#[test]
fn lookups_fail_once_or_for_a_while_and_move_for_good() {
    let fails = |lasting| LookupFails { kind: LookupError::NoAnswer, lasting };
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), fails(None))]);
    let said =
        ["lookups of chat by alice: lookup_fails(no_answer)", "lookups of chat by alice: Failure(NoAnswer), once"];
    assert_eq!(lines(&fixture.wait()), said);
    assert_eq!(fixture.plane.next_deadline(), None);
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), fails(Some(secs(9))))]);
    assert_eq!(lines(&fixture.wait())[1], "lookups of chat by alice: Failure(NoAnswer)");
    assert_eq!((lines(&fixture.wait()), fixture.now), (vec!["release".to_owned(), "healed".to_owned()], secs(10)));
    let moves = LookupMoves { to: "other".into(), lasting: None };
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), moves)]);
    assert_eq!(lines(&fixture.wait())[1], r#"lookups of chat by alice: AddressOf(HostName("other"))"#);
    assert_eq!(fixture.plane.next_deadline(), None);
}

fn unreachable(nth: u32, lasting: Option<std::time::Duration>) -> Fault {
    let kind = IoErrorKind::NetworkUnreachable;
    let verb = ConnectError { kind, nth, lasting };
    fault(Trigger::At(secs(1)), verb)
}
