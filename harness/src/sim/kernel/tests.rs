//! The kernel without libc: two hosts on a network without faults.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::ReadBuf;

use super::{Call, Descriptor, Errno, Family, Half, Kernel, Watch};
use crate::fabric::{Fabric, LifeId, Links};
use crate::plane::Plane;
use crate::scenario::{Arrivals, LinkParameters};
use crate::seed::{Seed, SeedTree};
use crate::sim::hosts::State;
use crate::sim::network::Network;
use crate::sim::overrides::EntropyState;

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const READ_HANG_UP: u32 = libc::EPOLLRDHUP as u32;
const HANG_UP: u32 = libc::EPOLLHUP as u32;
const ERROR: u32 = libc::EPOLLERR as u32;
/// What mio asks for.
const ALL: u32 = IN | OUT | READ_HANG_UP | libc::EPOLLET as u32;

struct World {
    kernel: Kernel,
    network: Network,
    server: LifeId,
    client: LifeId,
}

impl World {
    fn new() -> Self {
        let seeds = SeedTree::new(Seed(1));
        let links = Links { usual: LinkParameters::default(), pairs: Default::default() };
        let fabric = Fabric::new(Plane::new(&[]), links, &seeds, Arrivals::BetweenPolls);
        let mut network = Network::new(fabric, false);
        let mut life = |name: &str| {
            let host = network.add_host(name.into());
            network.begin_life(host, EntropyState([1; 4]), seeds.child(name).draws())
        };
        let (server, client) = (life("server"), life("client"));
        Self { kernel: Kernel::new(1, BTreeSet::new()), network, server, client }
    }

    fn on(&mut self, life: LifeId) -> Call<'_> {
        Call { kernel: &mut self.kernel, network: &mut self.network, speaker: Some(life) }
    }

    /// Lets everything arrive that is under way, for so long.
    fn pass(&mut self, time: Duration) {
        let end = self.network.fabric.now + time;
        while let Some(at) = self.network.fabric.next_at().filter(|at| *at <= end) {
            self.network.fabric.advance(at, false);
            self.network.carry_out();
        }
        self.network.fabric.now = end;
        self.network.carry_out();
    }

    /// What the runtime is told: the events, by what they are told with.
    fn told(&mut self) -> Vec<(u64, u32)> {
        let mut told = Vec::new();
        let client = self.client;
        self.on(client).ready(16, false, |events, data| told.push((data, events)));
        told
    }

    fn listener(&mut self) -> Descriptor {
        let server = self.server;
        let mut call = self.on(server);
        let listener = call.socket(Family::V4, true).expect("a host speaks");
        call.bind(listener, address("0.0.0.0:80")).expect("it is free");
        call.listen(listener, 128).expect("it is bound");
        call.watch(listener, Watch::Begin(ALL, 0)).expect("it is open");
        listener
    }

    /// A connection: the client's end, told with 1, and the server's, told with 2.
    fn connected(&mut self) -> (Descriptor, Descriptor) {
        let listener = self.listener();
        let (server, client) = (self.server, self.client);
        let near = self.on(client).socket(Family::V4, true).expect("a host speaks");
        assert_eq!(self.on(client).connect(near, address("192.168.0.1:80")), Err(Errno::IN_PROGRESS));
        self.on(client).watch(near, Watch::Begin(ALL, 1)).expect("it is open");
        assert_eq!(self.told(), [], "nothing is known yet");
        self.pass(Duration::from_secs(1));
        assert_eq!(self.told(), [(1, OUT), (0, IN)]);
        assert_eq!(self.on(client).connect(near, address("192.168.0.1:80")), Ok(()));
        let (far, peer) = self.on(server).accept(listener, true).expect("it has arrived");
        assert_eq!(Ok(peer), self.on(client).local_address(near));
        self.on(server).watch(far, Watch::Begin(ALL, 2)).expect("it is open");
        assert_eq!(self.told(), [(2, OUT)]);
        (near, far)
    }

    fn read(&mut self, life: LifeId, socket: Descriptor, most: usize) -> Result<Vec<u8>, Errno> {
        let mut room = vec![0; most];
        let mut buf = ReadBuf::new(&mut room);
        self.on(life).read(socket, &mut buf, false)?;
        Ok(buf.filled().to_vec())
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn bytes_and_ends_arrive_and_each_is_told_once() {
    let mut world = World::new();
    let (near, far) = world.connected();
    let (server, client) = (world.server, world.client);
    assert_eq!(world.on(client).write(near, b"hello"), Ok(5));
    assert_eq!(world.read(server, far, 8), Err(Errno::AGAIN));
    assert_eq!(world.read(server, far, 0), Err(Errno::AGAIN), "as any other");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.told(), [(2, IN | OUT)]);
    assert_eq!(world.told(), [], "an edge is told once");
    assert_eq!(world.read(server, far, 8), Ok(b"hello".to_vec()));
    assert_eq!(world.read(server, far, 8), Err(Errno::AGAIN));
    assert_eq!(world.on(client).shutdown(near, Half::Write), Ok(()));
    assert_eq!(world.on(client).write(near, b"more"), Err(Errno::BROKEN_PIPE));
    world.pass(Duration::from_secs(1));
    assert!(world.told().contains(&(2, IN | OUT | READ_HANG_UP)));
    assert_eq!(world.read(server, far, 8), Ok(vec![]));
    assert_eq!(world.on(server).close(far), Ok(()));
    assert_eq!(world.on(server).close(far), Err(Errno::BAD_DESCRIPTOR));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.told(), [(1, IN | OUT | READ_HANG_UP | HANG_UP)]);
}

/// tokio takes a short read for the last of what is there, and waits for the next edge.
#[test]
fn a_read_that_leaves_something_behind_raises_another_edge() {
    let mut world = World::new();
    let (near, far) = world.connected();
    let (server, client) = (world.server, world.client);
    world.on(client).write(near, b"x").expect("there is room");
    world.on(client).shutdown(near, Half::Write).expect("it is open");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.told().len(), 2);
    assert_eq!(world.read(server, far, 8), Ok(b"x".to_vec()), "shorter than it might be");
    assert_eq!(world.told(), [(2, IN | OUT | READ_HANG_UP)], "and the end is still there");
}

#[test]
fn a_writer_without_room_is_told_when_there_is_some() {
    let mut world = World::new();
    let (near, far) = world.connected();
    let (server, client) = (world.server, world.client);
    let chunk = vec![7; 1 << 20];
    let mut written = 0;
    let short = loop {
        let n = world.on(client).write(near, &chunk).expect("there is room");
        written += n;
        world.pass(Duration::from_secs(1));
        if n < chunk.len() {
            break n;
        }
    };
    assert!(short > 0);
    while world.on(client).write(near, &chunk).is_ok_and(|n| {
        written += n;
        true
    }) {
        world.pass(Duration::from_secs(1));
    }
    assert!(world.network.waiting().iter().any(|wait| wait.on.starts_with("write on")));
    world.told();
    let mut read = 0;
    while let Ok(bytes) = world.read(server, far, 1 << 20) {
        read += bytes.len();
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(read, written);
    assert!(world.told().contains(&(1, OUT)));
    assert_eq!(world.on(client).write(near, b"x"), Ok(1));
}

#[test]
fn a_refused_connect_is_told_as_an_error_and_asked_for_once() {
    let mut world = World::new();
    let client = world.client;
    let near = world.on(client).socket(Family::V4, true).expect("a host speaks");
    assert_eq!(world.on(client).connect(near, address("192.168.0.1:81")), Err(Errno::IN_PROGRESS));
    assert_eq!(world.on(client).connect(near, address("192.168.0.1:81")), Err(Errno::ALREADY));
    world.on(client).watch(near, Watch::Begin(ALL, 1)).expect("it is open");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.told(), [(1, IN | OUT | READ_HANG_UP | HANG_UP | ERROR)]);
    let error = |world: &mut World| world.on(client).option(near, libc::SOL_SOCKET, libc::SO_ERROR);
    assert_eq!(error(&mut world), Ok(super::Value::Number(libc::ECONNREFUSED)));
    assert_eq!(error(&mut world), Ok(super::Value::Number(0)));
    assert_eq!(world.on(client).peer_address(near), Err(Errno::NOT_CONNECTED));
}

#[test]
fn what_a_dead_process_is_told_makes_nobody_try_for_ever() {
    for is_end_told in [false, true] {
        let mut world = World::new();
        let (near, far) = world.connected();
        let (server, client) = (world.server, world.client);
        if is_end_told {
            world.on(client).shutdown(near, Half::Write).expect("it is open");
            world.pass(Duration::from_secs(1));
            world.told();
        }
        world.network.fabric.close_sockets_of(server, None);
        world.network.hosts.life_mut(server).state = State::Dead;
        world.network.carry_out();
        assert!(world.told().iter().all(|(_, events)| events & (HANG_UP | READ_HANG_UP | ERROR) == 0));
        assert_eq!(world.read(server, far, 8), Err(Errno(libc::ECONNRESET)));
        let (read, written) = (world.read(server, far, 8), world.on(server).write(far, b"x"));
        if is_end_told {
            assert_eq!((read, written), (Ok(vec![]), Err(Errno::BROKEN_PIPE)));
        } else {
            assert_eq!((read, written), (Err(Errno::AGAIN), Err(Errno::AGAIN)));
        }
        let attempt = world.on(server).socket(Family::V4, true).expect("a host speaks");
        assert_eq!(world.on(server).connect(attempt, address("192.168.0.2:1")), Err(Errno::IN_PROGRESS));
        world.on(server).watch(attempt, Watch::Begin(ALL, 3)).expect("it is open");
        world.pass(Duration::from_secs(1000));
        assert!(world.told().iter().all(|(data, _)| *data != 3), "nothing is ever heard of it");
    }
}

#[test]
fn a_socket_that_blocks_is_named_where_it_would() {
    let mut world = World::new();
    let (near, _) = world.connected();
    let client = world.client;
    world.on(client).set_nonblocking(near, false).expect("it is open");
    assert_eq!(world.on(client).write(near, b"x"), Ok(1));
    assert_eq!(world.kernel.take_stray(), None, "there was room");
    assert_eq!(world.read(client, near, 1), Err(Errno::AGAIN));
    assert!(world.kernel.take_stray().is_some_and(|(call, _)| call == "read on a socket that blocks"));
}

#[test]
fn calls_that_mean_nothing_fail_as_on_linux() {
    let mut world = World::new();
    let listener = world.listener();
    let (server, client) = (world.server, world.client);
    let mut call = world.on(server);
    assert_eq!(call.bind(listener, address("0.0.0.0:1")), Err(Errno::INVALID));
    assert_eq!(call.connect(listener, address("127.0.0.1:1")), Err(Errno::IS_CONNECTED));
    assert_eq!(call.write(listener, b"x"), Err(Errno::NOT_CONNECTED));
    assert_eq!(call.watch(listener, Watch::Begin(ALL, 0)), Err(Errno::EXISTS));
    let fresh = call.socket(Family::V4, true).expect("a host speaks");
    assert_eq!(call.watch(fresh, Watch::End), Err(Errno::NO_ENTRY));
    assert_eq!(call.accept(fresh, true), Err(Errno::INVALID));
    assert_eq!(call.bind(fresh, address("[::1]:1")), Err(Errno::OTHER_FAMILY));
    assert_eq!(call.bind(fresh, address("0.0.0.0:80")), Err(Errno(libc::EADDRINUSE)));
    assert_eq!(call.bind(fresh, address("192.168.0.2:1")), Err(Errno(libc::EADDRNOTAVAIL)));
    assert_eq!(call.bind(fresh, address("127.0.0.1:0")), Ok(()));
    assert_ne!(call.local_address(fresh).expect("it is bound").port(), 0, "a port is chosen at once");
    assert_eq!(world.on(client).connect(fresh, address("10.0.0.1:1")), Err(Errno(libc::EHOSTUNREACH)));
    let nobody = Call { kernel: &mut world.kernel, network: &mut world.network, speaker: None };
    assert_eq!({ nobody }.socket(Family::V4, true), Err(Errno::ACCESS));
}
