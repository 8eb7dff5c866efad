//! Ten clients, each a node of its own, 3 ms apart; 20 ms one way.

use std::time::Duration;

use madsim::net::{TcpListener, TcpStream};
use madsim::runtime::{Handle, Runtime};
use madsim::time::sleep;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LATENCY: Duration = Duration::from_millis(20);
const STAGGER: Duration = Duration::from_millis(3);

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("three numbers are asked for"));
    let mut next = || arguments.next().expect("three numbers are asked for");
    let (sessions, round_trips, runs): (usize, usize, usize) = (next(), next(), next());
    let mut times: Vec<u128> = (0..runs)
        .map(|seed| {
            let started = std::time::Instant::now();
            // A thread a run, as the other contenders have.
            let run = std::thread::spawn(move || play(seed as u64, sessions, round_trips));
            run.join().expect("nothing fails");
            started.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    println!("{}", times[times.len() / 2]);
}

fn play(seed: u64, sessions: usize, round_trips: usize) {
    let mut config = madsim::Config::default();
    // The end is exclusive.
    config.net.send_latency = LATENCY..LATENCY + Duration::from_nanos(1);
    let runtime = Runtime::with_seed_and_config(seed, config);
    runtime.block_on(async move {
        let server = Handle::current().create_node().name("server").ip([10, 0, 0, 1].into()).build();
        server.spawn(async {
            let listener = TcpListener::bind("10.0.0.1:80").await.expect("the port is free");
            while let Ok((mut stream, _)) = listener.accept().await {
                madsim::task::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..n]).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let clients: Vec<_> = (0..sessions)
            .map(|n| {
                let node = Handle::current().create_node().ip([10, 0, 1, n as u8 + 1].into()).build();
                node.spawn(async move {
                    sleep(Duration::from_millis(1) + STAGGER * n as u32).await;
                    let mut stream = TcpStream::connect("10.0.0.1:80").await.expect("the server listens");
                    let mut answer = [0; 4];
                    for _ in 0..round_trips {
                        stream.write_all(b"ping").await.expect("the server reads");
                        stream.flush().await.expect("the server reads");
                        stream.read_exact(&mut answer).await.expect("the server answers");
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("no client panics");
        }
    });
}
