//! The shell of the relay: upstream, timers and shutdown in, a response body out.
//!
//! Everything here is pulled by the connection that writes the response. When the client takes nothing, nothing is asked
//! of the upstream and memory stays at one read; when the client leaves, hyper drops the body and with it the call.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::api_error::ApiError;
use crate::call::Call;
use crate::ending::Ending;
use crate::relay::{DONE, Input, Output, Relay};
use crate::sse::encode_data;

/// The events of one stream.
pub(crate) struct EventStream {
    relay: Relay,
    call: Call,
    waiting: VecDeque<Bytes>,
    refusal: Option<ApiError>,
    ending: Option<Ending>,
    timer: Pin<Box<Sleep>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When the client was last given something; until it asks again the upstream rests.
    given_at: Option<Instant>,
    /// Something in here panicked, and nothing but `waiting` is to be trusted any more.
    panicked: bool,
}

impl EventStream {
    /// Waits for the first event or heartbeat, which commits the response to 200.
    ///
    /// # Errors
    /// What went wrong before there was anything to send.
    pub(crate) async fn start(relay: Relay, call: Call, shutdown: CancellationToken) -> Result<Self, ApiError> {
        let mut stream = Self {
            timer: Box::pin(tokio::time::sleep_until(relay.deadline().unwrap_or_else(Instant::now))),
            relay,
            call,
            waiting: VecDeque::new(),
            refusal: None,
            ending: None,
            shutdown: Box::pin(shutdown.cancelled_owned()),
            given_at: None,
            panicked: false,
        };
        poll_fn(|cx| stream.poll_advance(cx)).await;
        if let Some(error) = stream.refusal.take() {
            stream.settle();
            return Err(error);
        }
        stream.given_at = Some(Instant::now());
        Ok(stream)
    }

    /// Works until there is something to give or the stream is over.
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.waiting.is_empty() && !self.relay.is_over() {
            let input = ready!(self.poll_input(cx));
            let outputs = self.relay.handle(input, Instant::now());
            self.apply(outputs);
        }
        Poll::Ready(())
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.shutdown.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Input::Shutdown);
        }
        // Before the timer: bytes that have already arrived refute any silence.
        if let Poll::Ready(bytes) = self.call.poll_bytes(cx) {
            return Poll::Ready(match bytes {
                Some(Ok(bytes)) => Input::Bytes(bytes),
                Some(Err(fault)) => Input::Failed(fault),
                None => Input::End,
            });
        }
        if let Some(deadline) = self.relay.deadline()
            && deadline != self.timer.deadline()
        {
            self.timer.as_mut().reset(deadline);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Input::Tick)
    }

    fn apply(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Write(bytes) => self.waiting.push_back(bytes),
                Output::Refuse(error) => self.refusal = Some(error),
                Output::UpstreamFailed(fault) => self.call.upstream_failed(&fault),
                Output::CloseUpstream { abandoned } => self.call.close_upstream(abandoned),
                Output::End(ending) => self.ending = Some(ending),
            }
        }
    }

    /// The next event. Whatever panics on the way to it, the client is told how its stream ends.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.panicked {
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.poll_next_event(cx)));
            if let Ok(polled) = polled {
                return polled;
            }
            self.end_by_panic();
        }
        Poll::Ready(self.waiting.pop_front())
    }

    fn end_by_panic(&mut self) {
        self.panicked = true;
        self.call.end(Ending::Panic);
        tracing::error!(target: "halfopen_gateway", request_id = %self.call.id(), "request panicked");
        self.call.close_upstream(true);
        // A terminator that is still waiting goes out with what belongs before it; one that has gone out was the last.
        let ends = self.waiting.back().is_some_and(|last| last == DONE.as_bytes());
        let ended = self.waiting.is_empty() && self.ending.is_some();
        if !ends && !ended {
            self.waiting.push_back(Bytes::from(encode_data(&ApiError::internal().envelope())));
            self.waiting.push_back(Bytes::from_static(DONE.as_bytes()));
        }
    }

    fn poll_next_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(given_at) = self.given_at.take() {
            let now = Instant::now();
            let outputs = self.relay.handle(Input::Paused(now - given_at), now);
            self.apply(outputs);
        }
        ready!(self.poll_advance(cx));
        let event = self.waiting.pop_front();
        self.given_at = Some(Instant::now());
        self.settle();
        Poll::Ready(event)
    }

    /// The ending counts once the client's side has taken everything that leads up to it.
    fn settle(&mut self) {
        if self.waiting.is_empty()
            && let Some(ending) = self.ending
        {
            self.call.end(ending);
        }
    }

    fn is_finished(&self) -> bool {
        self.waiting.is_empty() && (self.panicked || self.relay.is_over())
    }
}

/// The body of any response.
pub(crate) enum ResponseBody {
    /// Known as a whole.
    Whole(Bytes),
    /// A stream of events.
    Events(Box<EventStream>),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(std::mem::take(bytes)),
            Self::Events(stream) => ready!(stream.poll_event(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Events(stream) => stream.is_finished(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_whole_body_is_one_frame_and_says_what_is_left_of_it() {
        let mut body = ResponseBody::Whole(Bytes::from_static(b"abc"));
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (false, Some(3)));
        let frame = body.frame().await.expect("three bytes").expect("it cannot fail");
        assert_eq!(frame.into_data().expect("no trailers"), "abc");
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (true, Some(0)));
        assert!(body.frame().await.is_none());
    }
}
