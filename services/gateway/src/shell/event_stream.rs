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
use halfopen_machine::{Bug, Polled, PolledShell};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::core::api_error::ApiError;
use crate::core::relay::{DONE, Input, Output, Relay};
use crate::core::request_end::RequestEnd;
use crate::core::sse::encode_data;
use crate::shell::call::Call;

/// The events of one stream.
pub(crate) struct EventStream {
    relay: Polled<Relay>,
    ends: Ends,
    /// When the client was last given something; until it asks again the upstream rests.
    given_at: Option<Instant>,
    /// Something in here panicked, and nothing but `waiting` is to be trusted any more.
    panicked: bool,
}

/// The two ends of the relay: the upstream call, and the events that wait for the client.
struct Ends {
    call: Call,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    waiting: VecDeque<Bytes>,
    refusal: Option<ApiError>,
    end: Option<RequestEnd>,
    /// The relay has a bug: the stream is over.
    bug: bool,
}

impl PolledShell<Relay> for Ends {
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.shutdown.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Input::Shutdown);
        }
        Poll::Ready(match ready!(self.call.poll_bytes(cx)) {
            Some(Ok(bytes)) => Input::Bytes(bytes),
            Some(Err(fault)) => Input::Failed(fault),
            None => Input::End,
        })
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Write(bytes) => self.waiting.push_back(bytes),
            Output::Refuse(error) => self.refusal = Some(error),
            Output::UpstreamFailed(fault) => self.call.upstream_failed(&fault),
            Output::CloseUpstream { abandoned } => self.call.close_upstream(abandoned),
            Output::End(end) => self.end = Some(end),
        }
    }

    fn is_settled(&self, relay: &Relay) -> bool {
        !self.waiting.is_empty() || relay.is_over() || self.bug
    }

    fn bug(&mut self, _: Bug) {
        self.bug = true;
    }
}

impl EventStream {
    /// Waits for the first event or heartbeat, which commits the response to 200.
    ///
    /// # Errors
    /// What went wrong before there was anything to send.
    pub(crate) async fn start(relay: Relay, call: Call, shutdown: CancellationToken) -> Result<Self, ApiError> {
        let ends = Ends {
            call,
            shutdown: Box::pin(shutdown.cancelled_owned()),
            waiting: VecDeque::new(),
            refusal: None,
            end: None,
            bug: false,
        };
        let mut stream = Self { relay: Polled::new(relay), ends, given_at: None, panicked: false };
        poll_fn(|cx| stream.relay.poll(&mut stream.ends, cx)).await;
        if stream.ends.bug && stream.ends.waiting.is_empty() {
            stream.ends.call.end(RequestEnd::Panic);
            return Err(ApiError::internal());
        }
        if let Some(error) = stream.ends.refusal.take() {
            stream.settle();
            return Err(error);
        }
        stream.given_at = Some(Instant::now());
        Ok(stream)
    }

    /// The next event. Whatever panics on the way to it, the client is told how its stream ends.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let polled = self.poll_guarded(cx);
        let waiting: usize = self.ends.waiting.iter().map(Bytes::len).sum();
        self.ends.call.holds(waiting + self.relay.machine().partial_bytes());
        polled
    }

    fn poll_guarded(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.panicked {
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.poll_next_event(cx)));
            if let Ok(polled) = polled
                && !self.ends.bug
            {
                return polled;
            }
            self.end_by_panic();
        }
        Poll::Ready(self.ends.waiting.pop_front())
    }

    fn end_by_panic(&mut self) {
        self.panicked = true;
        let Ends { call, waiting, end, .. } = &mut self.ends;
        call.end(RequestEnd::Panic);
        tracing::error!(target: "halfopen_gateway", request_id = %call.id(), "request panicked");
        call.close_upstream(true);
        // A terminator that is still waiting goes out with what belongs before it; one that has gone out was the last.
        let is_terminated = waiting.back().is_some_and(|last| last == DONE.as_bytes());
        let is_over = waiting.is_empty() && end.is_some();
        if !is_terminated && !is_over {
            waiting.push_back(Bytes::from(encode_data(&ApiError::internal().envelope())));
            waiting.push_back(Bytes::from_static(DONE.as_bytes()));
        }
    }

    fn poll_next_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(given_at) = self.given_at.take() {
            self.relay.handle(Input::Paused(given_at.elapsed()), &mut self.ends);
        }
        ready!(self.relay.poll(&mut self.ends, cx));
        if self.ends.bug {
            return Poll::Ready(None);
        }
        let event = self.ends.waiting.pop_front();
        self.given_at = Some(Instant::now());
        self.settle();
        Poll::Ready(event)
    }

    /// The request has ended once the client's side has taken everything that leads up to its end.
    fn settle(&mut self) {
        if self.ends.waiting.is_empty()
            && let Some(end) = self.ends.end
        {
            self.ends.call.end(end);
        }
    }

    fn is_finished(&self) -> bool {
        self.ends.waiting.is_empty() && (self.panicked || self.relay.machine().is_over())
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
