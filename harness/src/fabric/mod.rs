//! The network between hosts: paths and a schedule, with the fault plane in the middle of every path.
//!
//! A core: it is told the time and what processes do with their sockets, moves segments between the two ends of each connection ([`tcp`](crate::tcp)),
//! and answers with [`Output`]s in their order. It knows no task, no waker and no journal. Every event touches its own connection only.
//!
//! - `connection`: two ends and two paths; `packet`: what travels on them; `output`: what the network tells.
//! - `schedule`: what happens next; `machines`: names, addresses, power; `ports`: who hears whom.
//! - `sockets`: what a process does with a socket that does not wait.
//! - `transmit`: from a sender's buffer through the plane onto a path; `shaping`: delays, and lines that are slow.
//! - `arrival`: from a path into a receiver; `between`: in the middle of a poll; `travel`: when units have arrived.
//! - `handshake`: SYN, listeners, refusals; `unreached`: ports that no process listened on; `timers`: keepalive, retry budgets, user timeouts; `teardown`: how sockets end.
//! - `effects`: what the plane's answers do; `custody`: what the plane keeps meanwhile; `failures`: calls and lookups that faults make fail.
//! - `attribution`: which fault had which first effect.

mod arrival;
mod attribution;
mod between;
mod connection;
mod custody;
mod effects;
mod failures;
mod handshake;
mod machines;
mod output;
mod packet;
mod ports;
mod schedule;
mod shaping;
mod sockets;
mod teardown;
mod timers;
mod transmit;
mod travel;
mod unreached;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use self::attribution::Attribution;
use self::connection::Connection;
use self::failures::ArmedLookup;
#[cfg(feature = "sim")]
pub(crate) use self::failures::LookedUp;
use self::handshake::Listener;
pub(crate) use self::machines::{HostId, LifeId, Machines, Power};
pub(crate) use self::output::{Output, Ready, Socket};
use self::schedule::Schedule;
pub(crate) use self::schedule::{ConnectionIndex, Deadline};
#[cfg(feature = "sim")]
pub(crate) use self::sockets::OptionSet;
use crate::fault::{FaultIndex, HalfOpenKind};
use crate::name::{ConnectionId, Direction, HostName, Link};
use crate::plane::{Effect, Hold, HostAct, Mode, Plane};
use crate::scenario::{Arrivals, LinkParameters};
use crate::seed::{Draws, SeedTree};
use crate::trace::{ConnectionEvent, FaultEvent, LogEvent, RecordKind};

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

/// Something that the network cannot do itself: processes belong to the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostOrder {
    pub(crate) host: HostId,
    pub(crate) act: HostAct,
    pub(crate) fault: FaultIndex,
}

/// The network of one run.
pub(crate) struct Fabric {
    pub(crate) now: Duration,
    pub(crate) machines: Machines,
    pub(crate) plane: Plane,
    pub(crate) schedule: Schedule,
    links: Links,
    connections: Vec<Connection>,
    listeners: Vec<Listener>,
    nth_on_link: BTreeMap<Link, u32>,
    /// By host and port, the connection that was last sent from there.
    last_from: BTreeMap<(HostId, u16), ConnectionIndex>,
    /// What has happened and has not been told yet.
    outputs: Vec<Output>,
    /// How many units have been told of.
    units: u32,
    holds: Vec<(FaultIndex, Hold)>,
    lookups: Vec<ArmedLookup>,
    orders: Vec<HostOrder>,
    effects: Vec<Effect>,
    jitter: Draws,
    attribution: Attribution,
    buffered_bytes: usize,
    /// Decides which packets arrive between two calls of one poll, if any do.
    between_calls: Option<Draws>,
    /// Arrivals that are due, and are kept for the polls of this instant.
    postponed: Vec<(ConnectionIndex, Direction)>,
}

impl Fabric {
    pub(crate) fn new(plane: Plane, links: Links, seeds: &SeedTree, arrivals: Arrivals) -> Self {
        let between_calls = match arrivals {
            Arrivals::BetweenPolls => None,
            Arrivals::BetweenCalls => Some(seeds.child("arrivals").draws()),
        };
        Self {
            now: Duration::ZERO,
            machines: Machines::default(),
            plane,
            schedule: Schedule::new(seeds.child("ties").draws()),
            links,
            connections: Vec::new(),
            listeners: Vec::new(),
            nth_on_link: BTreeMap::new(),
            last_from: BTreeMap::new(),
            outputs: Vec::new(),
            units: 0,
            holds: Vec::new(),
            lookups: Vec::new(),
            orders: Vec::new(),
            effects: Vec::new(),
            jitter: seeds.child("jitter").draws(),
            attribution: Attribution::default(),
            buffered_bytes: 0,
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
                Some(Deadline::Arrival(index, direction)) if before_polls && self.postpones() => {
                    self.postponed.push((index, direction));
                }
                Some(Deadline::Arrival(index, direction)) => self.arrive(index, direction),
                Some(Deadline::Space(index, direction)) => self.regain_space(index, direction),
                Some(Deadline::Custody(index, direction)) => self.vouch(index, direction),
                Some(Deadline::SynRetry(index, n)) => self.retry_syn(index, n),
                Some(Deadline::RetryBudget(index, direction)) => self.spend_retry_budget(index, direction),
                Some(Deadline::UserTimeout(index, direction)) => self.check_blocked(index, direction),
                Some(Deadline::KeepAlive(index, direction)) => self.probe(index, direction),
                Some(Deadline::Retransmit(index, direction)) => self.retransmit(index, direction),
                Some(Deadline::Start(host)) => starts.push(host),
                // What the plane did may be due at once.
                None if planned => {}
                None => return starts,
            }
        }
    }

    /// Shows the plane a tracing event of a host.
    pub(crate) fn observe_event(&mut self, host: HostId, event: &LogEvent) {
        let name = self.machines.get(host).name.clone();
        let mut effects = std::mem::take(&mut self.effects);
        self.plane.event(&name, event, self.now, &mut effects);
        self.apply(&mut effects);
        self.effects = effects;
    }

    /// What has happened since the last time, in its order, for as long as `outputs` is empty; its capacity is kept.
    #[inline]
    pub(crate) fn swap_outputs(&mut self, outputs: &mut Vec<Output>) {
        std::mem::swap(&mut self.outputs, outputs);
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

    /// An end of a connection.
    pub(crate) fn end(&self, socket: Socket) -> &connection::End {
        self.connection(socket.connection).end(socket.side)
    }

    fn end_mut(&mut self, socket: Socket) -> &mut connection::End {
        self.connection_mut(socket.connection).end_mut(socket.side)
    }

    /// Every connection of the run, in the order in which they were attempted.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (ConnectionIndex, &Connection)> {
        self.connections.iter().enumerate().map(|(n, connection)| (ConnectionIndex(n as u32), connection))
    }

    fn record(&mut self, whose: Option<LifeId>, what: RecordKind) {
        self.outputs.push(Output::Record { whose, what: Box::new(what) });
    }

    fn record_fault(&mut self, fault: FaultIndex, event: FaultEvent) {
        self.record(None, RecordKind::Fault { fault, event });
    }

    fn record_connection(&mut self, index: ConnectionIndex, event: ConnectionEvent) {
        let id = self.connection(index).id.clone();
        self.record(None, RecordKind::Connection { id, event });
    }

    /// The tasks that wait on a socket look again.
    #[inline]
    fn wake(&mut self, socket: Socket, ready: Ready) {
        match ready {
            Ready::ToRead => {}
            Ready::ToWrite | Ready::ForAll => self.end_mut(socket).is_awaited = false,
        }
        self.outputs.push(Output::Wake(socket, ready));
    }

    /// Records the first packet that a fault changed, and that the connection is no longer what it would have been.
    fn record_effect(&mut self, fault: FaultIndex, index: ConnectionIndex, packet: impl FnOnce() -> String) {
        if fault == FaultIndex::MIDDLEBOX {
            return;
        }
        self.attribution.touch(index, fault);
        self.record_effect_anywhere(fault, packet);
    }

    /// The same where there is no connection.
    fn record_effect_anywhere(&mut self, fault: FaultIndex, packet: impl FnOnce() -> String) {
        if self.attribution.take_effect(fault) {
            self.record_fault(fault, FaultEvent::FirstPacket { packet: packet() });
        }
    }

    /// Records what a process saw of its socket, and which faults that was the first outcome of.
    fn record_observed(&mut self, socket: Socket, call: &'static str, outcome: String) {
        let connection = self.connection_mut(socket.connection);
        let id = connection.id.clone();
        let end = connection.end_mut(socket.side);
        if end.told.as_ref().is_some_and(|(last_call, last)| *last_call == call && *last == outcome) {
            return;
        }
        end.told = Some((call, outcome.clone()));
        let host = end.host;
        // Legal: the process that held this end is gone, and what a kernel sees alone is no outcome.
        let Some(life) = end.life else { return };
        let observed =
            RecordKind::Observed { connection: id, side: socket.side, call: call.to_owned(), outcome: outcome.clone() };
        self.record(Some(life), observed);
        self.record_outcomes(socket.connection, host, &format!("{call}: {outcome}"));
    }

    /// An end of a connection sees something: the outcome of whatever faults touched the connection.
    fn record_outcomes(&mut self, index: ConnectionIndex, observer: HostId, outcome: &str) {
        for fault in self.attribution.take_touched(index) {
            self.record_outcome(fault, observer, outcome.to_owned());
        }
    }

    /// Records the first outcome of a fault that an endpoint saw.
    fn record_outcome(&mut self, fault: FaultIndex, observer: HostId, outcome: String) {
        if self.attribution.observe(fault) {
            let observer = self.machines.get(observer).name.clone();
            self.record_fault(fault, FaultEvent::FirstOutcome { observer, outcome });
        }
    }

    fn link(&self, client: HostId, server: HostId) -> Link {
        Link { client: self.machines.get(client).name.clone(), server: self.machines.get(server).name.clone() }
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
        if connection.client.tcp.is_held() || connection.server.tcp.is_held() || connection.ended {
            return;
        }
        let done = |end: &connection::End| end.tcp.is_reset() || end.tcp.unsent_bytes() == 0;
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
        SocketAddr::new(self.machines.get(host).address, port)
    }
}
