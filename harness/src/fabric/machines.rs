//! The hosts' machines as the network sees them: names, addresses, power, ports.

use std::net::{IpAddr, Ipv4Addr};

use crate::name::HostName;

/// A host of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostId(pub(crate) u32);

/// One life of one host: to the network, whose process holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LifeId(pub(crate) u32);

/// Whether a host's machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// The machine answers; its process may be alive or not.
    On,
    /// Nothing answers.
    Off,
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: HostName,
    pub(crate) address: IpAddr,
    pub(crate) power: Power,
    next_port: u16,
    /// Every ephemeral port has been given once.
    ports_used_up: bool,
}

/// Every machine of a run, in the order of the hosts.
#[derive(Debug, Default)]
pub(crate) struct Machines(Vec<Machine>);

/// Ephemeral ports are Linux's (`ip_local_port_range`).
const FIRST_EPHEMERAL_PORT: u16 = 32768;
const LAST_EPHEMERAL_PORT: u16 = 60999;
/// How many there are.
pub(super) const EPHEMERAL_PORTS: u16 = LAST_EPHEMERAL_PORT - FIRST_EPHEMERAL_PORT + 1;

impl Machines {
    pub(crate) fn add(&mut self, name: HostName) -> HostId {
        let n = self.0.len() as u32;
        let address = IpAddr::V4(Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(192, 168, 0, 0)) + n + 1));
        self.0.push(Machine { name, address, power: Power::On, next_port: FIRST_EPHEMERAL_PORT, ports_used_up: false });
        HostId(n)
    }

    #[inline]
    pub(crate) fn get(&self, host: HostId) -> &Machine {
        &self.0[host.0 as usize]
    }

    pub(crate) fn set_power(&mut self, host: HostId, power: Power) {
        self.0[host.0 as usize].power = power;
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &HostName> {
        self.0.iter().map(|machine| &machine.name)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<HostId> {
        self.0.iter().position(|machine| machine.name.as_str() == name).map(|n| HostId(n as u32))
    }

    pub(super) fn by_address(&self, address: IpAddr) -> Option<HostId> {
        self.0.iter().position(|machine| machine.address == address).map(|n| HostId(n as u32))
    }

    /// The next ephemeral port, and whether it has been given before.
    pub(super) fn ephemeral_port(&mut self, host: HostId) -> (u16, bool) {
        let machine = &mut self.0[host.0 as usize];
        let given = (machine.next_port, machine.ports_used_up);
        if machine.next_port == LAST_EPHEMERAL_PORT {
            machine.next_port = FIRST_EPHEMERAL_PORT;
            machine.ports_used_up = true;
        } else {
            machine.next_port += 1;
        }
        given
    }
}
