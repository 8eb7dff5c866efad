//! scratch
use std::time::{Duration, Instant};

use halfopen::catalogue::Catalogue;
use halfopen::scenario::{HostSpec, Scenario};
use halfopen::{Plan, Seed};
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

fn catalogue(clients: usize, trips: usize) -> (Catalogue, Scenario) {
    let catalogue = Catalogue::new("", "")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            loop {
                let (mut stream, _) = tokio::select! {
                    () = cx.stopped() => return Ok(()),
                    accepted = listener.accept() => accepted?,
                };
                tokio::task::spawn_local(async move {
                    let mut buffer = [0; 64];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..n]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        })
        .actor("client", move |_cx| async move {
            let mut set = tokio::task::JoinSet::new();
            for i in 0..clients {
                set.spawn_local(async move {
                    sleep(Duration::from_millis(3 * i as u64)).await;
                    let mut stream = TcpStream::connect("server:80").await.unwrap();
                    let mut answer = [0; 4];
                    for _ in 0..trips {
                        stream.write_all(b"ping").await.unwrap();
                        stream.read_exact(&mut answer).await.unwrap();
                    }
                });
            }
            while let Some(done) = set.join_next().await {
                done.unwrap();
            }
            Ok(())
        });
    let mut scenario = Scenario::new("round_trips", "round trips cost next to nothing here and there")
        .with_host(HostSpec::host("server", "server"))
        .with_host(HostSpec::actor("client", "client"));
    scenario.network.interleaved = false;
    scenario.settle = Duration::ZERO;
    (catalogue, scenario.checked().unwrap())
}

fn duplex_run(clients: usize, trips: usize) -> Duration {
    let started = Instant::now();
    let body = move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        let runtime = builder.build_local(Default::default()).unwrap();
        runtime.block_on(async {
            let ms = Duration::from_millis;
            let mut js = tokio::task::JoinSet::new();
            for i in 0..clients {
                let (mut c, mut s) = tokio::io::duplex(65536);
                js.spawn_local(async move {
                    let mut b = [0u8; 64];
                    while let Ok(n @ 1..) = s.read(&mut b).await {
                        sleep(ms(20)).await;
                        s.write_all(&b[..n]).await.unwrap();
                    }
                });
                js.spawn_local(async move {
                    sleep(ms(3 * i as u64)).await;
                    let mut b = [0u8; 4];
                    for _ in 0..trips {
                        sleep(ms(20)).await;
                        c.write_all(b"ping").await.unwrap();
                        c.read_exact(&mut b).await.unwrap();
                    }
                });
            }
            while let Some(done) = js.join_next().await {
                done.unwrap();
            }
        });
    };
    std::thread::spawn(body).join().unwrap();
    started.elapsed()
}

fn main() {
    let args: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let mut sizes = vec![(10, 100), (200, 5), (1000, 1), (10, 1000), (200, 50), (1000, 10)];
    if args.len() == 2 {
        sizes = vec![(args[0], args[1])];
    }
    for (clients, trips) in sizes {
        let (catalogue, scenario) = catalogue(clients, trips);
        let run = |seed| {
            let started = Instant::now();
            let outcome = catalogue.run(&Plan::draw(&scenario, Seed(seed))).unwrap();
            let took = started.elapsed();
            assert!(outcome.passed(), "{}", outcome.story());
            took
        };
        let mut times = Vec::new();
        let mut floor = Vec::new();
        let runs = std::env::var("RUNS").map_or(101, |runs| runs.parse().unwrap());
        for n in 0..runs {
            let only = std::env::var("ONLY").unwrap_or_default();
            if only != "floor" {
                times.push(run(n));
            }
            if only != "ours" {
                floor.push(duplex_run(clients, trips));
            }
        }
        times.push(Duration::from_secs(9));
        floor.push(Duration::from_secs(9));
        times.sort();
        floor.sort();
        println!(
            "{clients} clients x {trips}: {:?} floor {:?} ratio {:.2}; minima {:?} {:?}",
            times[times.len() / 2],
            floor[floor.len() / 2],
            times[times.len() / 2].as_secs_f64() / floor[floor.len() / 2].as_secs_f64(),
            times[0],
            floor[0]
        );
    }
}
