//! The real node, against a scheduler that says what the test wants.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen_link::message::{FromNode, ToNode};
use halfopen_scheduler::node::{self, NodeConfig, WorkerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};
use tokio_util::sync::CancellationToken;

use crate::fixture::PATIENCE;

#[tokio::test]
async fn a_result_without_acknowledgement_is_sent_again_by_the_same_node() {
    let mut scheduler = Puppeteer::start(|_| {}).await;
    let mut first = scheduler.registration().await;
    assert_eq!(first.identity, None);
    first.grant("node-00000001").await;
    first.assign("job-1", "att-1").await;
    assert_eq!(first.receive().await, ack("job-1", "att-1"));
    let result = first.receive().await;
    assert!(matches!(&result, FromNode::JobResult { attempt_id, ok: true, .. } if attempt_id == "att-1"), "{result:?}");
    first.socket.get_ref().set_zero_linger().expect("a socket");
    drop(first);

    let mut second = scheduler.registration().await;
    assert_eq!(second.identity, Some(("node-00000001".to_owned(), "secret".to_owned())));
    second.grant("node-00000001").await;
    assert_eq!(second.receive().await, result, "the very same");
    let (job_id, attempt_id) = ("job-1".to_owned(), "att-1".to_owned());
    second.send(&ToNode::ResultAck { job_id, attempt_id, accepted: true }).await;
    drop(second.socket.close(None).await);

    let mut third = scheduler.registration().await;
    third.grant("node-00000001").await;
    assert_eq!(third.receive().await, FromNode::NodeHeartbeat, "nothing is left to be sent");
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_node_at_work_says_so_and_a_cancelled_one_falls_silent() {
    let slow = |config: &mut NodeConfig| {
        config.worker = WorkerConfig::Echo { work_time: Duration::from_secs(3600) };
        config.heartbeat_interval = Duration::from_secs(3600);
    };
    let mut scheduler = Puppeteer::start(slow).await;
    let mut line = scheduler.registration().await;
    line.grant("node-00000001").await;
    line.assign("job-1", "att-1").await;
    assert_eq!(line.receive().await, ack("job-1", "att-1"));
    let (job_id, attempt_id) = ("job-1".to_owned(), "att-1".to_owned());
    let progress = FromNode::JobProgress { job_id: job_id.clone(), attempt_id: attempt_id.clone() };
    assert_eq!(line.receive().await, progress);
    assert_eq!(line.receive().await, progress);
    line.send(&ToNode::JobCancel { job_id, attempt_id }).await;
    line.assign("job-2", "att-2").await;
    // What was under way before the cancellation may still come.
    loop {
        match line.receive().await {
            message if message == progress => {}
            message => break assert_eq!(message, ack("job-2", "att-2")),
        }
    }
    for _ in 0..3 {
        let message = line.receive().await;
        assert!(matches!(&message, FromNode::JobProgress { job_id, .. } if job_id == "job-2"), "{message:?}");
    }
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_node_whose_identity_is_taken_comes_back_as_another() {
    let mut scheduler = Puppeteer::start(|_| {}).await;
    let mut line = scheduler.registration().await;
    line.grant("node-00000001").await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 4001.into(), reason: "".into() };
    line.socket.close(Some(frame)).await.expect("a connection");
    while line.socket.next().await.is_some_and(|frame| frame.is_ok()) {}
    drop(line);
    let line = scheduler.registration().await;
    assert_eq!(line.identity, None);
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_scheduler_that_never_answers_the_registration_is_left() {
    let mut scheduler = Puppeteer::start(|config| config.hello_timeout = Duration::from_millis(50)).await;
    let _silent = scheduler.registration().await;
    scheduler.registration().await;
    scheduler.stopped().await;
}

fn ack(job: &str, attempt: &str) -> FromNode {
    FromNode::JobAck { job_id: job.to_owned(), attempt_id: attempt.to_owned() }
}

/// The scheduler's side, in the test's hands, and the node that connects to it.
struct Puppeteer {
    listener: TcpListener,
    shutdown: CancellationToken,
    node: JoinHandle<Result<(), node::NodeConfigError>>,
}

impl Puppeteer {
    async fn start(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut config = NodeConfig {
            scheduler: listener.local_addr().expect("bound").to_string(),
            worker: WorkerConfig::Echo { work_time: Duration::from_millis(1) },
            heartbeat_interval: Duration::from_millis(200),
            progress_interval: Duration::from_millis(50),
            retry_interval: Duration::from_millis(20),
            ..NodeConfig::default()
        };
        config.link.close_timeout = Duration::from_millis(200);
        change(&mut config);
        let shutdown = CancellationToken::new();
        let node = tokio::spawn(node::run(config, shutdown.clone()));
        Self { listener, shutdown, node }
    }

    /// The node's next connection, with what it presented.
    async fn registration(&mut self) -> Line {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("in time").expect("a connection");
        let socket = accept_async(stream).await.expect("an upgrade");
        let mut line = Line { socket, identity: None };
        match line.receive().await {
            FromNode::NodeRegister { node_id, token, .. } => line.identity = node_id.zip(token),
            other => panic!("not a registration: {other:?}"),
        }
        line
    }

    async fn stopped(self) {
        self.shutdown.cancel();
        let stopped = timeout(PATIENCE, self.node).await.expect("it stops");
        stopped.expect("no panic").expect("a valid configuration");
    }
}

/// One connection of the node.
struct Line {
    socket: WebSocketStream<TcpStream>,
    identity: Option<(String, String)>,
}

impl Line {
    async fn grant(&mut self, node_id: &str) {
        let (node_id, token, epoch) = (node_id.to_owned(), "secret".to_owned(), "epoch".to_owned());
        self.send(&ToNode::NodeRegisterAck { node_id, token, epoch }).await;
    }

    async fn assign(&mut self, job: &str, attempt: &str) {
        let assignment = ToNode::JobAssign {
            job_id: job.to_owned(),
            attempt_id: attempt.to_owned(),
            text: format!("text of {job}"),
            src_lang: "en".to_owned(),
            tgt_lang: "de".to_owned(),
            trace_id: "trace".to_owned(),
        };
        self.send(&assignment).await;
    }

    async fn send(&mut self, message: &ToNode) {
        let text = serde_json::to_string(message).expect("JSON");
        self.socket.send(Message::text(text)).await.expect("a connection");
    }

    /// The next message; heartbeats between others are not looked at, unless nothing else comes.
    async fn receive(&mut self) -> FromNode {
        let mut beats = 0;
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.expect("in time");
            if let Message::Text(text) = frame.expect("a connection").expect("a frame") {
                let message = serde_json::from_str(&text).expect("a message of the protocol");
                beats += u32::from(message == FromNode::NodeHeartbeat);
                if message != FromNode::NodeHeartbeat || beats == 3 {
                    return message;
                }
            }
        }
    }
}
