use super::*;
use crate::check::trace_builder::{TraceBuilder, connection};
use crate::trace::Level;

fn unit(run: TraceBuilder, ms: u64, direction: Direction, unit: Unit) -> TraceBuilder {
    let connection = connection("alice", "chat", 1);
    run.record(ms, None, RecordKind::Unit { connection, direction, unit, arrived: None })
}

fn text(says: &str) -> Unit {
    Unit::WsMessage { kind: FrameKind::Text, text: Some(says.to_owned()), bytes: says.len() as u64 }
}

fn course(run: &TraceBuilder) -> Course {
    Course::of(&run.records, run.last.at)
}

#[test]
fn units_are_numbered_as_triggers_count_them() {
    let ping = || Unit::WsControl { kind: FrameKind::Ping, code: None, reason: None };
    let run = TraceBuilder::new().connection(1, "alice", "chat", 1, ConnectionEvent::Attempted);
    let run =
        unit(run, 10, Direction::ToServer, Unit::HttpRequest { method: "GET".to_owned(), target: "/ws".to_owned() });
    let run = unit(run, 12, Direction::ToClient, Unit::HttpResponse { status: 101 });
    let run = unit(run, 20, Direction::ToServer, text(r#"{"type":"hello"}"#));
    let run = unit(run, 30, Direction::ToServer, ping());
    let run = unit(run, 40, Direction::ToServer, text("plain"));
    let run = unit(run, 41, Direction::ToClient, text("plain"));
    let course = course(&run);
    let told: Vec<_> = course.units.iter().map(|unit| format!("{} {unit}", unit.direction)).collect();
    assert_eq!(
        told,
        [
            "to_server head 1 GET /ws",
            "to_client head 1 101",
            "to_server message 1 hello",
            "to_server ping 1",
            "to_server message 2",
            "to_client message 1",
        ]
    );
    assert_eq!(course.units[4].trigger(Edge::Before), Trigger::message(2, Direction::ToServer, Edge::Before));
    assert_eq!((course.attempts.len(), course.legs()), (1, 2));
}

#[test]
fn what_no_trigger_counts_is_no_point() {
    let comment = Unit::SseEvent { name: None, data: None, comment: Some("beat".to_owned()) };
    let event = Unit::SseEvent { name: None, data: Some("[DONE]".to_owned()), comment: None };
    let run = unit(TraceBuilder::new(), 1, Direction::ToClient, comment);
    let run = unit(run, 2, Direction::ToClient, Unit::HttpChunk { bytes: 9 });
    let run = unit(run, 2, Direction::ToClient, event);
    let run = unit(run, 3, Direction::ToClient, Unit::HttpChunk { bytes: 0 });
    let told: Vec<_> = course(&run).units.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["chunk 1", "event 1 [DONE]"]);
}

#[test]
fn inside_a_unit_a_reader_lacks_its_length_its_payload_or_its_end() {
    let edges = |direction, what: Unit| {
        let course = course(&unit(TraceBuilder::new(), 1, direction, what));
        course.units[0].edges().into_iter().map(|edge| format!("{edge:?}")).collect::<Vec<_>>().join(" ")
    };
    // 2 bytes of header, 5 of payload.
    assert_eq!(edges(Direction::ToClient, text("plain")), "Before Inside(1) Inside(2) Inside(6) After");
    // The mask has 4 more.
    assert_eq!(edges(Direction::ToServer, text("plain")), "Before Inside(1) Inside(6) Inside(10) After");
    let long = "x".repeat(200);
    assert_eq!(edges(Direction::ToClient, text(&long)), "Before Inside(1) Inside(4) Inside(203) After");
    // `data: x`, a line end and an empty line.
    let event = Unit::SseEvent { name: None, data: Some("x".to_owned()), comment: None };
    assert_eq!(edges(Direction::ToClient, event), "Before Inside(1) Inside(8) After");
    assert_eq!(edges(Direction::ToClient, Unit::HttpChunk { bytes: 1 }), "Before After");
}

#[test]
fn the_events_of_one_instant_are_one_moment_with_the_rarest_name() {
    let run = TraceBuilder::new()
        .event(1, "chat", Level::Info, "gauge")
        .event(1, "chat", Level::Info, "up")
        .event(5, "chat", Level::Info, "gauge")
        .event(5, "alice", Level::Info, "ready")
        .event(5, "chat", Level::Info, "session ready");
    let told: Vec<_> =
        course(&run).moments.iter().map(|of| format!("{:?} {} {} {}", of.at, of.host, of.message, of.n)).collect();
    assert_eq!(told, ["1ms chat gauge 1", "5ms chat session ready 1", "5ms alice ready 1"]);
    assert_eq!(course(&run).moments[1].trigger().to_string(), "at event \"session ready\" of chat");
}

#[test]
fn what_comes_after_the_judgement_is_the_stopping_of_the_hosts() {
    let run = unit(TraceBuilder::new(), 10, Direction::ToClient, text("a"));
    let run = unit(run, 2000, Direction::ToClient, text("b")).ending(1000);
    assert_eq!(course(&run).units.len(), 1);
}
