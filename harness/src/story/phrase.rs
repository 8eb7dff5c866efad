//! One record in words.

use super::alias::Aliases;
use super::table::Table;
use crate::fact::{Fact, FactKind};
use crate::fault::spelling;
use crate::name::{ConnectionId, Direction, Side};
use crate::trace::{
    ConnectionEvent, FaultEvent, GaveUpOn, Level, LogEvent, ProcessEvent, Record, RecordKind, Seconds, Unit,
};

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
        RecordKind::Unit { connection, direction, unit } => (connection.to_string(), unit_text(unit, *direction)),
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

/// Numbered records, one a row.
pub(super) fn numbered<'a>(records: impl IntoIterator<Item = (usize, &'a Record)>, aliases: &mut Aliases) -> Table {
    let mut table = Table::default();
    for (index, record) in records {
        let Phrase { who, text } = phrase(record, aliases);
        table.row([format!("#{index}"), format!("{:>7}", Seconds(record.at)), who, text]);
    }
    table
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

fn unit_text(unit: &Unit, direction: Direction) -> String {
    let text = match unit {
        Unit::HttpRequest { method, target } => format!("{method} {target}"),
        Unit::HttpResponse { status } => format!("HTTP {status}"),
        Unit::HttpChunk { bytes } => format!("chunk of {bytes} bytes"),
        Unit::WsControl { kind, code, reason } => {
            let mut text = format!("{} frame", spelling(kind));
            text.extend(code.map(|code| format!(" {code}")));
            text.extend(reason.as_ref().filter(|reason| !reason.is_empty()).map(|reason| format!(" {reason:?}")));
            text
        }
        Unit::WsMessage { kind, text, bytes } => match text {
            Some(text) => excerpt(text),
            None => format!("{} message of {bytes} bytes", spelling(kind)),
        },
        Unit::SseEvent { name, data, comment } => {
            let parts = [("event", name), ("data", data), ("comment", comment)];
            let parts: Vec<_> = parts
                .into_iter()
                .filter_map(|(part, text)| text.as_ref().map(|text| format!("{part}: {}", excerpt(text))))
                .collect();
            format!("SSE {}", parts.join(", "))
        }
    };
    format!("{text} {direction}")
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
