//! The state of one end, and what its process asks of it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes};

use super::options::Options;
use super::queue::Queue;

/// How long the addresses of a connection stay taken at the end that closed it first (`TCP_TIMEWAIT_LEN`).
pub(super) const TIME_WAIT: Duration = Duration::from_secs(60);

/// Where one end is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndState {
    /// The client has sent its SYN; the server does not know of it yet.
    Connecting,
    /// The server has answered; the third packet is missing.
    SynReceived,
    /// Both know.
    Established,
    /// The process let go of it: the kernel finishes on its own.
    Closed,
    /// The machine forgot it.
    Forgotten,
}

/// The sender's own FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    Open,
    /// Behind what is unsent.
    Queued,
    Sent,
}

/// What becomes of an end that its process closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nothing: its process does not hold it any more.
    NotHeld,
    /// It is to be aborted: input is unread, the linger time is zero, or there is no connection to finish.
    Abort,
    /// What was written leaves, and then the FIN.
    Finish,
}

/// One end. What every packet needs comes first: with many connections open, memory is what a packet costs.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Endpoint {
    /// Received and not yet read.
    pub(super) received: Queue<Bytes>,
    pub(super) received_bytes: usize,
    pub(super) unsent_bytes: usize,
    /// Sent and not yet acknowledged.
    pub(super) unacknowledged: usize,
    /// What the peer's window still takes.
    pub(super) window: usize,
    /// What the process can write before any of it is acknowledged.
    pub(super) send_buffer_bytes: usize,
    /// Received bytes for which the peer's window is open already: injected ones, and those that a path kept.
    pub(super) surplus: usize,
    /// How much was ever sent, and how much of that when the last small segment left.
    pub(super) sent: u64,
    pub(super) small_sent: u64,
    pub(super) state: EndState,
    pub(super) fin: Fin,
    /// The peer's FIN was received.
    pub(super) fin_received: bool,
    /// An RST was received, or the kernel gave up.
    pub(super) reset: bool,
    /// Whether it matters when the peer was last heard.
    pub(super) is_probed: bool,
    /// Written and not yet sent.
    pub(super) unsent: VecDeque<Bytes>,
    pub(super) address: SocketAddr,
    pub(super) options: Options,
    /// When the peer was last heard, and how many probes it has not answered since.
    pub(super) last_heard: Duration,
    pub(super) probes: u32,
    /// Reported once, to whichever call comes first.
    pub(super) error: Option<io::ErrorKind>,
    /// When the peer's FIN came.
    pub(super) fin_received_at: Duration,
    /// Until when it takes its addresses although the connection is over, where it closed first.
    pub(super) time_wait: Option<Duration>,
}

impl Endpoint {
    /// An end before its handshake. The peer's window is known when the peer has answered.
    pub(crate) fn new(address: SocketAddr, options: Options, send_buffer_bytes: usize) -> Self {
        Self {
            received: Queue::new(),
            received_bytes: 0,
            unsent_bytes: 0,
            unacknowledged: 0,
            window: 0,
            send_buffer_bytes,
            surplus: 0,
            sent: 0,
            small_sent: 0,
            state: EndState::Connecting,
            fin: Fin::Open,
            fin_received: false,
            reset: false,
            is_probed: false,
            unsent: VecDeque::new(),
            address,
            options,
            last_heard: Duration::ZERO,
            probes: 0,
            error: None,
            fin_received_at: Duration::ZERO,
            time_wait: None,
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> EndState {
        self.state
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether an RST was received, or the kernel has given up or been told to abort.
    #[inline]
    pub(crate) fn is_reset(&self) -> bool {
        self.reset
    }

    /// Whether its process still holds it.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(self.state, EndState::Closed | EndState::Forgotten)
    }

    #[inline]
    pub(crate) fn received_bytes(&self) -> usize {
        self.received_bytes
    }

    #[inline]
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// When the peer's FIN came, if it has.
    pub(crate) fn fin_received_at(&self) -> Option<Duration> {
        self.fin_received.then_some(self.fin_received_at)
    }

    /// Whether both FINs have passed here.
    pub(crate) fn has_finished(&self) -> bool {
        self.fin == Fin::Sent && self.fin_received
    }

    /// Until when it takes its addresses although the connection is over, where it closed first.
    pub(crate) fn time_wait(&self) -> Option<Duration> {
        self.time_wait
    }

    /// The state's name in RFC 9293's words, lower case; the two FIN-WAITs are one.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.reset {
            return "closed";
        }
        match (self.state, self.fin, self.fin_received) {
            (EndState::Connecting, ..) => "syn_sent",
            (EndState::SynReceived, ..) => "syn_received",
            (EndState::Established, Fin::Open, false) => "established",
            (EndState::Established, Fin::Open, true) => "close_wait",
            (EndState::Established, Fin::Queued | Fin::Sent, false) => "fin_wait",
            (EndState::Established, Fin::Queued | Fin::Sent, true) => "last_ack",
            (EndState::Closed | EndState::Forgotten, ..) => "closed",
        }
    }

    /// Whether the process has said that it writes no more.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.fin != Fin::Open
    }

    /// Whether an error is still to be reported.
    pub(crate) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// Whether a read would not wait.
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        self.received_bytes > 0 || self.fin_received || self.reset
    }

    /// Gives up to `most` received bytes to `put`, piece by piece; how many they were.
    #[inline]
    pub(crate) fn read(&mut self, most: usize, mut put: impl FnMut(&[u8])) -> usize {
        let mut left = most.min(self.received_bytes);
        let taken = left;
        while left > 0
            && let Some(piece) = self.received.front_mut()
        {
            let n = piece.len().min(left);
            put(&piece[..n]);
            left -= n;
            if n == piece.len() {
                self.received.pop_front();
            } else {
                piece.advance(n);
            }
        }
        self.received_bytes -= taken;
        taken
    }

    /// A copy of up to `most` received bytes.
    pub(crate) fn peek(&self, most: usize) -> Bytes {
        let mut copy = Vec::with_capacity(most.min(self.received_bytes));
        for piece in self.received.iter() {
            copy.extend_from_slice(&piece[..piece.len().min(most - copy.len())]);
        }
        Bytes::from(copy)
    }

    /// What a read is told where there is nothing to read and nothing to wait for; `None` is the end of the stream, behind which there is no
    /// error to be read.
    pub(crate) fn read_error(&mut self) -> Option<io::ErrorKind> {
        if self.reset && !self.fin_received { self.error.take() } else { None }
    }

    /// Bytes were read. How far that reopens the peer's window: not for what came beyond it, for which it is open already.
    #[inline]
    pub(crate) fn reopen_window(&mut self, bytes: usize) -> usize {
        let surplus = self.surplus.min(bytes);
        self.surplus -= surplus;
        bytes - surplus
    }

    /// What a write is told if this end sends nothing more.
    #[inline]
    pub(crate) fn write_error(&mut self) -> Option<io::ErrorKind> {
        if !self.reset && self.fin == Fin::Open {
            return None;
        }
        Some(if self.reset { self.error.take() } else { None }.unwrap_or(io::ErrorKind::BrokenPipe))
    }

    /// Whether a write would not wait.
    pub(crate) fn is_writable(&self) -> bool {
        self.reset || self.fin != Fin::Open || (self.state == EndState::Established && self.send_space() > 0)
    }

    /// The process will write no more. Whether that is news.
    pub(crate) fn shut_down(&mut self) -> bool {
        let news = !self.reset && self.fin == Fin::Open;
        if news {
            self.fin = Fin::Queued;
        }
        news
    }

    /// The process lets go of it. What it has written is still sent; with input unread (or a zero linger) the peer gets RST instead of
    /// FIN, as on Linux.
    pub(crate) fn close(&mut self) -> Closing {
        if !self.is_held() {
            return Closing::NotHeld;
        }
        let is_connected = !matches!(self.state, EndState::Connecting | EndState::SynReceived);
        if self.reset || !is_connected || self.received_bytes > 0 || self.options.linger_zero {
            return Closing::Abort;
        }
        if self.fin == Fin::Open {
            self.fin = Fin::Queued;
        }
        self.state = EndState::Closed;
        Closing::Finish
    }

    /// Whether the peer is to hear of an abort.
    pub(crate) fn speaks(&self) -> bool {
        !self.reset && matches!(self.state, EndState::SynReceived | EndState::Established)
    }

    /// Ends it at once. Returns how many bytes are thrown away.
    pub(crate) fn abort(&mut self) -> usize {
        self.end_as(EndState::Closed)
    }

    /// Its machine has lost its memory. Returns how many bytes are thrown away.
    pub(crate) fn forget(&mut self) -> usize {
        self.end_as(EndState::Forgotten)
    }

    fn end_as(&mut self, state: EndState) -> usize {
        self.state = state;
        self.reset = true;
        self.received.clear();
        self.discard_unsent() + std::mem::take(&mut self.received_bytes)
    }

    /// The connect call fails.
    pub(crate) fn fail(&mut self, error: Option<io::ErrorKind>) {
        self.reset = true;
        self.error = error;
    }

    /// What a connect call is told, once it has failed; `None` while it goes on.
    pub(crate) fn connect_error(&mut self) -> Option<io::ErrorKind> {
        self.reset.then(|| self.error.take().unwrap_or(io::ErrorKind::ConnectionRefused))
    }

    /// `SO_ERROR`.
    pub(crate) fn take_error(&mut self) -> Option<io::ErrorKind> {
        self.error.take()
    }

    /// What the process sets while it is open.
    pub(crate) fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// How many bytes that were.
    pub(super) fn discard_unsent(&mut self) -> usize {
        self.unsent.clear();
        std::mem::take(&mut self.unsent_bytes)
    }
}
