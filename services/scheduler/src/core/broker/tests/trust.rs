//! Attempts that back off, nodes that ask for a pause, and nodes that are benched.

use super::*;

#[test]
fn a_node_that_cannot_ask_now_is_left_alone_and_no_attempt_is_spent() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(4));
    for job in ["job-1", "job-2"] {
        fixture.submit(&client, job);
    }
    for _ in 0..10 {
        let assigned = fixture.assigned(&worker);
        let jobs: Vec<_> = assigned.iter().map(|assigned| assigned.job.as_str()).collect();
        assert_eq!(jobs, ["job-1", "job-2"], "in their order");
        for assigned in assigned.iter().rev() {
            fixture.refuse(&worker, assigned, Retry::Later, Some(2000));
        }
        fixture.pass_alive(2 * SECOND - MILLISECOND, &[&worker], &[]);
        assert_eq!(fixture.assigned(&worker), [], "not before it may be asked");
        fixture.pass(500 * MILLISECOND + 2 * MILLISECOND);
    }
    assert_eq!(fixture.outcomes(&client), [], "ten times, and nothing is spent");
    let assigned = fixture.assigned(&worker);
    fixture.answer(&worker, &assigned[0], true, "hallo");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), None)]);
}

#[test]
fn a_job_that_nobody_can_be_asked_for_fails_after_two_minutes() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    for _ in 0..200 {
        for assigned in fixture.assigned(&worker) {
            fixture.refuse(&worker, &assigned, Retry::Later, None);
        }
        fixture.pass_alive(SECOND, &[&worker], &[]);
        if fixture.now >= fixture.start + 122 * SECOND {
            break;
        }
    }
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::QueueTimeout))]);
}

#[test]
fn the_jobs_of_a_paused_node_go_to_another_at_once() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    let other = fixture.worker(1);
    fixture.refuse(&worker, &assigned, Retry::Later, Some(60_000));
    assert_eq!(fixture.only_assigned(&other).job, "job-1");
}

#[test]
fn a_request_for_a_pause_without_end_is_heard_for_five_minutes_and_one_for_none_is_a_tenth_of_a_second() {
    for (asked, shortest, longest) in
        [(u64::MAX, 300 * SECOND, 375 * SECOND), (0, 100 * MILLISECOND, 125 * MILLISECOND)]
    {
        let mut fixture = Fixture::new();
        let (client, worker) = (fixture.client(), fixture.worker(1));
        fixture.submit(&client, "job-1");
        let assigned = fixture.only_assigned(&worker);
        fixture.refuse(&worker, &assigned, Retry::Later, Some(asked));
        let pauses = fixture.drain(|output| match output {
            Output::Event(Event::NodePaused { pause, .. }) => Some(*pause),
            _ => None,
        });
        assert!(pauses.len() == 1 && (shortest..=longest).contains(&pauses[0]), "{pauses:?}");
    }
}

#[test]
fn failed_attempts_back_off_and_the_rests_grow() {
    let mut fixture = Fixture::with(Limits { attempts: 8, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let mut longest = 500 * MILLISECOND;
    for attempt in 1..8 {
        let assigned = fixture.only_assigned(&worker);
        fixture.answer(&worker, &assigned, false, "no");
        fixture.pass_alive(longest / 2 - MILLISECOND, &[&worker], &[]);
        assert_eq!(fixture.assigned(&worker), [], "after attempt {attempt}");
        fixture.pass_alive(longest / 2 + MILLISECOND, &[&worker], &[]);
        longest = (2 * longest).min(10 * SECOND);
    }
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, false, "no");
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::NodeUnavailable))]);
}

#[test]
fn a_job_that_rests_holds_up_no_other() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    let assigned = fixture.only_assigned(&worker);
    fixture.answer(&worker, &assigned, false, "no");
    assert_eq!(fixture.only_assigned(&worker).job, "job-2");
}

#[test]
fn what_will_never_succeed_is_not_tried_again() {
    let mut fixture = Fixture::new();
    let (client, worker, other) = (fixture.client(), fixture.worker(2), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.refuse(&worker, &assigned, Retry::Never, None);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::Rejected))]);
    assert_eq!((fixture.assigned(&worker), fixture.assigned(&other)), (vec![], vec![]));
    assert_eq!(fixture.core.gauges().open_jobs, 0);
}

#[test]
fn what_one_node_can_never_do_is_tried_elsewhere_and_fails_where_there_is_no_other() {
    let mut fixture = Fixture::new();
    let (client, worker, other) = (fixture.client(), fixture.worker(2), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.refuse(&worker, &assigned, Retry::Elsewhere, None);
    fixture.pass(SECOND);
    assert_eq!(fixture.assigned(&worker), []);
    let assigned = fixture.only_assigned(&other);
    fixture.refuse(&other, &assigned, Retry::Elsewhere, None);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), Some(FailureCode::NodeUnavailable))]);
}

#[test]
fn a_node_that_does_not_acknowledge_is_benched_and_the_honest_one_does_its_work() {
    let mut fixture = Fixture::new();
    let (client, deaf, honest) = (fixture.client(), fixture.worker(100), fixture.worker(1));
    for number in 0..20 {
        fixture.submit(&client, &format!("job-{number}"));
    }
    assert_eq!(fixture.assigned(&deaf).len(), 20);
    fixture.pass(3 * SECOND);
    assert_eq!((fixture.core.gauges().benched_nodes, benched(&mut fixture)), (1, vec![SECOND]));
    for number in 0..20 {
        let assigned = fixture.only_assigned(&honest);
        assert_eq!(assigned.job, format!("job-{number}"));
        fixture.answer(&honest, &assigned, true, "hallo");
    }
    assert_eq!(fixture.outcomes(&client).len(), 20);
    assert_eq!(fixture.assigned(&deaf), []);
    fixture.pass_alive(SECOND, &[&deaf, &honest], &[]);
    assert_eq!(fixture.core.gauges().benched_nodes, 0);
    fixture.submit(&client, "again");
    let assigned = fixture.only_assigned(&honest);
    assert_eq!(assigned.job, "again", "a node that is not doubted comes first");
    fixture.take_job(&honest, &assigned);
    fixture.submit(&client, "one");
    fixture.submit(&client, "two");
    assert_eq!(fixture.assigned(&deaf).len(), 1, "one at a time");
    fixture.pass_alive(3 * SECOND, &[&deaf, &honest], &[(&honest, &assigned)]);
    assert_eq!(benched(&mut fixture), [2 * SECOND], "longer each time");
}

#[test]
fn a_node_that_does_a_job_is_trusted_again() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(2));
    fixture.submit(&client, "job-1");
    fixture.pass(3 * SECOND);
    assert_eq!(fixture.assigned(&worker).len(), 1);
    fixture.pass_alive(SECOND, &[&worker], &[]);
    let assigned = fixture.only_assigned(&worker);
    fixture.submit(&client, "job-2");
    assert_eq!(fixture.assigned(&worker), [], "one at a time, until it has done something");
    fixture.answer(&worker, &assigned, true, "hallo");
    fixture.submit(&client, "job-3");
    assert_eq!(fixture.assigned(&worker).len(), 2);
    fixture.pass(3 * SECOND);
    assert_eq!(benched(&mut fixture), [SECOND, SECOND], "and begins anew");
}

#[test]
fn who_fails_what_another_does_is_benched_and_who_fails_with_all_others_is_not() {
    let mut fixture = Fixture::new();
    let (client, bad, good) = (fixture.client(), fixture.worker(3), fixture.worker(1));
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&bad);
    fixture.answer(&bad, &assigned, false, "no");
    fixture.pass(SECOND);
    let assigned = fixture.only_assigned(&good);
    assert!(benched(&mut fixture).is_empty());
    fixture.answer(&good, &assigned, true, "hallo");
    assert_eq!(benched(&mut fixture), [SECOND]);
    fixture.pass(SECOND);
    fixture.submit(&client, "poison");
    for worker in [&good, &bad, &good] {
        let assigned = fixture.only_assigned(worker);
        fixture.answer(worker, &assigned, false, "no");
        fixture.pass_alive(SECOND, &[&bad, &good], &[]);
    }
    assert_eq!(fixture.outcomes(&client).len(), 2);
    assert!(benched(&mut fixture).is_empty());
}

#[test]
fn a_node_that_has_tried_is_not_asked_again_while_another_is_merely_full() {
    let mut fixture = Fixture::new();
    let (client, full) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "long");
    let long = fixture.only_assigned(&full);
    fixture.take_job(&full, &long);
    let idle = fixture.worker(1);
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&idle);
    fixture.answer(&idle, &assigned, false, "no");
    fixture.pass_alive(20 * SECOND, &[&full, &idle], &[(&full, &long)]);
    assert_eq!(fixture.assigned(&idle), []);
    fixture.submit(&client, "job-2");
    assert_eq!(fixture.only_assigned(&idle).job, "job-2", "it holds up no other");
    fixture.answer(&full, &long, true, "hallo");
    assert_eq!(fixture.only_assigned(&full).job, "job-1");
}

#[test]
fn one_sessions_many_jobs_do_not_delay_anothers_first() {
    let mut fixture = Fixture::new();
    let (greedy, worker) = (fixture.client(), fixture.worker(1));
    for number in 0..900 {
        fixture.submit(&greedy, &format!("greedy-{number}"));
    }
    let modest = fixture.client();
    fixture.submit(&modest, "modest-0");
    fixture.submit(&modest, "modest-1");
    let mut order = Vec::new();
    for _ in 0..5 {
        let assigned = fixture.only_assigned(&worker);
        fixture.answer(&worker, &assigned, true, "hallo");
        order.push(assigned.job);
    }
    assert_eq!(order, ["greedy-0", "greedy-1", "modest-0", "greedy-2", "modest-1"]);
}

fn benched(fixture: &mut Fixture) -> Vec<Duration> {
    fixture.drain(|output| match output {
        Output::Event(Event::NodeBenched { pause, .. }) => Some(*pause),
        _ => None,
    })
}
