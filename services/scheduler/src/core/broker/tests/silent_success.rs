//! The silent success of docs/failures.md: each of its defects, turned into the rule that forbids it.

use super::*;

#[test]
fn a_result_is_delivered_when_its_session_says_so_and_not_when_it_is_sent() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    assert_eq!(fixture.delivered(), Vec::<String>::new(), "sent is not delivered");
    fixture.ack(&client, 1);
    assert_eq!(fixture.delivered(), ["job-1"]);
    fixture.ack(&client, 1);
    assert_eq!(fixture.delivered(), Vec::<String>::new(), "delivered once");
}

#[test]
fn a_lost_connection_is_unregistered_at_once_and_its_result_waits_for_the_next() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.lose(client.connection);
    assert_eq!(fixture.core.gauges().connected_sessions, 0);
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [], "nothing is sent into a dead connection");
    let client = fixture.resume(&client, 0);
    assert!(client.resumed);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    fixture.ack(&client, 1);
    assert_eq!(fixture.delivered(), ["job-1"]);
}

#[test]
fn a_node_that_appears_takes_the_waiting_job_at_once() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.submit(&client, "job-1");
    fixture.pass(10 * SECOND - MILLISECOND);
    assert_eq!(fixture.outcomes(&client), []);
    let worker = fixture.worker(1);
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn ten_seconds_without_a_node_fail_a_job() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.pass(5 * SECOND);
    fixture.submit(&client, "job-1");
    fixture.pass(10 * SECOND - MILLISECOND);
    assert_eq!(fixture.outcomes(&client), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::NoAvailableNode))]);
}

#[test]
fn nothing_times_out_after_the_result() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    fixture.pass_alive(29 * SECOND, &[&worker], &[]);
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    fixture.ack(&client, 1);
    fixture.events();
    fixture.pass_alive(700 * SECOND, &[&worker], &[]);
    let late = fixture.events();
    let only_idle = matches!(&late[..], [Event::SessionLost { end, .. }] if end.detail == "idle");
    assert!(only_idle, "{late:?}");
}

#[test]
fn a_result_that_arrives_with_its_own_timeout_wins() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.now += 3 * SECOND;
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.spent(), []);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn the_cleanup_of_an_old_connection_leaves_the_new_one_alone() {
    let mut fixture = Fixture::new();
    let (old, worker) = (fixture.client(), fixture.worker(1));
    let new = fixture.resume(&old, 0);
    assert_eq!(fixture.closed(), [(old.connection, code::REPLACED)]);
    fixture.lose(old.connection);
    assert_eq!(fixture.core.gauges().connected_sessions, 1);
    fixture.submit(&new, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&new), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn only_the_owner_of_a_generation_ends_it() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    let present = |fixture: &Fixture| {
        let gauges = fixture.core.gauges();
        (gauges.connected_sessions, gauges.connected_nodes)
    };
    let resumed = fixture.resume(&client, 0);
    let registered = fixture.register(Some((&worker.node, &worker.token)), 1).expect("recognised");
    fixture.lose(client.connection);
    fixture.lose(worker.connection);
    assert_eq!(present(&fixture), (1, 1), "the end of a connection that was replaced ends nothing");
    fixture.lose(resumed.connection);
    fixture.lose(registered.connection);
    assert_eq!(present(&fixture), (0, 0));
}

#[test]
fn a_failed_attempt_does_not_swallow_the_next_one() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let first = fixture.only_assigned(&worker);
    fixture.answer(&worker, &first, false, "out of memory");
    fixture.pass(SECOND);
    let second = fixture.only_assigned(&worker);
    assert_ne!(first.attempt, second.attempt);
    fixture.answer(&worker, &second, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn the_reports_three_jobs_are_delivered_with_one_place_and_with_three() {
    for capacity in [1, 3] {
        let mut fixture = Fixture::new();
        let (client, worker) = (fixture.client(), fixture.worker(capacity));
        let submits = [(0, "job-1"), (11, "job-2"), (22, "job-3")];
        let results = [(30, "job-1"), (38, "job-2"), (57, "job-3")];
        let mut at_work: Vec<Assigned> = Vec::new();
        for second in 0..=60 {
            fixture.pass_until(second * SECOND);
            if second % 5 == 0 {
                fixture.handle(Input::FromNode(worker.connection, FromNode::NodeHeartbeat));
            }
            for (_, job) in submits.iter().filter(|(at, _)| *at == second) {
                fixture.submit(&client, job);
            }
            for (_, job) in results.iter().filter(|(at, _)| *at == second) {
                let index = at_work.iter().position(|assigned| assigned.job == *job).expect("at work");
                let assigned = at_work.remove(index);
                fixture.answer(&worker, &assigned, true, "hallo");
            }
            for assigned in fixture.assigned(&worker) {
                fixture.take_job(&worker, &assigned);
                at_work.push(assigned);
            }
            if second % 10 == 0 {
                for assigned in &at_work {
                    fixture.progress(&worker, assigned);
                }
            }
            let sent = fixture.outcomes(&client);
            if let Some((seq, _, _)) = sent.last() {
                fixture.ack(&client, *seq);
            }
        }
        assert_eq!(fixture.delivered(), ["job-1", "job-2", "job-3"], "capacity {capacity}");
        assert_eq!(fixture.spent(), [], "capacity {capacity}");
    }
}
