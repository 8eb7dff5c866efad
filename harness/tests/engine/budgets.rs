//! Runs that would not end, or would eat the machine.

use halfopen::fault::Crash;
use halfopen::trace::RunEnd;
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn a_task_that_yields_for_ever_is_a_livelock() {
    let outcome = Stage::new("livelock")
        .host("spinner", async |_| {
            sleep(s(1)).await;
            loop {
                tokio::task::yield_now().await;
            }
        })
        .actor("client", async |_| {
            sleep(s(2)).await;
            Ok(())
        })
        .run();
    assert_eq!(outcome.last.ended, RunEnd::Livelock);
    assert_eq!(outcome.last.at, s(1));
    assert_eq!(outcome.broken()[0], "integrity: livelock");
}

#[test]
fn packets_that_take_no_time_do_not_hide_a_livelock() {
    let outcome = Stage::new("loopback_livelock")
        .actor("client", async |_| {
            let listener = TcpListener::bind("127.0.0.1:80").await?;
            let mut stream = TcpStream::connect("127.0.0.1:80").await?;
            let (mut accepted, _) = listener.accept().await?;
            loop {
                // The runtime parks for the packet, and no time passes.
                stream.write_u8(1).await?;
                accepted.read_u8().await?;
                for _ in 0..10_000 {
                    tokio::task::yield_now().await;
                }
            }
        })
        .run();
    assert_eq!(outcome.last.ended, RunEnd::Livelock);
    assert_eq!(outcome.last.at, s(0));
}

#[test]
fn busy_tasks_that_let_time_pass_are_no_livelock() {
    let outcome = Stage::new("busy_not_livelocked")
        .actor("client", async |_| {
            for _ in 0..11 {
                for _ in 0..100_000 {
                    tokio::task::yield_now().await;
                }
                sleep(ms(1)).await;
            }
            Ok(())
        })
        .run();
    assert!(outcome.polls > 1_000_000);
    assert!(outcome.passed(), "{:?}", outcome.broken());
}

#[test]
fn an_actor_that_never_ends_is_told_with_what_everybody_waited_for() {
    let outcome = Stage::new("endless")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut stream, _) = listener.accept().await?;
            tokio::select! {
                () = cx.stopped() => Ok(()),
                written = async { stream.write_all(&vec![0; 10_000_000]).await } => Ok(written?),
            }
        })
        .actor("patient", async |_| {
            let listener = TcpListener::bind("0.0.0.0:81").await?;
            let mut stream = TcpStream::connect("server:80").await?;
            let mut own = TcpStream::connect("patient:81").await?;
            let _accepted = listener.accept().await?;
            stream.read_u8().await?;
            own.read_u8().await?;
            Ok(())
        })
        .actor("quick", async |_| Ok(()))
        .time_limit(s(100))
        .run();
    assert_eq!(outcome.last.ended, RunEnd::TimeLimit);
    assert_eq!(outcome.last.at, s(100));
    let pending: Vec<_> = outcome.last.pending.iter().map(|wait| format!("{}: {}", wait.host, wait.on)).collect();
    assert_eq!(
        pending,
        ["patient: the end of its script", "server: write on patient->server#1", "patient: read on patient->patient#1"]
    );
    assert_eq!(outcome.broken()[0], "integrity: not at rest");
}

#[test]
fn a_host_that_will_not_stop_is_convicted() {
    let outcome = Stage::new("deaf")
        .host("deaf", async |_| {
            std::future::pending::<()>().await;
            Ok(())
        })
        .actor("client", async |_| {
            sleep(s(1)).await;
            Ok(())
        })
        .run();
    assert_eq!(outcome.broken(), ["stops: never stopped @ deaf"]);
}

#[test]
fn an_actor_killed_for_good_does_not_keep_the_run_waiting() {
    let outcome = Stage::new("killed_actor")
        .actor("client", async |_| {
            std::future::pending::<()>().await;
            Ok(())
        })
        .strike(s(3), "client", Crash { restart_after: None })
        .time_limit(s(1000))
        .run();
    assert_eq!(outcome.last.ended, RunEnd::Finished);
    assert_eq!(outcome.last.at, s(3 + 1));
}

/// 150 writers of 3.8 MB each: takes half a gigabyte for a moment.
#[test]
fn sockets_that_hold_too_much_end_the_run() {
    let outcome = Stage::new("memory")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let mut unread = Vec::new();
            loop {
                tokio::select! {
                    () = cx.stopped() => return Ok(()),
                    accepted = listener.accept() => unread.push(accepted?),
                }
            }
        })
        .actor("client", async |cx| {
            let mut streams = Vec::new();
            for n in 0..150 {
                let mut stream = TcpStream::connect("server:80").await?;
                stream.write_all(&vec![0; 3_800_000]).await?;
                streams.push(stream);
                tell(&cx, "stuffed", n);
            }
            std::future::pending::<()>().await;
            Ok(())
        })
        .run();
    assert_eq!(outcome.violated("memory"), ["sockets hold more than 536870912 bytes"]);
    assert!((130..150).contains(&outcome.words("stuffed").len()), "{}", outcome.words("stuffed").len());
    assert_eq!(outcome.broken()[0], "integrity: memory");
}
