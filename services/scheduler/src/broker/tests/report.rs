//! The silent success of docs/failures.md: each of its defects, turned into the rule that forbids it.

use super::*;

#[test]
fn a_result_is_delivered_when_its_session_says_so_and_not_when_it_is_sent() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.answer(&worker, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    assert_eq!(rig.delivered(), Vec::<String>::new(), "sent is not delivered");
    rig.ack(&client, 1);
    assert_eq!(rig.delivered(), ["job-1"]);
    rig.ack(&client, 1);
    assert_eq!(rig.delivered(), Vec::<String>::new(), "delivered once");
}

#[test]
fn a_lost_connection_is_unregistered_at_once_and_its_result_waits_for_the_next() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.lose(client.connection);
    assert_eq!(rig.core.gauges().connected_sessions, 0);
    rig.answer(&worker, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&client), [], "nothing is sent into a dead connection");
    let client = rig.resume(&client, 0);
    assert!(client.resumed);
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    rig.ack(&client, 1);
    assert_eq!(rig.delivered(), ["job-1"]);
}

#[test]
fn a_node_that_appears_takes_the_waiting_job_at_once() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.submit(&client, "job-1");
    rig.pass(10 * SECOND - MILLISECOND);
    assert_eq!(rig.outcomes(&client), []);
    let worker = rig.worker(1);
    let assigned = rig.only_assigned(&worker);
    rig.answer(&worker, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn ten_seconds_without_a_node_fail_a_job() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.pass(5 * SECOND);
    rig.submit(&client, "job-1");
    rig.pass(10 * SECOND - MILLISECOND);
    assert_eq!(rig.outcomes(&client), []);
    rig.pass(MILLISECOND);
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::NoAvailableNode))]);
}

#[test]
fn nothing_times_out_after_the_result() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.take_job(&worker, &assigned);
    rig.pass_alive(29 * SECOND, &[&worker], &[]);
    rig.answer(&worker, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    rig.ack(&client, 1);
    rig.happenings();
    rig.pass_alive(700 * SECOND, &[&worker], &[]);
    let late = rig.happenings();
    let only_idle = matches!(&late[..], [Happening::SessionLost { ending, .. }] if ending.detail == "idle");
    assert!(only_idle, "{late:?}");
}

#[test]
fn a_result_that_arrives_with_its_own_timeout_wins() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.now += 3 * SECOND;
    rig.answer(&worker, &assigned, true, "hallo");
    assert_eq!(rig.spent(), []);
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn the_cleanup_of_an_old_connection_leaves_the_new_one_alone() {
    let mut rig = Rig::new();
    let (old, worker) = (rig.client(), rig.worker(1));
    let new = rig.resume(&old, 0);
    assert_eq!(rig.closed(), [(old.connection, code::REPLACED)]);
    rig.lose(old.connection);
    assert_eq!(rig.core.gauges().connected_sessions, 1);
    rig.submit(&new, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.answer(&worker, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&new), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn only_the_owner_of_a_generation_ends_it() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.resume(&client, 0);
    rig.register(Some((&worker.node, &worker.token)), 1).expect("recognised");
    let late = Ending::by_network("connection reset");
    rig.core.session_lost(&client.session.as_str().into(), Generation(1), late.clone());
    rig.core.node_lost(&worker.node.as_str().into(), Generation(1), late.clone());
    assert_eq!((rig.core.gauges().connected_sessions, rig.core.gauges().connected_nodes), (1, 1));
    rig.core.session_lost(&client.session.as_str().into(), Generation(2), late.clone());
    rig.core.node_lost(&worker.node.as_str().into(), Generation(2), late);
    assert_eq!((rig.core.gauges().connected_sessions, rig.core.gauges().connected_nodes), (0, 0));
}

#[test]
fn a_failed_attempt_does_not_swallow_the_next_one() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let first = rig.only_assigned(&worker);
    rig.answer(&worker, &first, false, "out of memory");
    let second = rig.only_assigned(&worker);
    assert_ne!(first.attempt, second.attempt);
    rig.answer(&worker, &second, true, "hallo");
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn the_reports_three_jobs_are_delivered_with_one_place_and_with_three() {
    for capacity in [1, 3] {
        let mut rig = Rig::new();
        let (client, worker) = (rig.client(), rig.worker(capacity));
        let submits = [(0, "job-1"), (11, "job-2"), (22, "job-3")];
        let results = [(30, "job-1"), (38, "job-2"), (57, "job-3")];
        let mut at_work: Vec<Assigned> = Vec::new();
        for second in 0..=60 {
            rig.pass_until(second * SECOND);
            if second % 5 == 0 {
                rig.handle(Input::FromNode(worker.connection, FromNode::NodeHeartbeat));
            }
            for (_, job) in submits.iter().filter(|(at, _)| *at == second) {
                rig.submit(&client, job);
            }
            for (_, job) in results.iter().filter(|(at, _)| *at == second) {
                let index = at_work.iter().position(|assigned| assigned.job == *job).expect("at work");
                let assigned = at_work.remove(index);
                rig.answer(&worker, &assigned, true, "hallo");
            }
            for assigned in rig.assigned(&worker) {
                rig.take_job(&worker, &assigned);
                at_work.push(assigned);
            }
            if second % 10 == 0 {
                for assigned in &at_work {
                    rig.progress(&worker, assigned);
                }
            }
            let sent = rig.outcomes(&client);
            if let Some((seq, _, _)) = sent.last() {
                rig.ack(&client, *seq);
            }
        }
        assert_eq!(rig.delivered(), ["job-1", "job-2", "job-3"], "capacity {capacity}");
        assert_eq!(rig.spent(), [], "capacity {capacity}");
    }
}
