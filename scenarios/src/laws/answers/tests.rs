//! Runs made by hand, in which the law convicts and acquits.

use std::time::Duration;

use halfopen::fault::FaultIndex;
use halfopen::name::Incarnation;
use halfopen::trace::{FaultEvent, Level, LogEvent, Record, RecordKind};

use super::Answers;
use crate::actors::reader::TARGET;

const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w\"},\"finish_reason\":null}]}\n\n";
const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const WHOLE: &str = r#"{"choices":[{"index":0}]}"#;

#[test]
fn a_whole_stream_and_a_whole_body_hold() {
    assert_eq!(streamed(&[WORD, ": heartbeat\n\n", END, DONE]).verdict(""), "1 questions, each with its answer");
    assert_eq!(answered("200", WHOLE).verdict(""), "1 questions, each with its answer");
    assert_eq!(answered("404", &error("model_not_found", "no")).verdict(""), "1 questions, each with its answer");
    assert_eq!(Run::default().verdict(""), "says nothing");
}

#[test]
fn a_stream_that_is_no_event_stream_is_convicted() {
    assert_eq!(streamed(&["id: 1\n", WORD, ": heartbeat\n\n", END, DONE]).verdict(""), "comment behind an id");
    assert_eq!(streamed(&["data: {}\r\n\n", DONE]).verdict(""), "illegal line");
    assert_eq!(streamed(&[": heartbeat\ndata: {}\n\n", DONE]).verdict(""), "illegal line");
    assert_eq!(streamed(&[WORD, END]).verdict(""), "no terminator");
    assert_eq!(streamed(&[WORD, "data: [DO"]).verdict(""), "partial event");
}

#[test]
fn an_error_that_is_not_as_the_api_has_it_is_convicted() {
    assert_eq!(answered("404", "not found").verdict(""), "no envelope");
    assert_eq!(answered("400", &error("model_not_found", "no")).verdict(""), "wrong status");
    assert_eq!(answered("500", &error("upstream_error", &"x".repeat(201))).verdict(""), "wrong message");
    assert_eq!(answered("500", &error("upstream_error", "key sk-1")).verdict(""), "secret told");
    assert_eq!(answered("500", &error("oops", "no")).verdict(""), "unknown code");
    assert_eq!(answered("200", &error("upstream_error", "no")).verdict(""), "200 and an error");
    assert_eq!(answered("503", &error("overloaded", "later")).verdict(""), "illegal head");
    assert_eq!(answered("504", &error("upstream_timeout", "late")).verdict(""), "illegal head");
    let longer = answered("404", &error("model_not_found", "no")).log(30, "answer read", &[("text", " ")]);
    assert_eq!(longer.verdict(""), "wrong length");
}

#[test]
fn a_question_without_an_end_is_convicted_and_a_failed_one_needs_a_fault() {
    let open = asked().log(10, "answer began", &[("status", "200")]);
    assert_eq!(open.verdict(""), "no end");
    let failed = || asked().log(10, "answer ended", &[("how", "failed: the connection ended")]);
    assert_eq!(failed().verdict(""), "no answer");
    assert_eq!(failed().struck("reader->gateway#1").verdict(""), "1 questions, each with its answer");
    assert_eq!(failed().struck("gateway->model#1").verdict(""), "no answer");
}

#[test]
fn what_was_promised_is_kept() {
    let whole = || streamed(&[WORD, END, DONE]);
    assert_eq!(whole().verdict(r#"expected = { a = "whole" }"#), "1 questions, each with its answer");
    assert_eq!(whole().verdict(r#"expected = { a = "error upstream_error" }"#), "not as promised");
    assert_eq!(whole().verdict(r#"expected = { b = "whole" }"#), "never asked");
    assert_eq!(whole().verdict(r#"last = "whole""#), "1 questions, each with its answer");
    assert_eq!(answered("404", &error("model_not_found", "no")).verdict(r#"last = "whole""#), "not as promised");
    assert_eq!(streamed(&[WORD, DONE]).verdict(r#"expected = { a = ["whole", "left"] }"#), "not as promised");
    assert_eq!(whole().verdict(r#"takes = { a = { at_least = "1s", at_most = "2s" } }"#), "not in time");
    assert_eq!(whole().verdict(r#"keeps = ["content"]"#), "secret told");
    assert_eq!(whole().verdict(r#"says = { a = "out of memory" }"#), "not said");
}

fn asked() -> Run {
    Run::default().log(0, "asked", &[("stream", "true"), ("choices", "1"), ("usage", "false")])
}

fn streamed(texts: &[&str]) -> Run {
    let head =
        [("status", "200"), ("content_type", "text/event-stream"), ("cache_control", "no-cache"), ("request_id", "r")];
    let run = asked().log(10, "answer began", &head);
    let run = texts.iter().fold(run, |run, text| run.log(20, "answer read", &[("text", text)]));
    run.log(40, "answer ended", &[("how", "whole")])
}

fn answered(status: &str, body: &str) -> Run {
    let length = body.len().to_string();
    let head = [
        ("status", status),
        ("content_type", "application/json"),
        ("content_length", length.as_str()),
        ("request_id", "r"),
    ];
    asked().log(10, "answer began", &head).log(20, "answer read", &[("text", body)]).log(
        40,
        "answer ended",
        &[("how", "whole")],
    )
}

fn error(code: &str, message: &str) -> String {
    let kind = if ["upstream_error", "overloaded", "upstream_timeout"].contains(&code) {
        "server_error"
    } else {
        "invalid_request_error"
    };
    serde_json::json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }).to_string()
}

#[derive(Default)]
struct Run {
    records: Vec<Record>,
}

impl Run {
    fn verdict(mut self, table: &str) -> String {
        let law: Answers = toml_of(table);
        self.records.sort_by_key(|record| record.at);
        law.examine_records(&self.records).unwrap_or_else(|finding| {
            let signature = finding.of("answers", "law").signature.to_string();
            signature.trim_start_matches("answers: ").split(" @ ").next().unwrap_or_default().to_owned()
        })
    }

    fn record(mut self, at: u64, host: Option<&str>, what: RecordKind) -> Self {
        let at = Duration::from_millis(at);
        self.records.push(Record { at, host: host.map(Into::into), incarnation: Incarnation(0), what });
        self
    }

    fn log(self, at: u64, message: &str, fields: &[(&str, &str)]) -> Self {
        let named = [("key", "a")].iter().chain(fields);
        let fields = named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let event = LogEvent { level: Level::Debug, target: TARGET.to_owned(), message: message.to_owned(), fields };
        self.record(at, Some("reader"), RecordKind::Event(event))
    }

    fn struck(self, on: &str) -> Self {
        let event = FaultEvent::Fired { on: on.to_owned(), verb: "reset".to_owned() };
        self.record(5, None, RecordKind::Fault { fault: FaultIndex(0), event })
    }
}

fn toml_of(table: &str) -> Answers {
    toml::from_str(table).expect("it is well-formed")
}
