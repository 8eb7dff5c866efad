//! The outcome of one run: what happened, and how it is judged.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::check::{Evidence, Signature, Verdict, Violation};
use crate::fault::Fault;
use crate::name::HostName;
use crate::scenario::Arrivals;
use crate::story;
use crate::trace::{FaultEvent, FinalState, Record, RecordKind, Trace, TraceHash};

/// Everything that is known about a run when it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The seed, as users write it.
    pub seed: String,
    /// The plan's faults.
    pub faults: Vec<Fault>,
    /// The scenario's actors.
    pub actors: Vec<HostName>,
    /// When packets arrive that are due while tasks run.
    pub(crate) arrivals: Arrivals,
    /// Every record.
    pub trace: Trace,
    /// The hash of the run: equal for two runs that are the same to the last packet, poll and draw.
    pub hash: TraceHash,
    /// The state at quiescence.
    pub last: FinalState,
    /// One verdict of each check, in the order of [`Expectations::judge`](crate::check::Expectations::judge).
    pub verdicts: Vec<Verdict>,
    /// How much virtual time the run took, with the stopping of its hosts.
    pub simulated: Duration,
    /// How many times a task was polled.
    pub polls: u64,
}

impl Outcome {
    /// Whether every law held.
    pub fn passed(&self) -> bool {
        self.violations().next().is_none()
    }

    /// The laws that were broken.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.verdicts.iter().filter_map(Verdict::violation)
    }

    /// The signature of the first broken law; it stands for the run. `None` when every law held.
    pub fn signature(&self) -> Option<&Signature> {
        self.violations().next().map(|violation| &violation.signature)
    }

    /// How many of the plan's faults fired.
    pub fn fired(&self) -> usize {
        let fired = self.trace.records.iter().filter_map(|record| match &record.what {
            RecordKind::Fault { fault, event: FaultEvent::Fired { .. } } => Some(fault),
            RecordKind::Fault { .. }
            | RecordKind::Connection { .. }
            | RecordKind::Unit { .. }
            | RecordKind::Process(_)
            | RecordKind::Fact(_)
            | RecordKind::Event(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => None,
        });
        fired.collect::<BTreeSet<_>>().len()
    }

    /// Where this run and another of the same plan part, in a sentence; `None` when they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (&self.trace.records, &other.trace.records);
        let common = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let word = |record: Option<&Record>| record.map_or("nothing more".to_owned(), story::exactly);
        if common < ours.len().max(theirs.len()) {
            let (ours, theirs) = (word(ours.get(common)), word(theirs.get(common)));
            Some(format!("record #{common} is `{ours}` in one run and `{theirs}` in the other"))
        } else if self.hash != other.hash {
            Some(format!(
                "the records agree and the hashes do not ({} and {}): a packet, a poll or a draw differs",
                self.hash, other.hash
            ))
        } else {
            None
        }
    }

    /// What the checks were shown, for the stories of this outcome. It was judged knowing its sources of facts as well.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            records: &self.trace.records,
            faults: &self.faults,
            actors: &self.actors,
            last: &self.last,
            sources: &[],
        }
    }

    /// The story of the run, for review: the verdicts, then a timeline of faults, connections, processes, facts and warnings.
    /// It is the same on every machine, and ends with each broken law.
    pub fn story(&self) -> String {
        story::tell(&self.title(), &self.evidence(), &self.verdicts)
    }

    /// The scenario, and what its plan says of its network.
    fn title(&self) -> String {
        match self.arrivals {
            Arrivals::BetweenPolls => self.scenario.clone(),
            Arrivals::BetweenCalls => format!("{} (packets arrive between calls)", self.scenario),
        }
    }

    /// What a failing run prints, on one screen: the broken laws, the plan and what it struck, the life of the key that was lost, and
    /// the records around what proves it. `replay_line` is the command that replays this run.
    pub fn failure_report(&self, replay_line: &str) -> String {
        self.failure_report_about(None, replay_line)
    }

    /// The same with the life of another key.
    pub(crate) fn failure_report_about(&self, key: Option<&str>, replay_line: &str) -> String {
        let asked = story::Asked { title: &self.title(), seed: &self.seed, replay_line, key };
        story::report(asked, &self.evidence(), &self.verdicts)
    }

    /// Every record about one key; `None` when there is none.
    pub(crate) fn life_of(&self, key: &str) -> Option<String> {
        story::life(key, &self.evidence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::check::{Delivery, DeliveryLaw, Detect, Expectations, Recover, RecoverySince};
    use crate::fact::FactKind::{Accepted, ClaimedDelivered, Detected, Offered, Received, Recovered};
    use crate::fault::{Close, Ends, FrameKind};
    use crate::name::{Direction, Side};
    use crate::trace::ConnectionEvent::{Attempted, Closed, Established, Fin, Rst};
    use crate::trace::{Level, Unit};

    #[test]
    fn the_story_of_a_run_that_held() {
        let outcome = outcome(idle_close(true));
        assert!(outcome.passed(), "{}", outcome.story());
        assert_eq!(outcome.signature(), None);
        insta::assert_snapshot!(outcome.story());
    }

    #[test]
    fn the_story_of_a_run_that_broke_a_law() {
        let outcome = outcome(idle_close(false));
        assert!(!outcome.passed());
        assert_eq!(outcome.signature().map(Signature::as_str), Some("delivery: silent loss @ alice"));
        insta::assert_snapshot!(outcome.story());
    }

    #[test]
    fn the_report_of_a_failure() {
        let report = outcome(idle_close(false)).failure_report("halfopen replay target/halfopen/idle_close/42.toml");
        insta::assert_snapshot!(report);
    }

    #[test]
    fn two_runs_part_at_their_first_different_record() {
        let one = outcome(idle_close(true));
        assert_eq!(one.difference(&one.clone()), None);
        assert_eq!(one.fired(), 1);
        let other = outcome(idle_close(false));
        assert_eq!(
            one.difference(&other).as_deref(),
            Some(
                "record #85 is `10m 10s 3ms chat: received job-46EB8CE0` in one run and \
                 `10m 10s 3ms chat: claimed delivered job-46EB8CE0` in the other"
            )
        );
        let mut hashed = one.clone();
        hashed.hash.absorb(7);
        assert!(one.difference(&hashed).is_some_and(|difference| difference.starts_with("the records agree")));
    }

    #[test]
    fn a_log_line_more_changes_no_story() {
        let quiet = idle_close(true);
        let mut chatty = quiet.clone();
        let line = TraceBuilder::new().event(100, "chat", Level::Info, "session of job-FFFFFFFF is up").records;
        chatty.records.splice(3..3, line);
        assert_eq!(outcome(quiet).story(), outcome(chatty).story());
    }

    /// Twelve minutes of a chat: an idle connection is closed with code 1000, the client comes back, and its next job
    /// arrives or vanishes.
    fn idle_close(arrives: bool) -> TraceBuilder {
        let mut run = TraceBuilder::new()
            .started(0, "chat")
            .started(0, "alice")
            .connection(1, "alice", "chat", 1, Attempted)
            .connection(2, "alice", "chat", 1, Established);
        for n in 1..=3 {
            let (key, at) = (format!("job-9F4E0EE{n}"), 1000 * n);
            run = run.fact(at, "alice", Offered, &key).fact(at + 2, "chat", Accepted, &key).fact(
                at + 2,
                "chat",
                Received,
                &key,
            );
        }
        for n in 1..=30 {
            run = frame(run, 20_000 * n, Direction::ToServer, FrameKind::Ping, None);
            run = frame(run, 20_000 * n + 4, Direction::ToClient, FrameKind::Pong, None);
        }
        let close = Close { code: Some(1000), reason: "idle".to_owned(), to: Ends::Both };
        run = run.struck(603_000, "alice", "chat", close);
        run = frame(run, 603_001, Direction::ToClient, FrameKind::Close, Some((1000, "idle")))
            .connection(603_002, "alice", "chat", 1, Fin { by: Side::Server, forged: true })
            .felt(603_002, 0, "alice", "read: eof")
            .connection(603_003, "alice", "chat", 1, Rst { to: Side::Server, forged: true })
            .value(603_042, "alice", Detected, "s-7CD0E883", "1000")
            .event(603_042, "alice", Level::Warn, "lost the session at 10.0.0.7:9000")
            .connection(603_043, "alice", "chat", 1, Closed { by: Side::Client })
            .connection(604_051, "alice", "chat", 2, Established)
            .fact(604_060, "alice", Recovered, "s-7CD0E883")
            .fact(610_000, "alice", Offered, "job-46EB8CE0")
            .fact(610_002, "chat", Accepted, "job-46EB8CE0");
        if arrives {
            run.fact(610_003, "chat", Received, "job-46EB8CE0").ending(720_000)
        } else {
            run.fact(610_003, "chat", ClaimedDelivered, "job-46EB8CE0")
                .pending("alice", "outcome of job-46EB8CE0")
                .socket("alice", "alice", "chat", Side::Client, "established")
                .socket("chat", "alice", "chat", Side::Server, "established")
                .ending(720_000)
        }
    }

    fn frame(
        run: TraceBuilder,
        ms: u64,
        direction: Direction,
        kind: FrameKind,
        close: Option<(u16, &str)>,
    ) -> TraceBuilder {
        let unit = Unit::WsControl {
            kind,
            code: close.map(|(code, _)| code),
            reason: close.map(|(_, reason)| reason.to_owned()),
        };
        let connection = crate::check::trace_builder::connection("alice", "chat", 1);
        run.record(ms, None, RecordKind::Unit { connection, direction, unit, arrived: None })
    }

    fn outcome(run: TraceBuilder) -> Outcome {
        let expect = Expectations {
            delivery: Some(Delivery { order: true, ..Delivery::of(DeliveryLaw::ExactlyOnce) }),
            detect: Some(Detect {
                within: Duration::from_secs(40),
                observers: vec!["alice".into()],
                faults: Vec::new(),
            }),
            recover: Some(Recover {
                within: Duration::from_secs(5),
                observers: vec!["alice".into()],
                since: RecoverySince::Heal,
            }),
            ..Expectations::default()
        };
        let verdicts = expect.judge(&run.evidence());
        Outcome {
            arrivals: Arrivals::BetweenPolls,
            scenario: "idle_close".to_owned(),
            seed: "42".to_owned(),
            faults: run.faults,
            actors: run.actors,
            trace: Trace { records: run.records },
            hash: TraceHash::default(),
            simulated: run.last.at,
            polls: 0,
            last: run.last,
            verdicts,
        }
    }
}
