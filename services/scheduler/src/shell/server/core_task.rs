//! The task that owns the broker. It never waits for a connection: a message that finds no room in a connection's queue closes
//! that connection.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use halfopen_link::codec::{Protocol, encode};
use halfopen_link::{Outbox, SendError};
use halfopen_machine::shell::{Shell, drive};
use halfopen_machine::{Bug, OrBug};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::event_log::{self, EventLog};
use super::metrics::Metrics;
use crate::core::broker::{Broker, CloseFrame, ConnectionId, Input, Leg, Output, Token};

/// What the tasks of connections tell the task of the broker.
#[derive(Debug)]
pub(super) enum FromPeer {
    /// A WebSocket opened; send to it through this handle. The token is its peer's secret, should the peer be new.
    Opened(ConnectionId, Token, PeerHandle),
    /// A message, which holds one of its connection's turns until the broker takes it.
    Message { input: Input, turn: OwnedSemaphorePermit },
    /// The WebSocket has ended.
    Ended(Input),
}

/// The way to a peer: the queue of its WebSocket.
#[derive(Debug)]
pub(super) struct PeerHandle {
    pub(super) leg: Leg,
    pub(super) outbox: Outbox,
}

/// The world of the broker: the handles of its peers, and the log.
#[derive(Debug)]
pub(super) struct CoreTask {
    inputs: mpsc::Receiver<FromPeer>,
    peers: BTreeMap<ConnectionId, PeerHandle>,
    log: EventLog,
    shutdown: CancellationToken,
    /// The broker knows of the order to stop.
    shutdown_told: bool,
    /// The connection whose input is being handled: a bug costs that connection.
    serving: Option<ConnectionId>,
    exit: Option<Exit>,
}

impl CoreTask {
    pub(super) fn new(inputs: mpsc::Receiver<FromPeer>, metrics: Metrics, shutdown: CancellationToken) -> Self {
        Self {
            inputs,
            peers: BTreeMap::new(),
            log: EventLog::new(metrics),
            shutdown,
            shutdown_told: false,
            serving: None,
            exit: None,
        }
    }

    /// Runs until the broker has drained after `shutdown`.
    pub(super) async fn run(mut self, mut broker: Broker) -> Exit {
        drive(&mut broker, &mut self).await
    }

    fn take(&mut self, message: FromPeer) -> Input {
        let input = match message {
            FromPeer::Opened(connection, token, peer) => {
                let leg = peer.leg;
                self.peers.insert(connection, peer);
                Input::Opened(connection, leg, token)
            }
            FromPeer::Message { input, turn } => {
                drop(turn);
                input
            }
            FromPeer::Ended(input) => input,
        };
        self.serving = input.connection();
        if let Input::Lost(connection, end) = &input
            && let Some(peer) = self.peers.remove(connection)
        {
            self.log.closed(peer.leg, end.close_code);
        }
        input
    }

    fn close(&mut self, connection: ConnectionId, frame: CloseFrame) -> Result<(), Bug> {
        let peer = self.peers.remove(&connection).or_bug("the broker closes connections that are open")?;
        self.log.closed(peer.leg, frame.code);
        peer.outbox.close(frame.code, frame.reason);
        Ok(())
    }

    fn send(&self, connection: ConnectionId, message: &impl Protocol, inputs: &mut VecDeque<Input>) -> Result<(), Bug> {
        let peer = self.peers.get(&connection).or_bug("the broker speaks on connections that are open")?;
        match peer.outbox.try_send(encode(message)) {
            Ok(()) => {}
            Err(SendError::Full) => inputs.push_back(Input::Overflowed(connection)),
            // The connection's own task is about to tell how it ended.
            Err(SendError::Closed) => {}
        }
        Ok(())
    }
}

impl Shell<Broker> for CoreTask {
    type End = Exit;

    async fn next_input(&mut self) -> Input {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled(), if !self.shutdown_told => {
                self.shutdown_told = true;
                Input::Shutdown
            }
            message = self.inputs.recv() => {
                self.take(message.expect("the port holds a sender for as long as this task runs"))
            }
        }
    }

    fn perform(&mut self, output: Output, inputs: &mut VecDeque<Input>) -> ControlFlow<Exit> {
        let sent = match output {
            Output::ToSession(connection, message) => {
                self.log.sent(&message);
                self.send(connection, &message, inputs)
            }
            Output::ToNode(connection, message) => self.send(connection, &message, inputs),
            Output::Close(connection, frame) => self.close(connection, frame),
            Output::Event(event) => {
                self.log.record(&event);
                Ok(())
            }
            Output::Drained { completely } => {
                self.exit = Some(if completely { Exit::Drained } else { Exit::LeftUndone });
                Ok(())
            }
        };
        if let Err(bug) = sent {
            tracing::error!(target: event_log::TARGET, %bug, "a bug of the scheduler");
        }
        ControlFlow::Continue(())
    }

    fn settled(&mut self, broker: &Broker) -> ControlFlow<Exit> {
        self.serving = None;
        self.log.gauge(broker.gauges());
        match self.exit {
            Some(exit) => {
                tracing::info!(target: event_log::TARGET, ?exit, "drained");
                ControlFlow::Break(exit)
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn bug(&mut self, _bug: Bug, inputs: &mut VecDeque<Input>) {
        inputs.extend(self.serving.take().map(Input::Failed));
    }
}

#[cfg(test)]
mod tests {
    use halfopen_link::message::ToSession;
    use halfopen_link::{Connection, LinkConfig, Metered, connection};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    const PEER: ConnectionId = ConnectionId(1);

    fn say(task: &mut CoreTask) -> VecDeque<Input> {
        let mut inputs = VecDeque::new();
        let performed = task.perform(Output::ToSession(PEER, ToSession::SessionClose), &mut inputs);
        assert!(performed.is_continue());
        inputs
    }

    #[tokio::test]
    async fn a_message_that_finds_no_room_is_told_to_the_broker_and_one_for_a_connection_that_has_ended_is_not() {
        let (near, _far) = tokio::io::duplex(64);
        let socket = WebSocketStream::from_raw_socket(Metered::new(near), Role::Server, None).await;
        let config = LinkConfig { queue: 2, ..LinkConfig::default() };
        let (Connection { outbox, inbox: _inbox }, driver) = connection::open(socket, config);
        let (_port, inputs) = mpsc::channel(1);
        let mut task = CoreTask::new(inputs, Metrics::new(), CancellationToken::new());
        let opened = task.take(FromPeer::Opened(PEER, "secret".into(), PeerHandle { leg: Leg::Session, outbox }));
        assert!(matches!(opened, Input::Opened(PEER, Leg::Session, _)));
        // Nothing is written: the driver does not run.
        assert!(say(&mut task).is_empty());
        assert!(say(&mut task).is_empty());
        let refused = say(&mut task);
        assert!(matches!(refused.front(), Some(Input::Overflowed(PEER))), "{refused:?}");
        drop(driver);
        let told = say(&mut task);
        assert!(told.is_empty(), "its own task tells how it ended: {told:?}");
    }

    #[tokio::test]
    #[cfg(not(debug_assertions))]
    async fn a_bug_costs_the_connection_whose_input_met_it_and_a_timeout_costs_none() {
        let (_port, inputs) = mpsc::channel(1);
        let mut task = CoreTask::new(inputs, Metrics::new(), CancellationToken::new());
        let mut failed = VecDeque::new();
        task.take(FromPeer::Ended(Input::Overflowed(PEER)));
        task.bug(Bug::new("this is a test"), &mut failed);
        assert!(matches!(failed.pop_front(), Some(Input::Failed(PEER))));
        task.bug(Bug::new("this is a test"), &mut failed);
        assert!(failed.is_empty());
    }
}
