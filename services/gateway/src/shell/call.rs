//! One accepted request and its upstream call. The log tells how it ended, in whatever way it is dropped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::core::chat::ChatRequest;
use crate::core::confidential::Confidential;
use crate::core::fault::Fault;
use crate::core::request_end::RequestEnd;
use crate::shell::backend::{Signal, Upstream};
use crate::shell::in_flight::{Slot, UpstreamCount};
use crate::shell::registry::Registered;
use crate::shell::write_progress::Stall;

/// An accepted request. Dropping it cancels the upstream call at once; if no end was said by then, the client left.
pub(crate) struct Call {
    slot: Slot,
    stall: Arc<Stall>,
    backend: String,
    confidential: Confidential,
    upstream: Option<Upstream>,
    opened: Option<UpstreamCount>,
    end: Option<RequestEnd>,
}

impl Call {
    /// Accepts `request`. The backend does nothing until it is polled.
    pub(crate) fn accept(slot: Slot, stall: Arc<Stall>, request: &ChatRequest, registered: &Registered) -> Self {
        tracing::info!(
            target: "halfopen_gateway",
            request_id = %slot.id(),
            model = %request.model,
            backend = %registered.name,
            stream = request.stream,
            "request accepted"
        );
        let mut call = Self {
            slot,
            stall,
            backend: registered.name.clone(),
            confidential: registered.backend.confidential(),
            upstream: None,
            opened: None,
            end: None,
        };
        // After the guard exists: a panic in here is then logged like any other end.
        call.upstream = Some(registered.backend.open(request));
        call
    }

    /// Tells how many bytes of the answer wait for the client.
    pub(crate) fn holds(&mut self, bytes: usize) {
        self.slot.holds(bytes);
    }

    pub(crate) fn id(&self) -> &str {
        self.slot.id()
    }

    /// What no message about this call may contain.
    pub(crate) fn confidential(&self) -> Confidential {
        self.confidential.clone()
    }

    /// The next bytes of the answer. A panic of the backend is a [`Fault`] like others. `None` after the end, and after
    /// the call was closed.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| upstream.as_mut().poll_next(cx)));
            let Ok(polled) = polled else {
                tracing::error!(target: "halfopen_gateway", request_id = %self.id(), "request panicked");
                return Poll::Ready(Some(Err(Fault::Panicked)));
            };
            match ready!(polled) {
                Some(Ok(Signal::Bytes(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Some(Ok(Signal::Opened)) => self.note_opened(),
                Some(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Records that the upstream failed.
    pub(crate) fn upstream_failed(&self, fault: &Fault) {
        tracing::info!(
            target: "halfopen_gateway",
            request_id = %self.id(),
            reason = fault.reason(),
            "upstream failed"
        );
    }

    /// Drops the upstream call; `abandoned` when it was still at work.
    pub(crate) fn close_upstream(&mut self, abandoned: bool) {
        let upstream = self.upstream.take();
        let was_running = upstream.is_some();
        // A destructor that panics while the request unwinds would end the process.
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(upstream))).is_err() {
            tracing::error!(target: "halfopen_gateway", request_id = %self.id(), "request panicked");
        }
        let was_opened = self.opened.is_some();
        if was_running && was_opened && abandoned {
            tracing::debug!(target: "halfopen_gateway", request_id = %self.id(), "upstream cancelled");
        }
        self.opened = None;
    }

    /// Says how the request ended; the log hears of it when the call is dropped.
    pub(crate) fn end(&mut self, end: RequestEnd) {
        self.end = Some(end);
    }

    fn note_opened(&mut self) {
        self.opened = Some(self.slot.count_upstream());
        tracing::debug!(
            target: "halfopen_gateway",
            request_id = %self.id(),
            backend = %self.backend,
            "upstream opened"
        );
    }

    /// How a request ended that is dropped before its end was said.
    fn end_when_dropped(&self) -> RequestEnd {
        if std::thread::panicking() {
            RequestEnd::Panic
        } else if self.stall.happened() {
            RequestEnd::Timeout
        } else if self.slot.in_flight().is_cutting() {
            RequestEnd::Error
        } else {
            RequestEnd::ClientLeft
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let end = self.end.unwrap_or_else(|| self.end_when_dropped());
        if end == RequestEnd::ClientLeft {
            tracing::debug!(target: "halfopen_gateway", request_id = %self.id(), "client left");
        }
        self.close_upstream(true);
        tracing::info!(target: "halfopen_gateway", request_id = %self.id(), ending = %end, "request finished");
    }
}
