//! What a packet costs: the simulated network beside the floor (tokio's duplex pipes), `turmoil-net` and `madsim`.
//!
//! - **Round trips**: ten clients, 3 ms apart, make a hundred round trips of four bytes each; 20 ms one way. The floor has
//!   no network: the same programs over `tokio::io::duplex`, on tokio's paused clock, each end sleeping the 20 ms.
//!   Wanted: at most 1.25 times the floor.
//! - **Sessions**: 10, 200 and 1,000 sessions between two hosts, 3 ms apart, each a round trip every 3 s, so that no two
//!   packets travel at one instant; the cost of a packet once all are open. Wanted: at most 1.5 times the cost from 10
//!   sessions to 1,000.
//!
//! `madsim` replaces libc's clocks for its whole process, as the simulation here does, so it runs in a process of its
//! own (`benches/madsim`, a crate outside the workspace, because it is built with a flag of its own).
//!
//! `cargo bench -p halfopen-benches --bench fabric`; without `madsim`, if it cannot be built, the rest is measured and
//! the gap told.

mod floor;
mod halfopen_net_programs;
mod madsim;
mod simulated;
mod turmoil;

use std::time::{Duration, Instant};

/// One way.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);
/// Between the first packets of two clients or sessions.
pub(crate) const STAGGER: Duration = Duration::from_millis(3);
/// Between the round trips of one session; `STAGGER` apart, a thousand of them fill it.
pub(crate) const PERIOD: Duration = Duration::from_secs(3);

/// One load of the benchmark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Clients, or sessions of one client.
    pub(crate) sessions: usize,
    /// Of each.
    pub(crate) round_trips: usize,
    /// Whether each session is a host of its own and never pauses; else they share a host and pause for `PERIOD`.
    pub(crate) apart: bool,
}

const ROUND_TRIPS: Load = Load { sessions: 10, round_trips: 100, apart: true };

/// How often each load is played.
const RUNS: usize = 200;
/// The contenders take turns of this many runs: a machine that is busy for a while slows all of them, and none runs
/// with another's memory in the caches.
const TURN: usize = 10;

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    round_trips();
    sessions();
}

#[expect(clippy::print_stdout, reason = "the figures are the benchmark's product")]
fn round_trips() {
    let stage = simulated::Stage::new(ROUND_TRIPS);
    let [floor, halfopen, turmoil] =
        times(RUNS, [&|| floor::play(ROUND_TRIPS), &|| stage.play(), &|| turmoil::play(ROUND_TRIPS)]).map(median);
    let of_floor = |time: Duration| time.as_secs_f64() / floor.as_secs_f64();
    println!("1,000 round trips of 10 clients, 3 ms apart, 20 ms one way; median of {RUNS} runs, whole runs, one core");
    let line = |name: &str, time: Duration| {
        println!("  {name:<28} {:>8.3} ms   {:>5.2} times the floor", time.as_secs_f64() * 1e3, of_floor(time));
    };
    line("duplex, paused clock (floor)", floor);
    line("halfopen (wanted: 1.25)", halfopen);
    match madsim::play(ROUND_TRIPS, RUNS) {
        Ok(time) => line("madsim 0.2", time),
        Err(reason) => println!("  madsim 0.2                   not measured: {reason}"),
    }
    line("turmoil-net 0.1, best loop", turmoil);
}

#[expect(clippy::print_stdout, reason = "the figures are the benchmark's product")]
fn sessions() {
    println!("\na packet, with so many sessions open, 3 ms apart, between two hosts");
    println!("  {:<28} {:>10} {:>10} {:>10}   1,000 : 10", "sessions", 10, 200, 1000);
    row("halfopen (wanted: 1.50)", 60_000, |load| {
        let stage = simulated::Stage::new(load);
        move || stage.play()
    });
    row("turmoil-net 0.1, best loop", 10_000, |load| move || turmoil::play(load));
    row("duplex, paused clock", 60_000, |load| move || floor::play(load));
}

/// One contender's costs. A packet's is that of a long run less that of a short one, which has the same beginning and
/// end, shared out among the packets between them; the fastest runs of each, because noise only adds to a difference.
#[expect(clippy::print_stdout, reason = "the figures are the benchmark's product")]
fn row<P: Fn()>(name: &str, round_trips: usize, contender: impl Fn(Load) -> P) {
    let [ten, two_hundred, thousand] = [10, 200, 1000].map(|sessions| {
        let load = |round_trips| Load { sessions, round_trips: round_trips / sessions, apart: false };
        let (short, long) = (contender(load(round_trips / 3)), contender(load(round_trips)));
        let [short, long] = times(2 * TURN, [&short, &long]).map(|times| times.into_iter().min().unwrap_or_default());
        let packets = 2 * (round_trips - round_trips / 3);
        long.saturating_sub(short).as_secs_f64() * 1e6 / packets as f64
    });
    println!("  {name:<28} {ten:>7.2} us {two_hundred:>7.2} us {thousand:>7.2} us   {:>5.2}", thousand / ten);
}

/// The times of each contender's runs.
fn times<const N: usize>(runs: usize, contenders: [&dyn Fn(); N]) -> [Vec<Duration>; N] {
    let mut times = contenders.map(|_| Vec::new());
    for _ in 0..runs.div_ceil(TURN) {
        for (contender, times) in contenders.iter().zip(&mut times) {
            contender();
            times.extend((0..TURN).map(|_| timed(contender)));
        }
    }
    times
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
