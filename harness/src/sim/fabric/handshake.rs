//! Opening connections: SYN, listeners and their backlog, refusals.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::connection::{Connection, End, EndState, Packet, Path, Wakers};
use super::failures::outcome;
use super::hosts::{HostId, LifeId};
use super::options::Options;
use super::ports::Route;
use super::retransmission::{syn_gives_up, syn_wait};
use super::{ConnectionIndex, Due, Network, Socket};
use crate::name::{ConnectionId, Direction, Side};
use crate::plane::{ConnectVerdict, ConnectionKey, Effect, Plane};
use crate::trace::ConnectionEvent;

/// The most that a listener may ask for (`net.core.somaxconn`).
const LARGEST_BACKLOG: u32 = 4096;

/// The plane's question at a first SYN, or at a later one.
type AskPlane = fn(&mut Plane, ConnectionKey, &ConnectionId, Duration, &mut Vec<Effect>) -> ConnectVerdict;

/// A listening socket.
pub(crate) struct Listener {
    pub(crate) life: LifeId,
    pub(crate) address: SocketAddr,
    pub(crate) backlog: usize,
    /// Established and not yet accepted.
    pub(crate) queue: VecDeque<ConnectionIndex>,
    /// Answered and not yet established.
    pub(crate) half_open: usize,
    pub(crate) acceptors: Wakers,
    pub(crate) open: bool,
    /// What accepted connections begin with, as on Linux.
    pub(crate) options: Options,
    pub(crate) armed: Vec<super::failures::ArmedError>,
}

impl Network {
    /// Listens; the result is the listener's number.
    ///
    /// # Errors
    /// As those of `bind(2)` and `listen(2)`.
    pub(crate) fn listen(&mut self, life: LifeId, at: SocketAddr, backlog: u32, options: Options) -> io::Result<u32> {
        let host = self.hosts.life(life).host;
        self.check_own(host, at.ip())?;
        let port = match at.port() {
            0 => self.port_to_bind(host, at.ip(), options.reuse_address)?,
            _ if self.is_taken(host, at, options.reuse_address) => return Err(io::ErrorKind::AddrInUse.into()),
            port => port,
        };
        self.listeners.push(Listener {
            life,
            address: SocketAddr::new(at.ip(), port),
            backlog: backlog.min(LARGEST_BACKLOG) as usize,
            queue: VecDeque::new(),
            half_open: 0,
            acceptors: Wakers::default(),
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
        life: LifeId,
        to: SocketAddr,
        from: Option<SocketAddr>,
        options: Options,
    ) -> io::Result<Socket> {
        let client = self.hosts.life(life).host;
        let route = self.route(client, to, from.map(|from| from.ip()))?;
        let from = SocketAddr::new(route.from, self.own_port(client, from, &route, options)?);
        let server = route.server;
        let link = self.link(client, server);
        let parameters = self.links.between(&link.client, &link.server);
        let id = self.next_id(link);
        let index = ConnectionIndex(self.connections.len() as u32);
        self.note_port(client, from.port(), index);
        let mut connection = Connection {
            id: id.clone(),
            link: parameters,
            client: End::new(client, Some(life), from, parameters, options),
            server: End::new(server, None, route.to, parameters, Options::default()),
            to_server: Path::new(),
            to_client: Path::new(),
            syns: 0,
            taint: Vec::new(),
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
                self.bite(fault, index, || Packet::Syn.describe(Direction::ToServer));
                self.put(index, Direction::ToClient, Packet::Rst { forged: Some(fault) });
                return;
            }
            ConnectVerdict::Fail(fault, kind) => return self.fail_connect(index, fault, kind),
            ConnectVerdict::Hang(fault) => self.bite(fault, index, || Packet::Syn.describe(Direction::ToServer)),
        }
        let connection = self.connection_mut(index);
        connection.syns += 1;
        let n = connection.syns;
        let linear_timeouts = connection.link.tcp_syn_linear_timeouts;
        if let Some(wait) = syn_wait(n, linear_timeouts) {
            self.schedule.push(self.now + wait, Due::SynRetry(index, n));
        }
    }

    /// The nth SYN has found no answer in its time.
    pub(super) fn retry_syn(&mut self, index: ConnectionIndex, n: u32) {
        let connection = self.connection(index);
        if connection.client.state != EndState::Connecting || connection.client.reset {
            return;
        }
        if !syn_gives_up(n, connection.link.tcp_syn_linear_timeouts) {
            self.try_syn(index, Plane::retry);
            return;
        }
        let mut wakers = std::mem::take(&mut self.to_wake);
        let end = &mut self.connection_mut(index).client;
        end.reset = true;
        end.error = Some(io::ErrorKind::TimedOut);
        end.wake_all(&mut wakers);
        self.to_wake = wakers;
        self.record_connection(index, ConnectionEvent::TimedOut);
    }

    pub(super) fn receive_syn(&mut self, index: ConnectionIndex) {
        let server = &self.connection(index).server;
        match server.state {
            EndState::SynReceived => {
                self.put(index, Direction::ToClient, Packet::SynAck);
                return;
            }
            EndState::Connecting => {}
            EndState::Established | EndState::Closed | EndState::Forgotten => return,
        }
        let to = server.address;
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
        connection.client.window = receive_buffer(&options);
        let server = &mut connection.server;
        server.window = receive_buffer(&connection.client.options);
        server.options = options;
        server.mapped = mapped;
        server.no_delay = options.no_delay;
        server.send_buffer_bytes = options.send_buffer_bytes.unwrap_or(link.send_buffer_bytes) as usize;
        server.life = Some(life);
        server.state = EndState::SynReceived;
        self.put(index, Direction::ToClient, Packet::SynAck);
    }

    pub(super) fn receive_syn_ack(&mut self, index: ConnectionIndex) {
        let mut wakers = std::mem::take(&mut self.to_wake);
        let client = &mut self.connection_mut(index).client;
        let wanted = client.state == EndState::Connecting && !client.reset;
        if wanted {
            client.state = EndState::Established;
            client.wake_all(&mut wakers);
        }
        let repeated = matches!(client.state, EndState::Established) && !wanted;
        self.to_wake = wakers;
        if wanted {
            self.begin_patience(Socket { connection: index, side: Side::Client });
            self.record_connection(index, ConnectionEvent::Established);
            self.put(index, Direction::ToServer, Packet::Ack);
            self.transmit(Socket { connection: index, side: Side::Client });
        } else if !repeated {
            self.put(index, Direction::ToServer, Packet::Rst { forged: None });
        }
    }

    pub(super) fn receive_final_ack(&mut self, index: ConnectionIndex) {
        let server = &self.connection(index).server;
        if server.state != EndState::SynReceived || server.reset {
            return;
        }
        let (host, to) = (server.host, server.address);
        self.connection_mut(index).server.state = EndState::Established;
        let mut wakers = std::mem::take(&mut self.to_wake);
        let accepted = match self.listener_for(host, to) {
            Some(number) => {
                let listener = &mut self.listeners[number];
                listener.half_open = listener.half_open.saturating_sub(1);
                listener.queue.push_back(index);
                listener.acceptors.drain_into(&mut wakers);
                true
            }
            None => false,
        };
        self.to_wake = wakers;
        if accepted {
            let mut effects = std::mem::take(&mut self.effects);
            self.plane.established(index.into(), self.now, &mut effects);
            self.apply(&mut effects);
            self.effects = effects;
        } else {
            self.abort_end(Socket { connection: index, side: Side::Server });
        }
    }

    /// An answered attempt has come to nothing: its place in the backlog is free, and no process ever held it.
    pub(super) fn leave_backlog(&mut self, index: ConnectionIndex) {
        let server = &mut self.connection_mut(index).server;
        server.state = EndState::Closed;
        let (host, to) = (server.host, server.address);
        if let Some(number) = self.listener_for(host, to) {
            let listener = &mut self.listeners[number];
            listener.half_open = listener.half_open.saturating_sub(1);
        }
    }

    /// The next established connection of a listener.
    pub(crate) fn accept(&mut self, number: u32) -> Option<(Socket, SocketAddr)> {
        let index = self.listeners[number as usize].queue.pop_front()?;
        let socket = Socket { connection: index, side: Side::Server };
        self.begin_patience(socket);
        Some((socket, self.addresses(socket).1))
    }

    /// How a started connection stands.
    pub(crate) fn connected(&mut self, socket: Socket) -> Option<io::Result<()>> {
        let client = &mut self.connection_mut(socket.connection).client;
        if client.state == EndState::Established {
            return Some(Ok(()));
        }
        if let Some(kind) = client.failed {
            self.observe(socket, "connect", outcome(kind));
            return Some(Err(kind.error()));
        }
        let kind = if client.reset { client.error.take() } else { return None };
        let kind = kind.unwrap_or(io::ErrorKind::ConnectionRefused);
        let server = self.connection(socket.connection).server.host;
        let taints: Vec<_> = self.host_taint.iter().filter(|(host, _)| *host == server).map(|(_, f)| *f).collect();
        for fault in taints {
            self.bite(fault, socket.connection, || Packet::Syn.describe(Direction::ToServer));
        }
        self.observe(socket, "connect", format!("{kind:?}"));
        Some(Err(kind.into()))
    }

    /// Registers a task that waits for the end of the handshake.
    pub(crate) fn wait_connected(
        &mut self,
        socket: Socket,
        cx: &std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.connection_mut(socket.connection).client.writers.register(cx);
        std::task::Poll::Pending
    }
}
