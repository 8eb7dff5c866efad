//! The WebSocket to the scheduler, and the shell that drives the node's machine with it.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;

use halfopen_link::close::code;
use halfopen_link::codec::{Undecodable, decode, encode};
use halfopen_link::connection::{self, Connection, Inbox, Incoming, SendError};
use halfopen_link::message::FromNode;
use halfopen_link::{ConnectionEnd, LinkConfig, Metered, Outbox};
use halfopen_machine::shell::Shell;
use halfopen_machine::{Bug, OrBug};
use halfopen_tls::{Dialer, Scheme, Stream};
use hyper::header::AUTHORIZATION;
use thiserror::Error;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;

use super::TARGET;
use super::config::{Endpoint, NodeConfig, NodeConfigError, bearer};
use super::worker_pool::WorkerPool;
use crate::core::node::{Event, Input, Node, NodeGauges, Output};

/// The node's connection to the scheduler, and the workers that it gives work to.
pub(super) struct SchedulerConnection {
    config: NodeConfig,
    dialer: Dialer,
    workers: WorkerPool,
    shutdown: CancellationToken,
    /// The machine knows of the order to stop.
    shutdown_told: bool,
    socket: Socket,
    /// The gauges as they were told last.
    told: Option<(NodeGauges, usize)>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How far the WebSocket has come.
enum Socket {
    Absent,
    Connecting(BoxFuture<Result<WebSocketStream<Metered<Stream>>, ConnectError>>),
    Open(OpenSocket),
}

/// An open WebSocket and its driver.
struct OpenSocket {
    outbox: Outbox,
    inbox: Inbox,
    /// `None` once the socket is closed.
    driver: Option<BoxFuture<ConnectionEnd>>,
}

impl SchedulerConnection {
    pub(super) fn new(config: NodeConfig, dialer: Dialer, shutdown: CancellationToken) -> Self {
        let workers = WorkerPool::new(config.worker.clone(), dialer.clone());
        Self { config, dialer, workers, shutdown, shutdown_told: false, socket: Socket::Absent, told: None }
    }

    /// Ends all work.
    pub(super) async fn close(self) {
        self.workers.close().await;
    }

    fn send(&self, message: &FromNode, inputs: &mut VecDeque<Input>) -> Result<(), Bug> {
        let socket = self.socket.open().or_bug("a node sends only on an open connection")?;
        match socket.outbox.try_send(encode(message)) {
            Ok(()) => {}
            Err(SendError::Full) => inputs.push_back(Input::Overflowed),
            // The inbox tells how it ended, and what must not be lost is sent on the next connection.
            Err(SendError::Closed) => {}
        }
        Ok(())
    }

    fn close_socket(&self, close_code: u16, reason: &str) -> Result<(), Bug> {
        let socket = self.socket.open().or_bug("a node closes only an open connection")?;
        socket.outbox.close(close_code, reason);
        Ok(())
    }
}

impl Shell<Node> for SchedulerConnection {
    type End = ();

    async fn next_input(&mut self) -> Input {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled(), if !self.shutdown_told => {
                self.shutdown_told = true;
                Input::Shutdown
            }
            input = self.socket.next_input(&self.config.link) => input,
            (work, result) = self.workers.next_finished() => Input::Finished(work, result),
        }
    }

    fn perform(&mut self, output: Output, inputs: &mut VecDeque<Input>) -> ControlFlow<()> {
        let result = match output {
            Output::Connect => {
                self.socket = Socket::Connecting(Box::pin(connect(self.config.clone(), self.dialer.clone())));
                Ok(())
            }
            Output::Send(message) => self.send(&message, inputs),
            Output::Close(close_code, reason) => self.close_socket(close_code, &reason),
            Output::Start(work, assignment) => {
                self.workers.start(work, assignment);
                Ok(())
            }
            Output::Stop(work) => {
                self.workers.stop(work);
                Ok(())
            }
            Output::Event(event) => {
                log(&event);
                Ok(())
            }
            Output::Stopped => return ControlFlow::Break(()),
        };
        if let Err(bug) = result {
            tracing::error!(target: TARGET, %bug, "a bug of this node");
        }
        ControlFlow::Continue(())
    }

    fn settled(&mut self, node: &Node) -> ControlFlow<()> {
        let (gauges, worker_tasks) = (node.gauges(), self.workers.tasks());
        let before = self.told.replace((gauges, worker_tasks)).unzip();
        let NodeGauges { running_jobs, unacknowledged_results } = gauges;
        gauge("running_jobs", before.0.map(|told| told.running_jobs), running_jobs);
        gauge("unacknowledged_results", before.0.map(|told| told.unacknowledged_results), unacknowledged_results);
        gauge("worker_tasks", before.1, worker_tasks);
        ControlFlow::Continue(())
    }

    fn bug(&mut self, _bug: Bug, _inputs: &mut VecDeque<Input>) {
        if let Some(socket) = self.socket.open() {
            socket.outbox.close(code::INTERNAL, "an internal error of the node");
        }
    }
}

impl Socket {
    fn open(&self) -> Option<&OpenSocket> {
        match self {
            Self::Open(socket) => Some(socket),
            Self::Absent | Self::Connecting(_) => None,
        }
    }

    /// What comes of the socket next; pending while there is none. Cancel-safe.
    async fn next_input(&mut self, link: &LinkConfig) -> Input {
        let (next, input) = match self {
            Self::Absent => std::future::pending().await,
            Self::Connecting(connecting) => match connecting.await {
                Ok(socket) => (Self::Open(OpenSocket::new(socket, link.clone())), Input::Connected),
                Err(error) => (Self::Absent, Input::NotConnected(error.to_string())),
            },
            Self::Open(socket) => match socket.next_input().await {
                Input::Lost(end) => (Self::Absent, Input::Lost(end)),
                input => return input,
            },
        };
        *self = next;
        input
    }
}

impl OpenSocket {
    fn new(socket: WebSocketStream<Metered<Stream>>, link: LinkConfig) -> Self {
        let (Connection { outbox, inbox }, driver) = connection::open(socket, link);
        Self { outbox, inbox, driver: Some(Box::pin(driver)) }
    }

    /// The next message, or the end once the socket is closed. Cancel-safe.
    async fn next_input(&mut self) -> Input {
        loop {
            let incoming = match &mut self.driver {
                None => self.inbox.next().await,
                Some(driver) => tokio::select! {
                    biased;
                    incoming = self.inbox.next() => incoming,
                    _ = driver => {
                        self.driver = None;
                        continue;
                    }
                },
            };
            match incoming {
                Incoming::Text(text) => match decode(&text) {
                    Ok(message) => return Input::Received(message),
                    Err(Undecodable::UnknownType(kind)) => {
                        tracing::debug!(target: TARGET, kind, "the scheduler sent a message of an unknown type");
                    }
                    Err(error @ Undecodable::Malformed(_)) => return Input::Malformed(error.to_string()),
                },
                Incoming::Ended(end) => {
                    if let Some(driver) = &mut self.driver {
                        driver.await;
                        self.driver = None;
                    }
                    return Input::Lost(end);
                }
            }
        }
    }
}

/// Tells a gauge when it has changed, and at first.
fn gauge(name: &str, before: Option<usize>, value: usize) {
    if before != Some(value) {
        tracing::debug!(target: TARGET, name, value, "gauge");
    }
}

fn log(event: &Event) {
    match event {
        Event::Registered { node_id, epoch, again } => {
            tracing::info!(target: TARGET, %node_id, %epoch, again, "registered");
        }
        Event::Retrying { attempt, delay, reason } => {
            let delay_ms = delay.as_millis() as u64;
            tracing::debug!(target: TARGET, attempt, delay_ms, reason = %reason, "retrying");
        }
        Event::Complaint { code, message } => {
            tracing::warn!(target: TARGET, code, message, "the scheduler complains");
        }
        Event::Lost(end) => {
            let ConnectionEnd { close_code, by, detail } = end;
            if end.is_routine() {
                tracing::info!(target: TARGET, close_code, %by, detail, "scheduler lost");
            } else {
                tracing::warn!(target: TARGET, close_code, %by, detail, "scheduler lost");
            }
        }
        Event::JobTaken { job_id, attempt_id, trace_id } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, "job taken");
        }
        Event::JobDone { job_id, attempt_id, trace_id, ok } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, ok, "job done");
        }
        Event::ResultForgotten { job_id, attempt_id, trace_id } => {
            tracing::warn!(target: TARGET, %job_id, %attempt_id, %trace_id, "result forgotten");
        }
        Event::ResultAcknowledged { job_id, attempt_id, trace_id, accepted } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, accepted, "result acknowledged");
        }
        Event::JobLeftAlone { job_id, attempt_id, trace_id } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, "job left alone");
        }
        Event::JobCancelled { job_id, attempt_id, trace_id } => {
            tracing::info!(target: TARGET, %job_id, %attempt_id, %trace_id, "job cancelled");
        }
    }
}

/// Why a scheduler was not reached.
#[derive(Debug, Error)]
enum ConnectError {
    #[error("{}", halfopen_tls::dial::failure(.0))]
    Stream(io::Error),
    #[error("{0}")]
    Config(#[from] NodeConfigError),
    #[error("upgrade failed: {0}")]
    Upgrade(Box<WebSocketError>),
    #[error("no answer in time")]
    Timeout,
}

async fn connect(config: NodeConfig, dialer: Dialer) -> Result<WebSocketStream<Metered<Stream>>, ConnectError> {
    let connecting = async {
        let endpoint = config.endpoint()?;
        let Endpoint { scheme, host, port } = &endpoint;
        let stream = dialer.open(*scheme, host, *port).await.map_err(ConnectError::Stream)?;
        let name = if *scheme == Scheme::Tls { "wss" } else { "ws" };
        let url = format!("{name}://{}/ws/node", endpoint.authority());
        let mut request = url.into_client_request().map_err(|error| ConnectError::Upgrade(Box::new(error)))?;
        if let Ok(Some(authorization)) = bearer(config.key_env.as_deref()) {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let (socket, _) = client_async_with_config(request, Metered::new(stream), Some(config.link.websocket()))
            .await
            .map_err(|error| ConnectError::Upgrade(Box::new(error)))?;
        Ok(socket)
    };
    timeout(config.connect_timeout, connecting).await.unwrap_or(Err(ConnectError::Timeout))
}
