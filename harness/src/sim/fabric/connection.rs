//! A TCP connection as the fabric keeps it: two ends and the two paths between them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use super::custody::Custody;
use super::failures::ArmedError;
use super::hosts::{HostId, LifeId};
use super::options::Options;
use super::queue::Queue;
use super::shaping::Shape;
use crate::fault::{FaultIndex, IoErrorKind};
use crate::name::{ConnectionId, Direction, Side};
use crate::plane::Mode;
use crate::scenario::LinkParameters;
use crate::trace::words_of;

/// The payload of a full segment: an Ethernet frame less the headers of IP and TCP.
pub(crate) const SEGMENT_BYTES: usize = 1460;

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

/// One end. What every packet needs comes first: with many connections open, memory is what a packet costs.
#[repr(C)]
pub(crate) struct End {
    /// Received and not yet read.
    pub(crate) received: Queue<Bytes>,
    pub(crate) received_bytes: usize,
    pub(crate) unsent_bytes: usize,
    /// Sent and not yet acknowledged.
    pub(crate) unacknowledged: usize,
    /// What the peer's window still takes.
    pub(crate) window: usize,
    /// What the process can write before any of it is acknowledged.
    pub(crate) send_buffer_bytes: usize,
    /// Received bytes for which the peer's window is open already: injected ones, and those that the plane kept.
    pub(crate) surplus: usize,
    /// How much was ever sent, and how much of that when the last small segment left.
    sent: u64,
    small_sent: u64,
    pub(crate) host: HostId,
    /// Whose process holds it; the server's is known from the SYN on.
    pub(crate) life: Option<LifeId>,
    pub(crate) state: EndState,
    pub(crate) fin: Fin,
    /// The peer's FIN was received.
    pub(crate) fin_received: bool,
    /// An RST was received, or the kernel gave up.
    pub(crate) reset: bool,
    /// Small segments leave at once.
    pub(crate) no_delay: bool,
    /// Whether it matters when the peer was last heard.
    pub(crate) is_probed: bool,
    pub(crate) readers: Wakers,
    pub(crate) writers: Wakers,
    pub(crate) armed: Vec<ArmedError>,
    /// Written and not yet sent.
    pub(crate) unsent: VecDeque<Bytes>,
    pub(crate) address: SocketAddr,
    pub(crate) options: Options,
    /// When the peer was last heard, and how many probes it has not answered since.
    pub(crate) last_heard: Duration,
    pub(crate) probes: u32,
    /// Reported once, to whichever call comes first.
    pub(crate) error: Option<io::ErrorKind>,
    /// The last error or end of stream this end's process was told of, so that a repeat is not recorded again.
    pub(crate) told: Option<(&'static str, String)>,
    /// Its socket speaks IPv6 and the connection IPv4.
    pub(crate) mapped: bool,
    /// When the peer's FIN came.
    pub(crate) fin_received_at: Duration,
    /// Until when it takes its addresses although the connection is over, where it closed first.
    pub(crate) time_wait: Option<Duration>,
    /// Whether a call on a dead incarnation's socket has failed once already.
    pub(crate) told_dead: bool,
    /// What its connect call failed with, if a fault made it fail.
    pub(crate) failed: Option<IoErrorKind>,
}

/// The sender's own FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fin {
    Open,
    /// Behind what is unsent.
    Queued,
    Sent,
}

/// Tasks that wait for one thing.
#[derive(Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    /// Empty whenever `first` is. Boxed because it is rare: who waits is mostly one.
    #[expect(clippy::box_collection, reason = "a pointer in what every packet touches, instead of three")]
    others: Option<Box<Vec<Waker>>>,
}

impl Wakers {
    #[inline]
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        match &self.first {
            None => self.first = Some(cx.waker().clone()),
            Some(first) if first.will_wake(cx.waker()) => {}
            Some(_) => self.register_beside(cx),
        }
    }

    #[cold]
    fn register_beside(&mut self, cx: &Context<'_>) {
        let others = self.others.get_or_insert_default();
        if !others.iter().any(|waker| waker.will_wake(cx.waker())) {
            others.push(cx.waker().clone());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Moves every waker to `out`; they are woken when nothing is borrowed any more.
    #[inline]
    pub(crate) fn drain_into(&mut self, out: &mut Vec<Waker>) {
        if let Some(first) = self.first.take() {
            out.push(first);
            if let Some(others) = self.others.take() {
                out.extend(*others);
            }
        }
    }
}

/// What travels on a path.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Syn,
    SynAck,
    Ack,
    Data {
        bytes: Bytes,
        /// How many of the sender's bytes its acknowledgement frees: 0 for injected ones.
        owed: usize,
        /// Who made it, when it was not the sender.
        forged: Option<FaultIndex>,
    },
    Fin {
        forged: Option<FaultIndex>,
    },
    Rst {
        forged: Option<FaultIndex>,
    },
    /// A keepalive segment.
    Probe,
    /// Its acknowledgement.
    ProbeAnswer,
}

impl Packet {
    pub(crate) fn describe(&self, direction: Direction) -> String {
        match self {
            Self::Syn => format!("{direction} SYN"),
            Self::SynAck => format!("{direction} SYN-ACK"),
            Self::Ack => format!("{direction} ACK"),
            Self::Data { bytes, .. } => format!("{direction} data, {} bytes", bytes.len()),
            Self::Fin { .. } => format!("{direction} FIN"),
            Self::Rst { .. } => format!("{direction} RST"),
            Self::Probe => format!("{direction} keepalive"),
            Self::ProbeAnswer => format!("{direction} answer to a keepalive"),
        }
    }
}

/// One direction. What every packet needs comes first.
#[repr(C)]
pub(crate) struct Path {
    pub(crate) mode: Mode,
    /// The plane need not be shown the bytes, as long as it has changed so often and not more.
    pub(crate) indifferent: Option<u32>,
    pub(crate) in_flight: Queue<(Duration, Packet)>,
    /// The latest arrival so far: order is kept however delays change.
    pub(crate) last_arrival: Duration,
    /// On their way back to the sender: acknowledged bytes and reopened window.
    pub(crate) returns: Queue<Return>,
    pub(crate) shapes: Vec<Shape>,
    /// What the plane has to decide on; absent as long as there was never anything.
    pub(crate) custody: Option<Box<Custody>>,
    /// Packets that a partition or freeze holds.
    pub(crate) held: VecDeque<Packet>,
    /// Data that a silence keeps from the receiver; the sender's kernel sends it again after the heal.
    pub(crate) lost: VecDeque<Bytes>,
    pub(crate) lost_fin: bool,
    /// What found the receiving machine without power. The plane has seen it already.
    pub(crate) unanswered: VecDeque<Packet>,
    /// Since when something has been lost.
    pub(crate) lost_since: Option<Duration>,
    /// Since when a closed window has kept data from being sent, if there is a limit to that.
    pub(crate) blocked_since: Option<Duration>,
    /// Bytes that arrived but whose acknowledgement was lost.
    pub(crate) unreported: usize,
    pub(crate) answered_severed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Return {
    pub(crate) at: Duration,
    pub(crate) acknowledged: usize,
    pub(crate) window: usize,
}

pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) link: LinkParameters,
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) to_server: Path,
    pub(crate) to_client: Path,
    /// SYNs sent.
    pub(crate) syns: u32,
    /// Faults that touched this connection and whose first outcome nobody has seen yet.
    pub(crate) taint: Vec<FaultIndex>,
    pub(crate) ended: bool,
}

impl Connection {
    pub(crate) fn end(&self, side: Side) -> &End {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(crate) fn path(&self, direction: Direction) -> &Path {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    pub(crate) fn path_mut(&mut self, direction: Direction) -> &mut Path {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

impl End {
    pub(crate) fn new(
        host: HostId,
        life: Option<LifeId>,
        address: SocketAddr,
        link: LinkParameters,
        options: Options,
    ) -> Self {
        Self {
            host,
            life,
            address,
            state: EndState::Connecting,
            received: Queue::new(),
            received_bytes: 0,
            fin_received: false,
            reset: false,
            error: None,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            unacknowledged: 0,
            // Known when the peer has answered.
            window: 0,
            surplus: 0,
            fin: Fin::Open,
            no_delay: options.no_delay,
            is_probed: false,
            options,
            last_heard: Duration::ZERO,
            probes: 0,
            send_buffer_bytes: options.send_buffer_bytes.unwrap_or(link.send_buffer_bytes) as usize,
            sent: 0,
            small_sent: 0,
            readers: Wakers::default(),
            writers: Wakers::default(),
            armed: Vec::new(),
            told: None,
            mapped: false,
            fin_received_at: Duration::ZERO,
            time_wait: None,
            told_dead: false,
            failed: None,
        }
    }

    /// Whether its process still holds it.
    pub(crate) fn held(&self) -> bool {
        !matches!(self.state, EndState::Closed | EndState::Forgotten)
    }

    /// Whether a read would not wait.
    pub(crate) fn readable(&self) -> bool {
        self.received_bytes > 0 || self.fin_received || self.reset
    }

    /// Moves up to `most` received bytes into `buf`; how many they were.
    #[inline]
    pub(crate) fn take_received(&mut self, buf: &mut ReadBuf<'_>, most: usize) -> usize {
        let mut left = most.min(self.received_bytes);
        let taken = left;
        while left > 0
            && let Some(piece) = self.received.front_mut()
        {
            let n = piece.len().min(left);
            buf.put_slice(&piece[..n]);
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
    pub(crate) fn peek_received(&self, most: usize) -> Bytes {
        let mut copy = Vec::with_capacity(most.min(self.received_bytes));
        for piece in self.received.iter() {
            copy.extend_from_slice(&piece[..piece.len().min(most - copy.len())]);
        }
        Bytes::from(copy)
    }

    pub(crate) fn wake_all(&mut self, out: &mut Vec<Waker>) {
        self.readers.drain_into(out);
        self.writers.drain_into(out);
    }

    /// What the process can still write before its kernel's buffer is full.
    pub(crate) fn send_space(&self) -> usize {
        self.send_buffer_bytes.saturating_sub(self.unsent_bytes + self.unacknowledged)
    }

    /// Bytes leave that the window takes.
    pub(crate) fn note_sent(&mut self, bytes: usize) {
        self.window -= bytes;
        self.unacknowledged += bytes;
        self.sent += bytes as u64;
        if self.unsent_bytes == 0 && !bytes.is_multiple_of(SEGMENT_BYTES) {
            self.small_sent = self.sent;
        }
    }

    /// How many of so many bytes wait because they would be a small segment while another is not acknowledged: Nagle's
    /// algorithm (RFC 9293, 3.7.4) with Minshall's change, as Linux has it. Without delayed acknowledgements a small
    /// segment waits for a round trip at most.
    pub(crate) fn held_back(&self, bytes: usize) -> usize {
        let small_under_way = self.small_sent > self.sent - self.unacknowledged as u64;
        if self.no_delay || !small_under_way { 0 } else { bytes % SEGMENT_BYTES }
    }

    /// How many of the bytes that the window takes wait for more or for an acknowledgement. A segment is small only where
    /// what is written ends; one that a FIN follows is not held back; and what is left of a window is no reason for a small
    /// one (RFC 9293, 3.8.6.2.1) unless no acknowledgement is to come.
    pub(crate) fn kept_for_later(&self, bytes: usize) -> usize {
        let is_last = bytes == self.unsent_bytes;
        if is_last {
            return if self.fin == Fin::Open { self.held_back(bytes) } else { 0 };
        }
        let rest = bytes % SEGMENT_BYTES;
        if rest == bytes && self.unacknowledged == 0 { 0 } else { rest }
    }

    /// How many bytes that were.
    pub(crate) fn discard_unsent(&mut self) -> usize {
        self.unsent.clear();
        std::mem::take(&mut self.unsent_bytes)
    }

    /// How many bytes that were.
    pub(crate) fn discard_received(&mut self) -> usize {
        self.received.clear();
        std::mem::take(&mut self.received_bytes)
    }
}

impl Path {
    pub(crate) fn new() -> Self {
        Self {
            mode: Mode::Pass,
            indifferent: None,
            in_flight: Queue::new(),
            last_arrival: Duration::ZERO,
            held: VecDeque::new(),
            lost: VecDeque::new(),
            lost_fin: false,
            unanswered: VecDeque::new(),
            lost_since: None,
            blocked_since: None,
            unreported: 0,
            returns: Queue::new(),
            custody: None,
            shapes: Vec::new(),
            answered_severed: false,
        }
    }
}

/// The end that a direction's bytes come from.
pub(crate) fn sender(direction: Direction) -> Side {
    match direction {
        Direction::ToServer => Side::Client,
        Direction::ToClient => Side::Server,
    }
}

/// A number that depends on every byte of a packet.
pub(crate) trait PacketDigest {
    fn digest(&self) -> u64;
}

impl PacketDigest for Packet {
    fn digest(&self) -> u64 {
        match self {
            Self::Syn => 1,
            Self::SynAck => 2,
            Self::Ack => 3,
            Self::Data { bytes, owed, forged } => {
                let mut digest = 4 ^ (*owed as u64) << 8 ^ u64::from(forged.is_some()) << 4;
                let mut take = |word: u64| digest = (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
                words_of(bytes, &mut take);
                digest ^ bytes.len() as u64
            }
            Self::Fin { forged } => 5 | u64::from(forged.is_some()) << 4,
            Self::Rst { forged } => 6 | u64::from(forged.is_some()) << 4,
            Self::Probe => 7,
            Self::ProbeAnswer => 8,
        }
    }
}

/// Takes up to `most` bytes off the front of a queue, in one piece, copying only where pieces have to be joined.
pub(crate) fn take_bytes(queue: &mut VecDeque<Bytes>, most: usize) -> Bytes {
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
