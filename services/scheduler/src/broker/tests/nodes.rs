//! Registration, liveness and identity of nodes.

use super::*;

#[test]
fn a_node_that_falls_silent_is_dead_after_fifteen_seconds_and_its_jobs_go_on_elsewhere() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.take_job(&worker, &assigned);
    let other = rig.worker(1);
    rig.pass(10 * SECOND);
    rig.handle(Input::FromNode(other.connection, FromNode::NodeHeartbeat));
    rig.pass(5 * SECOND - MILLISECOND);
    assert_eq!(rig.closed(), []);
    rig.pass(MILLISECOND);
    assert_eq!(rig.closed(), [(worker.connection, code::INTERNAL)]);
    assert_eq!(rig.spent(), [SpentReason::NodeLost]);
    assert_eq!(rig.only_assigned(&other).job, "job-1");
    assert_eq!(rig.core.gauges().connected_nodes, 1);
}

#[test]
fn the_jobs_of_a_lost_node_keep_their_order() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(3));
    for job in ["job-1", "job-2", "job-3", "job-4"] {
        rig.submit(&client, job);
    }
    rig.lose(worker.connection);
    let other = rig.worker(4);
    let jobs: Vec<String> = rig.assigned(&other).into_iter().map(|assigned| assigned.job).collect();
    assert_eq!(jobs, ["job-1", "job-2", "job-3", "job-4"]);
}

#[test]
fn a_node_that_comes_back_replaces_its_old_connection_and_its_work_goes_on() {
    let mut rig = Rig::new();
    let (client, old) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&old);
    rig.take_job(&old, &assigned);
    let new = rig.register(Some((&old.node, &old.token)), 1).expect("recognised");
    assert_eq!(new.node, old.node);
    assert_eq!(rig.closed(), [(old.connection, code::REPLACED)]);
    rig.lose(old.connection);
    assert_eq!(rig.core.gauges().connected_nodes, 1, "the old connection's end does not end the new one");
    assert_eq!((rig.spent(), rig.assigned(&new)), (vec![], vec![]));
    rig.answer(&old, &assigned, true, "from the old connection");
    assert_eq!(rig.outcomes(&client), [], "traffic of an old generation changes nothing");
    rig.answer(&new, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_lost_node_that_comes_back_is_the_same_node_and_its_late_result_is_welcome() {
    let mut rig = Rig::new();
    let (client, old) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&old);
    rig.lose(old.connection);
    assert_eq!(rig.spent(), [SpentReason::NodeLost]);
    let new = rig.register(Some((&old.node, &old.token)), 1).expect("recognised");
    assert_eq!(new.node, old.node);
    rig.answer(&new, &assigned, true, "hallo");
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_wrong_token_costs_its_sender_and_nobody_else() {
    let mut rig = Rig::new();
    let worker = rig.worker(1);
    assert!(rig.register(Some((&worker.node, "guessed")), 1).is_none());
    assert_eq!(rig.closed(), [(ConnectionId(rig.connections), code::WRONG_TOKEN)]);
    assert_eq!(rig.core.gauges().connected_nodes, 1);
    rig.lose(worker.connection);
    let other = rig.register(Some((&worker.node, "guessed")), 1).expect("a node of its own");
    assert_ne!(other.node, worker.node);
}

#[test]
fn an_absent_nodes_identity_is_forgotten_after_ten_minutes() {
    let mut rig = Rig::new();
    let worker = rig.worker(1);
    rig.lose(worker.connection);
    rig.pass(600 * SECOND);
    let other = rig.register(Some((&worker.node, &worker.token)), 1).expect("a new node");
    assert_ne!(other.node, worker.node);
}

#[test]
fn a_capacity_out_of_range_and_a_missing_registration_are_refused() {
    let mut rig = Rig::new();
    for capacity in [0, Limits::default().node_capacity + 1] {
        assert!(rig.register(None, capacity).is_none());
        assert_eq!(rig.closed(), [(ConnectionId(rig.connections), code::INVALID)]);
    }
    let connection = rig.open(Leg::Node);
    rig.handle(Input::FromNode(connection, FromNode::NodeHeartbeat));
    assert_eq!(rig.closed(), [(connection, code::PROTOCOL)]);
}

#[test]
fn progress_of_a_node_that_does_not_have_the_attempt_changes_nothing() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    let other = rig.worker(1);
    rig.progress(&other, &assigned);
    rig.pass(3 * SECOND);
    assert_eq!(rig.spent(), [SpentReason::NotAcknowledged]);
    rig.progress(&worker, &assigned);
    assert_eq!(rig.only_assigned(&other).job, "job-1", "a spent attempt is not revived");
}

#[test]
fn jobs_go_to_the_node_with_the_most_room() {
    let mut rig = Rig::new();
    let (client, small, large) = (rig.client(), rig.worker(1), rig.worker(3));
    for number in 0..4 {
        rig.submit(&client, &format!("job-{number}"));
    }
    assert_eq!((rig.assigned(&small).len(), rig.assigned(&large).len()), (1, 3));
}

#[test]
fn a_job_in_the_queue_of_nodes_that_are_all_gone_fails_after_ten_seconds() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    rig.submit(&client, "job-2");
    rig.pass(SECOND);
    rig.lose(worker.connection);
    rig.pass(10 * SECOND - MILLISECOND);
    assert_eq!(rig.outcomes(&client), []);
    rig.pass(MILLISECOND);
    let mut failed = rig.outcomes(&client);
    failed.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    let codes: Vec<_> = failed.into_iter().map(|(_, job, code)| (job, code)).collect();
    let nobody = Some(FailureCode::NoAvailableNode);
    assert_eq!(codes, [("job-1".to_owned(), nobody), ("job-2".to_owned(), nobody)]);
}

#[test]
fn names_are_as_long_as_the_protocol_says_and_generations_count_from_one() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(client.session.strip_prefix("s-").is_some_and(|rest| hex(rest, 8)), "{client:?}");
    assert!(worker.node.strip_prefix("node-").is_some_and(|rest| hex(rest, 8)), "{worker:?}");
    assert!(hex(&client.token, 32) && hex(&worker.token, 32) && hex(&client.epoch, 16), "{client:?} {worker:?}");
    let generations: Vec<String> = rig
        .happenings()
        .iter()
        .filter_map(|happening| match happening {
            Happening::SessionConnected { generation, .. } | Happening::NodeRegistered { generation, .. } => {
                Some(generation.to_string())
            }
            _ => None,
        })
        .collect();
    assert_eq!(generations, ["1", "1"]);
}
