//! The single faults of a course: which there are, in which order they are played, and where each belongs in the matrix.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::blows::{self, Carries};
use super::learn::{Course, Kind, Passed};
use crate::fault::{Act, Edge, Fault};
use crate::name::{ConnectionId, Direction, HostName, Link};

/// One fault, played alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    /// What is done, and when.
    pub(crate) fault: Fault,
    /// The row of the matrix.
    pub(crate) row: usize,
    /// How many like it there are before it: the same verb at the same edge of a unit that says the same on the same leg.
    rank: usize,
}

impl Case {
    /// The fault where it can strike behind others: on the first connection of its link on which its trigger comes true. The
    /// first connection may be gone by then.
    pub(crate) fn behind_others(&self) -> Fault {
        let mut fault = self.fault.clone();
        match &mut fault.act {
            Act::Connection { on, .. } | Act::Path { on, .. } => on.nth = None,
            Act::Attempt { .. } | Act::Lookup { .. } | Act::Listener { .. } | Act::Pair { .. } | Act::Host { .. } => {}
        }
        fault
    }
}

/// A row of the matrix: a point of the course.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The part of the matrix to which it belongs, and its heading there.
    pub(crate) part: Part,
    /// What it is; rows of one part that differ in the number only are told together.
    pub(crate) what: String,
    /// Its number, for those that are told together.
    pub(crate) n: u32,
}

/// The parts of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The units of one direction of a connection.
    Units(ConnectionId, Direction),
    /// The attempts to connect.
    Attempts,
    /// The instants of the hosts.
    Moments,
    /// The instants between two hosts.
    Between,
}

/// Every single fault of a course.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cases {
    /// In the order of the course.
    pub(crate) all: Vec<Case>,
    /// The rows of the matrix, in the order of the course.
    pub(crate) rows: Vec<Row>,
    /// Faults that need not be played: they strike at the byte and the instant of one that is.
    pub(crate) same_point: usize,
}

impl Cases {
    /// The single faults of a course between these hosts; `actors` are those of them that are scripts.
    pub(crate) fn of(course: &Course, hosts: &[HostName], actors: &[HostName]) -> Self {
        let mut list = List::default();
        for (place, unit) in course.units.iter().enumerate() {
            list.unit(course, place, unit, actors.contains(&unit.connection.link.client));
        }
        for attempt in &course.attempts {
            let link = &attempt.id.link;
            let elsewhere = hosts.iter().find(|host| **host != link.client && **host != link.server);
            let row = Row { part: Part::Attempts, what: link.to_string(), n: attempt.id.nth };
            list.add(row, blows::at_attempt(attempt, elsewhere));
        }
        let mut numbers: BTreeMap<&HostName, u32> = BTreeMap::new();
        for moment in &course.moments {
            let n = numbers.entry(&moment.host).or_default();
            *n += 1;
            let row = Row { part: Part::Moments, what: moment.host.to_string(), n: *n };
            list.add(row, blows::at_moment(moment, actors.contains(&moment.host)));
        }
        for (n, (link, at)) in instants(course) {
            let row = Row { part: Part::Between, what: link.to_string(), n };
            list.add(row, blows::at_instant(&link, at));
        }
        list.cases
    }

    /// The places of the cases in the order in which they are played: first one of each kind, so that an early end leaves
    /// out what is most like something that was played.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|place| self.all[*place].rank);
        order
    }

    /// The places of the first cases of each kind.
    pub(crate) fn firsts(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|place| self.all[*place].rank == 0).collect()
    }

    /// A number that is another one when there are other cases, or in another order.
    pub(crate) fn fingerprint(&self) -> String {
        // FNV-1a, 64 bits.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.all.iter().flat_map(|case| case.fault.to_string().into_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{hash:016x}")
    }
}

/// Cases in the making.
#[derive(Default)]
struct List {
    cases: Cases,
    ranks: BTreeMap<String, usize>,
}

impl List {
    fn unit(&mut self, course: &Course, place: usize, unit: &Passed, is_script: bool) {
        let carries = Carries::of(course, &unit.connection);
        let reads_as_witness = is_script && !carries.frames;
        let what = if unit.says.is_empty() { unit.kind.word() } else { format!("{} {}", unit.kind.word(), unit.says) };
        let row = Row { part: Part::Units(unit.connection.clone(), unit.direction), what, n: unit.n };
        let mut faults = Vec::new();
        for edge in unit.edges() {
            let here = blows::at_unit(unit, edge, carries, reads_as_witness);
            if edge == Edge::Before && follows_at_once(course, place) {
                // Where the unit before has ended: the same cuts are played there.
                let (shapes, cuts): (Vec<_>, Vec<_>) = here.into_iter().partition(|fault| fault.act.word() != "cut");
                self.cases.same_point += cuts.len();
                faults.extend(shapes);
            } else {
                faults.extend(here);
            }
        }
        self.add(row, faults);
    }

    fn add(&mut self, row: Row, faults: Vec<Fault>) {
        let place = self.cases.rows.len();
        for fault in faults {
            let edge = match fault.trigger.edge() {
                Some(Edge::Inside(_)) => "inside".to_owned(),
                other => format!("{other:?}"),
            };
            let like = format!("{:?} {} {edge} {}", row.part, row.what, fault.act.verb());
            let rank = self.ranks.entry(like).or_default();
            self.cases.all.push(Case { fault, row: place, rank: *rank });
            *rank += 1;
        }
        self.cases.rows.push(row);
    }
}

/// Whether a frame began where the one before it in its direction had ended, at the same instant.
fn follows_at_once(course: &Course, place: usize) -> bool {
    let unit = &course.units[place];
    let is_frame = |unit: &Passed| matches!(unit.kind, Kind::Frame(_) | Kind::Message);
    let mut before = course.units[..place].iter().rev();
    let before = before.find(|other| other.connection == unit.connection && other.direction == unit.direction);
    is_frame(unit) && before.is_some_and(|before| is_frame(before) && before.at == unit.at)
}

/// The instants at which something passed on a link, each once, with its number on that link.
fn instants(course: &Course) -> Vec<(u32, (Link, Duration))> {
    let passed: BTreeSet<(Link, Duration)> =
        course.units.iter().map(|unit| (unit.connection.link.clone(), unit.at)).collect();
    let mut numbers: BTreeMap<Link, u32> = BTreeMap::new();
    let number = |(link, at): (Link, Duration)| {
        let n = numbers.entry(link.clone()).or_default();
        *n += 1;
        (*n, (link, at))
    };
    passed.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::{TraceBuilder, connection};
    use crate::fault::FrameKind;
    use crate::trace::{ConnectionEvent, Level, RecordKind, Unit};

    fn cases(of: impl Fn(TraceBuilder) -> TraceBuilder) -> Cases {
        let run = of(TraceBuilder::new());
        let hosts = ["alice", "chat", "spare"].map(HostName::from);
        Cases::of(&Course::of(&run.records, run.last.at), &hosts, &hosts[..1])
    }

    fn text(run: TraceBuilder, ms: u64) -> TraceBuilder {
        let unit = Unit::WsMessage { kind: FrameKind::Text, text: None, bytes: 10 };
        let (connection, direction) = (connection("alice", "chat", 1), Direction::ToServer);
        run.record(ms, None, RecordKind::Unit { connection, direction, unit, arrived: None })
    }

    fn words(cases: &Cases, at: &str) -> BTreeSet<&'static str> {
        let here = cases.all.iter().filter(|case| case.fault.trigger.to_string().starts_with(at));
        here.map(|case| case.fault.act.word()).collect()
    }

    #[test]
    fn a_message_is_struck_before_inside_and_behind_it() {
        let cases = cases(|run| text(run, 10));
        assert_eq!(
            words(&cases, "before message 1"),
            ["buffer", "cut", "delay", "drip", "jitter", "split", "throttle"].into()
        );
        assert_eq!(words(&cases, "1 byte into message 1"), ["cut"].into());
        assert_eq!(words(&cases, "15 bytes into message 1"), ["cut"].into());
        let behind = words(&cases, "after message 1");
        for word in ["reset", "drop", "close", "half_open", "half_close", "illegal", "io_error", "corrupt"] {
            assert!(behind.contains(word), "{word} of {behind:?}");
        }
        assert!(!behind.contains("truncate_clean") && !behind.contains("upstream"), "no body: {behind:?}");
    }

    #[test]
    fn every_verb_that_a_file_can_name_is_played_somewhere() {
        let event = |n: u64| {
            let unit = Unit::SseEvent { name: None, data: Some(format!("event {n}")), comment: None };
            let (connection, direction) = (connection("chat", "spare", 1), Direction::ToClient);
            RecordKind::Unit { connection, direction, unit, arrived: None }
        };
        let head = RecordKind::Unit {
            connection: connection("chat", "spare", 1),
            direction: Direction::ToClient,
            unit: Unit::HttpResponse { status: 200 },
            arrived: None,
        };
        let cases = cases(|run| {
            text(run.connection(1, "alice", "chat", 1, ConnectionEvent::Attempted), 10)
                .record(20, None, head.clone())
                .record(21, None, event(1))
                .event(30, "chat", Level::Info, "up")
        });
        let played: BTreeSet<_> = cases.all.iter().map(|case| case.fault.act.word()).collect();
        let missing: Vec<_> = crate::fault::Registry::default().words().filter(|word| !played.contains(word)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn no_answer_is_forged_on_its_way_to_a_script() {
        let answered = |client: &'static str, server: &'static str| {
            let (connection, direction) = (connection(client, server, 1), Direction::ToClient);
            let head =
                RecordKind::Unit { connection, direction, unit: Unit::HttpResponse { status: 200 }, arrived: None };
            let cases = cases(|run| run.record(1, None, head.clone()));
            words(&cases, "after response head 1").contains("upstream")
        };
        assert!(answered("chat", "spare") && !answered("alice", "chat"));
    }

    #[test]
    fn no_fault_is_played_that_its_verb_refuses_and_none_twice() {
        let cases = cases(|run| text(text(run, 10), 30).event(30, "chat", Level::Info, "up"));
        let mut seen = BTreeSet::new();
        for case in &cases.all {
            assert_eq!(case.fault.act.verb().refusal(&case.fault.trigger), None, "{}", case.fault);
            assert!(seen.insert(case.fault.to_string()), "twice: {}", case.fault);
        }
    }

    #[test]
    fn where_one_frame_ends_and_the_next_begins_at_one_instant_is_one_point() {
        let apart = cases(|run| text(text(run, 10), 11));
        let together = cases(|run| text(text(run, 10), 10));
        assert_eq!((apart.same_point, together.same_point), (0, 3));
        assert_eq!(
            words(&together, "before message 2"),
            ["buffer", "delay", "drip", "jitter", "split", "throttle"].into()
        );
    }

    #[test]
    fn the_first_of_each_kind_is_played_first() {
        let cases = cases(|run| text(text(text(run, 10), 30), 50));
        let order = cases.order();
        let first: Vec<_> = order[..cases.firsts().len()].to_vec();
        assert!(first.iter().all(|place| cases.all[*place].rank == 0));
        assert!(cases.firsts().len() * 2 < cases.all.len());
    }

    #[test]
    fn behind_others_a_fault_strikes_whichever_connection_there_is() {
        let cases = cases(|run| text(run.connection(1, "alice", "chat", 1, ConnectionEvent::Attempted), 10));
        let words = |wanted: &str| {
            let case = cases.all.iter().find(|case| case.fault.to_string().starts_with(wanted)).expect("it is a case");
            (case.fault.to_string(), case.behind_others().to_string())
        };
        let (alone, behind) = words("reset on");
        assert_eq!(alone, "reset on alice->chat#1 after message 1 to_server");
        assert_eq!(behind, "reset on alice->chat after message 1 to_server");
        let (alone, behind) = words("refuse on");
        assert_eq!(alone, behind);
    }

    #[test]
    fn a_script_is_not_killed() {
        let cases = cases(|run| run.event(30, "chat", Level::Info, "up").event(40, "alice", Level::Info, "up"));
        assert_eq!(words(&cases, "at event \"up\" of alice"), ["clock_jump", "freeze"].into());
        assert!(words(&cases, "at event \"up\" of chat").contains("power_loss"));
    }
}
