//! Addresses and ports: what a host can bind, what its connections are sent from, and which listener they reach.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::connection::Connection;
use super::machines::EPHEMERAL_PORTS;
use super::{ConnectionIndex, Fabric, HostId};
use crate::name::Side;

/// The way of a connection.
pub(crate) struct Route {
    pub(crate) server: HostId,
    pub(crate) to: SocketAddr,
    pub(crate) from: IpAddr,
    /// The client's socket speaks IPv6 and the connection IPv4.
    pub(crate) mapped: bool,
}

impl Fabric {
    /// Where a connection of `own` to an address leads, and from where it is sent.
    ///
    /// # Errors
    /// As Linux's, when there is no way.
    pub(crate) fn route(&self, own: HostId, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Route> {
        let wanted = to.ip().to_canonical();
        let (server, ip) = match wanted {
            IpAddr::V4(v4) if v4.is_unspecified() => (own, IpAddr::V4(Ipv4Addr::LOCALHOST)),
            IpAddr::V6(v6) if v6.is_unspecified() => (own, IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ip if ip.is_loopback() => (own, ip),
            ip => match self.machines.by_address(ip) {
                Some(server) => (server, ip),
                None => {
                    let text = format!("no host has the address {ip}");
                    return Err(io::Error::new(io::ErrorKind::HostUnreachable, text));
                }
            },
        };
        let usual = match ip {
            IpAddr::V4(v4) if v4.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip if ip.is_loopback() => ip,
            _ => self.machines.get(own).address,
        };
        let from = match from.map(|from| from.to_canonical()).filter(|from| !from.is_unspecified()) {
            None => usual,
            Some(from) => {
                self.check_own(own, from)?;
                if from.is_loopback() && server != own {
                    let text = format!("{from} is the host's own loopback address, and {ip} is another host's");
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                from
            }
        };
        let mapped = to.is_ipv6() && ip.is_ipv4();
        Ok(Route { server, to: SocketAddr::new(ip, to.port()), from, mapped })
    }

    /// Whether a socket of a host can be bound to an address.
    ///
    /// # Errors
    /// `AddrNotAvailable`.
    pub(super) fn check_own(&self, host: HostId, ip: IpAddr) -> io::Result<()> {
        let ip = ip.to_canonical();
        if ip.is_unspecified() || ip.is_loopback() || self.machines.get(host).address == ip {
            Ok(())
        } else {
            Err(io::ErrorKind::AddrNotAvailable.into())
        }
    }

    /// The address that a socket of a host is bound to by `bind(2)`, with a port where none was chosen. It is taken when the
    /// socket listens or connects.
    ///
    /// # Errors
    /// As those of `bind(2)`.
    pub(crate) fn bind(&mut self, host: HostId, at: SocketAddr, reuse: bool) -> io::Result<SocketAddr> {
        self.check_own(host, at.ip())?;
        let port = match at.port() {
            0 => self.port_to_bind(host, at.ip(), reuse)?,
            _ if self.is_taken(host, at, reuse) => return Err(io::ErrorKind::AddrInUse.into()),
            port => port,
        };
        Ok(SocketAddr::new(at.ip(), port))
    }

    /// Whether an address of a host is taken for a socket that is bound to it: by a listener, or by a connection, unless both
    /// have said `SO_REUSEADDR`.
    pub(super) fn is_taken(&self, host: HostId, address: SocketAddr, reuse: bool) -> bool {
        if self.listens_on(host, address) {
            return true;
        }
        self.connections.iter().any(|connection| {
            [Side::Client, Side::Server].into_iter().any(|side| {
                let end = connection.end(side);
                end.host == host
                    && end.tcp.address().port() == address.port()
                    && overlap(end.tcp.address().ip(), address.ip())
                    && !(reuse && end.tcp.options().reuse_address)
                    && self.occupies(connection, side)
            })
        })
    }

    fn listens_on(&self, host: HostId, address: SocketAddr) -> bool {
        self.listeners.iter().any(|listener| {
            listener.open
                && listener.address.port() == address.port()
                && overlap(listener.address.ip(), address.ip())
                && listener.host == host
        })
    }

    /// Whether there is a connection of these addresses. On loopback one that is over is none (`tcp_tw_reuse = 2`).
    pub(super) fn is_connection(&self, client: HostId, from: SocketAddr, to: SocketAddr) -> bool {
        self.connections.iter().any(|connection| {
            !(to.ip().is_loopback() && connection.client.tcp.time_wait().is_some())
                && connection.client.host == client
                && connection.client.tcp.address() == from
                && connection.server.tcp.address() == to
                && self.occupies(connection, Side::Client)
        })
    }

    /// Whether one end of a connection still takes its addresses.
    fn occupies(&self, connection: &Connection, side: Side) -> bool {
        let end = connection.end(side);
        match end.tcp.time_wait() {
            _ if end.tcp.is_reset() => false,
            Some(until) => until > self.now,
            None => !connection.ended && (side == Side::Client || end.life.is_some()),
        }
    }

    /// The listener of a host that a connection to one of its addresses reaches.
    pub(super) fn listener_for(&self, host: HostId, to: SocketAddr) -> Option<usize> {
        self.listeners.iter().position(|listener| {
            listener.open
                && listener.address.port() == to.port()
                && accepts(listener.address.ip(), to.ip())
                && listener.host == host
        })
    }

    /// A port for a listener that wants any.
    pub(super) fn port_to_bind(&mut self, host: HostId, ip: IpAddr, reuse: bool) -> io::Result<u16> {
        for _ in 0..EPHEMERAL_PORTS {
            let (port, _) = self.machines.ephemeral_port(host);
            if !self.is_taken(host, SocketAddr::new(ip, port), reuse) {
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// A port for a connection that is bound to none.
    pub(super) fn port_to_connect(&mut self, host: HostId, ip: IpAddr) -> io::Result<u16> {
        for _ in 0..EPHEMERAL_PORTS {
            let (port, again) = self.machines.ephemeral_port(host);
            let last = self.last_from.get(&(host, port)).filter(|_| again);
            let is_taken = last.is_some_and(|index| self.occupies(self.connection(*index), Side::Client));
            if !is_taken && !self.listens_on(host, SocketAddr::new(ip, port)) {
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// A connection is sent from a port.
    pub(super) fn note_port(&mut self, host: HostId, port: u16, index: ConnectionIndex) {
        self.last_from.insert((host, port), index);
    }
}

/// Whether two sockets of these addresses would get in each other's way. One that is bound to any IPv6 address hears IPv4
/// as well.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    accepts(one, other) || accepts(other, one)
}

/// Whether a socket that is bound to an address hears what is sent to another.
fn accepts(bound: IpAddr, to: IpAddr) -> bool {
    let (bound, to) = (bound.to_canonical(), to.to_canonical());
    bound == to || (bound.is_unspecified() && (bound.is_ipv6() || to.is_ipv4()))
}

/// How a socket of IPv6 shows an address of IPv4.
pub(super) fn shown(address: SocketAddr, mapped: bool) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) if mapped => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_whom_is_as_on_linux() {
        let hears =
            |bound: &str, to: &str| accepts(bound.parse().expect("an address"), to.parse().expect("an address"));
        for (bound, to) in [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.2"),
            ("0.0.0.0", "192.168.0.1"),
            ("::", "::1"),
            ("::", "127.0.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
        ] {
            assert!(hears(bound, to), "{bound} hears {to}");
        }
        for (bound, to) in
            [("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "192.168.0.1"), ("::1", "127.0.0.1"), ("0.0.0.0", "::1")]
        {
            assert!(!hears(bound, to), "{bound} does not hear {to}");
        }
    }
}
