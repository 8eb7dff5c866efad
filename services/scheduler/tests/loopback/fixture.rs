//! A scheduler on a loopback socket, and peers that do exactly what they are told.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen_link::message::{FromNode, FromSession, Resume, Submit, ToNode, ToSession};
use halfopen_scheduler::node::{self, NodeConfig};
use halfopen_scheduler::{Config, Exit, RunError, Server};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on the slowest machine: reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The documented protocol, except that a test's end waits for nothing that was left open.
pub(crate) fn impatient() -> Config {
    configured(|_| {})
}

/// The same, with what the test is about.
pub(crate) fn configured(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.timings.shutdown_grace = Duration::ZERO;
    change(&mut config);
    config
}

/// A scheduler of its own for one test.
pub(crate) struct Scheduler {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<Result<Exit, RunError>>,
}

impl Scheduler {
    pub(crate) async fn start(mut config: Config) -> Self {
        if config.listen == Config::default().listen {
            config.listen.set_port(0);
        }
        let server = Server::bind(config).await.expect("a free port");
        let (address, shutdown) = (server.local_addr(), CancellationToken::new());
        let running = tokio::spawn(server.serve(shutdown.clone()));
        Self { address, shutdown, running }
    }

    pub(crate) fn begin_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn stopped(self) -> Exit {
        self.shutdown.cancel();
        let running = timeout(PATIENCE, self.running).await.expect("it stops");
        running.expect("no panic").expect("a clean run")
    }

    /// A page of the port, whole: head and body.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")).await
    }

    /// The answer to a request that ends the connection, whole: head and body.
    pub(crate) async fn say(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a listener");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut page = String::new();
        stream.read_to_string(&mut page).await.expect("a page");
        page
    }

    /// Waits until a line of the metrics reads so.
    pub(crate) async fn metric(&self, line: &str) {
        let waiting = async {
            while !self.get("/metrics").await.lines().any(|found| found == line) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("{line} never came: {}", self.get("/metrics").await);
        }
    }

    pub(crate) async fn client(&self) -> Client {
        self.greet(None).await
    }

    pub(crate) async fn resume(&self, client: &Client, last_seq: u64) -> Client {
        self.greet(Some(client.credentials(last_seq))).await
    }

    async fn greet(&self, resume: Option<Resume>) -> Client {
        let mut peer = Peer::connect(self.address, "/ws/session").await;
        peer.send(&FromSession::SessionInit { client_version: "test".to_owned(), resume }).await;
        match peer.receive().await {
            ToSession::SessionInitAck { session_id, token, epoch, resumed, next_seq } => {
                Client { peer, session_id, token, epoch, resumed, next_seq }
            }
            other => panic!("not a hello: {other:?}"),
        }
    }

    /// A node that does what the test says.
    pub(crate) async fn puppet(&self, capacity: u32) -> Peer {
        let mut peer = Peer::connect(self.address, "/ws/node").await;
        peer.send(&FromNode::NodeRegister { node_id: None, token: None, capacity }).await;
        let registered = peer.receive().await;
        assert!(matches!(registered, ToNode::NodeRegisterAck { .. }), "{registered:?}");
        peer
    }

    /// The real node, in a task of its own.
    pub(crate) fn node(&self, mut config: NodeConfig) -> Node {
        config.scheduler = self.address.to_string();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(node::run(config, shutdown.clone()));
        Node { shutdown, running }
    }
}

/// A real node.
pub(crate) struct Node {
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), node::NodeConfigError>>,
}

impl Node {
    pub(crate) async fn stopped(self) {
        self.shutdown.cancel();
        let running = timeout(PATIENCE, self.running).await.expect("it stops");
        running.expect("no panic").expect("a valid configuration");
    }
}

/// A session's client.
pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) session_id: String,
    pub(crate) token: String,
    pub(crate) epoch: String,
    pub(crate) resumed: bool,
    pub(crate) next_seq: u64,
}

impl Client {
    pub(crate) async fn submit(&mut self, job: &str) {
        let submit = Submit {
            job_id: job.to_owned(),
            utterance_index: 0,
            text: format!("text of {job}"),
            src_lang: "en".to_owned(),
            tgt_lang: "de".to_owned(),
            trace_id: format!("trace-{job}"),
        };
        self.peer.send(&FromSession::Submit(submit)).await;
        let acknowledged: ToSession = self.peer.receive().await;
        assert_eq!(acknowledged, ToSession::SubmitAck { job_id: job.to_owned() });
    }

    pub(crate) async fn ack(&mut self, upto_seq: u64) {
        self.peer.send(&FromSession::Ack { upto_seq }).await;
    }

    /// The next message, which has to be a result: its place, text, and whether it was sent before.
    pub(crate) async fn result(&mut self) -> (u64, String, bool) {
        match self.peer.receive().await {
            ToSession::Result { seq, text, redelivered, .. } => (seq, text, redelivered),
            other => panic!("not a result: {other:?}"),
        }
    }

    pub(crate) fn credentials(&self, last_seq: u64) -> Resume {
        let (session_id, token, epoch) = (self.session_id.clone(), self.token.clone(), self.epoch.clone());
        Resume { session_id, token, epoch, last_seq }
    }
}

/// One WebSocket.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a listener");
        let (socket, _) = client_async(format!("ws://{address}{path}"), stream).await.expect("an upgrade");
        Self { socket }
    }

    pub(crate) async fn send(&mut self, message: &impl Serialize) {
        self.send_text(&serde_json::to_string(message).expect("JSON")).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("a connection");
    }

    pub(crate) async fn receive<M: DeserializeOwned>(&mut self) -> M {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.expect("a message in time");
            match frame.expect("a connection").expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("a message of the protocol"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    /// The code with which the scheduler closes; what it says before that is skipped.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.expect("a close in time");
            if let Message::Close(frame) = frame.expect("a close before the end").expect("a frame") {
                return frame.expect("a code").code.into();
            }
        }
    }

    /// Ends the connection the hard way: the other side reads a reset.
    pub(crate) fn reset(self) {
        self.socket.get_ref().set_zero_linger().expect("a socket");
    }

    pub(crate) async fn assignment(&mut self) -> (String, String) {
        match self.receive().await {
            ToNode::JobAssign { job_id, attempt_id, .. } => (job_id, attempt_id),
            other => panic!("not an assignment: {other:?}"),
        }
    }

    pub(crate) async fn answer(&mut self, (job_id, attempt_id): (String, String), text: &str) {
        let text = text.to_owned();
        self.send(&FromNode::JobResult { job_id, attempt_id, ok: true, text, retry: None, retry_after_ms: None }).await;
        let acknowledged = self.receive().await;
        assert!(matches!(acknowledged, ToNode::ResultAck { accepted: true, .. }), "{acknowledged:?}");
    }
}
