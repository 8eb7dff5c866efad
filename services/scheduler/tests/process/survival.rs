//! Processes that are killed or told to stop while there is work.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use halfopen_client::{Client, JobHandle, JobOutcome};
use halfopen_link::message::{FromSession, Submit, ToSession};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::fixture::{PATIENCE, Service, file, get, metric};

#[tokio::test(flavor = "multi_thread")]
async fn every_job_has_exactly_one_outcome_although_the_scheduler_is_killed() {
    let config = file("killed-scheduler.toml", "");
    let (scheduler, address) = Service::scheduler(anywhere(), &config);
    let quick = "capacity = 2\nretry_interval = \"50ms\"\n[worker]\nkind = \"echo\"\nwork_time = \"20ms\"\n";
    let _node = Service::node(address, &file("killed-node.toml", quick));
    let client = impatient_client(address);
    let mut jobs = submit(&client, 0..40);
    let mut ids = BTreeSet::new();
    for (number, job) in jobs.drain(..5) {
        settle(&mut ids, number, job).await;
    }
    scheduler.kill();
    jobs.extend(submit(&client, 40..50));
    let (_scheduler, again) = Service::scheduler(address, &config);
    assert_eq!(again, address);
    for (number, job) in jobs {
        settle(&mut ids, number, job).await;
    }
    assert_eq!(ids.len(), 50, "a job of its own for each sentence");
    metric(address, "halfopen_open_jobs 0");
    metric(address, "halfopen_undelivered_outcomes 0");
    assert!(get(address, "/health").contains("\"status\":\"ok\""));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_a_scheduler_closes_with_1012_and_exits_with_0() {
    for signal in ["-TERM", "-INT"] {
        let (mut scheduler, address) = Service::scheduler(anywhere(), &file("stopped-scheduler.toml", ""));
        let mut session = Session::open(address).await;
        scheduler.signal(signal);
        assert_eq!(session.close_code().await, 1012);
        scheduler.heard("exiting");
        assert_eq!(scheduler.exit_code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_the_grace_period() {
    let patient = "[timings]\nshutdown_grace = \"1h\"\nno_node_timeout = \"1h\"\n";
    let (mut scheduler, address) = Service::scheduler(anywhere(), &file("patient-scheduler.toml", patient));
    let mut session = Session::open(address).await;
    session.submit("job-1").await;
    scheduler.signal("-TERM");
    scheduler.heard("stopping");
    scheduler.signal("-TERM");
    assert_eq!(scheduler.exit_code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_a_node_finishes_what_it_has_and_exits_with_0() {
    let (_scheduler, address) = Service::scheduler(anywhere(), &file("outliving-scheduler.toml", ""));
    let slow = "shutdown_grace = \"1h\"\n[worker]\nkind = \"echo\"\nwork_time = \"500ms\"\n";
    let mut node = Service::node(address, &file("stopped-node.toml", slow));
    let mut session = Session::open(address).await;
    session.submit("job-1").await;
    node.heard("job taken");
    node.signal("-TERM");
    assert!(matches!(session.receive().await, ToSession::Result { seq: 1, .. }));
    assert_eq!(node.exit_code(), Some(0));
    metric(address, "halfopen_connected_nodes 0");
    metric(address, "halfopen_closes_total{leg=\"node\",code=\"1001\"} 1");
    metric(address, "halfopen_attempts_spent_total{reason=\"node_lost\"} 0");
}

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// The real client, which tries again at once and for as long as it takes.
fn impatient_client(scheduler: SocketAddr) -> Client {
    let mut config = halfopen_client::Config {
        url: format!("ws://{scheduler}/ws/session"),
        tgt_lang: "de".to_owned(),
        ..halfopen_client::Config::default()
    };
    config.reconnect.first_delay = std::time::Duration::from_millis(20);
    config.reconnect.longest_delay = std::time::Duration::from_millis(100);
    config.reconnect.attempts = 10_000;
    halfopen_client::connect(config).expect("a valid configuration")
}

fn submit(client: &Client, numbers: std::ops::Range<u32>) -> Vec<(u32, JobHandle)> {
    numbers.map(|number| (number, client.submit(format!("sentence {number}")).expect("there is room"))).collect()
}

/// A handle resolves once; its outcome has to be the translation of its own sentence.
async fn settle(ids: &mut BTreeSet<String>, number: u32, job: JobHandle) {
    ids.insert(job.job_id().to_owned());
    let outcome = timeout(PATIENCE, job).await.expect("an outcome in time");
    assert_eq!(outcome, JobOutcome::Result { text: format!("[de] sentence {number}") });
}

/// A session in the test's own hands.
struct Session {
    socket: WebSocketStream<TcpStream>,
}

impl Session {
    async fn open(scheduler: SocketAddr) -> Self {
        let stream = TcpStream::connect(scheduler).await.expect("a listener");
        let (socket, _) = client_async(format!("ws://{scheduler}/ws/session"), stream).await.expect("an upgrade");
        let mut session = Self { socket };
        session.send(&FromSession::SessionInit { client_version: "test".to_owned(), resume: None }).await;
        assert!(matches!(session.receive().await, ToSession::SessionInitAck { resumed: false, .. }));
        session
    }

    async fn submit(&mut self, job: &str) {
        let submit = Submit {
            job_id: job.to_owned(),
            utterance_index: 0,
            text: "hello".to_owned(),
            src_lang: "en".to_owned(),
            tgt_lang: "de".to_owned(),
            trace_id: "trace".to_owned(),
        };
        self.send(&FromSession::Submit(submit)).await;
        assert_eq!(self.receive().await, ToSession::SubmitAck { job_id: job.to_owned() });
    }

    async fn send(&mut self, message: &FromSession) {
        let text = serde_json::to_string(message).expect("JSON");
        self.socket.send(Message::text(text)).await.expect("a connection");
    }

    async fn receive(&mut self) -> ToSession {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).expect("a message of the protocol"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a code").code.into();
            }
        }
    }

    async fn next(&mut self) -> Message {
        let frame = timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
        frame.expect("a connection").expect("a frame")
    }
}
