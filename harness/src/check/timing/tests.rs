use super::*;
use crate::check::trace_builder::{TraceBuilder, connection};
use crate::fact::FactKind::{Accepted, Outcome};
use crate::fault::{Crash, FrameKind};
use crate::name::Direction;
use crate::trace::{ConnectionEvent, FaultEvent, Level, LogEvent, RecordKind, Unit};

const CADENCE: &str = r#"
    [ping_every_20s]
    after = { unit = "ws_ping", link = "alice -> chat", direction = "to_server" }
    follows = { unit = "ws_ping", link = "alice -> chat", direction = "to_server" }
    same = "connection"
    at_least = "19s"
    within = "21s"
"#;

const ANSWER: &str = r#"
    [outcome_in_time]
    after = { fact = "accepted", host = "alice" }
    follows = { fact = "outcome", host = "alice" }
    same = "job_id"
    within = "5s"
"#;

#[test]
fn a_cadence_within_its_bounds_holds_and_tells_the_shortest_and_longest_time() {
    let run = pings(&[10_000, 30_000, 49_500]).ending(60_000);
    assert_eq!(run.held(&law(CADENCE)), "ping_every_20s: 2 times, 19.5s to 20s");
}

#[test]
fn a_cadence_that_is_too_fast_or_too_slow_or_stops_is_convicted() {
    let fast = pings(&[10_000, 25_000]);
    assert_eq!(fast.broken(&law(CADENCE)), "timing: ping_every_20s too soon @ alice");
    insta::assert_snapshot!(fast.failure(&law(CADENCE)));
    let slow = pings(&[10_000, 31_001]);
    assert_eq!(slow.broken(&law(CADENCE)), "timing: ping_every_20s too late @ alice");
    insta::assert_snapshot!(slow.failure(&law(CADENCE)));
    let stopped = pings(&[10_000, 30_000]).ending(51_000);
    assert_eq!(stopped.broken(&law(CADENCE)), "timing: ping_every_20s never @ alice");
    insta::assert_snapshot!(stopped.failure(&law(CADENCE)));
}

#[test]
fn a_time_that_is_not_over_when_the_run_ends_decides_nothing() {
    let last = pings(&[10_000, 30_000]).ending(50_999);
    assert_eq!(last.held(&law(CADENCE)), "ping_every_20s: once, 20s");
    let only = pings(&[10_000]).ending(30_999);
    assert_eq!(only.broken(&law(CADENCE)), "timing: ping_every_20s undecided");
    insta::assert_snapshot!(only.failure(&law(CADENCE)));
    assert_eq!(only.held(&law(&format!("{CADENCE}optional = true"))), "ping_every_20s: nothing to hold");
}

#[test]
fn what_is_owed_by_a_host_that_ends_or_is_told_to_stop_is_void() {
    let lives = || pings(&[10_000, 30_000]).ending(60_000);
    let ended = lives().exited(35_000, "alice", None).ending(60_000);
    assert_eq!(ended.held(&law(CADENCE)), "ping_every_20s: once, 20s");
    assert_eq!(lives().stopping(35_000, "alice").held(&law(CADENCE)), "ping_every_20s: once, 20s");
    assert_eq!(lives().crashed(35_000, "alice").held(&law(CADENCE)), "ping_every_20s: once, 20s");
    let other = lives().crashed(35_000, "chat");
    assert_eq!(other.broken(&law(CADENCE)), "timing: ping_every_20s never @ alice");
    let late = lives().exited(52_000, "alice", None);
    assert_eq!(late.broken(&law(CADENCE)), "timing: ping_every_20s never @ alice");
}

#[test]
fn a_rule_whose_beginning_never_occurs_says_nothing() {
    let run = TraceBuilder::new().fact(1000, "bob", Accepted, "job-1");
    assert_eq!(run.broken(&law(ANSWER)), "timing: outcome_in_time says nothing");
    insta::assert_snapshot!(run.failure(&law(ANSWER)));
    assert_eq!(run.held(&law(&format!("{ANSWER}optional = true"))), "outcome_in_time: nothing to hold");
}

#[test]
fn what_follows_must_be_about_the_same_thing() {
    let run = TraceBuilder::new()
        .fact(1000, "alice", Accepted, "job-1")
        .fact(2000, "alice", Accepted, "job-2")
        .fact(4000, "alice", Outcome, "job-2");
    let whole = run.clone().fact(5000, "alice", Outcome, "job-1").ending(20_000);
    assert_eq!(whole.held(&law(ANSWER)), "outcome_in_time: 2 times, 2s to 4s");
    assert_eq!(run.ending(20_000).broken(&law(ANSWER)), "timing: outcome_in_time never @ alice");
}

#[test]
fn without_the_same_value_the_oldest_obligation_is_closed() {
    let any = ANSWER.replace("same = \"job_id\"", "");
    let run = TraceBuilder::new()
        .fact(1000, "alice", Accepted, "job-1")
        .fact(2000, "alice", Accepted, "job-2")
        .fact(4000, "alice", Outcome, "job-2")
        .fact(4500, "alice", Outcome, "job-1");
    assert_eq!(run.held(&law(&any)), "outcome_in_time: 2 times, 2.5s to 3s");
}

#[test]
fn what_voids_an_obligation_voids_that_of_its_value() {
    let unless = format!("{ANSWER}unless = {{ fact = \"refused\" }}");
    let run = TraceBuilder::new()
        .fact(1000, "alice", Accepted, "job-1")
        .fact(2000, "alice", Accepted, "job-2")
        .fact(3000, "alice", FactKind::Refused, "job-2")
        .ending(20_000);
    assert_eq!(run.broken(&law(&unless)), "timing: outcome_in_time never @ alice");
    let both = run.clone().fact(4000, "alice", FactKind::Refused, "job-1").ending(20_000);
    assert_eq!(both.broken(&law(&unless)), "timing: outcome_in_time says nothing");
    let kept = run.fact(4000, "alice", Outcome, "job-1").ending(20_000);
    assert_eq!(kept.held(&law(&unless)), "outcome_in_time: once, 3s");
}

#[test]
fn an_occurrence_that_voids_and_opens_begins_again() {
    let silence = r#"
        [heartbeat_after_30s_of_silence]
        after = [{ unit = "sse_event", link = "alice -> chat" }, { unit = "sse_comment", link = "alice -> chat" }]
        follows = { unit = "sse_comment", link = "alice -> chat", direction = "to_client", where = { comment = "heartbeat" } }
        unless = { unit = "sse_event", link = "alice -> chat" }
        same = "connection"
        at_least = "29s"
        within = "31s"
    "#;
    let stream = |times: &[(u64, bool)]| {
        times.iter().fold(TraceBuilder::new(), |run, &(ms, is_event)| {
            let (data, comment) = if is_event { (Some("{}"), None) } else { (None, Some("heartbeat")) };
            let [data, comment] = [data, comment].map(|text| text.map(str::to_owned));
            unit(run, ms, Direction::ToClient, Unit::SseEvent { name: None, data, comment })
        })
    };
    let good = stream(&[(1000, true), (20_000, true), (50_000, false), (80_000, false), (90_000, true)]).ending(95_000);
    assert_eq!(good.held(&law(silence)), "heartbeat_after_30s_of_silence: 2 times, 30s");
    let soon = stream(&[(1000, true), (20_000, true), (31_000, false)]);
    assert_eq!(soon.broken(&law(silence)), "timing: heartbeat_after_30s_of_silence too soon @ chat");
}

#[test]
fn what_must_never_follow_is_convicted_within_its_time_only() {
    let never = r#"
        [no_retry_after_4001]
        after = { event = "session lost", host = "alice", where = { code = 4001 } }
        follows = { connection = "attempted", link = "alice -> chat" }
        never = true
        within = "1min"
    "#;
    let lost = || logged(1000, "alice", "session lost", "4001");
    let attempt = |run: TraceBuilder, ms| run.connection(ms, "alice", "chat", 2, ConnectionEvent::Attempted);
    assert_eq!(lost().ending(61_000).held(&law(never)), "no_retry_after_4001: never, once");
    assert_eq!(attempt(lost(), 61_001).held(&law(never)), "no_retry_after_4001: never, once");
    assert_eq!(attempt(lost(), 61_000).broken(&law(never)), "timing: no_retry_after_4001 followed @ alice");
    insta::assert_snapshot!(attempt(lost(), 5000).failure(&law(never)));
    assert_eq!(lost().ending(60_000).broken(&law(never)), "timing: no_retry_after_4001 undecided");
    let ever = never.replace("within = \"1min\"", "");
    assert_eq!(lost().ending(2000).held(&law(&ever)), "no_retry_after_4001: never, once");
    assert_eq!(attempt(lost(), 900_000).broken(&law(&ever)), "timing: no_retry_after_4001 followed @ alice");
    let other = logged(1000, "alice", "session lost", "1006").ending(61_000);
    assert_eq!(other.broken(&law(never)), "timing: no_retry_after_4001 says nothing");
}

#[test]
fn a_fault_and_a_process_begin_and_end_obligations() {
    let rules = r#"
        [unregistered_after_the_crash]
        after = { fault = 0 }
        follows = { fact = "gauge", key = "connected_nodes", value = "0", host = "chat" }
        within = "15s"

        [back_5s_after_the_restart]
        after = { process = "started", host = "alice" }
        follows = { event = "registered", host = "alice" }
        within = "5s"

        [says_goodbye]
        after = { process = "stop_requested", host = "chat" }
        follows = { unit = "ws_close", link = "alice -> chat", direction = "to_client", where = { code = 1012 } }
        within = "10s"
    "#;
    let crash = Crash { restart_after: None };
    let run = |goodbye: u64| {
        let run = TraceBuilder::new()
            .started(0, "alice")
            .event(100, "alice", Level::Info, "registered")
            .struck_host(5000, "alice", crash.clone())
            .crashed(5000, "alice")
            .value(15_000, "chat", FactKind::Gauge, "connected_nodes", "0")
            .started(20_000, "alice")
            .event(21_000, "alice", Level::Info, "registered")
            .stopping(30_000, "chat");
        let close = Unit::WsControl { kind: FrameKind::Close, code: Some(1012), reason: None };
        unit(run, goodbye, Direction::ToClient, close).exited(goodbye + 1, "chat", None).ending(60_000)
    };
    let held = "back_5s_after_the_restart: 2 times, 0.1s to 1s; says_goodbye: once, 9s; \
                unregistered_after_the_crash: once, 10s";
    assert_eq!(run(39_000).held(&law(rules)), held);
    assert_eq!(run(41_000).broken(&law(rules)), "timing: says_goodbye too late @ chat");
    let healed = run(39_000).fault(6000, 0, FaultEvent::Healed);
    assert_eq!(healed.held(&law(rules)), held, "healing is another step");
}

#[test]
fn a_rule_is_written_as_it_is_read() {
    let rules = law(CADENCE);
    let written = toml::to_string(&rules).expect("rules are TOML");
    assert_eq!(law(&written), rules);
    assert_eq!(rules.needs(), []);
    assert_eq!(law(ANSWER).needs(), [Accepted, Outcome]);
}

fn law(text: &str) -> Timing {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn pings(times: &[u64]) -> TraceBuilder {
    times.iter().fold(TraceBuilder::new().started(0, "alice").started(0, "chat"), |run, &ms| {
        let ping = Unit::WsControl { kind: FrameKind::Ping, code: None, reason: None };
        let pong = Unit::WsControl { kind: FrameKind::Pong, code: None, reason: None };
        unit(unit(run, ms, Direction::ToServer, ping), ms + 20, Direction::ToClient, pong)
    })
}

fn unit(run: TraceBuilder, ms: u64, direction: Direction, unit: Unit) -> TraceBuilder {
    run.record(
        ms,
        None,
        RecordKind::Unit { connection: connection("alice", "chat", 1), direction, unit, arrived: None },
    )
}

fn logged(ms: u64, host: &str, message: &str, code: &str) -> TraceBuilder {
    let event = LogEvent {
        level: Level::Info,
        target: host.to_owned(),
        message: message.to_owned(),
        fields: vec![("code".to_owned(), code.to_owned())],
    };
    TraceBuilder::new().record(ms, Some(host), RecordKind::Event(event))
}
