//! The task that owns the core. It never waits for a connection: what finds no room in a connection's queue closes that
//! connection.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use halfopen_link::Ending;
use serde::Serialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::conversation::Goodbye;
use super::journal::{self, Journal};
use super::metrics::Metrics;
use crate::broker::{Broker, ConnectionId, Input, Leg, Output};

/// What connections say to the owner of the core.
#[derive(Debug)]
pub(super) enum Event {
    /// A WebSocket is open, and can be reached so.
    Opened(ConnectionId, Line),
    /// A message, or the end.
    Input(Input),
}

/// The way to a connection.
#[derive(Debug)]
pub(super) struct Line {
    leg: Leg,
    texts: mpsc::Sender<String>,
    goodbye: oneshot::Sender<Goodbye>,
}

impl Line {
    pub(super) fn new(leg: Leg, texts: mpsc::Sender<String>, goodbye: oneshot::Sender<Goodbye>) -> Self {
        Self { leg, texts, goodbye }
    }
}

/// The core, and the lines to its connections.
#[derive(Debug)]
pub(super) struct Switchboard {
    core: Broker,
    events: mpsc::Receiver<Event>,
    lines: BTreeMap<ConnectionId, Line>,
    journal: Journal,
    exit: Option<Exit>,
}

impl Switchboard {
    pub(super) fn new(core: Broker, events: mpsc::Receiver<Event>, metrics: Metrics) -> Self {
        Self { core, events, lines: BTreeMap::new(), journal: Journal::new(metrics), exit: None }
    }

    /// Runs until the core has drained after `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) -> Exit {
        let mut asked_to_stop = false;
        loop {
            let deadline = self.core.next_deadline();
            let input = tokio::select! {
                biased;
                () = shutdown.cancelled(), if !asked_to_stop => {
                    asked_to_stop = true;
                    Input::Shutdown
                }
                event = self.events.recv() => match event {
                    Some(Event::Opened(connection, line)) => {
                        let leg = line.leg;
                        self.lines.insert(connection, line);
                        Input::Opened(connection, leg)
                    }
                    Some(Event::Input(input)) => input,
                    // The port holds a sender for as long as this task runs.
                    None => Input::Timeout,
                },
                // After the events: what has come counts before what is late.
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Input::Timeout,
            };
            self.feed(input);
            if let Some(exit) = self.exit {
                tracing::info!(target: journal::TARGET, ?exit, "drained");
                return exit;
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if let Input::Lost(connection, ending) = &input
                && let Some(line) = self.lines.remove(connection)
            {
                self.journal.closed(line.leg, ending.close_code);
            }
            for output in self.core.handle(input, Instant::now()) {
                inputs.extend(self.carry_out(output));
            }
        }
        self.journal.gauge(self.core.gauges());
    }

    /// Carries one output out; a failure to do so is the core's next input.
    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::ToSession(connection, message) => {
                self.journal.sent(&message);
                self.send(connection, &message)
            }
            Output::ToNode(connection, message) => self.send(connection, &message),
            Output::Close(connection, close_code, reason) => {
                if let Some(line) = self.lines.remove(&connection) {
                    self.journal.closed(line.leg, close_code);
                    // It may have ended by itself meanwhile.
                    let _gone = line.goodbye.send(Goodbye { close_code, reason: Cow::Borrowed(reason) });
                }
                None
            }
            Output::Happened(happening) => {
                self.journal.record(&happening);
                None
            }
            Output::Drained { completely } => {
                self.exit = Some(if completely { Exit::Drained } else { Exit::LeftUndone });
                None
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, message: &impl Serialize) -> Option<Input> {
        let line = self.lines.get(&connection)?;
        let text = serde_json::to_string(message).expect("a message of plain fields is always JSON");
        match line.texts.try_send(text) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(Input::Overflowed(connection)),
            Err(TrySendError::Closed(_)) => {
                Some(Input::Lost(connection, Ending::by_network("the connection's task has ended")))
            }
        }
    }
}
