use super::*;
use crate::fault::{Close, Connections, Freeze, HalfOpen, HalfOpenKind, Registry};
use crate::name::Direction;
use crate::scenario::{self, HostSpec, LocatedValue, Scenario};
use std::path::Path;

fn scenario() -> Scenario {
    Scenario::new("s", "x").with_host(HostSpec::host("chat", "chat")).with_host(HostSpec::actor("alice", "talker"))
}

/// As the command reads a table that was made smaller.
fn read(table: &str) -> Option<Fault> {
    let document = LocatedValue::parse(table, Path::new("plan")).ok()?;
    scenario::faults(&document, &scenario(), &Registry::default()).ok()?.pop()
}

fn close(n: u32) -> Fault {
    let close = Close { code: Some(1000), reason: String::new(), to: Ends::Both };
    Fault::new(Connections::of("alice", "chat"), Trigger::message(n, Direction::ToServer, Edge::After), close)
}

fn freeze(seconds: u64, at: u64) -> Fault {
    let thaw_after = Some(Duration::from_secs(seconds));
    Fault::new("chat", Trigger::At(Duration::from_millis(at)), Freeze { thaw_after })
}

fn silence(n: u32, edge: Edge) -> Fault {
    let verb = HalfOpen { kind: HalfOpenKind::Stall, direction: None, heal_after: Some(Duration::from_secs(40)) };
    Fault::new(Connections::of("alice", "chat"), Trigger::message(n, Direction::ToClient, edge), verb)
}

/// Thirty faults, among them a freeze and, later, a silence.
fn thirty() -> Vec<Fault> {
    let mut faults: Vec<Fault> = (1..=28).map(close).collect();
    faults.insert(11, freeze(30, 12_345));
    faults.insert(23, silence(6, Edge::After));
    faults
}

fn is_freeze(fault: &Fault) -> bool {
    fault.act.word() == "freeze"
}

fn is_silence(fault: &Fault) -> bool {
    fault.act.word() == "half_open"
}

/// A service that fails when a silence follows a freeze, and otherwise when many connections are closed.
fn defect(faults: &[Fault]) -> &'static str {
    let freeze = faults.iter().position(is_freeze);
    let silence = faults.iter().position(is_silence);
    match (freeze, silence) {
        (Some(freeze), Some(silence)) if freeze < silence => "leaks",
        _ if faults.iter().any(|fault| fault.act.word() == "close") => "delivery",
        _ => "held",
    }
}

#[test]
fn two_faults_in_their_order_are_left_of_thirty() {
    let mut played = 0;
    let play = |faults: &[Fault]| {
        played += 1;
        if defect(faults) == "leaks" { Tried::Same } else { Tried::Other }
    };
    let shrunk = shrink(thirty(), play, |_| None);
    let words: Vec<_> = shrunk.faults.iter().map(|fault| fault.act.word()).collect();
    assert_eq!(words, ["freeze", "half_open"]);
    assert!(!shrunk.is_cut_short);
    assert!(played < 200, "{played} candidates");
    assert_eq!(shrunk.played, played);
}

#[test]
fn a_search_for_any_failure_drifts_to_another_defect_and_one_that_keeps_the_signature_does_not() {
    let any = shrink(thirty(), |faults| if defect(faults) == "held" { Tried::Other } else { Tried::Same }, |_| None);
    assert_eq!(any.faults.len(), 1, "the naive search ends at {:?}", any.faults);
    assert_eq!(defect(&any.faults), "delivery");
    let same = shrink(thirty(), |faults| if defect(faults) == "leaks" { Tried::Same } else { Tried::Other }, |_| None);
    assert_eq!(defect(&same.faults), "leaks");
}

#[test]
fn what_is_left_becomes_earlier_and_plainer_and_shorter() {
    let faults = vec![freeze(30, 12_345), silence(6, Edge::Inside(9))];
    let play = |faults: &[Fault]| {
        let shortest = faults
            .iter()
            .filter(|fault| is_freeze(fault))
            .all(|fault| fault.act.lasts() >= Some(Duration::from_secs(6)));
        if faults.len() == 2 && shortest { Tried::Same } else { Tried::Other }
    };
    let shrunk = shrink(faults, play, read);
    let words: Vec<_> = shrunk.faults.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["freeze(thaws after 7s) on host chat at 0s", "reset on alice->chat after message 1 to_client"]);
}

#[test]
fn a_fault_whose_place_matters_keeps_it() {
    let play = |faults: &[Fault]| {
        let there =
            faults.iter().any(|fault| matches!(fault.trigger, Trigger::Message { n: 6, edge: Edge::Before, .. }));
        if there { Tried::Same } else { Tried::Other }
    };
    let shrunk = shrink(vec![close(1), silence(6, Edge::Before), close(2)], play, read);
    assert_eq!(
        shrunk.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["reset on alice->chat before message 6 to_client"]
    );
}

#[test]
fn a_search_ends_when_its_time_is_up_with_the_smallest_plan_that_it_had() {
    let mut left = 2;
    let play = |faults: &[Fault]| match left {
        0 => Tried::OutOfTime,
        _ => {
            left -= 1;
            if defect(faults) == "leaks" { Tried::Same } else { Tried::Other }
        }
    };
    let shrunk = shrink(thirty(), play, |_| None);
    assert!(shrunk.is_cut_short);
    assert_eq!(shrunk.played, 2);
    assert_eq!(defect(&shrunk.faults), "leaks");
}

#[test]
fn a_plan_that_fails_without_any_fault_is_left_with_none() {
    assert_eq!(shrink(thirty(), |_| Tried::Same, |_| None).faults, []);
}
