//! The node's pure core: what lies on the bench (work begun) and on the shelf (results that nobody has acknowledged).
//!
//! Invariant: a result leaves the shelf only when the scheduler has acknowledged it, or when the shelf is full.

use std::collections::{BTreeMap, VecDeque};

use halfopen_link::message::{FromNode, ToNode};

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

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send, if there is a connection; what must not be lost is on the shelf as well.
    Send(FromNode),
    /// Begin to work.
    Start(WorkId, Assignment),
    /// Stop working: nobody wants it.
    Stop(WorkId),
    /// Say that this has happened.
    Say(Said),
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Taken {
        job_id: String,
        attempt_id: String,
        trace_id: String,
    },
    Done {
        job_id: String,
        attempt_id: String,
        trace_id: String,
        ok: bool,
    },
    Acknowledged {
        job_id: String,
        attempt_id: String,
        trace_id: String,
        accepted: bool,
    },
    /// Left to others: the node is stopping.
    LeftAlone {
        job_id: String,
        attempt_id: String,
        trace_id: String,
    },
    Cancelled {
        job_id: String,
        attempt_id: String,
        trace_id: String,
    },
}

/// The node's state.
#[derive(Debug)]
pub(crate) struct Bench {
    most_at_work: usize,
    results_kept: usize,
    next: u64,
    at_work: BTreeMap<WorkId, Assignment>,
    /// Results without an acknowledgement, oldest first.
    shelf: VecDeque<Shelved>,
    /// The node is stopping: what it has is finished, nothing new is begun.
    leaving: bool,
}

/// A result, with its job's trace for the log.
#[derive(Debug)]
struct Shelved {
    message: FromNode,
    trace_id: String,
}

impl Bench {
    /// The scheduler respects the capacity as far as it knows; an attempt that it has given up may still be at work
    /// here. So twice as many are taken before one is refused.
    pub(crate) fn new(capacity: u32, results_kept: usize) -> Self {
        let most_at_work = 2 * capacity as usize;
        Self { most_at_work, results_kept, next: 0, at_work: BTreeMap::new(), shelf: VecDeque::new(), leaving: false }
    }

    /// The scheduler, the same or another, has a new connection to this node: it hears what goes on and what is done.
    pub(crate) fn registered(&self) -> Vec<Action> {
        let mut actions = self.progress();
        actions.extend(self.shelf.iter().map(|shelved| Action::Send(shelved.message.clone())));
        actions
    }

    /// From now on nothing new is begun.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    /// Nothing is at work, and nothing waits for an acknowledgement.
    pub(crate) fn is_idle(&self) -> bool {
        self.at_work.is_empty() && self.shelf.is_empty()
    }

    /// The scheduler has said something after its acknowledgement of the registration.
    pub(crate) fn told(&mut self, message: ToNode) -> Vec<Action> {
        match message {
            ToNode::JobAssign { job_id, attempt_id, text, src_lang, tgt_lang, trace_id } => {
                self.assigned(Assignment { job_id, attempt_id, trace_id, text, src_lang, tgt_lang })
            }
            ToNode::JobCancel { job_id, attempt_id } => self.cancelled(&job_id, &attempt_id),
            ToNode::ResultAck { job_id, attempt_id, accepted } => self.acknowledged(job_id, attempt_id, accepted),
            ToNode::NodeRegisterAck { .. } | ToNode::Error { .. } => Vec::new(),
        }
    }

    /// A piece of work has come to its end.
    pub(crate) fn done(&mut self, work: WorkId, result: Result<String, String>) -> Vec<Action> {
        // Work that was stopped at the very moment of its end is wanted no more.
        let Some(assignment) = self.at_work.remove(&work) else { return Vec::new() };
        self.shelve(assignment, result)
    }

    /// What is sent about all work at hand.
    pub(crate) fn progress(&self) -> Vec<Action> {
        self.at_work
            .values()
            .map(|work| {
                let (job_id, attempt_id) = (work.job_id.clone(), work.attempt_id.clone());
                Action::Send(FromNode::JobProgress { job_id, attempt_id })
            })
            .collect()
    }

    fn assigned(&mut self, assignment: Assignment) -> Vec<Action> {
        let (job_id, attempt_id) = (assignment.job_id.clone(), assignment.attempt_id.clone());
        let mut actions =
            vec![Action::Send(FromNode::JobAck { job_id: job_id.clone(), attempt_id: attempt_id.clone() })];
        let trace_id = assignment.trace_id.clone();
        if let Some(work) = self.at_work.values_mut().find(|work| work.is_same_work(&assignment)) {
            // The scheduler lost sight of the attempt, not the node of the work: it goes on under its new name.
            *work = assignment;
        } else if self.leaving {
            // Acknowledged and not begun: the scheduler would spend one attempt after another on a node that is silent
            // or refuses, and spends just this one when the connection closes.
            actions.push(Action::Say(Said::LeftAlone { job_id, attempt_id, trace_id }));
            return actions;
        } else if self.at_work.len() >= self.most_at_work {
            actions.extend(self.shelve(assignment, Err("the node is full".to_owned())));
            return actions;
        } else {
            let work = WorkId(self.next);
            self.next += 1;
            self.at_work.insert(work, assignment.clone());
            actions.push(Action::Start(work, assignment));
        }
        actions.push(Action::Say(Said::Taken { job_id, attempt_id, trace_id }));
        actions
    }

    fn cancelled(&mut self, job_id: &str, attempt_id: &str) -> Vec<Action> {
        let found = self.at_work.iter().find(|(_, work)| work.job_id == job_id && work.attempt_id == attempt_id);
        let Some(work) = found.map(|(work, _)| *work) else { return Vec::new() };
        let Some(assignment) = self.at_work.remove(&work) else { return Vec::new() };
        let Assignment { job_id, attempt_id, trace_id, .. } = assignment;
        vec![Action::Stop(work), Action::Say(Said::Cancelled { job_id, attempt_id, trace_id })]
    }

    fn acknowledged(&mut self, job_id: String, attempt_id: String, accepted: bool) -> Vec<Action> {
        let found = self.shelf.iter().position(|shelved| {
            matches!(&shelved.message, FromNode::JobResult { job_id: job, attempt_id: attempt, .. }
                if *job == job_id && *attempt == attempt_id)
        });
        let Some(Shelved { trace_id, .. }) = found.and_then(|index| self.shelf.remove(index)) else {
            return Vec::new();
        };
        vec![Action::Say(Said::Acknowledged { job_id, attempt_id, trace_id, accepted })]
    }

    fn shelve(&mut self, assignment: Assignment, result: Result<String, String>) -> Vec<Action> {
        let Assignment { job_id, attempt_id, trace_id, .. } = assignment;
        let ok = result.is_ok();
        let text = result.unwrap_or_else(|error| error);
        let message = FromNode::JobResult { job_id: job_id.clone(), attempt_id: attempt_id.clone(), ok, text };
        self.shelf.push_back(Shelved { message: message.clone(), trace_id: trace_id.clone() });
        if self.shelf.len() > self.results_kept {
            self.shelf.pop_front();
        }
        vec![Action::Say(Said::Done { job_id, attempt_id, trace_id, ok }), Action::Send(message)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_kept_and_sent_again_until_it_is_acknowledged() {
        let mut bench = Bench::new(1, 10);
        let work = start(&mut bench, "job-1", "att-1");
        let sent = sends(bench.done(work, Ok("hallo".to_owned())));
        assert_eq!(sends(bench.registered()), sent, "again after reconnecting");
        assert_eq!(sends(bench.registered()), sent, "and again");
        let said = bench.told(ack("job-1", "att-1", true));
        assert!(matches!(said[..], [Action::Say(Said::Acknowledged { accepted: true, .. })]));
        assert_eq!(bench.registered(), []);
    }

    #[test]
    fn a_refused_result_is_forgotten_as_well() {
        let mut bench = Bench::new(1, 10);
        let work = start(&mut bench, "job-1", "att-1");
        bench.done(work, Err("no".to_owned()));
        bench.told(ack("job-1", "att-1", false));
        assert_eq!(bench.registered(), []);
        assert_eq!(bench.told(ack("job-1", "att-1", false)), [], "a second acknowledgement is no news");
    }

    #[test]
    fn a_cancelled_attempt_stops_its_work_and_answers_nothing() {
        let mut bench = Bench::new(1, 10);
        let work = start(&mut bench, "job-1", "att-1");
        let actions = bench.told(cancel("job-1", "att-1"));
        assert_eq!(actions[0], Action::Stop(work));
        assert_eq!(bench.done(work, Ok("late".to_owned())), []);
        assert_eq!(bench.told(cancel("job-1", "att-1")), []);
    }

    #[test]
    fn work_at_hand_is_reported_when_the_node_registers_again() {
        let mut bench = Bench::new(1, 10);
        start(&mut bench, "job-1", "att-1");
        let progress = FromNode::JobProgress { job_id: "job-1".to_owned(), attempt_id: "att-1".to_owned() };
        assert_eq!(sends(bench.registered()), [progress]);
    }

    #[test]
    fn another_attempt_at_the_same_job_goes_on_with_the_work_begun() {
        let mut bench = Bench::new(1, 10);
        let work = start(&mut bench, "job-1", "att-1");
        let actions = bench.told(assign("job-1", "att-2"));
        assert!(!actions.iter().any(|action| matches!(action, Action::Start(..))), "{actions:?}");
        let sent = sends(bench.done(work, Ok("hallo".to_owned())));
        let [FromNode::JobResult { attempt_id, .. }] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(attempt_id, "att-2");
    }

    #[test]
    fn a_node_that_is_more_than_full_refuses_at_once() {
        let mut bench = Bench::new(1, 10);
        start(&mut bench, "job-1", "att-1");
        start(&mut bench, "job-2", "att-2");
        let sent = sends(bench.told(assign("job-3", "att-3")));
        assert!(matches!(&sent[..], [FromNode::JobAck { .. }, FromNode::JobResult { ok: false, .. }]), "{sent:?}");
    }

    #[test]
    fn a_node_that_stops_finishes_what_it_has_and_begins_nothing() {
        let mut bench = Bench::new(2, 10);
        let work = start(&mut bench, "job-1", "att-1");
        bench.leave();
        let actions = bench.told(assign("job-2", "att-2"));
        assert!(!actions.iter().any(|action| matches!(action, Action::Start(..))), "{actions:?}");
        assert!(matches!(&sends(actions)[..], [FromNode::JobAck { .. }]));
        assert!(!bench.is_idle());
        bench.done(work, Ok("hallo".to_owned()));
        assert!(!bench.is_idle(), "the result is not acknowledged");
        bench.told(ack("job-1", "att-1", true));
        assert!(bench.is_idle());
    }

    #[test]
    fn the_shelf_is_bounded() {
        let mut bench = Bench::new(1, 2);
        for number in 0..5 {
            let work = start(&mut bench, &format!("job-{number}"), &format!("att-{number}"));
            bench.done(work, Ok(String::new()));
        }
        let kept = sends(bench.registered());
        assert_eq!(kept.len(), 2);
        assert!(matches!(&kept[1], FromNode::JobResult { job_id, .. } if job_id == "job-4"));
    }

    fn start(bench: &mut Bench, job: &str, attempt: &str) -> WorkId {
        let actions = bench.told(assign(job, attempt));
        let started = actions.iter().find_map(|action| match action {
            Action::Start(work, _) => Some(*work),
            Action::Send(_) | Action::Stop(_) | Action::Say(_) => None,
        });
        started.expect("the work begins")
    }

    fn sends(actions: Vec<Action>) -> Vec<FromNode> {
        let message = |action| match action {
            Action::Send(message) => Some(message),
            Action::Start(..) | Action::Stop(_) | Action::Say(_) => None,
        };
        actions.into_iter().filter_map(message).collect()
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
