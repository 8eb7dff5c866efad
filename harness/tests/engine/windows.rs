//! Flow control: no transfer stalls that could go on, and no buffer grows without bound.

use halfopen_net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Stage, Told, ms, pair, s, tell};

const MEGABYTE: usize = 1_000_000;

#[test]
fn a_megabyte_passes_whatever_the_size_of_the_reads() {
    for size in [7, 1000, 4096, 32_767, 65_536, 200_000] {
        let outcome = pair(
            &format!("reads_of_{size}"),
            async |_, mut stream| {
                stream.write_all(&pattern(MEGABYTE)).await?;
                Ok(())
            },
            move |cx, mut stream| async move {
                let (mut buffer, mut got) = (vec![0; size], Vec::new());
                loop {
                    match timeout(s(60), stream.read(&mut buffer)).await?? {
                        0 => break,
                        n => got.extend_from_slice(&buffer[..n]),
                    }
                }
                tell(&cx, "whole", got == pattern(MEGABYTE));
                Ok(())
            },
        )
        .run();
        assert_eq!(outcome.words("whole"), ["true"], "reads of {size}");
    }
}

#[test]
fn a_megabyte_passes_a_slow_reader() {
    let outcome = pair(
        "slow_reader",
        async |_, mut stream| {
            stream.write_all(&pattern(MEGABYTE)).await?;
            Ok(())
        },
        async |cx, mut stream| {
            let (mut buffer, mut total) = (vec![0; 10_000], 0);
            loop {
                sleep(ms(100)).await;
                match timeout(s(60), stream.read(&mut buffer)).await?? {
                    0 => break,
                    n => total += n,
                }
            }
            tell(&cx, "total", total);
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("total"), [MEGABYTE.to_string()]);
}

#[test]
fn a_peer_that_does_not_read_takes_in_megabytes_and_then_the_writer_waits() {
    let outcome = pair(
        "no_reader",
        async |cx, mut stream| {
            sleep(s(100)).await;
            let mut total = 0;
            let mut buffer = vec![0; 100_000];
            while let Ok(Ok(n @ 1..)) = timeout(s(10), stream.read(&mut buffer)).await {
                total += n;
            }
            tell(&cx, "read", total);
            Ok(())
        },
        async |cx, mut stream| {
            let absorbed = absorb(&mut stream).await?;
            tell(&cx, "absorbed", absorbed);
            // The reader begins at 100 s; then there is room again.
            let before = Instant::now();
            let more = stream.write(&[0; 1000]).await?;
            tell(&cx, "waited", before.elapsed().as_secs());
            tell(&cx, "all", absorbed + more);
            sleep(s(60)).await;
            Ok(())
        },
    )
    .run();
    let absorbed: usize = outcome.only("absorbed").1.parse().unwrap();
    // A loopback socket of Linux takes 3.87 MB into a blackhole.
    assert!((3_000_000..5_000_000).contains(&absorbed), "{absorbed}");
    assert_eq!(outcome.words("waited"), ["90"]);
    assert_eq!(outcome.words("read"), outcome.words("all"));
}

#[test]
fn a_closed_socket_still_sends_what_was_written() {
    let outcome = pair(
        "closed_sender",
        async |_, mut stream| {
            stream.write_all(&pattern(MEGABYTE)).await?;
            drop(stream);
            Ok(())
        },
        async |cx, mut stream| {
            sleep(s(10)).await;
            let mut got = Vec::new();
            timeout(s(60), stream.read_to_end(&mut got)).await??;
            tell(&cx, "whole", got == pattern(MEGABYTE));
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("whole"), ["true"]);
}

#[test]
fn many_connections_share_nothing() {
    let outcome = Stage::new("shared_nothing")
        .host("server", async |cx| {
            let listener = halfopen_net::TcpListener::bind("0.0.0.0:80").await?;
            let mut echoes = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = tokio::select! {
                    () = cx.stopped() => return Ok(()),
                    accepted = listener.accept() => accepted?,
                };
                echoes.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        })
        .actor("client", async |cx| {
            // One connection without a reader must not stop the others.
            let mut stuck = TcpStream::connect("server:80").await?;
            absorb(&mut stuck).await?;
            let mut clients = tokio::task::JoinSet::new();
            for n in 0..50u8 {
                clients.spawn(async move {
                    let mut stream = TcpStream::connect("server:80").await?;
                    stream.write_all(&[n; 1000]).await?;
                    let mut echo = [0; 1000];
                    stream.read_exact(&mut echo).await?;
                    std::io::Result::Ok(echo == [n; 1000])
                });
            }
            while let Some(echoed) = clients.join_next().await {
                tell(&cx, "echoed", echoed??);
            }
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("echoed"), vec!["true"; 50]);
}

/// Writes until nothing more is taken for 10 s; how much was.
async fn absorb(stream: &mut TcpStream) -> std::io::Result<usize> {
    let mut absorbed = 0;
    while let Ok(n) = timeout(s(10), stream.write(&[0; 10_000])).await {
        absorbed += n?;
    }
    Ok(absorbed)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}
