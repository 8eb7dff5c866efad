//! Losses of every kind, and what becomes of the jobs.

use futures_util::SinkExt;
use halfopen_client::{Config, Event, JobOutcome, SubmitError, connect};
use halfopen_link::By;
use halfopen_link::message::{FromSession, ToSession};

use crate::application::{lost, ms, submit};
use crate::fixture::{Peer, Scheduler, soon};

#[tokio::test]
async fn an_idle_close_is_noticed_and_the_next_message_arrives() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    scheduler.greet(false).await.close(1000, "idle").await;
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by, ending.detail.as_str()), (1000, By::Peer, "idle"));

    let handle = submit(&client, "hello");
    let mut peer = scheduler.greet(true).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Result { text: "hello".into() });
}

#[tokio::test]
async fn a_reset_is_1006_and_what_was_in_flight_is_sent_again() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    let mut peer = scheduler.greet(false).await;
    let handle = submit(&client, "hello");
    let first = peer.submit().await;
    peer.reset();
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Network));

    let mut peer = scheduler.greet(true).await;
    let again = peer.submit().await;
    assert_eq!(again, first, "under the same id");
    peer.answer(1, &again).await;
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Result { text: "hello".into() });
}

#[tokio::test]
async fn an_end_of_stream_without_a_close_frame_is_1006() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    drop(scheduler.greet(false).await);
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Network));
}

#[tokio::test]
async fn a_scheduler_that_restarts_loses_no_job() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut peer = scheduler.greet(false).await;
    let (one, two) = (submit(&client, "one"), submit(&client, "two"));
    for _ in 0..2 {
        let job_id = peer.submit().await.job_id;
        peer.send(&ToSession::SubmitAck { job_id }).await;
    }
    peer.close(1012, "restart").await;

    let mut peer = scheduler.greet(false).await;
    let (first, second) = (peer.submit().await, peer.submit().await);
    assert_eq!((first.text.as_str(), second.text.as_str()), ("one", "two"));
    peer.answer(1, &first).await;
    peer.answer(2, &second).await;
    assert_eq!(soon("one", one).await, JobOutcome::Result { text: "one".into() });
    assert_eq!(soon("two", two).await, JobOutcome::Result { text: "two".into() });
}

#[tokio::test]
async fn a_submit_into_a_close_that_crosses_it_is_sent_again() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    let peer = scheduler.greet(false).await;
    assert!(matches!(soon("ready", events.next()).await, Some(Event::Ready { resumed: false, .. })));
    let closing = tokio::spawn(peer.close(1000, "idle"));
    let handle = submit(&client, "crossing");
    let mut peer = scheduler.greet(true).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Result { text: "crossing".into() });
    soon("the close", closing).await.expect("the peer");
}

#[tokio::test]
async fn accept_greet_drop_ends_after_the_configured_attempts() {
    let scheduler = Scheduler::start().await;
    let mut config = scheduler.config();
    config.reconnect.attempts = 3;
    let client = connect(config).expect("a valid configuration");
    let handle = submit(&client, "never done");
    for connection in 0..4 {
        drop(scheduler.greet(connection > 0).await);
    }
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Unknown);
    soon("the end", client.ended()).await;
    assert_eq!(client.submit("late").expect_err("closed"), SubmitError::Closed);
}

#[tokio::test]
async fn a_refused_connection_is_given_up_and_says_so() {
    let scheduler = Scheduler::start().await;
    let config = scheduler.config();
    drop(scheduler);
    let client = connect(config).expect("a valid configuration");
    let mut events = client.events();
    let mut last = None;
    while let Some(event) = soon("the end", events.next()).await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::GaveUp { attempts: 10 }));
}

#[tokio::test]
async fn a_handshake_that_is_refused_for_good_ends_the_client_and_its_handles() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    let handle = submit(&client, "hello");
    scheduler.refuse("404 Not Found").await;
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Unknown);
    let mut last = None;
    while let Some(event) = soon("the end", events.next()).await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::Refused { status: 404 }));
}

#[tokio::test]
async fn a_scheduler_that_never_greets_is_left() {
    let scheduler = Scheduler::start().await;
    let client = connect(Config { hello_timeout: ms(50), ..scheduler.config() }).expect("a valid configuration");
    let mut events = client.events();
    let mute = scheduler.accept().await;
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout));
    let (_, close_code) = mute.until_close().await;
    assert_eq!(close_code, 4008);
    scheduler.accept().await;
}

#[tokio::test]
async fn a_link_that_goes_silent_is_noticed_and_replaced() {
    let scheduler = Scheduler::start().await;
    let mut config = scheduler.config();
    (config.link.ping_interval, config.link.pong_timeout) = (ms(100), ms(100));
    let client = connect(config).expect("a valid configuration");
    let mut events = client.events();
    let silent = scheduler.greet(false).await;
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout));
    scheduler.greet(true).await;
    drop(silent);
}

#[tokio::test]
async fn a_session_that_has_another_owner_is_left_to_it() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let handle = submit(&client, "hello");
    let mut peer = scheduler.greet(false).await;
    peer.submit().await;
    peer.close(4001, "replaced").await;
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Unknown);
    soon("the end", client.ended()).await;
}

#[tokio::test]
async fn a_job_that_breaks_the_connection_twice_is_rejected_and_the_rest_goes_on() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let poison = submit(&client, "poison");
    for resumed in [false, true] {
        let mut peer = scheduler.greet(resumed).await;
        assert_eq!(peer.submit().await.text, "poison");
        peer.close(1007, "what is that").await;
    }
    assert_eq!(soon("the outcome", poison).await, JobOutcome::Rejected { close_code: 1007 });
    let next = submit(&client, "next");
    let mut peer = scheduler.greet(true).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(soon("the outcome", next).await, JobOutcome::Result { text: "next".into() });
}

#[tokio::test]
async fn what_is_not_json_is_answered_with_1007_and_an_unknown_type_with_an_error() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    let mut peer = scheduler.greet(false).await;
    raw(&mut peer, r#"{"type":"news","from":"the future"}"#).await;
    let error = FromSession::Error { code: "unknown_type".into(), message: "unknown type \"news\"".into() };
    assert_eq!(peer.next().await, error);
    raw(&mut peer, "this is not JSON").await;
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1007, By::Us));
    assert_eq!(peer.until_close().await.1, 1007);
    drop(client);
}

async fn raw(peer: &mut Peer, text: &str) {
    peer.socket.send(text.into()).await.expect("an open socket");
}
