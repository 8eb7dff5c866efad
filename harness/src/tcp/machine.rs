//! One end of a TCP connection under the contract of a machine.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use halfopen_machine::{Bug, Machine};

use super::endpoint::{Closing, EndState, Endpoint};
use super::options::Options;
use super::receiving::{DataReceived, SynAckReceived};
use super::sending::{NextSegment, Written};
use super::timers::KeepaliveStep;

/// What one end sends to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The client asks for a connection.
    Syn {
        /// How many bytes it takes before any is acknowledged.
        window: usize,
    },
    /// The server agrees.
    SynAck {
        /// How many bytes it takes before any is acknowledged.
        window: usize,
    },
    /// Bytes have been received, or room has been made for more; the handshake's third packet does neither.
    Ack {
        /// Received bytes.
        acknowledged: usize,
        /// How far the window opens again, bytes.
        window: usize,
    },
    /// Data.
    Data(Bytes),
    /// The sender writes no more.
    Fin,
    /// The connection is over.
    Rst,
    /// A keepalive probe.
    Probe,
    /// Its answer.
    ProbeAnswer,
}

/// What can happen to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Its process opens the connection.
    Connect,
    /// Its process writes. What does not fit into the send buffer is not taken: [`Output::Taken`] says how many bytes were.
    Write(Bytes),
    /// Its process reads up to that many bytes.
    Read(usize),
    /// Its process writes no more.
    ShutDown,
    /// Its process lets go of it.
    Close,
    /// The peer has sent this.
    Segment(Segment),
}

/// What an end does, or tells its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A segment leaves.
    Send(Segment),
    /// The handshake is over.
    Established,
    /// How many bytes of the last write were taken.
    Taken(usize),
    /// What the last read found; nothing, if a read would have to wait.
    Received(Bytes),
    /// The last read found the end of the stream.
    EndOfStream,
    /// Something has come: a read would not wait.
    Readable,
    /// The call that was made last, or the next one, fails with this.
    Failed(io::ErrorKind),
}

/// One end of a TCP connection. A passive one waits for a SYN.
///
/// ```
/// use std::time::Duration;
/// use halfopen::internals::tcp::{Input, Options, Output, Segment, Tcp};
/// use halfopen_machine::Machine as _;
///
/// let mut client = Tcp::new("192.168.0.1:32768".parse().unwrap(), Options::default());
/// client.handle(Input::Connect, Duration::ZERO)?;
/// assert!(matches!(client.poll_output(), Some(Output::Send(Segment::Syn { .. }))));
/// client.handle(Input::Segment(Segment::SynAck { window: 10 }), Duration::from_millis(40))?;
/// assert_eq!(client.poll_output(), Some(Output::Established));
/// # Ok::<(), halfopen_machine::Bug>(())
/// ```
#[derive(Debug)]
pub struct Tcp {
    end: Endpoint,
    receive_buffer_bytes: usize,
    /// When keepalive looks at the connection next.
    keepalive_at: Option<Duration>,
    outputs: VecDeque<Output>,
}

/// What a socket takes in either direction when its options do not say: about half of what a peer that does not read absorbs on loopback.
const BUFFER_BYTES: u32 = 2 << 20;

impl Tcp {
    /// An end that is not connected.
    pub fn new(address: SocketAddr, options: Options) -> Self {
        Self {
            end: Endpoint::new(address, options, options.send_buffer_bytes.unwrap_or(BUFFER_BYTES) as usize),
            receive_buffer_bytes: options.receive_buffer_bytes.unwrap_or(BUFFER_BYTES) as usize,
            keepalive_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// The connection's state in RFC 9293's words, lower case.
    pub fn state(&self) -> &'static str {
        self.end.state_name()
    }

    fn send(&mut self, segment: Segment) {
        self.outputs.push_back(Output::Send(segment));
    }

    fn begin(&mut self, now: Duration) {
        self.keepalive_at = self.end.begin_timers().map(|time| now + time);
        self.end.heard(now);
        self.outputs.push_back(Output::Established);
    }

    fn transmit(&mut self) {
        loop {
            match self.end.next_segment() {
                NextSegment::Data(bytes) => self.send(Segment::Data(bytes)),
                NextSegment::Fin => self.send(Segment::Fin),
                NextSegment::Nothing | NextSegment::WindowClosed | NextSegment::HeldBack => return,
            }
        }
    }

    fn write(&mut self, bytes: &Bytes) {
        if let Some(error) = self.end.write_error() {
            self.outputs.push_back(Output::Failed(error));
            return;
        }
        let taken = if self.end.state() == EndState::Established { bytes.len().min(self.end.send_space()) } else { 0 };
        self.outputs.push_back(Output::Taken(taken));
        if taken == 0 {
            return;
        }
        match self.end.write(bytes.slice(..taken)) {
            Written::Leaves(bytes) => self.send(Segment::Data(bytes)),
            Written::Queued => self.transmit(),
        }
    }

    fn read(&mut self, most: usize) {
        let mut read = Vec::new();
        let taken = self.end.read(most, |piece| read.extend_from_slice(piece));
        if taken == 0 && most > 0 && self.end.is_readable() {
            let output = self.end.read_error().map_or(Output::EndOfStream, Output::Failed);
            self.outputs.push_back(output);
            return;
        }
        self.outputs.push_back(Output::Received(read.into()));
        let window = self.end.reopen_window(taken);
        if window > 0 && !self.end.is_reset() {
            self.send(Segment::Ack { acknowledged: 0, window });
        }
    }

    fn close(&mut self) {
        match self.end.close() {
            Closing::NotHeld => {}
            Closing::Finish => self.transmit(),
            Closing::Abort => self.abort(),
        }
    }

    fn abort(&mut self) {
        let speaks = self.end.speaks();
        if speaks && self.end.state() == EndState::Established {
            self.transmit();
        }
        let _ = self.end.abort();
        if speaks {
            self.send(Segment::Rst);
        }
    }

    fn receive(&mut self, segment: Segment, now: Duration) {
        self.end.heard(now);
        match segment {
            Segment::Syn { window } => match self.end.state() {
                EndState::Connecting | EndState::SynReceived => {
                    let (options, send_buffer_bytes) = (*self.end.options(), self.end.send_buffer_bytes);
                    self.end.answer_syn(options, send_buffer_bytes, window);
                    self.send(Segment::SynAck { window: self.receive_buffer_bytes });
                }
                EndState::Established | EndState::Closed | EndState::Forgotten => {}
            },
            Segment::SynAck { window } => match self.end.receive_syn_ack() {
                SynAckReceived::Established => {
                    self.end.open_window(window);
                    self.begin(now);
                    self.send(Segment::Ack { acknowledged: 0, window: 0 });
                    self.transmit();
                }
                SynAckReceived::Repeated => {}
                SynAckReceived::Unwanted => self.send(Segment::Rst),
            },
            Segment::Ack { acknowledged, window } => {
                if self.end.receive_final_ack() {
                    self.begin(now);
                }
                self.end.receive_acknowledgement(acknowledged, window, now);
                self.transmit();
            }
            Segment::Data(bytes) => self.receive_data(bytes),
            Segment::Fin => {
                if self.end.receive_fin(now) {
                    self.outputs.push_back(Output::Readable);
                }
            }
            Segment::Rst => {
                if self.end.receive_rst().is_some() {
                    self.outputs.push_back(Output::Readable);
                }
            }
            Segment::Probe if self.end.is_reset() => self.send(Segment::Rst),
            Segment::Probe => self.send(Segment::ProbeAnswer),
            // An end that is heard has answered.
            Segment::ProbeAnswer => {}
        }
    }

    fn receive_data(&mut self, bytes: Bytes) {
        let acknowledged = bytes.len();
        match self.end.receive_data(bytes, acknowledged) {
            DataReceived::Taken => {
                self.send(Segment::Ack { acknowledged, window: 0 });
                self.outputs.push_back(Output::Readable);
            }
            DataReceived::Ignored => {}
            DataReceived::Refused => {
                if self.end.refuse_data() {
                    self.send(Segment::Rst);
                }
            }
        }
    }
}

impl Machine for Tcp {
    type Time = Duration;
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Duration) -> Result<(), Bug> {
        match input {
            Input::Connect => self.send(Segment::Syn { window: self.receive_buffer_bytes }),
            Input::Write(bytes) => self.write(&bytes),
            Input::Read(most) => self.read(most),
            Input::ShutDown => {
                if self.end.shut_down() {
                    self.transmit();
                }
            }
            Input::Close => self.close(),
            Input::Segment(segment) => self.receive(segment, now),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Duration) -> Result<(), Bug> {
        if self.keepalive_at.take_if(|at| *at <= now).is_none() {
            return Ok(());
        }
        match self.end.keep_alive(now) {
            Some(KeepaliveStep::Rest(at)) => self.keepalive_at = Some(at),
            Some(KeepaliveStep::Probe(at)) => {
                self.keepalive_at = Some(at);
                self.send(Segment::Probe);
            }
            Some(KeepaliveStep::Dead) => {
                let _ = self.end.give_up();
                self.outputs.push_back(Output::Readable);
                self.send(Segment::Rst);
            }
            None => {}
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.keepalive_at
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
