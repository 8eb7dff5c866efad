use super::*;
use crate::check::trace_builder::TraceBuilder;
use crate::fact::FactKind::{Detected, Recovered, Retried};
use crate::trace::ConnectionEvent;

const RULE: &str = r#"
    [alice]
    link = "alice -> chat"
    first = "1s"
    longest = "30s"
    jitter_percent = 10
    attempts = 10
    stable_after = "10s"
"#;

/// What a client pauses that does as it should, milliseconds.
const PAUSES: [u64; 10] = [1040, 2110, 4001, 8700, 17_000, 30_000, 30_000, 30_000, 30_000, 30_000];

#[test]
fn pauses_that_double_to_the_longest_hold() {
    let run = refused(&PAUSES).ending(400_000);
    assert_eq!(run.held(&law(RULE)), "alice: 10 pauses, attempts: 10 at most");
}

#[test]
fn an_attempt_too_many_and_one_too_few_are_convicted() {
    let eleven: Vec<_> = PAUSES.into_iter().chain([30_000]).collect();
    assert_eq!(refused(&eleven).broken(&law(RULE)), "backoff: alice too many attempts @ alice");
    insta::assert_snapshot!(refused(&eleven).failure(&law(RULE)));
    let seven = refused(&PAUSES[..7]).ending(400_000);
    assert_eq!(seven.broken(&law(RULE)), "backoff: alice never @ alice");
    insta::assert_snapshot!(seven.failure(&law(RULE)));
    assert_eq!(refused(&PAUSES[..7]).held(&law(RULE)), "alice: 7 pauses, attempts: 7 at most");
}

#[test]
fn a_pause_that_does_not_double_or_has_too_much_added_is_convicted() {
    assert_eq!(refused(&[1040, 1040]).broken(&law(RULE)), "backoff: alice too soon @ alice");
    insta::assert_snapshot!(refused(&[1040, 1040]).failure(&law(RULE)));
    assert_eq!(refused(&[999]).broken(&law(RULE)), "backoff: alice too soon @ alice");
    assert_eq!(refused(&[1040, 2300]).broken(&law(RULE)), "backoff: alice too late @ alice");
    insta::assert_snapshot!(refused(&[1040, 2300]).failure(&law(RULE)));
    let unbounded = [&PAUSES[..5], &[32_000]].concat();
    assert_eq!(refused(&unbounded).broken(&law(RULE)), "backoff: alice too late @ alice");
}

#[test]
fn pauses_without_jitter_are_convicted_once_there_are_three() {
    assert_eq!(refused(&[1000, 2000]).held(&law(RULE)), "alice: 2 pauses, attempts: 2 at most");
    assert_eq!(refused(&[1000, 2000, 4000]).broken(&law(RULE)), "backoff: alice no jitter @ alice");
    insta::assert_snapshot!(refused(&[1000, 2000, 4000]).failure(&law(RULE)));
    assert_eq!(refused(&[1000, 2030, 4000]).held(&law(RULE)), "alice: 3 pauses, attempts: 3 at most");
    let none = RULE.replace("jitter_percent = 10", "");
    assert_eq!(refused(&[1000, 2000, 4000]).held(&law(&none)), "alice: 3 pauses, attempts: 3 at most");
}

#[test]
fn two_hosts_that_add_the_same_to_each_of_three_pauses_are_convicted() {
    let both = |alice: [u64; 3], bob: [u64; 3]| {
        let law = law(&format!("{RULE}apart_from = \"bob\"\n{}", RULE.replace("alice", "bob")));
        let mut attempts: Vec<(u64, &str, u32)> = Vec::new();
        for (host, pauses) in [("alice", alice), ("bob", bob)] {
            let mut at = 0;
            attempts.push((at, host, 1));
            for (nth, pause) in (2..).zip(pauses) {
                at += 40 + pause;
                attempts.push((at, host, nth));
            }
        }
        let mut changes: Vec<_> = attempts
            .into_iter()
            .flat_map(|(at, host, nth)| {
                [(at, host, nth, ConnectionEvent::Attempted), (at + 40, host, nth, ConnectionEvent::Refused)]
            })
            .collect();
        changes.sort_by_key(|(at, host, ..)| (*at, *host));
        let run = TraceBuilder::new().started(0, "alice").started(0, "bob");
        (changes.into_iter().fold(run, |run, (at, host, nth, event)| run.connection(at, host, "chat", nth, event)), law)
    };
    let (run, rules) = both([1040, 2110, 4001], [1040, 2110, 4001]);
    assert_eq!(run.broken(&rules), "backoff: alice in lockstep @ alice");
    insta::assert_snapshot!(run.failure(&rules));
    let (run, rules) = both([1040, 2110, 4001], [1040, 2110, 4003]);
    let each = "3 pauses, attempts: 3 at most";
    assert_eq!(run.held(&rules), format!("alice: {each}; bob: {each}"));
    let alone = law(&format!("{RULE}apart_from = \"bob\""));
    assert_eq!(refused(&[1040]).broken(&alone), "backoff: alice says nothing");
}

#[test]
fn attempts_count_anew_only_after_a_service_that_held() {
    let lost_after = |held: u64, pause: u64| {
        let back = refused(&[1040, 2110]).fact(10_000, "alice", Recovered, "s-1");
        let lost = 10_000 + held;
        attempt(back.value(lost, "alice", Detected, "s-1", "1006"), lost + pause, 4)
    };
    assert_eq!(lost_after(10_000, 1050).held(&law(RULE)), "alice: 3 pauses, attempts: 2 at most");
    assert_eq!(lost_after(10_000, 4050).broken(&law(RULE)), "backoff: alice too late @ alice");
    assert_eq!(lost_after(9999, 1050).broken(&law(RULE)), "backoff: alice too soon @ alice");
    assert_eq!(lost_after(9999, 4050).held(&law(RULE)), "alice: 3 pauses, attempts: 3 at most");
}

#[test]
fn the_pause_begins_when_the_host_says_so_and_else_when_it_could_know() {
    let connected = || attempt(TraceBuilder::new().started(0, "alice"), 0, 1).fact(100, "alice", Recovered, "s-1");
    let fin = ConnectionEvent::Fin { by: crate::name::Side::Server, forged: false };
    let silent = || connected().connection(20_000, "alice", "chat", 1, fin.clone());
    assert_eq!(attempt(silent(), 21_050, 2).held(&law(RULE)), "alice: 1 pauses, attempts: 1 at most");
    let told = silent().fact(22_000, "alice", Detected, "s-1").fact(23_000, "alice", Retried, "line");
    assert_eq!(attempt(told.clone(), 24_050, 2).held(&law(RULE)), "alice: 1 pauses, attempts: 1 at most");
    assert_eq!(attempt(told, 23_500, 2).broken(&law(RULE)), "backoff: alice too soon @ alice");
}

#[test]
fn an_attempt_that_the_network_does_not_see_is_counted_when_the_host_says_that_it_tries_again() {
    let unseen = |second: u64| {
        let run = attempt(TraceBuilder::new().started(0, "alice"), 0, 1).fact(40, "alice", Retried, "line");
        attempt(run.fact(1080, "alice", Retried, "line"), 1080 + second, 2)
    };
    assert_eq!(unseen(2100).held(&law(RULE)), "alice: 1 pauses, attempts: 2 at most");
    assert_eq!(unseen(1040).broken(&law(RULE)), "backoff: alice too soon @ alice");
    let hasty = attempt(TraceBuilder::new().started(0, "alice"), 0, 1).fact(40, "alice", Retried, "line");
    assert_eq!(hasty.fact(500, "alice", Retried, "line").broken(&law(RULE)), "backoff: alice too soon @ alice");
}

#[test]
fn a_host_that_ends_and_one_that_is_released_owe_no_attempt() {
    let lost = || refused(&[1040]);
    assert_eq!(lost().ending(60_000).broken(&law(RULE)), "backoff: alice never @ alice");
    let late = lost().exited(9000, "alice", None).ending(60_000);
    assert_eq!(late.broken(&law(RULE)), "backoff: alice never @ alice", "it had given up before");
    let ended = lost().exited(2000, "alice", None).ending(60_000);
    assert_eq!(ended.held(&law(RULE)), "alice: 1 pauses, attempts: 1 at most");
    let released = format!("{RULE}\nunless = {{ event = \"replaced\", host = \"alice\" }}");
    let run = lost().event(2000, "alice", crate::trace::Level::Info, "replaced").ending(60_000);
    assert_eq!(run.held(&law(&released)), "alice: 1 pauses, attempts: 1 at most");
}

#[test]
fn a_run_without_an_attempt_to_judge_says_nothing() {
    let run = attempt(TraceBuilder::new().started(0, "alice"), 0, 1);
    assert_eq!(run.broken(&law(RULE)), "backoff: alice says nothing");
    assert_eq!(run.held(&law(&format!("{RULE}optional = true"))), "alice: 0 pauses, attempts: 0 at most");
}

#[test]
fn a_constant_pause_is_a_rule_as_well() {
    let node = "[node]\nlink = \"alice -> chat\"\nfirst = \"5s\"\nlongest = \"5s\"";
    assert_eq!(refused(&[5000, 5001, 5000]).held(&law(node)), "node: 3 pauses, attempts: 3 at most");
    assert_eq!(refused(&[4990]).broken(&law(node)), "backoff: node too soon @ alice");
    let written = toml::to_string(&law(RULE)).expect("rules are TOML");
    assert_eq!(law(&written), law(RULE));
}

fn law(text: &str) -> Backoff {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A first attempt at 0 s, and one more after each pause; each is refused after 40 ms.
fn refused(pauses: &[u64]) -> TraceBuilder {
    let mut at = 0;
    let mut run = attempt(TraceBuilder::new().started(0, "alice"), at, 1);
    for (nth, pause) in (1..).zip(pauses) {
        run = run.connection(at + 40, "alice", "chat", nth, ConnectionEvent::Refused);
        at += 40 + pause;
        run = attempt(run, at, nth + 1);
    }
    let last = u32::try_from(pauses.len()).expect("a handful") + 1;
    run.connection(at + 40, "alice", "chat", last, ConnectionEvent::Refused)
}

fn attempt(run: TraceBuilder, at: u64, nth: u32) -> TraceBuilder {
    run.connection(at, "alice", "chat", nth, ConnectionEvent::Attempted)
}
