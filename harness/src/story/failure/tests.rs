use super::lines::COLUMNS;
use super::*;
use crate::check::trace_builder::{TraceBuilder, connection};
use crate::check::{Check, Delivery, DeliveryLaw, Finding, Truthful};
use crate::fact::FactKind::{Accepted, ClaimedDelivered, Gauge, Offered, Outcome, Received};
use crate::fault::{Ends, FrameKind, Reset};
use crate::name::{Direction, Side};
use crate::trace::{Level, LogEvent, Unit};

#[test]
fn a_report_tells_the_laws_the_plan_the_lost_key_and_what_was_around_it() {
    insta::assert_snapshot!(told(&lost(), None));
}

#[test]
fn the_life_of_another_key_is_told_when_it_is_asked_for() {
    let report = told(&lost(), Some("job-1"));
    assert!(report.contains("life of job-1\n"), "{report}");
    assert!(!report.contains("life of job-2"), "{report}");
    let report = told(&lost(), Some("job-10"));
    assert!(report.contains("no record speaks of job-10\n"), "{report}");
    let life = life("job-9F4E0EE1", &lost().evidence()).expect("records speak of it");
    insta::assert_snapshot!(life);
    assert_eq!(super::life("job-10", &lost().evidence()), None);
}

#[test]
fn a_log_line_that_is_not_shown_changes_no_report() {
    let quiet = told(&lost(), None);
    let mut chatty = lost();
    let line = log(TraceBuilder::new(), 0, "chat", Level::Debug, "is idle", &[("since", "ever")]).records;
    chatty.records.splice(2..2, line);
    assert_eq!(quiet, told(&chatty, None));
}

#[test]
fn what_was_broken_first_comes_first_and_what_says_nothing_comes_last() {
    let run = lost();
    let evidence = run.evidence();
    let broken = |check: &'static str, clause: &'static str, witness: &[usize]| {
        Verdict::Broken(Finding::new(clause, "so it was.").witness(witness.iter().copied()).of(check, "so it is"))
    };
    let verdicts = [
        broken("integrity", "silent source", &[0]),
        broken("leaks", "gauge off", &[]),
        broken("recover", "too late", &[9]),
        broken("detect", "not noticed in time", &[4]),
        broken("terminal", "says nothing", &[]),
    ];
    let order: Vec<_> = in_order(&evidence, &verdicts).into_iter().map(|violation| violation.check).collect();
    assert_eq!(order, ["detect", "recover", "leaks", "integrity", "terminal"]);
}

#[test]
fn a_law_that_was_broken_before_any_fault_fired_says_so() {
    let run = TraceBuilder::new()
        .fact(1000, "alice", Offered, "m-1")
        .fact(1001, "chat", ClaimedDelivered, "m-1")
        .fact(1002, "bob", Received, "m-1")
        .struck(9000, "alice", "chat", Reset { to: Ends::Both });
    let report = report_of(&run, &[Truthful::default().judge(&run.evidence())], None);
    assert!(report.contains("It was broken before any fault fired (the first did at 9.0s)."), "{report}");
    let report = told(&lost(), None);
    assert!(!report.contains("before any fault"), "an offer is older than its loss:\n{report}");
}

#[test]
fn a_report_fits_a_screen_however_long_the_run_and_its_plan_are() {
    let mut run = TraceBuilder::new();
    for n in 0..200 {
        let at = 1000 * n;
        run = run.fact(at, "alice", Offered, &format!("m-{n}"));
        for again in 0..20 {
            run = log(
                run,
                at + again,
                "chat",
                Level::Debug,
                &"again and ".repeat(20),
                &[("key", "m-7"), ("try", &again.to_string())],
            );
        }
        if n % 10 == 0 {
            run = run.struck(at, "alice", "chat", Reset { to: Ends::Both });
        }
    }
    let report = told(&run, Some("m-7"));
    assert!(report.lines().count() <= 60, "{} lines:\n{report}", report.lines().count());
    assert!(report.lines().all(|line| line.chars().count() <= COLUMNS), "{report}");
}

#[test]
fn waits_and_sockets_are_shown_where_they_say_something() {
    let idle = || {
        TraceBuilder::new()
            .pending("chat", "read on alice->chat#1")
            .socket("alice", "alice", "chat", Side::Client, "established")
            .socket("chat", "alice", "chat", Side::Server, "established")
    };
    let aliases = &mut Aliases::default();
    assert_eq!(rest::telling(&idle().evidence(), aliases), "");
    assert_ne!(rest::all(&idle().evidence(), aliases), "");
    let waiting = idle().pending("alice", "received job-1");
    assert_eq!(rest::telling(&waiting.evidence(), aliases), "still waiting\n  alice  received job-1\n");
    let alone = TraceBuilder::new().pending("chat", "read on alice->chat#1").socket(
        "chat",
        "alice",
        "chat",
        Side::Server,
        "established",
    );
    insta::assert_snapshot!(rest::telling(&alone.evidence(), aliases), @r"
    still waiting
      chat  read on alice->chat#1
    sockets
      chat  alice->chat#1  server  established  recv-q 0, send-q 0
    ");
}

/// Nine jobs of a chat; the connection is reset before the last, and what becomes of that one is not known.
fn lost() -> TraceBuilder {
    let mut run = TraceBuilder::new().started(0, "chat").started(0, "alice").acting("alice");
    for n in 1..=9 {
        let (key, is_lost) = (format!("job-9F4E0EE{n}"), n == 9);
        let at = if is_lost { 31_000 } else { 1000 * n };
        if is_lost {
            run = run.struck(25_000, "alice", "chat", Reset { to: Ends::Both });
            run = run.felt(25_001, 0, "alice", "read: ConnectionReset");
            let fields = [("close_code", "1006"), ("by", "network")];
            run = log(run, 25_001, "alice", Level::Warn, "session lost", &fields);
        }
        run = run.fact(at, "alice", Offered, &key);
        let submit = format!(r#"{{"type":"submit","job_id":"{key}","text":"good morning"}}"#);
        run = says(run, at, Direction::ToServer, &submit);
        let fields = [("job_id", key.as_str()), ("trace_id", "dfbe08bf8ad462fa")];
        run = log(run, at + 20, "chat", Level::Info, "submit accepted", &fields).fact(at + 20, "chat", Accepted, &key);
        if !is_lost {
            let fields = [("name", "open_jobs"), ("value", "1")];
            run = log(run, at + 21, "chat", Level::Debug, "gauge", &fields).value(
                at + 21,
                "chat",
                Gauge,
                "open_jobs",
                "1",
            );
            let result = format!(r#"{{"type":"result","job_id":"{key}","seq":{n}}}"#);
            run = says(run, at + 40, Direction::ToClient, &result);
            run = run.value(at + 60, "alice", Outcome, &key, "result").fact(at + 60, "alice", Received, &key);
        }
    }
    run.ending(720_000)
}

fn says(run: TraceBuilder, ms: u64, direction: Direction, text: &str) -> TraceBuilder {
    let bytes = text.len() as u64;
    let unit = Unit::WsMessage { kind: FrameKind::Text, text: Some(text.to_owned()), bytes };
    let connection = connection("alice", "chat", 1);
    run.record(ms, None, RecordKind::Unit { connection, direction, unit, arrived: None })
}

fn log(run: TraceBuilder, ms: u64, host: &str, level: Level, message: &str, fields: &[(&str, &str)]) -> TraceBuilder {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let event = LogEvent { level, target: host.to_owned(), message: message.to_owned(), fields };
    run.record(ms, Some(host), RecordKind::Event(event))
}

fn told(run: &TraceBuilder, key: Option<&str>) -> String {
    let law = Delivery::of(DeliveryLaw::ExactlyOnce);
    report_of(run, &[law.judge(&run.evidence())], key)
}

fn report_of(run: &TraceBuilder, verdicts: &[Verdict], key: Option<&str>) -> String {
    let asked = Asked { title: "chat", seed: "0x1", replay_line: "halfopen replay chat --seed 0x1", key };
    report(asked, &run.evidence(), verdicts)
}
