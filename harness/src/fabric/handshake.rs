//! Opening connections: SYN, listeners and their backlog, refusals.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::connection::{Connection, End, Path};
use super::failures::{ArmedError, outcome};
use super::packet::Packet;
use super::ports::Route;
use super::{ConnectionIndex, Deadline, Fabric, HostId, LifeId, Output, Ready, Socket};
use crate::name::{ConnectionId, Direction, Side};
use crate::plane::{ConnectVerdict, ConnectionKey, Effect, Plane};
use crate::tcp::{EndState, Endpoint, Options, SynAckReceived, syn_gives_up, syn_wait};
use crate::trace::ConnectionEvent;

/// The most that a listener may ask for (`net.core.somaxconn`).
const LARGEST_BACKLOG: u32 = 4096;

/// The plane's question at a first SYN, or at a later one.
type AskPlane = fn(&mut Plane, ConnectionKey, &ConnectionId, Duration, &mut Vec<Effect>) -> ConnectVerdict;

/// A listening socket.
pub(crate) struct Listener {
    pub(super) host: HostId,
    pub(crate) life: LifeId,
    pub(crate) address: SocketAddr,
    backlog: usize,
    /// Established and not yet accepted.
    pub(super) queue: VecDeque<ConnectionIndex>,
    /// Answered and not yet established.
    half_open: usize,
    pub(super) open: bool,
    /// What accepted connections begin with, as on Linux.
    pub(crate) options: Options,
    pub(super) armed: Vec<ArmedError>,
}

impl Listener {
    /// Whether an accept would not wait.
    pub(crate) fn is_ready(&self) -> bool {
        !self.queue.is_empty() || !self.armed.is_empty()
    }
}

impl Fabric {
    /// Listens; the result is the listener's number.
    ///
    /// # Errors
    /// As those of `bind(2)` and `listen(2)`.
    pub(crate) fn listen(
        &mut self,
        host: HostId,
        life: LifeId,
        at: SocketAddr,
        backlog: u32,
        options: Options,
    ) -> io::Result<u32> {
        let address = self.bind(host, at, options.reuse_address)?;
        self.listeners.push(Listener {
            host,
            life,
            address,
            backlog: backlog.min(LARGEST_BACKLOG) as usize,
            queue: VecDeque::new(),
            half_open: 0,
            open: true,
            options,
            armed: Vec::new(),
        });
        Ok(self.listeners.len() as u32 - 1)
    }

    pub(crate) fn listener(&mut self, number: u32) -> &mut Listener {
        &mut self.listeners[number as usize]
    }

    /// Sends a SYN.
    ///
    /// # Errors
    /// As those of `connect(2)` and of the `bind(2)` before it, of an address that was chosen.
    pub(crate) fn open(
        &mut self,
        client: HostId,
        life: LifeId,
        to: SocketAddr,
        from: Option<SocketAddr>,
        options: Options,
    ) -> io::Result<Socket> {
        let route = self.route(client, to, from.map(|from| from.ip()))?;
        let from = SocketAddr::new(route.from, self.own_port(client, from, &route, options)?);
        let server = route.server;
        let link = self.link(client, server);
        let parameters = self.links.between(&link.client, &link.server);
        let id = self.next_id(link);
        let index = ConnectionIndex(self.connections.len() as u32);
        self.note_port(client, from.port(), index);
        let endpoint = |address, options: Options| {
            Endpoint::new(address, options, options.send_buffer_bytes.unwrap_or(parameters.send_buffer_bytes) as usize)
        };
        let mut connection = Connection {
            id: id.clone(),
            link: parameters,
            client: End::new(client, Some(life), endpoint(from, options)),
            server: End::new(server, None, endpoint(route.to, Options::default())),
            to_server: Path::new(),
            to_client: Path::new(),
            syns: 0,
            ended: false,
        };
        connection.client.mapped = route.mapped;
        self.connections.push(connection);
        self.record_connection(index, ConnectionEvent::Attempted);
        self.try_syn(index, Plane::connect);
        Ok(Socket { connection: index, side: Side::Client })
    }

    /// The port that a connection is sent from, chosen or not.
    fn own_port(
        &mut self,
        client: HostId,
        bound: Option<SocketAddr>,
        route: &Route,
        options: Options,
    ) -> io::Result<u16> {
        let Some(bound) = bound.filter(|bound| bound.port() != 0) else {
            return self.port_to_connect(client, route.from);
        };
        if self.is_taken(client, bound, options.reuse_address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if self.is_connection(client, SocketAddr::new(route.from, bound.port()), route.to) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(bound.port())
    }

    /// A SYN leaves, if the plane lets it.
    fn try_syn(&mut self, index: ConnectionIndex, ask: AskPlane) {
        let id = self.connection(index).id.clone();
        let mut effects = std::mem::take(&mut self.effects);
        let verdict = ask(&mut self.plane, index.into(), &id, self.now, &mut effects);
        self.apply(&mut effects);
        self.effects = effects;
        match verdict {
            ConnectVerdict::Proceed => {
                // Told once: later SYNs belong to the same flow.
                if self.connection(index).syns == 0
                    && let Some(middlebox) = self.connection(index).link.middlebox
                {
                    self.plane.pass_middlebox(index.into(), middlebox);
                }
                self.put(index, Direction::ToServer, Packet::Syn);
            }
            ConnectVerdict::Refuse(fault) => {
                self.record_effect(fault, index, || Packet::Syn.describe(Direction::ToServer));
                self.put(index, Direction::ToClient, Packet::Rst { forged: Some(fault) });
                return;
            }
            ConnectVerdict::Fail(fault, kind) => return self.fail_connect(index, fault, kind),
            ConnectVerdict::Hang(fault) => {
                self.record_effect(fault, index, || Packet::Syn.describe(Direction::ToServer))
            }
        }
        let connection = self.connection_mut(index);
        connection.syns += 1;
        let n = connection.syns;
        let linear_timeouts = connection.link.tcp_syn_linear_timeouts;
        if let Some(wait) = syn_wait(n, linear_timeouts) {
            self.schedule.push(self.now + wait, Deadline::SynRetry(index, n));
        }
    }

    /// The nth SYN has found no answer in its time.
    pub(super) fn retry_syn(&mut self, index: ConnectionIndex, n: u32) {
        let connection = self.connection(index);
        if connection.client.tcp.state() != EndState::Connecting || connection.client.tcp.is_reset() {
            return;
        }
        if !syn_gives_up(n, connection.link.tcp_syn_linear_timeouts) {
            self.try_syn(index, Plane::retry);
            return;
        }
        self.connection_mut(index).client.tcp.fail(Some(io::ErrorKind::TimedOut));
        self.wake(Socket { connection: index, side: Side::Client }, Ready::ForAll);
        self.record_connection(index, ConnectionEvent::TimedOut);
    }

    pub(super) fn receive_syn(&mut self, index: ConnectionIndex) {
        let server = &self.connection(index).server;
        match server.tcp.state() {
            EndState::SynReceived => {
                self.put(index, Direction::ToClient, Packet::SynAck);
                return;
            }
            EndState::Connecting => {}
            EndState::Established | EndState::Closed | EndState::Forgotten => return,
        }
        let to = server.tcp.address();
        let Some(number) = self.listener_for(server.host, to) else {
            self.put(index, Direction::ToClient, Packet::Rst { forged: None });
            return;
        };
        let listener = &mut self.listeners[number];
        if listener.queue.len() + listener.half_open > listener.backlog {
            // A full backlog, which on Linux takes one more than it was told, drops the SYN; the client sends it again.
            return;
        }
        listener.half_open += 1;
        let (life, options) = (listener.life, listener.options);
        let mapped = listener.address.is_ipv6() && to.is_ipv4();
        let connection = self.connection_mut(index);
        let link = connection.link;
        let receive_buffer =
            |options: &Options| options.receive_buffer_bytes.unwrap_or(link.receive_buffer_bytes) as usize;
        connection.client.tcp.open_window(receive_buffer(&options));
        let window = receive_buffer(connection.client.tcp.options());
        let server = &mut connection.server;
        let send_buffer_bytes = options.send_buffer_bytes.unwrap_or(link.send_buffer_bytes) as usize;
        server.tcp.answer_syn(options, send_buffer_bytes, window);
        server.mapped = mapped;
        server.life = Some(life);
        self.put(index, Direction::ToClient, Packet::SynAck);
    }

    pub(super) fn receive_syn_ack(&mut self, index: ConnectionIndex) {
        let client = Socket { connection: index, side: Side::Client };
        match self.end_mut(client).tcp.receive_syn_ack() {
            SynAckReceived::Established => {
                self.wake(client, Ready::ForAll);
                self.begin_timers(client);
                self.record_connection(index, ConnectionEvent::Established);
                self.put(index, Direction::ToServer, Packet::Ack);
                self.transmit(client);
            }
            SynAckReceived::Repeated => {}
            SynAckReceived::Unwanted => self.put(index, Direction::ToServer, Packet::Rst { forged: None }),
        }
    }

    pub(super) fn receive_final_ack(&mut self, index: ConnectionIndex) {
        let server = &mut self.connection_mut(index).server;
        if !server.tcp.receive_final_ack() {
            return;
        }
        let (host, to) = (server.host, server.tcp.address());
        let Some(number) = self.listener_for(host, to) else {
            return self.abort_end(Socket { connection: index, side: Side::Server });
        };
        let listener = &mut self.listeners[number];
        listener.half_open = listener.half_open.saturating_sub(1);
        listener.queue.push_back(index);
        self.outputs.push(Output::WakeAcceptors(number as u32));
        let mut effects = std::mem::take(&mut self.effects);
        self.plane.established(index.into(), self.now, &mut effects);
        self.apply(&mut effects);
        self.effects = effects;
    }

    /// An answered attempt has come to nothing: its place in the backlog is free, and no process ever held it.
    pub(super) fn leave_backlog(&mut self, index: ConnectionIndex) {
        let server = &mut self.connection_mut(index).server;
        server.tcp.leave_backlog();
        let (host, to) = (server.host, server.tcp.address());
        if let Some(number) = self.listener_for(host, to) {
            let listener = &mut self.listeners[number];
            listener.half_open = listener.half_open.saturating_sub(1);
        }
    }

    /// The next established connection of a listener.
    pub(crate) fn accept(&mut self, number: u32) -> Option<(Socket, SocketAddr)> {
        let index = self.listeners[number as usize].queue.pop_front()?;
        let socket = Socket { connection: index, side: Side::Server };
        self.begin_timers(socket);
        Some((socket, self.addresses(socket).1))
    }

    /// How a started connection stands.
    pub(crate) fn connected(&mut self, socket: Socket) -> Option<io::Result<()>> {
        let client = &mut self.connection_mut(socket.connection).client;
        if client.tcp.state() == EndState::Established {
            return Some(Ok(()));
        }
        if let Some(kind) = client.failed {
            self.record_observed(socket, "connect", outcome(kind));
            return Some(Err(kind.error()));
        }
        let kind = client.tcp.connect_error()?;
        let server = self.connection(socket.connection).server.host;
        for fault in self.attribution.of_host(server) {
            self.record_effect(fault, socket.connection, || Packet::Syn.describe(Direction::ToServer));
        }
        self.record_observed(socket, "connect", format!("{kind:?}"));
        Some(Err(kind.into()))
    }
}
