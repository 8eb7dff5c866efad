//! Registration, liveness and identity of nodes.

use super::*;

#[test]
fn a_node_that_falls_silent_is_dead_after_fifteen_seconds_and_its_jobs_go_on_elsewhere() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    let other = fixture.worker(1);
    fixture.pass(10 * SECOND);
    fixture.handle(Input::FromNode(other.connection, FromNode::NodeHeartbeat));
    fixture.pass(5 * SECOND - MILLISECOND);
    assert_eq!(fixture.closed(), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.closed(), [(worker.connection, code::INTERNAL)]);
    assert_eq!(fixture.spent(), [SpentReason::NodeLost]);
    assert_eq!(fixture.only_assigned(&other).job, "job-1");
    assert_eq!(fixture.core.gauges().connected_nodes, 1);
}

#[test]
fn the_jobs_of_a_lost_node_keep_their_order() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(3));
    for job in ["job-1", "job-2", "job-3", "job-4"] {
        fixture.submit(&client, job);
    }
    fixture.lose(worker.connection);
    let other = fixture.worker(4);
    let jobs: Vec<String> = fixture.assigned(&other).into_iter().map(|assigned| assigned.job).collect();
    assert_eq!(jobs, ["job-1", "job-2", "job-3", "job-4"]);
}

#[test]
fn a_node_that_comes_back_replaces_its_old_connection_and_its_work_goes_on() {
    let mut fixture = Fixture::new();
    let (client, old) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&old);
    fixture.take_job(&old, &assigned);
    let new = fixture.register(Some((&old.node, &old.token)), 1).expect("recognised");
    assert_eq!(new.node, old.node);
    assert_eq!(fixture.closed(), [(old.connection, code::REPLACED)]);
    fixture.lose(old.connection);
    assert_eq!(fixture.core.gauges().connected_nodes, 1, "the old connection's end does not end the new one");
    assert_eq!((fixture.spent(), fixture.assigned(&new)), (vec![], vec![]));
    fixture.answer(&old, &assigned, true, "from the old connection");
    assert_eq!(fixture.outcomes(&client), [], "traffic of an old generation changes nothing");
    fixture.answer(&new, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_lost_node_that_comes_back_is_the_same_node_and_its_late_result_is_welcome() {
    let mut fixture = Fixture::new();
    let (client, old) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&old);
    fixture.lose(old.connection);
    assert_eq!(fixture.spent(), [SpentReason::NodeLost]);
    let new = fixture.register(Some((&old.node, &old.token)), 1).expect("recognised");
    assert_eq!(new.node, old.node);
    fixture.answer(&new, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_wrong_token_costs_its_sender_alone() {
    let mut fixture = Fixture::new();
    let worker = fixture.worker(1);
    assert!(fixture.register(Some((&worker.node, "guessed")), 1).is_none());
    assert_eq!(fixture.closed(), [(ConnectionId(fixture.connections), code::WRONG_TOKEN)]);
    assert_eq!(fixture.core.gauges().connected_nodes, 1);
    fixture.lose(worker.connection);
    let other = fixture.register(Some((&worker.node, "guessed")), 1).expect("a node of its own");
    assert_ne!(other.node, worker.node);
}

#[test]
fn an_absent_nodes_identity_is_forgotten_after_ten_minutes() {
    let mut fixture = Fixture::new();
    let worker = fixture.worker(1);
    fixture.lose(worker.connection);
    fixture.pass(600 * SECOND);
    let other = fixture.register(Some((&worker.node, &worker.token)), 1).expect("a new node");
    assert_ne!(other.node, worker.node);
}

#[test]
fn a_capacity_out_of_range_and_a_missing_registration_are_refused() {
    let mut fixture = Fixture::new();
    for capacity in [0, Limits::default().node_capacity + 1] {
        assert!(fixture.register(None, capacity).is_none());
        assert_eq!(fixture.closed(), [(ConnectionId(fixture.connections), code::INVALID)]);
    }
    let connection = fixture.open(Leg::Node);
    fixture.handle(Input::FromNode(connection, FromNode::NodeHeartbeat));
    assert_eq!(fixture.closed(), [(connection, code::PROTOCOL)]);
}

#[test]
fn progress_of_a_node_that_does_not_have_the_attempt_changes_nothing() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    let other = fixture.worker(1);
    fixture.progress(&other, &assigned);
    fixture.pass(3 * SECOND);
    assert_eq!(fixture.spent(), [SpentReason::NotAcknowledged]);
    fixture.progress(&worker, &assigned);
    assert_eq!(fixture.only_assigned(&other).job, "job-1", "a spent attempt is not revived");
}

#[test]
fn jobs_go_to_the_node_with_the_most_room() {
    let mut fixture = Fixture::new();
    let (client, small, large) = (fixture.client(), fixture.worker(1), fixture.worker(3));
    for number in 0..4 {
        fixture.submit(&client, &format!("job-{number}"));
    }
    assert_eq!((fixture.assigned(&small).len(), fixture.assigned(&large).len()), (1, 3));
}

#[test]
fn a_job_in_the_queue_of_nodes_that_are_all_gone_fails_after_ten_seconds() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    fixture.pass(SECOND);
    fixture.lose(worker.connection);
    fixture.pass(10 * SECOND - MILLISECOND);
    assert_eq!(fixture.outcomes(&client), []);
    fixture.pass(MILLISECOND);
    let mut failed = fixture.outcomes(&client);
    failed.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    let codes: Vec<_> = failed.into_iter().map(|(_, job, code)| (job, code)).collect();
    let no_node = Some(FailureCode::NoAvailableNode);
    assert_eq!(codes, [("job-1".to_owned(), no_node), ("job-2".to_owned(), no_node)]);
}

#[test]
fn names_are_as_long_as_the_protocol_says_and_generations_count_from_one() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(client.session.strip_prefix("s-").is_some_and(|rest| hex(rest, 8)), "{client:?}");
    assert!(worker.node.strip_prefix("node-").is_some_and(|rest| hex(rest, 8)), "{worker:?}");
    assert!(hex(&client.token, 32) && hex(&worker.token, 32) && hex(&client.epoch, 16), "{client:?} {worker:?}");
    let generations: Vec<String> = fixture
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::SessionConnected { generation, .. } | Event::NodeRegistered { generation, .. } => {
                Some(generation.to_string())
            }
            _ => None,
        })
        .collect();
    assert_eq!(generations, ["1", "1"]);
}
