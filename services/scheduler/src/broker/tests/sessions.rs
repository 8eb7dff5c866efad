//! Hello, resume, acknowledgements, idleness and forgetting.

use super::*;

#[test]
fn no_hello_in_ten_seconds_closes_a_connection() {
    let mut rig = Rig::new();
    let (session, node) = (rig.open(Leg::Session), rig.open(Leg::Node));
    rig.pass(10 * SECOND - MILLISECOND);
    assert_eq!(rig.closed(), []);
    rig.pass(MILLISECOND);
    assert_eq!(rig.closed(), [(session, code::NO_HELLO), (node, code::NO_HELLO)]);
}

#[test]
fn a_new_session_starts_at_one() {
    let mut rig = Rig::new();
    let client = rig.client();
    assert!(!client.resumed);
    assert_eq!((client.next_seq, client.epoch.as_str()), (1, rig.core.epoch().as_str()));
    assert!(client.session.starts_with("s-") && client.session.len() == 10, "{}", client.session);
}

#[test]
fn a_session_that_is_not_known_starts_anew() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.lose(client.connection);
    let strangers = [
        Client { epoch: "another".to_owned(), ..client.clone() },
        Client { session: "s-00000000".to_owned(), ..client.clone() },
        Client { token: "guessed".to_owned(), ..client.clone() },
    ];
    for stranger in strangers {
        let fresh = rig.resume(&stranger, 7);
        assert!(!fresh.resumed);
        assert_eq!(fresh.next_seq, 1);
        assert_ne!((&fresh.session, &fresh.token), (&client.session, &client.token));
    }
    assert!(rig.resume(&client, 0).resumed, "the owner is not disturbed");
}

#[test]
fn a_wrong_token_for_a_present_session_is_closed_with_4003() {
    let mut rig = Rig::new();
    let client = rig.client();
    let connection = rig.open(Leg::Session);
    let (session_id, epoch) = (client.session.clone(), client.epoch.clone());
    let resume = Resume { session_id, token: "guessed".to_owned(), epoch, last_seq: 0 };
    assert!(rig.greet(connection, Some(resume)).is_none());
    assert_eq!(rig.closed(), [(connection, code::WRONG_TOKEN)]);
    assert_eq!(rig.core.gauges().connected_sessions, 1);
}

#[test]
fn what_was_settled_is_not_sent_again_on_resume_and_the_rest_is_marked() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(3));
    finish(&mut rig, &client, &worker, &["job-1", "job-2"]);
    rig.lose(client.connection);
    finish_absent(&mut rig, &client, &worker);
    let client = rig.resume(&client, 1);
    assert_eq!(client.next_seq, 2);
    assert_eq!(rig.delivered(), ["job-1"], "the hello acknowledges");
    let sent = rig.drain(|output| match output {
        Output::ToSession(_, ToSession::Result { seq, redelivered, .. }) => Some((*seq, *redelivered)),
        _ => None,
    });
    assert_eq!(sent[sent.len() - 1..], [(2, true)]);
}

#[test]
fn acknowledging_what_was_never_sent_closes_the_connection() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    finish(&mut rig, &client, &worker, &["job-1"]);
    rig.ack(&client, 2);
    assert_eq!(rig.closed(), [(client.connection, code::POLICY)]);
    assert_eq!(rig.delivered(), Vec::<String>::new());
    let connection = rig.open(Leg::Session);
    let Client { session, token, epoch, .. } = client;
    rig.greet(connection, Some(Resume { session_id: session, token, epoch, last_seq: 5 }));
    assert_eq!(rig.closed(), [(connection, code::POLICY)]);
}

#[test]
fn an_outcome_without_acknowledgement_for_twenty_seconds_means_a_dead_connection() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(2));
    finish(&mut rig, &client, &worker, &["job-1", "job-2"]);
    rig.pass_alive(19 * SECOND, &[&worker], &[]);
    rig.ack(&client, 1);
    rig.pass_alive(20 * SECOND - MILLISECOND, &[&worker], &[]);
    assert_eq!(rig.closed(), [], "progress starts the clock anew");
    rig.pass(MILLISECOND);
    assert_eq!(rig.closed(), [(client.connection, code::INTERNAL)]);
    assert_eq!(rig.core.gauges().undelivered_outcomes, 1, "the outcome is kept");
    let client = rig.resume(&client, 1);
    rig.ack(&client, 2);
    assert_eq!(rig.delivered(), ["job-1", "job-2"]);
    rig.pass_alive(60 * SECOND, &[&worker], &[]);
    assert_eq!(rig.closed(), []);
}

#[test]
fn ten_idle_minutes_close_with_1000_but_never_while_a_job_is_open() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.pass_alive(599 * SECOND, &[&worker], &[]);
    rig.submit(&client, "job-1");
    let assigned = rig.only_assigned(&worker);
    rig.take_job(&worker, &assigned);
    rig.pass_alive(599 * SECOND, &[&worker], &[(&worker, &assigned)]);
    rig.answer(&worker, &assigned, true, "hallo");
    rig.ack(&client, 1);
    rig.pass_alive(600 * SECOND - MILLISECOND, &[&worker], &[]);
    assert_eq!(rig.closed(), []);
    rig.pass(MILLISECOND);
    assert_eq!(rig.closed(), [(client.connection, code::NORMAL)]);
    assert!(rig.resume(&client, 1).resumed);
}

#[test]
fn a_result_expires_in_its_place_after_two_minutes_of_absence() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(2));
    rig.submit(&client, "job-1");
    rig.submit(&client, "job-2");
    let assigned = rig.assigned(&worker);
    rig.lose(client.connection);
    for assigned in &assigned {
        rig.take_job(&worker, assigned);
    }
    rig.answer(&worker, &assigned[0], true, "hallo");
    rig.pass_alive(20 * SECOND, &[&worker], &[(&worker, &assigned[1])]);
    rig.answer(&worker, &assigned[1], true, "welt");
    rig.pass_alive(100 * SECOND, &[&worker], &[]);
    let client = rig.resume(&client, 0);
    let expected = [(1, "job-1".to_owned(), Some(FailureCode::ResultExpired)), (2, "job-2".to_owned(), None)];
    assert_eq!(rig.outcomes(&client), expected);
    rig.pass_alive(10 * SECOND, &[&worker], &[]);
    rig.ack(&client, 2);
    assert_eq!(rig.delivered(), ["job-1", "job-2"]);
}

#[test]
fn beyond_the_bound_the_oldest_results_of_an_absent_session_expire() {
    let mut rig = Rig::with(Limits { results_kept: 2, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(4));
    let jobs = ["job-1", "job-2", "job-3", "job-4"];
    for job in jobs {
        rig.submit(&client, job);
    }
    rig.lose(client.connection);
    for assigned in rig.assigned(&worker) {
        rig.answer(&worker, &assigned, true, "hallo");
    }
    let client = rig.resume(&client, 0);
    let codes: Vec<_> = rig.outcomes(&client).into_iter().map(|(_, _, code)| code).collect();
    let expired = Some(FailureCode::ResultExpired);
    assert_eq!(codes, [expired, expired, None, None]);
}

#[test]
fn a_session_is_forgotten_ten_minutes_after_its_disconnect() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.lose(client.connection);
    rig.pass(600 * SECOND - MILLISECOND);
    let client = rig.resume(&client, 0);
    assert!(client.resumed, "just in time");
    rig.lose(client.connection);
    rig.pass(600 * SECOND);
    assert!(!rig.resume(&client, 0).resumed);
    assert_eq!(rig.core.sessions.len(), 1);
}

#[test]
fn session_close_ends_open_jobs_and_then_the_session() {
    let mut rig = Rig::new();
    let (client, worker) = (rig.client(), rig.worker(1));
    rig.submit(&client, "job-1");
    rig.submit(&client, "job-2");
    rig.handle(Input::FromSession(client.connection, FromSession::SessionClose));
    let closed = Some(FailureCode::SessionClosed);
    assert_eq!(rig.outcomes(&client), [(1, "job-1".to_owned(), closed), (2, "job-2".to_owned(), closed)]);
    let told = rig.told_node(worker.connection);
    assert!(told.iter().any(|message| matches!(message, ToNode::JobCancel { .. })), "{told:?}");
    rig.ack(&client, 2);
    assert_eq!(rig.closed(), [(client.connection, code::NORMAL)]);
    assert!(rig.core.sessions.is_empty());
    assert!(!rig.resume(&client, 2).resumed);
}

#[test]
fn a_slow_reader_is_sent_no_more_than_the_window_and_is_closed_with_1013_when_its_queue_is_full() {
    let mut rig = Rig::with(Limits { window_outcomes: 2, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(5));
    finish(&mut rig, &client, &worker, &["job-1", "job-2", "job-3", "job-4", "job-5"]);
    assert_eq!(seqs(&mut rig, &client), [1, 2]);
    rig.ack(&client, 1);
    assert_eq!(seqs(&mut rig, &client), [3]);
    rig.ack(&client, 3);
    assert_eq!(seqs(&mut rig, &client), [4, 5]);
    rig.handle(Input::Overflowed(client.connection));
    assert_eq!(rig.closed(), [(client.connection, code::TRY_LATER)]);
}

#[test]
fn an_acknowledgement_may_reach_beyond_what_this_connection_has_sent() {
    let mut rig = Rig::with(Limits { window_outcomes: 2, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(5));
    finish(&mut rig, &client, &worker, &["job-1", "job-2", "job-3", "job-4"]);
    rig.ack(&client, 2);
    let client = rig.resume(&client, 1);
    rig.ack(&client, 4);
    assert_eq!(rig.core.gauges().undelivered_outcomes, 0);
    finish(&mut rig, &client, &worker, &["job-5"]);
    assert_eq!(seqs(&mut rig, &client).last(), Some(&5));
}

#[test]
fn a_session_with_too_many_unsettled_jobs_is_asked_to_come_back() {
    let mut rig = Rig::with(Limits { unsettled_jobs: 2, ..Limits::default() });
    let client = rig.client();
    for job in ["job-1", "job-2", "job-3"] {
        rig.submit(&client, job);
    }
    assert_eq!(rig.closed(), [(client.connection, code::TRY_LATER)]);
    assert_eq!(rig.core.gauges().open_jobs, 2);
}

#[test]
fn outcomes_that_wait_for_their_acknowledgement_are_unsettled_jobs_as_well() {
    let mut rig = Rig::with(Limits { unsettled_jobs: 2, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(1));
    finish(&mut rig, &client, &worker, &["job-1"]);
    rig.submit(&client, "job-2");
    assert_eq!(rig.closed(), []);
    rig.submit(&client, "job-3");
    assert_eq!(rig.closed(), [(client.connection, code::TRY_LATER)]);
}

#[test]
fn an_id_has_at_most_200_bytes() {
    let mut rig = Rig::new();
    for (job, trace, good) in [(200, 200, true), (201, 1, false), (1, 201, false), (1, 0, true)] {
        let client = rig.client();
        let submit = Submit { trace_id: "t".repeat(trace), ..submit(&"j".repeat(job), String::new()) };
        rig.handle(Input::FromSession(client.connection, FromSession::Submit(submit)));
        let closed = if good { vec![] } else { vec![(client.connection, code::INVALID)] };
        assert_eq!(rig.closed(), closed, "{job} and {trace}");
    }
}

#[test]
fn as_many_settled_jobs_are_remembered_as_the_bound_says() {
    let mut rig = Rig::with(Limits { settled_kept: 2, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(1));
    finish(&mut rig, &client, &worker, &["job-1", "job-2", "job-3"]);
    rig.ack(&client, 3);
    for job in ["job-2", "job-3"] {
        rig.submit(&client, job);
        assert_eq!(rig.assigned(&worker), [], "{job} is known");
    }
    rig.submit(&client, "job-1");
    assert_eq!(rig.only_assigned(&worker).job, "job-1", "the oldest is forgotten");
}

#[test]
fn a_submit_fits_if_its_session_has_room_for_its_last_byte() {
    // Open jobs and outcomes weigh the same: 300 bytes of a result, and of each job its text and 20.
    for (text, good) in [(680, true), (681, false)] {
        let mut rig = Rig::with(Limits { session_bytes: 1000, ..Limits::default() });
        let (client, worker) = (rig.client(), rig.worker(1));
        rig.submit(&client, "job-1");
        let assigned = rig.only_assigned(&worker);
        rig.answer(&worker, &assigned, true, &"y".repeat(300));
        rig.submit_text(&client, "job-2", "x".repeat(text));
        let closed = if good { vec![] } else { vec![(client.connection, code::TRY_LATER)] };
        assert_eq!(rig.closed(), closed, "{text} bytes");
        rig.submit_text(&client, "job-3", String::new());
        assert_eq!(rig.core.gauges().open_jobs, usize::from(good), "not a byte more");
    }
}

#[test]
fn a_present_session_may_leave_as_many_bytes_unacknowledged_as_its_bound() {
    let mut rig = Rig::with(Limits { session_bytes: 1000, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(3));
    for job in ["job-1", "job-2", "job-3"] {
        rig.submit(&client, job);
    }
    let assigned = rig.assigned(&worker);
    rig.answer(&worker, &assigned[0], true, &"y".repeat(600));
    rig.answer(&worker, &assigned[1], true, &"y".repeat(400));
    assert_eq!(rig.closed(), [], "exactly the bound");
    rig.answer(&worker, &assigned[2], true, "y");
    assert_eq!(rig.closed(), [(client.connection, code::TRY_LATER)]);
}

#[test]
fn the_window_holds_as_many_bytes_as_its_bound_and_always_one_outcome() {
    let mut rig = Rig::with(Limits { window_bytes: 100, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(5));
    for job in ["job-1", "job-2", "job-3", "job-4", "job-5"] {
        rig.submit(&client, job);
    }
    for (assigned, bytes) in rig.assigned(&worker).iter().zip([60, 40, 1, 200, 1]) {
        rig.answer(&worker, assigned, true, &"y".repeat(bytes));
    }
    for (sent, acknowledged) in [(&[1, 2][..], 1), (&[3], 2), (&[], 3), (&[4], 4), (&[5], 5)] {
        assert_eq!(seqs(&mut rig, &client), sent, "before {acknowledged} is acknowledged");
        rig.ack(&client, acknowledged);
    }
}

#[test]
fn bad_input_costs_its_sender_alone() {
    let mut rig = Rig::new();
    let (good, bad) = (rig.client(), rig.client());
    rig.submit(&bad, "");
    assert_eq!(rig.closed(), [(bad.connection, code::INVALID)]);
    let early = rig.open(Leg::Session);
    rig.handle(Input::FromSession(early, FromSession::SessionClose));
    assert_eq!(rig.closed(), [(early, code::PROTOCOL)]);
    let again = FromSession::SessionInit { client_version: String::new(), resume: None };
    rig.handle(Input::FromSession(good.connection, again));
    let told = rig.told_session(good.connection);
    assert!(matches!(&told[..], [ToSession::Error { .. }]), "{told:?}");
    assert_eq!(rig.core.gauges().connected_sessions, 1);
}

#[test]
fn a_session_holds_no_more_bytes_than_its_bound() {
    let mut rig = Rig::with(Limits { session_bytes: 1000, ..Limits::default() });
    let (client, worker) = (rig.client(), rig.worker(9));
    rig.submit_text(&client, "job-1", "x".repeat(600));
    rig.submit_text(&client, "job-2", "x".repeat(600));
    assert_eq!(rig.closed(), [(client.connection, code::TRY_LATER)]);
    assert_eq!(rig.core.gauges().open_jobs, 1);
    let client = rig.resume(&client, 0);
    rig.submit(&client, "job-3");
    let assigned = rig.assigned(&worker);
    rig.answer(&worker, &assigned[0], true, &"y".repeat(600));
    rig.answer(&worker, &assigned[1], true, &"y".repeat(600));
    assert_eq!(rig.closed(), [(client.connection, code::TRY_LATER)], "it acknowledges nothing");
    assert!(rig.core.gauges().buffered_bytes <= 1000);
    rig.said.clear();
    let client = rig.resume(&client, 0);
    let codes: Vec<_> = rig.outcomes(&client).into_iter().map(|(_, _, code)| code).collect();
    assert_eq!(codes, [Some(FailureCode::ResultExpired), None], "the oldest has given its place");
    rig.ack(&client, 2);
    assert_eq!(rig.core.gauges().buffered_bytes, 0);
}

#[test]
fn too_many_sessions_are_asked_to_come_back() {
    let mut rig = Rig::with(Limits { sessions: 1, ..Limits::default() });
    rig.client();
    let connection = rig.open(Leg::Session);
    assert!(rig.greet(connection, None).is_none());
    assert_eq!(rig.closed(), [(connection, code::TRY_LATER)]);
}

/// Submits jobs and has each finished at once.
fn finish(rig: &mut Rig, client: &Client, worker: &Worker, jobs: &[&str]) {
    for job in jobs {
        rig.submit(client, job);
        let assigned = rig.only_assigned(worker);
        rig.answer(worker, &assigned, true, "hallo");
    }
}

/// An absent session's worker has nothing to do; the session stays absent for a second.
fn finish_absent(rig: &mut Rig, client: &Client, worker: &Worker) {
    rig.pass(SECOND);
    assert_eq!((rig.assigned(worker), rig.core.gauges().connected_sessions), (vec![], 0), "{client:?}");
}

fn seqs(rig: &mut Rig, client: &Client) -> Vec<u64> {
    rig.outcomes(client).into_iter().map(|(seq, _, _)| seq).collect()
}
