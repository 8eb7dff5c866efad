//! The three backends on which a cell is played: Linux's sockets, the simulated network, and turmoil-net.

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use halfopen::fault::Fault;
use halfopen::internals::{Arrivals, HostSpec};
use halfopen::trace::RecordKind;
use halfopen::{Catalogue, FactKind, HostContext, Plan, Scenario, Seed};
use halfopen_net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::cell::{ByVerb, Cell, Observer};
use crate::peer::Peer;
use crate::{client, coordination, peer, server, websocket};

/// One way, in both simulations.
const LATENCY: Duration = Duration::from_millis(1);

/// How a simulation runs its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Interleaved,
    /// Interleaved, and packets arrive between the calls of a poll.
    BetweenCalls,
}

/// Where a cell is being played, as its programs see it.
#[derive(Clone)]
pub(crate) struct Backend {
    said: Said,
    /// Whether sockets are Linux's.
    pub(crate) is_linux: bool,
    /// What takes longer does not happen. On Linux it is short: a wait that ends is found by the longer one.
    never: Duration,
}

#[derive(Clone)]
enum Said {
    Lines(Arc<Mutex<Vec<String>>>),
    Facts(HostContext),
}

impl Backend {
    fn real(lines: &Arc<Mutex<Vec<String>>>) -> Self {
        Self { said: Said::Lines(lines.clone()), is_linux: true, never: Duration::from_millis(300) }
    }

    fn turmoil_net(lines: &Arc<Mutex<Vec<String>>>) -> Self {
        Self { said: Said::Lines(lines.clone()), is_linux: false, never: Duration::from_secs(12) }
    }

    pub(crate) fn simulated(cx: HostContext) -> Self {
        Self { said: Said::Facts(cx), is_linux: false, never: Duration::from_secs(12) }
    }

    /// Connects to the one of that name, who listens or will.
    pub(crate) async fn connect(&self, name: &'static str) -> io::Result<TcpStream> {
        TcpStream::connect(self.authority(name).await).await
    }

    /// Where the one of that name listens, or will.
    pub(crate) async fn authority(&self, name: &'static str) -> String {
        let port = coordination::port().await;
        format!("{}:{port}", if self.is_linux { "127.0.0.1" } else { name })
    }

    /// Listens.
    pub(crate) async fn listen(&self) -> TcpListener {
        // In a simulation a host has an address of its own; on Linux no other process may reach it.
        let address = if self.is_linux { "127.0.0.1:0" } else { "0.0.0.0:0" };
        let listener = TcpListener::bind(address).await.expect("a port is free");
        coordination::announce(listener.local_addr().expect("a listener has an address").port());
        listener
    }

    /// Notes what was seen.
    pub(crate) fn say(&self, line: impl Display) {
        match &self.said {
            Said::Lines(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_string()),
            Said::Facts(cx) => cx.fact(FactKind::Gauge, SEEN, line),
        }
    }

    /// Lets everything that is on its way arrive.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Lets what was done reach the other end. On Linux it has: loopback delivers within the call.
    pub(crate) async fn pass(&self) {
        if !self.is_linux {
            self.settle().await;
        }
    }

    /// What comes of something that is expected to come to an end; `None` if it does not.
    pub(crate) async fn soon<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_secs(10), what).await.ok()
    }

    /// What comes of something that is expected never to.
    pub(crate) async fn never<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.never, what).await.ok()
    }
}

/// The key of the facts that the simulation's observer tells.
const SEEN: &str = "seen";

/// What is seen on Linux.
pub(crate) fn on_linux(cell: &Cell) -> Vec<String> {
    let (observer, peer) = (cell.observer.clone(), cell.peer.clone());
    linux(move |backend| async move {
        let peer = tokio::task::spawn_local(peer::play(backend.clone(), peer));
        observe(backend, observer).await;
        peer.abort();
    })
}

/// What a program says on Linux.
pub(crate) fn linux<R: Future<Output = ()>>(program: impl FnOnce(Backend) -> R + Send + 'static) -> Vec<String> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let backend = Backend::real(&lines);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(LocalSet::new().run_until(program(backend)));
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    taken(&lines)
}

/// What is seen on turmoil-net.
pub(crate) fn on_turmoil(cell: &Cell) -> Vec<String> {
    let (observer, peer) = (cell.observer.clone(), cell.peer.clone());
    turmoil(("observer", move |backend| observe(backend, observer)), ("peer", move |backend| peer::play(backend, peer)))
}

/// What two programs say on turmoil-net, each on a host of its own, until the first has ended.
pub(crate) fn turmoil<A, B>(
    actor: (&str, impl FnOnce(Backend) -> A + Send + 'static),
    server: (&str, impl FnOnce(Backend) -> B + Send + 'static),
) -> Vec<String>
where
    A: Future<Output = ()> + 'static,
    B: Future<Output = ()> + 'static,
{
    type Running = Pin<Box<dyn Future<Output = ()>>>;
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let (here, there) = (Backend::turmoil_net(&lines), Backend::turmoil_net(&lines));
    let first: halfopen_turmoil_net::Program = Box::new(move || Box::pin((actor.1)(here)) as Running);
    let second: halfopen_turmoil_net::Program = Box::new(move || Box::pin((server.1)(there)) as Running);
    halfopen_turmoil_net::play(LATENCY, vec![(actor.0.to_owned(), first)], vec![(server.0.to_owned(), second)]);
    taken(&lines)
}

fn taken(lines: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What is seen in the simulation when the peer makes the fault.
pub(crate) fn in_the_simulation(cell: &Cell, seed: u64, way: Way) -> Vec<String> {
    simulate(cell, &cell.peer, Vec::new(), seed, way)
}

/// What is seen in the simulation when a plan makes the fault.
pub(crate) fn by_verb(cell: &Cell, by: &ByVerb, seed: u64, way: Way) -> Vec<String> {
    simulate(cell, &by.peer, vec![by.fault.clone()], seed, way)
}

fn simulate(cell: &Cell, peer: &Peer, faults: Vec<Fault>, seed: u64, way: Way) -> Vec<String> {
    let (observer, peer) = (cell.observer.clone(), peer.clone());
    let catalogue = Catalogue::new("", "")
        .host("peer", move |cx| {
            let peer = peer.clone();
            async move {
                tokio::select! {
                    () = peer::play(Backend::simulated(cx.clone()), peer) => cx.stopped().await,
                    () = cx.stopped() => {}
                }
                Ok(())
            }
        })
        .actor("observer", move |cx| {
            let observer = observer.clone();
            async move {
                observe(Backend::simulated(cx), observer).await;
                Ok(())
            }
        });
    let by = if faults.is_empty() { "peer" } else { "verb" };
    let mut scenario = Scenario::new(format!("cell_{}_by_{by}", cell.row), cell.fault)
        .with_host(HostSpec::host("peer", "peer"))
        .with_host(HostSpec::actor("observer", "observer"));
    scenario.network.interleaved = way != Way::Plain;
    scenario.network.arrivals = (way == Way::BetweenCalls).then_some(Arrivals::BetweenCalls);
    simulation(&catalogue, scenario, faults, seed)
}

/// What the programs of a scenario say.
pub(crate) fn simulation(catalogue: &Catalogue, mut scenario: Scenario, faults: Vec<Fault>, seed: u64) -> Vec<String> {
    scenario.network.link.latency = LATENCY;
    scenario.settle = Duration::from_secs(1);
    let scenario = scenario.checked().unwrap_or_else(|error| panic!("{error}"));
    let name = scenario.name.clone();
    let plan = Plan { scenario, seed: Seed(seed), faults };
    let outcome = catalogue.run(&plan).unwrap_or_else(|error| panic!("{name}: {error}"));
    let seen = outcome.trace.records.iter().filter_map(|record| match &record.what {
        RecordKind::Fact(fact) if fact.key == SEEN => Some(fact.value.clone().unwrap_or_default()),
        RecordKind::BrokenRule { rule, detail } => Some(format!("VIOLATION {rule}: {detail}")),
        _ => None,
    });
    seen.collect()
}

async fn observe(backend: Backend, observer: Observer) {
    match observer {
        Observer::WebSocket(observer) => websocket::play(&backend, &observer).await,
        Observer::Server(observer) => server::play(&backend, &observer).await,
        Observer::Client(observer) => client::play(&backend, &observer).await,
    }
}
