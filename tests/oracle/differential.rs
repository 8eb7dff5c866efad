//! Random operations on one connection, one after the other, on Linux, in the simulation and on turmoil-net: each must come
//! to the same on all three.
//!
//! turmoil-net is known to part with Linux once a connection is reset, so there it is compared up to that point.

use std::collections::BTreeSet;
use std::time::Duration;

use halfopen::Catalogue;
use halfopen::Scenario;
use halfopen::internals::HostSpec;
use halfopen_net::TcpStream;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::backend::{self, Backend};
use crate::coordination;

/// How many scripts are played; `PROPTEST_CASES` overrides it.
const CASES: u32 = 128;
/// Together they fit into anybody's buffers.
const MOST_BYTES: usize = 4_000;
const MOST_STEPS: usize = 12;

/// What both ends do in turn.
#[derive(Clone, Debug)]
pub(crate) struct Script(Vec<(End, Op)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Write(usize),
    /// At most this many bytes.
    Read(usize),
    /// Half-closes.
    Shutdown,
    Close,
    /// Closes with a zero linger.
    Reset,
}

#[test]
fn random_operations_come_to_the_same_on_linux_and_in_the_simulation_and_on_turmoil_net() {
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |text| text.parse().expect("PROPTEST_CASES is a number"));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let mut met = BTreeSet::new();
    let outcome = runner.run(&scripts(), |script| {
        let linux = on_linux(&script);
        let simulated = in_the_simulation(&script);
        prop_assert_eq!(&simulated, &linux, "the simulation (left) and Linux (right)");
        let reference = on_turmoil(&script);
        let known = script.steps_before_a_reset();
        prop_assert_eq!(&reference[..known], &linux[..known], "turmoil-net (left) and Linux (right)");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // What the scripts are worth is which outcomes they reach.
    let mut runner = TestRunner::deterministic();
    for _ in 0..64 {
        let script = scripts().new_tree(&mut runner).expect("a script is never rejected").current();
        met.extend(in_the_simulation(&script).iter().map(|line| kind(line)));
    }
    for wanted in ["wrote", "read", "eof", "pending", "shut down", "closed", "reset", "ConnectionReset", "BrokenPipe"] {
        assert!(met.iter().any(|kind| kind == wanted), "no script came to {wanted}: {met:?}");
    }
}

/// An outcome without its numbers.
fn kind(line: &str) -> String {
    let outcome = line.split_once(": ").map_or(line, |(_, outcome)| outcome);
    outcome.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == ' ').to_owned()
}

fn scripts() -> impl Strategy<Value = Script> {
    let end = prop_oneof![Just(End::Client), Just(End::Server)];
    let op = prop_oneof![
        4 => (1..=MOST_BYTES).prop_map(Op::Write),
        4 => (1..=2 * MOST_BYTES).prop_map(Op::Read),
        1 => Just(Op::Shutdown),
        1 => Just(Op::Close),
        1 => Just(Op::Reset),
    ];
    prop::collection::vec((end, op), 1..=MOST_STEPS).prop_map(|steps| {
        // An end that has closed does nothing more.
        let mut gone = BTreeSet::new();
        let steps = steps.into_iter().filter(|(end, op)| {
            let here = !gone.contains(end);
            if matches!(op, Op::Close | Op::Reset) {
                gone.insert(*end);
            }
            here
        });
        Script(steps.collect())
    })
}

impl Script {
    /// How many steps come before the one that resets the connection, if one does.
    fn steps_before_a_reset(&self) -> usize {
        let mut unread = [0_usize; 2];
        let mut gone = [false; 2];
        for (n, (end, op)) in self.0.iter().enumerate() {
            let (own, other) = (*end as usize, 1 - *end as usize);
            match op {
                Op::Write(_) if gone[other] => return n,
                Op::Write(bytes) => unread[other] += bytes,
                Op::Read(bytes) => unread[own] = unread[own].saturating_sub(*bytes),
                Op::Shutdown => {}
                Op::Close if unread[own] > 0 => return n,
                Op::Close => gone[own] = true,
                Op::Reset => return n,
            }
        }
        self.0.len()
    }
}

fn on_linux(script: &Script) -> Vec<String> {
    let script = script.clone();
    backend::linux(move |backend| async move {
        let server = tokio::task::spawn_local(play(backend.clone(), End::Server, script.clone()));
        play(backend, End::Client, script).await;
        server.abort();
    })
}

fn in_the_simulation(script: &Script) -> Vec<String> {
    let (client, server) = (script.clone(), script.clone());
    let catalogue = Catalogue::new("", "")
        .host("server", move |cx| {
            let play = play(Backend::simulated(cx.clone()), End::Server, server.clone());
            async move {
                play.await;
                cx.stopped().await;
                Ok(())
            }
        })
        .actor("client", move |cx| {
            let play = play(Backend::simulated(cx), End::Client, client.clone());
            async move {
                play.await;
                Ok(())
            }
        });
    let scenario = Scenario::new("differential", "random operations on one connection")
        .with_host(HostSpec::host("server", "server"))
        .with_host(HostSpec::actor("client", "client"));
    backend::simulation(&catalogue, scenario, Vec::new(), 1)
}

fn on_turmoil(script: &Script) -> Vec<String> {
    let (client, server) = (script.clone(), script.clone());
    backend::turmoil(
        ("client", move |backend| play(backend, End::Client, client)),
        ("server", move |backend| play(backend, End::Server, server)),
    )
}

/// Plays one end of a script.
pub(crate) async fn play(backend: Backend, end: End, script: Script) {
    let stream = match end {
        End::Client => backend.connect("server").await.expect("the server listens"),
        End::Server => backend.listen().await.accept().await.expect("the client connects").0,
    };
    if end == End::Server {
        coordination::next_turn();
    }
    stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    let mut stream = Some(stream);
    for (n, (whose, op)) in script.0.iter().enumerate() {
        if *whose == end {
            coordination::turn(n + 1).await;
            let outcome = act(&mut stream, *op).await;
            backend.say(format!("{end:?}: {outcome}"));
            backend.pass().await;
            coordination::next_turn();
        }
    }
    coordination::turn(script.0.len() + 1).await;
}

async fn act(stream: &mut Option<TcpStream>, op: Op) -> String {
    let Some(open) = stream.as_mut() else { return "gone".to_owned() };
    match op {
        Op::Write(bytes) => match open.write_all(&vec![b'.'; bytes]).await {
            Ok(()) => format!("wrote {bytes}"),
            Err(error) => format!("{:?}", error.kind()),
        },
        Op::Read(most) => {
            let mut buffer = vec![0; most];
            match tokio::time::timeout(Duration::from_millis(20), open.read(&mut buffer)).await {
                Ok(Ok(0)) => "eof".to_owned(),
                Ok(Ok(bytes)) => format!("read {bytes}"),
                Ok(Err(error)) => format!("{:?}", error.kind()),
                Err(_) => "pending".to_owned(),
            }
        }
        Op::Shutdown => match open.shutdown().await {
            Ok(()) => "shut down".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        },
        Op::Close => {
            *stream = None;
            "closed".to_owned()
        }
        Op::Reset => {
            open.set_zero_linger().expect("a socket takes SO_LINGER");
            *stream = None;
            "reset".to_owned()
        }
    }
}
