//! The records of the scene as shapes: an arrow, a dot on a lane, a band across.

use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, Level, ProcessEvent, Record, RecordKind, Unit};
use serde_json::Value;

use super::connections::Connections;
use super::{Run, lost};
use crate::text::visible;

/// One row of the scene.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The record's place.
    pub(crate) record: usize,
    pub(crate) at: Duration,
    pub(crate) shape: Shape,
    /// In a few words.
    pub(crate) label: String,
    pub(crate) tone: Tone,
    /// Whether it proves that a law was broken.
    pub(crate) proves: bool,
    /// Whether it speaks of the key of the broken law.
    pub(crate) of_key: bool,
}

/// How a row is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Something travels from one host to another, and arrives then.
    Arrow { from: HostName, to: HostName, arrives: Duration, dashed: bool },
    /// Both ends of a connection, at once.
    Both { one: HostName, other: HostName },
    /// An attempt that came to nothing.
    InVain { from: HostName, to: HostName },
    /// Something happens on a host.
    Dot { on: HostName },
    /// A fault strikes: across the lanes of these hosts, or across all when there are none.
    Band { hosts: Vec<HostName> },
}

/// What a row is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// A fact that a law reads.
    Fact,
    /// It ends something, or is an error.
    Bad,
    /// Of little weight.
    Quiet,
    /// A fault, or what it forged.
    Fault,
}

/// A row for each of these records.
pub(crate) fn of(run: &mut Run<'_>, connections: &Connections, records: &[usize]) -> Vec<Row> {
    records.iter().filter_map(|index| row(run, connections, *index)).collect()
}

fn row(run: &mut Run<'_>, connections: &Connections, index: usize) -> Option<Row> {
    let record = &run.records[index];
    let (shape, label, tone) = drawn(run, connections, record, index)?;
    let proves = run.proofs.contains(&index);
    let of_key = run.speaks_of_key(index);
    Some(Row { record: index, at: record.at, shape, label: run.shorten(&label), tone, proves, of_key })
}

fn drawn(run: &mut Run<'_>, connections: &Connections, record: &Record, index: usize) -> Option<(Shape, String, Tone)> {
    let dot = |tone, label: String| record.host.clone().map(|on| (Shape::Dot { on }, label, tone));
    match &record.what {
        RecordKind::Unit { connection, direction, unit, arrived } => {
            let (from, to) = ends(connection, *direction);
            let (label, tone) = unit_label(unit);
            Some(match arrived {
                Some(arrives) => (Shape::Arrow { from, to, arrives: *arrives, dashed: false }, label, tone),
                None => (Shape::InVain { from, to }, format!("{label} (never arrives)"), tone),
            })
        }
        RecordKind::Connection { id, event } => Some(of_connection(id, event, record.at)),
        RecordKind::Fault { fault, event } => match event {
            FaultEvent::Fired { on, verb } => {
                let hosts = connections.hosts_named(on);
                Some((Shape::Band { hosts }, format!("⚡ fault {}: {verb}", fault.0 + 1), Tone::Fault))
            }
            FaultEvent::Healed => {
                Some((Shape::Band { hosts: Vec::new() }, format!("fault {} is over", fault.0 + 1), Tone::Quiet))
            }
            FaultEvent::FirstPacket { packet } => lost::of(run.records, *fault, packet)
                .map(|lost| (Shape::InVain { from: lost.from, to: lost.to }, lost.label, Tone::Fault)),
            FaultEvent::FirstOutcome { .. } => None,
        },
        RecordKind::Process(event) => {
            let tone = match event {
                ProcessEvent::Started | ProcessEvent::StopRequested | ProcessEvent::Exited { error: None } => {
                    Tone::Quiet
                }
                ProcessEvent::Exited { error: Some(_) }
                | ProcessEvent::Panicked { .. }
                | ProcessEvent::Crashed
                | ProcessEvent::PowerLost
                | ProcessEvent::Survivors { .. } => Tone::Bad,
            };
            dot(tone, run.brief(index).text)
        }
        RecordKind::Fact(_) => dot(Tone::Fact, run.brief(index).text),
        RecordKind::Event(event) => {
            let tone = if event.level == Level::Error { Tone::Bad } else { Tone::Quiet };
            dot(tone, run.brief(index).text)
        }
        RecordKind::Observed { connection, side, call, outcome } => {
            let on = end(connection, *side).clone();
            let tone = if outcome == "eof" { Tone::Quiet } else { Tone::Bad };
            Some((Shape::Dot { on }, format!("{call}: {outcome}"), tone))
        }
        RecordKind::BrokenRule { rule, detail } => {
            let label = format!("rule {rule}: {detail}");
            Some(match &record.host {
                Some(host) => (Shape::Dot { on: host.clone() }, label, Tone::Bad),
                None => (Shape::Band { hosts: Vec::new() }, label, Tone::Bad),
            })
        }
    }
}

fn of_connection(id: &ConnectionId, event: &ConnectionEvent, at: Duration) -> (Shape, String, Tone) {
    let (client, server) = (id.link.client.clone(), id.link.server.clone());
    let arrow = |direction, forged: bool, label: &str| {
        let (from, to) = ends(id, direction);
        let tone = match (forged, label) {
            (true, _) => Tone::Fault,
            (false, "RST") => Tone::Bad,
            (false, _) => Tone::Quiet,
        };
        let label = if forged { format!("⚡ {label}") } else { label.to_owned() };
        // The record is of the arrival.
        let shape = Shape::Arrow { from, to, arrives: at, dashed: true };
        (shape, label, tone)
    };
    match event {
        ConnectionEvent::Attempted => {
            (Shape::Both { one: client, other: server }, format!("connect #{}", id.nth), Tone::Quiet)
        }
        ConnectionEvent::Established => {
            (Shape::Both { one: client, other: server }, format!("connected (#{})", id.nth), Tone::Plain)
        }
        ConnectionEvent::Refused => {
            (Shape::InVain { from: client, to: server }, format!("connect #{} refused", id.nth), Tone::Bad)
        }
        ConnectionEvent::TimedOut => {
            (Shape::InVain { from: client, to: server }, format!("connect #{} timed out", id.nth), Tone::Bad)
        }
        ConnectionEvent::Forgotten => {
            (Shape::Both { one: client, other: server }, "the middlebox forgets it".to_owned(), Tone::Fault)
        }
        ConnectionEvent::Fin { by, forged } => arrow(by.sends(), *forged, "FIN"),
        ConnectionEvent::Rst { to, forged } => arrow(to.peer().sends(), *forged, "RST"),
        ConnectionEvent::GaveUp { by, .. } => {
            (Shape::Dot { on: end(id, *by).clone() }, "its kernel gives the connection up".to_owned(), Tone::Bad)
        }
        ConnectionEvent::Closed { by } => {
            (Shape::Dot { on: end(id, *by).clone() }, format!("closed its socket (#{})", id.nth), Tone::Quiet)
        }
    }
}

/// The hosts between which something goes this way.
fn ends(connection: &ConnectionId, direction: Direction) -> (HostName, HostName) {
    let link = &connection.link;
    match direction {
        Direction::ToServer => (link.client.clone(), link.server.clone()),
        Direction::ToClient => (link.server.clone(), link.client.clone()),
    }
}

pub(crate) fn end(connection: &ConnectionId, side: Side) -> &HostName {
    match side {
        Side::Client => &connection.link.client,
        Side::Server => &connection.link.server,
    }
}

/// A unit in two or three words.
pub(crate) fn unit_label(unit: &Unit) -> (String, Tone) {
    let told = |label: String| (label, Tone::Plain);
    match unit {
        Unit::HttpRequest { method, target } => told(format!("{method} {target}")),
        Unit::HttpResponse { status } => told(format!("{status}")),
        Unit::HttpChunk { bytes } => (format!("chunk, {bytes} bytes"), Tone::Quiet),
        Unit::WsControl { kind, code, reason } => match kind {
            FrameKind::Ping => ("ping".to_owned(), Tone::Quiet),
            FrameKind::Pong => ("pong".to_owned(), Tone::Quiet),
            FrameKind::Close | FrameKind::Continuation | FrameKind::Text | FrameKind::Binary => {
                let code = code.map(|code| format!(" {code}")).unwrap_or_default();
                let reason = reason.as_deref().filter(|reason| !reason.is_empty());
                (format!("close{code}{}", reason.map(|reason| format!(" {reason:?}")).unwrap_or_default()), Tone::Bad)
            }
        },
        Unit::WsMessage { text, bytes, .. } => told(match text {
            Some(text) => message(text),
            None => format!("{bytes} bytes"),
        }),
        Unit::SseEvent { name, data, comment } => match (name, data, comment) {
            (None, None, Some(comment)) => (format!(": {comment}"), Tone::Quiet),
            (name, Some(data), _) => {
                let data = message(data);
                told(name.as_ref().map_or(format!("data: {data}"), |name| format!("{name}: {data}")))
            }
            (name, None, _) => told(format!("event {}", name.as_deref().unwrap_or_default())),
        },
    }
}

/// The type of a message, or its text.
fn message(text: &str) -> String {
    let object = serde_json::from_str::<Value>(text).ok();
    let kind = object.as_ref().and_then(|value| {
        let word = value.get("type").and_then(Value::as_str).map(str::to_owned);
        // What a model streams: the word that it adds.
        let delta = value.pointer("/choices/0/delta/content").and_then(Value::as_str).map(|word| format!("{word:?}"));
        word.or(delta)
    });
    kind.unwrap_or_else(|| visible(text))
}
