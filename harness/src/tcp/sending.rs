//! What leaves an end and when.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes};

use super::endpoint::{EndState, Endpoint, Fin};
use super::{LARGEST_PACKET_BYTES, SEGMENT_BYTES};

/// Where written bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// They leave at once: nothing waits before them, and the peer's window takes them.
    Leaves(Bytes),
    /// In the send buffer.
    Queued,
}

/// What an end sends next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextSegment {
    Data(Bytes),
    Fin,
    /// There is nothing to send, or the connection is not open.
    Nothing,
    /// The peer's window is closed.
    WindowClosed,
    /// What there is waits for more, or for an acknowledgement.
    HeldBack,
}

impl Endpoint {
    /// What the process can still write before its kernel's buffer is full.
    #[inline]
    pub(crate) fn send_space(&self) -> usize {
        self.send_buffer_bytes.saturating_sub(self.unsent_bytes + self.unacknowledged)
    }

    /// Takes bytes for which there is [`send_space`](Self::send_space).
    #[inline]
    pub(crate) fn write(&mut self, bytes: Bytes) -> Written {
        let n = bytes.len();
        if self.unsent_bytes == 0 && n <= self.window.min(LARGEST_PACKET_BYTES) && self.held_back(n) == 0 {
            self.note_sent(n);
            Written::Leaves(bytes)
        } else {
            self.unsent.push_back(bytes);
            self.unsent_bytes += n;
            Written::Queued
        }
    }

    /// Takes the next segment that may leave now.
    pub(crate) fn next_segment(&mut self) -> NextSegment {
        if self.reset || matches!(self.state, EndState::Connecting | EndState::SynReceived | EndState::Forgotten) {
            return NextSegment::Nothing;
        }
        if self.unsent_bytes == 0 {
            if self.fin != Fin::Queued {
                return NextSegment::Nothing;
            }
            self.fin = Fin::Sent;
            return NextSegment::Fin;
        }
        if self.window == 0 {
            return NextSegment::WindowClosed;
        }
        let most = self.unsent_bytes.min(self.window).min(LARGEST_PACKET_BYTES);
        let held = self.kept_for_later(most);
        if held == most {
            return NextSegment::HeldBack;
        }
        let bytes = take_bytes(&mut self.unsent, most - held);
        self.unsent_bytes -= bytes.len();
        self.note_sent(bytes.len());
        NextSegment::Data(bytes)
    }

    /// An acknowledgement, or news of the peer's window, has come.
    #[inline]
    pub(crate) fn receive_acknowledgement(&mut self, acknowledged: usize, window: usize, at: Duration) {
        self.unacknowledged = self.unacknowledged.saturating_sub(acknowledged);
        self.window += window;
        self.heard(at);
    }

    /// Bytes leave that the window takes.
    fn note_sent(&mut self, bytes: usize) {
        self.window -= bytes;
        self.unacknowledged += bytes;
        self.sent += bytes as u64;
        if self.unsent_bytes == 0 && !bytes.is_multiple_of(SEGMENT_BYTES) {
            self.small_sent = self.sent;
        }
    }

    /// How many of `bytes` wait because they would be a small segment while another is not acknowledged: Nagle's
    /// algorithm (RFC 9293, 3.7.4) with Minshall's change, as Linux has it. Without delayed acknowledgements a small
    /// segment waits for a round trip at most.
    fn held_back(&self, bytes: usize) -> usize {
        let small_under_way = self.small_sent > self.sent - self.unacknowledged as u64;
        if !small_under_way || self.options.no_delay { 0 } else { bytes % SEGMENT_BYTES }
    }

    /// How many of the bytes that the window takes wait for more or for an acknowledgement. A segment is small only where
    /// what is written ends; one that a FIN follows is not held back; and what is left of a window is no reason for a small
    /// one (RFC 9293, 3.8.6.2.1) unless no acknowledgement is to come.
    fn kept_for_later(&self, bytes: usize) -> usize {
        let is_last = bytes == self.unsent_bytes;
        if is_last {
            return if self.fin == Fin::Open { self.held_back(bytes) } else { 0 };
        }
        let rest = bytes % SEGMENT_BYTES;
        if rest == bytes && self.unacknowledged == 0 { 0 } else { rest }
    }
}

/// Takes up to `most` bytes off the front of a queue, in one piece, copying only where pieces have to be joined.
fn take_bytes(queue: &mut VecDeque<Bytes>, most: usize) -> Bytes {
    let pieces = queue.len();
    match queue.front_mut() {
        None => return Bytes::new(),
        Some(first) if first.len() > most => return first.split_to(most),
        Some(first) if first.len() == most || pieces == 1 => return queue.pop_front().unwrap_or_default(),
        Some(_) => {}
    }
    let mut joined = Vec::new();
    while joined.len() < most
        && let Some(piece) = queue.front_mut()
    {
        let n = piece.len().min(most - joined.len());
        joined.extend_from_slice(&piece[..n]);
        piece.advance(n);
        if piece.is_empty() {
            queue.pop_front();
        }
    }
    Bytes::from(joined)
}
