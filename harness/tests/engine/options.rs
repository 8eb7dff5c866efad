//! Socket options: small segments, patience, buffers.

use std::time::Duration;

use halfopen::fault::{Connections, HalfOpen, HalfOpenKind, PowerLoss, Trigger};
use halfopen::name::{Direction, Side};
use halfopen::trace::{ConnectionEvent, GaveUpOn};
use halfopen_net::{Keepalive, TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

#[test]
fn a_small_segment_waits_for_the_acknowledgement_of_another() {
    let outcome = letters("nagle", async |stream| {
        stream.write_u8(b'a').await?;
        stream.write_u8(b'b').await?;
        stream.write_u8(b'c').await
    });
    // The second and third leave together, when the first one's acknowledgement is back.
    let at: Vec<_> = outcome.told("letter").into_iter().map(|(at, _)| at).collect();
    assert_eq!(at, [SAID + LATENCY, SAID + 3 * LATENCY, SAID + 3 * LATENCY]);
}

#[test]
fn with_no_delay_small_segments_leave_at_once() {
    let outcome = letters("no_delay", async |stream| {
        stream.set_nodelay(true)?;
        stream.write_u8(b'a').await?;
        stream.write_u8(b'b').await
    });
    let at: Vec<_> = outcome.told("letter").into_iter().map(|(at, _)| at).collect();
    assert_eq!(at, [SAID + LATENCY; 2]);
}

#[test]
fn what_was_held_back_leaves_when_no_delay_is_set_or_the_end_follows() {
    let no_delay = letters("late_no_delay", async |stream| {
        stream.write_u8(b'a').await?;
        stream.write_u8(b'b').await?;
        sleep(ms(5)).await;
        stream.set_nodelay(true)
    });
    assert_eq!(no_delay.told("letter")[1].0, SAID + ms(5) + LATENCY);
    let shutdown = letters("late_shutdown", async |stream| {
        stream.write_u8(b'a').await?;
        stream.write_u8(b'b').await?;
        sleep(ms(5)).await;
        stream.shutdown().await
    });
    assert_eq!(shutdown.told("letter")[1].0, SAID + ms(5) + LATENCY);
}

#[test]
fn a_hard_close_loses_what_was_held_back() {
    let outcome = letters("lost_by_nagle", async |stream| {
        stream.set_zero_linger()?;
        stream.write_u8(b'a').await?;
        stream.write_u8(b'b').await
    });
    assert_eq!(outcome.words("letter"), ["a"]);
    assert_eq!(outcome.words("end"), ["ConnectionReset"]);
}

#[test]
fn full_segments_are_not_held_back() {
    let outcome = letters("full_segments", async |stream| {
        stream.write_u8(b'a').await?;
        stream.write_all(&[b'x'; 2 * 1460 + 1]).await
    });
    let at: Vec<_> = outcome.told("letter").into_iter().map(|(at, _)| at).collect();
    assert_eq!(at.iter().filter(|at| **at == SAID + LATENCY).count(), 1 + 2 * 1460);
    assert_eq!(at.last(), Some(&(SAID + 3 * LATENCY)));
}

#[test]
fn a_user_timeout_ends_a_connection_whose_data_nobody_acknowledges() {
    let outcome = quiet("user_timeout", async |cx, mut stream| {
        stream.set_user_timeout(Some(s(3)))?;
        sleep_until(start() + s(5)).await;
        stream.write_all(b"anybody?").await?;
        tell(&cx, "read", word(&stream.read_u8().await));
        tell(&cx, "write", word(&stream.write(b"?").await));
        Ok(())
    })
    .fault(Trigger::At(s(2)), link(), blackhole(None))
    .run();
    assert_eq!(outcome.only("read"), (s(5) + s(3), "TimedOut".to_owned()));
    assert_eq!(outcome.words("write"), ["BrokenPipe"]);
    assert_eq!(outcome.count(&given_up(GaveUpOn::UserTimeout)), 1);
}

#[test]
fn a_user_timeout_says_nothing_about_an_idle_connection() {
    let outcome = quiet("user_timeout_idle", async |cx, mut stream| {
        stream.set_user_timeout(Some(s(3)))?;
        tell(&cx, "read", timeout(s(3600), stream.read_u8()).await.is_err());
        Ok(())
    })
    .fault(Trigger::At(s(2)), link(), blackhole(None))
    .run();
    assert_eq!(outcome.words("read"), ["true"]);
}

#[test]
fn a_user_timeout_ends_a_connection_whose_peer_keeps_its_window_closed() {
    let outcome = pair(
        "user_timeout_window",
        async |cx, stream| {
            cx.stopped().await;
            drop(stream);
            Ok(())
        },
        async |cx, mut stream| {
            stream.set_user_timeout(Some(s(3)))?;
            let error = stream.write_all(&vec![0; 10_000_000]).await.unwrap_err();
            tell(&cx, "error", format!("{:?}", error.kind()));
            Ok(())
        },
    )
    .run();
    // What the first flight of whole segments leaves of the window goes with the second; it opens no more.
    assert_eq!(outcome.only("error"), (4 * LATENCY + s(3), "TimedOut".to_owned()));
    assert_eq!(outcome.count(&given_up(GaveUpOn::UserTimeout)), 1);
}

#[test]
fn probes_find_out_that_an_idle_peer_is_gone() {
    let outcome = quiet("keepalive", async |cx, mut stream| {
        stream.set_keepalive(Some(Keepalive { time: s(20), interval: s(5), retries: 3 }))?;
        tell(&cx, "read", word(&stream.read_u8().await));
        Ok(())
    })
    .fault(Trigger::At(s(100)), link(), blackhole(None))
    .run();
    // Probes at 20, 40, 60, 80 and 100 s are answered; the one after the last answer, and two more, are not.
    let (at, read) = outcome.only("read");
    assert_eq!(read, "TimedOut");
    assert!((s(100) + s(15)..=s(120) + s(15)).contains(&at), "{at:?}");
    assert_eq!(outcome.count(&given_up(GaveUpOn::Keepalive)), 1);
}

#[test]
fn probes_keep_no_promise_that_nobody_breaks() {
    let outcome = quiet("keepalive_answered", async |cx, mut stream| {
        stream.set_keepalive(Some(Keepalive { time: s(20), interval: s(5), retries: 3 }))?;
        tell(&cx, "read", timeout(s(3600), stream.read_u8()).await.is_err());
        tell(&cx, "write", word(&stream.write(b"?").await));
        Ok(())
    })
    .time_limit(s(7200))
    .run();
    assert_eq!(outcome.words("read"), ["true"]);
    assert_eq!(outcome.words("write"), ["Ok(1)"]);
    assert!(outcome.polls < 100, "{} polls: probes wake nobody", outcome.polls);
}

#[test]
fn a_probe_that_reaches_a_restarted_machine_draws_a_reset() {
    let outcome = quiet("keepalive_restart", async |cx, mut stream| {
        stream.set_keepalive(Some(Keepalive { time: s(20), interval: s(5), retries: 3 }))?;
        tell(&cx, "read", word(&stream.read_u8().await));
        Ok(())
    })
    .strike(s(5), "server", PowerLoss { restart_after: Some(s(5)) })
    .run();
    let (at, read) = outcome.only("read");
    assert_eq!(read, "ConnectionReset");
    assert_eq!(at, 2 * LATENCY + s(20) + 2 * LATENCY);
    assert_eq!(outcome.count(&ConnectionEvent::TimedOut), 0);
}

#[test]
fn buffers_are_as_large_as_the_link_or_the_socket_says() {
    let absorbed = |name: &str, socket: fn() -> std::io::Result<TcpSocket>, bytes: (u32, u32)| {
        let mut stage = Stage::new(name)
            .host("server", async |cx| {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (_stream, _) = listener.accept().await?;
                cx.stopped().await;
                Ok(())
            })
            .actor("client", move |cx| async move {
                let server = lookup_host("server:80").await?.next().ok_or("no address")?;
                let mut stream = socket()?.connect(server).await?;
                let mut absorbed = 0;
                while let Ok(n) = timeout(s(10), stream.write(&[0; 1000])).await {
                    absorbed += n?;
                }
                tell(&cx, "absorbed", absorbed);
                Ok(())
            });
        stage.link().send_buffer_bytes = bytes.0;
        stage.link().receive_buffer_bytes = bytes.1;
        stage.run().only("absorbed").1
    };
    assert_eq!(absorbed("link_buffers", TcpSocket::new_v4, (20_000, 5_000)), "25000");
    let small = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(8_000)?;
        Ok(socket)
    };
    assert_eq!(absorbed("socket_buffers", small, (20_000, 5_000)), "13000");
}

/// When the letters are said: after the handshake.
const SAID: Duration = ms(1_000);

/// A client that says letters at 1 s, and a server that tells when each arrives.
fn letters<F>(name: &str, say: F) -> halfopen::Outcome
where
    F: AsyncFn(&mut TcpStream) -> std::io::Result<()> + Clone + Send + Sync + 'static,
{
    pair(
        name,
        async |cx, mut stream| {
            loop {
                match stream.read_u8().await {
                    Ok(letter) => tell(&cx, "letter", char::from(letter)),
                    Err(error) => {
                        tell(&cx, "end", format!("{:?}", error.kind()));
                        return Ok(());
                    }
                }
            }
        },
        move |_, mut stream| {
            let say = say.clone();
            async move {
                sleep_until(start() + SAID).await;
                say(&mut stream).await?;
                if stream.linger()?.is_none() {
                    sleep(s(1)).await;
                }
                Ok(())
            }
        },
    )
    .run()
}

/// A server that says nothing, and a client.
fn quiet<F>(name: &str, client: F) -> Stage
where
    F: AsyncFn(halfopen::HostContext, TcpStream) -> Result<(), halfopen::BoxError> + Clone + Send + Sync + 'static,
{
    pair(
        name,
        async |cx, stream| {
            cx.stopped().await;
            drop(stream);
            Ok(())
        },
        move |cx, stream| {
            let client = client.clone();
            async move { client(cx, stream).await }
        },
    )
    .time_limit(s(4000))
}

fn link() -> Connections {
    Connections::of("client", "server")
}

fn given_up(why: GaveUpOn) -> ConnectionEvent {
    ConnectionEvent::GaveUp { by: Side::Client, why }
}

fn blackhole(direction: Option<Direction>) -> HalfOpen {
    HalfOpen { kind: HalfOpenKind::Blackhole, direction, heal_after: None }
}

/// The start of the run, seen from a client that has just connected.
fn start() -> Instant {
    Instant::now() - 2 * LATENCY
}
