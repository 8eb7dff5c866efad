//! The law on runs that are made by hand: one that is in order, and the same with one thing in it that is not.

use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, Incarnation, Link, Side};
use halfopen::trace::{ConnectionEvent, Level, LogEvent, Record, RecordKind, Unit};

use super::SessionProtocol;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;
const SUBMIT: &str =
    r#"{"type":"submit","job_id":"j","utterance_index":0,"text":"hi","src_lang":"zh","tgt_lang":"en","trace_id":"t"}"#;
const RESULT: &str = r#"{"type":"result","seq":1,"job_id":"j","attempt_id":"a","text":"[en] hi","redelivered":false}"#;

#[test]
fn a_conversation_in_order_is_acquitted() {
    assert_eq!(judged(&in_order()), "1 greetings, 1 outcomes");
}

#[test]
fn what_is_left_out_is_missed() {
    for (left_out, clause) in [
        ("session_init\"", "a greeting out of turn"),
        ("\"submit\"", "a submit is late"),
        ("submit_ack", "a submit is not acknowledged"),
        ("\"result\"", "an outcome is late"),
        ("\"ack\"", "delivered without acknowledgement"),
        ("session connected", "a session is told that is not connected"),
        ("result delivered", "an acknowledgement is not taken in"),
        ("job finished", "an outcome of no job"),
    ] {
        let mut run = in_order();
        let before = run.len();
        run.retain(|record| !says(record, left_out));
        assert_eq!(run.len() + 1, before, "{left_out}");
        assert_eq!(judged(&run), clause, "without {left_out}");
    }
}

#[test]
fn what_is_said_otherwise_is_noticed() {
    for (text, other, clause) in [
        ("\"next_seq\":1", "\"next_seq\":2", "a session goes on at the wrong place"),
        ("\"resumed\":false", "\"resumed\":true", "a client is taken for another"),
        ("\"seq\":1", "\"seq\":2", "a gap in the sequence"),
        ("\"job_id\":\"j\",\"attempt_id\"", "\"job_id\":\"k\",\"attempt_id\"", "another outcome than the job had"),
        ("[en] hi", "[en] ho", "the text of another job"),
        ("\"redelivered\":false", "\"redelivered\":true", "redelivered is wrong"),
        ("\"upto_seq\":1", "\"upto_seq\":2", "an acknowledgement of what was not received"),
        ("\"upto_seq\":1", "\"upto_seq\":0", "delivered without acknowledgement"),
        ("\"utterance_index\":0", "\"utterance_index\":1", "an utterance out of its place"),
        ("\"type\":\"result\"", "\"type\":\"job_failed\",\"code\":\"JOB_TIMEOUT\"", "another outcome than the job had"),
    ] {
        let mut run = in_order();
        assert_eq!(run.iter_mut().filter_map(|record| rewrite(record, text, other)).count(), 1, "{text}");
        assert_eq!(judged(&run), clause, "{text} as {other}");
    }
}

#[test]
fn what_comes_twice_is_noticed() {
    for (twice, clause) in [
        ("session_init\"", "a greeting out of turn"),
        ("\"submit\"", "a submit that is not needed"),
        ("submit_ack", "a submit is acknowledged that was not sent"),
        ("\"result\"", "a gap in the sequence"),
        ("job finished", "a job ends twice"),
        ("outcome received", "two outcomes of one job"),
        ("result delivered", "outcomes are delivered out of order"),
    ] {
        let mut run = in_order();
        let place = run.iter().position(|record| says(record, twice)).expect("it is said");
        run.insert(place, run[place].clone());
        assert_eq!(judged(&run), clause, "{twice} twice");
    }
}

#[test]
fn close_frames_have_their_reason_and_their_bounds() {
    let with = |at, direction, code, reason: &str| {
        let mut run = in_order();
        run.push(closes(at, direction, code, reason));
        judged(&run)
    };
    assert_eq!(with(5000, DOWN, 1000, "idle"), "1 greetings, 1 outcomes", "the log would tell");
    assert_eq!(with(5000, DOWN, 1012, "shutting down"), "a close code without its reason");
    assert_eq!(with(5000, DOWN, 1008, "no"), "a close code without its reason");
    assert_eq!(with(5000, DOWN, 4008, "no hello"), "misses a greeting that is not overdue");
    assert_eq!(with(5000, DOWN, 1011, "no pong within 20s"), "calls a peer silent that is not");
    assert_eq!(with(5000, UP, 1000, "bye"), "a client leaves without a word");
    assert_eq!(with(5000, DOWN, 1000, &"x".repeat(124)), "a reason too long for its frame");
    let mut held = in_order();
    held.push(closes(5000, DOWN, 1000, "idle"));
    held.push(logged(9000, "alice", "halfopen_client", "still here", &[]));
    held.retain(|record| !matches!(record.what, RecordKind::Connection { event: ConnectionEvent::Closed { .. }, .. }));
    assert_eq!(judged(&held), "a close without a bound");
}

#[test]
fn pings_have_their_rate_and_their_answer() {
    let at = |at, direction, kind| unit(at, direction, Unit::WsControl { kind, code: None, reason: None });
    let mut run = in_order();
    run.extend([at(12_000, UP, FrameKind::Ping), at(12_020, DOWN, FrameKind::Pong)]);
    assert_eq!(judged(&run), "a ping is off its beat");
    let mut run = in_order();
    run.push(logged(25_000, "alice", "halfopen_client", "still here", &[]));
    assert_eq!(judged(&run), "a ping is late");
    let mut run = in_order();
    run.extend([at(20_000, UP, FrameKind::Ping), at(20_000, DOWN, FrameKind::Ping)]);
    run.push(at(20_020, UP, FrameKind::Pong));
    run.push(logged(25_000, "alice", "halfopen_client", "still here", &[]));
    assert_eq!(judged(&run), "a ping is not answered");
}

#[test]
fn what_a_user_is_told_is_what_was_on_the_wire() {
    let mut run = in_order();
    run.push(logged(2000, "alice", "halfopen_user", "answer heard", &[("job_id", "j"), ("text", "[en] ho")]));
    assert_eq!(judged(&run), "a user is told another text");
}

#[test]
fn an_idle_session_is_closed_in_time_and_an_absent_one_is_forgotten_in_time() {
    let lost = |at, code, by| {
        let fields = [("session_id", "s-1"), ("generation", "1"), ("close_code", code), ("by", by)];
        logged(at, "scheduler", "halfopen_scheduler", "session lost", &fields)
    };
    let mut early = in_order();
    early.push(lost(30_000, "1000", "us"));
    assert_eq!(judged(&early), "a session is closed without reason");
    let forgotten = |at| logged(at, "scheduler", "halfopen_scheduler", "session forgotten", &[("session_id", "s-1")]);
    let away = |until: Option<u64>, ends_at| {
        let mut run = in_order();
        run.push(lost(5000, "1006", "network"));
        run.push(record(
            5000,
            None,
            RecordKind::Connection { id: connection(), event: ConnectionEvent::Closed { by: Side::Client } },
        ));
        run.push(record(
            5000,
            None,
            RecordKind::Connection { id: connection(), event: ConnectionEvent::Closed { by: Side::Server } },
        ));
        run.extend(until.map(forgotten));
        run.push(logged(ends_at, "scheduler", "halfopen_scheduler", "still here", &[]));
        judged(&run)
    };
    assert_eq!(away(Some(400_000), 700_000), "a session is forgotten early");
    assert_eq!(away(Some(605_000), 700_000), "1 greetings, 1 outcomes");
    assert_eq!(away(None, 700_000), "a session is not forgotten");
}

#[test]
fn a_session_is_whose_token_is_shown() {
    let mallory = |records: Vec<Record>| records.into_iter().map(of_mallory).collect::<Vec<_>>();
    let asks = |token: &str, epoch: &str, answer: Vec<Record>| {
        let resume = format!(
            r#"{{"type":"session_init","resume":{{"session_id":"s-1","token":"{token}","epoch":"{epoch}","last_seq":1}}}}"#
        );
        let mut run = in_order();
        run.extend(mallory(vec![
            record(2000, None, RecordKind::Connection { id: connection(), event: ConnectionEvent::Attempted }),
            unit(2000, UP, Unit::HttpRequest { method: "GET".to_owned(), target: "/ws/session".to_owned() }),
            unit(2000, DOWN, Unit::HttpResponse { status: 101 }),
            text(2020, UP, &resume),
        ]));
        run.extend(answer);
        run.sort_by_key(|record| record.at);
        judged(&run)
    };
    let refused = || mallory(vec![closes(2040, DOWN, 4003, "wrong token")]);
    assert_eq!(asks("forged", "e", refused()), "1 greetings, 1 outcomes");
    assert_eq!(asks("x", "e", refused()), "a right token is refused");
    let log = |message: &str, fields: &[_]| logged(2040, "scheduler", "halfopen_scheduler", message, fields);
    let told = |id: &str, resumed: bool, next_seq: u64, token: &str| {
        let answer = format!(
            r#"{{"type":"session_init_ack","session_id":"{id}","token":"{token}","epoch":"e","resumed":{resumed},"next_seq":{next_seq}}}"#
        );
        of_mallory(text(2040, DOWN, &answer))
    };
    let as_another = || {
        vec![
            log("session connected", &[("session_id", "s-2"), ("generation", "1"), ("resumed", "false")]),
            told("s-2", false, 1, "y"),
        ]
    };
    assert_eq!(asks("forged", "e", as_another()), "a wrong token is not refused");
    assert_eq!(asks("x", "earlier", as_another()), "2 greetings, 1 outcomes");
    let as_the_owner = || {
        let lost = [("session_id", "s-1"), ("generation", "1"), ("close_code", "4001"), ("by", "us")];
        vec![
            log("session lost", &lost),
            closes(2040, DOWN, 4001, "replaced"),
            log("session connected", &[("session_id", "s-1"), ("generation", "2"), ("resumed", "true")]),
            told("s-1", true, 2, "x"),
        ]
    };
    assert_eq!(asks("x", "earlier", as_the_owner()), "a client is taken for another");
}

fn of_mallory(mut record: Record) -> Record {
    if let RecordKind::Connection { id, .. } | RecordKind::Unit { connection: id, .. } = &mut record.what {
        id.link.client = "mallory".into();
    }
    record
}

/// A client greets, submits a job, and acknowledges its result.
fn in_order() -> Vec<Record> {
    let change = |at, event| record(at, None, RecordKind::Connection { id: connection(), event });
    let client = |at, message, fields: &[_]| logged(at, "alice", "halfopen_client", message, fields);
    let scheduler = |at, message, fields: &[_]| logged(at, "scheduler", "halfopen_scheduler", message, fields);
    let job = [("session_id", "s-1"), ("job_id", "j"), ("trace_id", "t")];
    let outcome = [("session_id", "s-1"), ("job_id", "j"), ("trace_id", "t"), ("outcome", "result")];
    let delivered = [("session_id", "s-1"), ("job_id", "j"), ("trace_id", "t"), ("seq", "1")];
    let received = [("job_id", "j"), ("outcome", "result"), ("seq", "1"), ("redelivered", "false")];
    vec![
        change(0, ConnectionEvent::Attempted),
        change(0, ConnectionEvent::Established),
        unit(0, UP, Unit::HttpRequest { method: "GET".to_owned(), target: "/ws/session".to_owned() }),
        unit(0, DOWN, Unit::HttpResponse { status: 101 }),
        text(20, UP, r#"{"type":"session_init","client_version":"1"}"#),
        scheduler(40, "session connected", &[("session_id", "s-1"), ("generation", "1"), ("resumed", "false")]),
        text(
            40,
            DOWN,
            r#"{"type":"session_init_ack","session_id":"s-1","token":"x","epoch":"e","resumed":false,"next_seq":1}"#,
        ),
        client(60, "session ready", &[("session_id", "s-1"), ("resumed", "false")]),
        client(1000, "job offered", &[("job_id", "j"), ("trace_id", "t")]),
        text(1000, UP, SUBMIT),
        scheduler(1020, "submit accepted", &job),
        text(1020, DOWN, r#"{"type":"submit_ack","job_id":"j"}"#),
        client(1040, "submit acknowledged", &[("job_id", "j"), ("trace_id", "t")]),
        scheduler(1540, "job finished", &outcome),
        text(1540, DOWN, RESULT),
        client(1560, "outcome received", &received),
        text(1560, UP, r#"{"type":"ack","upto_seq":1}"#),
        scheduler(1580, "result delivered", &delivered),
        logged(4000, "alice", "halfopen_client", "still here", &[]),
    ]
}

fn connection() -> ConnectionId {
    ConnectionId { link: Link { client: "alice".into(), server: "scheduler".into() }, nth: 1 }
}

fn record(ms: u64, host: Option<&str>, what: RecordKind) -> Record {
    Record { at: Duration::from_millis(ms), host: host.map(Into::into), incarnation: Incarnation(0), what }
}

fn unit(ms: u64, direction: Direction, unit: Unit) -> Record {
    record(ms, None, RecordKind::Unit { connection: connection(), direction, unit, arrived: None })
}

fn text(ms: u64, direction: Direction, text: &str) -> Record {
    let (kind, bytes) = (FrameKind::Text, text.len() as u64);
    unit(ms, direction, Unit::WsMessage { kind, text: Some(text.to_owned()), bytes })
}

fn closes(ms: u64, direction: Direction, code: u16, reason: &str) -> Record {
    let (code, reason) = (Some(code), Some(reason.to_owned()));
    unit(ms, direction, Unit::WsControl { kind: FrameKind::Close, code, reason })
}

fn logged(ms: u64, host: &str, target: &str, message: &str, fields: &[(&str, &str)]) -> Record {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let event = LogEvent { level: Level::Info, target: target.to_owned(), message: message.to_owned(), fields };
    record(ms, Some(host), RecordKind::Event(event))
}

/// Whether a record is a message with this in it, or a line of a log with this message.
fn says(record: &Record, what: &str) -> bool {
    match &record.what {
        RecordKind::Unit { unit: Unit::WsMessage { text: Some(text), .. }, .. } => {
            text.contains(&format!("type\":\"{}", what.trim_start_matches('"')))
        }
        RecordKind::Event(event) => event.message == what,
        _ => false,
    }
}

fn rewrite(record: &mut Record, from: &str, to: &str) -> Option<()> {
    let RecordKind::Unit { unit: Unit::WsMessage { text: Some(text), .. }, .. } = &mut record.what else { return None };
    text.contains(from).then(|| *text = text.replace(from, to))
}

/// The summary of a run in order, or the clause that is broken.
fn judged(run: &[Record]) -> String {
    let law = SessionProtocol { echo: true, ..SessionProtocol::default() };
    let ends_at = run.iter().map(|record| record.at).max().unwrap_or_default();
    match law.examine_records(run, ends_at) {
        Ok(summary) => summary,
        Err(finding) => {
            let signature = finding.of("", "").signature.to_string();
            signature.trim_start_matches(": ").split(" @ ").next().unwrap_or_default().to_owned()
        }
    }
}
