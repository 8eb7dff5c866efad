//! The socket tables of reports: what each socket holds when the run is judged.

use std::time::Duration;

use halfopen::Outcome;
use halfopen::fault::{HalfOpen, HalfOpenKind, Trigger};
use halfopen::name::{Link, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{LATENCY, Stage, ms, pair, s};

#[test]
fn what_the_peer_has_read_is_not_waiting_for_an_acknowledgement() {
    let outcome = said("acknowledged", s(1)).run();
    assert_eq!(queues(&outcome), [("server", Side::Server, 0, 0), ("client", Side::Client, 0, 0)]);
}

#[test]
fn what_is_on_its_way_or_not_read_stands_in_the_table() {
    // The run is judged when the bytes have arrived, and their acknowledgement has not.
    let outcome = said("under_way", LATENCY + LATENCY / 2).run();
    assert_eq!(queues(&outcome), [("server", Side::Server, 0, 0), ("client", Side::Client, 0, 5)]);
    let unread = pair(
        "unread",
        async |cx, stream| {
            cx.stopped().await;
            drop(stream);
            Ok(())
        },
        async |_, mut stream| {
            stream.write_all(b"hello").await?;
            sleep(s(1_000_000)).await;
            Ok(())
        },
    )
    .time_limit(s(2));
    assert_eq!(recv(&unread.run(), "server"), Some(5));
}

#[test]
fn what_a_silence_swallows_waits_until_the_kernel_gives_up() {
    let stage = |name: &str, wait: Duration| {
        let link = Link { client: "client".into(), server: "server".into() };
        let verb = HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after: None };
        said(name, wait).fault(Trigger::At(ms(900)), link, verb)
    };
    assert_eq!(send(&stage("swallowed", s(1)).run(), "client"), Some(5));
    assert_eq!(send(&stage("given_up", s(1000)).run(), "client"), Some(0));
}

/// A client sends five bytes at 1 s, the server reads them, and the run is judged the given time later.
fn said(name: &str, wait: Duration) -> Stage {
    pair(
        name,
        async |cx, mut stream| {
            let mut bytes = [0; 5];
            tokio::select! { read = stream.read_exact(&mut bytes) => { read?; }, () = cx.stopped() => {} }
            cx.stopped().await;
            Ok(())
        },
        move |_, mut stream| async move {
            sleep(s(1) - 2 * LATENCY).await;
            stream.write_all(b"hello").await?;
            sleep(s(1_000_000)).await;
            Ok(())
        },
    )
    .time_limit(s(1) + wait)
}

fn queues(outcome: &Outcome) -> Vec<(&str, Side, u64, u64)> {
    let rows = outcome.last.sockets.iter().filter(|row| row.connection.is_some());
    let mut queues: Vec<_> = rows.map(|row| (row.host.as_str(), row.side, row.recv_q, row.send_q)).collect();
    queues.sort_by_key(|(host, ..)| std::cmp::Reverse(*host));
    queues
}

fn send(outcome: &Outcome, host: &str) -> Option<u64> {
    queues(outcome).into_iter().find(|(name, ..)| *name == host).map(|(.., send)| send)
}

fn recv(outcome: &Outcome, host: &str) -> Option<u64> {
    queues(outcome).into_iter().find(|(name, ..)| *name == host).map(|(_, _, recv, _)| recv)
}
