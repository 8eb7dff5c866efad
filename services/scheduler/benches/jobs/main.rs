//! Jobs per second through a scheduler and one echo node, over real loopback sockets: submit, assignment, result and
//! acknowledgement, on two WebSockets.
//!
//! `cargo bench -p halfopen-scheduler --bench jobs`
//!
//! The scheduler, the node and the load generator are tasks of one multi-threaded runtime with a thread for each
//! processor: the figure is what a whole machine does that is all three of them. The generator is there twice: bare
//! WebSockets that speak the protocol and nothing else, which check every job's way, and `halfopen-client`.
//!
//! # Where the time goes
//!
//! Bare WebSockets, no log, two processors; percent of all samples. The generator's sockets are polled by the same
//! threads, so much of its share is in the last column.
//!
//! | doing | scheduler | node | generator | tokio's threads |
//! |---|---|---|---|---|
//! | system calls and the kernel's TCP | 18 | 0 | 1 | 12 |
//! | the core (broker; node; the generator) | 19 | 8 | 1 | |
//! | tokio: tasks, channels, timers | 9 | 3 | | 9 |
//! | JSON, both ways | 5 | 3 | 1 | 0 |
//! | WebSocket: frames, masks, buffers | 4 | 0 | 1 | 3 |
//! | the task of the broker: gauges, counts, queues | 2 | | | |
//!
//! Nothing dominates. The kernel's part is a write for each message on each WebSocket; the node's is a search through all
//! that it has at work, which a capacity of 1,024 makes long.
//!
//! Made by these; `areas.awk` gives each sample to its innermost frame that names an area, allocation to its caller:
//!
//! ```text
//! CARGO_PROFILE_BENCH_DEBUG=line-tables-only cargo bench -p halfopen-scheduler --bench jobs --no-run
//! timeout 10 perf record -F 199 --call-graph dwarf,16384 -o jobs.perf target/release/deps/jobs-<hash> --bench
//! perf script --no-inline -F comm,tid,ip,sym -i jobs.perf | awk -f services/scheduler/benches/jobs/areas.awk | sort -rn
//! ```

mod halfopen_session;
mod lean_session;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halfopen_link::LinkConfig;
use halfopen_scheduler::node::{self, NodeConfig, WorkerConfig};
use halfopen_scheduler::{Config, Exit, Server};
use tokio_util::sync::CancellationToken;

use halfopen_session::HalfopenSession;
use lean_session::LeanSession;

const SESSIONS: usize = 64;
/// Jobs of one session that are without an outcome, at every moment of a round but its end.
pub(crate) const IN_FLIGHT: usize = 16;
/// Jobs of one session in one round.
const JOBS: usize = 300;
/// Rounds that count, after `WARM_UP` that do not.
const ROUNDS: usize = 7;
const WARM_UP: usize = 2;

/// No round takes so long: a job has been lost.
const NEVER: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // Without `--bench` it was built by `cargo test`, which wants no figures.
    if arguments.iter().any(|argument| argument == "--list") || !arguments.iter().any(|argument| argument == "--bench")
    {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

#[expect(clippy::print_stdout, reason = "the figures are the benchmark's product")]
async fn measure() {
    let services = Services::start().await;
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{processors} processors; {SESSIONS} sessions x {IN_FLIGHT} jobs in flight, {ROUNDS} rounds of {JOBS} jobs each, jobs/s:"
    );
    let lean = rounds(services.address, LeanSession::connect).await;
    println!("  lean sessions, no log            {lean}");
    let whole = rounds(services.address, HalfopenSession::connect).await;
    println!("  halfopen-client, no log          {whole}");
    // As the processes log, with their default filter; what it costs the terminal or the disk is not measured.
    tracing_subscriber::fmt().with_env_filter("info").with_ansi(false).with_writer(io::sink).init();
    let logging = rounds(services.address, LeanSession::connect).await;
    println!("  lean sessions, log at info       {logging}");
    services.stop().await;
}

/// A scheduler and a node that work until they are stopped.
struct Services {
    address: SocketAddr,
    shutdown: CancellationToken,
    scheduler: tokio::task::JoinHandle<Exit>,
    node: tokio::task::JoinHandle<()>,
}

impl Services {
    async fn start() -> Self {
        let capacity = (SESSIONS * IN_FLIGHT) as u32;
        // A node takes twice its capacity, and all of it may wait in one queue.
        let link = LinkConfig { queue: 4 * SESSIONS * IN_FLIGHT, ..LinkConfig::default() };
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), link: link.clone(), ..Config::default() };
        config.limits.node_capacity = capacity;
        let server = Server::bind(config).await.expect("a good configuration and a free port");
        let address = server.local_addr();
        let shutdown = CancellationToken::new();
        let serving = server.serve(shutdown.clone());
        let scheduler = tokio::spawn(async { serving.await.expect("the scheduler does not fail") });
        let worker = WorkerConfig::Echo { work_time: Duration::ZERO };
        let config = NodeConfig { scheduler: address.to_string(), capacity, worker, link, ..NodeConfig::default() };
        let working = node::run(config, shutdown.clone());
        let node = tokio::spawn(async { working.await.expect("a good configuration") });
        Self { address, shutdown, scheduler, node }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        assert_eq!(self.scheduler.await.expect("no panic"), Exit::Drained, "nothing was left undone");
        self.node.await.expect("no panic");
    }
}

/// One of the users. It keeps `IN_FLIGHT` jobs in flight until a round's jobs have come back.
pub(crate) trait Session: Send + Sized + 'static {
    /// Plays a round of this many jobs.
    ///
    /// # Panics
    /// If a job does not come back exactly once, and done.
    fn play(&mut self, jobs: usize) -> impl Future<Output = ()> + Send;

    /// Leaves for good.
    fn leave(self) -> impl Future<Output = ()> + Send;
}

/// The jobs per second of all sessions together.
async fn rounds<S, C>(scheduler: SocketAddr, connect: impl Fn(SocketAddr) -> C) -> Figures
where
    S: Session,
    C: Future<Output = S>,
{
    let mut sessions = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        sessions.push(connect(scheduler).await);
    }
    let mut figures = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let started = Instant::now();
        let playing: Vec<_> = sessions
            .drain(..)
            .map(|mut session| {
                tokio::spawn(async move {
                    tokio::time::timeout(NEVER, session.play(JOBS)).await.expect("every job comes back");
                    session
                })
            })
            .collect();
        for session in playing {
            sessions.push(session.await.expect("every job comes back once, and done"));
        }
        if round >= WARM_UP {
            figures.push((SESSIONS * JOBS) as f64 / started.elapsed().as_secs_f64());
        }
    }
    for session in sessions {
        session.leave().await;
    }
    Figures::of(figures)
}

/// What the rounds gave.
#[derive(Clone, Copy, Debug)]
struct Figures {
    median: f64,
    least: f64,
    most: f64,
}

impl Figures {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        let (least, most) = (rounds[0], rounds[rounds.len() - 1]);
        Self { median: rounds[rounds.len() / 2], least, most }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.0}, from {:.0} to {:.0}", self.median, self.least, self.most)
    }
}
