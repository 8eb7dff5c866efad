//! How jobs wait, are tried, and end.

use super::*;

#[test]
fn a_job_waits_for_a_full_node_and_is_then_assigned() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    let first = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &first);
    fixture.pass_alive(100 * SECOND, &[&worker], &[(&worker, &first)]);
    fixture.answer(&worker, &first, true, "hallo");
    assert_eq!(fixture.only_assigned(&worker).job, "job-2");
}

#[test]
fn two_minutes_behind_full_nodes_fail_a_job() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let first = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &first);
    fixture.submit(&client, "job-2");
    fixture.pass_alive(120 * SECOND - MILLISECOND, &[&worker], &[(&worker, &first)]);
    assert_eq!(fixture.outcomes(&client), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.outcomes(&client), [(1, "job-2".to_owned(), Some(FailureCode::QueueTimeout))]);
}

#[test]
fn a_job_beyond_the_queues_bound_fails_at_once() {
    let mut fixture = Fixture::with(Limits { queued_jobs: 2, ..Limits::default() });
    let (client, _worker) = (fixture.client(), fixture.worker(1));
    for job in ["job-1", "job-2", "job-3", "job-4"] {
        fixture.submit(&client, job);
    }
    assert_eq!(fixture.outcomes(&client), [(1, "job-4".to_owned(), Some(FailureCode::QueueTimeout))]);
}

#[test]
fn an_attempt_that_is_not_acknowledged_in_three_seconds_is_spent() {
    let mut fixture = Fixture::new();
    let (client, first, second) = (fixture.client(), fixture.worker(1), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let on_first = fixture.assigned(&first).len();
    fixture.pass(3 * SECOND - MILLISECOND);
    assert_eq!(fixture.spent(), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.spent(), [SpentReason::NotAcknowledged]);
    let other = if on_first == 1 { &second } else { &first };
    assert_eq!(fixture.only_assigned(other).job, "job-1", "the next attempt goes to a node that has not tried");
}

#[test]
fn three_spent_attempts_fail_a_job() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    // Three times three seconds, and a second and two on the bench in between.
    fixture.pass_alive(12 * SECOND - MILLISECOND, &[&worker], &[]);
    assert_eq!(fixture.outcomes(&client), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::NodeUnavailable))]);
    assert_eq!(fixture.spent().len(), 3);
}

#[test]
fn a_node_at_work_sends_progress_and_half_a_minute_without_it_spends_the_attempt() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    fixture.pass_alive(300 * SECOND, &[&worker], &[(&worker, &assigned)]);
    assert_eq!(fixture.spent(), []);
    fixture.pass_alive(30 * SECOND, &[&worker], &[]);
    assert_eq!(fixture.spent(), [SpentReason::NoProgress]);
}

#[test]
fn ten_minutes_are_the_most_that_a_job_may_take() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    fixture.pass_alive(600 * SECOND - MILLISECOND, &[&worker], &[(&worker, &assigned)]);
    assert_eq!(fixture.outcomes(&client), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::JobTimeout))]);
    let cancelled = fixture.told_node(worker.connection);
    assert!(cancelled.iter().any(|message| matches!(message, ToNode::JobCancel { .. })), "{cancelled:?}");
}

#[test]
fn the_first_good_result_of_any_attempt_wins_and_the_losers_are_cancelled() {
    let mut fixture = Fixture::new();
    let (client, first, second) = (fixture.client(), fixture.worker(1), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let (slow_worker, other, slow) = match fixture.assigned(&first).pop() {
        Some(assigned) => (&first, &second, assigned),
        None => (&second, &first, fixture.only_assigned(&second)),
    };
    fixture.pass(3 * SECOND);
    let current = fixture.only_assigned(other);
    fixture.take_job(other, &current);
    fixture.answer(slow_worker, &slow, true, "late but good");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
    let (job_id, attempt_id) = (current.job.clone(), current.attempt.clone());
    assert_eq!(fixture.told_node(other.connection), [ToNode::JobCancel { job_id, attempt_id }]);
    fixture.answer(other, &current, true, "too late");
    assert_eq!(fixture.outcomes(&client), []);
    assert_eq!(accepted(&mut fixture, other), [false]);
}

#[test]
fn the_late_failure_of_a_spent_attempt_changes_nothing() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(2));
    fixture.submit(&client, "job-1");
    let first = fixture.only_assigned(&worker);
    fixture.pass(3 * SECOND);
    assert_eq!(fixture.spent(), [SpentReason::NotAcknowledged]);
    fixture.pass(SECOND);
    let second = fixture.only_assigned(&worker);
    fixture.answer(&worker, &first, false, "at last");
    assert_eq!((fixture.spent(), fixture.assigned(&worker)), (vec![], vec![]));
    fixture.answer(&worker, &second, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn every_result_is_acknowledged_and_a_repeated_winner_hears_the_same_again() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, "hallo");
    fixture.answer(&worker, &assigned, true, "hallo");
    let stranger = Assigned { job: "job-9".to_owned(), attempt: "att-0-1".to_owned() };
    fixture.answer(&worker, &stranger, true, "hallo");
    fixture.answer(&worker, &stranger, false, "no");
    assert_eq!(accepted(&mut fixture, &worker), [true, true, false, false]);
    assert_eq!(fixture.outcomes(&client).len(), 1);
}

#[test]
fn a_good_result_of_an_earlier_epoch_wins_an_open_job_of_its_name() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let old = Assigned { job: "job-1".to_owned(), attempt: "att-of-another-epoch-1".to_owned() };
    fixture.answer(&worker, &old, false, "failed long ago");
    assert_eq!(fixture.spent(), [], "a failure of an earlier epoch changes nothing");
    fixture.answer(&worker, &old, true, "hallo");
    assert_eq!(accepted(&mut fixture, &worker), [false, true]);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_result_under_the_name_of_another_job_is_refused() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(2));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    let assigned = fixture.assigned(&worker);
    let mixed = Assigned { job: "job-1".to_owned(), attempt: assigned[1].attempt.clone() };
    fixture.answer(&worker, &mixed, true, "hallo");
    assert_eq!(accepted(&mut fixture, &worker), [false]);
    assert_eq!(fixture.outcomes(&client), []);
}

#[test]
fn a_failure_counts_only_from_the_node_that_has_the_attempt() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    let other = fixture.worker(1);
    fixture.answer(&other, &assigned, false, "sabotage");
    assert_eq!((accepted(&mut fixture, &other), fixture.spent()), (vec![false], vec![]));
    fixture.answer(&worker, &assigned, true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_known_job_is_acknowledged_again_and_never_queued_again() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    for _ in 0..2 {
        fixture.submit(&client, "job-1");
    }
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, "hallo");
    fixture.submit(&client, "job-1");
    fixture.ack(&client, 1);
    fixture.submit(&client, "job-1");
    assert_eq!(fixture.assigned(&worker), []);
    let acks = fixture.told_session(client.connection);
    let acks = acks.iter().filter(|message| matches!(message, ToSession::SubmitAck { .. }));
    assert_eq!(acks.count(), 4);
    assert_eq!(fixture.core.gauges().open_jobs, 0);
}

#[test]
fn two_sessions_may_use_the_same_job_id() {
    let mut fixture = Fixture::new();
    let (one, other, worker) = (fixture.client(), fixture.client(), fixture.worker(2));
    fixture.submit(&one, "job-1");
    fixture.submit(&other, "job-1");
    let assigned = fixture.assigned(&worker);
    fixture.answer(&worker, &assigned[1], true, "hallo");
    assert_eq!((fixture.outcomes(&one).len(), fixture.outcomes(&other).len()), (0, 1));
}

#[test]
fn a_text_that_fits_no_assignment_is_rejected_and_a_result_that_fits_no_message_is_a_failed_attempt() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit_text(&client, "job-1", "x".repeat(1 << 20));
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::Rejected))]);
    fixture.submit(&client, "job-2");
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, &"\u{1}".repeat(1 << 18));
    assert_eq!(fixture.spent(), [SpentReason::Failed("the result is too long".to_owned())]);
}

#[test]
fn a_job_whose_last_node_leaves_waits_ten_seconds_for_another() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    fixture.pass_alive(25 * SECOND, &[&worker], &[(&worker, &assigned)]);
    fixture.lose(worker.connection);
    fixture.pass(9 * SECOND);
    assert_eq!(fixture.outcomes(&client), []);
    let next = fixture.worker(1);
    assert_eq!(fixture.only_assigned(&next).job, "job-1");
}

#[test]
fn a_job_and_its_result_may_be_as_long_as_their_message_has_room() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(9));
    // The envelope around a text: a KiB.
    let room = LinkConfig::default().largest_message - 1024;
    let shell = serde_json::to_string(&submit("job-1", String::new())).expect("text").len();
    fixture.submit_text(&client, "job-1", "x".repeat(room - shell));
    assert_eq!(fixture.outcomes(&client), []);
    let assigned = fixture.only_assigned(&worker);
    fixture.submit_text(&client, "job-2", "x".repeat(room - shell + 1));
    assert_eq!(fixture.outcomes(&client), [(1, "job-2".to_owned(), Some(FailureCode::Rejected))]);
    fixture.answer(&worker, &assigned, true, &"x".repeat(room - 1));
    assert_eq!(fixture.spent().len(), 1, "its quotes do not fit any more");
    fixture.pass(SECOND);
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, true, &"x".repeat(room - 2));
    assert_eq!(fixture.outcomes(&client), [(2, "job-1".to_owned(), None)]);
}

#[test]
fn the_latest_thousand_winners_are_remembered() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    let mut winners = Vec::new();
    for number in 1..=1001 {
        fixture.submit(&client, &format!("job-{number}"));
        let assigned = fixture.only_assigned(&worker);
        fixture.answer(&worker, &assigned, true, "hallo");
        fixture.ack(&client, number);
        winners.push(assigned);
        fixture.said.clear();
    }
    for (number, remembered) in [(1, false), (2, true), (1001, true)] {
        fixture.answer(&worker, &winners[number - 1], true, "hallo");
        assert_eq!(accepted(&mut fixture, &worker), [remembered], "winner {number}");
    }
}

#[test]
fn a_job_without_attempts_left_says_what_became_of_the_last() {
    type End = fn(&mut Fixture, &Worker);
    let ends: [(End, &str); 4] = [
        (|fixture, _| fixture.pass(3 * SECOND), "not acknowledged"),
        (
            |fixture, worker| {
                let assigned = fixture.only_assigned(worker);
                fixture.take_job(worker, &assigned);
                fixture.pass_alive(30 * SECOND, &[worker], &[]);
            },
            "no progress",
        ),
        (|fixture, worker| fixture.lose(worker.connection), "node lost"),
        (
            |fixture, worker| {
                let assigned = fixture.only_assigned(worker);
                fixture.answer(worker, &assigned, false, "out of memory");
            },
            "failed: out of memory",
        ),
    ];
    for (end, reason) in ends {
        let mut fixture = Fixture::with(Limits { attempts: 1, ..Limits::default() });
        let (client, worker) = (fixture.client(), fixture.worker(1));
        fixture.submit(&client, "job-1");
        end(&mut fixture, &worker);
        let told = fixture.told_session(client.connection);
        let Some(ToSession::JobFailed { message, .. }) = told.last() else { panic!("{told:?}") };
        assert_eq!(*message, format!("every attempt was spent, the last one by this: {reason}"));
    }
}

fn accepted(fixture: &mut Fixture, worker: &Worker) -> Vec<bool> {
    let connection = worker.connection;
    fixture.drain(|output| match output {
        Output::ToNode(to, ToNode::ResultAck { accepted, .. }) if *to == connection => Some(*accepted),
        _ => None,
    })
}
