//! Runs that are made to mislead the laws, each with the verdict that the scenario's author wants.

use std::time::Duration;

use super::trace_builder::TraceBuilder;
use super::{Broadcast, Check, Delivery, DeliveryLaw, Detect, Recover, RecoverySince, Terminal, Truthful};
use crate::fact::Fact;
use crate::fact::FactKind::{
    Accepted, ClaimedDelivered, ClaimedFailed, Detected, Offered, Outcome, Received, Recovered, Refused, Retried,
};
use crate::fault::{AcceptThenReset, ConnectHang, Ends, HalfOpen, HalfOpenKind, Reset};
use crate::name::Side;
use crate::trace::ConnectionEvent::{Attempted, Closed, Established, Fin, Rst};

/// What came of a run: `held`, or the clause that was broken.
fn judged(run: &TraceBuilder, check: &dyn Check) -> String {
    match check.judge(&run.evidence()).violation() {
        None => "held".to_owned(),
        Some(violation) => violation.signature.as_str().to_owned(),
    }
}

fn all_are_judged(cases: &[(&str, TraceBuilder, &dyn Check, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .map(|(name, run, check, wanted)| (name, judged(run, *check), *wanted))
        .filter(|(_, judged, wanted)| judged != wanted)
        .map(|(name, judged, wanted)| format!("{name}: {judged}, wanted {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn reset(ms: u64) -> TraceBuilder {
    TraceBuilder::new().struck(ms, "alice", "chat", Reset { to: Ends::Both })
}

fn up(run: TraceBuilder, ms: u64) -> TraceBuilder {
    run.fact(ms, "alice", Recovered, "s")
}

fn down(run: TraceBuilder, ms: u64) -> TraceBuilder {
    run.value(ms, "alice", Detected, "s", "1006")
}

fn silence(heal_after: Option<u64>) -> HalfOpen {
    let heal_after = heal_after.map(Duration::from_secs);
    HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after }
}

#[test]
fn whoever_does_not_come_back_is_found_however_the_run_ends() {
    let law = |since| Recover { within: Duration::from_secs(10), observers: vec!["alice".into()], since };
    let (heal, detection) = (law(RecoverySince::Heal), law(RecoverySince::Detection));
    let (late, undecided) = ("recover: not back in time @ alice", "recover: undecided @ alice");
    let left = |ms| down(reset(5000), 6000).exited(ms, "alice", None).ending(700_000);
    all_are_judged(&[
        ("ends at the deadline", left(15_000), &heal, late),
        ("ends a moment before it", left(14_999), &heal, undecided),
        (
            "ends with an error after it",
            down(reset(5000), 6000).exited(20_000, "alice", Some("no")).ending(60_000),
            &heal,
            late,
        ),
        ("asked at the deadline", down(reset(5000), 6000).stopping(15_000, "alice").ending(60_000), &heal, "held"),
        ("asked after it", down(reset(5000), 6000).stopping(15_001, "alice").ending(60_000), &heal, late),
        ("killed after it", down(reset(5000), 6000).crashed(15_001, "alice").ending(60_000), &heal, late),
        ("back at the deadline", up(down(reset(5000), 6000), 15_000), &heal, "held"),
        ("back after its script's end cannot be", up(left(9000), 9500), &heal, undecided),
        ("back, and away again for good", down(up(down(reset(5000), 6000), 7000), 8000).ending(60_000), &heal, late),
        ("bound from the detection", up(down(reset(5000), 9000), 18_000), &detection, "held"),
        ("the same from the fault", up(down(reset(5000), 9000), 18_000), &heal, late),
        ("a false alarm that nobody takes back", down(up(TraceBuilder::new(), 100), 1000).ending(60_000), &heal, late),
        ("a second life that comes into service", up(left(9000).started(20_000, "alice"), 21_000), &heal, "held"),
        (
            "stopped by the end of the run",
            down(reset(5000), 6000).stopping(9000, "alice").ending(8000),
            &heal,
            undecided,
        ),
    ]);
}

#[test]
fn whoever_does_not_notice_is_found_whatever_was_told_before() {
    let law = Detect { within: Duration::from_secs(10), observers: vec!["alice".into()], faults: Vec::new() };
    let (late, undecided) = ("detect: not noticed in time @ alice", "detect: undecided @ alice");
    let lost = |run: TraceBuilder, ms| run.connection(ms, "alice", "chat", 1, Fin { by: Side::Server, forged: false });
    let struck = |run: TraceBuilder| run.struck(5000, "alice", "chat", Reset { to: Ends::Both }).ending(60_000);
    let silent =
        |run: TraceBuilder| run.struck(5000, "alice", "chat", silence(None)).on_every_connection().ending(60_000);
    let trying = || {
        let run = down(lost(up(TraceBuilder::new(), 100), 1000), 1000).connection(4000, "alice", "chat", 2, Attempted);
        run.connection(4040, "alice", "chat", 2, Established)
    };
    all_are_judged(&[
        ("an alarm out of nothing", struck(down(up(TraceBuilder::new(), 100), 1000)), &law, late),
        ("two alarms out of nothing", struck(down(down(up(TraceBuilder::new(), 100), 1000), 2000)), &law, late),
        ("an alarm with a cause", struck(down(lost(up(TraceBuilder::new(), 100), 1000), 1000)), &law, "held"),
        ("its cause was taken back", struck(down(up(lost(up(TraceBuilder::new(), 100), 500), 800), 1000)), &law, late),
        ("nobody tells of recoveries", struck(down(TraceBuilder::new(), 1000)), &law, late),
        ("noticed at the bound", down(silent(up(TraceBuilder::new(), 100)), 15_000), &law, "held"),
        ("noticed a moment later", down(silent(up(TraceBuilder::new(), 100)), 15_001), &law, late),
        ("ends before the bound", silent(up(TraceBuilder::new(), 100)).exited(14_000, "alice", None), &law, undecided),
        ("ends after the bound", silent(up(TraceBuilder::new(), 100)).exited(16_000, "alice", None), &law, late),
        ("killed before the bound", silent(up(TraceBuilder::new(), 100)).crashed(14_000, "alice"), &law, "held"),
        ("settles too short", silent(up(TraceBuilder::new(), 100)).ending(9000), &law, undecided),
        ("silenced on its way back, and waits", silent(trying()), &law, late),
        ("silenced on its way back, and tries again", silent(trying()).fact(9000, "alice", Retried, "2"), &law, "held"),
        (
            "silenced on its way back, and lets go",
            silent(trying()).connection(9000, "alice", "chat", 2, Closed { by: Side::Client }),
            &law,
            "held",
        ),
    ]);
}

#[test]
fn whoever_hangs_in_an_attempt_is_found() {
    let law = Detect { within: Duration::from_secs(10), observers: vec!["alice".into()], faults: Vec::new() };
    let (late, undecided) = ("detect: not noticed in time @ alice", "detect: undecided @ alice");
    let attempt = || TraceBuilder::new().connection(1000, "alice", "chat", 1, Attempted);
    let hang = || attempt().struck(1000, "alice", "chat", ConnectHang { lasting: None }).ending(700_000);
    let dead = || {
        let reset = attempt().struck(1000, "alice", "chat", AcceptThenReset { lasting: None }).ending(700_000);
        reset.connection(1040, "alice", "chat", 1, Rst { to: Side::Client, forged: true })
    };
    all_are_judged(&[
        ("hangs", hang(), &law, late),
        ("fails what it was to carry", hang().fact(9000, "alice", ClaimedFailed, "m"), &law, "held"),
        ("somebody else fails", hang().fact(9000, "bob", ClaimedFailed, "m"), &law, late),
        ("offers more meanwhile", hang().fact(9000, "alice", Offered, "m"), &law, late),
        ("lets go", hang().connection(9000, "alice", "chat", 1, Closed { by: Side::Client }), &law, "held"),
        ("lets go too late", hang().connection(11_001, "alice", "chat", 1, Closed { by: Side::Client }), &law, late),
        ("tries another host", hang().connection(9000, "alice", "metrics", 1, Attempted), &law, late),
        ("the server closes", dead().connection(1050, "alice", "chat", 1, Closed { by: Side::Server }), &law, late),
        ("is reset and sleeps", dead().connection(1040, "alice", "chat", 1, Closed { by: Side::Client }), &law, late),
        ("is reset and ends", dead().exited(1040, "alice", None), &law, "held"),
        ("is reset and ends later", dead().exited(5000, "alice", None), &law, undecided),
        ("is reset and killed", dead().crashed(5000, "alice"), &law, "held"),
        ("comes into service", up(hang(), 8000), &law, "held"),
    ]);
}

#[test]
fn what_is_said_of_one_thing_is_not_taken_for_another() {
    let of = |law| Delivery::of(law);
    let (exactly, at_least, at_most) =
        (of(DeliveryLaw::ExactlyOnce), of(DeliveryLaw::AtLeastOnce), of(DeliveryLaw::AtMostOnce));
    let one = || TraceBuilder::new().fact(1000, "alice", Offered, "m");
    let two = || one().fact(1000, "carol", Offered, "m");
    let from = |run: TraceBuilder, ms, sender: &str| run.told(ms, "bob", Fact::new(Received, "m").from(sender));
    let to = |addressee: &str| TraceBuilder::new().told(1000, "alice", Fact::new(Offered, "m").to(addressee));
    let whose = "delivery: one key, two senders @ bob";
    all_are_judged(&[
        ("two senders, one receipt", two().fact(2000, "bob", Received, "m"), &at_least, whose),
        (
            "two senders, two receipts",
            two().fact(2000, "bob", Received, "m").fact(2000, "bob", Received, "m"),
            &exactly,
            whose,
        ),
        ("two senders, no receipt", two(), &exactly, "delivery: silent loss @ alice"),
        (
            "two senders, one named twice",
            from(from(two(), 2000, "alice"), 2100, "alice"),
            &at_least,
            "delivery: silent loss @ carol",
        ),
        ("two senders, a failure of a third", two().fact(2000, "bob", ClaimedFailed, "m"), &at_most, whose),
        (
            "a late second sender",
            from(one(), 2000, "alice").fact(3000, "carol", Offered, "m"),
            &exactly,
            "delivery: silent loss @ carol",
        ),
        (
            "a resubmission is no second thing",
            one().fact(2000, "alice", Offered, "m").fact(3000, "bob", Received, "m"),
            &exactly,
            "held",
        ),
        (
            "told by a relay",
            TraceBuilder::new().told(1000, "relay", Fact::new(Offered, "m").from("alice")).told(
                2000,
                "bob",
                Fact::new(Received, "m").from("alice"),
            ),
            &exactly,
            "held",
        ),
        (
            "for bob, who forwards it",
            to("bob").fact(2000, "bob", Received, "m").fact(2100, "carol", Received, "m"),
            &at_least,
            "delivery: wrong receiver @ carol",
        ),
        ("for bob, lost", to("bob"), &exactly, "delivery: silent loss @ alice"),
        (
            "refused by two who tell of it",
            one().fact(1500, "chat", Refused, "m").fact(1520, "alice", Refused, "m"),
            &exactly,
            "held",
        ),
        (
            "refused at its receipt's instant",
            one().fact(1500, "chat", Refused, "m").fact(1500, "bob", Received, "m"),
            &exactly,
            "delivery: received, though refused @ chat, bob",
        ),
        (
            "offered twice, refused once, received",
            one().fact(1100, "alice", Offered, "m").fact(1500, "alice", Refused, "m").fact(2000, "bob", Received, "m"),
            &exactly,
            "held",
        ),
        (
            "accepted after all",
            one().fact(1500, "chat", Refused, "m").fact(1600, "chat", Accepted, "m").fact(2000, "bob", Received, "m"),
            &at_least,
            "delivery: received, though refused @ chat, bob",
        ),
        (
            "received before, and again after",
            TraceBuilder::new()
                .fact(500, "bob", Received, "m")
                .fact(1000, "alice", Offered, "m")
                .fact(2000, "bob", Received, "m"),
            &at_least,
            "delivery: received before offered @ bob",
        ),
    ]);
}

#[test]
fn claims_outcomes_and_broadcasts_are_held_to_their_own() {
    let (truthful, terminal) = (Truthful::default(), Terminal::default());
    let room: Broadcast = toml::from_str("receivers = [\"bob\", \"carol\"]").expect("well-formed");
    let two = || TraceBuilder::new().fact(1000, "alice", Offered, "m").fact(1000, "carol", Offered, "m");
    let said = |run: TraceBuilder, kind, from: &str| run.told(2000, "chat", Fact::new(kind, "m").from(from));
    let told = |run: TraceBuilder, who: &str| run.fact(2000, who, Received, "m");
    let one = || TraceBuilder::new().fact(1000, "alice", Offered, "m");
    all_are_judged(&[
        (
            "a claim for the other sender",
            said(said(two(), Received, "carol"), ClaimedDelivered, "alice"),
            &truthful,
            "truthful: claimed, not received @ chat",
        ),
        (
            "a claim that names nobody",
            said(two(), Received, "carol").fact(3000, "chat", ClaimedDelivered, "m"),
            &truthful,
            "truthful: one key, two senders @ chat",
        ),
        (
            "an outcome for the other owner",
            said(said(said(two(), Accepted, "alice"), Accepted, "carol"), Outcome, "carol"),
            &terminal,
            "terminal: no outcome @ chat",
        ),
        (
            "an outcome, then the acceptance",
            TraceBuilder::new().value(1000, "chat", Outcome, "m", "ok").fact(1001, "chat", Accepted, "m"),
            &terminal,
            "terminal: outcome before acceptance @ chat",
        ),
        (
            "the same, and another outcome",
            TraceBuilder::new()
                .value(1000, "chat", Outcome, "m", "ok")
                .fact(1001, "chat", Accepted, "m")
                .value(1002, "chat", Outcome, "m", "ok"),
            &terminal,
            "terminal: two outcomes @ chat",
        ),
        ("each once", told(told(one(), "bob"), "carol"), &room, "held"),
        ("one twice instead of the other", told(told(one(), "bob"), "bob"), &room, "broadcast: received twice @ bob"),
        ("a stranger instead of one", told(told(one(), "bob"), "dave"), &room, "broadcast: wrong receiver @ dave"),
        (
            "the second of two lost",
            told(told(one(), "bob"), "carol").fact(3000, "alice", Offered, "n"),
            &room,
            "broadcast: silent loss @ alice, bob",
        ),
        (
            "nothing but a direct message",
            TraceBuilder::new().told(1000, "alice", Fact::new(Offered, "m").to("bob")).fact(2000, "bob", Received, "m"),
            &room,
            "broadcast: says nothing",
        ),
    ]);
}
