//! A TCP connection as the network keeps it: two ends and the two paths between them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::custody::Custody;
use super::failures::ArmedError;
use super::machines::{HostId, LifeId};
use super::packet::Packet;
use super::shaping::Shape;
use super::travel::Travel;
use crate::fault::IoErrorKind;
use crate::name::{ConnectionId, Direction, Side};
use crate::plane::Mode;
use crate::scenario::LinkParameters;
use crate::tcp::{Endpoint, Queue};

/// One end: its TCP, and whose it is.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct End {
    pub(super) tcp: Endpoint,
    /// Whether somebody waits for a write to go on.
    pub(super) is_awaited: bool,
    pub(super) host: HostId,
    /// Whose process holds it; the server's is known from the SYN on.
    pub(super) life: Option<LifeId>,
    /// Calls that faults make fail.
    pub(super) armed: Vec<ArmedError>,
    /// Its socket speaks IPv6 and the connection IPv4.
    pub(super) mapped: bool,
    /// The last error or end of stream that its process was told, so that a repeat is not recorded again.
    pub(super) told: Option<(&'static str, String)>,
    /// What its connect call failed with, if a fault made it fail.
    pub(super) failed: Option<IoErrorKind>,
    /// When keepalive looks at it next.
    pub(super) looked_at: Option<Duration>,
}

impl End {
    pub(super) fn new(host: HostId, life: Option<LifeId>, tcp: Endpoint) -> Self {
        Self {
            tcp,
            is_awaited: false,
            host,
            life,
            armed: Vec::new(),
            mapped: false,
            told: None,
            failed: None,
            looked_at: None,
        }
    }

    /// Whose process it was made for, if it was for one.
    #[inline]
    pub(crate) fn life(&self) -> Option<LifeId> {
        self.life
    }

    /// Whose process holds it, if one does.
    pub(crate) fn holder(&self) -> Option<LifeId> {
        self.life.filter(|_| self.tcp.is_held())
    }

    pub(crate) fn tcp(&self) -> &Endpoint {
        &self.tcp
    }
}

/// One direction. What every packet needs comes first.
#[derive(Debug)]
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
    pub(super) travel: Travel,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Return {
    pub(crate) at: Duration,
    pub(crate) acknowledged: usize,
    pub(crate) window: usize,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) link: LinkParameters,
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) to_server: Path,
    pub(crate) to_client: Path,
    /// SYNs sent.
    pub(crate) syns: u32,
    pub(crate) ended: bool,
}

impl Connection {
    /// Bytes that one end's process has written and that are not acknowledged by then. An acknowledgement that has come back is accounted for
    /// when the sender next looks.
    pub(crate) fn unacknowledged_bytes(&self, side: Side, now: Duration) -> usize {
        let returned = self.path(side.sends()).returns.iter().filter(|back| back.at <= now);
        let acknowledged: usize = returned.map(|back| back.acknowledged).sum();
        let tcp = &self.end(side).tcp;
        tcp.unsent_bytes() + tcp.unacknowledged().saturating_sub(acknowledged)
    }

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

impl Path {
    /// Nothing that was lost is sent again.
    pub(super) fn forget_lost(&mut self) {
        self.lost.clear();
        self.lost_fin = false;
        self.unanswered.clear();
    }

    pub(super) fn new() -> Self {
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
            travel: Travel::default(),
        }
    }
}

/// The end that a direction's bytes come from.
pub(super) fn sender(direction: Direction) -> Side {
    match direction {
        Direction::ToServer => Side::Client,
        Direction::ToClient => Side::Server,
    }
}
