use super::*;
use crate::check::trace_builder::TraceBuilder;
use crate::fact::FactKind::{ClaimedFailed, Detected, Recovered};
use crate::fault::{
    AcceptThenReset, ConnectError, ConnectHang, Crash, Ends, HalfOpen, HalfOpenKind, HandshakeStall, IoErrorKind,
    LookupError, LookupFails, Partition, Refuse, Reset, Verb,
};
use crate::name::Side;
use crate::trace::ConnectionEvent::{Attempted, Closed, Established, Fin, Refused};

#[test]
fn a_reset_that_is_noticed_in_time_holds() {
    let run = reset().value(5042, "alice", Detected, "s-1", "1006");
    assert_eq!(run.held(&alice_within(40)), "detected +0.042s");
}

#[test]
fn a_half_open_that_is_noticed_too_late_is_convicted() {
    let run = half_open(None).value(65_000, "alice", Detected, "s-1", "1006");
    insta::assert_snapshot!(run.failure(&alice_within(40)));
}

#[test]
fn a_loss_that_is_never_noticed_is_convicted() {
    assert_eq!(reset().ending(120_000).broken(&alice_within(40)), "detect: not noticed in time @ alice");
}

#[test]
fn a_silence_that_heals_within_the_bound_need_not_be_noticed() {
    let run = half_open(Some(Duration::from_secs(10))).healed(15_000, 0).ending(120_000);
    assert_eq!(run.held(&alice_within(40)), "nothing had to be noticed");
}

#[test]
fn an_observer_that_is_already_down_need_not_notice_again() {
    let run = TraceBuilder::new()
        .fact(1000, "alice", Recovered, "s-1")
        .connection(4000, "alice", "chat", 1, Fin { by: Side::Server, forged: false })
        .value(4000, "alice", Detected, "s-1", "1000")
        .struck(5000, "alice", "chat", Reset { to: Ends::Both })
        .fact(6000, "alice", Recovered, "s-1")
        .ending(120_000);
    assert_eq!(run.held(&alice_within(40)), "nothing had to be noticed");
}

#[test]
fn a_false_alarm_before_the_fault_excuses_nobody() {
    let alarmed = || {
        let run =
            TraceBuilder::new().fact(1000, "alice", Recovered, "s-1").value(3000, "alice", Detected, "s-1", "1006");
        run.struck(5000, "alice", "chat", Reset { to: Ends::Both })
    };
    assert_eq!(alarmed().ending(120_000).broken(&alice_within(40)), "detect: not noticed in time @ alice");
    let again = alarmed().value(6000, "alice", Detected, "s-1", "1006").fact(7000, "alice", Recovered, "s-1");
    assert_eq!(again.ending(120_000).held(&alice_within(40)), "detected +1.0s");
}

#[test]
fn an_alarm_that_an_earlier_fault_explains_excuses_as_long_as_that_fault_lasts() {
    let silent = |healed: Option<u64>| {
        let verb = Partition { one_way: false, heal_after: None };
        let run = TraceBuilder::new().fact(500, "alice", Recovered, "s-1").struck(1000, "alice", "chat", verb);
        let run = healed.into_iter().fold(run, |run, at| run.healed(at, 0)).fact(2500, "alice", Recovered, "s-1");
        let run = run.value(4000, "alice", Detected, "s-1", "1006");
        run.struck(5000, "alice", "chat", Reset { to: Ends::Both }).ending(120_000)
    };
    let second = Detect { faults: vec![1], ..alice_within(40) };
    assert_eq!(silent(None).held(&second), "nothing had to be noticed");
    assert_eq!(silent(Some(2000)).broken(&second), "detect: not noticed in time @ alice");
}

#[test]
fn a_script_that_ends_before_the_bound_without_noticing_decides_nothing() {
    let run = half_open(None).exited(30_000, "alice", None).ending(120_000);
    insta::assert_snapshot!(run.failure(&alice_within(60)));
    assert_eq!(run.broken(&alice_within(20)), "detect: not noticed in time @ alice");
    let asked = half_open(None).stopping(30_000, "alice").ending(120_000);
    assert_eq!(asked.held(&alice_within(60)), "nothing had to be noticed");
}

#[test]
fn an_attempt_that_is_struck_is_noticed_in_time_or_convicted() {
    let lasting = None;
    let attempts = [
        attempt(ConnectHang { lasting }),
        attempt(HandshakeStall { lasting }),
        attempt(Refuse { lasting }),
        attempt(AcceptThenReset { lasting }),
    ];
    for attempt in attempts {
        let verb = attempt.faults[0].act.word();
        let late = attempt.clone().value(601_000, "alice", Detected, "s-1", "1006").ending(700_000);
        assert_eq!(late.broken(&alice_within(60)), "detect: not noticed in time @ alice", "{verb}");
        assert_eq!(attempt.clone().ending(700_000).broken(&alice_within(60)), late.broken(&alice_within(60)));
        let told = attempt.clone().value(3000, "alice", Detected, "s-1", "1006").ending(700_000);
        assert_eq!(told.held(&alice_within(60)), "detected +2.0s", "{verb}");
        let failed = attempt.clone().value(3000, "alice", ClaimedFailed, "m-1", "no line").ending(700_000);
        assert_eq!(failed.held(&alice_within(60)), "detected +2.0s", "{verb}");
        let again = attempt.clone().connection(3000, "alice", "chat", 2, Attempted).ending(700_000);
        assert_eq!(again.held(&alice_within(60)), "detected +2.0s", "{verb}");
        let short = attempt.clone().exited(30_000, "alice", None).ending(700_000);
        assert_eq!(short.broken(&alice_within(60)), "detect: undecided @ alice", "{verb}");
        let server = Detect { observers: vec!["chat".into()], ..alice_within(60) };
        assert_eq!(attempt.ending(700_000).held(&server), "nothing had to be noticed");
    }
    let late = attempt(ConnectHang { lasting });
    insta::assert_snapshot!(late.value(601_000, "alice", Detected, "s-1", "1006").failure(&alice_within(60)));
}

#[test]
fn only_an_attempt_that_hangs_can_be_given_up() {
    let closed = Closed { by: Side::Client };
    let hangs = attempt(HandshakeStall { lasting: None }).connection(11_000, "alice", "chat", 1, closed.clone());
    assert_eq!(hangs.clone().ending(700_000).held(&alice_within(60)), "detected +10s");
    let at_its_end = hangs.exited(11_000, "alice", None).ending(700_000);
    assert_eq!(at_its_end.broken(&alice_within(60)), "detect: undecided @ alice");
    let refused = attempt(Refuse { lasting: None }).connection(11_000, "alice", "chat", 1, closed);
    assert_eq!(refused.ending(700_000).broken(&alice_within(60)), "detect: not noticed in time @ alice");
}

#[test]
fn an_attempt_that_hangs_and_comes_to_something_in_time_need_not_be_noticed() {
    let lasting = Some(Duration::from_secs(8));
    let hangs = attempt(ConnectHang { lasting }).connection(12_000, "alice", "chat", 1, Established);
    assert_eq!(hangs.clone().ending(700_000).held(&alice_within(60)), "nothing had to be noticed");
    assert_eq!(hangs.ending(700_000).broken(&alice_within(5)), "detect: not noticed in time @ alice");
    // The first packet of a stalled handshake is never heard, though the connection is established.
    let stalls = attempt(HandshakeStall { lasting }).connection(1040, "alice", "chat", 1, Established);
    assert_eq!(stalls.ending(700_000).broken(&alice_within(60)), "detect: not noticed in time @ alice");
}

#[test]
fn a_call_or_a_lookup_that_fails_is_an_attempt_that_is_struck() {
    let connect = ConnectError { kind: IoErrorKind::TimedOut, nth: 2, lasting: None };
    let second = |run: TraceBuilder| run.on_every_connection().connection(3000, "alice", "chat", 2, Attempted);
    let failed = second(attempt(connect));
    assert_eq!(failed.clone().ending(700_000).broken(&alice_within(60)), "detect: not noticed in time @ alice");
    let again = failed.connection(9000, "alice", "chat", 3, Attempted).ending(700_000);
    assert_eq!(again.held(&alice_within(60)), "detected +6.0s");
    let lookup = LookupFails { kind: LookupError::NoSuchName, lasting: None };
    let unknown = TraceBuilder::new().struck(1000, "alice", "chat", lookup);
    insta::assert_snapshot!(unknown.clone().value(601_000, "alice", Detected, "s-1", "x").failure(&alice_within(60)));
    let known = unknown.connection(2000, "alice", "chat", 1, Attempted).ending(700_000);
    assert_eq!(known.held(&alice_within(60)), "detected +1.0s");
}

#[test]
fn who_ends_when_it_is_told_that_its_attempt_is_over_has_given_up() {
    let refused = |ends| {
        let run = attempt(Refuse { lasting: None }).connection(1040, "alice", "chat", 1, Refused);
        run.exited(ends, "alice", None).ending(120_000)
    };
    assert_eq!(refused(1040).held(&alice_within(60)), "detected +0.040s");
    assert_eq!(refused(9000).broken(&alice_within(60)), "detect: undecided @ alice");
    assert_eq!(refused(90_000).broken(&alice_within(60)), "detect: not noticed in time @ alice");
}

#[test]
fn each_attempt_of_a_fault_that_lasts_is_to_be_noticed() {
    let lasting = Some(Duration::from_secs(100));
    let run = attempt(Refuse { lasting })
        .on_every_connection()
        .connection(3000, "alice", "chat", 2, Attempted)
        .value(80_000, "alice", Detected, "s-1", "refused")
        .healed(101_000, 0)
        .connection(120_000, "alice", "chat", 3, Attempted)
        .ending(700_000);
    assert_eq!(run.broken(&alice_within(60)), "detect: not noticed in time @ alice");
    assert_eq!(run.held(&alice_within(80)), "detected +77s");
}

#[test]
fn a_silence_that_strikes_before_the_service_has_begun_is_noticed_like_an_attempt() {
    let run = TraceBuilder::new().connection(1000, "alice", "chat", 1, Attempted).connection(
        1040,
        "alice",
        "chat",
        1,
        Established,
    );
    let verb = HalfOpen { kind: HalfOpenKind::Stall, direction: None, heal_after: None };
    let run = run.struck(1100, "alice", "chat", verb);
    let late = run.clone().fact(600_000, "alice", Recovered, "s-1").ending(700_000);
    assert_eq!(late.broken(&alice_within(60)), "detect: not noticed in time @ alice");
    let soon = run.fact(9100, "alice", Recovered, "s-1").ending(700_000);
    assert_eq!(soon.held(&alice_within(60)), "detected +8.0s");
}

#[test]
fn a_host_with_many_sessions_must_notice_each_loss() {
    let run = TraceBuilder::new()
        .fact(1000, "chat", Recovered, "s-1")
        .fact(1000, "chat", Recovered, "s-2")
        .value(4000, "chat", Detected, "s-1", "1000")
        .struck(5000, "alice", "chat", Reset { to: Ends::Both })
        .ending(120_000);
    let chat = Detect { observers: vec!["chat".into()], ..alice_within(40) };
    assert_eq!(run.broken(&chat), "detect: not noticed in time @ chat");
}

#[test]
fn an_observer_that_was_never_in_service_has_nothing_to_lose() {
    let run = reset().fact(7000, "alice", Recovered, "s-1").ending(120_000);
    assert_eq!(run.held(&alice_within(40)), "nothing had to be noticed");
}

#[test]
fn a_crash_concerns_those_who_were_connected() {
    let crash = |run: TraceBuilder| run.struck_host(5000, "chat", Crash { restart_after: None }).ending(120_000);
    let connected = crash(TraceBuilder::new().connection(1000, "alice", "chat", 1, Established));
    assert_eq!(connected.broken(&alice_within(40)), "detect: not noticed in time @ alice");
    assert_eq!(crash(TraceBuilder::new()).held(&alice_within(40)), "nothing had to be noticed");
}

#[test]
fn a_run_that_ends_before_the_bound_decides_nothing() {
    assert_eq!(half_open(None).ending(20_000).broken(&alice_within(40)), "detect: undecided @ alice");
}

#[test]
fn an_observer_elsewhere_need_not_notice() {
    let bob = Detect { observers: vec!["bob".into()], ..alice_within(40) };
    assert_eq!(reset().ending(120_000).held(&bob), "nothing had to be noticed");
}

fn alice_within(seconds: u64) -> Detect {
    Detect { within: Duration::from_secs(seconds), observers: vec!["alice".into()], faults: Vec::new() }
}

/// The first attempt, which the fault strikes.
fn attempt(verb: impl Verb) -> TraceBuilder {
    TraceBuilder::new().connection(1000, "alice", "chat", 1, Attempted).struck(1000, "alice", "chat", verb)
}

fn reset() -> TraceBuilder {
    TraceBuilder::new().struck(5000, "alice", "chat", Reset { to: Ends::Both })
}

fn half_open(heal_after: Option<Duration>) -> TraceBuilder {
    let verb = HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after };
    TraceBuilder::new().struck(5000, "alice", "chat", verb)
}
