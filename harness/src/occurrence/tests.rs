use std::time::Duration;

use super::*;
use crate::fact::Fact;
use crate::fault::FrameKind;
use crate::trace::{ConnectionEvent, Level, LogEvent, Unit};

#[test]
fn an_event_is_known_by_its_host_its_target_and_its_fields() {
    let record = event();
    for (text, is_it) in [
        ("event = 'session lost'", true),
        ("event = 'session lost'\nhost = 'alice'\ntarget = 'client'\nwhere = { by = 'peer' }", true),
        ("event = 'session lost'\nhost = 'bob'", false),
        ("event = 'session lost'\ntarget = 'clie'", false),
        ("event = 'session lost'\nwhere = { by = '!us' }", true),
        ("event = 'session lost'\nwhere = { by = '!peer' }", false),
        ("event = 'session lost'\nwhere = { code = { present = true } }", false),
        ("event = 'session lost'\nwhere = { code = { present = false } }", true),
        ("event = 'session'", false),
        ("fact = 'detected'", false),
    ] {
        assert_eq!(is(text, &record), is_it, "{text}");
    }
    assert_eq!(common("by", &record), Some("peer".to_owned()));
    assert_eq!(common("host", &record), Some("alice".to_owned()));
    assert_eq!(common("connection", &record), None);
}

#[test]
fn a_unit_is_known_by_its_link_its_direction_and_what_it_says() {
    let text = r#"{"type":"result","job_id":"job-1"}"#.to_owned();
    let record = unit(Unit::WsMessage { kind: FrameKind::Text, text: Some(text), bytes: 3 });
    for (text, is_it) in [
        ("unit = 'ws_text'", true),
        ("unit = 'ws_text'\nlink = 'alice -> chat'\ndirection = 'to_client'\nwhere = { type = 'result' }", true),
        ("unit = 'ws_text'\nlink = 'bob -> chat'", false),
        ("unit = 'ws_text'\ndirection = 'to_server'", false),
        ("unit = 'ws_text'\nwhere = { type = '!result' }", false),
        ("unit = 'ws_ping'", false),
    ] {
        assert_eq!(is(text, &record), is_it, "{text}");
    }
    assert_eq!(common("job_id", &record), Some("job-1".to_owned()));
    assert_eq!(common("/job_id", &record), Some("job-1".to_owned()));
    assert_eq!(common("connection", &record), Some("alice->chat#1".to_owned()));
    assert_eq!(common("link", &record), Some("alice->chat".to_owned()));
}

#[test]
fn every_kind_of_unit_has_its_word() {
    let control = |kind| Unit::WsControl { kind, code: None, reason: None };
    let comment = Unit::SseEvent { name: None, data: None, comment: Some("heartbeat".to_owned()) };
    let data = Unit::SseEvent { name: None, data: Some("{}".to_owned()), comment: None };
    for (unit, word) in [
        (control(FrameKind::Ping), "ws_ping"),
        (control(FrameKind::Pong), "ws_pong"),
        (control(FrameKind::Close), "ws_close"),
        (comment, "sse_comment"),
        (data, "sse_event"),
        (Unit::HttpResponse { status: 504 }, "http_response"),
    ] {
        let record = self::unit(unit);
        for kind in UnitKind::ALL {
            assert_eq!(is(&format!("unit = '{}'", kind.word()), &record), kind.word() == word, "{word}");
        }
    }
    assert!(is("unit = 'http_response'\nwhere = { status = 504 }", &unit(Unit::HttpResponse { status: 504 })));
}

#[test]
fn a_fact_is_known_by_its_key_and_value_and_is_about_its_key() {
    let what = RecordKind::Fact(Fact::new(FactKind::Gauge, "open_jobs").value(3));
    let record = record(Some("chat"), what);
    for (text, is_it) in [
        ("fact = 'gauge'", true),
        ("fact = 'gauge'\nkey = 'open_jobs'\nvalue = '3'\nhost = 'chat'", true),
        ("fact = 'gauge'\nvalue = '!0'", true),
        ("fact = 'gauge'\nvalue = '!3'", false),
        ("fact = 'gauge'\nkey = 'queue'", false),
        ("fact = 'received'", false),
    ] {
        assert_eq!(is(text, &record), is_it, "{text}");
    }
    assert_eq!(common("job_id", &record), Some("open_jobs".to_owned()));
    assert_eq!(common("value", &record), Some("3".to_owned()));
}

#[test]
fn a_connection_is_known_by_its_link_and_end() {
    let what = RecordKind::Connection { id: id(), event: ConnectionEvent::Closed { by: Side::Client } };
    let record = record(None, what);
    assert!(is("connection = 'closed'\nlink = 'alice -> chat'\nat = 'client'", &record));
    assert!(!is("connection = 'closed'\nat = 'server'", &record));
    assert!(!is("connection = 'attempted'", &record));
}

#[test]
fn who_owes_an_occurrence_is_who_does_it() {
    let doer = |text: &str| {
        let occurrence: Occurrence = toml::from_str(text).expect("an occurrence");
        occurrence.doer(Some(&id().link)).map(ToString::to_string)
    };
    assert_eq!(doer("event = 'x'\nhost = 'alice'"), Some("alice".to_owned()));
    assert_eq!(doer("event = 'x'"), None);
    assert_eq!(doer("unit = 'ws_ping'\ndirection = 'to_client'"), Some("chat".to_owned()));
    assert_eq!(doer("unit = 'ws_ping'\nlink = 'bob -> chat'\ndirection = 'to_server'"), Some("bob".to_owned()));
    assert_eq!(doer("unit = 'ws_ping'"), None);
    assert_eq!(doer("connection = 'attempted'"), Some("alice".to_owned()));
    assert_eq!(doer("connection = 'closed'\nat = 'server'"), Some("chat".to_owned()));
    assert_eq!(doer("connection = 'refused'"), None);
    assert_eq!(doer("process = 'started'\nhost = 'alice'"), None);
}

#[test]
fn a_link_that_is_none_is_refused() {
    let error = toml::from_str::<Occurrence>("unit = 'ws_ping'\nlink = 'alice'").expect_err("no link");
    assert!(error.to_string().contains("`alice` is no link"), "{error}");
}

fn is(text: &str, record: &Record) -> bool {
    let occurrence: Occurrence = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let seen = Seen::new(record);
    occurrence.class().is_some_and(|class| Some(class) == seen.class()) && occurrence.matches(&seen)
}

fn common(name: &str, record: &Record) -> Option<String> {
    Seen::new(record).common(name)
}

fn event() -> Record {
    let event = LogEvent {
        level: Level::Info,
        target: "client::session".to_owned(),
        message: "session lost".to_owned(),
        fields: vec![("by".to_owned(), "peer".to_owned())],
    };
    record(Some("alice"), RecordKind::Event(event))
}

fn unit(unit: Unit) -> Record {
    record(None, RecordKind::Unit { connection: id(), direction: Direction::ToClient, unit, arrived: None })
}

fn id() -> ConnectionId {
    ConnectionId { link: Link { client: "alice".into(), server: "chat".into() }, nth: 1 }
}

fn record(host: Option<&str>, what: RecordKind) -> Record {
    Record { at: Duration::from_secs(1), host: host.map(HostName::from), incarnation: Default::default(), what }
}
