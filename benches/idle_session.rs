//! What ten idle minutes cost: one session, a ping every 20 s, 20 ms one way, for 590 simulated seconds.
//!
//! On one side the real client and the real scheduler on halfopen's simulated network, with every record kept; on the
//! other the same frames between two tungstenite endpoints on `turmoil` at its default tick of one millisecond.
//!
//! Wanted: at most 5 ms a run, and at least 300 times turmoil's speed.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use futures_util::{SinkExt, StreamExt};
use halfopen::{Catalogue, Plan, Scenario, Seed};
use tokio_tungstenite::tungstenite::Message;

/// How long the session idles.
const IDLE: Duration = Duration::from_secs(590);
const PING_INTERVAL: Duration = Duration::from_secs(20);
const LATENCY: Duration = Duration::from_millis(20);

const SCENARIO: &str = r#"
    proves = "an idle session costs next to nothing"
    time_limit = "20min"
    settle = "0s"

    [network]
    latency = "20ms"

    [host.scheduler]
    run = "scheduler"
    [host.scheduler.config]
    listen = "0.0.0.0:5010"

    [actor.alice]
    run = "talker"
    tells = ["offered"]
    [actor.alice.config]
    sentences = []
    stay = "590s"
    [actor.alice.config.client]
    url = "ws://scheduler:5010/ws/session"
"#;

fn on_halfopen(catalogue: &Catalogue, scenario: &Scenario, seed: u64) -> halfopen::Outcome {
    let outcome = catalogue.run(&Plan::draw(scenario, Seed(seed))).expect("the scenario is in order");
    assert!(outcome.passed(), "{}", outcome.story());
    assert!(outcome.simulated >= IDLE);
    outcome
}

fn on_turmoil(seed: u64) -> Duration {
    let mut sim = turmoil::Builder::new()
        .simulation_duration(IDLE * 2)
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .rng_seed(seed)
        .build();
    sim.host("scheduler", || async {
        let listener = turmoil::net::TcpListener::bind("0.0.0.0:5010").await?;
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(ping_and_answer(tokio_tungstenite::accept_async(socket).await?, IDLE * 2));
        }
    });
    sim.client("alice", async {
        let socket = turmoil::net::TcpStream::connect("scheduler:5010").await?;
        let (websocket, _) = tokio_tungstenite::client_async("ws://scheduler/ws/session", socket).await?;
        ping_and_answer(websocket, IDLE).await;
        Ok(())
    });
    sim.run().expect("the simulation is in order");
    sim.elapsed()
}

/// Both ends ping at a fixed rate and answer each other's pings, as the real services do.
async fn ping_and_answer<S>(mut websocket: tokio_tungstenite::WebSocketStream<S>, stay: Duration)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let leave = tokio::time::sleep(stay);
    tokio::pin!(leave);
    let mut pings = tokio::time::interval(PING_INTERVAL);
    pings.tick().await;
    loop {
        tokio::select! {
            () = &mut leave => return,
            _ = pings.tick() => {
                if websocket.send(Message::Ping(Default::default())).await.is_err() {
                    return;
                }
            }
            frame = websocket.next() => {
                if !matches!(frame, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

/// The median of `runs` wall times.
fn median(runs: u64, mut run: impl FnMut(u64)) -> Duration {
    let mut times: Vec<_> = (0..runs)
        .map(|seed| {
            let started = Instant::now();
            run(seed);
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the figures are the benchmark's product")]
fn figures() {
    let catalogue = halfopen_scenarios::catalogue();
    let scenario = Scenario::from_toml(SCENARIO, Path::new("idle_session.toml")).expect("the scenario is in order");
    let outcome = on_halfopen(&catalogue, &scenario, 1);
    let ours = median(201, |seed| drop(black_box(on_halfopen(&catalogue, &scenario, seed))));
    let theirs = median(3, |seed| {
        black_box(on_turmoil(seed));
    });
    let seconds = ours.as_secs_f64();
    let simulated = outcome.simulated.as_secs_f64();
    println!("590 s of one idle session, ping every 20 s, 20 ms one way; median wall time of one run, one core");
    println!("  halfopen   {:>10.3} ms   {:>9.0} times real time", seconds * 1e3, simulated / seconds);
    println!(
        "  turmoil    {:>10.3} ms   {:>9.0} times real time",
        theirs.as_secs_f64() * 1e3,
        IDLE.as_secs_f64() / theirs.as_secs_f64()
    );
    println!("  halfopen is {:.0} times as fast (wanted: 300; and at most 5 ms)", theirs.as_secs_f64() / seconds);
    println!(
        "  {} records and {} polls a run: {:.0} events/s, {:.0} runs/s per core",
        outcome.trace.records.len(),
        outcome.polls,
        outcome.polls as f64 / seconds,
        1.0 / seconds
    );
}

fn idle_session(criterion: &mut Criterion) {
    let catalogue = halfopen_scenarios::catalogue();
    let scenario = Scenario::from_toml(SCENARIO, Path::new("idle_session.toml")).expect("the scenario is in order");
    let mut group = criterion.benchmark_group("590 s idle session");
    group.sample_size(20);
    let mut seed = 0;
    group.bench_function("halfopen", |bencher| {
        bencher.iter(|| {
            seed += 1;
            on_halfopen(&catalogue, &scenario, seed)
        });
    });
    group.sample_size(10);
    group.bench_function("turmoil 0.7", |bencher| bencher.iter(|| on_turmoil(7)));
    group.finish();
}

criterion_group!(benches, idle_session);

fn main() {
    figures();
    benches();
}
