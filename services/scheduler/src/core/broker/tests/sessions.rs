//! Hello, resume, acknowledgements, idleness and forgetting.

use super::*;

#[test]
fn no_hello_in_ten_seconds_closes_a_connection() {
    let mut fixture = Fixture::new();
    let (session, node) = (fixture.open(Leg::Session), fixture.open(Leg::Node));
    fixture.pass(10 * SECOND - MILLISECOND);
    assert_eq!(fixture.closed(), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.closed(), [(session, code::NO_HELLO), (node, code::NO_HELLO)]);
}

#[test]
fn a_new_session_starts_at_one() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    assert!(!client.resumed);
    assert_eq!((client.next_seq, client.epoch.as_str()), (1, fixture.core.epoch().as_str()));
    assert!(client.session.starts_with("s-") && client.session.len() == 10, "{}", client.session);
}

#[test]
fn a_session_that_is_not_known_is_replaced_by_a_new_one() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.lose(client.connection);
    let unauthenticated = [
        Client { epoch: "another".to_owned(), ..client.clone() },
        Client { session: "s-00000000".to_owned(), ..client.clone() },
        Client { token: "guessed".to_owned(), ..client.clone() },
    ];
    for stranger in unauthenticated {
        let fresh = fixture.resume(&stranger, 7);
        assert!(!fresh.resumed);
        assert_eq!(fresh.next_seq, 1);
        assert_ne!((&fresh.session, &fresh.token), (&client.session, &client.token));
    }
    assert!(fixture.resume(&client, 0).resumed, "the owner is not disturbed");
}

#[test]
fn a_wrong_token_for_a_present_session_is_closed_with_4003() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    let connection = fixture.open(Leg::Session);
    let (session_id, epoch) = (client.session.clone(), client.epoch.clone());
    let resume = Resume { session_id, token: "guessed".to_owned(), epoch, last_seq: 0 };
    assert!(fixture.greet(connection, Some(resume)).is_none());
    assert_eq!(fixture.closed(), [(connection, code::WRONG_TOKEN)]);
    assert_eq!(fixture.core.gauges().connected_sessions, 1);
}

#[test]
fn what_was_settled_is_not_sent_again_on_resume_and_the_rest_is_marked() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(3));
    finish(&mut fixture, &client, &worker, &["job-1", "job-2"]);
    fixture.lose(client.connection);
    finish_absent(&mut fixture, &client, &worker);
    let client = fixture.resume(&client, 1);
    assert_eq!(client.next_seq, 2);
    assert_eq!(fixture.delivered(), ["job-1"], "the hello acknowledges");
    let sent = fixture.drain(|output| match output {
        Output::ToSession(_, ToSession::Result { seq, redelivered, .. }) => Some((*seq, *redelivered)),
        _ => None,
    });
    assert_eq!(sent[sent.len() - 1..], [(2, true)]);
}

#[test]
fn acknowledging_what_was_never_sent_closes_the_connection() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    finish(&mut fixture, &client, &worker, &["job-1"]);
    fixture.ack(&client, 2);
    assert_eq!(fixture.closed(), [(client.connection, code::POLICY)]);
    assert_eq!(fixture.delivered(), Vec::<String>::new());
    let connection = fixture.open(Leg::Session);
    let Client { session, token, epoch, .. } = client;
    fixture.greet(connection, Some(Resume { session_id: session, token, epoch, last_seq: 5 }));
    assert_eq!(fixture.closed(), [(connection, code::POLICY)]);
}

#[test]
fn an_outcome_without_acknowledgement_for_twenty_seconds_means_a_dead_connection() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(2));
    finish(&mut fixture, &client, &worker, &["job-1", "job-2"]);
    fixture.pass_alive(19 * SECOND, &[&worker], &[]);
    fixture.ack(&client, 1);
    fixture.pass_alive(20 * SECOND - MILLISECOND, &[&worker], &[]);
    assert_eq!(fixture.closed(), [], "progress restarts the clock");
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.closed(), [(client.connection, code::INTERNAL)]);
    assert_eq!(fixture.core.gauges().undelivered_outcomes, 1, "the outcome is kept");
    let client = fixture.resume(&client, 1);
    fixture.ack(&client, 2);
    assert_eq!(fixture.delivered(), ["job-1", "job-2"]);
    fixture.pass_alive(60 * SECOND, &[&worker], &[]);
    assert_eq!(fixture.closed(), []);
}

#[test]
fn ten_idle_minutes_close_with_1000_but_never_while_a_job_is_open() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.pass_alive(599 * SECOND, &[&worker], &[]);
    fixture.submit(&client, "job-1");
    let assigned = fixture.only_assigned(&worker);
    fixture.take_job(&worker, &assigned);
    fixture.pass_alive(599 * SECOND, &[&worker], &[(&worker, &assigned)]);
    fixture.answer(&worker, &assigned, true, "hallo");
    fixture.ack(&client, 1);
    fixture.pass_alive(600 * SECOND - MILLISECOND, &[&worker], &[]);
    assert_eq!(fixture.closed(), []);
    fixture.pass(MILLISECOND);
    assert_eq!(fixture.closed(), [(client.connection, code::NORMAL)]);
    assert!(fixture.resume(&client, 1).resumed);
}

#[test]
fn a_result_expires_in_its_place_after_two_minutes_of_absence() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(2));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    let assigned = fixture.assigned(&worker);
    fixture.lose(client.connection);
    for assigned in &assigned {
        fixture.take_job(&worker, assigned);
    }
    fixture.answer(&worker, &assigned[0], true, "hallo");
    fixture.pass_alive(20 * SECOND, &[&worker], &[(&worker, &assigned[1])]);
    fixture.answer(&worker, &assigned[1], true, "welt");
    fixture.pass_alive(100 * SECOND, &[&worker], &[]);
    let client = fixture.resume(&client, 0);
    let expected = [(1, "job-1".to_owned(), Some(FailureCode::ResultExpired)), (2, "job-2".to_owned(), None)];
    assert_eq!(fixture.outcomes(&client), expected);
    fixture.pass_alive(10 * SECOND, &[&worker], &[]);
    fixture.ack(&client, 2);
    assert_eq!(fixture.delivered(), ["job-1", "job-2"]);
}

#[test]
fn beyond_the_bound_the_oldest_results_of_an_absent_session_expire() {
    let mut fixture = Fixture::with(Limits { results_kept: 2, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(4));
    let jobs = ["job-1", "job-2", "job-3", "job-4"];
    for job in jobs {
        fixture.submit(&client, job);
    }
    fixture.lose(client.connection);
    for assigned in fixture.assigned(&worker) {
        fixture.answer(&worker, &assigned, true, "hallo");
    }
    let client = fixture.resume(&client, 0);
    let codes: Vec<_> = fixture.outcomes(&client).into_iter().map(|(_, _, code)| code).collect();
    let expired = Some(FailureCode::ResultExpired);
    assert_eq!(codes, [expired, expired, None, None]);
}

#[test]
fn a_session_is_forgotten_ten_minutes_after_its_disconnect() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.lose(client.connection);
    fixture.pass(600 * SECOND - MILLISECOND);
    let client = fixture.resume(&client, 0);
    assert!(client.resumed, "just in time");
    fixture.lose(client.connection);
    fixture.pass(600 * SECOND);
    assert!(!fixture.resume(&client, 0).resumed);
    assert_eq!(fixture.core.sessions.len(), 1);
}

#[test]
fn session_close_ends_open_jobs_and_then_the_session() {
    let mut fixture = Fixture::new();
    let (client, worker) = (fixture.client(), fixture.worker(1));
    fixture.submit(&client, "job-1");
    fixture.submit(&client, "job-2");
    fixture.handle(Input::FromSession(client.connection, FromSession::SessionClose));
    let closed = Some(FailureCode::SessionClosed);
    assert_eq!(fixture.outcomes(&client), [(1, "job-1".to_owned(), closed), (2, "job-2".to_owned(), closed)]);
    let told = fixture.told_node(worker.connection);
    assert!(told.iter().any(|message| matches!(message, ToNode::JobCancel { .. })), "{told:?}");
    fixture.ack(&client, 2);
    assert_eq!(fixture.closed(), [(client.connection, code::NORMAL)]);
    assert!(fixture.core.sessions.is_empty());
    assert!(!fixture.resume(&client, 2).resumed);
}

#[test]
fn a_slow_reader_is_sent_no_more_than_the_window_and_is_closed_with_1013_when_its_queue_is_full() {
    let mut fixture = Fixture::with(Limits { window_outcomes: 2, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(5));
    finish(&mut fixture, &client, &worker, &["job-1", "job-2", "job-3", "job-4", "job-5"]);
    assert_eq!(seqs(&mut fixture, &client), [1, 2]);
    fixture.ack(&client, 1);
    assert_eq!(seqs(&mut fixture, &client), [3]);
    fixture.ack(&client, 3);
    assert_eq!(seqs(&mut fixture, &client), [4, 5]);
    fixture.handle(Input::Overflowed(client.connection));
    assert_eq!(fixture.closed(), [(client.connection, code::TRY_LATER)]);
}

#[test]
fn an_acknowledgement_may_reach_beyond_what_this_connection_has_sent() {
    let mut fixture = Fixture::with(Limits { window_outcomes: 2, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(5));
    finish(&mut fixture, &client, &worker, &["job-1", "job-2", "job-3", "job-4"]);
    fixture.ack(&client, 2);
    let client = fixture.resume(&client, 1);
    fixture.ack(&client, 4);
    assert_eq!(fixture.core.gauges().undelivered_outcomes, 0);
    finish(&mut fixture, &client, &worker, &["job-5"]);
    assert_eq!(seqs(&mut fixture, &client).last(), Some(&5));
}

#[test]
fn a_session_with_too_many_unsettled_jobs_is_asked_to_come_back() {
    let mut fixture = Fixture::with(Limits { unsettled_jobs: 2, ..Limits::default() });
    let client = fixture.client();
    for job in ["job-1", "job-2", "job-3"] {
        fixture.submit(&client, job);
    }
    assert_eq!(fixture.closed(), [(client.connection, code::TRY_LATER)]);
    assert_eq!(fixture.core.gauges().open_jobs, 2);
}

#[test]
fn outcomes_that_wait_for_their_acknowledgement_are_unsettled_jobs_as_well() {
    let mut fixture = Fixture::with(Limits { unsettled_jobs: 2, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(1));
    finish(&mut fixture, &client, &worker, &["job-1"]);
    fixture.submit(&client, "job-2");
    assert_eq!(fixture.closed(), []);
    fixture.submit(&client, "job-3");
    assert_eq!(fixture.closed(), [(client.connection, code::TRY_LATER)]);
}

#[test]
fn an_id_has_at_most_200_bytes() {
    let mut fixture = Fixture::new();
    for (job, trace, good) in [(200, 200, true), (201, 1, false), (1, 201, false), (1, 0, true)] {
        let client = fixture.client();
        let submit = Submit { trace_id: "t".repeat(trace), ..submit(&"j".repeat(job), String::new()) };
        fixture.handle(Input::FromSession(client.connection, FromSession::Submit(submit)));
        let closed = if good { vec![] } else { vec![(client.connection, code::INVALID)] };
        assert_eq!(fixture.closed(), closed, "{job} and {trace}");
    }
}

#[test]
fn as_many_settled_jobs_are_remembered_as_the_bound_says() {
    let mut fixture = Fixture::with(Limits { settled_kept: 2, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(1));
    finish(&mut fixture, &client, &worker, &["job-1", "job-2", "job-3"]);
    fixture.ack(&client, 3);
    for job in ["job-2", "job-3"] {
        fixture.submit(&client, job);
        assert_eq!(fixture.assigned(&worker), [], "{job} is known");
    }
    fixture.submit(&client, "job-1");
    assert_eq!(fixture.only_assigned(&worker).job, "job-1", "the oldest is forgotten");
}

#[test]
fn a_submit_fits_if_its_session_has_room_for_its_last_byte() {
    // Open jobs and outcomes weigh the same: 300 bytes of a result, and of each job its text and 20.
    for (text, good) in [(680, true), (681, false)] {
        let mut fixture = Fixture::with(Limits { session_bytes: 1000, ..Limits::default() });
        let (client, worker) = (fixture.client(), fixture.worker(1));
        fixture.submit(&client, "job-1");
        let assigned = fixture.only_assigned(&worker);
        fixture.answer(&worker, &assigned, true, &"y".repeat(300));
        fixture.submit_text(&client, "job-2", "x".repeat(text));
        let closed = if good { vec![] } else { vec![(client.connection, code::TRY_LATER)] };
        assert_eq!(fixture.closed(), closed, "{text} bytes");
        fixture.submit_text(&client, "job-3", String::new());
        assert_eq!(fixture.core.gauges().open_jobs, usize::from(good), "not a byte more");
    }
}

#[test]
fn a_present_session_may_leave_as_many_bytes_unacknowledged_as_its_bound() {
    let mut fixture = Fixture::with(Limits { session_bytes: 1000, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(3));
    for job in ["job-1", "job-2", "job-3"] {
        fixture.submit(&client, job);
    }
    let assigned = fixture.assigned(&worker);
    fixture.answer(&worker, &assigned[0], true, &"y".repeat(600));
    fixture.answer(&worker, &assigned[1], true, &"y".repeat(400));
    assert_eq!(fixture.closed(), [], "exactly the bound");
    fixture.answer(&worker, &assigned[2], true, "y");
    assert_eq!(fixture.closed(), [(client.connection, code::TRY_LATER)]);
}

#[test]
fn the_window_holds_as_many_bytes_as_its_bound_and_always_one_outcome() {
    let mut fixture = Fixture::with(Limits { window_bytes: 100, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(5));
    for job in ["job-1", "job-2", "job-3", "job-4", "job-5"] {
        fixture.submit(&client, job);
    }
    for (assigned, bytes) in fixture.assigned(&worker).iter().zip([60, 40, 1, 200, 1]) {
        fixture.answer(&worker, assigned, true, &"y".repeat(bytes));
    }
    for (sent, acknowledged) in [(&[1, 2][..], 1), (&[3], 2), (&[], 3), (&[4], 4), (&[5], 5)] {
        assert_eq!(seqs(&mut fixture, &client), sent, "before {acknowledged} is acknowledged");
        fixture.ack(&client, acknowledged);
    }
}

#[test]
fn bad_input_costs_its_sender_alone() {
    let mut fixture = Fixture::new();
    let (good, bad) = (fixture.client(), fixture.client());
    fixture.submit(&bad, "");
    assert_eq!(fixture.closed(), [(bad.connection, code::INVALID)]);
    let early = fixture.open(Leg::Session);
    fixture.handle(Input::FromSession(early, FromSession::SessionClose));
    assert_eq!(fixture.closed(), [(early, code::PROTOCOL)]);
    let again = FromSession::SessionInit { client_version: String::new(), resume: None };
    fixture.handle(Input::FromSession(good.connection, again));
    let told = fixture.told_session(good.connection);
    assert!(matches!(&told[..], [ToSession::Error { .. }]), "{told:?}");
    assert_eq!(fixture.core.gauges().connected_sessions, 1);
}

#[test]
fn a_session_holds_no_more_bytes_than_its_bound() {
    let mut fixture = Fixture::with(Limits { session_bytes: 1000, ..Limits::default() });
    let (client, worker) = (fixture.client(), fixture.worker(9));
    fixture.submit_text(&client, "job-1", "x".repeat(600));
    fixture.submit_text(&client, "job-2", "x".repeat(600));
    assert_eq!(fixture.closed(), [(client.connection, code::TRY_LATER)]);
    assert_eq!(fixture.core.gauges().open_jobs, 1);
    let client = fixture.resume(&client, 0);
    fixture.submit(&client, "job-3");
    let assigned = fixture.assigned(&worker);
    fixture.answer(&worker, &assigned[0], true, &"y".repeat(600));
    fixture.answer(&worker, &assigned[1], true, &"y".repeat(600));
    assert_eq!(fixture.closed(), [(client.connection, code::TRY_LATER)], "it acknowledges nothing");
    assert!(fixture.core.gauges().buffered_bytes <= 1000);
    fixture.said.clear();
    let client = fixture.resume(&client, 0);
    let codes: Vec<_> = fixture.outcomes(&client).into_iter().map(|(_, _, code)| code).collect();
    assert_eq!(codes, [Some(FailureCode::ResultExpired), None], "the oldest has given its place");
    fixture.ack(&client, 2);
    assert_eq!(fixture.core.gauges().buffered_bytes, 0);
}

#[test]
fn too_many_sessions_are_asked_to_come_back() {
    let mut fixture = Fixture::with(Limits { sessions: 1, ..Limits::default() });
    fixture.client();
    let connection = fixture.open(Leg::Session);
    assert!(fixture.greet(connection, None).is_none());
    assert_eq!(fixture.closed(), [(connection, code::TRY_LATER)]);
}

/// Submits jobs and has each finished at once.
fn finish(fixture: &mut Fixture, client: &Client, worker: &Worker, jobs: &[&str]) {
    for job in jobs {
        fixture.submit(client, job);
        let assigned = fixture.only_assigned(worker);
        fixture.answer(worker, &assigned, true, "hallo");
    }
}

/// An absent session's worker has nothing to do; the session stays absent for a second.
fn finish_absent(fixture: &mut Fixture, client: &Client, worker: &Worker) {
    fixture.pass(SECOND);
    assert_eq!((fixture.assigned(worker), fixture.core.gauges().connected_sessions), (vec![], 0), "{client:?}");
}

fn seqs(fixture: &mut Fixture, client: &Client) -> Vec<u64> {
    fixture.outcomes(client).into_iter().map(|(seq, _, _)| seq).collect()
}
