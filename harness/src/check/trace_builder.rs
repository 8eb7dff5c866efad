//! Runs made by hand, for the tests of what reads them.

use std::time::Duration;

use super::{Check, Evidence};
use crate::fact::{Fact, FactKind};
use crate::fault::{Act, Fault, FaultIndex, Place, Target, Trigger, Verb};
use crate::mapping::{EventOrigin, FactSource, Origin};
use crate::name::{ConnectionId, HostName, Incarnation, Link, Side};
use crate::story;
use crate::trace::{
    ConnectionEvent, FaultEvent, FinalState, Level, LogEvent, Pending, ProcessEvent, Record, RecordKind, RunEnd,
    SocketRow, Unfired,
};

/// A run in the making; times are in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct TraceBuilder {
    pub(crate) records: Vec<Record>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) actors: Vec<HostName>,
    pub(crate) last: FinalState,
    pub(crate) sources: Vec<FactSource>,
}

impl TraceBuilder {
    pub(crate) fn new() -> Self {
        let last = FinalState {
            at: Duration::from_secs(1),
            ended: RunEnd::Finished,
            sockets: Vec::new(),
            tasks: Vec::new(),
            pending: Vec::new(),
            unfired: Vec::new(),
            unreached: Vec::new(),
        };
        let (faults, actors, sources) = (Vec::new(), Vec::new(), Vec::new());
        Self { records: Vec::new(), faults, actors, last, sources }
    }

    pub(crate) fn evidence(&self) -> Evidence<'_> {
        let Self { records, faults, actors, last, sources } = self;
        Evidence { records, faults, actors, last, sources }
    }

    /// The summary of a law that holds.
    pub(crate) fn held(&self, check: &dyn Check) -> String {
        check.examine(&self.evidence()).unwrap_or_else(|finding| panic!("convicted: {finding:?}"))
    }

    /// The signature of a law that is broken.
    pub(crate) fn broken(&self, check: &dyn Check) -> String {
        let verdict = check.judge(&self.evidence());
        verdict.violation().unwrap_or_else(|| panic!("acquitted: {verdict:?}")).signature.to_string()
    }

    /// What a person is told of a law that is broken.
    pub(crate) fn failure(&self, check: &dyn Check) -> String {
        let verdict = check.judge(&self.evidence());
        let violation = verdict.violation().unwrap_or_else(|| panic!("acquitted: {verdict:?}"));
        story::failure(&self.evidence(), violation)
    }

    pub(crate) fn record(mut self, ms: u64, host: Option<&str>, what: RecordKind) -> Self {
        let at = Duration::from_millis(ms);
        self.last.at = self.last.at.max(at);
        self.records.push(Record { at, host: host.map(HostName::from), incarnation: Incarnation(0), what });
        self
    }

    pub(crate) fn fact(self, ms: u64, host: &str, kind: FactKind, key: &str) -> Self {
        self.told(ms, host, Fact::new(kind, key))
    }

    pub(crate) fn value(self, ms: u64, host: &str, kind: FactKind, key: &str, value: &str) -> Self {
        self.told(ms, host, Fact::new(kind, key).value(value))
    }

    pub(crate) fn told(self, ms: u64, host: &str, fact: Fact) -> Self {
        self.record(ms, Some(host), RecordKind::Fact(fact))
    }

    pub(crate) fn event(self, ms: u64, host: &str, level: Level, message: &str) -> Self {
        let event = LogEvent { level, target: host.to_owned(), message: message.to_owned(), fields: Vec::new() };
        self.record(ms, Some(host), RecordKind::Event(event))
    }

    pub(crate) fn violation(self, ms: u64, host: &str, rule: &str, detail: &str) -> Self {
        self.record(ms, Some(host), RecordKind::BrokenRule { rule: rule.to_owned(), detail: detail.to_owned() })
    }

    pub(crate) fn process(self, ms: u64, host: &str, event: ProcessEvent) -> Self {
        self.record(ms, Some(host), RecordKind::Process(event))
    }

    /// A host that is an actor.
    pub(crate) fn acting(mut self, host: &str) -> Self {
        self.actors.push(host.into());
        self
    }

    pub(crate) fn started(self, ms: u64, host: &str) -> Self {
        self.process(ms, host, ProcessEvent::Started)
    }

    pub(crate) fn stopping(self, ms: u64, host: &str) -> Self {
        self.process(ms, host, ProcessEvent::StopRequested)
    }

    pub(crate) fn exited(self, ms: u64, host: &str, error: Option<&str>) -> Self {
        self.process(ms, host, ProcessEvent::Exited { error: error.map(str::to_owned) })
    }

    pub(crate) fn crashed(self, ms: u64, host: &str) -> Self {
        self.process(ms, host, ProcessEvent::Crashed)
    }

    pub(crate) fn connection(self, ms: u64, client: &str, server: &str, nth: u32, event: ConnectionEvent) -> Self {
        self.record(ms, None, RecordKind::Connection { id: connection(client, server, nth), event })
    }

    /// A fault that is in the plan.
    pub(crate) fn planned<V: Verb>(mut self, client: &str, server: &str, verb: V) -> Self {
        let link = connection(client, server, 1).link;
        let target = match <V::Place as Place<V>>::KEY {
            "between" => Target::Between(&link.client, &link.server),
            _ => Target::Link { link: &link, connection: Some(1) },
        };
        let act = Act::at(target, verb).expect("a verb of links or pairs");
        self.faults.push(Fault { trigger: Trigger::Connect, act });
        self
    }

    /// The last fault of the plan waits for connections that are idle for a minute.
    pub(crate) fn when_idle(mut self) -> Self {
        self.faults.iter_mut().last().expect("a fault").trigger = Trigger::Idle(Duration::from_secs(60));
        self
    }

    /// A fault that is in the plan and fires.
    pub(crate) fn struck(self, ms: u64, client: &str, server: &str, verb: impl Verb) -> Self {
        let on = connection(client, server, 1).to_string();
        let run = self.planned(client, server, verb);
        let number = u32::try_from(run.faults.len()).expect("a handful of faults") - 1;
        let verb = run.faults.last().expect("it was planned").act.verb().to_string();
        run.fault(ms, number, FaultEvent::Fired { on, verb })
    }

    /// The fault that was planned last strikes whichever connection of its link.
    pub(crate) fn on_every_connection(mut self) -> Self {
        self.faults.last_mut().expect("a fault").act.connections().nth = None;
        self
    }

    /// A fault on a host that is in the plan and fires.
    pub(crate) fn struck_host(mut self, ms: u64, host: &str, verb: impl Verb) -> Self {
        let number = u32::try_from(self.faults.len()).expect("a handful of faults");
        let act = Act::at(Target::Host(&host.into()), verb).expect("a verb of hosts");
        let event = FaultEvent::Fired { on: format!("host {host}"), verb: act.verb().to_string() };
        self.faults.push(Fault { trigger: Trigger::Connect, act });
        self.fault(ms, number, event)
    }

    pub(crate) fn healed(self, ms: u64, fault: u32) -> Self {
        self.fault(ms, fault, FaultEvent::Healed)
    }

    pub(crate) fn felt(self, ms: u64, fault: u32, observer: &str, outcome: &str) -> Self {
        self.fault(ms, fault, FaultEvent::FirstOutcome { observer: observer.into(), outcome: outcome.to_owned() })
    }

    pub(crate) fn fault(self, ms: u64, fault: u32, event: FaultEvent) -> Self {
        self.record(ms, None, RecordKind::Fault { fault: FaultIndex(fault), event })
    }

    pub(crate) fn pending(mut self, host: &str, on: &str) -> Self {
        self.last.pending.push(Pending { host: host.into(), on: on.to_owned() });
        self
    }

    pub(crate) fn socket(mut self, host: &str, client: &str, server: &str, side: Side, state: &str) -> Self {
        self.last.sockets.push(SocketRow {
            host: host.into(),
            incarnation: Incarnation(0),
            connection: Some(connection(client, server, 1)),
            side,
            state: state.to_owned(),
            recv_q: 0,
            send_q: 0,
        });
        self
    }

    pub(crate) fn tasks(mut self, host: &str, tasks: u32) -> Self {
        self.last.tasks.push((host.into(), Incarnation(0), tasks));
        self
    }

    /// Why a planned fault has not fired.
    pub(crate) fn unfired(mut self, fault: u32, why: &str) -> Self {
        self.last.unfired.push(Unfired { fault: FaultIndex(fault), why: why.to_owned() });
        self
    }

    pub(crate) fn ending(mut self, ms: u64) -> Self {
        self.last.at = Duration::from_millis(ms);
        self
    }

    /// A source of this kind of fact that may be silent.
    pub(crate) fn optional(mut self, kind: FactKind) -> Self {
        let from = Origin::Event(EventOrigin::default());
        self.sources.push(FactSource { kind, from, optional: true });
        self
    }

    pub(crate) fn ended(mut self, ended: RunEnd) -> Self {
        self.last.ended = ended;
        self
    }
}

pub(crate) fn connection(client: &str, server: &str, nth: u32) -> ConnectionId {
    ConnectionId { link: Link { client: client.into(), server: server.into() }, nth }
}
