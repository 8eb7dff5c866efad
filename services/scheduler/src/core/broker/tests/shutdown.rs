//! The orderly end.

use super::*;

#[test]
fn with_nothing_open_everything_is_closed_with_1012_at_once() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    let stranger = fixture.open(Leg::Session);
    fixture.handle(Input::Shutdown);
    let mut closed = fixture.closed();
    closed.sort_unstable();
    let restart = code::RESTART;
    assert_eq!(closed, [(client.connection, restart), (worker.connection, restart), (stranger, restart)]);
    assert_eq!(fixture.said.last(), Some(&Output::Drained { completely: true }));
}

#[test]
fn open_jobs_finish_and_are_acknowledged_but_no_new_one_is_taken() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    fixture.handle(Input::Shutdown);
    fixture.submit(&client, "job-3");
    let told = fixture.told_session(client.connection);
    assert!(matches!(told.last(), Some(ToSession::Error { .. })), "{told:?}");
    for _ in 0..2 {
        let assigned = fixture.only_assigned(&worker);
        fixture.answer(&worker, &assigned, true, "hallo");
    }
    assert_eq!(fixture.closed(), [], "not acknowledged yet");
    fixture.ack(&client, 2);
    assert_eq!(fixture.delivered(), ["job-1", "job-2"]);
    assert_eq!(fixture.closed().len(), 2);
    assert_eq!(fixture.said.last(), Some(&Output::Drained { completely: true }));
}

#[test]
fn the_grace_period_bounds_the_end() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    fixture.events();
    fixture.handle(Input::Shutdown);
    fixture.pass(10 * SECOND - MILLISECOND);
    assert_eq!(fixture.closed(), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.closed().len(), 2);
    assert_eq!(fixture.spent(), [], "a job that is dropped is not a job that failed");
    assert_eq!(fixture.said.last(), Some(&Output::Drained { completely: false }));
}

#[test]
fn no_connection_is_taken_any_more() {
    let mut fixture = Fixture::new();
    let (client, _worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    fixture.handle(Input::Shutdown);
    let late = fixture.open(Leg::Session);
    assert_eq!(fixture.closed(), [(late, code::RESTART)]);
}

#[test]
fn the_end_does_not_wait_for_an_absent_session_and_is_not_called_complete() {
    let mut fixture = Fixture::new();
    let (absent, _present, worker) = (fixture.client(), fixture.client(), fixture.worker(1));
    fixture.submit(&absent, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, "hallo");
    fixture.lose(absent.connection);
    fixture.handle(Input::Shutdown);
    assert_eq!(fixture.closed().len(), 2);
    assert_eq!(fixture.said.last(), Some(&Output::Drained { completely: false }));
}

#[test]
fn a_connection_that_met_a_bug_is_closed_with_1011_and_no_other() {
    let mut fixture = Fixture::new();
    let (client, other, worker) = (fixture.client(), fixture.client(), fixture.worker(1));
    fixture.handle(Input::Failed(client.connection));
    assert_eq!(fixture.closed(), [(client.connection, code::INTERNAL)]);
    fixture.handle(Input::Failed(client.connection));
    assert_eq!(fixture.closed(), [], "it is closed once");
    assert_eq!(fixture.core.gauges().connected_sessions, 1);
    fixture.submit(&other, "job-1");
    assert_eq!(fixture.only_assigned(&worker).job, "job-1");
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "broken rule: a connection speaks the protocol of its leg")]
fn a_message_of_the_other_leg_is_a_bug_of_the_shell() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.handle(Input::FromNode(client.connection, FromNode::NodeHeartbeat));
}
