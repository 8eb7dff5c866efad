//! What each end of a connection believed about it.

use std::collections::{BTreeMap, BTreeSet};

use halfopen::name::{ConnectionId, HostName, Side};
use halfopen::trace::{ConnectionEvent, FaultEvent, ProcessEvent, Record, RecordKind};

/// What is known of the connections of a run.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    known: BTreeMap<ConnectionId, Connection>,
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// The record in which it was established.
    pub(crate) established: Option<usize>,
    /// The record in which an end learnt that it is over, by its side.
    ends: [Option<usize>; 2],
    /// The record in which a fault began to keep its packets back.
    pub(crate) silent: Option<usize>,
}

/// What one end believed: that the connection lives, from one record to another; without an end, to the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Belief {
    pub(crate) from: usize,
    pub(crate) until: Option<usize>,
    /// From when on it was mistaken, because the other end knew better or no packet got through.
    pub(crate) mistaken: Option<usize>,
}

/// Verbs that take a connection away without a word to either end.
const SILENT: [&str; 3] = ["half_open", "partition", "freeze"];

impl Connections {
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut all = Self::default();
        for (index, record) in records.iter().enumerate() {
            match &record.what {
                RecordKind::Connection { id, event } => all.event(id, event, index),
                RecordKind::Observed { connection, side, call, .. } if call != "connect" => {
                    all.ended(connection, *side, index)
                }
                RecordKind::Fault { event: FaultEvent::Fired { on, verb }, .. } => all.fired(on, verb, index),
                RecordKind::Process(event) => {
                    if let (true, Some(host)) = (is_death(event), &record.host) {
                        all.died(host, index);
                    }
                }
                RecordKind::Observed { .. }
                | RecordKind::Unit { .. }
                | RecordKind::Fault { .. }
                | RecordKind::Fact(_)
                | RecordKind::Event(_)
                | RecordKind::BrokenRule { .. } => {}
            }
        }
        all
    }

    fn event(&mut self, id: &ConnectionId, event: &ConnectionEvent, index: usize) {
        match event {
            ConnectionEvent::Established => self.entry(id).established = Some(index),
            ConnectionEvent::Rst { to: side, .. }
            | ConnectionEvent::GaveUp { by: side, .. }
            | ConnectionEvent::Closed { by: side } => self.ended(id, *side, index),
            ConnectionEvent::Forgotten => {
                self.entry(id).silent.get_or_insert(index);
            }
            ConnectionEvent::Attempted
            | ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::Fin { .. } => {}
        }
    }

    fn entry(&mut self, id: &ConnectionId) -> &mut Connection {
        self.known.entry(id.clone()).or_default()
    }

    fn ended(&mut self, id: &ConnectionId, side: Side, index: usize) {
        let connection = self.entry(id);
        if connection.established.is_some() {
            connection.ends[place(side)].get_or_insert(index);
        }
    }

    /// A fault that strikes a connection by name, or everything of a host.
    fn fired(&mut self, on: &str, verb: &str, index: usize) {
        if !SILENT.iter().any(|silent| verb.starts_with(silent)) {
            return;
        }
        for (id, connection) in &mut self.known {
            let named = id.to_string() == on;
            let struck = [&id.link.client, &id.link.server].map(|host| names(on, host));
            let of_host = if on.starts_with("host ") { struck.contains(&true) } else { struck == [true, true] };
            if named || (of_host && !on.contains("->")) {
                connection.silent.get_or_insert(index);
            }
        }
    }

    fn died(&mut self, host: &HostName, index: usize) {
        for (id, connection) in &mut self.known {
            for (side, end) in [(Side::Client, &id.link.client), (Side::Server, &id.link.server)] {
                if end == host && connection.established.is_some() {
                    connection.ends[place(side)].get_or_insert(index);
                }
            }
        }
    }

    /// The hosts that a fault's place in words names.
    pub(crate) fn hosts_named(&self, on: &str) -> Vec<HostName> {
        let hosts: BTreeSet<_> = self.known.keys().flat_map(|id| [&id.link.client, &id.link.server]).collect();
        hosts.into_iter().filter(|host| names(on, host)).cloned().collect()
    }

    /// The records in which ends learnt that a connection is over about which they had been mistaken.
    pub(crate) fn ends_of_mistakes(&self) -> Vec<usize> {
        let silent = self.known.values().filter(|connection| connection.silent.is_some());
        silent.flat_map(|connection| connection.ends.into_iter().flatten()).collect()
    }

    /// Those that were established, in the order of their names.
    pub(crate) fn established(&self) -> impl Iterator<Item = (&ConnectionId, &Connection)> {
        self.known.iter().filter(|(_, connection)| connection.established.is_some())
    }
}

impl Connection {
    /// What an end believed.
    pub(crate) fn belief(&self, side: Side) -> Option<Belief> {
        let from = self.established?;
        let until = self.ends[place(side)];
        let since = [self.ends[place(side.peer())], self.silent].into_iter().flatten().min();
        let mistaken = since.filter(|since| until.is_none_or(|until| *since < until));
        Some(Belief { from, until, mistaken: mistaken.map(|since| since.max(from)) })
    }
}

fn place(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

fn is_death(event: &ProcessEvent) -> bool {
    match event {
        ProcessEvent::Crashed | ProcessEvent::PowerLost | ProcessEvent::Exited { .. } => true,
        ProcessEvent::Started
        | ProcessEvent::Panicked { .. }
        | ProcessEvent::StopRequested
        | ProcessEvent::Survivors { .. } => false,
    }
}

/// Whether a place in words (`host scheduler`, `between a and b`) names a host.
fn names(on: &str, host: &HostName) -> bool {
    on.replace("->", " ")
        .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')
        .any(|word| word == host.as_str())
}
