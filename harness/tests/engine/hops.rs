//! What hops on the way do: middleboxes that forget idle connections, proxies that close one way, and such as buffer.

use std::sync::Arc;
use std::time::Duration;

use halfopen::fault::{
    Act, Buffer, Connections, Ends, Forgetting, HalfClose, HalfOpen, HalfOpenKind, Middlebox, Reset, Trigger,
};
use halfopen::name::{Direction, Side};
use halfopen::trace::ConnectionEvent;
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_net::{Keepalive, TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

const EXACTLY_ONCE: &str = "[delivery]\nlaw = \"exactly_once\"";
const BLACKHOLE: HalfOpen = HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after: None };
const RESET: Reset = Reset { to: Ends::Both };

/// How a client keeps its connection between two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Silent,
    Pings,
    Probes,
}

#[test]
fn who_keeps_a_connection_alive_is_acquitted_and_who_does_not_is_convicted() {
    let acts = [
        Act::Connection { on: link(), verb: Arc::new(BLACKHOLE) },
        Act::Connection { on: link(), verb: Arc::new(RESET) },
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let broken = |manner: Manner| {
            let name = format!("idle_{n}_{manner:?}");
            two_questions(&name, manner).act(Trigger::Idle(s(60)), act.clone()).run().broken()
        };
        assert_eq!(broken(Manner::Pings), [""; 0]);
        assert_eq!(broken(Manner::Probes), [""; 0]);
        assert_eq!(broken(Manner::Silent), ["delivery: silent loss @ client"]);
    }
}

#[test]
fn a_middlebox_on_the_link_forgets_every_connection_that_is_idle() {
    for forgets in [Forgetting::Blackhole, Forgetting::Reset] {
        let run = |manner: Manner| {
            let mut stage = two_questions(&format!("middlebox_{forgets:?}_{manner:?}"), manner);
            stage.link().middlebox = Some(Middlebox { idle_timeout: s(60), forgets });
            stage.run()
        };
        let silent = run(Manner::Silent);
        assert_eq!(silent.broken(), ["delivery: silent loss @ client"]);
        assert_eq!(silent.count(&ConnectionEvent::Forgotten), 1);
        assert_eq!(
            silent.only("no answer").1,
            if forgets == Forgetting::Reset { "ConnectionReset" } else { "silence" }
        );
        for manner in [Manner::Pings, Manner::Probes] {
            let kept = run(manner);
            assert_eq!((kept.broken(), kept.count(&ConnectionEvent::Forgotten)), (vec![], 0), "{manner:?}");
        }
    }
}

#[test]
fn two_hosts_of_one_machine_have_no_middlebox_between_them() {
    let mut stage = Stage::new("middlebox_loopback").actor("client", async |cx| {
        let listener = TcpListener::bind("127.0.0.1:80").await?;
        let (mut here, there) = tokio::try_join!(TcpStream::connect("127.0.0.1:80"), listener.accept())?;
        sleep(s(100)).await;
        here.write_all(b"x").await?;
        tell(&cx, "heard", word(&there.0.readable().await));
        Ok(())
    });
    stage.link().middlebox = Some(Middlebox { idle_timeout: s(60), forgets: Forgetting::Blackhole });
    assert_eq!(stage.run().only("heard").1, "Ok(())");
}

#[test]
fn a_server_that_is_half_closed_answers_and_one_that_takes_it_for_the_end_is_convicted() {
    let run = |name: &str, hasty: bool| {
        let verb = HalfClose { by: Side::Client };
        pair(
            name,
            move |_, stream| answer_slowly(stream, hasty),
            async |cx, mut stream| {
                cx.offered("question");
                stream.write_all(b"question").await?;
                let mut answer = Vec::new();
                if let Ok(Ok(6)) = timeout(s(30), stream.read_to_end(&mut answer)).await {
                    cx.received("question");
                }
                Ok(())
            },
        )
        .tells("client", &[FactKind::Offered, FactKind::Received])
        .checks(EXACTLY_ONCE)
        .fault(Trigger::Bytes { n: 8, direction: Direction::ToServer }, link(), verb)
        .run()
    };
    let patient = run("half_closed", false);
    assert_eq!(patient.broken(), [""; 0]);
    assert_eq!(patient.count(&ConnectionEvent::Fin { by: Side::Client, forged: true }), 1);
    assert_eq!(run("half_closed_hasty", true).broken(), ["delivery: silent loss @ client"]);
}

#[test]
fn what_the_other_end_of_a_half_close_still_sends_goes_nowhere_and_is_acknowledged() {
    let outcome = pair(
        "half_close_by_server",
        async |cx, mut stream| {
            sleep(s(5)).await;
            tell(&cx, "write", word(&stream.write_all(b"nobody reads this").await));
            let mut heard = Vec::new();
            tell(&cx, "server heard", word(&stream.read_to_end(&mut heard).await));
            Ok(())
        },
        async |cx, mut stream| {
            let mut heard = Vec::new();
            tell(&cx, "client heard", word(&stream.read_to_end(&mut heard).await));
            sleep(s(10)).await;
            stream.write_all(b"still talking").await?;
            Ok(())
        },
    )
    .fault(Trigger::At(s(1)), link(), HalfClose { by: Side::Server })
    .run();
    assert_eq!(outcome.only("client heard"), (s(1) + LATENCY, "Ok(0)".to_owned()));
    assert_eq!(outcome.only("write").1, "Ok(())");
    assert_eq!(outcome.only("server heard").1, "Ok(13)");
    assert_eq!(outcome.broken(), [""; 0]);
}

#[test]
fn a_hop_passes_on_what_it_has_kept_after_a_while_and_its_sender_is_acknowledged_at_once() {
    let verb = Buffer { bytes: 1 << 16, flush_after: Some(s(3)), direction: None, lasting: None };
    let outcome = pair("buffered", tell_each_second, read_lines).fault(Trigger::Connect, link(), verb).run();
    // Ten lines a second apart: three seconds after the last one the hop passes on all ten.
    let lines = outcome.told("line");
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|(at, _)| *at == lines[0].0), "{lines:?}");
    let sent = outcome.told("sent");
    assert_eq!(lines[0].0, sent[9].0 + s(3) + LATENCY);
    // Nagle never held a line back: each was acknowledged before the next.
    assert!(sent.windows(2).all(|two| two[1].0 - two[0].0 == s(1)), "{sent:?}");
    assert_eq!(outcome.broken(), [""; 0]);
}

#[test]
fn a_reader_that_takes_a_buffering_hop_s_silence_for_the_end_is_convicted() {
    let run = |name: &str, patience: Duration| {
        let verb = Buffer { bytes: 60, flush_after: None, direction: Some(Direction::ToClient), lasting: None };
        pair(name, tell_each_second, move |cx, stream| read_to_the_end(cx, stream, patience))
            .tells("client", &[FactKind::Offered, FactKind::Received])
            .checks(EXACTLY_ONCE)
            .fault(Trigger::Connect, link(), verb)
            .run()
            .broken()
    };
    assert_eq!(run("buffered_patient", s(60)), [""; 0]);
    assert_eq!(run("buffered_hasty", s(4)), ["delivery: silent loss @ client"]);
}

async fn tell_each_second(cx: HostContext, mut stream: TcpStream) -> Result<(), BoxError> {
    for n in 0..10 {
        stream.write_all(format!("line {n}\n").as_bytes()).await?;
        tell(&cx, "sent", n);
        sleep(s(1)).await;
    }
    sleep(s(5)).await;
    Ok(())
}

/// Takes so long a silence for the end.
async fn read_to_the_end(cx: HostContext, mut stream: TcpStream, patience: Duration) -> Result<(), BoxError> {
    cx.offered("the tenth line");
    let (mut heard, mut piece) = (Vec::new(), [0; 64]);
    while let Ok(Ok(read @ 1..)) = timeout(patience, stream.read(&mut piece)).await {
        heard.extend_from_slice(&piece[..read]);
    }
    if heard.ends_with(b"line 9\n") {
        cx.received("the tenth line");
    }
    Ok(())
}

async fn read_lines(cx: HostContext, mut stream: TcpStream) -> Result<(), BoxError> {
    let mut line = [0; 7];
    while stream.read_exact(&mut line).await.is_ok() {
        tell(&cx, "line", String::from_utf8_lossy(&line).trim());
    }
    Ok(())
}

/// Reads a question, works on it for a second, and answers; a hasty one stops working when its peer finishes.
async fn answer_slowly(mut stream: TcpStream, hasty: bool) -> Result<(), BoxError> {
    stream.read_exact(&mut [0; 8]).await?;
    if hasty && let Ok(read) = timeout(s(1), stream.read(&mut [0; 8])).await {
        read?;
        return Ok(());
    }
    if !hasty {
        sleep(s(1)).await;
    }
    stream.write_all(b"answer").await?;
    Ok(())
}

/// A client that asks at once and again after 100 s.
fn two_questions(name: &str, manner: Manner) -> Stage {
    pair(
        name,
        |cx, stream| async move {
            tokio::select! {
                echoed = echo(stream) => echoed,
                () = cx.stopped() => Ok(()),
            }
        },
        move |cx, stream| ask_twice(cx, stream, manner),
    )
    .tells("client", &[FactKind::Offered, FactKind::Received])
    .checks(EXACTLY_ONCE)
}

async fn echo(mut stream: TcpStream) -> Result<(), BoxError> {
    let mut byte = [0; 1];
    while let Ok(1) = stream.read(&mut byte).await {
        stream.write_all(&byte).await?;
    }
    Ok(())
}

async fn ask_twice(cx: HostContext, mut stream: TcpStream, manner: Manner) -> Result<(), BoxError> {
    if manner == Manner::Probes {
        stream.set_keepalive(Some(Keepalive { time: s(30), interval: s(5), retries: 3 }))?;
    }
    for (key, pause) in [("early", s(0)), ("late", s(100))] {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            sleep(s(20)).await;
            if manner == Manner::Pings {
                stream.write_all(b".").await?;
                stream.read_exact(&mut [0; 1]).await?;
            }
        }
        cx.offered(key);
        let ask = async {
            stream.write_all(b"?").await?;
            stream.read_exact(&mut [0; 1]).await
        };
        match timeout(s(10), ask).await {
            Ok(Ok(_)) => cx.received(key),
            Ok(Err(error)) => tell(&cx, "no answer", format!("{:?}", error.kind())),
            Err(_) => tell(&cx, "no answer", "silence"),
        }
    }
    sleep(ms(100)).await;
    Ok(())
}

fn link() -> Connections {
    Connections::of("client", "server")
}
