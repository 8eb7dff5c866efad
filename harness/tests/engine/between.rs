//! Packets that arrive between two socket calls of one poll.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use halfopen::Plan;
use halfopen::Scenario;
use halfopen::Seed;
use halfopen::internals::{Arrivals, HostSpec};
use halfopen_net::TcpStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep, timeout_at};

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

const MEGABYTE: usize = 1 << 20;

#[test]
fn an_answer_before_the_end_of_the_question_is_read_or_lost() {
    let seen = |arrivals| (0..24).map(|seed| uploads(seed, arrivals).run().only("upload").1).collect::<BTreeSet<_>>();
    let answered = "Ok(\"too large\")".to_owned();
    assert_eq!(seen(Arrivals::BetweenPolls), BTreeSet::from([answered.clone()]));
    // As on Linux.
    assert_eq!(seen(Arrivals::BetweenCalls), BTreeSet::from([answered, "BrokenPipe".to_owned()]));
}

#[test]
fn an_answer_and_a_timeout_of_one_instant_are_decided_either_way() {
    let seen = |arrivals| {
        let outcomes = (0..24).map(|seed| {
            let mut stage = pair(
                "deadline",
                async |_, mut stream| {
                    stream.write_all(b"x").await?;
                    sleep(s(1)).await;
                    Ok(())
                },
                async |cx, mut stream| {
                    // The answer was sent a latency after the connection stood here.
                    let deadline = Instant::now() + 2 * LATENCY;
                    let read = timeout_at(deadline, stream.read_u8()).await;
                    tell(&cx, "read", read.is_ok());
                    Ok(())
                },
            )
            .seed(seed);
            stage.arrivals(arrivals);
            stage.run().only("read").1
        });
        outcomes.collect::<BTreeSet<_>>()
    };
    assert_eq!(seen(Arrivals::BetweenPolls), BTreeSet::from(["true".to_owned()]));
    assert_eq!(seen(Arrivals::BetweenCalls), BTreeSet::from(["false".to_owned(), "true".to_owned()]));
}

#[test]
fn what_arrives_between_calls_is_whole_and_in_order_and_the_same_each_time() {
    for seed in 0..6 {
        let stage = || {
            let mut stage = pair("whole_between", echo, async |cx, stream| {
                let (mut read, mut write) = stream.into_split();
                let writing = async move {
                    for n in 0..40_u8 {
                        write.write_all(&[n; 3000]).await?;
                        sleep(ms(u64::from(n % 3) * 10)).await;
                    }
                    write.shutdown().await
                };
                let mut back = Vec::new();
                let (written, read) = tokio::join!(writing, read.read_to_end(&mut back));
                written?;
                read?;
                let wanted: Vec<u8> = (0..40_u8).flat_map(|n| [n; 3000]).collect();
                tell(&cx, "same", back == wanted);
                Ok(())
            })
            .interleaved()
            .seed(seed);
            stage.arrivals(Arrivals::BetweenCalls);
            stage.run()
        };
        let (one, other) = (stage(), stage());
        assert_eq!(one.words("same"), ["true"]);
        assert_eq!(one.difference(&other), None);
        assert!(one.story().contains("packets arrive between calls"), "{}", one.story());
    }
}

#[test]
fn a_plan_says_when_packets_arrive_and_draws_it_for_who_leaves_it_open() {
    let scenario = |edit: fn(&mut Scenario)| {
        let mut scenario = Scenario::new("arrivals", "a plan says when packets arrive")
            .with_host(HostSpec::host("server", "server"))
            .with_host(HostSpec::actor("client", "client"));
        edit(&mut scenario);
        scenario.checked().unwrap_or_else(|error| panic!("{error}"))
    };
    let drawn = |edit| {
        let scenario = scenario(edit);
        let plans = (0..256).map(|seed| Plan::draw(&scenario, Seed(seed)).scenario.network.arrivals);
        plans.filter(|arrivals| *arrivals == Some(Arrivals::BetweenCalls)).count()
    };
    assert!((48..80).contains(&drawn(|_| {})), "{}", drawn(|_| {}));
    assert_eq!(drawn(|scenario| scenario.network.interleaved = false), 0);
    assert_eq!(drawn(|scenario| scenario.network.arrivals = Some(Arrivals::BetweenPolls)), 0);
    assert_eq!(drawn(|scenario| scenario.network.arrivals = Some(Arrivals::BetweenCalls)), 256);
}

/// A server that has had enough after a megabyte, and a client that looks for an answer before each burst of writes.
fn uploads(seed: u64, arrivals: Arrivals) -> Stage {
    let mut stage = pair(
        "uploads",
        async |_, mut stream| {
            stream.read_exact(&mut vec![0; MEGABYTE]).await?;
            stream.write_all(b"too large").await?;
            stream.shutdown().await?;
            Ok(())
        },
        async |cx, stream| {
            let seen = upload(stream).await;
            tell(&cx, "upload", word(&seen));
            Ok(())
        },
    )
    .seed(seed);
    stage.arrivals(arrivals);
    stage
}

async fn upload(mut stream: TcpStream) -> std::io::Result<String> {
    let (chunk, mut sent) = (vec![b'x'; 16 * 1024], 0);
    poll_fn(|cx| {
        let mut bytes = [0; 64];
        let mut buf = ReadBuf::new(&mut bytes);
        if let Poll::Ready(read) = Pin::new(&mut stream).poll_read(cx, &mut buf) {
            return Poll::Ready(read.map(|()| String::from_utf8_lossy(buf.filled()).into_owned()));
        }
        while sent < 20 * MEGABYTE {
            match Pin::new(&mut stream).poll_write(cx, &chunk) {
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    })
    .await
}

async fn echo(_: halfopen::HostContext, mut stream: TcpStream) -> Result<(), halfopen::BoxError> {
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut read, &mut write).await?;
    Ok(())
}
