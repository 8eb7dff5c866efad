//! What the client costs its owner: tasks, room, callbacks, events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use halfopen_client::{Config, Event, JobOutcome, State, SubmitError, connect};
use halfopen_link::message::{FailureCode, FromSession, ToSession};

use crate::application::{ms, submit};
use crate::fixture::{Scheduler, soon};

#[tokio::test]
async fn closing_says_goodbye_hears_what_becomes_of_open_jobs_and_ends_every_task() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let handle = submit(&client, "open");
    let mut peer = scheduler.greet(false).await;
    let job_id = peer.submit().await.job_id;
    let watching = tokio::spawn(async move {
        assert_eq!(peer.next().await, FromSession::SessionClose);
        let code = FailureCode::SessionClosed;
        peer.send(&ToSession::JobFailed { seq: 1, job_id, code, message: "closed".into() }).await;
        peer.until_close().await
    });
    soon("the close", client.close()).await;
    let (messages, close_code) = soon("the goodbye", watching).await.expect("the peer");
    assert_eq!((messages, close_code), (vec![FromSession::Ack { upto_seq: 1 }], 1000));
    assert_eq!(soon("the outcome", handle).await.name(), "SESSION_CLOSED");
    assert_eq!(tasks_alive(), 0);
}

#[tokio::test]
async fn dropping_the_client_ends_every_task() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    client.on_event(|_| ());
    let handle = submit(&client, "open");
    let mut peer = scheduler.greet(false).await;
    peer.submit().await;
    drop(client);
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Unknown);
    soon("the tasks' end", async {
        while tasks_alive() > 0 {
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_callback_that_panics_stops_nothing() {
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    client.on_event(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("a mistake of the application's");
    });
    drop(scheduler.greet(false).await);
    let handle = submit(&client, "hello");
    let mut peer = scheduler.greet(true).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(soon("the outcome", handle).await, JobOutcome::Result { text: "hello".into() });
    assert!(calls.load(Ordering::Relaxed) >= 3, "ready, lost, reconnecting");
}

#[tokio::test]
async fn a_slow_receiver_is_told_how_much_it_missed() {
    let scheduler = Scheduler::start().await;
    let client = connect(Config { events: 2, ..scheduler.config() }).expect("a valid configuration");
    let mut events = client.events();
    for resumed in [false, true, true] {
        drop(scheduler.greet(resumed).await);
    }
    let peer = scheduler.greet(true).await;
    soon("the session", async {
        while client.state() != State::Ready {
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
    let missed = soon("an event", events.next()).await;
    assert!(matches!(missed, Some(Event::Lagged(1..))), "{missed:?}");
    drop(peer);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_at_once() {
    let scheduler = Scheduler::start().await;
    let client = connect(Config { open_jobs: 1, ..scheduler.config() }).expect("a valid configuration");
    let oversize = client.submit("x".repeat(1 << 20)).expect_err("too large");
    assert!(matches!(oversize, SubmitError::TooLarge { most: 1_048_576, .. }), "{oversize:?}");
    let handle = submit(&client, "one");
    assert_eq!(client.submit("two").expect_err("full"), SubmitError::Full { open_jobs: 1 });
    let mut peer = scheduler.greet(false).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    soon("the outcome", handle).await;
    submit(&client, "there is room again");
}

#[tokio::test]
async fn a_backlog_larger_than_the_connections_queue_goes_out_in_order() {
    let scheduler = Scheduler::start().await;
    let mut config = scheduler.config();
    config.link.queue = 2;
    let client = connect(config).expect("a valid configuration");
    let handles: Vec<_> = (0..50).map(|number| submit(&client, &number.to_string())).collect();
    let mut peer = scheduler.greet(false).await;
    for place in 0..50 {
        assert_eq!(peer.submit().await.utterance_index, place);
    }
    drop(handles);
}

fn tasks_alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
