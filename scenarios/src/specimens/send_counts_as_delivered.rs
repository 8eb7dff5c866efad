//! Field report D, defects 1 and 2: "Successfully sent", and nobody received it.
//!
//! A session is an unbounded channel in a registry, with a task that writes what comes out of it. `send()` into the
//! channel succeeds as long as that task lives, so success is logged and believed whether or not the socket does. When
//! the socket fails, the writing task leaves its loop without a word to the registry, and the reading task ends without
//! one, too: the dead connection stays registered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, Cx};
use halfopen_link::decode::{decode, encode};
use halfopen_link::id;
use halfopen_link::message::{FromNode, FromSession, Submit, ToNode, ToSession};
use halfopen_net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tracing::{debug, info};

const TARGET: &str = "halfopen_scheduler";

/// Serves sessions and nodes as the real scheduler does, as long as nothing breaks.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: Cx) -> Result<(), BoxError> {
    let config: halfopen_scheduler::Config = cx.config()?;
    let listener = TcpListener::bind(config.listen).await?;
    let registry = Arc::new(Registry::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => {
                let (socket, _) = accepted?;
                socket.set_nodelay(true)?;
                connections.spawn(serve(socket, Arc::clone(&registry)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[derive(Default)]
struct Registry(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    sessions: BTreeMap<String, Session>,
    node: Option<UnboundedSender<Message>>,
    jobs: BTreeMap<String, (String, Submit)>,
    waiting: VecDeque<String>,
}

struct Session {
    outgoing: UnboundedSender<Message>,
    next_seq: u64,
}

impl Registry {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(socket: TcpStream, registry: Arc<Registry>) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let Ok(websocket) = tokio_tungstenite::accept_hdr_async(socket, note).await else { return };
    let (sink, incoming) = websocket.split();
    let (outgoing, queue) = unbounded_channel();
    // Both tasks end with the connection's own; nobody else is told.
    let mut writer = JoinSet::new();
    writer.spawn(write(sink, queue));
    let gauge = if path == "/ws/node" { "node_connections" } else { "session_connections" };
    debug!(target: TARGET, name = gauge, value = 1, "gauge");
    if path == "/ws/node" {
        read_node(incoming, outgoing, &registry).await;
    } else {
        read_session(incoming, outgoing, &registry).await;
    }
    while writer.join_next().await.is_some() {}
}

async fn write(mut sink: SplitSink<WebSocketStream<TcpStream>, Message>, mut queue: UnboundedReceiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            // Defect 2: the registry still has the other end of the queue.
            break;
        }
    }
}

type Incoming = futures_util::stream::SplitStream<WebSocketStream<TcpStream>>;

async fn read_session(mut incoming: Incoming, outgoing: UnboundedSender<Message>, registry: &Registry) {
    let session = id::session();
    while let Some(Ok(message)) = incoming.next().await {
        let Message::Text(text) = message else { continue };
        match decode::<FromSession>(&text) {
            Ok(FromSession::SessionInit { .. }) => register(&session, &outgoing, registry),
            Ok(FromSession::Submit(submit)) => accept(&session, submit, &outgoing, registry),
            Ok(FromSession::SessionClose) => {
                registry.tables().sessions.remove(&session);
                gauge_sessions(registry);
            }
            Ok(FromSession::Ack { .. } | FromSession::Error { .. }) | Err(_) => {}
        }
    }
}

fn register(session: &str, outgoing: &UnboundedSender<Message>, registry: &Registry) {
    registry.tables().sessions.insert(session.to_owned(), Session { outgoing: outgoing.clone(), next_seq: 1 });
    info!(target: TARGET, session_id = session, generation = 1, resumed = false, "session connected");
    gauge_sessions(registry);
    let hello = ToSession::SessionInitAck {
        session_id: session.to_owned(),
        token: id::token(),
        epoch: id::epoch(),
        resumed: false,
        next_seq: 1,
    };
    tell(outgoing, &hello);
}

fn gauge_sessions(registry: &Registry) {
    let value = registry.tables().sessions.len();
    debug!(target: TARGET, name = "connected_sessions", value, "gauge");
}

fn accept(session: &str, submit: Submit, outgoing: &UnboundedSender<Message>, registry: &Registry) {
    let job_id = submit.job_id.clone();
    info!(target: TARGET, session_id = session, %job_id, trace_id = %submit.trace_id, "submit accepted");
    tell(outgoing, &ToSession::SubmitAck { job_id: job_id.clone() });
    let mut tables = registry.tables();
    tables.jobs.insert(job_id.clone(), (session.to_owned(), submit));
    tables.waiting.push_back(job_id);
    assign(&mut tables);
}

fn assign(tables: &mut Tables) {
    let Some(node) = tables.node.clone() else { return };
    while let Some(job_id) = tables.waiting.pop_front() {
        let Some((_, submit)) = tables.jobs.get(&job_id) else { continue };
        let assignment = ToNode::JobAssign {
            attempt_id: format!("{job_id}-1"),
            job_id,
            text: submit.text.clone(),
            src_lang: submit.src_lang.clone(),
            tgt_lang: submit.tgt_lang.clone(),
            trace_id: submit.trace_id.clone(),
        };
        tell(&node, &assignment);
    }
}

async fn read_node(mut incoming: Incoming, outgoing: UnboundedSender<Message>, registry: &Registry) {
    while let Some(Ok(message)) = incoming.next().await {
        let Message::Text(text) = message else { continue };
        match decode::<FromNode>(&text) {
            Ok(FromNode::NodeRegister { .. }) => {
                let ack = ToNode::NodeRegisterAck { node_id: id::node(), token: id::token(), epoch: id::epoch() };
                tell(&outgoing, &ack);
                let mut tables = registry.tables();
                tables.node = Some(outgoing.clone());
                assign(&mut tables);
            }
            Ok(FromNode::JobResult { job_id, attempt_id, text, .. }) => {
                tell(
                    &outgoing,
                    &ToNode::ResultAck { job_id: job_id.clone(), attempt_id: attempt_id.clone(), accepted: true },
                );
                finish(job_id, attempt_id, text, registry);
            }
            Ok(FromNode::NodeHeartbeat | FromNode::JobAck { .. } | FromNode::JobProgress { .. }) | Err(_) => {}
        }
    }
}

fn finish(job_id: String, attempt_id: String, text: String, registry: &Registry) {
    let mut tables = registry.tables();
    let Some((session_id, _)) = tables.jobs.remove(&job_id) else { return };
    info!(target: TARGET, %job_id, %session_id, outcome = "result", "job finished");
    let Some(session) = tables.sessions.get_mut(&session_id) else { return };
    let seq = session.next_seq;
    session.next_seq += 1;
    let result = ToSession::Result { seq, job_id: job_id.clone(), attempt_id, text, redelivered: false };
    // Defect 1: into the channel is not to the client.
    if tell(&session.outgoing, &result) {
        info!(target: TARGET, %session_id, %job_id, seq, "result delivered");
    }
}

fn tell<M: halfopen_link::decode::Protocol>(outgoing: &UnboundedSender<Message>, message: &M) -> bool {
    outgoing.send(Message::text(encode(message))).is_ok()
}
