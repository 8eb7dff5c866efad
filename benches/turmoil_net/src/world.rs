//! Hosts, tasks, packets and time.

#![expect(clippy::disallowed_types, reason = "the owners of tasks are never iterated")]

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use turmoil_net::{EnterGuard, HostId, KernelConfig, Net, Packet, TcpFlags, TcpSegment, Transport};

use super::sockets::{Listener, Sockets, Stream};

/// What a host runs.
pub type Program = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Everything of one run, on its thread.
pub(super) struct World {
    guard: EnterGuard,
    hosts: Vec<(String, HostId, IpAddr)>,
    latency: Duration,
    packets: BinaryHeap<Reverse<Due>>,
    sent: u64,
    collected: Vec<Packet>,
    clock: Option<Pin<Box<Sleep>>>,
    armed_for: Option<Instant>,
    pub(super) streams: BTreeMap<u64, Stream>,
    pub(super) listeners: BTreeMap<u64, Listener>,
    pub(super) next_key: u64,
}

struct Due(Instant, u64, Packet);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    static OWNERS: RefCell<HashMap<tokio::task::Id, HostId>> = RefCell::default();
    /// The host of the task that is polled.
    static SPEAKING: Cell<Option<HostId>> = const { Cell::new(None) };
    /// Whether anything may have changed since packets were last collected.
    static TOUCHED: Cell<bool> = const { Cell::new(true) };
}

/// Further than anybody waits.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Plays programs against each other, each on a host of its own, until the last actor has ended; servers are dropped
/// then. `latency` is one way.
///
/// # Panics
/// If a program panics.
pub fn play(latency: Duration, actors: Vec<(String, Program)>, servers: Vec<(String, Program)>) {
    let thread = std::thread::spawn(move || play_here(latency, actors, servers));
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn play_here(latency: Duration, actors: Vec<(String, Program)>, servers: Vec<(String, Program)>) {
    // Its retransmission counts passes instead of time, so it is switched off: what is lost stays lost.
    let mut net = Net::with_config(KernelConfig::default().retx_threshold(u32::MAX));
    let hosts = actors.iter().chain(&servers).map(|(name, _)| {
        let id = net.add_host(name.as_str());
        (name.clone(), id, net.lookup(name))
    });
    let hosts: Vec<_> = hosts.collect();
    let ids: Vec<_> = hosts.iter().map(|(_, id, _)| *id).collect();
    let world = World {
        guard: net.enter(),
        hosts,
        latency,
        packets: BinaryHeap::new(),
        sent: 0,
        collected: Vec::new(),
        clock: None,
        armed_for: None,
        streams: BTreeMap::new(),
        listeners: BTreeMap::new(),
        next_key: 1,
    };
    WORLD.with(|slot| *slot.borrow_mut() = Some(world));
    let seam = halfopen_net::engine::install(Rc::new(Sockets));
    let runtime = runtime();
    runtime.block_on(async {
        with(|world| world.clock = Some(Box::pin(tokio::time::sleep(NEVER))));
        tokio::task::spawn_local(std::future::poll_fn(poll_clock));
        let (acting, serving) = ids.split_at(actors.len());
        let serving = start(serving, servers);
        let mut acting = start(acting, actors);
        while let Some(ended) = acting.join_next().await {
            ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        drop(serving);
    });
    with(|world| world.clock = None);
    drop(runtime);
    drop(seam);
    // Sockets before the guard: closing one needs its kernel.
    let sockets = with(|world| (std::mem::take(&mut world.streams), std::mem::take(&mut world.listeners)));
    drop(sockets);
    drop(WORLD.with(|slot| slot.borrow_mut().take()));
}

fn start(hosts: &[HostId], programs: Vec<(String, Program)>) -> JoinSet<()> {
    let mut roots = JoinSet::new();
    for (host, (_, program)) in hosts.iter().zip(programs) {
        SPEAKING.set(Some(*host));
        roots.spawn_local(program());
        SPEAKING.set(None);
    }
    roots
}

fn runtime() -> tokio::runtime::LocalRuntime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .start_paused(true)
        .rng_seed(tokio::runtime::RngSeed::from_bytes(b"reference"))
        .on_task_spawn(|meta| {
            if let Some(host) = SPEAKING.get() {
                OWNERS.with(|owners| owners.borrow_mut().insert(meta.id(), host));
            }
        })
        .on_before_task_poll(|meta| {
            TOUCHED.set(true);
            SPEAKING.set(OWNERS.with(|owners| owners.borrow().get(&meta.id()).copied()));
        })
        .on_after_task_poll(|_| SPEAKING.set(None))
        .on_task_terminate(|meta| {
            OWNERS.with(|owners| owners.borrow_mut().remove(&meta.id()));
        })
        .on_thread_park(|| {
            WORLD.with(|slot| {
                if let Some(world) = slot.borrow_mut().as_mut() {
                    world.collect();
                }
            });
        });
    builder.build_local(Default::default()).expect("a runtime can be built")
}

/// Works with this thread's world.
pub(super) fn with<T>(work: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with(|slot| work(slot.borrow_mut().as_mut().expect("the world is there while its sockets are used")))
}

/// The host that is speaking.
pub(super) fn speaking() -> HostId {
    SPEAKING.get().expect("a socket is asked for by a host's task")
}

fn poll_clock(cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
    with(|world| {
        while let Some(clock) = world.clock.as_mut()
            && clock.as_mut().poll(cx).is_ready()
        {
            world.deliver_due();
            world.arm();
        }
        std::task::Poll::Pending
    })
}

impl World {
    pub(super) fn address_of(&self, name: &str) -> Option<IpAddr> {
        self.hosts.iter().find(|(host, ..)| host == name).map(|(_, _, address)| *address)
    }

    /// Sends what processes have written.
    fn collect(&mut self) {
        if !TOUCHED.replace(false) {
            return;
        }
        let mut collected = std::mem::take(&mut self.collected);
        self.guard.egress_all(&mut collected);
        for packet in collected.drain(..) {
            self.send(packet);
        }
        self.collected = collected;
        self.arm();
    }

    fn send(&mut self, packet: Packet) {
        self.sent += 1;
        self.packets.push(Reverse(Due(Instant::now() + self.latency, self.sent, packet)));
    }

    fn deliver_due(&mut self) {
        let now = Instant::now();
        while self.packets.peek().is_some_and(|Reverse(due)| due.0 <= now) {
            if let Some(Reverse(due)) = self.packets.pop() {
                TOUCHED.set(true);
                self.guard.deliver(due.2);
            }
        }
    }

    fn arm(&mut self) {
        let next = self.packets.peek().map(|Reverse(due)| due.0);
        if next != self.armed_for {
            self.armed_for = next;
            if let Some(clock) = self.clock.as_mut() {
                clock.as_mut().reset(next.unwrap_or_else(|| Instant::now() + NEVER));
            }
        }
    }

    /// Ends a connection as a zero linger does, which this stack does not know: both ends are given a forged RST.
    pub(super) fn abort(&mut self, local: SocketAddr, peer: SocketAddr) {
        self.send(rst(local, peer));
        self.guard.deliver(rst(peer, local));
        self.arm();
    }
}

fn rst(from: SocketAddr, to: SocketAddr) -> Packet {
    let segment = TcpSegment {
        src_port: from.port(),
        dst_port: to.port(),
        seq: 0,
        ack: 0,
        flags: TcpFlags { rst: true, ..TcpFlags::default() },
        window: 0,
        payload: bytes::Bytes::new(),
    };
    Packet { src: from.ip(), dst: to.ip(), ttl: 64, payload: Transport::Tcp(segment) }
}
