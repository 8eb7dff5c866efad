//! Faults that could not strike, or changed nothing: a run says why, with what was counted.

use halfopen::check::Verdict;
use halfopen::fault::{
    Close, Connections, Crash, Edge, Ends, HalfOpen, HalfOpenKind, IoError, Partition, Place, Refuse, Reset,
    StreamCall, Trigger, Verb,
};
use halfopen::name::{Direction, HostName};
use halfopen::{BoxError, HostContext, Outcome};
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Stage, ms, s};

const RESET: Reset = Reset { to: Ends::Both };

#[test]
fn what_never_strikes_says_what_it_waited_for_and_what_there_was() {
    let bytes = Trigger::Bytes { n: 100_000, direction: Direction::ToServer };
    let message = Trigger::message(1, Direction::ToServer, Edge::After);
    let close = Close { code: Some(1000), reason: String::new(), to: Ends::Both };
    let event = Trigger::Event { message: "no such event".into(), host: None, fields: Vec::new(), n: 1, after: s(0) };
    let refuse = Refuse { lasting: None };
    let told = [
        never("reversed", link("echo", "alice", None), Trigger::At(s(10)), RESET),
        never("ninth", link("alice", "echo", Some(9)), Trigger::Connect, refuse),
        never("bytes", link("alice", "echo", None), bytes, RESET),
        never("event", link("alice", "echo", None), event, RESET),
        never("raw_close", link("alice", "echo", None), Trigger::At(s(10)), close),
        never("raw_message", link("alice", "echo", None), message, RESET),
        never("after_the_actor", link("alice", "echo", None), Trigger::At(ms(31_500)), RESET),
        never("after_the_run", link("alice", "echo", None), Trigger::At(s(40)), RESET),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_changes_nothing_says_what_it_would_have_changed() {
    let between: (HostName, HostName) = ("alice".into(), "echo".into());
    let blip = Partition { one_way: false, heal_after: Some(ms(20)) };
    let io = IoError {
        call: StreamCall::Shutdown,
        kind: halfopen::fault::IoErrorKind::NotConnected,
        nth: 1,
        side: halfopen::name::Side::Client,
        lasting: None,
    };
    let crash = || Crash { restart_after: Some(s(5)) };
    let echo = || HostName::from("echo");
    let twice = session("twice").fault(Trigger::At(s(10)), echo(), crash()).fault(Trigger::At(s(12)), echo(), crash());
    let told = [
        never("no_traffic", between, Trigger::At(ms(10_100)), blip),
        never("no_call", link("alice", "echo", None), Trigger::At(s(10)), io),
        sentence(&twice.run()),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_strikes_beside_another_says_what_it_changed() {
    let half_open = |kind, heal| HalfOpen { kind, direction: None, heal_after: Some(heal) };
    let overlap = session("overlap")
        .fault(Trigger::At(s(5)), link("alice", "echo", None), half_open(HalfOpenKind::Blackhole, s(10)))
        .fault(Trigger::At(s(6)), link("alice", "echo", None), half_open(HalfOpenKind::Stall, s(3)));
    let bytes = || Trigger::Bytes { n: 20, direction: Direction::ToServer };
    let same = session("same_bytes").fault(bytes(), link("alice", "echo", None), RESET).fault(
        bytes(),
        link("alice", "echo", None),
        RESET,
    );
    insta::assert_snapshot!([effects(&overlap.run()), effects(&same.run())].join("\n"));
}

#[test]
fn a_port_on_which_no_process_listens_is_told_where_the_run_fails() {
    let listen = |address: &'static str| {
        move |cx: HostContext| async move {
            let _listener = TcpListener::bind(address).await?;
            cx.stopped().await;
            Ok(())
        }
    };
    let stage = Stage::new("unreached")
        .host("open", listen("0.0.0.0:80"))
        .host("shut", listen("127.0.0.1:80"))
        .host("late", async |cx: HostContext| {
            sleep(s(5)).await;
            let _listener = TcpListener::bind("0.0.0.0:80").await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("alice", async |_| {
            for address in ["open:81", "open:81", "shut:80", "late:80", "alice:9"] {
                assert!(TcpStream::connect(address).await.is_err(), "{address}");
            }
            TcpStream::connect("open:80").await?;
            sleep(s(10)).await;
            Err("it has seen enough".into())
        });
    let report = stage.run().failure_report("replay");
    let section = report.split("never reached\n").nth(1).and_then(|rest| rest.split("plan\n").next());
    insta::assert_snapshot!(section.unwrap_or(&report), @"
      alice tried open:81 2 times: open listens on 80 only
      alice tried shut:80 once: shut listens there on its loopback address only: let it listen on
        0.0.0.0:80
      alice tried alice:9 once: alice listened on no port in this run
    ");
}

#[track_caller]
fn never<V: Verb>(name: &str, on: impl Into<<V::Place as Place<V>>::On>, trigger: Trigger, verb: V) -> String {
    sentence(&session(name).fault(trigger, on, verb).run())
}

/// The sentence of the broken `took_effect`.
#[track_caller]
fn sentence(outcome: &Outcome) -> String {
    let broken = outcome.violations().find(|violation| violation.check == "took_effect");
    broken.unwrap_or_else(|| panic!("every fault took effect:\n{}", outcome.story())).sentence.clone()
}

/// The summary of the held `took_effect`.
#[track_caller]
fn effects(outcome: &Outcome) -> String {
    let held = outcome.verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Held { check: "took_effect", summary } => Some(summary.clone()),
        Verdict::Held { .. } | Verdict::Broken(_) => None,
    });
    held.unwrap_or_else(|| panic!("a fault took no effect:\n{}", outcome.story()))
}

/// Alice says five bytes to the echo each second, for 30 s, and comes back when she is cut off.
fn session(name: &str) -> Stage {
    Stage::new(name).host("echo", echo).actor("alice", async |_| {
        let end = Instant::now() + s(30);
        while Instant::now() < end {
            let connected = timeout(s(2), TcpStream::connect("echo:80")).await;
            let Ok(Ok(mut stream)) = connected else {
                sleep(s(1)).await;
                continue;
            };
            while Instant::now() < end {
                let said = timeout(s(3), async {
                    stream.write_all(b"hello").await?;
                    stream.read_exact(&mut [0; 5]).await
                });
                if !matches!(said.await, Ok(Ok(_))) {
                    break;
                }
                sleep(s(1)).await;
            }
        }
        Ok(())
    })
}

async fn echo(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (stream, _) =
            tokio::select! { accepted = listener.accept() => accepted?, () = cx.stopped() => return Ok(()) };
        tokio::spawn(async move {
            let (mut read, mut write) = stream.into_split();
            // How it ends is not this test's subject.
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

fn link(client: &str, server: &str, connection: Option<u32>) -> Connections {
    Connections { nth: connection, ..Connections::of(client, server) }
}
