//! A run as Trace Event JSON, which Perfetto and Chrome's tracing page open: a process a host, a track a connection, and flows from
//! what was sent to where it arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::name::{ConnectionId, Direction, HostName, Side};
use halfopen::trace::RecordKind;
use serde_json::{Value, json};

use crate::run::Run;
use crate::run::connections::Connections;
use crate::run::rows::{end, unit_label};

/// The process of what belongs to no host, and the track of what belongs to no connection.
const NO_HOST: usize = 0;
const NO_CONNECTION: usize = 0;
/// A unit takes no time where it is sent; a slice must have a length to be seen.
const UNIT_MICROSECONDS: f64 = 1.0;

/// The file's text.
pub(crate) fn of(run: &mut Run<'_>) -> String {
    let connections = Connections::of(run.records);
    let mut tracks = Tracks::default();
    let mut events = Vec::new();
    for index in 0..run.records.len() {
        let record = &run.records[index];
        match &record.what {
            RecordKind::Unit { connection, direction, unit, arrived } => {
                let (name, _) = unit_label(unit);
                let from = if *direction == Direction::ToServer { Side::Client } else { Side::Server };
                let arrival = arrived.map(|at| (from.peer(), at, "f"));
                for (side, at, flow) in [(from, record.at, "s")].into_iter().chain(arrival) {
                    let (pid, tid) = tracks.of(end(connection, side), Some(connection));
                    events.push(json!({
                        "ph": "X", "name": name, "cat": "message", "ts": micros(at), "dur": UNIT_MICROSECONDS, "pid": pid, "tid": tid,
                        "args": { "record": index },
                    }));
                    events.push(json!({
                        "ph": flow, "bp": "e", "name": "message", "cat": "message", "id": index, "ts": micros(at), "pid": pid, "tid": tid,
                    }));
                }
            }
            RecordKind::Fact(_) | RecordKind::Event(_) | RecordKind::Process(_) | RecordKind::BrokenRule { .. } => {
                let (pid, tid) = record.host.as_ref().map_or((NO_HOST, NO_CONNECTION), |host| tracks.of(host, None));
                events.push(instant(run, index, "t", (pid, tid)));
            }
            RecordKind::Fault { .. } => events.push(instant(run, index, "g", (NO_HOST, NO_CONNECTION))),
            RecordKind::Observed { connection, side, .. } => {
                let track = tracks.of(end(connection, *side), Some(connection));
                events.push(instant(run, index, "t", track));
            }
            RecordKind::Connection { id, .. } => {
                let track = tracks.of(&id.link.client, Some(id));
                events.push(instant(run, index, "t", track));
            }
        }
    }
    for (id, connection) in connections.established() {
        for side in [Side::Client, Side::Server] {
            let Some(belief) = connection.belief(side) else { continue };
            let from = run.records[belief.from].at;
            let until = belief.until.map_or(run.outcome.last.at, |until| run.records[until].at);
            let (pid, tid) = tracks.of(end(id, side), Some(id));
            events.push(json!({
                "ph": "X", "name": "believed open", "cat": "connection", "ts": micros(from),
                "dur": micros(until.saturating_sub(from)), "pid": pid, "tid": tid,
            }));
        }
    }
    let mut all = tracks.names();
    all.extend(events);
    let mut text = json!({ "displayTimeUnit": "ms", "traceEvents": all }).to_string();
    text.push('\n');
    text
}

fn instant(run: &mut Run<'_>, index: usize, scope: &str, (pid, tid): (usize, usize)) -> Value {
    let said = run.in_full(index);
    json!({
        "ph": "i", "s": scope, "name": said.text, "cat": run.kind_word(index), "ts": micros(run.records[index].at), "pid": pid,
        "tid": tid, "args": { "record": index },
    })
}

/// Microseconds, in which the format counts.
fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Numbers for hosts and for connections at their ends.
#[derive(Default)]
struct Tracks {
    hosts: Vec<HostName>,
    connections: BTreeMap<(usize, ConnectionId), usize>,
}

impl Tracks {
    fn of(&mut self, host: &HostName, connection: Option<&ConnectionId>) -> (usize, usize) {
        let known = self.hosts.iter().position(|known| known == host);
        let pid = 1 + known.unwrap_or_else(|| {
            self.hosts.push(host.clone());
            self.hosts.len() - 1
        });
        let next = self.connections.len() + 1;
        let tid = connection.map_or(NO_CONNECTION, |id| *self.connections.entry((pid, id.clone())).or_insert(next));
        (pid, tid)
    }

    fn names(&self) -> Vec<Value> {
        let named = |what: &str, pid: usize, tid: usize, name: &str| json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } });
        let mut names = vec![named("process_name", NO_HOST, NO_CONNECTION, "faults")];
        for (place, host) in self.hosts.iter().enumerate() {
            names.push(named("process_name", place + 1, NO_CONNECTION, host.as_str()));
            names.push(named("thread_name", place + 1, NO_CONNECTION, "process"));
        }
        names.extend(self.connections.iter().map(|((pid, id), tid)| named("thread_name", *pid, *tid, &id.to_string())));
        names
    }
}
