//! The orderly end.

use super::*;

#[test]
fn with_nothing_open_everything_is_closed_with_1012_at_once() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    let stranger = rig.open(Leg::Session);
    rig.handle(Input::Shutdown);
    let mut closed = rig.closed();
    closed.sort_unstable();
    let restart = code::RESTART;
    assert_eq!(closed, [(client.connection, restart), (worker.connection, restart), (stranger, restart)]);
    assert_eq!(rig.said.last(), Some(&Output::Drained { completely: true }));
}

#[test]
fn open_jobs_finish_and_are_acknowledged_but_no_new_one_is_taken() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    rig.submit(&client, "job-2");
    rig.handle(Input::Shutdown);
    rig.submit(&client, "job-3");
    let told = rig.told_session(client.connection);
    assert!(matches!(told.last(), Some(ToSession::Error { .. })), "{told:?}");
    for _ in 0..2 {
        let assigned = rig.only_assigned(&worker);
        rig.answer(&worker, &assigned, true, "hallo");
    }
    assert_eq!(rig.closed(), [], "not acknowledged yet");
    rig.ack(&client, 2);
    assert_eq!(rig.delivered(), ["job-1", "job-2"]);
    assert_eq!(rig.closed().len(), 2);
    assert_eq!(rig.said.last(), Some(&Output::Drained { completely: true }));
}

#[test]
fn the_grace_period_bounds_the_end() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.take_job(&worker, &assigned);
    rig.happenings();
    rig.handle(Input::Shutdown);
    rig.pass(10 * SECOND - MILLISECOND);
    assert_eq!(rig.closed(), []);
    rig.pass(MILLISECOND);
    assert_eq!(rig.closed().len(), 2);
    assert_eq!(rig.spent(), [], "a job that is dropped is not a job that failed");
    assert_eq!(rig.said.last(), Some(&Output::Drained { completely: false }));
}

#[test]
fn nobody_comes_in_any_more() {
    let mut rig = Rig::new();
    let (client, _worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    rig.handle(Input::Shutdown);
    let late = rig.open(Leg::Session);
    assert_eq!(rig.closed(), [(late, code::RESTART)]);
}

#[test]
fn nobody_waits_for_an_absent_session_but_the_end_is_not_called_complete() {
    let mut rig = Rig::new();
    let (absent, _present, worker) = (rig.client(), rig.client(), rig.worker(1));
    rig.submit(&absent, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.answer(&worker, &assigned, true, "hallo");
    rig.lose(absent.connection);
    rig.handle(Input::Shutdown);
    assert_eq!(rig.closed().len(), 2);
    assert_eq!(rig.said.last(), Some(&Output::Drained { completely: false }));
}
