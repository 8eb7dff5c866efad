//! The floor: no network at all.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{LATENCY, Load, PERIOD, STAGGER};

/// Plays the load over pipes; each end lets the latency pass before it answers.
pub(crate) fn play(load: Load) {
    let on_thread = move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build_local(Default::default());
        runtime.expect("a runtime can be built").block_on(sessions(load));
    };
    std::thread::spawn(on_thread).join().expect("nothing fails on pipes");
}

async fn sessions(load: Load) {
    let mut all = JoinSet::new();
    for n in 0..load.sessions {
        let (mut client, mut server) = duplex(64 * 1024);
        all.spawn_local(async move {
            let mut buffer = [0; 64];
            while let Ok(n @ 1..) = server.read(&mut buffer).await {
                sleep(LATENCY).await;
                server.write_all(&buffer[..n]).await.expect("the client reads");
            }
        });
        all.spawn_local(async move {
            sleep(STAGGER * n as u32).await;
            let (mut answer, mut next) = ([0; 4], Instant::now());
            for _ in 0..load.round_trips {
                sleep(LATENCY).await;
                client.write_all(b"ping").await.expect("the server reads");
                client.read_exact(&mut answer).await.expect("the server answers");
                if !load.apart {
                    next += PERIOD;
                    sleep_until(next).await;
                }
            }
            drop(client);
            // The server ends with its pipe.
            sleep(Duration::ZERO).await;
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.expect("no program panics");
    }
}
