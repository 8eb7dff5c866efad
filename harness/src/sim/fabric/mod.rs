//! The simulated network: byte-stream TCP between hosts, with the fault plane in the middle of every path.
//!
//! Sans-IO: it is told the time, takes socket calls and answers with bytes, errors and wakers. Every event touches
//! its own connection only.
//!
//! - `connection`: what a connection is made of; `queue`: what waits in it.
//! - `schedule`: what happens next.
//! - `calls`: what a process asks of its sockets.
//! - `transmit`: from a sender's buffer through the plane onto a path.
//! - `arrival`: from a path into a receiver; `between`: in the middle of a poll.
//! - `handshake`: SYN, listeners, refusals; `ports`: addresses.
//! - `effects`: what the plane's answers do; `custody`: what it keeps meanwhile.
//! - `failures`: calls and lookups that faults make fail.
//! - `shaping`: delays, and lines that are slow.
//! - `severance`: how sockets end with their process or machine.
//! - `retransmission`: Linux's timers; `patience`: when it gives up; `options`: what its sockets are told.
//! - `census`: what is open, for reports.

mod arrival;
mod between;
mod calls;
mod census;
mod connection;
mod custody;
mod effects;
mod failures;
mod handshake;
mod options;
mod patience;
mod ports;
mod queue;
mod retransmission;
mod schedule;
mod severance;
mod shaping;
mod transmit;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use self::connection::Connection;
pub(crate) use self::connection::PacketDigest;
use self::failures::ArmedLookup;
pub(crate) use self::failures::LookedUp;
pub(crate) use self::handshake::Listener;
pub(crate) use self::options::Options;
use self::schedule::Schedule;
pub(crate) use self::schedule::{ConnectionIndex, Due};
use super::hosts::{self, HostId, Hosts};
use super::journal::Journal;
use crate::fault::{FaultIndex, HalfOpenKind};
use crate::name::{ConnectionId, Direction, HostName, Link, Side};
use crate::plane::{Effect, Hold, HostAct, Mode, Plane};
use crate::scenario::{Arrivals, LinkParameters};
use crate::seed::{Draws, SeedTree};
use crate::trace::{ConnectionEvent, FaultEvent, RecordKind};

/// What the network between hosts is like.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Between hosts that have no entry of their own.
    pub(crate) usual: LinkParameters,
    /// By pair; both orders are looked up.
    pub(crate) pairs: BTreeMap<(HostName, HostName), LinkParameters>,
}

impl Links {
    fn between(&self, a: &HostName, b: &HostName) -> LinkParameters {
        if a == b {
            return LinkParameters { latency: Duration::ZERO, middlebox: None, ..self.usual };
        }
        let pair = self.pairs.get(&(a.clone(), b.clone())).or_else(|| self.pairs.get(&(b.clone(), a.clone())));
        pair.copied().unwrap_or(self.usual)
    }
}

/// One end of one connection: what a stream's key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Socket {
    pub(crate) connection: ConnectionIndex,
    pub(crate) side: Side,
}

/// Something that the network cannot do itself: processes belong to the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostOrder {
    pub(crate) host: HostId,
    pub(crate) act: HostAct,
    pub(crate) fault: FaultIndex,
}

/// The network of one run.
pub(crate) struct Network {
    pub(crate) now: Duration,
    pub(crate) hosts: Hosts,
    pub(crate) journal: Journal,
    pub(crate) plane: Plane,
    pub(crate) schedule: Schedule,
    links: Links,
    connections: Vec<Connection>,
    listeners: Vec<Listener>,
    nth_on_link: BTreeMap<Link, u32>,
    /// By host and port, the connection that was last sent from there.
    last_from: BTreeMap<(HostId, u16), ConnectionIndex>,
    /// To be woken when nothing is borrowed.
    pub(crate) to_wake: Vec<Waker>,
    holds: Vec<(FaultIndex, Hold)>,
    lookups: Vec<ArmedLookup>,
    orders: Vec<HostOrder>,
    effects: Vec<Effect>,
    jitter: Draws,
    bitten: BTreeSet<FaultIndex>,
    answered: BTreeSet<FaultIndex>,
    /// Faults of hosts whose first outcome may still be seen on a connection made later.
    host_taint: Vec<(HostId, FaultIndex)>,
    buffered_bytes: usize,
    /// Whether calls are cut short and yields are thrown in by seed.
    interleaved: bool,
    /// Decides which packets arrive between two calls of one poll, if any do.
    between_calls: Option<Draws>,
    /// Arrivals that are due, and are kept for the polls of this instant.
    postponed: Vec<(ConnectionIndex, Direction)>,
}

impl Network {
    pub(crate) fn new(plane: Plane, links: Links, seeds: &SeedTree, interleaved: bool, arrivals: Arrivals) -> Self {
        let between_calls = match arrivals {
            Arrivals::BetweenPolls => None,
            Arrivals::BetweenCalls => Some(seeds.child("arrivals").draws()),
        };
        Self {
            now: Duration::ZERO,
            hosts: Hosts::default(),
            journal: Journal::new(),
            plane,
            schedule: Schedule::new(seeds.child("ties").draws()),
            links,
            connections: Vec::new(),
            listeners: Vec::new(),
            nth_on_link: BTreeMap::new(),
            last_from: BTreeMap::new(),
            to_wake: Vec::new(),
            holds: Vec::new(),
            lookups: Vec::new(),
            orders: Vec::new(),
            effects: Vec::new(),
            jitter: seeds.child("jitter").draws(),
            bitten: BTreeSet::new(),
            answered: BTreeSet::new(),
            host_taint: Vec::new(),
            buffered_bytes: 0,
            interleaved,
            between_calls,
            postponed: Vec::new(),
        }
    }

    /// When something happens next without any process's doing.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        match (self.schedule.next_at(), self.plane.next_deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Does everything that is due at `now`; hosts that are to start are returned in order. Before tasks are polled, some
    /// arrivals may be left for between their calls.
    pub(crate) fn advance(&mut self, now: Duration, before_polls: bool) -> Vec<HostId> {
        self.now = now;
        let mut starts = Vec::new();
        loop {
            let planned = self.plane.next_deadline().is_some_and(|at| at <= now);
            if planned {
                let mut effects = std::mem::take(&mut self.effects);
                self.plane.timeout(now, &mut effects);
                self.apply(&mut effects);
                self.effects = effects;
            }
            match self.schedule.pop_due(now) {
                Some(Due::Arrival(index, direction)) if before_polls && self.postpones() => {
                    self.postponed.push((index, direction));
                }
                Some(Due::Arrival(index, direction)) => self.arrive(index, direction),
                Some(Due::Space(index, direction)) => self.regain_space(index, direction),
                Some(Due::Custody(index, direction)) => self.vouch(index, direction),
                Some(Due::SynRetry(index, n)) => self.retry_syn(index, n),
                Some(Due::RetryBudget(index, direction)) => self.spend_retry_budget(index, direction),
                Some(Due::UserTimeout(index, direction)) => self.check_blocked(index, direction),
                Some(Due::KeepAlive(index, direction)) => self.probe(index, direction),
                Some(Due::Retransmit(index, direction)) => self.retransmit(index, direction),
                Some(Due::Start(host)) => starts.push(host),
                // What the plane did may be due at once.
                None if planned => {}
                None => return starts,
            }
        }
    }

    /// Shows the plane a tracing event of a host.
    pub(crate) fn observe_event(&mut self, host: HostId, event: &crate::trace::LogEvent) {
        let name = self.hosts.host(host).name.clone();
        let mut effects = std::mem::take(&mut self.effects);
        self.plane.event(&name, event, self.now, &mut effects);
        self.apply(&mut effects);
        self.effects = effects;
    }

    pub(crate) fn take_orders(&mut self) -> Vec<HostOrder> {
        std::mem::take(&mut self.orders)
    }

    /// Bytes that sockets hold, written and not yet sent or received and not yet read (a path holds at most a window
    /// more); the run's memory bound reads it.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    fn connection(&self, index: ConnectionIndex) -> &Connection {
        &self.connections[index.0 as usize]
    }

    fn connection_mut(&mut self, index: ConnectionIndex) -> &mut Connection {
        &mut self.connections[index.0 as usize]
    }

    fn record_connection(&mut self, index: ConnectionIndex, event: ConnectionEvent) {
        let id = self.connection(index).id.clone();
        self.journal.push(self.now, None, RecordKind::Connection { id, event });
    }

    /// Records the first packet that a fault changed, and that the connection is no longer what it would have been.
    fn bite(&mut self, fault: FaultIndex, index: ConnectionIndex, packet: impl FnOnce() -> String) {
        if fault == FaultIndex::MIDDLEBOX {
            return;
        }
        let taint = &mut self.connection_mut(index).taint;
        if !taint.contains(&fault) {
            taint.push(fault);
        }
        if self.bitten.insert(fault) {
            let event = FaultEvent::FirstPacket { packet: packet() };
            self.journal.push(self.now, None, RecordKind::Fault { fault, event });
        }
    }

    /// Records what a process saw of its socket, and which faults that was the first outcome of.
    fn observe(&mut self, socket: Socket, call: &'static str, outcome: String) {
        let connection = &mut self.connections[socket.connection.0 as usize];
        let end = connection.end_mut(socket.side);
        if end.told.as_ref().is_some_and(|(last_call, last)| *last_call == call && *last == outcome) {
            return;
        }
        end.told = Some((call, outcome.clone()));
        let host = end.host;
        let Some(life) = end.life else { return };
        let id = connection.id.clone();
        let taint = std::mem::take(&mut connection.taint);
        self.journal.push(
            self.now,
            Some(self.hosts.name_of_life(life)),
            RecordKind::Observed { connection: id, side: socket.side, call: call.to_owned(), outcome: outcome.clone() },
        );
        for fault in taint {
            self.answer(fault, host, format!("{call}: {outcome}"));
        }
    }

    /// Records the first outcome of a fault that an endpoint saw.
    fn answer(&mut self, fault: FaultIndex, observer: HostId, outcome: String) {
        if self.answered.insert(fault) {
            let observer = self.hosts.host(observer).name.clone();
            self.journal.push(
                self.now,
                None,
                RecordKind::Fault { fault, event: FaultEvent::FirstOutcome { observer, outcome } },
            );
        }
    }

    fn link(&self, client: HostId, server: HostId) -> Link {
        Link { client: self.hosts.host(client).name.clone(), server: self.hosts.host(server).name.clone() }
    }

    fn next_id(&mut self, link: Link) -> ConnectionId {
        let nth = self.nth_on_link.entry(link.clone()).or_insert(0);
        *nth += 1;
        ConnectionId { nth: *nth, link }
    }

    /// Whether packets of one direction of a connection are held, and by which fault.
    fn holding(&self, index: ConnectionIndex, direction: Direction) -> Option<FaultIndex> {
        if self.holds.is_empty() {
            return None;
        }
        let Link { client, server } = &self.connection(index).id.link;
        let (sender, receiver) = match direction {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        self.holds
            .iter()
            .find(|(_, hold)| match hold {
                Hold::Host(host) => host == sender || host == receiver,
                Hold::Between(a, b) => (a == sender && b == receiver) || (a == receiver && b == sender),
                Hold::OneWay { from, to } => from == sender && to == receiver,
            })
            .map(|(fault, _)| *fault)
    }

    /// Whether packets of a direction vanish, acknowledgements included.
    fn blackholed(&self, index: ConnectionIndex, direction: Direction) -> bool {
        matches!(self.connection(index).path(direction).mode, Mode::Silent(HalfOpenKind::Blackhole, _))
    }

    /// Stops the plane's interest in a connection that both ends are done with.
    fn maybe_end(&mut self, index: ConnectionIndex) {
        let connection = self.connection_mut(index);
        if connection.client.held() || connection.server.held() || connection.ended {
            return;
        }
        let done = |end: &connection::End| end.reset || end.unsent.is_empty();
        let quiet = |path: &connection::Path| {
            path.in_flight.is_empty()
                && path.held.is_empty()
                && path.lost.is_empty()
                && path.unanswered.is_empty()
                && !path.lost_fin
        };
        if done(&connection.client)
            && done(&connection.server)
            && quiet(&connection.to_server)
            && quiet(&connection.to_client)
        {
            connection.ended = true;
            self.plane.ended(index.into());
        }
    }

    /// The address that `host` sees for itself.
    pub(crate) fn address_of(&self, host: HostId, port: u16) -> SocketAddr {
        SocketAddr::new(self.hosts.host(host).address, port)
    }
}
