//! What the gateway costs a stream: events per second and the delay of each event, beside a proxy that passes bytes on
//! without looking at them. Both are in front of the same backend, on real loopback sockets.
//!
//! `cargo bench -p halfopen-gateway --bench stream`
//!
//! One thread holds the two proxies and nothing else; another holds the backend and the clients. The proxies take turns,
//! round by round, so that a machine that is busy for a while slows both.
//!
//! - **Events per second**: a few streams at a time, each as fast as it is read. With one event in each of the backend's
//!   HTTP chunks (what model servers do), and with several (what a buffering proxy in front of one does).
//!   Wanted: at least 0.8 of the pass-through's.
//! - **Delay**: one stream with an event every few milliseconds; from the moment at which the backend's body yields the
//!   event to the moment at which the client has read it. Printed: the median through each proxy, and the difference.

mod backend;
mod client;
mod pass_through;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halfopen_gateway::config::{BackendConfig, HttpConfig};
use halfopen_gateway::{Config, Gateway, Registry};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use backend::Load;

/// Streams at a time.
const STREAMS: usize = 4;
/// Events of one stream; the last one carries the finish reason.
const EVENTS: usize = 20_000;
/// Turns of each proxy that count, after one that does not.
const ROUNDS: usize = 15;
/// Events of one stream whose delay is measured, and the pause before each.
const PACED_EVENTS: usize = 500;
const PAUSE: Duration = Duration::from_millis(2);
const PACED_ROUNDS: usize = 5;

/// Events in one of the backend's HTTP chunks.
const TOGETHER: [usize; 2] = [1, 16];

/// The share of the pass-through's events per second that the gateway is to reach.
const WANTED: f64 = 0.8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // Without `--bench` it was built by `cargo test`, which wants no figures.
    if arguments.iter().any(|argument| argument == "--list") || !arguments.iter().any(|argument| argument == "--bench")
    {
        return;
    }
    measure();
}

/// A proxy that is to be measured.
#[derive(Clone, Copy, Debug)]
struct Proxy {
    name: &'static str,
    address: SocketAddr,
}

#[expect(clippy::print_stdout, reason = "the figures are the benchmark's product")]
fn measure() {
    let stage = runtime();
    let backend = stage.block_on(backend::start());
    let proxies = proxies(backend);
    println!("{} processors", std::thread::available_parallelism().map_or(0, usize::from));
    for together in TOGETHER {
        let load = Load { events: EVENTS, together, pause: Duration::ZERO };
        let [gateway, plain] = in_turns(ROUNDS, proxies, |proxy| events_per_second(&stage, proxy, load));
        println!("{STREAMS} streams of {EVENTS} events, {together} to a chunk, {ROUNDS} rounds each, events/s:");
        println!("  {:12} {gateway}", proxies[0].name);
        println!("  {:12} {plain}", proxies[1].name);
        println!("  ratio        {:.2} (wanted: {WANTED} at least)", gateway.median / plain.median);
    }
    let load = Load { events: PACED_EVENTS, together: 1, pause: PAUSE };
    let [gateway, plain] = in_turns(PACED_ROUNDS, proxies, |proxy| median_delay(&stage, proxy, load));
    println!("1 stream of {PACED_EVENTS} events, one every {PAUSE:?}, {PACED_ROUNDS} rounds each, median delay in us:");
    println!("  {:12} {gateway}", proxies[0].name);
    println!("  {:12} {plain}", proxies[1].name);
    println!("  added        {:.1}", gateway.median - plain.median);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Both proxies on a thread of their own, which ends with the process.
fn proxies(backend: SocketAddr) -> [Proxy; 2] {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let mut config = Config { listen: "127.0.0.1:0".to_owned(), ..Config::default() };
            config.backends.push(BackendConfig::Http(HttpConfig {
                name: "upstream".to_owned(),
                models: vec!["m".to_owned()],
                base_url: format!("http://{backend}/v1"),
                ca_file: None,
                api_key_env: None,
                health_url: None,
            }));
            let registry = Registry::from_config(&config).expect("a good configuration");
            let gateway = Gateway::bind(config, registry).await.expect("a free port");
            let (plain, passing) = pass_through::bind(backend).await;
            let told = tell.send([
                Proxy { name: "gateway", address: gateway.local_addr() },
                Proxy { name: "pass-through", address: plain },
            ]);
            told.expect("the measuring thread lives");
            tokio::join!(gateway.serve(CancellationToken::new()), passing);
        });
    });
    told.recv().expect("both proxies listen")
}

/// One round of each proxy to warm up, then the rounds that count, in turns.
fn in_turns(rounds: usize, proxies: [Proxy; 2], mut round: impl FnMut(Proxy) -> f64) -> [Figures; 2] {
    let mut figures = proxies.map(|_| Vec::with_capacity(rounds));
    for turn in 0..=rounds {
        for (proxy, figures) in proxies.into_iter().zip(&mut figures) {
            let figure = round(proxy);
            if turn > 0 {
                figures.push(figure);
            }
        }
    }
    figures.map(Figures::of)
}

fn events_per_second(stage: &Runtime, proxy: Proxy, load: Load) -> f64 {
    stage.block_on(async {
        let started = Instant::now();
        let streams: Vec<_> = (0..STREAMS).map(|_| tokio::spawn(client::read(proxy.address, load))).collect();
        let mut events = 0;
        for stream in streams {
            events += stream.await.expect("a stream that arrives whole").len();
        }
        assert_eq!(events, STREAMS * load.events, "every event arrives, once");
        events as f64 / started.elapsed().as_secs_f64()
    })
}

fn median_delay(stage: &Runtime, proxy: Proxy, load: Load) -> f64 {
    let arrivals = stage.block_on(client::read(proxy.address, load));
    let yields = backend::take_yields();
    assert_eq!((arrivals.len(), yields.len()), (load.events, load.events), "every event leaves and arrives, once");
    let delays = yields.iter().zip(&arrivals).map(|(left, arrived)| (*arrived - *left).as_secs_f64() * 1e6);
    Figures::of(delays.collect()).median
}

/// What several rounds gave.
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
