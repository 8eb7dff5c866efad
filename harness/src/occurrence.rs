//! What can occur in a run, as laws about time name it: a tracing event, a fact, a unit on the wire, something that happens
//! to a connection, a step of a fault, a change of a process.

use std::cell::OnceCell;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fact::FactKind;
use crate::fault::to_word;
use crate::mapping::{ConnectionMoment, UnitKind, document, is_within};
use crate::name::{ConnectionId, Direction, HostName, Link, Side};
use crate::pattern::{Pattern, pointer, text_at};
use crate::trace::{FaultEvent, ProcessEvent, Record, RecordKind};

/// Records of one kind, by what they say. One of `event`, `fact`, `unit`, `connection`, `fault` and `process` says which
/// kind; the keys beside it say which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occurrence {
    /// A tracing event with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A fact of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<FactKind>,
    /// A protocol unit of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitKind>,
    /// Something that happens to a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionMoment>,
    /// A step of the fault at this place of the plan, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<u32>,
    /// A change of a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessMoment>,
    /// The host of the event, fact or process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The event's target or a module above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the event's fields or the unit say.
    #[serde(default, rename = "where", with = "crate::pattern::written", skip_serializing_if = "Pattern::is_any")]
    pub says: Pattern,
    /// The fact's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The fact's value; `!x` is any value but `x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The link of the unit or connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<WrittenLink>,
    /// Which way the unit travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The end of the connection at which it happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Side>,
    /// Which step of the fault; that it fires, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<FaultStep>,
}

/// A link as files write it: `"alice -> scheduler"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WrittenLink(pub Link);

impl TryFrom<String> for WrittenLink {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Link::parse(&text).map(Self).ok_or_else(|| Link::misspelt(&text))
    }
}

impl From<WrittenLink> for String {
    fn from(WrittenLink(link): WrittenLink) -> Self {
        format!("{} -> {}", link.client, link.server)
    }
}

/// What can happen to a host's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessMoment {
    /// A life of it begins.
    Started,
    /// It is asked to stop.
    StopRequested,
    /// It ends by itself.
    Ended,
    /// A fault kills it.
    Crashed,
    /// A fault cuts its machine's power.
    PowerLost,
}

/// The steps of a fault from which time can be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultStep {
    /// It strikes.
    #[default]
    Fired,
    /// It ends as planned.
    Healed,
}

/// By what records and occurrences are looked up, so that a record is compared with few occurrences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class<'a> {
    Event(&'a str),
    Fact(FactKind),
    Unit(UnitKind),
    Connection(ConnectionMoment),
    Fault(u32, FaultStep),
    Process(ProcessMoment),
}

impl Occurrence {
    /// What it is looked up by; `None` for one that names no kind of record, which the reader of scenarios refuses.
    pub(crate) fn class(&self) -> Option<Class<'_>> {
        let event = self.event.as_deref().map(Class::Event);
        let wire = self.unit.map(Class::Unit).or(self.connection.map(Class::Connection));
        let fault = self.fault.map(|number| Class::Fault(number, self.step.unwrap_or_default()));
        event.or(self.fact.map(Class::Fact)).or(wire).or(fault).or(self.process.map(Class::Process))
    }

    /// Whether a record of its class is one of those that are meant.
    pub(crate) fn matches(&self, seen: &Seen) -> bool {
        let is_here = self.host.is_none() || self.host.as_ref() == seen.record.host.as_ref();
        let on_link = |id: &ConnectionId| self.link.as_ref().is_none_or(|link| link.0 == id.link);
        match &seen.record.what {
            RecordKind::Event(event) => {
                let under = self.target.as_ref().is_none_or(|target| is_within(&event.target, target));
                is_here && under && self.says.holds(|pointer| seen.value(pointer).map(str::to_owned))
            }
            RecordKind::Fact(fact) => {
                let wanted = self.value.as_deref();
                let unwanted = wanted.and_then(|value| value.strip_prefix('!'));
                let valued = match (wanted, unwanted) {
                    (_, Some(unwanted)) => fact.value.as_deref().is_some_and(|value| value != unwanted),
                    (Some(wanted), None) => fact.value.as_deref() == Some(wanted),
                    (None, None) => true,
                };
                is_here && valued && self.key.as_ref().is_none_or(|key| *key == fact.key)
            }
            RecordKind::Unit { connection, direction, .. } => {
                on_link(connection)
                    && self.direction.is_none_or(|wanted| wanted == *direction)
                    && (self.says.is_any() || self.says.matches(seen.document()))
            }
            RecordKind::Connection { id, event } => {
                let side = ConnectionMoment::of(event).map(|(_, side)| side);
                on_link(id) && self.at.is_none_or(|at| Some(at) == side)
            }
            RecordKind::Process(_) => is_here,
            RecordKind::Fault { .. } => true,
            RecordKind::Observed { .. } | RecordKind::BrokenRule { .. } => false,
        }
    }

    /// Whose deed it is, as far as it says: a host that has ended owes it no longer. `on` is the link that is known from
    /// elsewhere when it names none.
    pub(crate) fn doer<'a>(&'a self, on: Option<&'a Link>) -> Option<&'a HostName> {
        let link = self.link.as_ref().map(|link| &link.0).or(on);
        let end = |side: Side| link.map(|link| if side == Side::Client { &link.client } else { &link.server });
        if self.process.is_some() {
            return None;
        }
        if self.unit.is_some() {
            return self
                .direction
                .and_then(|direction| end(if direction == Direction::ToServer { Side::Client } else { Side::Server }));
        }
        match self.connection {
            Some(ConnectionMoment::Attempted | ConnectionMoment::Established) => end(Side::Client),
            Some(ConnectionMoment::Closed | ConnectionMoment::GivenUp) => self.at.and_then(end),
            Some(
                ConnectionMoment::Refused
                | ConnectionMoment::TimedOut
                | ConnectionMoment::Finished
                | ConnectionMoment::Reset,
            ) => None,
            None => self.host.as_ref(),
        }
    }
}

/// A record that is compared with several occurrences: what its unit says is read once, and only when it is asked for.
pub(crate) struct Seen<'a> {
    pub(crate) record: &'a Record,
    document: OnceCell<Value>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(record: &'a Record) -> Self {
        Self { record, document: OnceCell::new() }
    }

    /// What the record is looked up by.
    pub(crate) fn class(&self) -> Option<Class<'a>> {
        match &self.record.what {
            RecordKind::Event(event) => Some(Class::Event(&event.message)),
            RecordKind::Fact(fact) => Some(Class::Fact(fact.kind)),
            RecordKind::Unit { unit, .. } => UnitKind::of(unit).map(Class::Unit),
            RecordKind::Connection { event, .. } => {
                ConnectionMoment::of(event).map(|(moment, _)| Class::Connection(moment))
            }
            RecordKind::Fault { fault, event } => {
                let step = match event {
                    FaultEvent::Fired { .. } => FaultStep::Fired,
                    FaultEvent::Healed => FaultStep::Healed,
                    FaultEvent::FirstPacket { .. } | FaultEvent::FirstOutcome { .. } => return None,
                };
                Some(Class::Fault(fault.0, step))
            }
            RecordKind::Process(event) => ProcessMoment::of(event).map(Class::Process),
            RecordKind::Observed { .. } | RecordKind::BrokenRule { .. } => None,
        }
    }

    /// What the unit says.
    fn document(&self) -> &Value {
        self.document.get_or_init(|| match &self.record.what {
            RecordKind::Unit { unit, .. } => document(unit),
            RecordKind::Connection { .. }
            | RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Fact(_)
            | RecordKind::Event(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => Value::Null,
        })
    }

    /// A field of an event, by its pointer or name.
    fn value(&self, place: &str) -> Option<&'a str> {
        let RecordKind::Event(event) = &self.record.what else { return None };
        event.field(place.strip_prefix('/').unwrap_or(place))
    }

    /// The connection on which it happened.
    pub(crate) fn connection(&self) -> Option<&'a ConnectionId> {
        self.record.what.connection()
    }

    /// What two occurrences have in common when they are about one thing: the connection, the link or the host that the
    /// record is about, a field of an event, a place in what a unit says, the key of a fact or (`value`) its value.
    pub(crate) fn common(&self, name: &str) -> Option<String> {
        match (name, &self.record.what) {
            ("connection", _) => self.connection().map(ToString::to_string),
            ("link", _) => self.connection().map(|id| id.link.to_string()),
            ("host", RecordKind::Event(_) | RecordKind::Fact(_) | RecordKind::Process(_)) => {
                self.record.host.as_ref().map(ToString::to_string)
            }
            ("value", RecordKind::Fact(fact)) => fact.value.clone(),
            (_, RecordKind::Fact(fact)) => Some(fact.key.clone()),
            (name, RecordKind::Event(_)) => self.value(name).map(str::to_owned),
            (name, RecordKind::Unit { .. }) => text_at(self.document(), &pointer(name)),
            (
                _,
                RecordKind::Connection { .. }
                | RecordKind::Fault { .. }
                | RecordKind::Process(_)
                | RecordKind::Observed { .. }
                | RecordKind::BrokenRule { .. },
            ) => None,
        }
    }
}

impl ProcessMoment {
    fn of(event: &ProcessEvent) -> Option<Self> {
        match event {
            ProcessEvent::Started => Some(Self::Started),
            ProcessEvent::StopRequested => Some(Self::StopRequested),
            ProcessEvent::Exited { .. } => Some(Self::Ended),
            ProcessEvent::Crashed => Some(Self::Crashed),
            ProcessEvent::PowerLost => Some(Self::PowerLost),
            ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. } => None,
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Started => "the start",
            Self::StopRequested => "the request to stop",
            Self::Ended => "the end",
            Self::Crashed => "the crash",
            Self::PowerLost => "the power loss",
        }
    }
}

/// As sentences name it: the event `session lost` of alice, a ws_ping to_server on alice->scheduler.
impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.host.as_ref().map_or(String::new(), |host| format!(" of {host}"));
        let on = self.link.as_ref().map_or(String::new(), |link| format!(" on {}", link.0));
        let with = if self.says.is_any() { String::new() } else { format!(" with {}", self.says) };
        match self.class() {
            Some(Class::Event(message)) => write!(f, "`{message}`{of}{with}"),
            Some(Class::Fact(kind)) => {
                let key = self.key.as_ref().map_or(String::new(), |key| format!(" {key}"));
                let value = self.value.as_ref().map_or(String::new(), |value| format!("={value}"));
                write!(f, "{}{key}{value}{of}", to_word(&kind))
            }
            Some(Class::Unit(unit)) => {
                let way = self.direction.map_or(String::new(), |direction| format!(" {direction}"));
                write!(f, "{}{way}{on}{with}", unit.word())
            }
            Some(Class::Connection(moment)) => {
                let at = self.at.map_or(String::new(), |at| format!(" at the {at}"));
                write!(f, "{}{at}{on}", moment.word())
            }
            Some(Class::Fault(number, FaultStep::Fired)) => write!(f, "the firing of fault {number}"),
            Some(Class::Fault(number, FaultStep::Healed)) => write!(f, "the healing of fault {number}"),
            Some(Class::Process(moment)) => write!(f, "{}{of}", moment.phrase()),
            None => f.write_str("nothing"),
        }
    }
}

#[cfg(test)]
mod tests;
