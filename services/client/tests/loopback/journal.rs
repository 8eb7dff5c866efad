//! What the client writes to its log.

use std::cell::RefCell;
use std::io;

use halfopen_client::connect;

use crate::application::{lost, submit};
use crate::fixture::{Scheduler, soon};

#[tokio::test]
async fn an_ordinary_end_is_logged_at_info_and_an_abnormal_one_as_a_warning() {
    let journal = Journal::start();
    let scheduler = Scheduler::start().await;
    let client = connect(scheduler.config()).expect("a valid configuration");
    let mut events = client.events();
    scheduler.greet(false).await.close(1000, "idle").await;
    lost(&mut events).await;
    drop(scheduler.greet(true).await);
    lost(&mut events).await;
    let handle = submit(&client, "hello");
    let mut peer = scheduler.greet(true).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    soon("the outcome", handle).await;

    let losses = journal.of("session lost");
    let seen: Vec<_> = losses
        .iter()
        .map(|line| {
            (line["level"].as_str().unwrap_or(""), line["fields"]["close_code"].as_u64(), line["fields"]["by"].as_str())
        })
        .collect();
    assert_eq!(seen, [("INFO", Some(1000), Some("peer")), ("WARN", Some(1006), Some("network"))]);
    for (message, count) in [
        ("job offered", 1),
        ("submit sent", 1),
        ("submit acknowledged", 1),
        ("outcome received", 1),
        ("session ready", 3),
    ] {
        assert_eq!(journal.of(message).len(), count, "{message}");
    }
    let outcome = &journal.of("outcome received")[0]["fields"];
    assert_eq!((outcome["job_id"].as_str(), outcome["outcome"].as_str()), (Some(job.job_id.as_str()), Some("result")));
    assert_eq!((outcome["seq"].as_u64(), outcome["redelivered"].as_bool()), (Some(1), Some(false)));
}

thread_local! {
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The log lines of this thread, as JSON. A test and all the tasks of its client run on one thread; the subscriber is
/// global, because one that is scoped to a thread misses what another thread was the first to log.
#[derive(Clone, Copy)]
struct Journal;

impl Journal {
    fn start() -> Self {
        let lines =
            tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG).with_writer(|| Self).finish();
        tracing::subscriber::set_global_default(lines).expect("the only subscriber of these tests");
        Self
    }

    fn of(self, message: &str) -> Vec<serde_json::Value> {
        let written = WRITTEN.with_borrow(Clone::clone);
        let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).expect("a JSON line"));
        lines.filter(|line| line["fields"]["message"] == message).collect()
    }
}

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
