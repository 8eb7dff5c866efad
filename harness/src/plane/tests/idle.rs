//! Connections that carry nothing for a while.

use super::{Fixture, fault, key, lines, secs};
use crate::fault::{Ends, Fault, Forgetting, HalfOpen, HalfOpenKind, Middlebox, Reset, Trigger, Verb};
use crate::name::Direction;
use crate::plane::Effect;

const BLACKHOLE: HalfOpen = HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after: None };

#[test]
fn a_connection_is_struck_once_it_has_carried_nothing_for_so_long() {
    let mut fixture = established(&[idle(BLACKHOLE)]);
    for at in [10, 60, 119] {
        fixture.now = secs(at);
        fixture.client_sends(b"still here");
        assert_eq!(fixture.plane.fired(), 0);
    }
    let mut struck = Vec::new();
    while fixture.plane.next_deadline().is_some() {
        struck = fixture.wait();
    }
    assert_eq!(fixture.now, secs(179));
    assert_eq!(lines(&struck)[0], "alice->chat#1: half_open(blackhole)");
}

#[test]
fn the_other_way_a_fin_and_a_probe_keep_it_alive_as_well() {
    let keep_alive: [fn(&mut Fixture); 3] = [
        |fixture| drop(fixture.server_sends(b"x")),
        |fixture| drop(fixture.fin(Direction::ToServer)),
        |fixture| fixture.plane.carried(key(1), fixture.now),
    ];
    for keep in keep_alive {
        let mut fixture = established(&[idle(BLACKHOLE)]);
        fixture.now = secs(40);
        keep(&mut fixture);
        assert_eq!((fixture.wait(), fixture.now), (vec![], secs(60)));
        assert!(!fixture.wait().is_empty());
        assert_eq!(fixture.now, secs(100));
    }
}

#[test]
fn each_connection_is_struck_at_its_time_once_and_heals_at_its_time() {
    let verb = HalfOpen { kind: HalfOpenKind::Stall, direction: None, heal_after: Some(secs(5)) };
    let mut fixture = established(&[idle(verb)]);
    fixture.now = secs(2);
    fixture.connect(2);
    fixture.plane.established(key(2), fixture.now, &mut Vec::new());
    let mut said = Vec::new();
    while fixture.plane.next_deadline().is_some() {
        said.extend(lines(&fixture.wait()).into_iter().map(|line| format!("{} {line}", fixture.now.as_secs())));
    }
    said.retain(|line| !line.contains("silent"));
    let passes = |at| [format!("{at} to_server passes"), format!("{at} to_client passes"), format!("{at} healed")];
    let struck = |at, n| format!("{at} alice->chat#{n}: half_open(stall, heals after 5s)");
    let wanted = [vec![struck(60, 1), struck(62, 2)], passes(65).to_vec(), passes(67).to_vec()].concat();
    assert_eq!(said, wanted);
}

#[test]
fn a_connection_that_is_not_established_is_not_idle_and_one_may_be_meant() {
    let mut second = idle(BLACKHOLE);
    second.act.connections().nth = Some(2);
    let mut fixture = Fixture::connected(&[second]);
    fixture.connect(2);
    assert_eq!(fixture.plane.next_deadline(), None);
    for nth in [1, 2] {
        fixture.plane.established(key(nth), fixture.now, &mut Vec::new());
    }
    assert_eq!(lines(&fixture.wait())[0], "alice->chat#2: half_open(blackhole)");
    assert_eq!(fixture.plane.next_deadline(), None);
}

#[test]
fn a_connection_that_has_ended_is_not_struck() {
    let mut fixture = established(&[idle(Reset { to: Ends::Both })]);
    fixture.plane.ended(key(1));
    assert_eq!(fixture.plane.next_deadline(), None);
}

#[test]
fn a_middlebox_forgets_and_tells_nobody() {
    for (forgets, mode) in [(Forgetting::Blackhole, "silent Blackhole"), (Forgetting::Reset, "severed")] {
        let mut fixture = Fixture::connected(&[]);
        fixture.plane.pass_middlebox(key(1), Middlebox { idle_timeout: secs(60), forgets });
        fixture.plane.established(key(1), fixture.now, &mut Vec::new());
        let effects = fixture.wait();
        assert_eq!(fixture.now, secs(60));
        assert_eq!(lines(&effects), ["forgotten".to_owned(), format!("to_server {mode}"), format!("to_client {mode}")]);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Fired { .. })));
    }
}

fn idle(verb: impl Verb) -> Fault {
    fault(Trigger::Idle(secs(60)), verb)
}

fn established(faults: &[Fault]) -> Fixture {
    let mut fixture = Fixture::connected(faults);
    fixture.plane.established(key(1), fixture.now, &mut Vec::new());
    fixture
}
