//! The timeline of a story: what a reviewer wants to see of a trace, repeats folded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::alias::Aliases;
use super::phrase::{Phrase, fact_word, phrase};
use super::table::Table;
use crate::check::Evidence;
use crate::fact::{Fact, FactKind};
use crate::fault::FrameKind;
use crate::name::{ConnectionId, Side};
use crate::trace::{ConnectionEvent, FaultEvent, Level, ProcessEvent, Record, RecordKind, Seconds, Unit};

/// The lines of a run, each with its time, whom it is about, and what happened.
///
/// Once a fault has fired, times count from it (`+0.042s`): with two significant digits, what happens ten minutes into
/// a run would else all happen at one time. They start again at the next fault.
pub(super) fn timeline(evidence: &Evidence, aliases: &mut Aliases) -> Table {
    let connections = Connections::of(evidence.records);
    let mut folded = Folded::default();
    for record in evidence.records {
        if record.at > evidence.last.at && !is_told_late(record) {
            continue;
        }
        match weigh(record, &connections) {
            Weight::Hidden => {}
            Weight::Line => {
                let fired = matches!(&record.what, RecordKind::Fault { event: FaultEvent::Fired { .. }, .. });
                if fired {
                    folded.since = None;
                }
                folded.line(record.at, phrase(record, aliases));
                if fired {
                    folded.since = Some(record.at);
                }
            }
            Weight::Repeat(text) => {
                let Phrase { who, .. } = phrase(record, aliases);
                folded.repeat(record.at, Phrase { who, text: aliases.shorten(&text) }, None);
            }
            Weight::OfKey(fact) => {
                let Phrase { who, .. } = phrase(record, aliases);
                let keys = Keys::of(fact, aliases);
                folded.repeat(record.at, Phrase { who, text: fact_word(fact.kind).to_owned() }, Some(keys));
            }
        }
    }
    folded.table()
}

/// What a record is worth in a story.
enum Weight<'a> {
    /// Nothing: it is in the trace.
    Hidden,
    /// A line of its own, which no repeat reaches across.
    Line,
    /// A line that folds with others of the same text.
    Repeat(String),
    /// A fact that folds with others of its kind and value, whatever their keys.
    OfKey(&'a Fact),
}

/// What hosts do while they are being stopped is no behaviour under fault, unless it breaks a rule.
pub(super) fn is_told_late(record: &Record) -> bool {
    let process =
        |event: &ProcessEvent| matches!(event, ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. });
    match &record.what {
        RecordKind::BrokenRule { .. } => true,
        RecordKind::Process(event) => process(event),
        RecordKind::Connection { .. }
        | RecordKind::Unit { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Fact(_)
        | RecordKind::Event(_)
        | RecordKind::Observed { .. } => false,
    }
}

fn weigh<'a>(record: &'a Record, connections: &Connections) -> Weight<'a> {
    match &record.what {
        RecordKind::BrokenRule { .. } | RecordKind::Process(_) => Weight::Line,
        RecordKind::Connection { id, event } => connections.weigh(id, event),
        RecordKind::Unit { unit, .. } => weigh_unit(unit),
        RecordKind::Fault { event, .. } => match event {
            FaultEvent::Fired { .. } | FaultEvent::FirstOutcome { .. } | FaultEvent::Healed => Weight::Line,
            FaultEvent::FirstPacket { .. } => Weight::Hidden,
        },
        RecordKind::Fact(fact) => weigh_fact(fact),
        RecordKind::Event(event) => match event.level {
            Level::Error => Weight::Repeat(format!("ERROR {}", event.message)),
            Level::Warn => Weight::Repeat(format!("WARN {}", event.message)),
            Level::Info | Level::Debug | Level::Trace => Weight::Hidden,
        },
        RecordKind::Observed { connection, call, outcome, .. } => {
            Weight::Repeat(format!("saw {outcome} from {call} on {connection}"))
        }
    }
}

fn weigh_unit(unit: &Unit) -> Weight<'static> {
    match unit {
        Unit::WsControl { kind, .. } => match kind {
            FrameKind::Ping | FrameKind::Pong => Weight::Repeat("ping/pong".to_owned()),
            FrameKind::Close => Weight::Line,
            FrameKind::Continuation | FrameKind::Text | FrameKind::Binary => Weight::Hidden,
        },
        Unit::HttpRequest { .. }
        | Unit::HttpResponse { .. }
        | Unit::HttpChunk { .. }
        | Unit::WsMessage { .. }
        | Unit::SseEvent { .. } => Weight::Hidden,
    }
}

fn weigh_fact(fact: &Fact) -> Weight<'_> {
    match fact.kind {
        FactKind::Offered
        | FactKind::Accepted
        | FactKind::ClaimedDelivered
        | FactKind::ClaimedFailed
        | FactKind::Received
        | FactKind::Refused
        | FactKind::Outcome
        | FactKind::Retried
        | FactKind::StreamOpened
        | FactKind::StreamProduced
        | FactKind::StreamEvent => Weight::OfKey(fact),
        FactKind::Detected
        | FactKind::Recovered
        | FactKind::StreamTerminator
        | FactKind::StreamError
        | FactKind::StreamEnded
        | FactKind::StreamLeft
        | FactKind::StreamCancelled => Weight::Line,
        FactKind::Gauge => Weight::Hidden,
    }
}

/// What must be known of connections to leave out what the next line says anyway.
pub(super) struct Connections<'a> {
    answered: BTreeSet<&'a ConnectionId>,
    finished: BTreeSet<(&'a ConnectionId, Side)>,
}

impl<'a> Connections<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let (mut answered, mut finished) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            let RecordKind::Connection { id, event } = &record.what else { continue };
            match event {
                ConnectionEvent::Established | ConnectionEvent::Refused | ConnectionEvent::TimedOut => {
                    answered.insert(id);
                }
                ConnectionEvent::Fin { by, .. } => {
                    finished.insert((id, *by));
                }
                // Who is told of a reset, or has given up, has nothing more to close.
                ConnectionEvent::Rst { to: end, .. } | ConnectionEvent::GaveUp { by: end, .. } => {
                    finished.insert((id, *end));
                }
                ConnectionEvent::Attempted | ConnectionEvent::Forgotten | ConnectionEvent::Closed { .. } => {}
            }
        }
        Self { answered, finished }
    }

    fn weigh(&self, id: &ConnectionId, event: &ConnectionEvent) -> Weight<'static> {
        if self.is_telling(id, event) { Weight::Line } else { Weight::Hidden }
    }

    /// Whether an event says what no other does.
    pub(super) fn is_telling(&self, id: &ConnectionId, event: &ConnectionEvent) -> bool {
        let told = match event {
            ConnectionEvent::Attempted => self.answered.contains(id),
            ConnectionEvent::Closed { by } => self.finished.contains(&(id, *by)),
            ConnectionEvent::Established
            | ConnectionEvent::Refused
            | ConnectionEvent::TimedOut
            | ConnectionEvent::Forgotten
            | ConnectionEvent::Fin { .. }
            | ConnectionEvent::GaveUp { .. }
            | ConnectionEvent::Rst { .. } => false,
        };
        !told
    }
}

/// Facts further apart are told apart: a line that spans more would seem to tell of a receipt before its offer.
const FACTS_FOLD_WITHIN: Duration = Duration::from_secs(1);

/// Lines in the making. Repeats fold into the latest line of their text, as long as no line of another sort came
/// between: a fault splits what came before it from what came after. A fact never folds into a line that stands before
/// another about its key: an outcome is not told before its cause.
#[derive(Default)]
struct Folded {
    lines: Vec<Line>,
    open: BTreeMap<(Phrase, Option<String>), usize>,
    /// The last line that speaks of a key.
    mentioned: BTreeMap<String, usize>,
    /// When the latest fault fired.
    since: Option<Duration>,
}

struct Line {
    since: Option<Duration>,
    first: Duration,
    last: Duration,
    phrase: Phrase,
    keys: Option<Keys>,
    count: u32,
}

/// Which keys facts of one kind speak of, and the value that they have in common.
struct Keys {
    first: String,
    last: String,
    value: Option<String>,
}

impl Keys {
    /// The events of a stream differ in their values, and are no less repeats for it.
    fn of(fact: &Fact, aliases: &mut Aliases) -> Self {
        let is_event = matches!(fact.kind, FactKind::StreamProduced | FactKind::StreamEvent);
        let key = aliases.shorten(&fact.key);
        let value = fact.value.as_ref().filter(|_| !is_event).map(|value| aliases.shorten(value));
        let from = fact.from.as_ref().map(|from| format!("from {from}"));
        let to = fact.to.as_ref().map(|to| format!("for {to}"));
        let parts: Vec<_> = from.into_iter().chain(to).chain(value).collect();
        Self { first: key.clone(), last: key, value: (!parts.is_empty()).then(|| parts.join(", ")) }
    }
}

impl Folded {
    fn line(&mut self, at: Duration, phrase: Phrase) {
        self.open.clear();
        self.lines.push(Line { since: self.since, first: at, last: at, phrase, keys: None, count: 1 });
    }

    fn repeat(&mut self, at: Duration, phrase: Phrase, keys: Option<Keys>) {
        let value = keys.as_ref().and_then(|keys| keys.value.clone());
        let next = self.lines.len();
        let place = self.open.entry((phrase.clone(), value)).or_insert(next);
        if let Some(Keys { first: key, .. }) = &keys {
            let last = |line: &Line| at.saturating_sub(line.last) > FACTS_FOLD_WITHIN;
            let is_old = self.lines.get(*place).is_some_and(last);
            let mentioned = self.mentioned.entry(key.clone()).or_insert(0);
            if is_old || *mentioned > *place {
                *place = next;
            }
            *mentioned = *place;
        }
        let place = *place;
        match self.lines.get_mut(place) {
            Some(line) => {
                line.last = at;
                line.count += 1;
                if let (Some(known), Some(keys)) = (&mut line.keys, keys) {
                    known.last = keys.last;
                }
            }
            None => self.lines.push(Line { since: self.since, first: at, last: at, phrase, keys, count: 1 }),
        }
    }

    fn table(self) -> Table {
        let mut table = Table::default();
        for line in self.lines {
            let from = clock(line.first, line.since);
            let row = [format!("{from:>7}"), line.phrase.who.clone(), line.text(&from)];
            table.row(row);
        }
        table
    }
}

impl Line {
    fn text(&self, from: &str) -> String {
        let mut text = self.phrase.text.clone();
        if let Some(keys) = &self.keys {
            text.push_str(&format!(" {}", keys.first));
            if keys.first != keys.last {
                text.push_str(&format!(" to {}", keys.last));
            }
            text.extend(keys.value.iter().map(|value| format!(": {value}")));
        }
        if self.count > 1 {
            text.push_str(&format!(" x{}", self.count));
            let until = clock(self.last, self.since);
            if until != from {
                text.push_str(&format!(", until {until}"));
            }
        }
        text
    }
}

/// A time of the run, or since the fault that came before it.
pub(super) fn clock(at: Duration, since: Option<Duration>) -> String {
    match since {
        Some(fault) => format!("+{}", Seconds(at.saturating_sub(fault))),
        None => Seconds(at).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::{Gauge, Offered, Outcome, Received, StreamEvent};
    use crate::fault::{Ends, Reset};
    use crate::trace::ConnectionEvent::{Attempted, Closed, Established, Refused};

    #[test]
    fn repeats_fold_up_to_the_next_fault_and_no_further() {
        let mut run = TraceBuilder::new();
        for n in 1..=3 {
            run = run.fact(1000 * n, "alice", Offered, &format!("m-{n}")).fact(
                1000 * n + 5,
                "chat",
                Received,
                &format!("m-{n}"),
            );
        }
        run = run.struck(4000, "alice", "chat", Reset { to: Ends::Both });
        for n in 4..=5 {
            run = run.fact(1000 * n, "alice", Offered, &format!("m-{n}"));
        }
        insta::assert_snapshot!(rendered(&run), @"
        1.0s  alice    offered m-1 to m-3 x3, until 3.0s
        1.0s  chat     received m-1 to m-3 x3, until 3.0s
        4.0s  fault 1  FIRED reset on alice->chat#1
         +0s  alice    offered m-4 to m-5 x2, until +1.0s
        ");
    }

    #[test]
    fn repeats_of_one_key_and_of_one_warning_are_counted() {
        let mut run = TraceBuilder::new();
        for n in 0..4 {
            run = run
                .value(1000 + n, "app", StreamEvent, "chat-1", &format!("event {n}"))
                .event(1000 + n, "app", Level::Warn, "slow reader")
                .event(1000 + n, "app", Level::Info, "not shown")
                .value(1000 + n, "app", Gauge, "open", "1");
        }
        insta::assert_snapshot!(rendered(&run), @r"
        1.0s  app  got an event of chat-1 x4
        1.0s  app  WARN slow reader x4
        ");
    }

    #[test]
    fn facts_fold_by_their_value() {
        let mut run = TraceBuilder::new();
        for (n, value) in ["result", "result", "JOB_TIMEOUT", "result"].into_iter().enumerate() {
            run = run.value(1000, "chat", Outcome, &format!("m-{n}"), value);
        }
        insta::assert_snapshot!(rendered(&run), @r"
        1.0s  chat  outcome of m-0 to m-3: result x3
        1.0s  chat  outcome of m-2: JOB_TIMEOUT
        ");
    }

    #[test]
    fn a_connection_says_each_thing_once() {
        let run = TraceBuilder::new()
            .connection(1000, "alice", "chat", 1, Attempted)
            .connection(1001, "alice", "chat", 1, Refused)
            .connection(2000, "alice", "chat", 2, Attempted)
            .connection(2001, "alice", "chat", 2, Established)
            .connection(3000, "alice", "chat", 2, ConnectionEvent::Fin { by: Side::Client, forged: false })
            .connection(3000, "alice", "chat", 2, Closed { by: Side::Client })
            .connection(3001, "alice", "chat", 2, Closed { by: Side::Server })
            .connection(4000, "alice", "chat", 3, Attempted);
        insta::assert_snapshot!(rendered(&run), @r"
        1.0s  alice->chat#1  refused
        2.0s  alice->chat#2  established
        3.0s  alice->chat#2  FIN from alice
        3.0s  alice->chat#2  closed by chat
        4.0s  alice->chat#3  attempted
        ");
    }

    #[test]
    fn the_stopping_of_the_hosts_is_not_told_unless_it_breaks_a_rule() {
        let panicked = ProcessEvent::Panicked { message: "late".to_owned(), root: true };
        let run = TraceBuilder::new()
            .started(0, "chat")
            .stopping(5000, "chat")
            .process(5001, "chat", panicked)
            .exited(5002, "chat", None)
            .ending(4000);
        insta::assert_snapshot!(rendered(&run), @r"
          0s  chat  started
        5.0s  chat  PANIC in the root task: late
        ");
    }

    fn rendered(run: &TraceBuilder) -> String {
        let mut aliases = Aliases::of(&run.records);
        timeline(&run.evidence(), &mut aliases).render()
    }
}
