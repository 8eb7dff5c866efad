//! Lines that are slow, and attempts to connect that come to nothing.

use std::time::Duration;

use halfopen::fault::{
    AcceptThenReset, ConnectHang, Connections, Drip, HandshakeStall, Partition, Split, Throttle, Trigger,
};
use halfopen::name::{Direction, HostName};
use halfopen::trace::ConnectionEvent;
use halfopen::{BoxError, HostContext};
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

#[test]
fn a_throttled_line_carries_so_many_bytes_a_second() {
    let throttle = Throttle { bytes_per_second: 1000, direction: None, lasting: None };
    let outcome = stream_of("throttle", 10_000).fault(Trigger::Connect, link(), throttle).run();
    // The first segment is here when it has been carried, the last after all ten thousand bytes.
    assert_eq!(outcome.only("first"), (4 * LATENCY + ms(1460), "1460".to_owned()));
    assert_eq!(outcome.only("all"), (4 * LATENCY + s(10), "10000".to_owned()));
}

#[test]
fn a_line_that_is_fast_again_gives_everything_at_once() {
    let throttle = Throttle { bytes_per_second: 1000, direction: None, lasting: Some(s(3)) };
    let outcome = stream_of("throttle_ends", 10_000).fault(Trigger::Connect, link(), throttle).run();
    assert_eq!(outcome.only("all"), (s(3), "10000".to_owned()));
}

#[test]
fn only_the_throttled_direction_is_slow() {
    let throttle = Throttle { bytes_per_second: 10, direction: Some(Direction::ToServer), lasting: None };
    let outcome = stream_of("throttle_one_way", 10_000).fault(Trigger::Connect, link(), throttle).run();
    assert_eq!(outcome.only("all"), (4 * LATENCY, "10000".to_owned()));
}

#[test]
fn a_dripping_line_gives_a_few_bytes_at_a_time() {
    let drip = Drip { bytes: 2, every: s(1), direction: None, lasting: None };
    let outcome = stream_of("drip", 7).fault(Trigger::Connect, link(), drip).run();
    assert_eq!(outcome.words("piece"), ["2", "2", "2", "1"]);
    assert_eq!(outcome.only("all"), (4 * LATENCY + s(3), "7".to_owned()));
}

#[test]
fn what_was_written_at_once_takes_several_reads() {
    let split = Split { bytes: 3, direction: None, lasting: None };
    let outcome = stream_of("split", 8).fault(Trigger::Connect, link(), split).run();
    assert_eq!(outcome.words("piece"), ["3", "3", "2"]);
    assert_eq!(outcome.only("all"), (4 * LATENCY + ms(2), "8".to_owned()));
}

#[test]
fn a_fin_comes_behind_what_drips() {
    let drip = Drip { bytes: 1, every: s(1), direction: None, lasting: None };
    let outcome = pair(
        "drip_fin",
        async |_, mut stream| {
            stream.write_all(b"bye").await?;
            drop(stream);
            Ok(())
        },
        async |cx, mut stream| {
            let mut heard = Vec::new();
            let read = stream.read_to_end(&mut heard).await;
            tell(&cx, "heard", word(&read));
            Ok(())
        },
    )
    .fault(Trigger::Connect, link(), drip)
    .run();
    assert_eq!(outcome.only("heard"), (4 * LATENCY + s(2), "Ok(3)".to_owned()));
}

#[test]
fn an_attempt_that_hangs_is_given_up_after_131_seconds() {
    let outcome = attempts("hang", s(1)).fault(Trigger::Connect, link(), ConnectHang { lasting: None }).run();
    assert_eq!(outcome.told("connect")[0], (s(131), "TimedOut".to_owned()));
    assert_eq!(outcome.told("connect")[1], (s(132) + 2 * LATENCY, "Ok(())".to_owned()));
}

#[test]
fn attempts_that_hang_for_a_time_go_on_with_the_next_syn() {
    // What Linux 6.18 does, without its timers' slack: 2.04, 4.09, 7.13, 11.35 and 35.67 s.
    let since_6_5 = [(1_500, 2), (3_500, 4), (5_500, 7), (8_000, 11), (20_000, 35), (600_000, 131)];
    let before = [(1_500, 3), (3_500, 7), (5_500, 7), (8_000, 15), (20_000, 31), (600_000, 127)];
    for (linear_timeouts, wanted) in [(4, since_6_5), (0, before)] {
        for (hangs, seconds) in wanted {
            let hang = ConnectHang { lasting: Some(ms(hangs)) };
            let mut stage = attempts("hang_ends", s(1)).fault(Trigger::Connect, link(), hang);
            stage.link().tcp_syn_linear_timeouts = linear_timeouts;
            let (at, told) = stage.run().told("connect")[0].clone();
            let ended = if told == "TimedOut" { s(seconds) } else { s(seconds) + 2 * LATENCY };
            assert_eq!((at, told == "TimedOut"), (ended, hangs == 600_000), "{hangs} ms, {linear_timeouts}");
        }
    }
}

#[test]
fn a_stalled_handshake_connects_and_says_nothing() {
    let outcome = pair(
        "stall",
        async |cx, mut stream| {
            let heard = timeout(s(600), stream.read_u8()).await;
            tell(&cx, "server", heard.map_or("nothing".to_owned(), |read| word(&read)));
            Ok(())
        },
        async |cx, mut stream| {
            tell(&cx, "write", word(&stream.write(b"hello").await));
            let heard = timeout(s(600), stream.read_u8()).await;
            tell(&cx, "client", heard.map_or("nothing".to_owned(), |read| word(&read)));
            Ok(())
        },
    )
    .fault(Trigger::Connect, link(), HandshakeStall { lasting: None })
    .run();
    assert_eq!(outcome.words("write"), ["Ok(5)"]);
    assert_eq!([outcome.words("server"), outcome.words("client")], [["nothing"], ["nothing"]]);
}

#[test]
fn what_is_accepted_is_reset_at_once() {
    let outcome = pair(
        "accept_then_reset",
        async |cx, mut stream| {
            tell(&cx, "server", word(&stream.read_u8().await));
            Ok(())
        },
        async |cx, mut stream| {
            tell(&cx, "write", word(&stream.write(b"hello").await));
            tell(&cx, "client", word(&stream.read_u8().await));
            Ok(())
        },
    )
    .fault(Trigger::Connect, link(), AcceptThenReset { lasting: None })
    .run();
    assert_eq!(outcome.words("write"), ["Ok(5)"]);
    assert_eq!(outcome.only("client"), (4 * LATENCY, "ConnectionReset".to_owned()));
    assert_eq!(outcome.only("server"), (4 * LATENCY, "ConnectionReset".to_owned()));
    assert_eq!(outcome.count(&ConnectionEvent::Established), 1);
}

#[test]
fn through_a_one_way_partition_only_one_end_is_heard() {
    for (from, to, heard) in [("client", "server", [false, true]), ("server", "client", [true, false])] {
        let outcome = letters(&format!("one_way_from_{from}"))
            .fault(Trigger::At(s(1)), between(from, to), Partition { one_way: true, heal_after: None })
            .time_limit(s(2_000))
            .run();
        let ends = ["server", "client"].map(|end| outcome.words(end) == ["Ok(7)"]);
        assert_eq!(ends, heard, "held from {from} to {to}");
    }
}

/// The oracle's W18: the acknowledgements are lost, so that the sender cannot tell what was delivered from what was not.
#[test]
fn acknowledgements_are_held_with_the_rest() {
    let outcome = letters("one_way_acknowledgements")
        .fault(Trigger::At(s(1)), between("server", "client"), Partition { one_way: true, heal_after: None })
        .time_limit(s(2_000))
        .run();
    assert_eq!(outcome.words("server"), ["Ok(7)"], "the client's letter arrived");
    let (at, end) = outcome.only("client");
    assert_eq!(end, "TimedOut", "and its kernel gave it up");
    assert_eq!(at, s(2) + LATENCY + ms(924_600));
}

#[test]
fn what_a_one_way_partition_held_comes_after_the_heal() {
    let outcome = letters("one_way_heals")
        .fault(Trigger::At(s(1)), between("server", "client"), Partition { one_way: true, heal_after: Some(s(60)) })
        .time_limit(s(2_000))
        .run();
    assert_eq!(outcome.only("client"), (s(61) + LATENCY, "Ok(7)".to_owned()));
    assert_eq!(outcome.only("late"), (s(1_500), "Ok(1)".to_owned()), "the acknowledgements came too");
}

fn link() -> Connections {
    Connections::of("client", "server").nth(1)
}

fn between(from: &str, to: &str) -> (HostName, HostName) {
    (from.into(), to.into())
}

/// A server that writes the given number of bytes at once, and a client that tells of every read.
fn stream_of(name: &str, bytes: usize) -> Stage {
    pair(
        name,
        move |cx, mut stream| async move {
            stream.write_all(&vec![7; bytes]).await?;
            cx.stopped().await;
            Ok(())
        },
        move |cx, mut stream| async move {
            let mut read = 0;
            while read < bytes {
                let n = stream.read(&mut [0; 65_536]).await?;
                if read == 0 {
                    tell(&cx, "first", n);
                }
                tell(&cx, "piece", n);
                read += n;
            }
            tell(&cx, "all", read);
            Ok(())
        },
    )
}

/// A client that connects twice, and tells what came of it.
fn attempts(name: &str, pause: Duration) -> Stage {
    Stage::new(name)
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let mut streams = Vec::new();
            loop {
                tokio::select! {
                    () = cx.stopped() => return Ok(()),
                    accepted = listener.accept() => streams.push(accepted?),
                }
            }
        })
        .actor("client", move |cx| async move {
            for _ in 0..2 {
                tell(&cx, "connect", word(&TcpStream::connect("server:80").await.map(drop)));
                sleep(pause).await;
            }
            Ok(())
        })
}

/// Two ends that each send a letter at 2 s and tell what they read, and a client that writes once more long after.
fn letters(name: &str) -> Stage {
    pair(name, |cx, stream| letter(cx, stream, "server"), |cx, stream| letter(cx, stream, "client"))
}

async fn letter(cx: HostContext, mut stream: TcpStream, end: &'static str) -> Result<(), BoxError> {
    let established = if end == "client" { 2 * LATENCY } else { 3 * LATENCY };
    let start = Instant::now() - established;
    sleep_until(start + s(2)).await;
    stream.write_all(&[7]).await?;
    let read = timeout(s(1_400), stream.read_u8()).await;
    tell(&cx, end, read.map_or("nothing".to_owned(), |read| word(&read)));
    sleep_until(start + s(1_500)).await;
    if end == "client" {
        tell(&cx, "late", word(&stream.write(&[7]).await));
    }
    Ok(())
}
