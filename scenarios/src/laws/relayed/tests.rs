//! Runs made by hand, in which the law convicts and acquits.

use std::time::Duration;

use halfopen::fault::FaultIndex;
use halfopen::name::{ConnectionId, Direction, Incarnation, Link, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, Record, RecordKind, Unit};

use super::Relayed;

const WORD: &str = r#"{"id":"a-1","choices":[{"index":0,"delta":{"content":"w"},"finish_reason":null}]}"#;
const OTHER: &str = r#"{"id":"a-1","choices":[{"index":0,"delta":{"content":"o"},"finish_reason":null}]}"#;
const END: &str = r#"{"id":"a-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const ERROR: &str = r#"{"error":{"message":"out of memory","code":"upstream_error"}}"#;
const TIMEOUT: &str = r#"{"error":{"message":"silent","code":"upstream_timeout"}}"#;
const DONE: &str = "[DONE]";

#[test]
fn an_answer_that_is_relayed_whole_holds() {
    let run = asked().said(200, WORD).said(400, END).said(400, DONE);
    let run = run.sent(220, WORD).sent(420, END).sent(420, DONE).dropped(420);
    assert_eq!(run.verdict(), "1 requests, 1 relayed");
}

#[test]
fn a_run_without_a_request_says_nothing() {
    assert_eq!(Run::default().verdict(), "says nothing");
}

#[test]
fn an_event_that_is_lost_doubled_changed_or_late_is_convicted() {
    let upstream = || asked().said(200, WORD).said(200, OTHER).said(400, END).said(400, DONE);
    let lost = upstream().sent(220, OTHER).sent(420, END).sent(420, DONE).dropped(420);
    assert_eq!(lost.verdict(), "not what was said");
    let doubled =
        upstream().sent(220, WORD).sent(220, WORD).sent(220, OTHER).sent(420, END).sent(420, DONE).dropped(420);
    assert_eq!(doubled.verdict(), "not what was said");
    let late = upstream().sent(420, WORD).sent(420, OTHER).sent(420, END).sent(420, DONE).dropped(420);
    assert_eq!(late.verdict(), "late");
    let missing = asked().said(200, WORD).said(400, OTHER).sent(220, WORD).lasting(10_000);
    assert_eq!(missing.verdict(), "missing");
}

#[test]
fn what_a_fault_has_struck_is_judged_up_to_there() {
    let run = asked().said(200, WORD).sent(220, WORD).struck(300, "gateway->model#1").sent(420, OTHER).lasting(10_000);
    assert_eq!(run.verdict(), "1 requests, 1 relayed");
}

#[test]
fn a_stream_has_one_end_and_nothing_behind_it() {
    let upstream = || asked().said(200, WORD).said(400, END).said(400, DONE).sent(220, WORD).sent(420, END);
    assert_eq!(upstream().sent(420, DONE).sent(430, DONE).dropped(430).verdict(), "after the end");
    assert_eq!(asked().said(200, WORD).sent(220, WORD).sent(220, DONE).dropped(220).verdict(), "quiet end");
    assert_eq!(
        upstream().unit(420, "reader", "gateway", Unit::HttpChunk { bytes: 0 }).lasting(500).verdict(),
        "no terminator"
    );
    assert_eq!(upstream().lasting(10_000).verdict(), "end not told");
    assert_eq!(upstream().sent(420, ERROR).sent(420, DONE).dropped(420).verdict(), "whole, told as an error");
}

#[test]
fn an_error_has_a_cause_and_comes_at_once() {
    let upstream = || asked().said(200, WORD).sent(220, WORD);
    let cut =
        |run: Run| run.connection(300, "gateway", "model", ConnectionEvent::Fin { by: Side::Server, forged: false });
    assert_eq!(cut(upstream()).sent(300, ERROR).sent(300, DONE).dropped(300).verdict(), "1 requests, 1 relayed");
    assert_eq!(cut(upstream()).sent(3000, ERROR).sent(3000, DONE).dropped(3000).verdict(), "end not told");
    assert_eq!(upstream().sent(300, ERROR).sent(300, DONE).dropped(300).verdict(), "error without a cause");
    assert_eq!(upstream().sent(20_000, TIMEOUT).sent(20_000, DONE).dropped(20_000).verdict(), "given up early");
    let timely = upstream().comment(30_220).sent(60_220, TIMEOUT).sent(60_220, DONE).dropped(60_220);
    assert_eq!(timely.verdict(), "1 requests, 1 relayed");
    let never = upstream().comment(30_220).comment(60_220).comment(90_220).lasting(100_000);
    assert_eq!(never.verdict(), "silence not noticed");
}

#[test]
fn an_upstreams_own_words_are_passed_on() {
    let reported = asked().said(200, WORD).said(300, r#"{"error":{"message":"no such adapter"}}"#).sent(220, WORD);
    assert_eq!(reported.sent(320, ERROR).sent(320, DONE).dropped(320).verdict(), "another error");
}

#[test]
fn heartbeats_come_when_nothing_else_does() {
    let upstream = || asked().said(200, WORD).sent(220, WORD);
    assert_eq!(upstream().comment(20_000).lasting(21_000).verdict(), "early heartbeat");
    assert_eq!(upstream().lasting(40_000).verdict(), "no heartbeat");
    assert_eq!(upstream().comment(30_220).lasting(40_000).verdict(), "1 requests, 1 relayed");
}

#[test]
fn a_call_ends_with_its_reader_and_with_its_answer() {
    let left = |closed: Option<u64>| {
        let run = asked().said(200, WORD).sent(220, WORD);
        let run = run.connection(300, "reader", "gateway", ConnectionEvent::Fin { by: Side::Client, forged: false });
        closed.map_or(run.clone(), |at| run.dropped(at)).lasting(10_000)
    };
    assert_eq!(left(Some(310)).verdict(), "1 requests, 1 relayed");
    assert_eq!(left(Some(900)).verdict(), "call not dropped");
    assert_eq!(left(None).verdict(), "call not dropped");
    let whole = asked().said(200, END).said(200, DONE).sent(220, END).sent(220, DONE).lasting(10_000);
    assert_eq!(whole.verdict(), "call not dropped");
}

/// A reader has asked `a`, and the gateway its upstream.
fn asked() -> Run {
    let target = |target: &str| Unit::HttpRequest { method: "POST".to_owned(), target: target.to_owned() };
    Run::default().unit(0, "reader", "gateway", target("/v1/chat/completions?question=a")).unit(
        20,
        "gateway",
        "model",
        target("/v1/chat/completions"),
    )
}

#[derive(Clone, Default)]
struct Run {
    records: Vec<Record>,
    until: u64,
}

impl Run {
    fn verdict(&self) -> String {
        let mut records = self.records.clone();
        records.sort_by_key(|record| record.at);
        let judged = Relayed::default().examine_records(&records, Duration::from_millis(self.until + 1000));
        judged.unwrap_or_else(|finding| {
            let signature = finding.of("relayed", "law").signature.to_string();
            signature.trim_start_matches("relayed: ").split(" @ ").next().unwrap_or_default().to_owned()
        })
    }

    fn lasting(mut self, until: u64) -> Self {
        self.until = self.until.max(until);
        self
    }

    fn record(mut self, at: u64, what: RecordKind) -> Self {
        let time = Duration::from_millis(at);
        self.records.push(Record { at: time, host: None, incarnation: Incarnation(0), what });
        self.lasting(at)
    }

    fn unit(self, at: u64, client: &str, server: &str, unit: Unit) -> Self {
        let asks = matches!(unit, Unit::HttpRequest { .. });
        let direction = if asks { Direction::ToServer } else { Direction::ToClient };
        self.record(at, RecordKind::Unit { connection: connection(client, server), direction, unit, arrived: None })
    }

    fn connection(self, at: u64, client: &str, server: &str, event: ConnectionEvent) -> Self {
        self.record(at, RecordKind::Connection { id: connection(client, server), event })
    }

    fn said(self, at: u64, data: &str) -> Self {
        self.unit(at, "gateway", "model", event(Some(data), None))
    }

    fn sent(self, at: u64, data: &str) -> Self {
        self.unit(at, "reader", "gateway", event(Some(data), None))
    }

    fn comment(self, at: u64) -> Self {
        self.unit(at, "reader", "gateway", event(None, Some("heartbeat")))
    }

    /// The gateway closes the connection to its upstream.
    fn dropped(self, at: u64) -> Self {
        self.connection(at, "gateway", "model", ConnectionEvent::Closed { by: Side::Client })
    }

    fn struck(self, at: u64, on: &str) -> Self {
        let event = FaultEvent::Fired { on: on.to_owned(), verb: "reset".to_owned() };
        self.record(at, RecordKind::Fault { fault: FaultIndex(0), event })
    }
}

fn event(data: Option<&str>, comment: Option<&str>) -> Unit {
    Unit::SseEvent { name: None, data: data.map(str::to_owned), comment: comment.map(str::to_owned) }
}

fn connection(client: &str, server: &str) -> ConnectionId {
    ConnectionId { link: Link { client: client.into(), server: server.into() }, nth: 1 }
}
