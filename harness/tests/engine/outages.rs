//! Power losses, freezes and partitions: silence, and what is heard after it.

use std::time::Duration;

use halfopen::Scenario;
use halfopen::fault::{Connections, Ends, Freeze, HalfOpen, HalfOpenKind, PowerLoss, Reset, Trigger};
use halfopen::trace::ConnectionEvent;
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, sleep_until, timeout};

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

/// `tcp_retries2 = 15` in the kernel's documentation.
const RETRY_BUDGET: Duration = ms(924_600);

#[test]
fn a_power_loss_is_heard_by_nobody_and_what_was_in_flight_is_gone() {
    let outcome = pair(
        "power_silence",
        async |cx, mut stream| {
            sleep_until(start() + ms(995)).await;
            stream.write_all(b"in flight").await?;
            cx.stopped().await;
            Ok(())
        },
        async |cx, mut stream| {
            let heard = timeout(s(600), stream.read(&mut [0; 16])).await;
            tell(&cx, "heard", heard.map_or("nothing".to_owned(), |read| word(&read)));
            Ok(())
        },
    )
    .strike(s(1), "server", PowerLoss { restart_after: None })
    .run();
    assert_eq!(outcome.words("heard"), ["nothing"]);
}

/// A kernel sends what was lost again a while after the way is free, and what it is given meanwhile waits behind that: the
/// last digit and the FIN as well.
#[test]
fn what_is_sent_after_a_heal_does_not_overtake_what_was_lost() {
    for (kind, digits) in [(HalfOpenKind::Blackhole, 8), (HalfOpenKind::Blackhole, 5), (HalfOpenKind::Stall, 8)] {
        let stage = pair(
            "overtaken",
            async |cx, mut stream| {
                let mut heard = String::new();
                let end = stream.read_to_string(&mut heard).await;
                tell(&cx, "heard", format!("{heard} {}", word(&end.map(|_| ()))));
                Ok(())
            },
            move |_cx, mut stream| async move {
                stream.set_nodelay(true)?;
                for digit in 0..digits {
                    stream.write_u8(b'0' + digit).await?;
                    sleep(ms(500)).await;
                }
                stream.shutdown().await?;
                sleep(s(30)).await;
                Ok(())
            },
        );
        let silence = HalfOpen { kind, direction: None, heal_after: Some(ms(1000)) };
        // Lost at 1 s and 1.5 s; the way is free from 1.9 s on, and the kernel tries again later.
        let outcome = stage.fault(Trigger::At(ms(900)), Connections::of("client", "server"), silence).run();
        let all: String = (0..digits).map(|digit| char::from(b'0' + digit)).collect();
        assert_eq!(outcome.words("heard"), [format!("{all} Ok(())")], "{kind:?}, {digits} digits");
    }
}

#[test]
fn a_connect_during_an_outage_goes_on_when_the_machine_is_back() {
    let outcome = greeter("power_connect", |cx| async move {
        sleep(s(2)).await;
        let mut stream = TcpStream::connect("server:80").await?;
        tell(&cx, "connected", stream.read_u8().await?);
        Ok(())
    })
    .strike(s(1), "server", PowerLoss { restart_after: Some(s(5)) })
    .run();
    // A SYN each second; back since 6 s. The greeting follows the handshake.
    assert_eq!(outcome.only("connected"), (s(6) + 4 * LATENCY, "1".to_owned()));
}

#[test]
fn an_attempt_that_an_outage_cut_off_is_a_new_one_to_the_restarted_machine() {
    let outcome = greeter("power_attempt", |cx| async move {
        sleep(ms(995)).await;
        let mut stream = TcpStream::connect("server:80").await?;
        tell(&cx, "connected", stream.read_u8().await?);
        Ok(())
    })
    .strike(s(1), "server", PowerLoss { restart_after: Some(s(2)) })
    .run();
    // SYNs at 0.995, 1.995 and 2.995 s; back since 3 s.
    assert_eq!(outcome.only("connected"), (ms(2995) + 4 * LATENCY, "1".to_owned()));
}

/// Found by random worlds: the forged RST overtook the SYN, which a partition swallows and its sender repeats, and the
/// server's end was dead before it was born.
#[test]
fn a_reset_of_an_attempt_that_has_not_come_through_is_nobodys() {
    let attempt = Connections::of("client", "server").nth(1);
    let outcome = greeter("partition_attempt", |cx| async move {
        sleep(ms(1_100)).await;
        let connected = timeout(s(10), TcpStream::connect("server:80")).await;
        tell(&cx, "connected", connected.is_ok_and(|connected| connected.is_ok()));
        Ok(())
    })
    .part(s(1), ("client", "server"), Some(s(2)))
    .fault(Trigger::At(ms(2_500)), attempt, Reset { to: Ends::Server })
    .run();
    // SYNs at 1.1, 2.1 and 3.1 s; the partition ends at 3 s and lets the RST go.
    assert_eq!(outcome.only("connected"), (ms(3_100) + 2 * LATENCY, "true".to_owned()));
    assert_eq!(outcome.count(&ConnectionEvent::Refused), 0);
}

/// Found by random worlds: what the dead machine had been about to repeat was counted against the machine that came
/// after it, and a quarter of an hour later a healthy connection timed out.
#[test]
fn an_answer_that_died_with_its_machine_is_no_loss_of_the_next() {
    let outcome = Stage::new("power_answer")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut stream, _) = listener.accept().await?;
            tell(&cx, "heard", word(&stream.read_u8().await));
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            sleep(ms(990)).await;
            let mut stream = TcpStream::connect("server:80").await?;
            sleep(RETRY_BUDGET + s(10)).await;
            tell(&cx, "write", word(&stream.write(&[7]).await));
            sleep(s(1)).await;
            Ok(())
        })
        // The SYN is on its way when the partition begins, and its answer is held.
        .part(ms(995), ("client", "server"), Some(ms(50)))
        .strike(ms(1_020), "server", PowerLoss { restart_after: Some(ms(5)) })
        .run();
    assert_eq!(outcome.words("write"), ["Ok(1)"]);
    assert_eq!(outcome.words("heard"), ["Ok(7)"]);
}

#[test]
fn an_old_peers_first_write_after_the_restart_draws_a_reset() {
    let outcome = greeter("power_old_peer", |cx| async move {
        let mut stream = TcpStream::connect("server:80").await?;
        tell(&cx, "greeting", stream.read_u8().await?);
        sleep_until(start() + s(4)).await;
        tell(&cx, "write", word(&stream.write(b"still there?").await));
        tell(&cx, "read", word(&stream.read_u8().await));
        tell(&cx, "again", word(&stream.write(b"?").await));
        Ok(())
    })
    .strike(s(1), "server", PowerLoss { restart_after: Some(s(2)) })
    .run();
    assert_eq!(outcome.only("write"), (s(4), "Ok(12)".to_owned()));
    assert_eq!(outcome.only("read"), (s(4) + 2 * LATENCY, "ConnectionReset".to_owned()));
    assert_eq!(outcome.words("again"), ["BrokenPipe"]);
}

#[test]
fn what_was_written_during_an_outage_is_sent_again_and_draws_a_reset_after_it() {
    let outcome = greeter("power_retransmission", |cx| async move {
        let mut stream = TcpStream::connect("server:80").await?;
        tell(&cx, "greeting", stream.read_u8().await?);
        sleep_until(start() + s(2)).await;
        stream.write_all(b"anybody?").await?;
        tell(&cx, "read", word(&stream.read_u8().await));
        Ok(())
    })
    .strike(s(1), "server", PowerLoss { restart_after: Some(s(2)) })
    .run();
    // Lost at 2.010 s; sent again 0.2, 0.6 and 1.4 s later, the last time to a machine that is back.
    assert_eq!(outcome.only("read"), (ms(2010 + 1400) + 2 * LATENCY, "ConnectionReset".to_owned()));
}

#[test]
fn a_writer_to_a_machine_that_stays_dead_is_told_when_its_kernel_gives_up() {
    let outcome = greeter("power_for_ever", |cx| async move {
        let mut stream = TcpStream::connect("server:80").await?;
        tell(&cx, "greeting", stream.read_u8().await?);
        sleep_until(start() + s(2)).await;
        stream.write_all(b"anybody?").await?;
        tell(&cx, "read", word(&stream.read_u8().await));
        Ok(())
    })
    .strike(s(1), "server", PowerLoss { restart_after: None })
    .run();
    assert_eq!(outcome.only("read"), (s(2) + LATENCY + RETRY_BUDGET, "TimedOut".to_owned()));
    assert!(outcome.polls < 200, "{} polls: the retries double their distances", outcome.polls);
}

#[test]
fn a_frozen_host_hears_and_says_everything_after_the_thaw() {
    let outcome = echo("freeze").strike(s(1), "server", Freeze { thaw_after: Some(s(5)) }).run();
    assert_eq!(outcome.only("echo of 1"), (s(6) + 2 * LATENCY, "a".to_owned()));
    assert_eq!(outcome.only("echo of 2"), (s(6) + 2 * LATENCY, "b".to_owned()));
}

#[test]
fn what_a_partition_held_comes_after_the_heal_in_order() {
    let outcome = echo("partition").part(s(1), ("client", "server"), Some(s(5))).run();
    assert_eq!(outcome.only("echo of 1"), (s(6) + 2 * LATENCY, "a".to_owned()));
    assert_eq!(outcome.only("echo of 2"), (s(6) + 2 * LATENCY, "b".to_owned()));
}

#[test]
fn a_partition_touches_nobody_else() {
    let outcome = echo("partition_elsewhere")
        .actor("other", async |cx| {
            sleep(s(2)).await;
            tell(&cx, "other", word(&TcpStream::connect("server:81").await.map(drop)));
            Ok(())
        })
        .part(s(1), ("client", "server"), Some(s(5)))
        .run();
    assert_eq!(outcome.only("other"), (s(2) + 2 * LATENCY, "ConnectionRefused".to_owned()));
}

#[test]
fn a_partition_that_outlives_the_retry_budget_ends_the_connection_for_the_writer() {
    let outcome = pair(
        "partition_budget",
        async |cx, mut stream| {
            let read = timeout(s(1500), stream.read(&mut [0; 8])).await;
            tell(&cx, "server", read.map_or("nothing".to_owned(), |read| word(&read)));
            Ok(())
        },
        async |cx, mut stream| {
            sleep_until(start() + s(2)).await;
            stream.write_all(b"hello").await?;
            tell(&cx, "client", word(&stream.read(&mut [0; 8]).await));
            sleep(s(700)).await;
            Ok(())
        },
    )
    .part(s(1), ("client", "server"), None)
    .run();
    assert_eq!(outcome.only("client"), (s(2) + RETRY_BUDGET, "TimedOut".to_owned()));
    assert_eq!(outcome.words("server"), ["nothing"]);
}

#[test]
fn a_connect_through_a_partition_times_out_after_131_seconds() {
    let outcome = greeter("partition_connect", |cx| async move {
        sleep(s(2)).await;
        let connected = TcpStream::connect("server:80").await;
        tell(&cx, "connected", word(&connected.map(drop)));
        Ok(())
    })
    .part(s(1), ("client", "server"), None)
    .run();
    assert_eq!(outcome.only("connected"), (s(2 + 131), "TimedOut".to_owned()));
}

/// The start of the run, seen from a task that started with it.
fn start() -> tokio::time::Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    tokio::time::Instant::now() - (since - Scenario::STARTS_AT)
}

/// A host that greets every connection with the number of its life, and a client.
fn greeter<F, R>(name: &str, client: F) -> Stage
where
    F: Fn(halfopen::HostContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), halfopen::BoxError>> + 'static,
{
    Stage::new(name)
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let mut streams = Vec::new();
            loop {
                let (mut stream, _) = tokio::select! {
                    () = cx.stopped() => return Ok(()),
                    accepted = listener.accept() => accepted?,
                };
                stream.write_u8(cx.incarnation().0 as u8).await?;
                streams.push(stream);
            }
        })
        .actor("client", client)
}

/// A host that echoes one connection, and a client that sends two letters during the outage.
fn echo(name: &str) -> Stage {
    pair(
        name,
        async |_, mut stream| {
            stream.set_nodelay(true)?;
            while let Ok(letter) = stream.read_u8().await {
                stream.write_u8(letter).await?;
            }
            Ok(())
        },
        async |cx, mut stream| {
            stream.set_nodelay(true)?;
            sleep_until(start() + s(2)).await;
            stream.write_u8(b'a').await?;
            sleep(s(1)).await;
            stream.write_u8(b'b').await?;
            for n in 1..=2 {
                let letter = timeout(s(60), stream.read_u8()).await??;
                tell(&cx, &format!("echo of {n}"), char::from(letter));
            }
            Ok(())
        },
    )
}
