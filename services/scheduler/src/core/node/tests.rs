//! The machine of a node: its connections, its timers, and the law that no result is lost.

use std::collections::BTreeMap;

use halfopen_machine::testing::{Strict, start};
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> NodeSettings {
    NodeSettings {
        capacity: 2,
        results_kept: 100,
        heartbeat_interval: 5 * SECOND,
        progress_interval: 10 * SECOND,
        retry_interval: 5 * SECOND,
        hello_timeout: 10 * SECOND,
        shutdown_grace: 10 * SECOND,
        close_timeout: 2 * SECOND,
    }
}

/// A node, its time, and what it has said since the last look.
struct Fixture {
    node: Strict<Node>,
    start: Instant,
    now: Instant,
    outputs: Vec<Output>,
}

impl Fixture {
    fn new() -> Self {
        let start = start();
        let mut node = Strict::new(Node::new(settings()));
        let outputs = node.take_outputs();
        Self { node, start, now: start, outputs }
    }

    /// A node that the scheduler has taken.
    fn registered() -> Self {
        let mut fixture = Self::new();
        fixture.handle(Input::Connected);
        fixture.acknowledge_registration();
        fixture.take();
        fixture
    }

    fn handle(&mut self, input: Input) {
        self.node.handle(input, self.now).expect("no bug");
        self.outputs.extend(self.node.take_outputs());
    }

    fn acknowledge_registration(&mut self) {
        let (node_id, token, epoch) = ("node-00000001".to_owned(), "secret".to_owned(), "epoch".to_owned());
        self.handle(Input::Received(ToNode::NodeRegisterAck { node_id, token, epoch }));
    }

    /// Lets time pass, stopping at every timeout on the way.
    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(timeout) = self.node.next_timeout().filter(|timeout| *timeout <= until) {
            self.now = self.now.max(timeout);
            self.node.handle_timeout(self.now).expect("no bug");
            self.outputs.extend(self.node.take_outputs());
        }
        self.now = until;
    }

    fn assign(&mut self, job: &str, attempt: &str) {
        self.handle(Input::Received(ToNode::JobAssign {
            job_id: job.to_owned(),
            attempt_id: attempt.to_owned(),
            text: "hello".to_owned(),
            src_lang: "en".to_owned(),
            tgt_lang: "de".to_owned(),
            trace_id: "trace".to_owned(),
        }));
    }

    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn sent(&mut self) -> Vec<FromNode> {
        let sent = |output| match output {
            Output::Send(message) => Some(message),
            Output::Connect
            | Output::Close(..)
            | Output::Start(..)
            | Output::Stop(_)
            | Output::Event(_)
            | Output::Stopped => None,
        };
        self.take().into_iter().filter_map(sent).collect()
    }

    fn started(&mut self) -> WorkId {
        let started = |output| match output {
            Output::Start(work, _) => Some(work),
            Output::Connect
            | Output::Close(..)
            | Output::Send(_)
            | Output::Stop(_)
            | Output::Event(_)
            | Output::Stopped => None,
        };
        self.take().into_iter().find_map(started).expect("work has begun")
    }
}

#[test]
fn a_node_registers_as_soon_as_it_is_connected_and_then_beats_every_five_seconds() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.take(), [Output::Connect]);
    fixture.handle(Input::Connected);
    let hello = FromNode::NodeRegister { node_id: None, token: None, capacity: 2 };
    assert_eq!(fixture.sent(), [hello]);
    fixture.acknowledge_registration();
    assert_eq!(fixture.sent(), []);
    fixture.pass(11 * SECOND);
    assert_eq!(fixture.sent(), [FromNode::NodeHeartbeat, FromNode::NodeHeartbeat]);
}

#[test]
fn a_scheduler_that_refuses_is_tried_again_after_the_retry_interval() {
    let mut fixture = Fixture::new();
    fixture.take();
    fixture.handle(Input::NotConnected("connection refused".to_owned()));
    let (delay, reason) = (5 * SECOND, "connection refused".to_owned());
    assert_eq!(fixture.take(), [Output::Event(Event::Retrying { attempt: 1, delay, reason })]);
    fixture.pass(5 * SECOND - Duration::from_millis(1));
    assert_eq!(fixture.take(), []);
    fixture.pass(Duration::from_millis(1));
    assert_eq!(fixture.take(), [Output::Connect]);
}

#[test]
fn a_connection_that_held_is_replaced_at_once_and_one_that_did_not_after_a_pause() {
    let mut fixture = Fixture::registered();
    fixture.handle(Input::Lost(ConnectionEnd::by_network("reset")));
    assert!(!fixture.take().contains(&Output::Connect), "it has not held for the retry interval");
    fixture.pass(5 * SECOND);
    assert_eq!(fixture.take(), [Output::Connect]);
    fixture.handle(Input::Connected);
    fixture.acknowledge_registration();
    fixture.pass(5 * SECOND);
    fixture.handle(Input::Lost(ConnectionEnd::by_network("reset")));
    assert_eq!(fixture.take().last(), Some(&Output::Connect));
}

#[test]
fn a_registration_without_an_answer_is_given_up_and_counts_as_a_timeout() {
    let mut fixture = Fixture::new();
    fixture.handle(Input::Connected);
    fixture.take();
    fixture.pass(10 * SECOND);
    let detail = "no answer to the registration";
    assert_eq!(fixture.take(), [Output::Close(code::NORMAL, detail.to_owned())]);
    fixture.handle(Input::Lost(ConnectionEnd::by_us(code::NORMAL, detail)));
    let lost = Output::Event(Event::Lost(ConnectionEnd::by_timeout(detail)));
    assert_eq!(fixture.take(), [lost, Output::Connect]);
}

#[test]
fn failed_attempts_are_counted_from_the_last_registration() {
    let mut fixture = Fixture::new();
    let fail = |fixture: &mut Fixture| {
        fixture.take();
        fixture.handle(Input::NotConnected("connection refused".to_owned()));
        let [Output::Event(Event::Retrying { attempt, .. })] = fixture.take()[..] else { panic!("it retries") };
        fixture.pass(5 * SECOND);
        attempt
    };
    assert_eq!((fail(&mut fixture), fail(&mut fixture)), (1, 2));
    fixture.handle(Input::Connected);
    fixture.acknowledge_registration();
    fixture.pass(5 * SECOND);
    fixture.handle(Input::Lost(ConnectionEnd::by_network("reset")));
    assert_eq!(fail(&mut fixture), 1);
}

#[test]
fn a_node_comes_back_under_its_identity_unless_another_has_taken_it() {
    for (close_code, is_kept) in [(code::RESTART, true), (code::REPLACED, false), (code::WRONG_TOKEN, false)] {
        let mut fixture = Fixture::registered();
        fixture.handle(Input::Lost(ConnectionEnd { close_code, ..ConnectionEnd::by_network("") }));
        fixture.pass(5 * SECOND);
        fixture.handle(Input::Connected);
        let sent = fixture.sent();
        let [FromNode::NodeRegister { node_id, token, .. }] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!((node_id.is_some(), token.is_some()), (is_kept, is_kept), "{close_code}");
    }
}

#[test]
fn a_result_that_comes_without_a_connection_is_sent_with_the_next_registration() {
    let mut fixture = Fixture::registered();
    fixture.assign("job-1", "att-1");
    let work = fixture.started();
    fixture.handle(Input::Lost(ConnectionEnd::by_network("reset")));
    fixture.handle(Input::Finished(work, Ok("hallo".to_owned())));
    assert_eq!(fixture.sent(), []);
    fixture.pass(5 * SECOND);
    fixture.handle(Input::Connected);
    fixture.take();
    fixture.acknowledge_registration();
    let sent = fixture.sent();
    assert!(matches!(&sent[..], [FromNode::JobResult { ok: true, .. }]), "{sent:?}");
}

#[test]
fn work_at_hand_is_reported_every_ten_seconds() {
    let mut fixture = Fixture::registered();
    fixture.assign("job-1", "att-1");
    fixture.take();
    fixture.pass(10 * SECOND);
    let progress = FromNode::JobProgress { job_id: "job-1".to_owned(), attempt_id: "att-1".to_owned() };
    assert_eq!(fixture.sent(), [FromNode::NodeHeartbeat, FromNode::NodeHeartbeat, progress]);
}

#[test]
fn a_full_queue_and_a_malformed_message_close_the_connection_once() {
    for (input, close_code) in
        [(Input::Overflowed, code::TRY_LATER), (Input::Malformed("not JSON".to_owned()), code::INVALID)]
    {
        let mut fixture = Fixture::registered();
        fixture.handle(input.clone());
        fixture.handle(input);
        let closed = fixture.take();
        assert!(matches!(&closed[..], [Output::Close(code, _)] if *code == close_code), "{closed:?}");
        fixture.assign("job-1", "att-1");
        fixture.pass(60 * SECOND);
        assert_eq!(fixture.take(), [], "a connection that is being closed carries nothing");
    }
}

#[test]
fn a_node_that_is_told_to_stop_finishes_its_work_and_says_goodbye() {
    let mut fixture = Fixture::registered();
    fixture.assign("job-1", "att-1");
    let work = fixture.started();
    fixture.handle(Input::Shutdown);
    fixture.handle(Input::Finished(work, Ok("hallo".to_owned())));
    assert!(!fixture.take().iter().any(|output| matches!(output, Output::Close(..))), "it is not acknowledged");
    let (job_id, attempt_id) = ("job-1".to_owned(), "att-1".to_owned());
    fixture.handle(Input::Received(ToNode::ResultAck { job_id, attempt_id, accepted: true }));
    assert_eq!(fixture.take().last(), Some(&Output::Close(code::AWAY, STOPPING.to_owned())));
    let end = ConnectionEnd::by_us(code::AWAY, STOPPING);
    fixture.handle(Input::Lost(end.clone()));
    assert_eq!(fixture.take(), [Output::Event(Event::Lost(end)), Output::Stopped]);
}

#[test]
fn the_grace_period_bounds_the_work_and_the_close_timeout_the_goodbye() {
    let mut fixture = Fixture::registered();
    fixture.assign("job-1", "att-1");
    fixture.handle(Input::Shutdown);
    fixture.take();
    fixture.pass(10 * SECOND);
    assert!(fixture.take().contains(&Output::Close(code::AWAY, STOPPING.to_owned())));
    fixture.pass(60 * SECOND);
    assert_eq!(fixture.take(), [Output::Stopped]);
    assert_eq!(fixture.node.next_timeout(), None);
}

#[test]
fn without_a_connection_a_node_stops_at_once() {
    let mut connecting = Fixture::new();
    connecting.take();
    connecting.handle(Input::Shutdown);
    assert_eq!(connecting.take(), [Output::Stopped]);
    let mut waiting = Fixture::new();
    waiting.handle(Input::NotConnected("refused".to_owned()));
    waiting.take();
    waiting.handle(Input::Shutdown);
    assert_eq!(waiting.take(), [Output::Stopped]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "broken rule: only an open connection is lost")]
fn a_loss_without_a_connection_is_a_bug() {
    Fixture::new().handle(Input::Lost(ConnectionEnd::by_network("reset")));
}

/// Something that may happen next.
#[derive(Clone, Debug)]
enum Step {
    Assign { job: u8 },
    Cancel { pick: usize },
    Finish { pick: usize, ok: bool },
    Acknowledge { pick: usize },
    Lose,
    Malformed,
    Pass { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..6_u8).prop_map(|job| Step::Assign { job }),
        1 => (0..8_usize).prop_map(|pick| Step::Cancel { pick }),
        5 => (0..8_usize, any::<bool>()).prop_map(|(pick, ok)| Step::Finish { pick, ok }),
        4 => (0..8_usize).prop_map(|pick| Step::Acknowledge { pick }),
        2 => Just(Step::Lose),
        1 => Just(Step::Malformed),
        4 => (0..20_000_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// The reference: what a scheduler and the tasks that work know of a node.
struct Model {
    fixture: Fixture,
    attempts: u32,
    /// The connection, as the shell sees it.
    is_open: bool,
    is_registered: bool,
    is_closing: bool,
    /// Work that the node has begun and not stopped.
    at_work: Vec<WorkId>,
    /// Attempts assigned, with their jobs.
    assigned: Vec<(String, String)>,
    /// Results sent on any connection or due on the next, by attempt, and not acknowledged.
    owed: BTreeMap<String, String>,
    /// Results sent on this connection.
    sent_here: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let mut world = Self {
            fixture: Fixture::new(),
            attempts: 0,
            is_open: false,
            is_registered: false,
            is_closing: false,
            at_work: Vec::new(),
            assigned: Vec::new(),
            owed: BTreeMap::new(),
            sent_here: Vec::new(),
        };
        world.observe();
        world
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Assign { job } if self.is_registered => {
                self.attempts += 1;
                let (job, attempt) = (format!("job-{job}"), format!("att-{}", self.attempts));
                self.assigned.push((job.clone(), attempt.clone()));
                self.fixture.assign(&job, &attempt);
            }
            Step::Cancel { pick } if self.is_registered => {
                if let Some(index) = pick.checked_rem(self.assigned.len()) {
                    let (job_id, attempt_id) = self.assigned[index].clone();
                    self.fixture.handle(Input::Received(ToNode::JobCancel { job_id, attempt_id }));
                }
            }
            Step::Finish { pick, ok } => {
                if let Some(index) = pick.checked_rem(self.at_work.len()) {
                    let work = self.at_work.swap_remove(index);
                    let result = if ok { Ok("text".to_owned()) } else { Err(WorkFailure::again("no")) };
                    self.fixture.handle(Input::Finished(work, result));
                }
            }
            Step::Acknowledge { pick } if self.is_registered => {
                if let Some(index) = pick.checked_rem(self.sent_here.len()) {
                    let attempt_id = self.sent_here[index].clone();
                    if let Some(job_id) = self.owed.remove(&attempt_id) {
                        self.fixture.handle(Input::Received(ToNode::ResultAck { job_id, attempt_id, accepted: true }));
                    }
                }
            }
            Step::Lose => self.lose(),
            Step::Malformed if self.is_open => self.fixture.handle(Input::Malformed("nonsense".to_owned())),
            Step::Pass { millis } => self.fixture.pass(Duration::from_millis(millis)),
            Step::Assign { .. } | Step::Cancel { .. } | Step::Acknowledge { .. } | Step::Malformed => {}
        }
        self.observe();
    }

    fn lose(&mut self) {
        if self.is_open {
            (self.is_open, self.is_registered, self.is_closing) = (false, false, false);
            self.fixture.handle(Input::Lost(ConnectionEnd::by_network("reset")));
        }
    }

    /// Takes in what the node has said, as its shell and its scheduler would, and checks the laws on the way.
    fn observe(&mut self) {
        let outputs = self.fixture.take();
        for output in outputs {
            match output {
                Output::Connect => {
                    assert!(!self.is_open, "one connection at a time");
                    self.is_open = true;
                    self.fixture.handle(Input::Connected);
                    self.observe();
                }
                Output::Send(message) => {
                    assert!(self.is_open && !self.is_closing, "{message:?} without a connection");
                    self.sent(message);
                }
                Output::Close(..) => {
                    assert!(!self.is_closing, "closed twice");
                    (self.is_closing, self.is_registered) = (true, false);
                }
                Output::Start(work, _) => {
                    self.at_work.push(work);
                    assert!(
                        self.at_work.len() <= 2 * settings().capacity as usize,
                        "more work than twice the capacity"
                    );
                }
                Output::Stop(work) => self.at_work.retain(|other| *other != work),
                Output::Event(Event::JobDone { job_id, attempt_id, .. }) => {
                    self.owed.insert(attempt_id, job_id);
                }
                Output::Event(_) => {}
                Output::Stopped => panic!("it was not told to stop"),
            }
        }
    }

    fn sent(&mut self, message: FromNode) {
        match message {
            FromNode::NodeRegister { .. } => {
                // The scheduler answers at once; what is owed follows.
                self.sent_here.clear();
                self.is_registered = true;
                self.fixture.acknowledge_registration();
                let owed = self.owed.clone();
                self.observe();
                for attempt in owed.keys() {
                    assert!(self.sent_here.contains(attempt), "the result of {attempt} is kept and was not sent again");
                }
            }
            FromNode::JobResult { job_id, attempt_id, .. } => {
                assert_eq!(self.owed.get(&attempt_id), Some(&job_id), "a result is of an attempt that ended");
                self.sent_here.push(attempt_id);
            }
            FromNode::NodeHeartbeat | FromNode::JobAck { .. } | FromNode::JobProgress { .. } => {
                assert!(self.is_registered, "{message:?} before the registration");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_result_is_sent_on_every_connection_until_it_is_acknowledged(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = Model::new();
        for step in steps {
            world.apply(&step);
        }
        prop_assert!(world.fixture.now >= world.fixture.start);
        // Whatever happened, the node stops within its grace period and two closes.
        world.fixture.handle(Input::Shutdown);
        world.fixture.pass(14 * SECOND);
        let stopped = world.fixture.take().contains(&Output::Stopped);
        prop_assert!(stopped);
    }
}
