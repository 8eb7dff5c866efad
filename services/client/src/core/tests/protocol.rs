//! The rules of the protocol, one test each.

use std::time::Duration;

use halfopen_link::message::{FailureCode, FromSession, ToSession};
use halfopen_machine::Machine;

use super::fixture::{Fixture, acks, outcome, outcomes, sent, settled};
use crate::config::{Config, Order};
use crate::core::{Input, Output};
use crate::event::State;

#[test]
fn the_first_hello_asks_for_no_session_and_later_ones_for_the_last() {
    let mut client = Fixture::ready();
    client.outcome(1, "a");
    client.lose(1006);
    client.wait();
    let hello = client.tell(Input::Connected);
    let [Output::Send(FromSession::SessionInit { resume: Some(resume), .. })] = &hello[..] else { panic!("{hello:?}") };
    assert_eq!((resume.session_id.as_str(), resume.token.as_str(), resume.last_seq), ("s-1", "t-1", 1));
}

#[test]
fn submits_before_the_session_is_up_wait_and_go_out_in_order() {
    let mut client = Fixture::new(&Config::default());
    client.submit("a");
    client.tell(Input::Connected);
    client.submit("b");
    assert_eq!(sent(&client.greeted(false)), ["a", "b"]);
}

#[test]
fn after_a_resume_only_unacknowledged_submits_are_sent_again() {
    let mut client = Fixture::ready();
    client.submit("a");
    client.submit("b");
    client.tell(Input::Message(ToSession::SubmitAck { job_id: "a".into() }));
    client.reconnect(1006);
    assert_eq!(sent(&client.greeted(true)), ["b"]);
}

#[test]
fn in_a_new_session_every_job_without_an_outcome_is_sent_again_in_order() {
    let mut client = Fixture::ready();
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
    let mut client = Fixture::ready();
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
    let mut client = Fixture::ready();
    client.submit("a");
    client.submit("b");
    client.outcome(1, "a");
    assert_eq!(acks(&client.outcome(2, "a")), [2]);
    assert_eq!(settled(&client.outcome(3, "b")), ["b"]);
}

#[test]
fn the_handle_resolves_before_its_ack_is_sent() {
    let mut client = Fixture::ready();
    client.submit("a");
    let outputs = client.outcome(1, "a");
    assert!(matches!(outputs[..], [Output::Settle(_), Output::Send(FromSession::Ack { upto_seq: 1 })]), "{outputs:?}");
}

#[test]
fn a_gap_in_the_sequence_is_never_acknowledged() {
    let mut client = Fixture::ready();
    client.submit("a");
    let outputs = client.outcome(3, "a");
    assert_eq!((acks(&outputs), settled(&outputs)), (vec![], vec![]));
    assert!(matches!(outputs[0], Output::Abandon { close_code: 1008, .. }), "{outputs:?}");
    assert!(matches!(client.core.state(), State::Reconnecting(1)));
}

#[test]
fn in_utterance_order_a_failed_job_releases_its_place() {
    let mut client = Fixture::new(&Config { order: Order::Utterance, ..Config::default() });
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
    let mut client = Fixture::new(&Config { order: Order::Utterance, ..Config::default() });
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
    let mut client = Fixture::new(&Config { order: Order::Utterance, ..Config::default() });
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
fn an_outcome_before_the_hello_is_out_of_turn() {
    let mut client = Fixture::new(&Config::default());
    client.tell(Input::Connected);
    let outputs = client.outcome(1, "a");
    assert!(matches!(outputs[0], Output::Abandon { close_code: 1008, .. }), "{outputs:?}");
}

#[test]
fn closing_asks_the_scheduler_what_becomes_of_the_open_jobs() {
    let mut client = Fixture::ready();
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
    let mut client = Fixture::ready();
    client.submit("a");
    client.tell(Input::Close);
    let asked = client.now;
    let outputs = client.wait();
    assert_eq!((client.now - asked, outcomes(&outputs)), (Duration::from_secs(2), vec![("a".into(), "UNKNOWN")]));
    client.submit("late");
    assert_eq!(client.core.state(), State::Closed);
}

#[test]
fn closing_with_nothing_open_does_not_wait() {
    let mut client = Fixture::ready();
    let outputs = client.tell(Input::Close);
    assert_eq!(
        outputs[..2],
        [Output::Send(FromSession::SessionClose), Output::Abandon { close_code: 1000, reason: "bye" }]
    );
    assert_eq!(client.core.state(), State::Closed);
}

#[test]
fn a_message_of_an_unknown_type_is_answered_with_an_error_and_costs_nothing() {
    let mut client = Fixture::ready();
    let outputs = client.tell(Input::UnknownType("n".repeat(1_000)));
    let [Output::Send(FromSession::Error { code, message })] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((code.as_str(), message.len()), ("unknown_type", 55));
    assert_eq!(client.core.state(), State::Ready);
    client.lose(1006);
    assert_eq!(client.tell(Input::UnknownType("news".into())), [], "there is no connection to answer on");
}

#[test]
fn an_error_of_the_scheduler_leaves_the_connection_alone() {
    let mut client = Fixture::ready();
    let error = ToSession::Error { code: "unknown_type".into(), message: "what?".into() };
    let complaint = Output::Complaint { code: "unknown_type".into(), message: "what?".into() };
    assert_eq!(client.tell(Input::Message(error)), [complaint]);
    assert_eq!(client.core.state(), State::Ready);
}

#[test]
fn a_submit_is_accepted_once_however_often_the_scheduler_says_so() {
    let mut client = Fixture::ready();
    client.submit("a");
    let accepted = || Input::Message(ToSession::SubmitAck { job_id: "a".into() });
    assert_eq!(client.tell(accepted()), [Output::Accepted { job_id: "a".into(), trace_id: "trace of a".into() }]);
    assert_eq!(client.tell(accepted()), []);
}

#[test]
fn a_ready_client_waits_only_for_its_attempts_to_be_forgotten_and_for_the_next_look() {
    let look = Duration::from_secs(5);
    let mut client = Fixture::ready();
    assert_eq!(client.core.next_timeout(), Some(client.now + look), "it had no attempts");
    client.reconnect(1006);
    client.pass(Duration::from_secs(3));
    client.greeted(true);
    client.pass(Duration::from_secs(9));
    assert_eq!(client.core.next_timeout(), Some(client.now + Duration::from_secs(1)), "they are forgotten after 10 s");
    client.pass(Duration::from_secs(1));
    assert_eq!(client.core.next_timeout(), Some(client.now + Duration::from_secs(2)), "at 15 s, three looks");
}
