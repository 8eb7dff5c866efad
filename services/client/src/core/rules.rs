//! The core's rules, one test each.

use halfopen_link::message::FailureCode;

use super::*;
use crate::config::Order;

#[test]
fn the_first_hello_asks_for_no_session_and_later_ones_for_the_last() {
    let mut client = Played::ready();
    client.outcome(1, "a");
    client.lose(1006);
    client.wait();
    let hello = client.tell(Input::Connected);
    let [Output::Send(FromSession::SessionInit { resume: Some(resume), .. })] = &hello[..] else { panic!("{hello:?}") };
    assert_eq!((resume.session_id.as_str(), resume.token.as_str(), resume.last_seq), ("s-1", "t-1", 1));
}

#[test]
fn submits_before_the_session_is_up_wait_and_go_out_in_order() {
    let mut client = Played::new(&Config::default());
    client.submit("a");
    client.tell(Input::Connected);
    client.submit("b");
    assert_eq!(sent(&client.greeted(false)), ["a", "b"]);
}

#[test]
fn after_a_resume_only_unacknowledged_submits_are_sent_again() {
    let mut client = Played::ready();
    client.submit("a");
    client.submit("b");
    client.tell(Input::Message(ToSession::SubmitAck { job_id: "a".into() }));
    client.reconnect(1006);
    assert_eq!(sent(&client.greeted(true)), ["b"]);
}

#[test]
fn in_a_new_session_every_job_without_an_outcome_is_sent_again_in_order() {
    let mut client = Played::ready();
    for job in ["a", "b", "c"] {
        client.submit(job);
        client.tell(Input::Message(ToSession::SubmitAck { job_id: job.into() }));
    }
    client.outcome(1, "b");
    client.reconnect(1012);
    assert_eq!(sent(&client.greeted(false)), ["a", "c"]);
    assert_eq!(settled(&client.outcome(1, "a")), ["a"], "the new session counts from 1");
}

#[test]
fn a_redelivered_outcome_is_acknowledged_again_and_settles_nothing() {
    let mut client = Played::ready();
    client.submit("a");
    let first = client.outcome(1, "a");
    assert_eq!((settled(&first), acks(&first)), (vec!["a".to_owned()], vec![1]));
    client.reconnect(1006);
    client.greeted(true);
    let again = client.outcome(1, "a");
    assert_eq!((settled(&again), acks(&again)), (vec![], vec![1]));
}

#[test]
fn an_outcome_for_a_job_that_has_one_still_keeps_its_place_in_the_sequence() {
    let mut client = Played::ready();
    client.submit("a");
    client.submit("b");
    client.outcome(1, "a");
    assert_eq!(acks(&client.outcome(2, "a")), [2]);
    assert_eq!(settled(&client.outcome(3, "b")), ["b"]);
}

#[test]
fn the_handle_resolves_before_its_ack_is_sent() {
    let mut client = Played::ready();
    client.submit("a");
    let outputs = client.outcome(1, "a");
    assert!(matches!(outputs[..], [Output::Settle(_), Output::Send(FromSession::Ack { upto_seq: 1 })]), "{outputs:?}");
}

#[test]
fn a_gap_in_the_sequence_is_never_acknowledged() {
    let mut client = Played::ready();
    client.submit("a");
    let outputs = client.outcome(3, "a");
    assert_eq!((acks(&outputs), settled(&outputs)), (vec![], vec![]));
    assert!(matches!(outputs[0], Output::Abandon { close_code: 1008, .. }), "{outputs:?}");
    assert!(matches!(client.core.state(), State::Reconnecting(1)));
}

#[test]
fn in_utterance_order_a_failed_job_releases_its_place() {
    let mut client = Played::new(&Config { order: Order::Utterance, ..Config::default() });
    client.tell(Input::Connected);
    client.greeted(false);
    for job in ["a", "b", "c"] {
        client.submit(job);
    }
    let early = client.outcome(1, "b");
    assert_eq!((settled(&early), acks(&early)), (vec![], vec![1]), "recorded, held back, acknowledged");
    let failed =
        ToSession::JobFailed { seq: 2, job_id: "a".into(), code: FailureCode::JobTimeout, message: "too slow".into() };
    assert_eq!(settled(&client.tell(Input::Message(failed))), ["a", "b"]);
    assert_eq!(settled(&client.outcome(3, "c")), ["c"]);
}

#[test]
fn the_first_outcome_stays_while_it_is_held_back() {
    let mut client = Played::new(&Config { order: Order::Utterance, ..Config::default() });
    client.tell(Input::Connected);
    client.greeted(false);
    client.submit("a");
    client.submit("b");
    client.outcome(1, "b");
    client.tell(Input::Message(outcome(2, "b", false)));
    assert_eq!(outcomes(&client.outcome(3, "a")), [("a".into(), "result"), ("b".into(), "result")]);
}

#[test]
fn what_is_held_back_comes_out_when_the_client_is_closed() {
    let mut client = Played::new(&Config { order: Order::Utterance, ..Config::default() });
    client.tell(Input::Connected);
    client.greeted(false);
    client.submit("a");
    client.submit("b");
    client.outcome(1, "b");
    client.tell(Input::Close);
    let outcomes = outcomes(&client.wait());
    assert_eq!(outcomes, [("a".into(), "UNKNOWN"), ("b".into(), "result")]);
}

#[test]
fn accept_greet_drop_is_bounded_because_a_hello_forgets_no_attempt() {
    let mut client = Played::new(&Config::default());
    let mut connections = 0;
    while client.core.state() != State::Closed {
        client.tell(Input::Connected);
        client.greeted(true);
        client.lose(1000);
        connections += 1;
        assert!(connections < 100, "it goes on for ever");
        client.wait();
    }
    assert_eq!(connections, 11, "the first connection and ten attempts");
}

#[test]
fn ten_seconds_in_ready_forget_the_attempts() {
    for seconds in [9, 10] {
        let mut client = Played::ready();
        client.reconnect(1006);
        client.greeted(true);
        client.now += Duration::from_secs(seconds);
        client.core.handle_timeout(client.now);
        client.lose(1006);
        let expected = if seconds < 10 { 2 } else { 1 };
        assert_eq!(client.core.state(), State::Reconnecting(expected), "{seconds} s");
    }
}

#[test]
fn a_refused_connection_is_tried_ten_times_and_then_every_handle_is_unknown() {
    let mut client = Played::new(&Config::default());
    client.submit("a");
    let started = client.now;
    let mut last = Vec::new();
    while client.core.state() != State::Closed {
        assert!(client.now - started < Duration::from_secs(3600), "it goes on for ever");
        last = client.tell(Input::ConnectFailed("connection refused".into()));
        last.extend(client.wait());
    }
    assert_eq!(outcomes(&last), [("a".into(), "UNKNOWN")]);
    assert!(last.contains(&Output::Tell(Event::GaveUp { attempts: 10 })));
    let waited = client.now - started;
    assert!(waited >= Duration::from_secs(181) && waited <= Duration::from_secs(200), "{waited:?}");
}

#[test]
fn a_close_4001_is_final() {
    let mut client = Played::ready();
    client.submit("a");
    let outputs = client.lose(4001);
    assert_eq!(outcomes(&outputs), [("a".into(), "UNKNOWN")]);
    assert!(outputs.contains(&Output::Tell(Event::Replaced)));
    assert_eq!((client.core.state(), client.core.next_deadline()), (State::Closed, None));
}

#[test]
fn a_wrong_token_is_not_presented_twice() {
    let mut client = Played::ready();
    client.lose(4003);
    client.wait();
    let hello = client.tell(Input::Connected);
    assert!(matches!(hello[..], [Output::Send(FromSession::SessionInit { resume: None, .. })]), "{hello:?}");
}

#[test]
fn a_job_in_flight_at_two_blaming_closes_in_a_row_is_rejected() {
    for close_code in [1003, 1007, 1008, 1009] {
        let mut client = Played::ready();
        client.submit("poison");
        assert_eq!(outcomes(&client.reconnect(close_code)), []);
        assert_eq!(sent(&client.greeted(true)), ["poison"]);
        assert_eq!(outcomes(&client.lose(close_code)), [("poison".into(), "REJECTED")]);
    }
}

#[test]
fn a_poisoned_jobs_neighbours_survive_it() {
    let mut client = Played::ready();
    for job in ["a", "poison", "b"] {
        client.submit(job);
    }
    client.reconnect(1007);
    assert_eq!(sent(&client.greeted(true)), ["a"], "suspects go one at a time");
    let next = client.tell(Input::Message(ToSession::SubmitAck { job_id: "a".into() }));
    assert_eq!(sent(&next), ["poison"]);
    assert_eq!(outcomes(&client.reconnect(1007)), [("poison".into(), "REJECTED")]);
    assert_eq!(sent(&client.greeted(true)), ["b"]);
}

#[test]
fn an_ordinary_loss_between_two_blaming_ones_clears_a_job() {
    let mut client = Played::ready();
    client.submit("a");
    for close_code in [1007, 1006, 1007] {
        assert_eq!(outcomes(&client.reconnect(close_code)), []);
        client.greeted(true);
    }
}

#[test]
fn a_blaming_close_of_our_own_blames_no_job() {
    let mut client = Played::ready();
    client.submit("a");
    for _ in 0..3 {
        assert_eq!(outcomes(&client.tell(Input::Malformed("not JSON".into()))), []);
        client.wait();
        client.tell(Input::Connected);
        client.greeted(true);
    }
}

#[test]
fn no_hello_within_ten_seconds_is_a_loss() {
    let mut client = Played::new(&Config::default());
    client.tell(Input::Connected);
    let outputs = client.wait();
    assert!(matches!(outputs[0], Output::Abandon { close_code: 4008, .. }), "{outputs:?}");
    let Output::Tell(Event::Lost { ending, .. }) = &outputs[1] else { panic!("{outputs:?}") };
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout));
}

#[test]
fn a_connect_that_hangs_is_abandoned_after_ten_seconds() {
    let mut client = Played::new(&Config::default());
    let started = client.now;
    let outputs = client.wait();
    assert_eq!(client.now - started, Duration::from_secs(10));
    assert!(matches!(outputs[..], [Output::Abandon { .. }, Output::Tell(Event::Reconnecting { attempt: 1, .. })]));
}

#[test]
fn an_outcome_before_the_hello_is_out_of_turn() {
    let mut client = Played::new(&Config::default());
    client.tell(Input::Connected);
    let outputs = client.outcome(1, "a");
    assert!(matches!(outputs[0], Output::Abandon { close_code: 1008, .. }), "{outputs:?}");
}

#[test]
fn closing_asks_the_scheduler_what_becomes_of_the_open_jobs() {
    let mut client = Played::ready();
    client.submit("a");
    assert_eq!(client.tell(Input::Close), [Output::Send(FromSession::SessionClose)]);
    let code = FailureCode::SessionClosed;
    let closed = ToSession::JobFailed { seq: 1, job_id: "a".into(), code, message: "closed".into() };
    let outputs = client.tell(Input::Message(closed));
    assert_eq!((outcomes(&outputs), acks(&outputs)), (vec![("a".into(), "SESSION_CLOSED")], vec![1]));
    assert_eq!(outputs[2], Output::Abandon { close_code: 1000, reason: "bye" }, "after the ack");
    assert_eq!(client.core.state(), State::Closed);
}

#[test]
fn closing_waits_two_seconds_for_the_scheduler_and_leaves_no_handle_open() {
    let mut client = Played::ready();
    client.submit("a");
    client.tell(Input::Close);
    let asked = client.now;
    let outputs = client.wait();
    assert_eq!((client.now - asked, outcomes(&outputs)), (Duration::from_secs(2), vec![("a".into(), "UNKNOWN")]));
    client.submit("late");
    assert_eq!(client.core.state(), State::Closed);
}

#[test]
fn closing_with_nothing_open_waits_for_nobody() {
    let mut client = Played::ready();
    let outputs = client.tell(Input::Close);
    assert_eq!(
        outputs[..2],
        [Output::Send(FromSession::SessionClose), Output::Abandon { close_code: 1000, reason: "bye" }]
    );
    assert_eq!(client.core.state(), State::Closed);
}

#[test]
fn an_error_of_the_scheduler_leaves_the_connection_alone() {
    let mut client = Played::ready();
    let error = ToSession::Error { code: "unknown_type".into(), message: "what?".into() };
    assert_eq!(client.tell(Input::Message(error)), []);
    assert_eq!(client.core.state(), State::Ready);
}

/// A client whose network is played by a test.
struct Played {
    core: Core,
    now: Instant,
}

impl Played {
    fn new(config: &Config) -> Self {
        let now = Instant::now();
        let mut core = Core::new(config, 1, now);
        assert_eq!(core.take_outputs(), [Output::Connect]);
        Self { core, now }
    }

    fn ready() -> Self {
        let mut client = Self::new(&Config::default());
        client.tell(Input::Connected);
        client.greeted(false);
        client
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.core.handle(input, self.now);
        self.core.take_outputs()
    }

    fn submit(&mut self, name: &str) {
        self.tell(Input::Submit(job(name)));
    }

    fn greeted(&mut self, resumed: bool) -> Vec<Output> {
        self.tell(Input::Message(hello(resumed)))
    }

    fn outcome(&mut self, seq: u64, name: &str) -> Vec<Output> {
        self.tell(Input::Message(outcome(seq, name, true)))
    }

    fn lose(&mut self, close_code: u16) -> Vec<Output> {
        let by = if close_code == 1006 { By::Network } else { By::Peer };
        self.tell(Input::Ended(Ending { close_code, by, detail: String::new() }))
    }

    /// Loses the connection and has the next one upgraded; gives what the loss led to.
    fn reconnect(&mut self, close_code: u16) -> Vec<Output> {
        let outputs = self.lose(close_code);
        self.wait();
        self.tell(Input::Connected);
        outputs
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) -> Vec<Output> {
        if let Some(deadline) = self.core.next_deadline() {
            self.now = deadline;
            self.core.handle_timeout(self.now);
        }
        self.core.take_outputs()
    }
}

pub(super) fn job(name: &str) -> NewJob {
    NewJob {
        job_id: name.into(),
        trace_id: format!("trace of {name}"),
        text: "hello".into(),
        src_lang: "zh".into(),
        tgt_lang: "en".into(),
    }
}

pub(super) fn hello(resumed: bool) -> ToSession {
    ToSession::SessionInitAck {
        session_id: "s-1".into(),
        token: "t-1".into(),
        epoch: "e-1".into(),
        resumed,
        next_seq: 1,
    }
}

pub(super) fn outcome(seq: u64, name: &str, ok: bool) -> ToSession {
    let job_id = name.into();
    if ok {
        ToSession::Result { seq, job_id, attempt_id: "1".into(), text: "hello".into(), redelivered: false }
    } else {
        ToSession::JobFailed { seq, job_id, code: FailureCode::NodeUnavailable, message: "gone".into() }
    }
}

fn sent(outputs: &[Output]) -> Vec<String> {
    let submit = |output: &Output| match output {
        Output::Send(FromSession::Submit(submit)) => Some(submit.job_id.clone()),
        _ => None,
    };
    outputs.iter().filter_map(submit).collect()
}

fn acks(outputs: &[Output]) -> Vec<u64> {
    let ack = |output: &Output| match output {
        Output::Send(FromSession::Ack { upto_seq }) => Some(*upto_seq),
        _ => None,
    };
    outputs.iter().filter_map(ack).collect()
}

fn outcomes(outputs: &[Output]) -> Vec<(String, &'static str)> {
    let outcome = |output: &Output| match output {
        Output::Settle(settled) => Some((settled.job_id.clone(), settled.outcome.name())),
        _ => None,
    };
    outputs.iter().filter_map(outcome).collect()
}

fn settled(outputs: &[Output]) -> Vec<String> {
    outcomes(outputs).into_iter().map(|(job_id, _)| job_id).collect()
}
