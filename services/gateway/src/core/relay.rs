//! The relay of one stream: upstream bytes in, whole client events out.
//!
//! A machine ([`Machine`]) that holds the laws of a stream:
//!
//! - only whole events go out, and none has an `id:` line;
//! - the last thing to go out is exactly one `data: [DONE]`, after the finish reason of every choice or exactly one error
//!   event;
//! - an upstream that ended early never looks complete, however politely it ended;
//! - until the first event or heartbeat has gone out, a failure is an HTTP error and not an event.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use halfopen_machine::{Bug, Machine};

use crate::core::api_error::ApiError;
use crate::core::chunk::{Chunk, Part};
use crate::core::confidential::Confidential;
use crate::core::fault::Fault;
use crate::core::likeness::Likeness;
use crate::core::request_end::RequestEnd;
use crate::core::said::Said;
use crate::core::sse::{SseParser, append_data, encode_data};

/// What ends every stream.
pub const DONE: &str = "data: [DONE]\n\n";

/// A comment: keeps proxies and idle timers from giving up, and is ignored by every client.
pub const HEARTBEAT: &str = ": heartbeat\n\n";

/// The limits of one relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// A heartbeat goes out when no event has for this long.
    pub heartbeat: Duration,
    /// The upstream must send its first byte within this, counted from the start.
    pub first_byte: Duration,
    /// The longest silence of the upstream after its first byte.
    pub silence: Duration,
    /// The largest upstream event, bytes.
    pub event_bytes: usize,
}

/// What a complete answer consists of, as the request ordered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The number of choices. Each must finish.
    pub choices: usize,
    /// Whether a usage chunk belongs to the answer.
    pub include_usage: bool,
}

/// The inputs of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The upstream sent bytes.
    Bytes(Bytes),
    /// The upstream's body ended without a transport error.
    End,
    /// The upstream failed.
    Failed(Fault),
    /// The client took nothing for this long, so the upstream was not asked either: its silence does not count.
    Paused(Duration),
    /// The gateway is going down.
    Shutdown,
}

/// What to do about it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes: whole events, or one comment. The first one commits the response to 200.
    Write(Bytes),
    /// Nothing has been written: answer with this error instead of a stream.
    Refuse(ApiError),
    /// The upstream failed; for the log.
    UpstreamFailed(Fault),
    /// Drop the upstream call. `abandoned` when it had not ended by itself.
    CloseUpstream {
        /// Whether the upstream was still at work.
        abandoned: bool,
    },
    /// The stream is over; the last output of all.
    End(RequestEnd),
}

/// The relay of one stream.
#[derive(Debug)]
pub struct Relay {
    limits: RelayLimits,
    parser: SseParser,
    progress: AnswerState,
    likeness: Likeness,
    confidential: Confidential,
    started_at: Instant,
    last_write_at: Instant,
    /// When the upstream last sent a byte, shifted by the time it was not asked.
    last_byte_at: Option<Instant>,
    committed: bool,
    over: bool,
    outputs: VecDeque<Output>,
}

impl Relay {
    /// A relay that starts waiting for its upstream at `now`.
    pub fn new(limits: RelayLimits, order: Order, now: Instant) -> Self {
        Self {
            limits,
            parser: SseParser::new(limits.event_bytes),
            progress: AnswerState::new(order),
            likeness: Likeness::default(),
            confidential: Confidential::default(),
            started_at: now,
            last_write_at: now,
            last_byte_at: None,
            committed: false,
            over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Keeps what `confidential` hides out of the error events.
    #[must_use]
    pub fn hiding(self, confidential: Confidential) -> Self {
        Self { confidential, ..self }
    }

    /// Bytes of the upstream's that make no whole event yet.
    pub fn partial_bytes(&self) -> usize {
        self.parser.partial_bytes()
    }

    /// Whether the stream is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn upstream_deadline(&self) -> Instant {
        match self.last_byte_at {
            None => self.started_at + self.limits.first_byte,
            Some(at) => at + self.limits.silence,
        }
    }

    /// The events that one read of the upstream completes go out in one write.
    fn take_bytes(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        self.last_byte_at = Some(now);
        let Self { progress, likeness, .. } = self;
        let mut parts = String::new();
        // The first event that is no part of the answer is the last that counts.
        let mut last: Option<Last> = None;
        let parsed = self.parser.push_with(bytes, |name, data| {
            if last.is_some() {
                return;
            }
            if parts.is_empty() {
                parts.reserve(bytes.len());
            }
            if name.is_empty() && likeness.fits(data) {
                return append_data(&mut parts, data);
            }
            match Chunk::read(name, data) {
                Chunk::Part(part) => {
                    progress.take(&part);
                    likeness.keep(data);
                    append_data(&mut parts, data);
                }
                Chunk::Done => last = Some(Last::Done),
                Chunk::Error(said) => last = Some(Last::Error(said)),
                Chunk::Malformed => last = Some(Last::Malformed),
            }
        });
        if !parts.is_empty() {
            self.last_write_at = now;
            self.write(parts);
        }
        match last {
            Some(last) => self.take_last(last),
            None if parsed.is_err() => self.upstream_broke(Fault::TooLarge),
            None => {}
        }
    }

    fn take_last(&mut self, last: Last) {
        match last {
            Last::Done if self.progress.may_terminate() => {
                self.outputs.push_back(Output::CloseUpstream { abandoned: false });
                self.complete();
            }
            // A terminator that comes before the finish reasons is a truncation in disguise.
            Last::Done => self.upstream_broke(Fault::Truncated),
            Last::Error(said) => self.upstream_broke(Fault::Reported(Box::new(said))),
            Last::Malformed => self.upstream_broke(Fault::Malformed),
        }
    }

    /// The upstream is gone, by itself. An answer that is whole stays whole.
    fn upstream_ended(&mut self, fault: Option<Fault>) {
        if self.progress.is_complete() && !matches!(fault, Some(Fault::Panicked)) {
            self.outputs.push_back(Output::CloseUpstream { abandoned: false });
            self.complete();
        } else {
            self.upstream_broke(fault.unwrap_or(Fault::Truncated));
        }
    }

    fn upstream_broke(&mut self, fault: Fault) {
        let fault = fault.hiding(&self.confidential);
        let error = fault.to_api_error();
        let ending = RequestEnd::of(&fault);
        self.outputs.push_back(Output::UpstreamFailed(fault));
        self.outputs.push_back(Output::CloseUpstream { abandoned: false });
        self.fail(error, ending);
    }

    fn complete(&mut self) {
        self.write(DONE.to_owned());
        self.end(RequestEnd::Done);
    }

    fn fail(&mut self, error: ApiError, ending: RequestEnd) {
        if self.committed {
            self.write(encode_data(&error.envelope()));
            self.write(DONE.to_owned());
        } else {
            self.outputs.push_back(Output::Refuse(error));
        }
        self.end(ending);
    }

    fn write(&mut self, text: String) {
        self.committed = true;
        self.outputs.push_back(Output::Write(Bytes::from(text)));
    }

    fn end(&mut self, ending: RequestEnd) {
        self.over = true;
        self.outputs.push_back(Output::End(ending));
    }
}

/// The event that ends an upstream's answer.
enum Last {
    Done,
    Error(Said),
    Malformed,
}

impl Machine for Relay {
    type Time = Instant;
    type Input = Input;
    type Output = Output;

    /// After [`Output::End`] every input is passed over: what the upstream still sends belongs to a stream that is over.
    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Bug> {
        if self.over {
            return Ok(());
        }
        match input {
            Input::Bytes(bytes) => self.take_bytes(&bytes, now),
            Input::End => {
                let fault = if self.parser.has_partial() { Some(Fault::Truncated) } else { None };
                self.upstream_ended(fault);
            }
            Input::Failed(fault) => self.upstream_ended(Some(fault)),
            Input::Paused(paused) => {
                self.started_at += paused;
                self.last_byte_at = self.last_byte_at.map(|at| at + paused);
            }
            // The answer is whole, and only its terminator is still awaited.
            Input::Shutdown if self.progress.is_complete() => {
                self.outputs.push_back(Output::CloseUpstream { abandoned: true });
                self.complete();
            }
            Input::Shutdown => {
                self.outputs.push_back(Output::CloseUpstream { abandoned: true });
                self.fail(ApiError::shutting_down(), RequestEnd::Error);
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
        if self.over {
            return Ok(());
        }
        if now >= self.upstream_deadline() {
            let fault = if self.last_byte_at.is_some() { Fault::Silent } else { Fault::FirstByteTimeout };
            self.upstream_ended(Some(fault));
        } else if now >= self.last_write_at + self.limits.heartbeat {
            self.last_write_at = now;
            self.write(HEARTBEAT.to_owned());
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        (!self.over).then(|| self.upstream_deadline().min(self.last_write_at + self.limits.heartbeat))
    }
}

/// How much of the ordered answer has come.
#[derive(Debug)]
struct AnswerState {
    order: Order,
    started: BTreeSet<u64>,
    finished: BTreeSet<u64>,
    usage_seen: bool,
}

impl AnswerState {
    fn new(order: Order) -> Self {
        Self { order, started: BTreeSet::new(), finished: BTreeSet::new(), usage_seen: false }
    }

    fn take(&mut self, part: &Part) {
        for choice in &part.choices {
            self.started.insert(choice.index);
            if choice.is_finished {
                self.finished.insert(choice.index);
            }
        }
        self.usage_seen |= part.has_usage;
    }

    /// Whether a terminator may come here. A backend that ignores an option of the order has still answered.
    fn may_terminate(&self) -> bool {
        !self.finished.is_empty() && self.started.is_subset(&self.finished)
    }

    /// Whether the answer is whole without the upstream having said so.
    fn is_complete(&self) -> bool {
        self.may_terminate()
            && self.finished.len() >= self.order.choices
            && (self.usage_seen || !self.order.include_usage)
    }
}
