//! Losses and what follows, one test each.

use std::time::Duration;

use halfopen_link::By;
use halfopen_link::message::{FromSession, ToSession};
use halfopen_machine::Machine;

use super::fixture::{Fixture, hello_at, outcomes, sent};
use crate::config::Config;
use crate::core::monitor::Liveness;
use crate::core::{Input, Output};
use crate::event::{Event, State};

#[test]
fn accept_greet_drop_is_bounded_because_a_hello_forgets_no_attempt() {
    let mut client = Fixture::new(&Config::default());
    let mut connections = 0;
    while client.core.state() != State::Closed {
        client.tell(Input::Connected);
        client.greeted(true);
        client.lose(1000);
        connections += 1;
        assert!(connections < 100, "it goes on for ever");
        client.wait();
    }
    assert_eq!(connections, 11, "the first connection and ten attempts");
}

#[test]
fn ten_seconds_in_ready_forget_the_attempts() {
    for seconds in [9, 10] {
        let mut client = Fixture::ready();
        client.reconnect(1006);
        client.greeted(true);
        client.pass(Duration::from_secs(seconds));
        client.lose(1006);
        let expected = if seconds < 10 { 2 } else { 1 };
        assert_eq!(client.core.state(), State::Reconnecting(expected), "{seconds} s");
    }
}

#[test]
fn a_refused_connection_is_tried_ten_times_and_then_every_handle_is_unknown() {
    let mut client = Fixture::new(&Config::default());
    client.submit("a");
    let started = client.now;
    let mut last = Vec::new();
    while client.core.state() != State::Closed {
        assert!(client.now - started < Duration::from_secs(3600), "it goes on for ever");
        last = client.tell(Input::ConnectFailed("connection refused".into()));
        last.extend(client.wait());
    }
    assert_eq!(outcomes(&last), [("a".into(), "UNKNOWN")]);
    assert!(last.contains(&Output::Tell(Event::GaveUp { attempts: 10 })));
    let waited = client.now - started;
    assert!(waited >= Duration::from_secs(181) && waited <= Duration::from_secs(200), "{waited:?}");
}

#[test]
fn a_handshake_that_is_refused_for_good_is_not_tried_again() {
    for (status, is_final) in [(401, true), (404, true), (429, false), (503, false)] {
        let mut client = Fixture::new(&Config::default());
        client.submit("a");
        let outputs = client.tell(Input::NotUpgraded(status));
        assert_eq!(outputs.contains(&Output::Tell(Event::Refused { status })), is_final, "{status}");
        assert_eq!(client.core.state() == State::Closed, is_final, "{status}");
        let expected = if is_final { vec![("a".into(), "UNKNOWN")] } else { Vec::new() };
        assert_eq!(outcomes(&outputs), expected, "{status}");
    }
}

#[test]
fn a_close_4001_is_final() {
    let mut client = Fixture::ready();
    client.submit("a");
    let outputs = client.lose(4001);
    assert_eq!(outcomes(&outputs), [("a".into(), "UNKNOWN")]);
    assert!(outputs.contains(&Output::Tell(Event::Replaced)));
    assert_eq!((client.core.state(), client.core.next_timeout()), (State::Closed, None));
}

#[test]
fn a_wrong_token_is_not_presented_twice() {
    let mut client = Fixture::ready();
    client.lose(4003);
    client.wait();
    let hello = client.tell(Input::Connected);
    assert!(matches!(hello[..], [Output::Send(FromSession::SessionInit { resume: None, .. })]), "{hello:?}");
}

#[test]
fn a_job_in_flight_at_two_blaming_closes_in_a_row_is_rejected() {
    for close_code in [1003, 1007, 1008, 1009] {
        let mut client = Fixture::ready();
        client.submit("poison");
        assert_eq!(outcomes(&client.reconnect(close_code)), []);
        assert_eq!(sent(&client.greeted(true)), ["poison"]);
        assert_eq!(outcomes(&client.lose(close_code)), [("poison".into(), "REJECTED")]);
    }
}

#[test]
fn a_poisoned_jobs_neighbours_survive_it() {
    let mut client = Fixture::ready();
    for job in ["a", "poison", "b"] {
        client.submit(job);
    }
    client.reconnect(1007);
    assert_eq!(sent(&client.greeted(true)), ["a"], "suspects go one at a time");
    let next = client.tell(Input::Message(ToSession::SubmitAck { job_id: "a".into() }));
    assert_eq!(sent(&next), ["poison"]);
    assert_eq!(outcomes(&client.reconnect(1007)), [("poison".into(), "REJECTED")]);
    assert_eq!(sent(&client.greeted(true)), ["b"]);
}

#[test]
fn an_ordinary_loss_between_two_blaming_ones_clears_a_job() {
    let mut client = Fixture::ready();
    client.submit("a");
    for close_code in [1007, 1006, 1007] {
        assert_eq!(outcomes(&client.reconnect(close_code)), []);
        client.greeted(true);
    }
}

#[test]
fn a_blaming_close_of_our_own_blames_no_job() {
    let mut client = Fixture::ready();
    client.submit("a");
    for _ in 0..3 {
        assert_eq!(outcomes(&client.tell(Input::Malformed("not JSON".into()))), []);
        client.wait();
        client.tell(Input::Connected);
        client.greeted(true);
    }
}

#[test]
fn no_hello_within_ten_seconds_is_a_loss() {
    let mut client = Fixture::new(&Config::default());
    client.tell(Input::Connected);
    let greeted = client.now;
    let outputs = client.wait();
    assert_eq!(client.now - greeted, Duration::from_secs(10));
    assert!(matches!(outputs[0], Output::Abandon { close_code: 4008, .. }), "{outputs:?}");
    let Output::Tell(Event::Lost { ending, .. }) = &outputs[1] else { panic!("{outputs:?}") };
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout));
}

#[test]
fn a_connect_that_hangs_is_abandoned_after_ten_seconds() {
    let mut client = Fixture::new(&Config::default());
    let started = client.now;
    let outputs = client.wait();
    assert_eq!(client.now - started, Duration::from_secs(10));
    assert!(matches!(
        outputs[..],
        [
            Output::Abandon { .. },
            Output::Tell(Event::ConnectFailed { .. }),
            Output::Tell(Event::Reconnecting { attempt: 1, .. })
        ]
    ));
    assert_eq!(client.core.ending().map(|ending| (ending.close_code, ending.by)), Some((1006, By::Timeout)));
}

#[test]
fn each_close_code_of_the_peers_has_its_consequence() {
    for close_code in
        [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 3999, 4000, 4008, 4999]
    {
        let mut client = Fixture::ready();
        client.submit("a");
        assert_eq!(outcomes(&client.lose(close_code)), [], "{close_code}: nothing is lost");
        assert_eq!(client.core.state(), State::Reconnecting(1), "{close_code}");
        assert_eq!(client.core.ending().map(|ending| ending.close_code), Some(close_code));
        client.wait();
        let hello = client.tell(Input::Connected);
        let resumes = matches!(hello[..], [Output::Send(FromSession::SessionInit { resume: Some(_), .. })]);
        assert!(resumes, "{close_code}: {hello:?}");
        assert_eq!(client.core.ending(), None, "{close_code}: a connection is established");
        assert_eq!(sent(&client.greeted(true)), ["a"], "{close_code}");
    }
}

#[test]
fn the_second_to_notice_a_loss_changes_nothing() {
    let mut client = Fixture::ready();
    client.lose(1000);
    let state = client.core.state();
    assert_eq!(client.lose(1006), []);
    let closed = Input::ConnectFailed("nothing was being opened".into());
    assert_eq!(client.tell(closed), []);
    assert_eq!((client.core.state(), client.core.ending().map(|ending| ending.close_code)), (state, Some(1000)));
}

#[test]
fn a_connection_that_could_not_be_had_is_told_and_is_1006() {
    let mut client = Fixture::new(&Config::default());
    assert_eq!(client.core.ending(), None);
    let outputs = client.tell(Input::ConnectFailed("connection refused".into()));
    let told = Output::Tell(Event::ConnectFailed { detail: "connection refused".into() });
    assert_eq!(outputs.first(), Some(&told));
    let ending = client.core.ending().map(|ending| (ending.close_code, ending.by));
    assert_eq!(ending, Some((1006, By::Network)));
}

#[test]
fn a_session_that_cannot_go_on_is_not_asked_for_again() {
    // Outcomes 2 to 6 would be missing; and a session that was never asked for.
    for next_seq in [7, 1] {
        let mut client = Fixture::ready();
        client.submit("a");
        if next_seq == 1 {
            client.lose(4003);
            client.wait();
            client.tell(Input::Connected);
        } else {
            client.outcome(1, "another");
            client.reconnect(1006);
        }
        let outputs = client.tell(Input::Message(hello_at(true, next_seq)));
        assert!(matches!(outputs[0], Output::Abandon { close_code: 1008, .. }), "{outputs:?}");
        client.wait();
        let hello = client.tell(Input::Connected);
        assert!(matches!(hello[..], [Output::Send(FromSession::SessionInit { resume: None, .. })]), "{hello:?}");
        assert_eq!(sent(&client.greeted(false)), ["a"]);
    }
}

#[test]
fn a_lost_ack_makes_the_scheduler_go_on_earlier_and_that_is_fine() {
    let mut client = Fixture::ready();
    client.outcome(1, "a");
    client.reconnect(1006);
    client.tell(Input::Message(hello_at(true, 1)));
    assert_eq!(client.core.state(), State::Ready);
}

#[test]
fn a_connection_that_ends_without_saying_so_is_found_at_the_next_look() {
    let mut client = Fixture::ready();
    let connected = client.now;
    client.now = client.core.next_timeout().expect("the monitor looks");
    assert_eq!(client.now - connected, Duration::from_secs(5));
    client.core.handle_timeout(client.now).expect("no bug");
    assert_eq!(client.core.take_outputs(), [Output::Look]);
    assert_eq!(client.tell(Input::Seen(Liveness::Gone)), [Output::Collect]);
    client.lose(1006);
    assert_eq!(client.core.state(), State::Reconnecting(1));
    assert_eq!(client.tell(Input::Seen(Liveness::Gone)), [], "the answer about an earlier connection has no say");
}

#[test]
fn a_client_without_a_connection_does_not_look_at_one() {
    let mut client = Fixture::ready();
    client.lose(1006);
    let due = client.core.next_timeout().expect("the next attempt");
    client.now = due;
    client.core.handle_timeout(due).expect("no bug");
    assert_eq!(client.core.take_outputs(), [Output::Connect]);
}
