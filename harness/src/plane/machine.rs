//! The fault plane under the contract of a machine: what has happened in, what to do out.
//!
//! The network calls [`Plane`]'s methods directly, because a packet that no fault concerns costs less so; each input here is one of them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use halfopen_machine::{Bug, Machine};

use super::{ConnectVerdict, ConnectionKey, Effect, Passage, Plane};
use crate::name::{ConnectionId, Direction, HostName};
use crate::trace::LogEvent;

/// What can happen to the connections of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A client's first SYN of a connection is about to leave.
    Connect(ConnectionKey, ConnectionId),
    /// A later one.
    Retry(ConnectionKey, ConnectionId),
    /// The handshake is over.
    Established(ConnectionKey),
    /// An end has sent bytes.
    Bytes(ConnectionKey, Direction, Bytes),
    /// An end has sent its FIN.
    Fin(ConnectionKey, Direction),
    /// An end has sent an RST.
    Rst(ConnectionKey, Direction),
    /// Both ends are done with the connection.
    Ended(ConnectionKey),
    /// A host has logged a tracing event.
    Event(HostName, LogEvent),
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The answer to a SYN.
    Verdict(ConnectionKey, ConnectVerdict),
    /// Something for an actuator.
    Effect(Effect),
    /// Bytes that are neither forwarded nor discarded, because their direction has fallen silent: they are shown again after the heal.
    Unpassed(ConnectionKey, Direction, Bytes),
}

/// A fault plane that is driven by inputs.
///
/// ```
/// use std::time::Duration;
/// use halfopen::name::{ConnectionId, Link};
/// use halfopen::internals::plane::{ConnectVerdict, ConnectionKey, Plane, PlaneMachine, machine};
/// use halfopen_machine::Machine as _;
///
/// let mut plane = PlaneMachine::new(Plane::new(&[]));
/// let id = ConnectionId { link: Link { client: "alice".into(), server: "chat".into() }, nth: 1 };
/// plane.handle(machine::Input::Connect(ConnectionKey(0), id), Duration::ZERO)?;
/// assert_eq!(plane.poll_output(), Some(machine::Output::Verdict(ConnectionKey(0), ConnectVerdict::Proceed)));
/// # Ok::<(), halfopen_machine::Bug>(())
/// ```
#[derive(Debug)]
pub struct PlaneMachine {
    plane: Plane,
    effects: Vec<Effect>,
    outputs: VecDeque<Output>,
}

impl PlaneMachine {
    /// Drives a plane that has seen nothing yet.
    pub fn new(plane: Plane) -> Self {
        Self { plane, effects: Vec::new(), outputs: VecDeque::new() }
    }

    fn tell_effects(&mut self) {
        self.outputs.extend(self.effects.drain(..).map(Output::Effect));
    }

    fn tell_verdict(&mut self, key: ConnectionKey, verdict: ConnectVerdict) {
        self.tell_effects();
        self.outputs.push_back(Output::Verdict(key, verdict));
    }

    fn bytes(&mut self, key: ConnectionKey, direction: Direction, bytes: Bytes, now: Duration) {
        match self.plane.bytes(key, direction, bytes, now, &mut self.effects) {
            Passage::Whole(bytes) => {
                self.outputs.push_back(Output::Effect(Effect::Forward { connection: key, direction, bytes }));
                self.tell_effects();
            }
            Passage::Decided(rest) => {
                self.tell_effects();
                if !rest.is_empty() {
                    self.outputs.push_back(Output::Unpassed(key, direction, rest));
                }
            }
        }
    }
}

impl Machine for PlaneMachine {
    type Time = Duration;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Duration) -> Result<(), Bug> {
        let Self { plane, effects, .. } = self;
        match input {
            Input::Connect(key, id) => {
                let verdict = plane.connect(key, &id, now, effects);
                self.tell_verdict(key, verdict);
            }
            Input::Retry(key, id) => {
                let verdict = plane.retry(key, &id, now, effects);
                self.tell_verdict(key, verdict);
            }
            Input::Established(key) => plane.established(key, now, effects),
            Input::Bytes(key, direction, bytes) => self.bytes(key, direction, bytes, now),
            Input::Fin(key, direction) => plane.fin(key, direction, now, effects),
            Input::Rst(key, direction) => plane.rst(key, direction, effects),
            Input::Ended(key) => plane.ended(key),
            Input::Event(host, event) => plane.event(&host, &event, now, effects),
        }
        self.tell_effects();
        Ok(())
    }

    fn handle_timeout(&mut self, now: Duration) -> Result<(), Bug> {
        self.plane.timeout(now, &mut self.effects);
        self.tell_effects();
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.plane.next_deadline()
    }
}
