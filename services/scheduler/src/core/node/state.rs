//! The work that a node runs, and the results that the scheduler has not acknowledged.
//!
//! Invariant: a result is forgotten only when the scheduler has acknowledged it, or when there are more than are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use halfopen_link::message::{FromNode, Retry, ToNode, WorkFailure};

use super::{Event, NodeGauges, Output};
use crate::core::broker::doubled;

/// An attempt as the scheduler assigned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) job_id: String,
    pub(crate) attempt_id: String,
    pub(crate) trace_id: String,
    pub(crate) text: String,
    pub(crate) src_lang: String,
    pub(crate) tgt_lang: String,
}

impl Assignment {
    /// Whether the other asks for exactly the same work.
    fn is_same_work(&self, other: &Self) -> bool {
        (&self.job_id, &self.text, &self.src_lang, &self.tgt_lang)
            == (&other.job_id, &other.text, &other.src_lang, &other.tgt_lang)
    }
}

/// A piece of work, numbered by the node itself: its attempt may change while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkId(u64);

/// The work and the results of a node. Each method returns what the shell has to do.
#[derive(Debug)]
pub(super) struct NodeState {
    most_running: usize,
    results_kept: usize,
    next: u64,
    running: BTreeMap<WorkId, Assignment>,
    /// Results that the scheduler has not acknowledged, oldest first.
    unacknowledged: VecDeque<Unacknowledged>,
    /// The node is stopping: it finishes what runs, and begins nothing new.
    leaving: bool,
    /// How often in a row the scheduler was told that nothing can be asked now, and until when.
    deferrals: u32,
    deferred_until: Option<Instant>,
}

/// A result, with its job's trace for the log.
#[derive(Debug)]
struct Unacknowledged {
    message: FromNode,
    trace_id: String,
}

impl Unacknowledged {
    fn forgotten(self) -> Option<Output> {
        let Self { message, trace_id } = self;
        match message {
            FromNode::JobResult { job_id, attempt_id, .. } => {
                Some(Output::Event(Event::ResultForgotten { job_id, attempt_id, trace_id }))
            }
            FromNode::NodeRegister { .. }
            | FromNode::NodeHeartbeat
            | FromNode::JobAck { .. }
            | FromNode::JobProgress { .. } => None,
        }
    }
}

impl NodeState {
    /// The scheduler respects the capacity as far as it knows; an attempt that it has given up may still be at work
    /// here. So twice as many are taken before one is refused.
    pub(crate) fn new(capacity: u32, results_kept: usize) -> Self {
        let most_running = 2 * capacity as usize;
        Self {
            most_running,
            results_kept,
            next: 0,
            running: BTreeMap::new(),
            unacknowledged: VecDeque::new(),
            leaving: false,
            deferrals: 0,
            deferred_until: None,
        }
    }

    /// The node has registered on a new connection: the scheduler, which may be another one, is told about the work that runs
    /// and every result that is not acknowledged.
    pub(crate) fn registered(&self) -> Vec<Output> {
        let mut outputs = self.progress();
        outputs.extend(self.unacknowledged.iter().map(|kept| Output::Send(kept.message.clone())));
        outputs
    }

    /// Begins nothing new from now on.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    /// What is held.
    pub(crate) fn gauges(&self) -> NodeGauges {
        NodeGauges { running_jobs: self.running.len(), unacknowledged_results: self.unacknowledged.len() }
    }

    /// Whether nothing runs and nothing waits for an acknowledgement.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.unacknowledged.is_empty()
    }

    /// The scheduler has said something after its acknowledgement of the registration.
    pub(crate) fn received(&mut self, message: ToNode) -> Vec<Output> {
        match message {
            ToNode::JobAssign { job_id, attempt_id, text, src_lang, tgt_lang, trace_id } => {
                self.assigned(Assignment { job_id, attempt_id, trace_id, text, src_lang, tgt_lang })
            }
            ToNode::JobCancel { job_id, attempt_id } => self.cancelled(&job_id, &attempt_id),
            ToNode::ResultAck { job_id, attempt_id, accepted } => self.acknowledged(job_id, attempt_id, accepted),
            // Legal: a second acknowledgement of the registration changes nothing; a complaint is the log's.
            ToNode::NodeRegisterAck { .. } | ToNode::Error { .. } => Vec::new(),
        }
    }

    /// A piece of work has come to its end.
    pub(crate) fn finished(&mut self, work: WorkId, result: Result<String, WorkFailure>, now: Instant) -> Vec<Output> {
        // Legal: the work was stopped at the very moment of its end.
        let Some(assignment) = self.running.remove(&work) else { return Vec::new() };
        let result = match result {
            Ok(text) => {
                (self.deferrals, self.deferred_until) = (0, None);
                Ok(text)
            }
            Err(failure) if failure.retry == Retry::Later => Err(self.defer(failure, now)),
            Err(failure) => Err(failure),
        };
        self.keep(assignment, result)
    }

    /// Says how long nothing can be asked, where who refused has not said it: longer each time. What was asked together and is
    /// refused together is refused once.
    fn defer(&mut self, failure: WorkFailure, now: Instant) -> WorkFailure {
        if let Some(until) = self.deferred_until.filter(|until| *until > now)
            && failure.after.is_none()
        {
            return WorkFailure { after: Some(until.saturating_duration_since(now)), ..failure };
        }
        let after = failure.after.unwrap_or_else(|| doubled(FIRST_DEFERRAL, self.deferrals, LONGEST_DEFERRAL));
        self.deferrals = self.deferrals.saturating_add(1);
        self.deferred_until = Some(now + after);
        WorkFailure { after: Some(after), ..failure }
    }

    /// A `job_progress` for each piece of work that runs.
    pub(crate) fn progress(&self) -> Vec<Output> {
        self.running
            .values()
            .map(|work| {
                let (job_id, attempt_id) = (work.job_id.clone(), work.attempt_id.clone());
                Output::Send(FromNode::JobProgress { job_id, attempt_id })
            })
            .collect()
    }

    fn assigned(&mut self, assignment: Assignment) -> Vec<Output> {
        let (job_id, attempt_id) = (assignment.job_id.clone(), assignment.attempt_id.clone());
        let mut outputs =
            vec![Output::Send(FromNode::JobAck { job_id: job_id.clone(), attempt_id: attempt_id.clone() })];
        let trace_id = assignment.trace_id.clone();
        if let Some(work) = self.running.values_mut().find(|work| work.is_same_work(&assignment)) {
            // The scheduler has given the earlier attempt up, but the node still runs it: the work goes on as the new one.
            *work = assignment;
        } else if self.leaving {
            // Acknowledged and not begun: the scheduler would spend one attempt after another on a node that is silent
            // or refuses, and spends just this one when the connection closes.
            outputs.push(Output::Event(Event::JobLeftAlone { job_id, attempt_id, trace_id }));
            return outputs;
        } else if self.running.len() >= self.most_running {
            let full = WorkFailure { retry: Retry::Later, ..WorkFailure::again("the node is full") };
            outputs.extend(self.keep(assignment, Err(full)));
            return outputs;
        } else {
            let work = WorkId(self.next);
            self.next += 1;
            self.running.insert(work, assignment.clone());
            outputs.push(Output::Start(work, assignment));
        }
        outputs.push(Output::Event(Event::JobTaken { job_id, attempt_id, trace_id }));
        outputs
    }

    fn cancelled(&mut self, job_id: &str, attempt_id: &str) -> Vec<Output> {
        let found =
            self.running.extract_if(.., |_, work| work.job_id == job_id && work.attempt_id == attempt_id).next();
        // Legal: the result is on its way already, or the work goes on for a later attempt.
        let Some((work, assignment)) = found else { return Vec::new() };
        let Assignment { job_id, attempt_id, trace_id, .. } = assignment;
        vec![Output::Stop(work), Output::Event(Event::JobCancelled { job_id, attempt_id, trace_id })]
    }

    fn acknowledged(&mut self, job_id: String, attempt_id: String, accepted: bool) -> Vec<Output> {
        let found = self.unacknowledged.iter().position(|kept| {
            matches!(&kept.message, FromNode::JobResult { job_id: job, attempt_id: attempt, .. }
                if *job == job_id && *attempt == attempt_id)
        });
        // Legal: the scheduler acknowledges a result as often as it comes, and it may come on two connections.
        let Some(Unacknowledged { trace_id, .. }) = found.and_then(|index| self.unacknowledged.remove(index)) else {
            return Vec::new();
        };
        vec![Output::Event(Event::ResultAcknowledged { job_id, attempt_id, trace_id, accepted })]
    }

    fn keep(&mut self, assignment: Assignment, result: Result<String, WorkFailure>) -> Vec<Output> {
        let Assignment { job_id, attempt_id, trace_id, .. } = assignment;
        let ok = result.is_ok();
        let (text, retry, after) = match result {
            Ok(text) => (text, None, None),
            // What is absent means "again", to every scheduler.
            Err(WorkFailure { error, retry, after }) => {
                (error, Some(retry).filter(|retry| *retry != Retry::Again), after)
            }
        };
        let retry_after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let (job, attempt) = (job_id.clone(), attempt_id.clone());
        let message = FromNode::JobResult { job_id: job, attempt_id: attempt, ok, text, retry, retry_after_ms };
        self.unacknowledged.push_back(Unacknowledged { message: message.clone(), trace_id: trace_id.clone() });
        let mut outputs = vec![Output::Event(Event::JobDone { job_id, attempt_id, trace_id, ok })];
        if self.unacknowledged.len() > self.results_kept {
            outputs.extend(self.unacknowledged.pop_front().and_then(Unacknowledged::forgotten));
        }
        outputs.push(Output::Send(message));
        outputs
    }
}

/// How long nothing is asked of a gateway that is away and does not say how long; doubled each time it still is.
const FIRST_DEFERRAL: Duration = Duration::from_millis(500);
const LONGEST_DEFERRAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use halfopen_machine::testing::start as now;

    use super::*;

    #[test]
    fn what_cannot_be_asked_now_waits_longer_each_time_until_something_is_done() {
        let mut node = NodeState::new(4, 100);
        let mut at = now();
        let deferred = |node: &mut NodeState, at: Instant, after: Option<Duration>| {
            let work = start(node, "job", &format!("att-{}", node.next));
            let failure = WorkFailure { error: "away".to_owned(), retry: Retry::Later, after };
            match &sends(node.finished(work, Err(failure), at))[..] {
                [FromNode::JobResult { ok: false, retry: Some(Retry::Later), retry_after_ms: Some(after), .. }] => {
                    *after
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(deferred(&mut node, at, None), 500);
        assert_eq!(deferred(&mut node, at + Duration::from_millis(200), None), 300, "asked together, refused together");
        for expected in [1000, 2000, 4000, 8000, 10_000, 10_000] {
            at += Duration::from_secs(20);
            assert_eq!(deferred(&mut node, at, None), expected);
        }
        assert_eq!(deferred(&mut node, at, Some(Duration::from_secs(33))), 33_000, "who says when is believed");
        let work = start(&mut node, "job", "att-good");
        node.finished(work, Ok("hallo".to_owned()), at);
        assert_eq!(deferred(&mut node, at, None), 500);
    }

    #[test]
    fn a_result_is_kept_and_sent_again_until_it_is_acknowledged() {
        let mut node = NodeState::new(1, 10);
        let work = start(&mut node, "job-1", "att-1");
        let sent = sends(node.finished(work, Ok("hallo".to_owned()), now()));
        assert_eq!(sends(node.registered()), sent, "again after reconnecting");
        assert_eq!(sends(node.registered()), sent, "and again");
        let said = node.received(ack("job-1", "att-1", true));
        assert!(matches!(said[..], [Output::Event(Event::ResultAcknowledged { accepted: true, .. })]));
        assert_eq!(node.registered(), []);
    }

    #[test]
    fn a_refused_result_is_forgotten_as_well() {
        let mut node = NodeState::new(1, 10);
        let work = start(&mut node, "job-1", "att-1");
        node.finished(work, Err(WorkFailure::again("no")), now());
        node.received(ack("job-1", "att-1", false));
        assert_eq!(node.registered(), []);
        assert_eq!(node.received(ack("job-1", "att-1", false)), [], "a second acknowledgement is no news");
    }

    #[test]
    fn a_cancelled_attempt_stops_its_work_and_answers_nothing() {
        let mut node = NodeState::new(1, 10);
        let work = start(&mut node, "job-1", "att-1");
        let outputs = node.received(cancel("job-1", "att-1"));
        assert_eq!(outputs[0], Output::Stop(work));
        assert_eq!(node.finished(work, Ok("late".to_owned()), now()), []);
        assert_eq!(node.received(cancel("job-1", "att-1")), []);
    }

    #[test]
    fn work_at_hand_is_reported_when_the_node_registers_again() {
        let mut node = NodeState::new(1, 10);
        start(&mut node, "job-1", "att-1");
        let progress = FromNode::JobProgress { job_id: "job-1".to_owned(), attempt_id: "att-1".to_owned() };
        assert_eq!(sends(node.registered()), [progress]);
    }

    #[test]
    fn another_attempt_at_the_same_job_goes_on_with_the_work_begun() {
        let mut node = NodeState::new(1, 10);
        let work = start(&mut node, "job-1", "att-1");
        let outputs = node.received(assign("job-1", "att-2"));
        assert!(!outputs.iter().any(|output| matches!(output, Output::Start(..))), "{outputs:?}");
        let sent = sends(node.finished(work, Ok("hallo".to_owned()), now()));
        let [FromNode::JobResult { attempt_id, .. }] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(attempt_id, "att-2");
    }

    #[test]
    fn a_node_that_is_more_than_full_refuses_at_once() {
        let mut node = NodeState::new(1, 10);
        start(&mut node, "job-1", "att-1");
        start(&mut node, "job-2", "att-2");
        let sent = sends(node.received(assign("job-3", "att-3")));
        assert!(matches!(&sent[..], [FromNode::JobAck { .. }, FromNode::JobResult { ok: false, .. }]), "{sent:?}");
    }

    #[test]
    fn a_node_that_stops_finishes_what_it_has_and_begins_nothing() {
        let mut node = NodeState::new(2, 10);
        let work = start(&mut node, "job-1", "att-1");
        node.leave();
        let outputs = node.received(assign("job-2", "att-2"));
        assert!(!outputs.iter().any(|output| matches!(output, Output::Start(..))), "{outputs:?}");
        assert!(matches!(&sends(outputs)[..], [FromNode::JobAck { .. }]));
        assert!(!node.is_idle());
        node.finished(work, Ok("hallo".to_owned()), now());
        assert!(!node.is_idle(), "the result is not acknowledged");
        node.received(ack("job-1", "att-1", true));
        assert!(node.is_idle());
    }

    #[test]
    fn the_shelf_is_bounded() {
        let mut node = NodeState::new(1, 2);
        for number in 0..5 {
            let work = start(&mut node, &format!("job-{number}"), &format!("att-{number}"));
            let told = node.finished(work, Ok(String::new()), now());
            let forgotten = |output: &Output| matches!(output, Output::Event(Event::ResultForgotten { .. }));
            assert_eq!(told.iter().any(forgotten), number >= 2, "{number}");
        }
        let kept = sends(node.registered());
        assert_eq!(kept.len(), 2);
        assert_eq!(node.gauges(), NodeGauges { running_jobs: 0, unacknowledged_results: 2 });
        assert!(matches!(&kept[1], FromNode::JobResult { job_id, .. } if job_id == "job-4"));
    }

    fn start(node: &mut NodeState, job: &str, attempt: &str) -> WorkId {
        let outputs = node.received(assign(job, attempt));
        let started = outputs.iter().find_map(|output| match output {
            Output::Start(work, _) => Some(*work),
            Output::Send(_)
            | Output::Stop(_)
            | Output::Event(_)
            | Output::Connect
            | Output::Close(..)
            | Output::Stopped => None,
        });
        started.expect("the work begins")
    }

    fn sends(outputs: Vec<Output>) -> Vec<FromNode> {
        let message = |output| match output {
            Output::Send(message) => Some(message),
            Output::Start(..)
            | Output::Stop(_)
            | Output::Event(_)
            | Output::Connect
            | Output::Close(..)
            | Output::Stopped => None,
        };
        outputs.into_iter().filter_map(message).collect()
    }

    fn assign(job: &str, attempt: &str) -> ToNode {
        ToNode::JobAssign {
            job_id: job.to_owned(),
            attempt_id: attempt.to_owned(),
            text: "hello".to_owned(),
            src_lang: "en".to_owned(),
            tgt_lang: "de".to_owned(),
            trace_id: "trace".to_owned(),
        }
    }

    fn cancel(job: &str, attempt: &str) -> ToNode {
        ToNode::JobCancel { job_id: job.to_owned(), attempt_id: attempt.to_owned() }
    }

    fn ack(job: &str, attempt: &str, accepted: bool) -> ToNode {
        ToNode::ResultAck { job_id: job.to_owned(), attempt_id: attempt.to_owned(), accepted }
    }
}
