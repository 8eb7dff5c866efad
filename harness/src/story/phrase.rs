//! One record in words.

use serde_json::Value;

use super::alias::Aliases;
use crate::fact::{Fact, FactKind};
use crate::fault::to_word;
use crate::name::{ConnectionId, Direction, Side};
use crate::trace::{ConnectionEvent, FaultEvent, GaveUpOn, Level, LogEvent, ProcessEvent, Record, RecordKind, Unit};

/// Who a record is about, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Phrase {
    pub(super) who: String,
    pub(super) text: String,
}

/// A record in words, as it is: with its exact time and the ids that were made at random. For telling two runs apart.
pub(crate) fn exactly(record: &Record) -> String {
    let Phrase { who, text } = verbatim(record);
    format!("{} {who}: {text}", humantime::format_duration(record.at))
}

/// A record in words, with ids shortened and no address.
pub(super) fn phrase(record: &Record, aliases: &mut Aliases) -> Phrase {
    let Phrase { who, text } = verbatim(record);
    Phrase { who, text: aliases.shorten(&text) }
}

fn verbatim(record: &Record) -> Phrase {
    let host = || record.host.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let (who, text) = match &record.what {
        RecordKind::Connection { id, event } => (id.to_string(), connection(id, event)),
        RecordKind::Unit { connection, direction, unit, .. } => {
            (connection.to_string(), format!("{} {direction}", unit_text(unit)))
        }
        RecordKind::Fault { fault, event } => (format!("fault {}", fault.0 + 1), fault_text(event)),
        RecordKind::Process(event) => (host(), process(event)),
        RecordKind::Fact(fact) => (host(), fact_text(fact)),
        RecordKind::Event(event) => (host(), event_text(event)),
        RecordKind::Observed { connection, side, call, outcome } => {
            let observer = end(connection, *side);
            (observer.to_owned(), format!("saw {outcome} from {call} on {connection}"))
        }
        RecordKind::BrokenRule { rule, detail } => (host(), format!("VIOLATION {rule}: {detail}")),
    };
    Phrase { who, text }
}

/// A record in words, with the fields of a log line and the fields of a message. Ids are shortened, and what else is long and random.
pub(super) fn in_full(record: &Record, aliases: &mut Aliases) -> Phrase {
    match &record.what {
        RecordKind::Event(event) => {
            let Phrase { who, mut text } = verbatim(record);
            for (name, value) in &event.fields {
                text.push_str(&format!(" {name}={}", field(value)));
            }
            Phrase { who, text: aliases.shorten(&text) }
        }
        RecordKind::Unit { connection, direction, unit, .. } => {
            let text = format!("to {}: {}", end(connection, receiver(*direction)), unit_in_full(unit));
            Phrase { who: connection.to_string(), text: aliases.shorten(&text) }
        }
        RecordKind::Connection { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Fact(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => phrase(record, aliases),
    }
}

fn unit_in_full(unit: &Unit) -> String {
    match unit {
        Unit::WsMessage { text: Some(text), .. } => message(text),
        Unit::SseEvent { name: None, data: Some(data), comment: None } => format!("SSE {}", message(data)),
        Unit::WsMessage { .. }
        | Unit::SseEvent { .. }
        | Unit::HttpRequest { .. }
        | Unit::HttpResponse { .. }
        | Unit::HttpChunk { .. }
        | Unit::WsControl { .. } => unit_text(unit),
    }
}

/// A message: its type and its fields, when it is an object with a type, or else as it is.
fn message(text: &str) -> String {
    let object = serde_json::from_str::<Value>(text).ok().and_then(|value| match value {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    });
    let Some(mut object) = object else { return text.escape_debug().to_string() };
    let Some(Value::String(kind)) = object.remove("type") else { return text.escape_debug().to_string() };
    let fields = object.iter().map(|(name, value)| match value {
        Value::String(value) => format!(" {name}={}", field(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!(" {name}={value}")
        }
    });
    kind.escape_debug().chain(fields.flat_map(|field| field.chars().collect::<Vec<_>>())).collect()
}

/// A value as it is, in quotes where it would not be seen where it ends; of a long random number only its beginning.
fn field(value: &str) -> String {
    const SHOWN_DIGITS: usize = 6;
    const LONGEST: usize = 12;
    if value.len() > LONGEST && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("{}..", &value[..SHOWN_DIGITS]);
    }
    if value.is_empty() || value.contains(char::is_whitespace) {
        format!("{value:?}")
    } else {
        value.escape_debug().to_string()
    }
}

/// What a kind of fact says of its key.
pub(super) fn fact_word(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Offered => "offered",
        FactKind::Accepted => "accepted",
        FactKind::ClaimedDelivered => "claimed delivered",
        FactKind::ClaimedFailed => "claimed failed",
        FactKind::Received => "received",
        FactKind::Refused => "refused",
        FactKind::Outcome => "outcome of",
        FactKind::Detected => "noticed the loss of",
        FactKind::Recovered => "back in service:",
        FactKind::Retried => "retried",
        FactKind::StreamOpened => "opened stream",
        FactKind::StreamProduced => "produced an event of",
        FactKind::StreamEvent => "got an event of",
        FactKind::StreamTerminator => "got the terminator of",
        FactKind::StreamError => "got an error of",
        FactKind::StreamEnded => "saw the end of",
        FactKind::StreamLeft => "left stream",
        FactKind::StreamCancelled => "was told to stop",
        FactKind::Gauge => "gauge",
    }
}

fn receiver(direction: Direction) -> Side {
    match direction {
        Direction::ToServer => Side::Server,
        Direction::ToClient => Side::Client,
    }
}

/// The host at an end of a connection.
fn end(connection: &ConnectionId, side: Side) -> &str {
    match side {
        Side::Client => connection.link.client.as_str(),
        Side::Server => connection.link.server.as_str(),
    }
}

fn connection(id: &ConnectionId, event: &ConnectionEvent) -> String {
    let forged_word = |forged: &bool| if *forged { "forged " } else { "" };
    match event {
        ConnectionEvent::Attempted => "attempted".to_owned(),
        ConnectionEvent::Established => "established".to_owned(),
        ConnectionEvent::Refused => "refused".to_owned(),
        ConnectionEvent::TimedOut => "timed out".to_owned(),
        ConnectionEvent::Forgotten => "forgotten by the middlebox".to_owned(),
        ConnectionEvent::Fin { by, forged } => format!("{}FIN from {}", forged_word(forged), end(id, *by)),
        ConnectionEvent::Rst { to, forged } => format!("{}RST to {}", forged_word(forged), end(id, *to)),
        ConnectionEvent::GaveUp { by, why } => {
            let vain = match why {
                GaveUpOn::Retransmission => "retransmission was never acknowledged",
                GaveUpOn::UserTimeout => "nothing was acknowledged within TCP_USER_TIMEOUT",
                GaveUpOn::Keepalive => "keepalive was never answered",
            };
            format!("given up by {}: {vain}", end(id, *by))
        }
        ConnectionEvent::Closed { by } => format!("closed by {}", end(id, *by)),
    }
}

fn unit_text(unit: &Unit) -> String {
    match unit {
        Unit::HttpRequest { method, target } => format!("{method} {target}"),
        Unit::HttpResponse { status } => format!("HTTP {status}"),
        Unit::HttpChunk { bytes } => format!("chunk of {bytes} bytes"),
        Unit::WsControl { kind, code, reason } => {
            let mut text = format!("{} frame", to_word(kind));
            text.extend(code.map(|code| format!(" {code}")));
            text.extend(reason.as_ref().filter(|reason| !reason.is_empty()).map(|reason| format!(" {reason:?}")));
            text
        }
        Unit::WsMessage { kind, text, bytes } => match text {
            Some(text) => excerpt(text),
            None => format!("{} message of {bytes} bytes", to_word(kind)),
        },
        Unit::SseEvent { name, data, comment } => {
            let parts = [("event", name), ("data", data), ("comment", comment)];
            let parts: Vec<_> = parts
                .into_iter()
                .filter_map(|(part, text)| text.as_ref().map(|text| format!("{part}: {}", excerpt(text))))
                .collect();
            format!("SSE {}", parts.join(", "))
        }
    }
}

/// The start of a payload: enough to recognise it, short enough for a line.
fn excerpt(text: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = text.escape_debug().to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

fn fault_text(event: &FaultEvent) -> String {
    match event {
        FaultEvent::Fired { on, verb } => format!("FIRED {verb} on {on}"),
        FaultEvent::FirstPacket { packet } => format!("changed {packet}"),
        FaultEvent::FirstOutcome { observer, outcome } => format!("felt by {observer}: {outcome}"),
        FaultEvent::Healed => "healed".to_owned(),
    }
}

fn process(event: &ProcessEvent) -> String {
    match event {
        ProcessEvent::Started => "started".to_owned(),
        ProcessEvent::Exited { error: None } => "ended".to_owned(),
        ProcessEvent::Exited { error: Some(error) } => format!("ended with an error: {error}"),
        ProcessEvent::Panicked { message, root } => {
            format!("PANIC in {}: {message}", if *root { "the root task" } else { "a task" })
        }
        ProcessEvent::Crashed => "crashed".to_owned(),
        ProcessEvent::PowerLost => "lost power".to_owned(),
        ProcessEvent::StopRequested => "asked to stop".to_owned(),
        ProcessEvent::Survivors { tasks } => format!("outlived by {tasks} tasks"),
    }
}

fn fact_text(fact: &Fact) -> String {
    let mut text = format!("{} {}", fact_word(fact.kind), fact.key);
    text.extend(fact.from.as_ref().map(|from| format!(" from {from}")));
    text.extend(fact.to.as_ref().map(|to| format!(" for {to}")));
    text.extend(fact.value.as_ref().map(|value| format!(": {value}")));
    text
}

fn event_text(event: &LogEvent) -> String {
    let level = match event.level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    format!("{level} {}", event.message)
}
