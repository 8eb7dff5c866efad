//! Which losses the end of a connection explains: readers of news that come back, or do not.

use std::time::Duration;

use halfopen::fault::{Connections, Ends, PowerLoss, Reset, Trigger};
use halfopen::name::Side;
use halfopen::trace::{ConnectionEvent, GaveUpOn};
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_net::{Keepalive, TcpListener, TcpStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use crate::stage::{Stage, Told, s};

const ALLOWED: &str = r#"
[delivery]
law = "exactly_once"
allowed_losses = [{ reason = "connection_lost", host = "client" }]
"#;

#[test]
fn a_reader_whose_kernel_asks_is_excused_and_one_that_never_asks_is_not() {
    let struck = |name: &str, keepalive| {
        stage(name, keepalive, Some(s(1)))
            .part(s(15), ("client", "server"), Some(s(60)))
            .strike(s(20), "server", PowerLoss { restart_after: Some(s(5)) })
            .run()
    };
    let asks = struck("asks", Some(Keepalive { time: s(10), interval: s(5), retries: 3 }));
    assert_eq!(asks.broken(), [""; 0], "{}", asks.story());
    let given_up = ConnectionEvent::GaveUp { by: Side::Client, why: GaveUpOn::Keepalive };
    assert_eq!(asks.count(&given_up), 1);
    assert!(asks.story().contains("given up by client: keepalive was never answered"), "{}", asks.story());
    let never_asks = struck("never_asks", None);
    assert_eq!(never_asks.broken(), ["delivery: silent loss @ server"]);
}

#[test]
fn a_writer_whose_data_nobody_acknowledges_has_lost_its_connection() {
    let outcome =
        stage("impatient", None, Some(s(1))).part(s(15), ("client", "server"), None).time_limit(s(1500)).run();
    let given_up = ConnectionEvent::GaveUp { by: Side::Server, why: GaveUpOn::Retransmission };
    assert_eq!(outcome.count(&given_up), 0, "the news end before the kernel's patience does");
    let patient = slow_stage("patient").part(s(15), ("client", "server"), None).run();
    assert_eq!(patient.count(&given_up), 1);
    assert!(patient.story().contains("given up by server: retransmission was never acknowledged"));
}

#[test]
fn a_reset_excuses_what_is_said_until_the_reader_is_back_and_nothing_more() {
    let reset = Reset { to: Ends::Both };
    let back = stage("back", None, Some(s(25))).fault(Trigger::At(s(33)), link(), reset.clone()).run();
    assert_eq!(back.broken(), [""; 0], "{}", back.story());
    // It is back, and hears nothing, because it does not listen.
    let deaf = stage("deaf", None, None).fault(Trigger::At(s(33)), link(), reset).run();
    assert_eq!(deaf.broken(), ["delivery: silent loss @ server"]);
}

#[test]
fn a_reset_of_another_connection_excuses_nothing() {
    // The reader's connection is closed in good order, and it comes back too late, whatever befell the other.
    let broken = |name: &str, struck: &str| {
        let target = Connections::of("client", struck);
        Stage::new(name)
            .host("server", news)
            .host("metrics", async |cx| {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let _open = listener.accept().await?;
                cx.stopped().await;
                Ok(())
            })
            .actor("client", async |cx: HostContext| {
                let _metrics = TcpStream::connect("metrics:80").await?;
                let _ = timeout(s(34), listen(&cx, None)).await;
                sleep(s(20)).await;
                let _ = timeout(s(350), listen(&cx, None)).await;
                Ok(())
            })
            .tells("server", &[FactKind::Offered])
            .tells("client", &[FactKind::Received])
            .checks(ALLOWED)
            .fault(Trigger::At(s(33)), target, Reset { to: Ends::Both })
            .run()
            .broken()
    };
    assert_eq!(broken("reset_of_metrics", "metrics"), ["delivery: silent loss @ server"]);
    assert_eq!(broken("reset_of_news", "server"), [""; 0]);
}

/// A server that tells each reader a line every 10 s, thirty lines in each of its lives, and a reader that listens for
/// 400 s. After a loss it comes back after so long; never to listen, without.
fn stage(name: &str, keepalive: Option<Keepalive>, pause: Option<Duration>) -> Stage {
    Stage::new(name)
        .host("server", news)
        .actor("client", move |cx| async move {
            let read = async {
                let _ = listen(&cx, keepalive).await;
                while let Some(pause) = pause {
                    sleep(pause).await;
                    let _ = listen(&cx, keepalive).await;
                }
                sleep(s(1)).await;
                let _stream = TcpStream::connect("server:80").await;
                std::future::pending::<()>().await;
            };
            let _ = timeout(s(400), read).await;
            Ok(())
        })
        .tells("server", &[FactKind::Offered])
        .tells("client", &[FactKind::Received])
        .checks(ALLOWED)
}

fn slow_stage(name: &str) -> Stage {
    Stage::new(name)
        .host("server", news)
        .actor("client", async |cx: HostContext| {
            let _ = timeout(s(1200), listen(&cx, None)).await;
            Ok(())
        })
        .tells("server", &[FactKind::Offered])
        .tells("client", &[FactKind::Received])
        .time_limit(s(1500))
}

async fn listen(cx: &HostContext, keepalive: Option<Keepalive>) -> std::io::Result<()> {
    let stream = TcpStream::connect("server:80").await?;
    stream.set_keepalive(keepalive)?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        cx.received(line);
    }
    Ok(())
}

async fn news(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let (lines, _) = broadcast::channel::<String>(1000);
    let tell = async {
        for n in 1..=30 {
            sleep(s(10)).await;
            let line = format!("m-{}-{n}", cx.incarnation().0);
            cx.offered(&line);
            // The port may have no listener.
            let _ = lines.send(line);
        }
        std::future::pending::<()>().await;
    };
    let serve = async {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tell_reader(stream, lines.subscribe()));
        }
    };
    tokio::select! { () = tell => {}, () = serve => {}, () = cx.stopped() => {} }
    Ok(())
}

async fn tell_reader(stream: TcpStream, mut lines: broadcast::Receiver<String>) {
    let (mut read, mut write) = stream.into_split();
    let mut byte = [0; 8];
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Ok(line) = line else { return };
                if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
            got = read.read(&mut byte) => if !matches!(got, Ok(1..)) { return },
        }
    }
}

fn link() -> Connections {
    Connections::of("client", "server")
}
