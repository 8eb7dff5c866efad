//! The requests in flight: their number, their limit, their ids, and what the log says about each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// One per gateway, shared by its requests.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: usize,
    requests: AtomicUsize,
    upstreams: AtomicUsize,
    connections: AtomicUsize,
    buffered_bytes: AtomicUsize,
    body_bytes: AtomicUsize,
    body_bytes_limit: usize,
    told_of_bodies: AtomicBool,
    accept_errors: AtomicUsize,
    run_id: u32,
    next_request: AtomicU64,
    cutting: AtomicBool,
}

impl InFlight {
    /// `run_id` tells the ids of this run from those of the last one.
    /// `body_bytes_limit` is what the bodies of all requests may hold together.
    pub(crate) fn new(limit: usize, body_bytes_limit: usize, run_id: u32) -> Arc<Self> {
        for name in ["requests_in_flight", "upstreams_open", "client_connections", "buffered_bytes"] {
            gauge(name, 0);
        }
        Arc::new(Self {
            limit,
            requests: AtomicUsize::new(0),
            upstreams: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            buffered_bytes: AtomicUsize::new(0),
            body_bytes: AtomicUsize::new(0),
            body_bytes_limit,
            told_of_bodies: AtomicBool::new(false),
            accept_errors: AtomicUsize::new(0),
            run_id,
            next_request: AtomicU64::new(1),
            cutting: AtomicBool::new(false),
        })
    }

    /// The name of a request that has come.
    pub(crate) fn next_id(&self) -> String {
        let number = self.next_request.fetch_add(1, Ordering::SeqCst);
        format!("req-{:08X}-{number}", self.run_id)
    }

    /// Room for a request's body while it comes, and for as long as its request needs it.
    pub(crate) fn body(self: &Arc<Self>) -> HeldBody {
        HeldBody { bytes: 0, in_flight: Arc::clone(self) }
    }

    /// A place among the requests in flight for the one of this name, or `None` when all are taken.
    pub(crate) fn admit(self: &Arc<Self>, id: String) -> Option<Slot> {
        let admitted = self
            .requests
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| (taken < self.limit).then_some(taken + 1))
            .ok()?;
        gauge("requests_in_flight", admitted + 1);
        Some(Slot { id, held_bytes: 0, body: None, in_flight: Arc::clone(self) })
    }

    /// Counts a client's connection until the returned guard is dropped.
    pub(crate) fn count_connection(self: &Arc<Self>) -> ConnectionCount {
        let before = self.connections.fetch_add(1, Ordering::SeqCst);
        gauge("client_connections", before + 1);
        ConnectionCount { in_flight: Arc::clone(self) }
    }

    /// Counts an error of the listener, and tells how many there have been.
    pub(crate) fn count_accept_error(&self) -> usize {
        self.accept_errors.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// From now on a request that is dropped was cut by the gateway, not left by its client.
    pub(crate) fn cut_the_rest(&self) {
        self.cutting.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cutting(&self) -> bool {
        self.cutting.load(Ordering::SeqCst)
    }
}

/// One request's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    id: String,
    /// Bytes of the answer that wait for the client.
    held_bytes: usize,
    body: Option<HeldBody>,
    in_flight: Arc<InFlight>,
}

/// What one request's body holds, bytes; free again when dropped.
#[derive(Debug)]
pub(crate) struct HeldBody {
    bytes: usize,
    in_flight: Arc<InFlight>,
}

impl HeldBody {
    /// Takes room for this many bytes more. Whether there is any.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let InFlight { body_bytes, body_bytes_limit, told_of_bodies, .. } = &*self.in_flight;
        let more = |held: usize| held.checked_add(bytes).filter(|all| all <= body_bytes_limit);
        match body_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more) {
            Ok(_) => {
                self.bytes += bytes;
                true
            }
            Err(held) => {
                if !told_of_bodies.swap(true, Ordering::SeqCst) {
                    tracing::warn!(target: "halfopen_gateway", held, "too many bytes of bodies: requests are refused");
                }
                false
            }
        }
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        let left = self.in_flight.body_bytes.fetch_sub(self.bytes, Ordering::SeqCst) - self.bytes;
        if left < self.in_flight.body_bytes_limit / 2 {
            self.in_flight.told_of_bodies.store(false, Ordering::SeqCst);
        }
    }
}

impl Slot {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Tells how many bytes of the answer wait for the client.
    pub(crate) fn holds(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.held_bytes, bytes);
        if before == bytes {
            return;
        }
        let all = &self.in_flight.buffered_bytes;
        let held = all.fetch_add(bytes.wrapping_sub(before), Ordering::SeqCst).wrapping_add(bytes.wrapping_sub(before));
        gauge("buffered_bytes", held);
    }

    /// Keeps the room of the request's body for as long as the request is in flight.
    pub(crate) fn keep(&mut self, body: HeldBody) {
        self.body = Some(body);
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Counts an open upstream until the returned guard is dropped.
    pub(crate) fn count_upstream(&self) -> UpstreamCount {
        let before = self.in_flight.upstreams.fetch_add(1, Ordering::SeqCst);
        gauge("upstreams_open", before + 1);
        UpstreamCount { in_flight: Arc::clone(&self.in_flight) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.holds(0);
        let before = self.in_flight.requests.fetch_sub(1, Ordering::SeqCst);
        gauge("requests_in_flight", before - 1);
    }
}

/// One open connection of a client.
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    in_flight: Arc<InFlight>,
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        let before = self.in_flight.connections.fetch_sub(1, Ordering::SeqCst);
        gauge("client_connections", before - 1);
    }
}

/// One open upstream.
#[derive(Debug)]
pub(crate) struct UpstreamCount {
    in_flight: Arc<InFlight>,
}

impl Drop for UpstreamCount {
    fn drop(&mut self) {
        let before = self.in_flight.upstreams.fetch_sub(1, Ordering::SeqCst);
        gauge("upstreams_open", before - 1);
    }
}

fn gauge(name: &str, value: usize) {
    tracing::debug!(target: "halfopen_gateway", name, value, "gauge");
}
